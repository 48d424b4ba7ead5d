/* SPDX-License-Identifier: MIT */
/*
 * The program's terminal. That of a jail is one of the host's, which the host program has opened. That of a container
 * is one of its own devpts, which was found before anything of the container ran, and is opened by that fd alone; the
 * program's end comes from the kernel and not from a name (TIOCGPTPEER): no path of the image has a say in it
 * (CVE-2025-52565).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <termios.h>

#include "launcher.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

void terminal_find_pts(struct job *job, int root)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	struct statfs fs;
	job->pts = (int)syscall(SYS_openat2, root, "/dev/pts", &how, sizeof(how));
	if (job->pts >= 0 && (fstatfs(job->pts, &fs) < 0 || fs.f_type != DEVPTS_SUPER_MAGIC))
		job->pts = close_quietly(job->pts);
}

/* Both ends of a new one: its fd for the program, or -1. */
static int open_in_container(const struct job *job)
{
	int unlocked = 0, peer = -1;
	if (job->pts < 0)
		return fail(VISO_STAGE_STDIO, ENODEV, "/dev/pts");
	int master = openat(job->pts, "ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
	if (master < 0)
		return fail(VISO_STAGE_STDIO, 0, "/dev/pts/ptmx");
	if (ioctl(master, TIOCSPTLCK, &unlocked) < 0 ||
	    (peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0)
		fail(VISO_STAGE_STDIO, 0, "TIOCGPTPEER");
	else if (report_fd(job->channel, REPORT_FD_TERMINAL, master) < 0)
		peer = close_quietly(peer);
	close(master);
	return peer;
}

int terminal_open(struct job *job)
{
	const struct plan *plan = job->plan;
	struct winsize size = {.ws_col = (unsigned short)plan->terminal.columns,
			       .ws_row = (unsigned short)plan->terminal.rows};
	bool jail = plan->isolation == PLAN_JAIL;
	int terminal = jail ? job->stream[0] : open_in_container(job);
	if (terminal < 0)
		return -1;
	uint32_t base = jail && !(plan->flags & PLAN_HAS_USER) ? job->host_uid : 0;
	/* As login(1) does it; an ordinary user's belongs to the right one already. */
	if (worker.owns_ids && fchown(terminal, base + plan->uid, base + plan->gid) < 0)
		return fail(VISO_STAGE_STDIO, 0, "fchown");
	if (ioctl(terminal, TIOCSWINSZ, &size) < 0)
		return fail(VISO_STAGE_STDIO, 0, "TIOCSWINSZ");
	for (int i = 0; i < 3; i++)
		job->stream[i] = terminal;
	return 0;
}

int terminal_take_control(const struct job *job)
{
	if (job->plan->terminal.columns && ioctl(0, TIOCSCTTY, 0) < 0)
		return fail(VISO_STAGE_STDIO, 0, "TIOCSCTTY");
	return 0;
}
