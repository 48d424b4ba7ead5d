/* SPDX-License-Identifier: MIT */
/* System calls on what signals do and whom they are sent to. */
#include <errno.h>
#include <string.h>

#include "guest/instance.h"
#include "guest/program/calls.h"
#include "guest/program/pidfd.h"
#include "guest/program/processes.h"
#include "guest/x86_64/signal_frame.h"

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif

enum { SIGSET_SIZE = 8, STACK_LEAST = 2048 /* MINSIGSTKSZ */ };

static bool ignores(const struct signal_action *action, int signal)
{
	uint64_t handler = action->handler;
	return handler == (uintptr_t)SIG_IGN ||
	       (handler == (uintptr_t)SIG_DFL &&
		(signal == SIGCHLD || signal == SIGURG || signal == SIGWINCH || signal == SIGCONT));
}

int64_t call_rt_sigaction(struct program *program, const uint64_t args[6])
{
	struct process_signals *signals = &program->signals;
	int signal = (int)args[0];
	if (args[3] != SIGSET_SIZE || signal < 1 || signal > PROGRAM_SIGNALS)
		return -EINVAL;
	struct signal_action action, old = signals->actions[signal];
	if (args[1] && (SIGNALS_FIXED & signal_bit(signal)))
		return -EINVAL;
	if (args[1] && space_read(program->space, &action, args[1], sizeof(action)) < 0)
		return -EFAULT;
	if (args[1]) {
		action.mask &= ~SIGNALS_FIXED;
		signals->actions[signal] = action;
		if (ignores(&action, signal))
			program_drop_signals(program, signal_bit(signal));
	}
	return args[2] ? space_write(program->space, args[2], &old, sizeof(old)) : 0;
}

int64_t call_rt_sigprocmask(struct program *program, const uint64_t args[6])
{
	uint64_t set = 0, old = program->task->signals.mask, mask = old;
	if (args[3] != SIGSET_SIZE)
		return -EINVAL;
	if (args[1] && space_read(program->space, &set, args[1], sizeof(set)) < 0)
		return -EFAULT;
	if (args[1] && (int)args[0] == SIG_BLOCK)
		mask |= set;
	else if (args[1] && (int)args[0] == SIG_UNBLOCK)
		mask &= ~set;
	else if (args[1] && (int)args[0] == SIG_SETMASK)
		mask = set;
	else if (args[1])
		return -EINVAL;
	signal_set_mask(program->task, mask);
	return args[2] ? space_write(program->space, args[2], &old, sizeof(old)) : 0;
}

int64_t call_rt_sigpending(struct program *program, const uint64_t args[6])
{
	const struct task_signals *own = &program->task->signals;
	uint64_t set = (own->pending.set | program->signals.pending.set) & own->mask;
	if (args[1] > SIGSET_SIZE)
		return -EINVAL;
	return space_write(program->space, args[0], &set, args[1]);
}

static int set_stack(struct program *program, const stack_t *wanted)
{
	struct signal_stack *stack = &program->task->signals.stack;
	uint32_t flags = (uint32_t)wanted->ss_flags, mode = flags & ~SS_AUTODISARM;
	if (frame_is_on_stack(stack, vcpu_stack_pointer(program->vcpu)))
		return -EPERM;
	if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
		return -EINVAL;
	if (mode == SS_DISABLE) {
		*stack = (struct signal_stack){0};
		return 0;
	}
	if (wanted->ss_size < STACK_LEAST)
		return -ENOMEM;
	*stack = (struct signal_stack){
		.start = (uintptr_t)wanted->ss_sp,
		.size = wanted->ss_size,
		.flags = flags & SS_AUTODISARM,
	};
	return 0;
}

int64_t call_sigaltstack(struct program *program, const uint64_t args[6])
{
	const struct signal_stack *stack = &program->task->signals.stack;
	bool inside = frame_is_on_stack(stack, vcpu_stack_pointer(program->vcpu));
	stack_t wanted, old;
	memset(&old, 0, sizeof(old));
	old.ss_sp = (void *)(uintptr_t)stack->start;
	old.ss_size = stack->size;
	old.ss_flags = stack->size ? (int)((inside ? SS_ONSTACK : 0) | stack->flags) : SS_DISABLE;
	if (args[0] && space_read(program->space, &wanted, args[0], sizeof(wanted)) < 0)
		return -EFAULT;
	int r = args[0] ? set_stack(program, &wanted) : 0;
	if (r < 0)
		return r;
	return args[1] ? space_write(program->space, args[1], &old, sizeof(old)) : 0;
}

/* What it gives goes into RAX, as every call's does. */
int64_t call_rt_sigreturn(struct program *program, const uint64_t args[6])
{
	uint64_t mask;
	stack_t stack;
	if (frame_pop(program->vcpu, program->space, &mask, &stack) < 0) {
		siginfo_t info = signal_from_kernel(SIGSEGV);
		program->task->keeps_registers = true;
		signal_force(program, &info, "a signal frame that does not hold");
		return 0;
	}
	program->task->keeps_registers = true;
	signal_set_mask(program->task, mask);
	/* restore_altstack(): what does not hold is not taken. */
	set_stack(program, &stack);
	return 0;
}

static int64_t check_signal(uint64_t signal)
{
	return signal > PROGRAM_SIGNALS ? -EINVAL : 0;
}

/* kill(2) to one process. */
static int64_t send_to_process(struct program *program, int pid, int signal, const siginfo_t *info)
{
	struct program *target = program_by_pid(program, pid);
	if (!target)
		return -ESRCH;
	return signal ? signal_send(target, NULL, info) : 0;
}

/* To a process group, or with -1 to all processes but the own one. 0, or -ESRCH where there is none. */
static int64_t send_to_group(struct program *program, int group, int signal, const siginfo_t *info)
{
	int64_t r = -ESRCH;
	for (struct program *target = &program->instance->program; target; target = target->next) {
		if (group == -1 ? target == program : target->group != group)
			continue;
		if (signal)
			signal_send(target, NULL, info);
		r = 0;
	}
	return r;
}

int64_t call_kill(struct program *program, const uint64_t args[6])
{
	int pid = (int)args[0], signal = (int)args[1];
	if (check_signal(args[1]) < 0)
		return -EINVAL;
	siginfo_t info = signal_from_program(program, signal, SI_USER);
	/* Process 1 is the library. */
	if (pid == INIT_PID)
		return -EPERM;
	if (pid > 0)
		return send_to_process(program, pid, signal, &info);
	if (pid == INT32_MIN)
		return -ESRCH;
	return send_to_group(program, pid == 0 ? program->group : pid == -1 ? -1 : -pid, signal, &info);
}

/* What a program may say of itself as the sender: not that the kernel, or kill(2), sent it to somebody else. */
static int64_t read_info(struct program *program, uint64_t address, int pid, uint64_t signal, siginfo_t *out)
{
	if (check_signal(signal) < 0)
		return -EINVAL;
	if (space_read(program->space, out, address, sizeof(*out)) < 0)
		return -EFAULT;
	out->si_signo = (int)signal;
	if ((out->si_code >= 0 || out->si_code == SI_TKILL) && pid != program->pid)
		return -EPERM;
	return 0;
}

int64_t call_pidfd_send_signal(struct program *program, const uint64_t args[6])
{
	struct program *target;
	siginfo_t info = signal_from_program(program, (int)args[1], SI_USER);
	if (check_signal(args[1]) < 0 || args[3])
		return -EINVAL;
	int64_t r = pidfd_find(program, (int)args[0], &target);
	if (r == 0 && args[2]) {
		r = read_info(program, args[2], target->pid, args[1], &info);
		/* Here the signal must be the same. */
		int signal = 0;
		if (r == 0 && space_read(program->space, &signal, args[2], sizeof(signal)) == 0 &&
		    signal != (int)args[1])
			r = -EINVAL;
	}
	if (r < 0 || args[1] == 0)
		return r;
	return signal_send(target, NULL, &info);
}

static int64_t send_to_task(struct program *target, int tid, int signal, const siginfo_t *info)
{
	struct task *task = target ? program_task(target, tid) : NULL;
	if (!task)
		return -ESRCH;
	return signal ? signal_send(target, task, info) : 0;
}

int64_t call_tkill(struct program *program, const uint64_t args[6])
{
	if (check_signal(args[1]) < 0 || (int)args[0] <= 0)
		return -EINVAL;
	siginfo_t info = signal_from_program(program, (int)args[1], SI_TKILL);
	struct task *task = program_find_task(program->instance, (int)args[0]);
	return send_to_task(task ? task->program : NULL, (int)args[0], (int)args[1], &info);
}

int64_t call_tgkill(struct program *program, const uint64_t args[6])
{
	if (check_signal(args[2]) < 0 || (int)args[0] <= 0 || (int)args[1] <= 0)
		return -EINVAL;
	siginfo_t info = signal_from_program(program, (int)args[2], SI_TKILL);
	return send_to_task(program_by_pid(program, (int)args[0]), (int)args[1], (int)args[2], &info);
}

int64_t call_rt_sigqueueinfo(struct program *program, const uint64_t args[6])
{
	siginfo_t info;
	int64_t r = read_info(program, args[2], (int)args[0], args[1], &info);
	return r < 0 ? r : send_to_process(program, (int)args[0], (int)args[1], &info);
}

int64_t call_rt_tgsigqueueinfo(struct program *program, const uint64_t args[6])
{
	siginfo_t info;
	if ((int)args[0] <= 0 || (int)args[1] <= 0)
		return -EINVAL;
	int64_t r = read_info(program, args[3], (int)args[0], args[2], &info);
	if (r < 0)
		return r;
	return send_to_task(program_by_pid(program, (int)args[0]), (int)args[1], (int)args[2], &info);
}
