/* SPDX-License-Identifier: MIT */
/*
 * The parent of one command. As "child subreaper" (prctl(2)) it becomes the parent of whatever the command leaves
 * behind, so that nothing of it escapes a kill, by however many forks and sessions.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <virtiso/error.h>

#include "core/cleanup.h"
#include "guest/agent/program/agent.h"

enum { CONTROL = 3, KILL_PAUSE_MS = 10, CPU_LOOK_MS = 1000 };

struct attendant {
	pid_t program;
	int failure_pipe; /* -1 once the program is executing */
	int children;     /* signalfd */
	bool is_killing;
	bool has_ended;
	uint64_t cpu_time_ms;
	struct report report;
};

/* By number only: what lies there otherwise is the agent's. */
static void close_from(int first)
{
	if (syscall(SYS_close_range, first, ~0u, 0) == 0)
		return;
	for (int fd = first; fd < 4096; fd++)
		close(fd);
}

static void send_report(const struct attendant *attendant)
{
	(void)!send(CONTROL, &attendant->report, sizeof(attendant->report), MSG_NOSIGNAL);
}

_Noreturn static void give_up(struct attendant *attendant, const char *object)
{
	attendant->report.kind = REPORT_FAILED;
	attendant->report.failure.stage = VISO_STAGE_CLONE;
	attendant->report.failure.error = (uint32_t)errno;
	strncpy(attendant->report.failure.object, object, AGENT_OBJECT_MAX - 1);
	send_report(attendant);
	_exit(1);
}

static void start(struct attendant *attendant, struct spec *spec)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		give_up(attendant, "pipe2");
	attendant->program = fork();
	if (attendant->program == 0) {
		close(CONTROL);
		close(attendant->children);
		close(ends[0]);
		execute(spec, ends[1]);
	}
	if (attendant->program < 0)
		give_up(attendant, "fork");
	close(ends[1]);
	attendant->failure_pipe = ends[0];
	/* What it reads and writes is its own. */
	for (int i = 0; i < 3; i++)
		close(i);
}

static void count_use(struct attendant *attendant, const struct rusage *usage)
{
	uint64_t *used = attendant->report.used;
	used[AGENT_USED_USER_US] = (uint64_t)usage->ru_utime.tv_sec * 1000000 + (uint64_t)usage->ru_utime.tv_usec;
	used[AGENT_USED_SYSTEM_US] = (uint64_t)usage->ru_stime.tv_sec * 1000000 + (uint64_t)usage->ru_stime.tv_usec;
	used[AGENT_USED_MEMORY_PEAK] = (uint64_t)usage->ru_maxrss * 1024;
	used[AGENT_USED_MINOR_FAULTS] = (uint64_t)usage->ru_minflt;
	used[AGENT_USED_MAJOR_FAULTS] = (uint64_t)usage->ru_majflt;
	used[AGENT_USED_BLOCKS_IN] = (uint64_t)usage->ru_inblock;
	used[AGENT_USED_BLOCKS_OUT] = (uint64_t)usage->ru_oublock;
	used[AGENT_USED_SWITCHES] = (uint64_t)usage->ru_nvcsw;
}

/* Whether children are left. */
static bool reap(struct attendant *attendant)
{
	struct rusage usage;
	int status;
	pid_t pid;
	while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
		if (pid != attendant->program)
			continue;
		attendant->has_ended = true;
		attendant->report.status = (uint32_t)status;
		count_use(attendant, &usage);
	}
	return pid == 0;
}

/* It says nothing where the program executes, since the pipe is closed by that. */
static void read_failure(struct attendant *attendant)
{
	struct failure failure;
	ssize_t n;
	while ((n = read(attendant->failure_pipe, &failure, sizeof(failure))) < 0 && errno == EINTR)
		;
	attendant->failure_pipe = close_fd(attendant->failure_pipe);
	if (n == sizeof(failure)) {
		attendant->report.kind = REPORT_FAILED;
		attendant->report.failure = failure;
		send_report(attendant);
		_exit(0);
	}
	attendant->report.kind = REPORT_STARTED;
	attendant->report.pid = (uint32_t)attendant->program;
	send_report(attendant);
}

static void take_order(struct attendant *attendant)
{
	uint8_t order;
	ssize_t n = recv(CONTROL, &order, 1, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* The agent has ended. */
	if (n <= 0 || order == ORDER_KILL)
		attendant->is_killing = true;
	else if (!attendant->has_ended)
		kill(attendant->program, order);
}

/* Stopped first: so nobody makes new ones while we look. */
static void kill_all(void)
{
	int before = -1, now;
	for (int i = 0; i < 20 && (now = signal_descendants(SIGSTOP)) != before; i++)
		before = now;
	signal_descendants(SIGKILL);
}

/* How long until it can have used up its CPU time at the soonest; 0 where it has. */
static int64_t cpu_left_ms(const struct attendant *attendant)
{
	struct timespec time;
	clockid_t clock;
	if (clock_getcpuclockid(attendant->program, &clock) != 0 || clock_gettime(clock, &time) < 0)
		return CPU_LOOK_MS;
	int64_t used = time.tv_sec * 1000 + time.tv_nsec / 1000000;
	int64_t left = (int64_t)attendant->cpu_time_ms - used;
	if (left <= 0)
		return 0;
	/* Its threads use several CPUs. */
	left /= sysconf(_SC_NPROCESSORS_ONLN);
	return left < 2 ? 2 : left > CPU_LOOK_MS ? CPU_LOOK_MS : left;
}

static int64_t wait_ms(struct attendant *attendant)
{
	if (!attendant->is_killing && attendant->cpu_time_ms && !attendant->has_ended) {
		int64_t left = cpu_left_ms(attendant);
		if (left)
			return left;
		attendant->report.end = AGENT_END_CPU_TIME;
		attendant->is_killing = true;
	}
	return attendant->is_killing ? KILL_PAUSE_MS : -1;
}

static void serve(struct attendant *attendant)
{
	struct signalfd_siginfo info;
	struct pollfd fds[3] = {
		{.fd = CONTROL, .events = POLLIN},
		{.fd = attendant->children, .events = POLLIN},
		{.fd = attendant->failure_pipe, .events = POLLIN},
	};
	int64_t wait = wait_ms(attendant);
	if (attendant->is_killing)
		kill_all();
	if (poll(fds, 3, (int)wait) < 0)
		return;
	if (fds[2].revents)
		read_failure(attendant);
	if (fds[0].revents)
		take_order(attendant);
	if (fds[1].revents)
		(void)!read(attendant->children, &info, sizeof(info));
}

/* What it left in the background goes on, with the agent as its parent. */
static void attend(struct attendant *attendant)
{
	for (;;) {
		bool has_children = reap(attendant);
		if (attendant->has_ended && attendant->failure_pipe < 0 && (!attendant->is_killing || !has_children))
			break;
		serve(attendant);
	}
	attendant->report.kind = REPORT_ENDED;
	send_report(attendant);
}

_Noreturn void attendant_run(struct spec *spec, int control, const int streams[3])
{
	struct attendant attendant = {.cpu_time_ms = spec->cpu_time_ms};
	sigset_t set;
	prctl(PR_SET_NAME, "viso-attendant", 0, 0, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	setsid();
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int i = 0; i < 3; i++)
		if (dup3(streams[i], i, 0) < 0)
			_exit(1);
	if (control == CONTROL ? fcntl(CONTROL, F_SETFD, FD_CLOEXEC) < 0 : dup3(control, CONTROL, O_CLOEXEC) < 0)
		_exit(1);
	close_from(CONTROL + 1);
	attendant.children = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (attendant.children < 0)
		give_up(&attendant, "signalfd");
	start(&attendant, spec);
	attend(&attendant);
	_exit(0);
}
