/* SPDX-License-Identifier: MIT */
/*
 * From the start of a program to the end of all that it started: captured output, time limits, the host's orders, the
 * host's death.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <virtiso/sandbox.h>

#include "launcher.h"

enum {
	POLL_END,
	POLL_CHANNEL,
	POLL_HOST,
	POLL_LAUNCHER,
	POLL_READY,
	POLL_COMPANION,
	POLL_CAPTURES,
	POLL_EVENTS = POLL_CAPTURES + 2,
	POLL_COUNT = POLL_EVENTS + EVENT_FDS
};

static const uint64_t init_grace_ns = 100000000;
enum { PUSH_NS = 20000000 };

static const struct pids_of_ours nobody;

struct watch {
	struct job *job;
	struct report_end *end;
	int *capture_fd;
	int program_pidfd; /* where a signal goes; a container's program is not the first process */
	int program_pid;   /* 0 as long as it is not known */
	bool channel_open;
	bool captures_at_end[2];
	bool killed;
	bool paused;
	int empty_looks; /* in a row, for processes of a command that is killed */
	struct group_events events;
	uint64_t oom_kills_before; /* in an instance, whose control group it shares */
	uint64_t kill_first_at; /* 0, or when the container's init is killed since the program's death has not ended it
				 */
};

/* Takes what is in the pipe now, to the memfd as far as the bound goes. False at its end. */
static bool read_capture(struct watch *watch, int which)
{
	static char buffer[65536];
	const uint64_t max = watch->job->plan->streams[which + 1].max;
	ssize_t n = read(watch->job->capture_read[which + 1], buffer, sizeof(buffer));
	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);

	uint64_t *size = &watch->end->output_size[which];
	size_t take = max - *size < (uint64_t)n ? (size_t)(max - *size) : (size_t)n;
	if (take && watch->capture_fd[which] < 0)
		watch->capture_fd[which] = memfd_create("viso-output", MFD_CLOEXEC);
	ssize_t written = take ? write(watch->capture_fd[which], buffer, take) : 0;
	if (written > 0)
		*size += (uint64_t)written;
	if (written < n)
		watch->end->output_truncated[which] = 1;
	return true;
}

/* After the end: what is still in the pipe, without waiting for whoever may hold its other end. */
static void drain_captures(struct watch *watch)
{
	for (int i = 0; i < 2; i++) {
		struct pollfd capture = {.fd = watch->job->capture_read[i + 1], .events = POLLIN};
		/* No more than a pipe can hold: an outsider who got hold of it cannot keep us here. */
		for (int rounds = 0; rounds < 64 && capture.fd >= 0 && poll(&capture, 1, 0) > 0; rounds++)
			if (!read_capture(watch, i))
				break;
	}
}

/* The container's program, as the host sees it: the first child of its init, once that has set everything up. */
static void find_program(struct watch *watch)
{
	char path[64], text[32] = "";
	if (!atomic_load(&worker.page->set_up))
		return;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", watch->job->pid, watch->job->pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	close_quietly(fd);
	int pid = n > 0 ? atoi(text) : 0;
	if (pid <= 0)
		return;
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return;
	fcntl(pidfd, F_SETFD, FD_CLOEXEC);
	watch->program_pid = pid;
	watch->program_pidfd = pidfd;
}

/* A command in an instance of a container: its first process is the attendant. */
static bool is_joined(const struct job *job)
{
	return worker.instance && job->plan->isolation == PLAN_CONTAINER;
}

static void kill_first_process(struct watch *watch)
{
	/* The group of version 2 has it, with all the rest. */
	if (watch->job->plan->isolation != PLAN_CONTAINER || !cgroups_kill(watch->job->cgroups))
		syscall(SYS_pidfd_send_signal, watch->job->pidfd, SIGKILL, NULL, 0);
	watch->kill_first_at = 0;
}

/*
 * A jail's program is the first process; what it started besides is found in finish_jail(). In a container the program
 * is killed, so that its init can tell what it used, and the init takes the whole pid namespace along; where that takes
 * long, or there is no program yet, the init is killed itself.
 */
static void kill_all(struct watch *watch, enum report_reason reason)
{
	if (watch->killed)
		return;
	watch->killed = true;
	watch->end->reason = reason;
	if (is_joined(watch->job) && atomic_load(&worker.page->set_up)) {
		atomic_store(&worker.page->ends_all, 1);
		return;
	}
	if (watch->job->plan->isolation == PLAN_CONTAINER && !watch->program_pid)
		find_program(watch);
	if (watch->program_pid && watch->program_pid != watch->job->pid) {
		syscall(SYS_pidfd_send_signal, watch->program_pidfd, SIGKILL, NULL, 0);
		watch->kill_first_at = now_ns() + init_grace_ns;
	} else {
		kill_first_process(watch);
	}
	/* What is frozen dies when it is thawed, and a frozen init must reap. */
	if (watch->paused)
		cgroups_thaw(watch->job->cgroups);
}

/*
 * Where nobody waits for the start, an order may come before a container's program is there: then it waits, for as long
 * as a start may take.
 */
static void await_program(struct watch *watch)
{
	struct pollfd end = {.fd = watch->job->pidfd, .events = POLLIN};
	for (int i = 0; i < 1000 && !watch->program_pid; i++) {
		find_program(watch);
		if (!watch->program_pid && poll(&end, 1, 1) != 0)
			return;
	}
}

/* From the end of execve(2) on; until then it is a copy of one of these. A program may have the name, too. */
static bool is_executing(pid_t pid)
{
	return !process_has_name(pid, "viso-worker") && !process_has_name(pid, "viso-init") &&
	       !process_has_name(pid, "viso-attendant");
}

/*
 * The same with the start of the program itself: what comes before it would meet the handlers of the launcher, or what
 * that ignores, and be lost.
 */
static void await_execution(struct watch *watch)
{
	struct pollfd end = {.fd = watch->job->pidfd, .events = POLLIN};
	await_program(watch);
	for (int i = 0; i < 1000 && watch->program_pid && !is_executing(watch->program_pid); i++)
		if (poll(&end, 1, 1) != 0)
			return;
}

/* To the program, not to the init of its container, which takes no notice. */
static void signal_program(struct watch *watch, int signal)
{
	await_execution(watch);
	if (watch->program_pid)
		syscall(SYS_pidfd_send_signal, watch->program_pidfd, signal, NULL, 0);
}

/*
 * Whose descendants the program's processes are; 0 where they are not to be found: what a container's init starts
 * before the program is there is not the program's, and in an instance its holder is asked.
 */
static pid_t ancestor_of(const struct watch *watch)
{
	if (watch->job->plan->isolation == PLAN_JAIL)
		return worker.instance ? 0 : worker.pid;
	return atomic_load(&worker.page->set_up) ? watch->job->pid : 0;
}

/* Processes in its group that are none of its own. */
static int own_processes(const struct job *job)
{
	return job->plan->isolation == PLAN_CONTAINER ? 1 : 0;
}

static void send_usage(const struct watch *watch, int pipe)
{
	int64_t figures[PLAN_FIGURES];
	read_usage(watch->job->cgroups, ancestor_of(watch), nobody, own_processes(watch->job), figures);
	figures[VISO_USAGE_WALL_US] = (int64_t)(now_ns() - watch->job->start_ns) / 1000;
	send_answer(pipe, figures, sizeof(figures));
}

static void pause_or_resume(struct watch *watch, bool pause, int pipe)
{
	int32_t error = 0;
	await_program(watch);
	if (pause)
		error = pause_processes(watch->job->cgroups, ancestor_of(watch), nobody);
	else
		resume_processes(watch->job->cgroups, ancestor_of(watch), nobody);
	if (error == 0) {
		watch->paused = pause;
		events_tell(&watch->events, pause ? VISO_EVENT_PAUSED : VISO_EVENT_RESUMED);
	}
	send_answer(pipe, &error, sizeof(error));
}

/* The host has done its part of the container's network. */
static void continue_start(struct watch *watch)
{
	if (!watch->job->plan->network.companion.count)
		network_continue();
	else if (!watch->killed && companion_start(watch->job) < 0)
		kill_all(watch, END_KILLED);
}

/* False where it is to end. */
static bool obey(struct watch *watch, const struct order *order, int pipe)
{
	switch (order->kind) {
	case ORDER_SIGNAL:
		signal_program(watch, order->signal);
		return true;
	case ORDER_PIDS:
		pids_send(pipe, ancestor_of(watch), nobody);
		return true;
	case ORDER_USAGE:
		send_usage(watch, pipe);
		return true;
	case ORDER_PAUSE:
	case ORDER_RESUME:
		pause_or_resume(watch, order->kind == ORDER_PAUSE, pipe);
		return true;
	case ORDER_CONTINUE:
		continue_start(watch);
		return true;
	default:
		return false;
	}
}

static void serve_companion(struct watch *watch)
{
	if (companion_take_ready(watch->job) < 0)
		kill_all(watch, END_KILLED);
	else
		network_continue();
}

static void serve_order(struct watch *watch)
{
	struct order order;
	int pipe;
	ssize_t n = receive_order(watch->job->channel, &order, &pipe);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == 0 || n < 0) {
		/* The host has given the process up. */
		watch->channel_open = false;
		kill_all(watch, END_KILLED);
	} else if (n != sizeof(order) || !obey(watch, &order, pipe)) {
		kill_all(watch, END_KILLED);
	}
	close_quietly(pipe);
}

/* Without main nobody would clean up later, so the worker ends its command and then itself; the host makes a new
 * launcher. */
static void serve_launcher_death(struct watch *watch)
{
	watch->job->launcher_gone = true;
	shutdown(worker.requests, SHUT_RDWR);
	kill_all(watch, END_KILLED);
}

/* The program of a container is executing, or its start has failed: then the init ends. */
static void serve_ready(struct watch *watch)
{
	struct job *job = watch->job;
	job->ready = close_quietly(job->ready);
	if (worker.page->failure.error)
		return;
	if (!watch->program_pid)
		find_program(watch);
	hooks_after(job, VISO_HOOK_POSTSTART);
	if (job->plan->flags & PLAN_REPORT_START)
		report_started(job, watch->program_pid ? watch->program_pid : job->pid);
}

/* CPU time of the program's process in ns; 0 where it is not known. */
static uint64_t program_cpu_ns(const struct watch *watch)
{
	struct timespec time;
	clockid_t clock;
	if (!watch->program_pid || clock_getcpuclockid(watch->program_pid, &clock) != 0 ||
	    clock_gettime(clock, &time) < 0)
		return 0;
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/*
 * Whoever is left when the attendant ends is not found any more, so it ends by itself when there is nobody left. One of
 * them may have stopped it. And a process of another command may trace one that has ended, which then is not the
 * attendant's to be reaped (wait_consider_task() in kernel/exit.c): where nobody has been seen alive for a thousand
 * looks in a row, which no chain of forks can escape, it need not wait.
 */
static int kill_command(struct watch *watch)
{
	enum { LOOKS = 1000 };
	watch->empty_looks = pids_kill(watch->job->pid) > 0 ? 0 : watch->empty_looks + 1;
	int signal = watch->empty_looks < LOOKS ? SIGCONT : SIGKILL;
	syscall(SYS_pidfd_send_signal, watch->job->pidfd, signal, NULL, 0);
	return 1;
}

/*
 * Until its program executes, what starts in an instance can be stopped by programs of the same user there, and nothing
 * can forbid SIGSTOP to them. So it is let go on again and again; and where they outdo that, it is killed, which they
 * could do as well: the host waits for the start.
 */
static void push_start(struct watch *watch)
{
	enum { SLOW_NS = 50000000 };
	const uint64_t too_slow_ns = 5000000000;
	uint64_t passed = now_ns() - watch->job->start_ns;
	if (passed < SLOW_NS)
		return;
	if (!watch->program_pid)
		find_program(watch);
	int first = watch->job->pidfd, program = watch->program_pid ? watch->program_pidfd : first;
	bool stopped = is_stopped(watch->program_pid ? watch->program_pid : watch->job->pid);
	syscall(SYS_pidfd_send_signal, first, SIGCONT, NULL, 0);
	syscall(SYS_pidfd_send_signal, program, stopped && passed > too_slow_ns ? SIGKILL : SIGCONT, NULL, 0);
}

/* Enforces the limits; when to look again, as a time-out of poll(2) in ms, -1 for no limit. */
static int check_time(struct watch *watch)
{
	const struct plan *plan = watch->job->plan;
	if (watch->killed && is_joined(watch->job))
		return kill_command(watch);
	/* An init that has seen the program's end ends what is left itself (members.c). */
	if (watch->kill_first_at && now_ns() >= watch->kill_first_at && !atomic_load(&worker.page->program_ended))
		kill_first_process(watch);
	if (watch->killed)
		return watch->kill_first_at ? (int)(init_grace_ns / 1000000) + 1 : -1;
	uint64_t left = events_next_look_ns(&watch->events);
	if (is_joined(watch->job) && watch->job->ready >= 0) {
		push_start(watch);
		left = left < PUSH_NS ? left : PUSH_NS;
	}
	if (plan->timeout_ns) {
		uint64_t passed = now_ns() - watch->job->start_ns;
		if (passed >= plan->timeout_ns) {
			kill_all(watch, END_TIMED_OUT);
			return 0;
		}
		if (plan->timeout_ns - passed < left)
			left = plan->timeout_ns - passed;
	}
	if (plan->cpu_time_ns) {
		uint64_t used = program_cpu_ns(watch);
		if (used >= plan->cpu_time_ns) {
			kill_all(watch, END_CPU_TIME);
			return 0;
		}
		/* With several threads it may be sooner; every look halves what is left. */
		uint64_t wait = (plan->cpu_time_ns - used) / 2;
		if (wait < 1000000)
			wait = 1000000;
		if (wait < left)
			left = wait;
	}
	if (left == UINT64_MAX)
		return -1;
	uint64_t ms = (left + 999999) / 1000000;
	return ms > 1000000 ? 1000000 : (int)ms;
}

static void watch_until_end(struct watch *watch)
{
	struct job *job = watch->job;
	for (;;) {
		int timeout = check_time(watch);
		struct pollfd polls[POLL_COUNT] = {
			[POLL_END] = {.fd = job->pidfd, .events = POLLIN},
			[POLL_CHANNEL] = {.fd = watch->channel_open ? job->channel : -1, .events = POLLIN},
			[POLL_HOST] = {.fd = watch->killed ? -1 : worker.host, .events = POLLIN},
			[POLL_LAUNCHER] = {.fd = job->launcher_gone ? -1 : worker.launcher, .events = POLLIN},
			[POLL_READY] = {.fd = job->ready, .events = POLLIN},
			[POLL_COMPANION] = {.fd = job->companion.ready, .events = POLLIN},
		};
		for (int i = 0; i < 2; i++)
			polls[POLL_CAPTURES + i] = (struct pollfd){
				.fd = watch->captures_at_end[i] ? -1 : job->capture_read[i + 1], .events = POLLIN};
		memcpy(polls + POLL_EVENTS, watch->events.polls, sizeof(watch->events.polls));
		if (poll(polls, POLL_COUNT, timeout) < 0)
			continue;
		memcpy(watch->events.polls, polls + POLL_EVENTS, sizeof(watch->events.polls));
		if (events_are_due(&watch->events))
			events_check(&watch->events);
		for (int i = 0; i < 2; i++)
			if (polls[POLL_CAPTURES + i].revents && !read_capture(watch, i))
				watch->captures_at_end[i] = true;
		if (polls[POLL_READY].revents)
			serve_ready(watch);
		if (polls[POLL_COMPANION].revents)
			serve_companion(watch);
		if (polls[POLL_END].revents)
			return;
		if (polls[POLL_CHANNEL].revents)
			serve_order(watch);
		if (polls[POLL_HOST].revents)
			kill_all(watch, END_KILLED);
		if (polls[POLL_LAUNCHER].revents)
			serve_launcher_death(watch);
	}
}

/*
 * The jail's program has ended. What it started may go on; as the worker is their subreaper, none gets away. In an
 * instance it goes on in peace, unless all of the command was to be killed.
 */
static void finish_jail(struct watch *watch)
{
	struct rusage usage;
	int status;
	while (wait4(watch->job->pid, &status, __WALL, &usage) < 0 && errno == EINTR)
		;
	watch->end->status = status;
	add_usage(&watch->end->usage, &usage);
	if (worker.instance)
		instance_end_children(&watch->end->usage, watch->killed);
	else
		end_children(watch->job, &watch->end->usage);
}

/* The init has ended, and with it all of the container. */
static void finish_container(struct watch *watch)
{
	struct rusage usage;
	int status = 0;
	while (wait4(watch->job->pid, &status, __WALL, &usage) < 0 && errno == EINTR)
		;
	members_finish(watch->job);
	if (atomic_load(&worker.page->program_ended)) {
		watch->end->status = worker.page->status;
		watch->end->usage = worker.page->usage;
	} else {
		/* The init was killed before the program, by us or for want of memory; their use went with them. */
		watch->end->status = WIFSIGNALED(status) ? status : SIGKILL;
		add_usage(&watch->end->usage, &usage);
	}
}

/*
 * What the kernel ends a process for by SIGKILL: RLIMIT_CPU, which viso_command_set_cpu_time_ms() sets as well. The
 * kernel counts whole ticks there, which on a busy machine are up to a quarter more than the time that was used.
 */
static bool used_up_cpu_time(const struct plan *plan, uint64_t cpu_us)
{
	for (uint32_t i = 0; i < plan->rlimit_count; i++)
		if (plan->rlimits[i].resource == RLIMIT_CPU && plan->rlimits[i].value < UINT64_MAX / 1000000)
			return cpu_us >= plan->rlimits[i].value * 750000;
	return false;
}

static void explain_end(struct watch *watch)
{
	struct report_end *end = watch->end;
	const struct plan *plan = watch->job->plan;
	read_final_usage(watch->job->cgroups, own_processes(watch->job), end->figures);
	int64_t oom_kills = end->figures[VISO_USAGE_OOM_KILLS];
	if (worker.instance)
		oom_kills = (int64_t)(cgroups_oom_kills(watch->job->cgroups) - watch->oom_kills_before);
	/* A kill that came too late changes nothing. */
	if (end->reason != END_BY_ITSELF && WIFEXITED(end->status))
		end->reason = END_BY_ITSELF;
	if (end->reason != END_BY_ITSELF)
		return;
	uint64_t cpu_us = end->usage.user_us + end->usage.system_us;
	bool signalled = WIFSIGNALED(end->status);
	if (oom_kills > 0 && end->status != 0)
		end->reason = END_OUT_OF_MEMORY;
	else if (signalled && WTERMSIG(end->status) == SIGXCPU)
		end->reason = END_CPU_TIME;
	else if (signalled && WTERMSIG(end->status) == SIGKILL && used_up_cpu_time(plan, cpu_us))
		end->reason = END_CPU_TIME;
}

void supervise(struct job *job, struct report *report, int capture_fd[2])
{
	bool jail = job->plan->isolation == PLAN_JAIL;
	struct watch watch = {
		.job = job,
		.end = &report->end,
		.capture_fd = capture_fd,
		.program_pidfd = job->pidfd,
		.program_pid = jail ? job->pid : 0,
		.channel_open = true,
		.oom_kills_before = worker.instance ? cgroups_oom_kills(job->cgroups) : 0,
	};
	events_begin(&watch.events, job->plan, job->cgroups, job->events);
	if (jail && (job->plan->flags & PLAN_REPORT_START))
		report_started(job, job->pid);
	watch_until_end(&watch);
	if (jail)
		finish_jail(&watch);
	else
		finish_container(&watch);
	companion_end(job);
	report->end.wall_us = (now_ns() - job->start_ns) / 1000;
	drain_captures(&watch);
	explain_end(&watch);
	events_end(&watch.events);
	if (watch.program_pidfd != job->pidfd)
		close(watch.program_pidfd);
}
