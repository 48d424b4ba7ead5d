/* SPDX-License-Identifier: MIT */
/*
 * The init of an instance, with all that runs in it, as criu(8) makes it from its images. It is the holder's child
 * (CLONE_PARENT), like one that the holder has cloned, and so ends with it; what criu leaves behind comes to the holder
 * as well, which is a subreaper.
 *
 * The images hold the host ids, so the worker takes that range; and no network namespace, so that is a new one with a
 * loopback interface.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "launcher.h"
#include "mount/mounts.h"

#define PID_FILE "restored.pid"

static void die(const char *object)
{
	fail(VISO_STAGE_CHECKPOINT, 0, object);
	_exit(127);
}

/* criu takes the root by its path: in a mount namespace of its own. */
static void attach_root(const struct job *job)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		die("unshare");
	if (syscall(SYS_move_mount, job->root_copy, "", AT_FDCWD, RESTORE_ROOT, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		die(RESTORE_ROOT);
}

static _Noreturn void run_criu(const struct job *job, int images)
{
	static char here[4096], root[sizeof(here) + sizeof(RESTORE_ROOT) + 1];
	const char *criu = plan_string(job->plan, job->plan->restore.criu);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != worker.pid)
		_exit(1);
	restore_ignored_signals();
	signal(SIGUSR1, SIG_DFL);
	if (fchdir(images) < 0)
		die("fchdir");
	attach_root(job);
	if (!getcwd(here, sizeof(here)))
		die("getcwd");
	snprintf(root, sizeof(root), "%s/" RESTORE_ROOT, here);
	const char *const arguments[] = {"criu", "restore", "--images-dir", here, "--root", root,
					 /* The nodes of /dev are the host's. */
					 "--external", "mnt[]:ms", "--empty-ns", "net", "--manage-cgroups=ignore",
					 "--file-locks", "--ext-unix-sk", "--restore-detached", "--restore-sibling",
					 "--pidfile", PID_FILE, "--log-file", RESTORE_LOG, "-v2", NULL};
	/* It calls tar(1) and ip(8). */
	const char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
	execve(criu, (char **)arguments, (char **)environment);
	die(criu);
	_exit(127);
}

/* 0 where it has done its work. */
static int await_criu(pid_t pid)
{
	struct pollfd polls[] = {{.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN},
				 {.fd = worker.host, .events = POLLIN},
				 {.fd = worker.launcher, .events = POLLIN}};
	int status;
	while (poll(polls, sizeof(polls) / sizeof(polls[0]), -1) < 0)
		;
	if (!polls[0].revents)
		kill(pid, SIGKILL);
	close_quietly(polls[0].fd);
	while (waitpid(pid, &status, __WALL) < 0 && errno == EINTR)
		;
	/* Unless it has noted why. */
	return status == 0 ? 0 : fail(VISO_STAGE_CHECKPOINT, EOPNOTSUPP, "criu");
}

/* Only a child of ours is believed to be the init. */
static int find_init(struct job *job, int images)
{
	char text[16] = "";
	siginfo_t info;
	int fd = openat(images, PID_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	close_quietly(fd);
	unlinkat(images, PID_FILE, 0);
	int pid = n > 0 ? atoi(text) : 0;
	if (pid <= 0 || waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return fail(VISO_STAGE_CHECKPOINT, ESRCH, PID_FILE);
	job->pid = pid;
	job->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return job->pidfd < 0 ? fail(VISO_STAGE_CHECKPOINT, 0, "pidfd_open") : 0;
}

static int bring_loopback_up(const struct job *job)
{
	int status = 1;
	pid_t pid = fork();
	if (pid == 0)
		_exit(setns(job->pidfd, CLONE_NEWNET) < 0 || network_bring_loopback_up() < 0);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status == 0 ? 0 : fail(VISO_STAGE_CHECKPOINT, ENETDOWN, "lo"); /* unless it has noted why */
}

static int find_root(struct job *job, int *out_root, int *out_pts)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/root", job->pid);
	*out_root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*out_root < 0)
		return fail(VISO_STAGE_CHECKPOINT, 0, path);
	terminal_find_pts(job, *out_root);
	*out_pts = job->pts;
	job->pts = -1;
	return 0;
}

int restore_start_init(struct job *job, int *out_root, int *out_pts)
{
	int images = job->fds[job->plan->restore.images_fd];
	if (!worker.owns_ids || !id_range_take(job->plan->restore.first_id))
		return fail(VISO_STAGE_CHECKPOINT, EBUSY, "ids");
	job->host_uid = worker.first_id = job->plan->restore.first_id;
	job->root_copy = mounts_copy_root(job);
	if (job->root_copy < 0)
		return -1;
	unlinkat(images, PID_FILE, 0);
	pid_t pid = fork();
	if (pid == 0)
		run_criu(job, images);
	if (pid < 0)
		return fail(VISO_STAGE_CHECKPOINT, 0, "fork");
	if (await_criu(pid) < 0 || find_init(job, images) < 0 || bring_loopback_up(job) < 0)
		return -1;
	return find_root(job, out_root, out_pts);
}

/* What is beneath /proc is root's as soon as nobody may look into it (proc(5)). */
int restore_hide_init(const struct job *job)
{
	enum { TRIES = 2000 };
	char path[64];
	struct stat st;
	snprintf(path, sizeof(path), "/proc/%d/status", job->pid);
	syscall(SYS_pidfd_send_signal, job->pidfd, SIGNAL_HIDE, NULL, 0);
	for (int i = 0; i < TRIES && stat(path, &st) == 0; i++) {
		if (st.st_uid == 0)
			return 0;
		usleep(1000);
	}
	return fail(VISO_STAGE_CHECKPOINT, ETIMEDOUT, "init");
}
