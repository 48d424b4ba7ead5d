/* SPDX-License-Identifier: MIT */
/*
 * Kernel parameters of a container's own namespaces. They are written by its init through a procfs of its own that is
 * attached nowhere, so that nothing in the root, and nothing that covers /proc, is on the way (CVE-2019-16884).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/vfs.h>

#include "launcher.h"

static int proc = -1; /* of the init, from preparing to writing */

int sysctls_prepare(const struct plan *plan)
{
	struct statfs st;
	if (!plan->namespaces.sysctls.count)
		return 0;
	/* While the host's /proc is there, without which the kernel allows none (mount_too_revealing). */
	proc = mounts_new_proc();
	if (proc >= 0 && (fstatfs(proc, &st) < 0 || st.f_type != PROC_SUPER_MAGIC))
		return fail(VISO_STAGE_NAMESPACE, EXDEV, "proc");
	return proc < 0 ? -1 : 0;
}

static int write_parameter(int directory, const char *path, const char *value)
{
	struct open_how how = {
		.flags = O_WRONLY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};
	size_t size = strlen(value);
	int fd = (int)syscall(SYS_openat2, directory, path, &how, sizeof(how));
	/* All at once: the kernel takes no second piece (proc_sys_call_handler() in fs/proc/proc_sysctl.c). */
	ssize_t n = fd < 0 ? -1 : write(fd, value, size);
	if (n < 0 || (size_t)n != size)
		fail(VISO_STAGE_NAMESPACE, n < 0 ? errno : EINVAL, path);
	close_quietly(fd);
	return n < 0 || (size_t)n != size ? -1 : 0;
}

int sysctls_write(const struct plan *plan)
{
	const struct plan_strings *sysctls = &plan->namespaces.sysctls;
	const char *path = plan_string(plan, sysctls->first);
	if (!sysctls->count)
		return 0;
	int directory = openat(proc, "sys", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (directory < 0)
		return fail(VISO_STAGE_NAMESPACE, 0, "/proc/sys");
	int r = 0;
	for (uint32_t i = 0; i < sysctls->count && r == 0; i++) {
		const char *value = path + strlen(path) + 1;
		r = write_parameter(directory, path, value);
		path = value + strlen(value) + 1;
	}
	close(directory);
	proc = close_quietly(proc);
	return r;
}
