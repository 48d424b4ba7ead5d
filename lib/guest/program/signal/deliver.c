/* SPDX-License-Identifier: MIT */
/* Taking signals: the default actions, and the entry of handlers. See: get_signal() of kernel/signal.c. */
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "guest/dump/core_file.h"
#include "guest/instance.h"
#include "guest/program/calls.h"
#include "guest/program/processes.h"
#include "guest/x86_64/signal_frame.h"

#ifndef SA_RESTORER
#define SA_RESTORER 0x04000000u
#endif

static uint64_t handler_of(const struct program *program, int signal)
{
	return program->signals.actions[signal].handler;
}

static bool has_handler(const struct program *program, int signal)
{
	uint64_t handler = handler_of(program, signal);
	return handler != (uintptr_t)SIG_DFL && handler != (uintptr_t)SIG_IGN;
}

static void end_by_signal(struct program *program, const siginfo_t *info, const char *detail)
{
	if (signal_makes_core(info->si_signo))
		core_write(program, info);
	program_end(program, VISO_REASON_SIGNALLED, info->si_signo, detail);
}

static void act_by_default(struct program *program, const siginfo_t *info, const char *detail)
{
	switch (info->si_signo) {
	case SIGCHLD:
	case SIGURG:
	case SIGWINCH:
	case SIGCONT:
		return;
	case SIGSTOP:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
		process_stop(program, info->si_signo);
		return;
	default:
		end_by_signal(program, info, detail);
	}
}

/*
 * Always restarted are calls for which signal(7) says so with SA_RESTART. Where there was no handler, every call goes
 * on.
 */
bool signal_never_restarts(uint64_t number, const uint64_t args[6])
{
	switch (number) {
	case SYS_poll:
	case SYS_ppoll:
	case SYS_select:
	case SYS_pselect6:
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
	case SYS_epoll_pwait2:
	case SYS_nanosleep:
	case SYS_clock_nanosleep:
	case SYS_pause:
	case SYS_rt_sigsuspend:
	case SYS_rt_sigtimedwait:
	case SYS_semop:
	case SYS_semtimedop:
	case SYS_msgrcv:
	case SYS_msgsnd:
	case SYS_io_getevents:
		return true;
	case SYS_futex:
		return args[3] != 0; /* a wait with a time; nothing else of it is interrupted */
	default:
		return false;
	}
}

/* The interrupted call ends for the sake of a handler; it either fails, or is made again after the handler. */
static void finish_call(struct program *program, const struct signal_action *action)
{
	const uint64_t *args = program->task->call_args;
	if ((action->flags & SA_RESTART) && !signal_never_restarts(program->task->call_number, args))
		vcpu_rewind_call(program->vcpu, program->task->call_number);
	else
		vcpu_set_result(program->vcpu, -EINTR);
}

static int enter_handler(struct program *program, const siginfo_t *info)
{
	struct task_signals *signals = &program->task->signals;
	struct signal_action *action = &program->signals.actions[info->si_signo], asked = *action;
	struct frame_setting setting = {
		.info = info,
		.handler = asked.handler,
		.restorer = asked.flags & SA_RESTORER ? asked.restorer : 0,
		.on_stack = asked.flags & SA_ONSTACK,
		.mask = signals->has_saved_mask ? signals->saved_mask : signals->mask,
		.stack = &signals->stack,
		.trap = signals->trap,
		.trap_error = signals->trap_error,
		.trap_address = signals->trap_address,
	};
	if (asked.flags & SA_RESETHAND)
		action->handler = (uintptr_t)SIG_DFL;
	int r = frame_push(program->vcpu, program->space, &setting);
	if (r < 0)
		return r;
	signals->has_saved_mask = false;
	uint64_t mask = signals->mask | asked.mask;
	if (!(asked.flags & SA_NODEFER))
		mask |= signal_bit(info->si_signo);
	signal_set_mask(program->task, mask);
	return 0;
}

/* A handler that cannot be entered, for want of a stack: as force_sigsegv(). */
static void fail_to_enter(struct program *program, int signal, const char *detail)
{
	siginfo_t info = signal_from_kernel(SIGSEGV);
	if (signal == SIGSEGV)
		program->signals.actions[SIGSEGV].handler = (uintptr_t)SIG_DFL;
	signal_force(program, &info, detail);
}

/* True where a handler was entered. */
static bool act(struct program *program, const siginfo_t *info, bool interrupted_call, const char *detail)
{
	int signal = info->si_signo;
	if (handler_of(program, signal) == (uintptr_t)SIG_IGN)
		return false;
	if (!has_handler(program, signal)) {
		act_by_default(program, info, detail);
		return false;
	}
	if (interrupted_call)
		finish_call(program, &program->signals.actions[signal]);
	if (enter_handler(program, info) < 0)
		fail_to_enter(program, signal, detail);
	return true;
}

void signal_force(struct program *program, const siginfo_t *info, const char *detail)
{
	int signal = info->si_signo;
	bool blocked = program->task->signals.mask & signal_bit(signal);
	if (blocked || !has_handler(program, signal)) {
		program->signals.actions[signal].handler = (uintptr_t)SIG_DFL;
		end_by_signal(program, info, detail);
		return;
	}
	act(program, info, false, detail);
}

static bool take(struct program *program, siginfo_t *out)
{
	struct process_signals *process = &program->signals;
	struct task_signals *own = &program->task->signals;
	uint64_t set = ~own->mask;
	if (!queue_take(&own->pending, set, out, &process->budget) &&
	    !queue_take(&process->pending, set, out, &process->budget))
		return false;
	if (out->si_code == SI_TIMER)
		timers_taken(&process->timers, out);
	return true;
}

bool signals_deliver(struct program *program, bool interrupted_call)
{
	siginfo_t info;
	bool entered = false;
	program->instance->has_changed = true;
	while (!program->ended && !program->stopped_by && take(program, &info))
		entered |= act(program, &info, interrupted_call && !entered, NULL);
	return entered || program->ended;
}
