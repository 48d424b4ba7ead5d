/* SPDX-License-Identifier: MIT */
/*
 * An instance of a container. Three kinds of processes of ours are about it:
 *
 * - its init, pid 1 inside, which has set everything up, reaps orphans and ends last;
 * - outside of its pid namespace, where nothing inside can name or signal them, holder, zygote and workers, as in an
 *   instance of a jail (instance.c); but the children of the workers are inside;
 * - for each command one such child, the attendant. It enters the other namespaces, is the subreaper of all that the
 *   command starts, so that no double fork gets away from a kill, and the parent of the program.
 *
 * The attendant is on the worker's memory, so nothing is copied, and what it does is little. That memory is never to
 * be had from inside: it is not dumpable from before the first process of it enters (CVE-2016-9962), and belongs to
 * the user namespace in which the launcher was executed, so that no capability inside opens it (ptrace(2),
 * PTRACE_MODE_READ; mm->user_ns). No program of the container runs before.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <virtiso/sandbox.h>

#include "launcher.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

/* What a command enters, in this order: by one pidfd, or namespace by namespace. */
static struct join {
	int fd;
	int kinds;
} joins[2];
static int join_count;
static int pid_namespace, clocks = -1;

static const struct {
	const char *name;
	int kind;
} namespaces[] = {{"user", CLONE_NEWUSER}, {"mnt", CLONE_NEWNS},  {"ipc", CLONE_NEWIPC},      {"uts", CLONE_NEWUTS},
		  {"net", CLONE_NEWNET},   {"pid", CLONE_NEWPID}, {"cgroup", CLONE_NEWCGROUP}};

/*
 * From outside alone: there the sender's pid is 0 for us (pid_namespaces(7)), and nobody inside may say SI_USER of a
 * signal that another process gets (rt_sigqueueinfo(2)).
 */
static void show_or_hide(int signal, siginfo_t *info, void *context)
{
	if (info->si_code == SI_USER && info->si_pid == 0)
		prctl(PR_SET_DUMPABLE, signal == SIGNAL_SHOW, 0, 0, 0);
}

/* What criu(8) needs: a session of its own within the pid namespace, and to be seen when it asks. */
static void be_ready_for_criu(void)
{
	struct sigaction action = {.sa_sigaction = show_or_hide, .sa_flags = SA_SIGINFO};
	sigaction(SIGNAL_SHOW, &action, NULL);
	sigaction(SIGNAL_HIDE, &action, NULL);
	setsid();
}

static _Noreturn void reap_for_ever(void)
{
	/* The kernel itself reaps what its parent ignores so, orphans as well (wait(2), NOTES). */
	signal(SIGCHLD, SIG_IGN);
	for (;;)
		pause();
}

static int send_fds(int socket, const int *fds, size_t count)
{
	union {
		char bytes[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {.iov_base = (char *)"", .iov_len = 1};
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = CMSG_SPACE(count * sizeof(int))};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(header), fds, count * sizeof(int));
	return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

_Noreturn void instance_stay(struct job *job)
{
	char byte;
	int fds[2] = {open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), job->pts};
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	if (fds[0] < 0 || send_fds(job->init_socket[1], fds, job->pts < 0 ? 1 : 2) < 0) {
		fail(VISO_STAGE_LAUNCHER, 0, "init");
		_exit(127);
	}
	/* Until now nothing has run that could do us harm; the zygote of an ordinary user enters while we are dumpable.
	 */
	if (recv(job->init_socket[1], &byte, 1, 0) != 1)
		_exit(127);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	close_between(0, ~0u);
	be_ready_for_criu();
	reap_for_ever();
}

/* How many there are, at most two; 0 where the other end has ended. */
static size_t receive_fds(int socket, int fds[2])
{
	union {
		char bytes[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t n;
	while ((n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
		;
	struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	if (!header)
		return 0;
	memcpy(fds, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
	return (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
}

int joined_start_init(struct job *job, int *out_root, int *out_pts)
{
	int fds[2] = {-1, -1};
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, job->init_socket) < 0)
		return fail(VISO_STAGE_LAUNCHER, 0, "socketpair");
	if (start_container(job) < 0)
		return -1;
	job->init_socket[1] = close_quietly(job->init_socket[1]);
	if (job->plan->network.kind > VISO_NETWORK_HOST && network_await_host(job) < 0)
		return -1;
	if (receive_fds(job->init_socket[0], fds) == 0)
		return fail(VISO_STAGE_LAUNCHER, ECHILD, "init"); /* unless it has noted why */
	*out_root = fds[0];
	*out_pts = fds[1];
	return 0;
}

int joined_release_init(struct job *job)
{
	char byte = 0;
	ssize_t n;
	if (send(job->init_socket[0], &byte, 1, MSG_NOSIGNAL) != 1)
		return fail(VISO_STAGE_LAUNCHER, ECHILD, "init");
	/* It closes its end when nobody can look into it any more. */
	while ((n = recv(job->init_socket[0], &byte, 1, 0)) < 0 && errno == EINTR)
		;
	job->init_socket[0] = close_quietly(job->init_socket[0]);
	return n == 0 ? 0 : fail(VISO_STAGE_LAUNCHER, EPROTO, "init");
}

static void namespace_path(char path[64], const char *task, const char *name)
{
	snprintf(path, 64, "/proc/%s/ns/%s", task, name);
}

/* Those in which the init is and we are not. 0 where that cannot be seen. */
static int find_differing(const char *init)
{
	int kinds = 0;
	for (size_t i = 0; i < sizeof(namespaces) / sizeof(namespaces[0]); i++) {
		char path[64];
		struct stat ours, its;
		namespace_path(path, "self", namespaces[i].name);
		if (stat(path, &ours) < 0)
			continue; /* a kernel without this kind */
		namespace_path(path, init, namespaces[i].name);
		if (stat(path, &its) < 0)
			return 0;
		if (ours.st_ino != its.st_ino)
			kinds |= namespaces[i].kind;
	}
	return kinds;
}

static int open_namespace(const char *init, const char *name)
{
	char path[64];
	namespace_path(path, init, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? fail(VISO_STAGE_NAMESPACE, 0, path) : fd;
}

static int add_join(const char *init, const char *name, int kind)
{
	int fd = open_namespace(init, name);
	if (fd < 0)
		return -1;
	joins[join_count++] = (struct join){.fd = fd, .kinds = kind};
	return 0;
}

/* Each command enters everything by one call. */
static void prepare_as_root(int init_fd, int kinds)
{
	joins[join_count++] = (struct join){.fd = init_fd, .kinds = kinds & ~CLONE_NEWPID};
}

/*
 * An ordinary user may do so only inside the user namespace (setns(2)): everything is entered now, but for the mounts,
 * since our workers look into the host's /proc, and the control groups, since one is entered from outside only
 * (cgroup-v2.rst, nsdelegate).
 */
static int prepare_as_user(int init_fd, const char *init, int kinds)
{
	const int later = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWCGROUP;
	if (((kinds & CLONE_NEWNS) && add_join(init, "mnt", CLONE_NEWNS) < 0) ||
	    ((kinds & CLONE_NEWCGROUP) && add_join(init, "cgroup", CLONE_NEWCGROUP) < 0))
		return -1;
	return setns(init_fd, kinds & ~later) < 0 ? fail(VISO_STAGE_NAMESPACE, 0, "setns") : 0;
}

int joined_prepare(const struct job *job)
{
	char init[16];
	snprintf(init, sizeof(init), "%d", job->pid);
	int kinds = find_differing(init);
	if (!(kinds & CLONE_NEWPID))
		return fail(VISO_STAGE_NAMESPACE, 0, "/proc/PID/ns");
	int init_fd = fcntl(job->pidfd, F_DUPFD_CLOEXEC, 3);
	if (init_fd < 0)
		return fail(VISO_STAGE_NAMESPACE, 0, "dup");
	/* Each worker enters the pid namespace for its children only, and the clocks, which no process with our memory
	 * could enter (timens_install() in kernel/time/namespace.c). */
	pid_namespace = open_namespace(init, "pid");
	if (pid_namespace < 0)
		return -1;
	if (job->plan->namespaces.clock_offsets && (clocks = open_namespace(init, "time_for_children")) < 0)
		return -1;
	if (!worker.owns_ids)
		return prepare_as_user(init_fd, init, kinds);
	prepare_as_root(init_fd, kinds);
	return 0;
}

int joined_enter_worker(void)
{
	worker.child_stack = make_child_stack();
	worker.inner_stack = make_child_stack();
	if (!worker.child_stack || !worker.inner_stack)
		return -1;
	if (clocks >= 0) {
		int64_t before = (int64_t)now_ns();
		if (setns(clocks, CLONE_NEWTIME) < 0)
			return -1;
		worker.clock_shift = (int64_t)now_ns() - before;
	}
	return setns(pid_namespace, CLONE_NEWPID);
}

static int join(const struct plan *plan)
{
	for (int i = 0; i < join_count; i++)
		if (setns(joins[i].fd, joins[i].kinds) < 0)
			return fail(VISO_STAGE_NAMESPACE, 0, "setns");
	return container_take_inner_root(plan);
}

/* Not the worker's parent but the worker itself: it ends this attendant, and with it the program. */
static void end_with_this_worker(void)
{
	struct pollfd parent = {.fd = worker.self, .events = POLLIN};
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (poll(&parent, 1, 0) > 0)
		_exit(127);
}

static int attendant(void *argument)
{
	struct job *job = argument;
	note_step(VISO_STEP_CLONED);
	if ((attributes_any(job->plan) && attributes_apply(job->plan) < 0) || join(job->plan) < 0)
		_exit(127);
	end_with_this_worker();
	container_give_captures(job);
	prctl(PR_SET_NAME, "viso-attendant");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	job->program_parent = getpid();
	atomic_store(&worker.page->set_up, 1);
	pid_t program = clone(container_program, worker.inner_stack, CLONE_VM | CLONE_VFORK | SIGCHLD, job);
	if (program < 0)
		fail(VISO_STAGE_CLONE, 0, "clone");
	if (worker.page->failure.error)
		_exit(127);
	close_between(0, ~0u);
	container_reap_until(program);
	/*
	 * What is left goes on, as the init's; unless it is being killed: as we are its subreaper, it is gone when we
	 * have no child any more, and not before (wait(2)).
	 */
	while (atomic_load(&worker.page->ends_all) && (waitpid(-1, NULL, __WALL) >= 0 || errno == EINTR))
		;
	_exit(0);
}

int joined_start(struct job *job)
{
	if (make_ready_pipe(job) < 0)
		return -1;
	job->pts = instance_pts();
	int group = instance_cgroup_version_2();
	/*
	 * Only clone3 enters a control group, and it has no place for a function on another stack. The OOM score would
	 * be set for all who share the memory.
	 */
	bool copies = group >= 0 || attributes_any(job->plan);
	job->pid = copies ? clone_into_group(group, 0, &job->pidfd, NULL)
			  : clone(attendant, worker.child_stack, CLONE_VM | CLONE_PIDFD | SIGCHLD, job, &job->pidfd);
	if (job->pid == 0)
		attendant(job);
	return job->pid < 0 ? fail(VISO_STAGE_CLONE, 0, "clone") : 0;
}
