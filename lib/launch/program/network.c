/* SPDX-License-Identifier: MIT */
/* The network of a container from within; the interface that leads out is made by the host. */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/mount.h>
#include <linux/netlink.h>
#include <linux/openat2.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <virtiso/sandbox.h>

#include "launcher.h"

static int bring_loopback_up(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r = fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &request);
	int saved = errno;
	close_quietly(fd);
	errno = saved;
	return r < 0 ? fail(VISO_STAGE_NETWORK, 0, "lo") : 0;
}

/*
 * Through this socket the host sees and changes the network in here without entering it: the kernel asks for the rights
 * of both who opened it and who sends (netlink(7), netlink_ns_capable()).
 */
static int await_host(const struct job *job)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return fail(VISO_STAGE_NETWORK, 0, "netlink");
	int r = report_fd(job->channel, REPORT_FD_NETWORK, fd);
	close(fd);
	/* Where it cannot be made, the worker ends us. */
	while (r == 0 && !atomic_load(&worker.page->network_made))
		syscall(SYS_futex, &worker.page->network_made, FUTEX_WAIT, 0, NULL, NULL, 0);
	return r;
}

int network_make(const struct job *job)
{
	if (job->plan->flags & PLAN_HOST_NETWORK)
		return 0;
	if (unshare(CLONE_NEWNET) < 0)
		return fail(VISO_STAGE_NAMESPACE, 0, "network");
	if (bring_loopback_up() < 0)
		return -1;
	return job->plan->network.kind > VISO_NETWORK_HOST ? await_host(job) : 0;
}

void network_continue(void)
{
	atomic_store(&worker.page->network_made, 1);
	syscall(SYS_futex, &worker.page->network_made, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static int open_beneath(int dir, const char *name, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	return (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
}

static int new_tmpfs(void)
{
	int context = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
	int fd = -1;
	if (context >= 0 && syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "size", "64k", 0) == 0 &&
	    syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		fd = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC,
				  MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	int saved = errno;
	close_quietly(context);
	errno = saved;
	return fd;
}

static int move_mount_to(int mount, int target)
{
	return (int)syscall(SYS_move_mount, mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

/* A detached, read-only mount of a file with the text, from a tmpfs that is attached to `place` for a moment: only of
 * what is attached a copy can be made. */
static int file_mount(int tmpfs, int place, const char *text)
{
	struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
	static const char name[] = "resolv.conf";
	size_t size = strlen(text);
	int mount = -1;
	if (move_mount_to(tmpfs, place) < 0)
		return -1;
	int file = openat(tmpfs, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
	if (file >= 0 && fchmod(file, 0644) == 0 && write(file, text, size) == (ssize_t)size)
		mount = (int)syscall(SYS_open_tree, tmpfs, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	int saved = errno;
	close_quietly(file);
	if (mount >= 0)
		syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH, &read_only, sizeof(read_only));
	if (fchdir(tmpfs) == 0)
		umount2(".", MNT_DETACH);
	errno = saved;
	return mount;
}

int network_mount_resolv_conf(const struct plan *plan, int root)
{
	static const char path[] = "/etc/resolv.conf";
	if (!plan->network.resolv_conf)
		return 0;
	int target = open_beneath(root, path + 1, O_PATH);
	if (target < 0)
		return fail(VISO_STAGE_NETWORK, 0, path);
	int place = open_beneath(root, "tmp", O_PATH | O_DIRECTORY);
	int tmpfs = new_tmpfs();
	int mount =
		place < 0 || tmpfs < 0 ? -1 : file_mount(tmpfs, place, plan_string(plan, plan->network.resolv_conf));
	int r = mount < 0 || move_mount_to(mount, target) < 0 ? fail(VISO_STAGE_NETWORK, 0, path) : 0;
	close_quietly(target);
	close_quietly(place);
	close_quietly(tmpfs);
	close_quietly(mount);
	return r;
}
