/* SPDX-License-Identifier: MIT */
#include "tracer.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"
#include "registers.h"
#include "support.h"

enum { TRACEES_MAX = 128, NUMBERS_MAX = 512, PHASE_CALL = 0x56495350 /* an option that prctl(2) does not know */ };

struct tracee {
	pid_t pid;
	pid_t parent;
	int depth; /* of forks below the host */
	int children;
	char part[24];
	bool is_program; /* has executed what the command is: no longer ours */
	bool in_call;
	int number; /* of the call that it is in */
	int error;  /* with which that call is to end; 0 to leave it alone */
	uint16_t counts[NUMBERS_MAX];
};

static struct tracee tracees[TRACEES_MAX];
static int tracee_count;
static enum tracer_phase phase;
static const struct fault *fault;
static struct call_list *calls;
static struct trace_outcome *outcome;

void tracer_phase(enum tracer_phase next)
{
	syscall(SYS_prctl, PHASE_CALL, next, 0, 0, 0);
}

bool tracer_works(void)
{
	return REGISTERS_KNOWN;
}

static struct tracee *find(pid_t pid)
{
	for (int i = 0; i < tracee_count; i++)
		if (tracees[i].pid == pid)
			return &tracees[i];
	return NULL;
}

static void forget(pid_t pid)
{
	struct tracee *tracee = find(pid);
	if (tracee)
		*tracee = tracees[--tracee_count];
}

static void name_part(struct tracee *tracee, struct tracee *parent)
{
	static const char *const upper[] = {"host", "starter", "launcher", "worker"};
	tracee->depth = parent->depth + 1;
	tracee->is_program = parent->is_program;
	int ordinal = ++parent->children;
	if (tracee->depth < 4)
		strcpy(tracee->part, upper[tracee->depth]);
	else
		snprintf(tracee->part, sizeof(tracee->part), "%.16s/%d", parent->part, ordinal % 1000);
}

/* Its first stop may come before that of its parent, which tells of it. */
static struct tracee *add(pid_t pid, pid_t parent_pid)
{
	struct tracee *tracee = find(pid), *parent = find(parent_pid);
	if (tracee)
		return tracee;
	assert_true(tracee_count < TRACEES_MAX);
	tracee = &tracees[tracee_count++];
	*tracee = (struct tracee){.pid = pid, .parent = parent_pid, .part = "host"};
	if (parent)
		name_part(tracee, parent);
	if (outcome->pid_count < TRACED_MAX)
		outcome->pids[outcome->pid_count++] = pid;
	return tracee;
}

static pid_t parent_of(pid_t pid)
{
	char path[64], text[512] = "";
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return 0;
	(void)!fgets(text, sizeof(text), file);
	fclose(file);
	const char *end = strrchr(text, ')');
	return end && strlen(end) > 4 ? atoi(end + 4) : 0;
}

static void note(const struct call_point *point)
{
	/* Workers do the same: one is enough. */
	for (size_t i = 0; i < calls->count; i++)
		if (!memcmp(&calls->points[i], point, sizeof(*point)))
			return;
	calls->points = realloc(calls->points, (calls->count + 1) * sizeof(*point));
	assert_non_null(calls->points);
	calls->points[calls->count++] = *point;
}

static void change_phase(enum tracer_phase next)
{
	phase = next;
	for (int i = 0; i < tracee_count; i++) {
		memset(tracees[i].counts, 0, sizeof(tracees[i].counts));
		tracees[i].children = 0;
	}
}

/* Whether the call is not made at all. A close(2) that fails has closed nevertheless. */
static bool is_skipped(int number)
{
	return number != SYS_close;
}

static void enter_call(struct tracee *tracee, const struct __ptrace_syscall_info *info)
{
	tracee->in_call = true;
	tracee->number = (int)info->entry.nr;
	tracee->error = 0;
	if (tracee->number == SYS_prctl && info->entry.args[0] == PHASE_CALL) {
		change_phase((enum tracer_phase)info->entry.args[1]);
		return;
	}
	if (phase == PHASE_OTHER || tracee->number < 0 || tracee->number >= NUMBERS_MAX)
		return;
	struct call_point point = {
		.phase = phase, .number = tracee->number, .occurrence = ++tracee->counts[tracee->number]};
	strcpy(point.part, tracee->part);
	if (calls)
		note(&point);
	if (!fault || outcome->met || memcmp(&point, &fault->point, sizeof(point)) != 0)
		return;
	outcome->met = true;
	if (fault->killed) {
		kill(tracee->pid, SIGKILL);
		return;
	}
	tracee->error = fault->error;
	if (is_skipped(tracee->number))
		registers_skip_call(tracee->pid);
}

static void leave_call(struct tracee *tracee)
{
	tracee->in_call = false;
	if (tracee->error)
		registers_set_result(tracee->pid, -tracee->error);
	tracee->error = 0;
}

static void at_call(struct tracee *tracee)
{
	struct __ptrace_syscall_info info;
	if (ptrace(PTRACE_GET_SYSCALL_INFO, tracee->pid, sizeof(info), &info) < 0)
		return; /* killed meanwhile */
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
		enter_call(tracee, &info);
	else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
		leave_call(tracee);
}

static void go_on(const struct tracee *tracee, int signal)
{
	ptrace(tracee->is_program ? PTRACE_CONT : PTRACE_SYSCALL, tracee->pid, NULL, (void *)(intptr_t)signal);
}

static void at_event(struct tracee *tracee, int event, int signal)
{
	unsigned long message;
	if (event == PTRACE_EVENT_STOP && signal != SIGTRAP) {
		ptrace(PTRACE_LISTEN, tracee->pid, NULL, NULL); /* stopped by a signal */
		return;
	}
	if (event == PTRACE_EVENT_EXEC && tracee->depth > 2)
		tracee->is_program = true;
	else if ((event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE) &&
		 ptrace(PTRACE_GETEVENTMSG, tracee->pid, NULL, &message) == 0)
		add((pid_t)message, tracee->pid);
	go_on(tracee, 0);
}

static void at_stop(pid_t pid, int status)
{
	struct tracee *tracee = find(pid);
	if (!tracee)
		tracee = add(pid, parent_of(pid));
	int signal = WSTOPSIG(status);
	if (status >> 16) {
		at_event(tracee, status >> 16, signal);
	} else if (signal == (SIGTRAP | 0x80)) {
		at_call(tracee);
		go_on(tracee, 0);
	} else {
		go_on(tracee, signal);
	}
}

static void describe_hang(void)
{
	size_t used = 0;
	for (int i = 0; i < tracee_count && used < sizeof(outcome->text) - 64; i++)
		used += (size_t)snprintf(outcome->text + used, sizeof(outcome->text) - used, "%s%s (%d) in call %d",
					 i ? ", " : "", tracees[i].part, (int)tracees[i].pid,
					 tracees[i].in_call ? tracees[i].number : -1);
}

static volatile sig_atomic_t too_late;

static void on_alarm(int number)
{
	too_late = 1;
}

static void give_up(void)
{
	if (outcome->hung)
		return;
	outcome->hung = true;
	describe_hang();
	for (int i = 0; i < tracee_count; i++)
		kill(tracees[i].pid, SIGKILL);
}

/* Every second: one signal may come just before the wait. */
static void set_timer(unsigned seconds)
{
	const struct sigaction action = {.sa_handler = seconds ? on_alarm : SIG_DFL};
	const struct itimerval timer = {{seconds != 0, 0}, {seconds, 0}};
	too_late = 0;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

/* Until there is nobody left to wait for. */
static void follow(pid_t host, unsigned seconds)
{
	set_timer(seconds);
	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, __WALL);
		if (too_late)
			give_up();
		if (pid < 0 && errno == ECHILD)
			break;
		if (pid < 0)
			continue;
		if (WIFSTOPPED(status) && outcome->hung) {
			kill(pid, SIGKILL);
		} else if (WIFSTOPPED(status)) {
			at_stop(pid, status);
		} else {
			forget(pid);
			if (pid == host)
				outcome->status = status;
		}
	}
	set_timer(0);
}

struct gate {
	void (*function)(void *);
	void *argument;
	int ends[2];
};

static void pass_gate(void *argument)
{
	const struct gate *gate = argument;
	char byte;
	close(gate->ends[1]);
	(void)!read(gate->ends[0], &byte, 1);
	close(gate->ends[0]);
	gate->function(gate->argument);
}

void trace(void (*function)(void *), void *argument, const struct fault *to_fail, unsigned seconds,
	   struct call_list *out_calls, struct trace_outcome *out)
{
	const unsigned long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
				      PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
	struct gate gate = {.function = function, .argument = argument};
	*out = (struct trace_outcome){0};
	outcome = out;
	fault = to_fail;
	calls = out_calls;
	phase = PHASE_OTHER;
	tracee_count = 0;
	assert_int_equal(pipe(gate.ends), 0);
	pid_t host = host_start(pass_gate, &gate);
	add(host, 0);
	close(gate.ends[0]);
	assert_int_equal(ptrace(PTRACE_SEIZE, host, NULL, options), 0);
	assert_int_equal(ptrace(PTRACE_INTERRUPT, host, NULL, NULL), 0);
	close(gate.ends[1]);
	follow(host, seconds);
}
