/* SPDX-License-Identifier: MIT */
/*
 * An instance that stays. The worker that got its plan is the holder: it has the ids and control groups, is the
 * subreaper of everything, and at the end kills it all. It stays outside of Landlock, since it needs /proc.
 *
 * Its child, the zygote, enters the user namespace of an ordinary user's instance and one Landlock domain, and takes
 * the plans that the host sends to the instance. Each is served by a child of the zygote in the way of any worker: so
 * all commands are of one domain, within which they may signal each other. For a container see joined.c.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "launcher.h"

enum { ASK_HOLDER = 0, ASK_INSIDE = 1 };

struct instance {
	const struct cgroup *cgroups; /* in the holder's page */
	int zygote_pidfd;
	pid_t zygote;
	pid_t init;    /* of a container; else 0 */
	int root, pts; /* likewise, from its init; else -1 */
	int ask[2];    /* from inside to the holder: a byte when the zygote is ready; then pids whose children are to be
			  killed */
};

static struct instance instance;

static void end_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
}

static void handle_children(void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler};
	sigaction(SIGCHLD, &action, NULL);
}

static int prepare_jail(struct job *job)
{
	bool namespace = job_has_namespace(job);
	if ((namespace && jail_enter_namespaces(job) < 0) || jail_harden(job) < 0)
		return -1;
	worker.own_root = namespace && job->root != job->fds[1] ? job->root : -1;
	/* We are on the worker's own one ourselves, and so is what serves a plan: its child would write over it. */
	worker.child_stack = make_child_stack();
	return worker.child_stack ? 0 : -1;
}

static int zygote_main(void *argument)
{
	struct job *job = argument;
	bool jail = job->plan->isolation == PLAN_JAIL;
	end_with(worker.pid);
	prctl(PR_SET_NAME, "viso-zygote");
	/* The launcher's main no longer tells its workers of its end; the holder does. */
	signal(SIGUSR1, SIG_DFL);
	if ((jail ? prepare_jail(job) : joined_prepare(job)) < 0 || (!jail && worker_prepare_serving() < 0))
		_exit(127);
	/* In an ordinary user's instance the programs have its uid. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	worker.requests = job->fds[job->plan->instance_fd];
	for (int i = 0; i < job->fd_count; i++)
		if (i != (int)job->plan->instance_fd)
			close(job->fds[i]);
	close_quietly(job->init_socket[0]);
	close_quietly(instance.root);
	close(instance.ask[ASK_HOLDER]);
	worker.instance = &instance;
	instance.zygote = getpid();
	if (send(instance.ask[ASK_INSIDE], "", 1, MSG_NOSIGNAL) != 1)
		_exit(127);
	if (!jail)
		worker_keep_serving_instance();
	/* What serves a plan is reaped by the kernel. */
	handle_children(SIG_IGN);
	worker_serve_instance();
}

int instance_enter_worker(void)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	end_with(instance.zygote);
	prctl(PR_SET_NAME, "viso-worker");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	handle_children(SIG_DFL);
	worker.launcher_pid = instance.zygote;
	worker.pid = getpid();
	worker.self = (int)syscall(SYS_pidfd_open, worker.pid, 0);
	worker.page = mmap(NULL, sizeof(*worker.page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (worker.page == MAP_FAILED || worker.self < 0)
		return -1;
	return instance.init ? joined_enter_worker() : 0;
}

int instance_cgroup_version_2(void)
{
	return cgroups_version_2(instance.cgroups);
}

int instance_pts(void)
{
	return instance.pts;
}

void instance_lend_cgroups(struct cgroup *cgroups)
{
	/* Without a version nobody removes them, and nobody reads their files by path. */
	for (int i = 0; i < CGROUPS; i++) {
		/* A container's attendant is cloned into that of version 2. */
		if (!instance.init || instance.cgroups[i].version != 2)
			cgroups[i].attach_fd = instance.cgroups[i].attach_fd;
		cgroups[i].oom_fd = instance.cgroups[i].oom_fd;
	}
}

/*
 * Only the holder sees /proc: it kills our children, and those that then come to us as their subreaper are next.
 * Without `all` only what has ended already is reaped, which would count against the limit of processes.
 */
void instance_end_children(struct report_usage *sum, bool all)
{
	struct rusage usage;
	for (;;) {
		pid_t pid = wait4(-1, NULL, __WALL | WNOHANG, &usage);
		if (pid > 0) {
			add_usage(sum, &usage);
			continue;
		}
		if ((pid < 0 && errno == ECHILD) || !all)
			return;
		send(instance.ask[ASK_INSIDE], &worker.pid, sizeof(worker.pid), MSG_NOSIGNAL | MSG_DONTWAIT);
		usleep(500);
	}
}

static int start_instance(struct job *job)
{
	int namespace = job_has_namespace(job) ? CLONE_NEWUSER | CLONE_NEWNS : 0;
	if (job->plan->isolation == PLAN_CONTAINER) {
		if ((job->plan->restore.images_fd ? restore_start_init(job, &instance.root, &instance.pts)
						  : joined_start_init(job, &instance.root, &instance.pts)) < 0)
			return -1;
		instance.init = job->pid;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, instance.ask) < 0)
		return fail(VISO_STAGE_LAUNCHER, 0, "socketpair");
	instance.zygote =
		clone(zygote_main, worker.child_stack, namespace | CLONE_PIDFD | SIGCHLD, job, &instance.zygote_pidfd);
	if (instance.zygote < 0) {
		close(instance.ask[ASK_HOLDER]);
		close(instance.ask[ASK_INSIDE]);
		return fail(namespace ? VISO_STAGE_USER_NAMESPACE : VISO_STAGE_CLONE, 0, "clone");
	}
	close(instance.ask[ASK_INSIDE]);
	char byte;
	ssize_t n;
	while ((n = recv(instance.ask[ASK_HOLDER], &byte, 1, 0)) < 0 && errno == EINTR)
		;
	if (n != 1)
		return fail(VISO_STAGE_LAUNCHER, ECHILD, "zygote"); /* unless it has noted why */
	if (!instance.init)
		return 0;
	if ((job->plan->restore.images_fd ? restore_hide_init(job) : joined_release_init(job)) < 0)
		return -1;
	return report_fd(job->channel, REPORT_FD_ROOT, instance.root);
}

/* Frozen by a group, those that serve the commands could not end one, and in version 1 the command could not die. */
static const struct cgroup no_groups[CGROUPS];

static struct pids_of_ours ours_of(const struct job *job)
{
	return (struct pids_of_ours){.companion = job->companion.pid, .zygote = instance.zygote, .init = instance.init};
}

/* Those of ours that are in the groups: the init, and in version 2 the attendants, too, which are cloned into them. */
static int count_own(const struct job *job)
{
	int attendants = instance.init && cgroups_version_2(job->cgroups) >= 0
				 ? pids_count_attendants(worker.pid, ours_of(job))
				 : 0;
	return (instance.init ? 1 : 0) + attendants;
}

static void answer(const struct job *job, const struct order *order, int pipe)
{
	const struct pids_of_ours ours = ours_of(job);
	int64_t figures[PLAN_FIGURES];
	int32_t error = 0;
	switch (order->kind) {
	case ORDER_PIDS:
		pids_send(pipe, worker.pid, ours);
		break;
	case ORDER_USAGE:
		read_usage(job->cgroups, worker.pid, ours, count_own(job), figures);
		send_answer(pipe, figures, sizeof(figures));
		break;
	case ORDER_PAUSE:
		error = pause_processes(no_groups, worker.pid, ours);
		send_answer(pipe, &error, sizeof(error));
		break;
	case ORDER_RESUME:
		resume_processes(no_groups, worker.pid, ours);
		send_answer(pipe, &error, sizeof(error));
	}
}

/* False where the instance is to end. */
static bool serve_channel(const struct job *job)
{
	struct order order;
	int pipe;
	ssize_t n = receive_order(job->channel, &order, &pipe);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	bool goes_on = n == sizeof(order) && order.kind != ORDER_KILL;
	if (goes_on)
		answer(job, &order, pipe);
	close_quietly(pipe);
	return goes_on;
}

static void serve_inside(void)
{
	pid_t pid;
	if (recv(instance.ask[ASK_HOLDER], &pid, sizeof(pid), MSG_DONTWAIT) == sizeof(pid))
		kill_children_of(pid, instance.zygote);
}

static void watch_instance(struct job *job)
{
	struct pollfd polls[] = {
		{.fd = instance.zygote_pidfd, .events = POLLIN},    {.fd = worker.host, .events = POLLIN},
		{.fd = worker.launcher, .events = POLLIN},          {.fd = job->channel, .events = POLLIN},
		{.fd = instance.ask[ASK_HOLDER], .events = POLLIN}, {.fd = job->pidfd, .events = POLLIN},
		{.fd = detached_listener(), .events = POLLIN},
	};
	for (;;) {
		if (poll(polls, sizeof(polls) / sizeof(polls[0]), -1) < 0)
			continue;
		if (polls[2].revents) {
			job->launcher_gone = true;
			shutdown(worker.requests, SHUT_RDWR);
		}
		/* Where it was stopped, and other copies of the socket keep workers waiting that would let it go on. */
		if (polls[1].revents)
			launcher_goes_on();
		if (polls[0].revents || polls[1].revents || polls[2].revents || polls[5].revents)
			return;
		if (polls[4].revents)
			serve_inside();
		if (polls[6].revents)
			detached_serve(instance.root);
		if (polls[3].revents && !serve_channel(job))
			return;
	}
}

static void end_instance(struct job *job)
{
	struct report_usage usage = {0};
	companion_end(job);
	/* What is frozen does not die (cgroup-v1/freezer-subsystem.rst). */
	cgroups_thaw(job->cgroups);
	if (instance.zygote > 0) {
		/* What serves a command goes before it: it must not tell of an end that is ours. */
		kill_children_of(instance.zygote, worker.pid);
		syscall(SYS_pidfd_send_signal, instance.zygote_pidfd, SIGKILL, NULL, 0);
		close(instance.ask[ASK_HOLDER]);
		close(instance.zygote_pidfd);
	}
	if (instance.zygote > 0 || job->pid > 0 || job->plan->restore.images_fd)
		end_children(job, &usage);
	close_quietly(job->init_socket[0]);
	close_quietly(job->init_socket[1]);
	close_quietly(instance.root);
	close_quietly(instance.pts);
	instance.zygote = instance.init = 0;
}

int instance_hold(struct job *job)
{
	instance.cgroups = job->cgroups;
	instance.zygote_pidfd = instance.root = instance.pts = -1;
	if (job->plan->instance_fd >= (uint32_t)job->fd_count)
		return fail(VISO_STAGE_LAUNCHER, EPROTO, "plan");
	cgroups_open_oom_kills(job->cgroups);
	int r = start_instance(job);
	if (r == 0)
		r = detached_take(job);
	if (r == 0) {
		close_start_fds(job);
		hooks_after(job, VISO_HOOK_POSTSTART);
		/* They stood when criu wrote them down. */
		if (job->plan->restore.images_fd)
			resume_processes(no_groups, worker.pid, ours_of(job));
		report_started(job, instance.init ? instance.init : instance.zygote);
		/* What comes to the holder from ended commands is reaped by the kernel. */
		handle_children(SIG_IGN);
		watch_instance(job);
		handle_children(SIG_DFL);
	}
	end_instance(job);
	detached_release(r == 0);
	return r;
}
