/* SPDX-License-Identifier: MIT */
/* Which files programs can reach by Landlock. */
#include <errno.h>
#include <linux/landlock.h>
#include <stdlib.h>
#include <string.h>

#include "container/container.h"
#include "core/cleanup.h"
#include "core/error.h"
#include "launch/landlock.h"

/* Of the right that Linux 5.19, 6.2 and 6.10 brought; older headers have not all of them. */
enum { REFER = 1 << 13, TRUNCATE = 1 << 14, IOCTL_DEV = 1 << 15 };

enum {
	ALL_ACCESS = VISO_LANDLOCK_READ | VISO_LANDLOCK_WRITE | VISO_LANDLOCK_EXECUTE | VISO_LANDLOCK_DEVICES,
	PATHS_MAX = 1024,
};

/* Nobody may make device nodes. */
static uint64_t kernel_rights(unsigned access)
{
	uint64_t rights = 0;
	if (access & VISO_LANDLOCK_READ)
		rights |= LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
	if (access & VISO_LANDLOCK_WRITE)
		rights |= LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
			  LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
			  LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM |
			  REFER | TRUNCATE;
	/* The kernel reads what it executes, and asks for both (get_required_file_open_access() in fs.c of Landlock).
	 */
	if (access & VISO_LANDLOCK_EXECUTE)
		rights |= LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE;
	if (access & VISO_LANDLOCK_DEVICES)
		rights |= IOCTL_DEV;
	return rights;
}

static int check_path(const char *path, const char *function)
{
	if (!path || path[0] != '/')
		return error_argument(function, "the path is not absolute");
	for (const char *part = path; *part; part += strcspn(part, "/")) {
		part += strspn(part, "/");
		if (!strncmp(part, "..", 2) && (part[2] == '/' || !part[2]))
			return error_argument(function, "the path has a '..' in it");
	}
	return 0;
}

static int remember(struct container_security *security, const char *path, unsigned access)
{
	_cleanup_free_ char *copy = strdup(path);
	struct landlock_setting *paths =
		copy ? reallocarray(security->paths, security->path_count + 1, sizeof(*paths)) : NULL;
	if (!paths)
		return error_memory();
	security->paths = paths;
	paths[security->path_count++] = (struct landlock_setting){.path = TAKE_PTR(copy), .access = access};
	return 0;
}

int viso_container_add_landlock_path(viso_container *container, const char *path, unsigned access)
{
	int r = container_check_setter(container, __func__);
	if (r == 0)
		r = check_path(path, __func__);
	if (r < 0)
		return r;
	if (!access || (access & ~(unsigned)ALL_ACCESS))
		return error_argument(__func__, "no such right");
	if (container->security.path_count == PATHS_MAX)
		return error_argument(__func__, "more than 1024 paths");
	return remember(&container->security, path, access);
}

static int fail_missing(int abi)
{
	return error_fail(VISO_STAGE_LANDLOCK, EOPNOTSUPP, "viso_container_add_landlock_path",
			  "viso_container_add_landlock_path: %s",
			  abi == -EOPNOTSUPP
				  ? "the kernel has Landlock, but it is off; add landlock to the boot parameter lsm="
				  : "the kernel has no Landlock; it needs Linux 5.13, built with "
				    "CONFIG_SECURITY_LANDLOCK");
}

/*
 * In a network that is not its own a program could reach the host's abstract unix sockets, and be handed what it likes
 * (CVE-2020-15257).
 */
static uint64_t scopes_in_shared_network(void)
{
	enum { ABSTRACT_UNIX_SOCKET = 1 };
	return landlock_scopes(landlock_abi()) & ABSTRACT_UNIX_SOCKET;
}

int security_add_landlock(struct launch_request *request, const viso_container *container)
{
	const struct container_security *security = &container->security;
	const struct plan *plan = request->plan;
	if ((plan->flags & PLAN_HOST_NETWORK) || plan->namespaces.joined[VISO_NAMESPACE_NETWORK])
		request->plan->security.landlock_scope = scopes_in_shared_network();
	if (!security->path_count)
		return 0;
	int abi = landlock_query();
	if (abi <= 0)
		return fail_missing(abi);
	uint64_t governed = landlock_access(abi);
	_cleanup_free_ struct plan_landlock_path *paths = calloc(security->path_count, sizeof(*paths));
	if (!paths)
		return error_memory();
	for (size_t i = 0; i < security->path_count; i++) {
		paths[i].access = kernel_rights(security->paths[i].access) & governed;
		paths[i].path = request_add_string(request, security->paths[i].path);
	}
	plan_offset offset = request_add_bytes(request, paths, security->path_count * sizeof(*paths));
	request->plan->security.landlock_paths = offset;
	request->plan->security.landlock_count = (uint32_t)security->path_count;
	request->plan->security.landlock_access = governed;
	return request->error;
}
