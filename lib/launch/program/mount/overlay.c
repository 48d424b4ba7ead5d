/* SPDX-License-Identifier: MIT */
/*
 * Making an overlay. The kernel takes its directories by name, and before Linux 6.15 from mounts of the caller's mount
 * namespace only. So detached mounts are attached first, out of sight, and the names are numbers in /proc/self/fd.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "mount/mounts.h"

/*
 * Extended attributes of a layer, which an image may bring along, must not lead elsewhere in it (redirect_dir,
 * metacopy). No index: it would outlive an instance that was killed, and refuse the next.
 */
static int configure(int context, const struct overlay *overlay, int upper, int work)
{
	char lower[256] = "", number[2][16];
	for (int i = overlay->count; i-- > 0;)
		snprintf(lower + strlen(lower), sizeof(lower) - strlen(lower), "%s%d", *lower ? ":" : "",
			 overlay->layers[i]);
	snprintf(number[0], sizeof(number[0]), "%d", upper);
	snprintf(number[1], sizeof(number[1]), "%d", work);
	const struct option options[] = {
		{"lowerdir", lower},
		{"redirect_dir", "nofollow"},
		{"metacopy", "off"},
		{"index", "off"},
		{upper >= 0 ? "upperdir" : NULL, number[0]},
		{"workdir", number[1]},
		{NULL, NULL},
	};
	for (const struct option *option = options; option->key; option++)
		if (syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, option->key, option->value, 0) < 0)
			return -1;
	if (overlay->attached && syscall(SYS_fsconfig, context, FSCONFIG_SET_FLAG, "userxattr", NULL, 0) < 0)
		return -1;
	return (int)syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
}

/* To where the names are numbers. */
static int enter_fds(void)
{
	int fd = mount_open_fds();
	if (fd < 0)
		return -1;
	int r = fchdir(fd);
	close(fd);
	return r;
}

static int attach_layers(const struct overlay *overlay)
{
	for (int i = 0; i < overlay->count && !overlay->attached; i++)
		if (mount_stack(overlay->layers[i]) < 0)
			return -1;
	return 0;
}

/* Where the kernel cannot work in the upper, it leaves the overlay read-only, and says so in its log alone. */
static int check_writable(int mount_fd, const struct overlay *overlay)
{
	struct statvfs st;
	if (mount_fd < 0 || overlay->base < 0 || (fstatvfs(mount_fd, &st) == 0 && !(st.f_flag & ST_RDONLY)))
		return mount_fd;
	close(mount_fd);
	errno = EROFS;
	return -1;
}

int overlay_make(const struct overlay *overlay, uint64_t attributes)
{
	int upper = -1, work = -1, mount_fd = -1;
	if (attach_layers(overlay) < 0)
		return -1;
	if (overlay->base >= 0) {
		upper = target_find(overlay->base, "upper", O_PATH | O_DIRECTORY);
		work = target_find(overlay->base, "work", O_PATH | O_DIRECTORY);
	}
	int context = overlay->base < 0 || (upper >= 0 && work >= 0)
			      ? (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC)
			      : -1;
	if (context >= 0 && enter_fds() == 0 && configure(context, overlay, upper, work) == 0)
		mount_fd = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes);
	mount_fd = check_writable(mount_fd, overlay);
	int saved = errno;
	close_quietly(context);
	close_quietly(upper);
	close_quietly(work);
	errno = saved;
	return mount_fd;
}

struct aside {
	const struct overlay *overlay;
	uint64_t attributes;
	int fd;
	int error;
};

/*
 * What the overlay does by itself, it does as whoever makes it; and in an id-mapped upper nothing can be made by an id
 * without a place there, as the host's root is. So that is the container's root, with the capabilities of the host's.
 * By system call, since this is the worker's memory; file system ids, since those change with nothing else.
 */
static int take_container_ids(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	syscall(SYS_setfsgid, worker.first_id);
	syscall(SYS_setfsuid, worker.first_id);
	if (syscall(SYS_capget, &header, data) < 0)
		return -1;
	for (int i = 0; i < 2; i++)
		data[i].effective = data[i].permitted;
	return (int)syscall(SYS_capset, &header, data);
}

/* On the worker's memory and with its fds, but in a mount namespace of its own. */
static int make_in_child(void *argument)
{
	struct aside *aside = argument;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    (!aside->overlay->mapped || take_container_ids() == 0) &&
	    (aside->overlay->base < 0 || mount_stack(aside->overlay->base) == 0))
		aside->fd = overlay_make(aside->overlay, aside->attributes);
	aside->error = errno;
	_exit(0);
}

int overlay_make_aside(const struct overlay *overlay, uint64_t attributes)
{
	struct aside aside = {.overlay = overlay, .attributes = attributes, .fd = -1};
	pid_t pid = clone(make_in_child, worker.child_stack,
			  CLONE_NEWNS | CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, &aside);
	if (pid < 0)
		return -1;
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	errno = aside.error;
	return aside.fd;
}
