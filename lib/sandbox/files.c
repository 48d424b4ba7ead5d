/* SPDX-License-Identifier: MIT */
/* Files into and out of an instance. */
#include <errno.h>

#include "core/error.h"
#include "sandbox/sandbox.h"

static int check(viso_sandbox *sandbox, const char *host_path, const char *path, const char *function)
{
	int root;
	int r = sandbox_check_use(sandbox, function);
	if (r < 0)
		return r;
	if (!host_path || !*host_path || !path || *path != '/')
		return error_argument(function, "a path is NULL or empty, or that in the sandbox is not absolute");
	if (!sandbox_has_instance(sandbox))
		return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, function,
				  "%s: a %s has no instance; put the files into its root", function,
				  viso_isolation_name(sandbox->backend->isolation));
	if (sandbox->backend->root && sandbox->backend->root(sandbox, &root) < 0)
		return error_argument(function, "there is no instance; call viso_sandbox_start() first");
	return 0;
}

int viso_sandbox_copy_in(viso_sandbox *sandbox, const char *source, const char *path)
{
	int r = check(sandbox, source, path, __func__);
	return r < 0 ? r : sandbox->backend->copy_in(sandbox, source, path);
}

int viso_sandbox_copy_out(viso_sandbox *sandbox, const char *path, const char *destination)
{
	int r = check(sandbox, destination, path, __func__);
	return r < 0 ? r : sandbox->backend->copy_out(sandbox, path, destination);
}
