/* SPDX-License-Identifier: MIT */
/* In place of guest.c where the library is built without guests. */
#include <virtiso/guest.h>
#include <virtiso/guest_files.h>
#include <virtiso/guest_limits.h>

#include <errno.h>
#include <stddef.h>

#include "core/error.h"

static int unsupported(const char *function)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, function,
			  "%s: this library was built without guests; build it for x86-64 with the option kvm enabled",
			  function);
}

viso_guest *viso_guest_new(void)
{
	unsupported(__func__);
	return NULL;
}

/* No handle can exist: these get NULL or garbage. */
viso_guest *viso_guest_ref(viso_guest *guest)
{
	return guest;
}

viso_guest *viso_guest_unref(viso_guest *guest)
{
	return NULL;
}

viso_sandbox *viso_guest_sandbox(viso_guest *guest)
{
	error_argument(__func__, "the handle is NULL");
	return NULL;
}

int viso_guest_set_root(viso_guest *guest, viso_root *root)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_set_memory_max(viso_guest *guest, uint64_t bytes)
{
	return error_argument(__func__, "the handle is NULL");
}

int viso_guest_set_connect_handler(viso_guest *guest, viso_connect_fn handler, void *userdata, viso_destroy_fn destroy)
{
	return error_argument(__func__, "the handle is NULL");
}
