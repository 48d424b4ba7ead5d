/* SPDX-License-Identifier: MIT */
/*
 * Hooks. Each gets the state of the container on its standard input, nothing else of ours, and so much time; what it
 * leaves running is ended with it.
 *
 * On the host a child of the worker runs it, the runner: as its subreaper it finds what is left, which would else come
 * to the worker, among the processes of whatever it starts next. In the container the init does so: in a pid namespace
 * of its own there is nothing but the hook then.
 *
 * A hook in the container's root is a program of the container, and as confined.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <virtiso/container.h>

#include "launcher.h"

static const struct plan_hook *hook_at(const struct plan *plan, uint32_t index)
{
	return (const struct plan_hook *)plan_string(plan, plan->hooks.first) + index;
}

bool hooks_any(const struct plan *plan, viso_hook when)
{
	for (uint32_t i = 0; i < plan->hooks.count; i++)
		if (hook_at(plan, i)->when == (uint32_t)when)
			return true;
	return false;
}

/* A fd to read the state from, or -1. */
static int make_state(const struct plan *plan, const char *status, pid_t pid)
{
	const char *state = plan_string(plan, plan->hooks.state);
	int fd = memfd_create("viso-state", MFD_CLOEXEC);
	int n = fd < 0 ? -1 : dprintf(fd, "%s,\"status\":\"%s\"", state, status);
	if (n > 0 && pid > 0)
		n = dprintf(fd, ",\"pid\":%d", pid);
	if (n > 0)
		n = dprintf(fd, "}");
	return n > 0 && lseek(fd, 0, SEEK_SET) == 0 ? fd : close_quietly(fd);
}

static char **make_array(const struct plan *plan, struct plan_strings strings)
{
	char **array = malloc((strings.count + 1) * sizeof(*array));
	const char *string = plan_string(plan, strings.first);
	for (uint32_t i = 0; array && i < strings.count; i++) {
		array[i] = (char *)string;
		string += strlen(string) + 1;
	}
	if (array)
		array[strings.count] = NULL;
	return array;
}

/* A program of the host, which is trusted: nothing is taken from it but what it has no use for. */
static void exec_trusted(const struct job *job, const struct plan_hook *hook, int state)
{
	const struct plan *plan = job->plan;
	char **argv = make_array(plan, hook->argv), **env = make_array(plan, hook->env);
	sigset_t none;
	sigemptyset(&none);
	if (!argv || !env || dup2(state, 0) < 0 || fcntl(1, F_SETFD, 0) < 0 || fcntl(2, F_SETFD, 0) < 0)
		return;
	close_fds_from(3);
	restore_ignored_signals();
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	if (worker.host_files[1])
		syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, worker.host_files, NULL);
	if (chdir(plan_string(plan, hook->cwd)) == 0)
		execve(plan_string(plan, hook->path), argv, env);
}

/* A program of the container, in place of that of the plan: this process has memory of its own. */
static void exec_confined(struct job *job, const struct plan_hook *hook, int state)
{
	struct plan *plan = malloc(job->plan->head.size);
	if (!plan)
		return;
	memcpy(plan, job->plan, job->plan->head.size);
	plan->programs = (struct plan_strings){.count = 1, .first = hook->path};
	plan->cwd = hook->cwd;
	plan->flags &= ~(uint32_t)PLAN_RECEIVE;
	plan->terminal.columns = 0;
	plan->added_count = 0;
	/* The listener is the program's; without one, calls that would be asked about fail. */
	plan->security.flags &= ~(uint32_t)PLAN_FILTER_NOTIFIES;
	job->argv = make_array(plan, hook->argv);
	job->env = make_array(plan, hook->env);
	job->plan = plan;
	job->stream[0] = state;
	job->stream[1] = job->stream[2] = worker.null_fd;
	if (job->argv && job->env)
		exec_program(job);
}

/* Whether the host has given up what the hook is about. */
static bool is_given_up(int channel)
{
	struct order order;
	ssize_t n = recv(channel, &order, sizeof(order), MSG_PEEK | MSG_DONTWAIT);
	return n == 0 || (n == sizeof(order) && order.kind == ORDER_KILL);
}

/*
 * Waits for the end of a hook, and ends it where its time is over or, where `channel` is not negative, the start is
 * given up. 0 and the status as of wait(2), or a positive errno.
 */
static int await_hook(const struct job *job, pid_t pid, uint64_t timeout_ms, int channel, int *out_status)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), error = pidfd < 0 ? errno : 0;
	struct pollfd polls[] = {
		{.fd = pidfd, .events = POLLIN},
		{.fd = channel, .events = POLLIN},
		{.fd = channel < 0 ? -1 : worker.host, .events = POLLIN},
		{.fd = channel < 0 ? -1 : worker.launcher, .events = POLLIN},
	};
	const uint64_t start = now_ns();
	while (!error && !polls[0].revents) {
		uint64_t passed = (now_ns() - start) / 1000000;
		uint64_t left = passed < timeout_ms ? timeout_ms - passed : 0;
		if (left == 0)
			error = ETIMEDOUT;
		else if (poll(polls, 4, left > 1000000 ? 1000000 : (int)left) < 0)
			continue;
		else if (polls[2].revents || polls[3].revents || (polls[1].revents && is_given_up(channel)))
			error = ECANCELED;
		else if (polls[1].revents)
			polls[1].fd = -1;
	}
	if (error)
		kill(pid, SIGKILL);
	while (waitpid(pid, out_status, __WALL) < 0 && errno == EINTR)
		;
	close_quietly(pidfd);
	return error;
}

/* Where the process did not come to execute it, it has noted why. */
static void judge(struct hook_end *end, int error, int status)
{
	end->status = error ? 0 : status;
	if (error || (!end->error && status))
		end->error = error ? error : ECANCELED;
}

static void fill_failure(const struct plan *plan, const struct plan_hook *hook, const struct hook_end *end,
			 struct report_failure *failure)
{
	failure->stage = VISO_STAGE_HOOK;
	failure->error = end->error;
	failure->status = end->error == ECANCELED ? end->status : 0;
	strncpy(failure->object, plan_string(plan, hook->path), sizeof(failure->object) - 1);
}

static void end_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
}

static void end_all_children(void)
{
	for (;;) {
		pid_t pid = waitpid(-1, NULL, __WALL | WNOHANG);
		if (pid < 0 && errno == ECHILD)
			return;
		if (pid > 0)
			continue;
		kill_children(NULL);
		usleep(500);
	}
}

static _Noreturn void run_hook(const struct job *job, const struct plan_hook *hook, int state, int channel)
{
	struct hook_end *end = &worker.page->hook;
	int status = 0;
	end_with(worker.pid);
	prctl(PR_SET_NAME, "viso-hook");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid_t runner = getpid(), pid = fork();
	if (pid == 0) {
		end_with(runner);
		exec_trusted(job, hook, state);
		end->error = errno;
		_exit(127);
	}
	int error = pid < 0 ? errno : await_hook(job, pid, hook->timeout_ms, channel, &status);
	judge(end, error, status);
	end_all_children();
	_exit(0);
}

static int run_on_host(const struct job *job, const struct plan_hook *hook, const char *status, pid_t pid, int channel,
		       struct report_failure *failure)
{
	struct hook_end *end = &worker.page->hook;
	int state = make_state(job->plan, status, pid), runner_status = 0;
	*end = (struct hook_end){0};
	pid_t runner = state < 0 ? -1 : fork();
	if (runner == 0)
		run_hook(job, hook, state, channel);
	if (runner < 0)
		end->error = errno;
	else
		while (waitpid(runner, &runner_status, __WALL) < 0 && errno == EINTR)
			;
	if (runner_status)
		end->error = ECHILD;
	close_quietly(state);
	if (end->error)
		fill_failure(job->plan, hook, end, failure);
	return end->error ? -1 : 0;
}

int hooks_create_runtime(const struct job *job)
{
	struct report_failure failure = {0};
	for (uint32_t i = 0; i < job->plan->hooks.count; i++) {
		const struct plan_hook *hook = hook_at(job->plan, i);
		if (hook->when == VISO_HOOK_CREATE_RUNTIME &&
		    run_on_host(job, hook, "creating", job->pid, job->channel, &failure) < 0)
			return fail_hook(&failure);
	}
	return 0;
}

void hooks_after(struct job *job, viso_hook when)
{
	bool stopped = when == VISO_HOOK_POSTSTOP;
	for (uint32_t i = 0; i < job->plan->hooks.count; i++) {
		struct report_failure failure = {0};
		const struct plan_hook *hook = hook_at(job->plan, i);
		if (hook->when != (uint32_t)when)
			continue;
		/* What is to be put away is, whether there is somebody left to hear of it or not. */
		int r = run_on_host(job, hook, stopped ? "stopped" : "running", stopped ? 0 : job->pid,
				    stopped ? -1 : job->channel, &failure);
		if (r < 0 && !job->hook_failure.error)
			job->hook_failure = failure;
	}
}

/* Of the container's init. */
static void end_leftovers(const struct plan *plan)
{
	if (!plan_owns_namespace(plan, VISO_NAMESPACE_PID)) {
		members_end_children(plan);
		return;
	}
	/* All but the init itself (kill(2)). */
	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, __WALL) > 0 || errno == EINTR)
		;
}

static _Noreturn void run_confined(struct job *job, const struct plan_hook *hook, int state, struct start_page *page,
				   pid_t init)
{
	/* A failure is one of the hook, not of the program. */
	worker.page = page;
	job->program_parent = plan_owns_namespace(job->plan, VISO_NAMESPACE_PID) ? 0 : init;
	exec_confined(job, hook, state);
	_exit(127);
}

static int run_inside(struct job *job, const struct plan_hook *hook)
{
	bool trusted = hook->when == VISO_HOOK_CREATE_CONTAINER;
	struct start_page *page =
		mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct report_failure failure = {0};
	int status = 0, state = make_state(job->plan, trusted ? "creating" : "created", getpid());
	if (page == MAP_FAILED || state < 0)
		return fail(VISO_STAGE_HOOK, 0, plan_string(job->plan, hook->path));
	pid_t init = getpid(), pid = fork();
	if (pid == 0 && trusted) {
		exec_trusted(job, hook, state);
		page->hook.error = errno;
		_exit(127);
	}
	if (pid == 0)
		run_confined(job, hook, state, page, init);
	int error = pid < 0 ? errno : await_hook(job, pid, hook->timeout_ms, -1, &status);
	page->hook.error = page->hook.error ? page->hook.error : page->failure.error;
	judge(&page->hook, error, status);
	end_leftovers(job->plan);
	close_quietly(state);
	if (page->hook.error)
		fill_failure(job->plan, hook, &page->hook, &failure);
	munmap(page, sizeof(*page));
	return failure.error ? fail_hook(&failure) : 0;
}

static int run_all_inside(struct job *job, viso_hook when)
{
	for (uint32_t i = 0; i < job->plan->hooks.count; i++)
		if (hook_at(job->plan, i)->when == (uint32_t)when && run_inside(job, hook_at(job->plan, i)) < 0)
			return -1;
	return 0;
}

int hooks_before_root(struct job *job)
{
	char byte = 0;
	if (job->hook_socket[1] >= 0) {
		job->hook_socket[0] = close_quietly(job->hook_socket[0]);
		if (send(job->hook_socket[1], &byte, 1, MSG_NOSIGNAL) != 1 ||
		    recv(job->hook_socket[1], &byte, 1, 0) != 1)
			_exit(127);
		job->hook_socket[1] = close_quietly(job->hook_socket[1]);
	}
	return run_all_inside(job, VISO_HOOK_CREATE_CONTAINER);
}

int hooks_before_program(struct job *job)
{
	if (!hooks_any(job->plan, VISO_HOOK_START_CONTAINER))
		return 0;
	/* It could look into its parent, whose memory is a copy of the worker's. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return run_all_inside(job, VISO_HOOK_START_CONTAINER);
}

int hooks_prepare(struct job *job)
{
	if (!hooks_any(job->plan, VISO_HOOK_CREATE_RUNTIME))
		return 0;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, job->hook_socket) < 0
		       ? fail(VISO_STAGE_LAUNCHER, 0, "socketpair")
		       : 0;
}

int hooks_serve_init(struct job *job)
{
	char byte;
	if (job->hook_socket[0] < 0)
		return 0;
	job->hook_socket[1] = close_quietly(job->hook_socket[1]);
	ssize_t n;
	while ((n = recv(job->hook_socket[0], &byte, 1, 0)) < 0 && errno == EINTR)
		;
	if (n != 1) /* unless the init has noted why it ended */
		return fail(VISO_STAGE_LAUNCHER, ECHILD, "init");
	int r = hooks_create_runtime(job);
	if (r == 0 && send(job->hook_socket[0], &byte, 1, MSG_NOSIGNAL) != 1)
		r = fail(VISO_STAGE_LAUNCHER, ECHILD, "init");
	job->hook_socket[0] = close_quietly(job->hook_socket[0]);
	return r;
}

void hooks_release(struct job *job)
{
	job->hook_socket[0] = close_quietly(job->hook_socket[0]);
	job->hook_socket[1] = close_quietly(job->hook_socket[1]);
}
