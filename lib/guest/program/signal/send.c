/* SPDX-License-Identifier: MIT */
/* Sending signals, and whom they reach. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/hot.h"
#include "guest/instance.h"
#include "guest/program/calls.h"
#include "guest/program/processes.h"

/* signal(7): what these do where nothing else was asked for. */
static const uint64_t ignored =
	1ull << (SIGCHLD - 1) | 1ull << (SIGURG - 1) | 1ull << (SIGWINCH - 1) | 1ull << (SIGCONT - 1);
static const uint64_t stopping =
	1ull << (SIGSTOP - 1) | 1ull << (SIGTSTP - 1) | 1ull << (SIGTTIN - 1) | 1ull << (SIGTTOU - 1);

bool signal_makes_core(int signal)
{
	switch (signal) {
	case SIGQUIT:
	case SIGILL:
	case SIGTRAP:
	case SIGABRT:
	case SIGBUS:
	case SIGFPE:
	case SIGSEGV:
	case SIGXCPU:
	case SIGXFSZ:
	case SIGSYS:
		return true;
	default:
		return false;
	}
}

void signals_init(struct process_signals *signals)
{
	*signals = (struct process_signals){.budget = SIGNALS_QUEUED_DEFAULT};
	timers_init(&signals->timers);
}

void signals_release(struct process_signals *signals)
{
	queue_release(&signals->pending);
	timers_release(&signals->timers);
}

void task_signals_release(struct task_signals *signals)
{
	queue_release(&signals->pending);
}

void signals_copy(struct process_signals *child, const struct process_signals *parent)
{
	signals_init(child);
	memcpy(child->actions, parent->actions, sizeof(child->actions));
}

void task_signals_copy(struct task_signals *child, const struct task_signals *parent, bool shares_memory)
{
	*child = (struct task_signals){.mask = parent->has_saved_mask ? parent->saved_mask : parent->mask};
	if (!shares_memory)
		child->stack = parent->stack;
}

void signals_exec(struct program *program)
{
	struct process_signals *signals = &program->signals;
	for (int signal = 1; signal <= PROGRAM_SIGNALS; signal++) {
		uint64_t handler = signals->actions[signal].handler;
		signals->actions[signal] =
			(struct signal_action){.handler = handler == (uintptr_t)SIG_IGN ? handler : (uintptr_t)SIG_DFL};
	}
	program->task->signals.stack = (struct signal_stack){0};
	timers_exec(&signals->timers);
}

siginfo_t signal_from_program(const struct program *sender, int signal, int code)
{
	siginfo_t info = {.si_signo = signal, .si_code = code};
	info.si_pid = sender->pid;
	info.si_uid = sender->uid;
	return info;
}

siginfo_t signal_from_kernel(int signal)
{
	return (siginfo_t){.si_signo = signal, .si_code = SI_KERNEL};
}

static bool is_blocked(const struct task *task, int signal)
{
	return (task->signals.mask | task->signals.waited) & signal_bit(signal);
}

/* The thread that is to take a signal to its process: where possible one that runs. NULL where all block it. */
static struct task *choose_taker(struct program *program, int signal)
{
	struct task *taker = NULL;
	for (struct task *task = NULL; (task = scheduler_after(&program->instance->scheduler, task));)
		if (task->program == program && !is_blocked(task, signal) && (!taker || task->state == TASK_READY))
			taker = task;
	return taker;
}

/* A thread that waits for the signal by sigtimedwait(2). */
static struct task *find_waiter(struct program *program, int signal)
{
	for (struct task *task = NULL; (task = scheduler_after(&program->instance->scheduler, task));)
		if (task->program == program && (task->signals.waited & signal_bit(signal)))
			return task;
	return NULL;
}

/* Whether it would do nothing. What is blocked by all may be unblocked later, or fetched. */
static bool is_ignored(const struct program *program, int signal)
{
	uint64_t handler = program->signals.actions[signal].handler;
	return handler == (uintptr_t)SIG_IGN || (handler == (uintptr_t)SIG_DFL && (ignored & signal_bit(signal)));
}

/* A stop and SIGCONT take each other back (signal(7)). */
static void drop_opposites(struct program *program, int signal)
{
	if (signal == SIGCONT)
		program_drop_signals(program, stopping);
	else if (stopping & signal_bit(signal))
		program_drop_signals(program, signal_bit(SIGCONT));
}

int signal_send(struct program *program, struct task *task, const siginfo_t *info)
{
	struct process_signals *signals = &program->signals;
	int signal = info->si_signo;
	struct task *taker = task;
	if (program->ended)
		return 0;
	drop_opposites(program, signal);
	if (signal == SIGCONT)
		process_go_on(program);
	else if (signal == SIGKILL)
		program->stopped_by = 0;
	if (!task)
		taker = choose_taker(program, signal);
	else if (is_blocked(task, signal))
		taker = NULL;
	if (taker && is_ignored(program, signal))
		return 0;
	int r = queue_add(task ? &task->signals.pending : &signals->pending, info, &signals->budget);
	/* Whoever polls a signalfd. */
	task_wake(program->instance, signals);
	if (!taker)
		taker = task ? task : find_waiter(program, signal);
	if (r == 0 && taker && signal_is_pending(taker))
		task_interrupt(taker);
	return r;
}

void signals_retarget(struct program *program)
{
	if (!program->signals.pending.set)
		return;
	for (struct task *task = NULL; (task = scheduler_after(&program->instance->scheduler, task));)
		if (task->program == program && signal_is_pending(task))
			task_interrupt(task);
}

void signal_send_self(struct program *program, int signal)
{
	siginfo_t info = signal_from_program(program, signal, SI_USER);
	signal_send(program, program->task, &info);
}

HOT bool signal_is_pending(const struct task *task)
{
	const struct task_signals *signals = &task->signals;
	uint64_t pending = signals->pending.set | task->program->signals.pending.set;
	return pending & (~signals->mask | signals->waited);
}

void signal_set_mask(struct task *task, uint64_t mask)
{
	task->signals.mask = mask & ~SIGNALS_FIXED;
}

int signal_use_mask(struct program *program, uint64_t address, uint64_t size)
{
	struct task_signals *signals = &program->task->signals;
	uint64_t mask;
	if (!address)
		return 0;
	if (size != sizeof(mask))
		return -EINVAL;
	if (space_read(program->space, &mask, address, sizeof(mask)) < 0)
		return -EFAULT;
	/* A call that is made again after it waited has set it already. */
	if (!signals->has_saved_mask)
		signals->saved_mask = signals->mask;
	signals->has_saved_mask = true;
	signal_set_mask(program->task, mask);
	return 0;
}

HOT void signal_restore_mask(struct task *task)
{
	struct task_signals *signals = &task->signals;
	if (signals->has_saved_mask)
		signals->mask = signals->saved_mask;
	signals->has_saved_mask = false;
}
