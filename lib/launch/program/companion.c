/* SPDX-License-Identifier: MIT */
/*
 * pasta(1), which carries the packets of a container of VISO_NETWORK_USER: in the host's network namespace, but in the
 * user namespace of the container, whose network it may configure by that.
 *
 * It is in a pid namespace of its own, whose init is a process of ours that dies with the worker. So the kernel ends it
 * whatever is killed: what joins a user namespace loses its own parent-death signal (prctl(2)). And whoever is root in
 * the container does not see it, though he has rights over its user namespace.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
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

static const char tun[] = "/dev/net/tun";

/* What is executed has the rights over the user namespace whoever it is in there. */
static int keep_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	if (syscall(SYS_capget, &header, data) < 0)
		return -1;
	for (int i = 0; i < 2; i++)
		data[i].inheritable = data[i].permitted;
	if (syscall(SYS_capset, &header, data) < 0)
		return -1;
	for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
		prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0);
	return 0;
}

static _Noreturn void execute(const struct job *job, const int fds[3])
{
	static char *env[] = {NULL};
	const char *string = plan_string(job->plan, job->plan->network.companion.first);
	uint32_t count = job->plan->network.companion.count;
	char **argv = calloc(count + 1, sizeof(*argv));
	if (!argv)
		_exit(127);
	for (uint32_t i = 0; i < count; i++) {
		argv[i] = (char *)string;
		string += strlen(string) + 1;
	}
	/* All three are above 2, where the worker has the null device. */
	for (int i = 0; i < 3; i++)
		if (dup2(fds[i], i) < 0)
			_exit(127);
	syscall(SYS_close_range, 3u, ~0u, 0);
	/* It takes an ignored SIGPIPE for a failure of signal(2). */
	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	if (keep_capabilities() == 0)
		execve(argv[0], argv, env);
	dprintf(2, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/* The init of its pid namespace. */
static _Noreturn void hold(const struct job *job, const int fds[3])
{
	struct pollfd parent = {.fd = worker.self, .events = POLLIN};
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (poll(&parent, 1, 0) > 0)
		_exit(127);
	prctl(PR_SET_NAME, "viso-network");
	pid_t pid = fork();
	if (pid == 0)
		execute(job, fds);
	syscall(SYS_close_range, 0u, ~0u, 0);
	while (waitpid(-1, NULL, __WALL) != pid)
		if (pid < 0 || errno == ECHILD)
			break;
	_exit(0);
}

/*
 * Where only the host's root may open the tun device, as on a machine without udev, he has one for everybody in a mount
 * namespace that only pasta sees. What goes wrong here, pasta tells.
 */
static void lend_tun(void)
{
	struct stat st;
	if (!worker.owns_ids || stat(tun, &st) < 0 || !S_ISCHR(st.st_mode) || (st.st_mode & 06) == 06 ||
	    unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return;
	umask(0);
	if (mount("tmpfs", "/dev/net", "tmpfs", MS_NOSUID | MS_NOEXEC, "size=64k,mode=755") == 0)
		mknod(tun, S_IFCHR | 0666, st.st_rdev);
	umask(022);
}

/* Enters the user namespace and leaves a child of the worker in it, whose pid it notes in the page. */
static _Noreturn void enter(const struct job *job, const int fds[3])
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/ns/user", job->pid);
	int user = open(path, O_RDONLY | O_CLOEXEC);
	if (user < 0) {
		fail(VISO_STAGE_NETWORK, 0, path);
		_exit(127);
	}
	lend_tun();
	if (setns(user, CLONE_NEWUSER) < 0) {
		fail(VISO_STAGE_NETWORK, 0, "setns");
		_exit(127);
	}
	syscall(SYS_setgroups, 0, NULL);
	/* Where the namespace has one: its root is nobody on the host. */
	syscall(SYS_setresgid, 0, 0, 0);
	syscall(SYS_setresuid, 0, 0, 0);
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, 0);
	if (pid == 0)
		hold(job, fds);
	if (pid < 0)
		fail(VISO_STAGE_NETWORK, 0, "clone");
	worker.page->companion_pid = pid;
	_exit(0);
}

static int start(struct job *job, const int fds[3])
{
	int status;
	worker.page->companion_pid = 0;
	pid_t pid = fork();
	if (pid == 0)
		enter(job, fds);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	job->companion.pid = pid > 0 && worker.page->companion_pid > 0 ? worker.page->companion_pid : 0;
	/* In an instance it is reaped by the kernel when it ends; then the number is another's. */
	if (job->companion.pid)
		job->companion.pidfd = (int)syscall(SYS_pidfd_open, job->companion.pid, 0);
	return job->companion.pid ? 0 : fail(VISO_STAGE_NETWORK, pid < 0 ? 0 : ECHILD, "fork");
}

int companion_start(struct job *job)
{
	int ready[2] = {-1, -1}, complaints[2] = {-1, -1};
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/ns/net", job->pid);
	int namespace = open(path, O_RDONLY | O_CLOEXEC);
	int r = -1;
	if (namespace < 0)
		fail(VISO_STAGE_NETWORK, 0, path);
	else if (pipe2(ready, O_CLOEXEC) < 0 || pipe2(complaints, O_CLOEXEC) < 0)
		fail(VISO_STAGE_NETWORK, 0, "pipe2");
	else if (fchmod(ready[1], 0666) < 0) /* it is opened anew, by its name in /proc, as somebody else */
		fail(VISO_STAGE_NETWORK, 0, "fchmod");
	else
		r = start(job, (const int[3]){namespace, ready[1], complaints[1]});
	close_quietly(namespace);
	close_quietly(ready[1]);
	close_quietly(complaints[1]);
	job->companion.ready = ready[0];
	job->companion.complaints = complaints[0];
	return r;
}

/* The last line of what it wrote. */
static int fail_as_it_says(const struct job *job)
{
	static char text[4096];
	size_t size = 0;
	ssize_t n;
	while (size < sizeof(text) - 1 &&
	       (n = read(job->companion.complaints, text + size, sizeof(text) - 1 - size)) != 0)
		if (n > 0)
			size += (size_t)n;
		else if (errno != EINTR)
			break;
	while (size > 0 && text[size - 1] == '\n')
		size--;
	text[size] = '\0';
	const char *line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	int error = strstr(line, "in use")   ? EADDRINUSE
		    : strstr(line, "denied") ? EACCES
		    : strstr(line, "bind")   ? EADDRINUSE
					     : EIO;
	return fail(VISO_STAGE_NETWORK, error, *line ? line : "pasta");
}

int companion_take_ready(struct job *job)
{
	char byte;
	ssize_t n = read(job->companion.ready, &byte, 1);
	if (n < 0 && errno == EINTR)
		n = read(job->companion.ready, &byte, 1);
	int r = n == 1 ? 0 : fail_as_it_says(job);
	job->companion.ready = close_quietly(job->companion.ready);
	/* Nobody reads on: it must not wait for us. */
	job->companion.complaints = close_quietly(job->companion.complaints);
	return r;
}

void companion_end(struct job *job)
{
	struct companion *companion = &job->companion;
	if (companion->pid) {
		syscall(SYS_pidfd_send_signal, companion->pidfd, SIGKILL, NULL, 0);
		while (waitpid(companion->pid, NULL, __WALL) < 0 && errno == EINTR)
			;
		companion->pid = 0;
	}
	companion->pidfd = close_quietly(companion->pidfd);
	companion->ready = close_quietly(companion->ready);
	companion->complaints = close_quietly(companion->complaints);
}
