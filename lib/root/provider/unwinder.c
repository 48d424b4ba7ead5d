/* SPDX-License-Identifier: MIT */
/*
 * pthread_exit(3), pthread_cancel(3) and backtrace(3) of glibc load libgcc_s.so.1 (misc/unwind-link.c), of which libc
 * has no note; without it the first two abort the program: "libgcc_s.so.1 must be installed for pthread_exit to work".
 */
#include "root/provider/unwinder.h"

#include "root/closure/uses.h"

int unwinder_add(struct closure *closure, const char *host)
{
	struct object *libc = closure_find(closure, "libc.so.6");
	if (!libc || closure->loader.musl || !(closure_uses(closure) & USES_UNWINDER))
		return 0;
	const char *before = manifest_set_reason(closure->manifest, "dlopen by libc of %s", host);
	int r = closure_add_dlopened(closure, libc, "libgcc_s.so.1");
	manifest_restore_reason(closure->manifest, before);
	return r < 0 ? r : 0;
}
