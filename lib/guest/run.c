/* SPDX-License-Identifier: MIT */
/* The loop that lets the program run and serves it until it ends. */
#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>

#include "core/error.h"
#include "core/hot.h"
#include "guest/contact/hypercalls.h"
#include "guest/contact/ring.h"
#include "guest/files/mapped.h"
#include "guest/instance.h"
#include "guest/memory/fault.h"
#include "guest/program/processes.h"
#include "guest/x86_64/registers.h"

/* The process whose thread has run. */
static struct program *running(struct instance *instance)
{
	return instance->scheduler.current->program;
}

/* A page fault that the program's areas do not explain; what is known of it goes to `info`. */
static void tell_fault(struct instance *instance, const struct vcpu_exit *exit, int r, siginfo_t *info)
{
	if (r == -EIO) {
		info->si_signo = SIGBUS;
		info->si_code = BUS_ADRERR;
	} else if (space_find(running(instance)->space, exit->address)) {
		info->si_code = SEGV_ACCERR;
	}
}

static void force_exception(struct instance *instance, const struct vcpu_exit *exit, const siginfo_t *info)
{
	char detail[80];
	struct program *program = running(instance);
	struct task_signals *signals = &program->task->signals;
	unsigned long long instruction = instance->vcpu.regs->rip, address = exit->address;
	instance->has_changed = true;
	signals->trap = (uint64_t)exit->vector;
	signals->trap_error = exit->error_code;
	if (vcpu_is_page_fault(exit)) {
		signals->trap_address = exit->address;
		snprintf(detail, sizeof(detail), "address 0x%llx, instruction 0x%llx", address, instruction);
	} else {
		snprintf(detail, sizeof(detail), "instruction 0x%llx", instruction);
	}
	signal_force(program, info, detail);
	program->has_fault_address = program->ended && vcpu_is_page_fault(exit);
	program->fault_address = exit->address;
}

static void handle_exception(struct instance *instance, const struct vcpu_exit *exit)
{
	siginfo_t info;
	int signal = vcpu_exception_signal(&instance->vcpu, exit, &info);
	if (vcpu_is_page_fault(exit)) {
		int r = -EFAULT;
		if (vcpu_is_user_access(exit))
			r = space_fault(running(instance)->space, exit->address, vcpu_fault_access(exit));
		if (r == 0 || r == -ENOMEM)
			return;
		tell_fault(instance, exit, r, &info);
	}
	if (signal) {
		force_exception(instance, exit, &info);
		return;
	}
	char detail[80];
	snprintf(detail, sizeof(detail), "exception vector %d", exit->vector);
	program_end(&instance->program, VISO_REASON_GUEST_FAULT, 0, detail);
}

/* What the host program has sent; of its sender the program sees as little as of one outside of its PID namespace. */
static void send_host_signals(struct instance *instance)
{
	uint64_t set = kick_take_signals(&instance->kick);
	for (int signal = 1; signal <= PROGRAM_SIGNALS; signal++) {
		const siginfo_t info = {.si_signo = signal, .si_code = SI_USER};
		if (set & signal_bit(signal))
			signal_send(&instance->program, NULL, &info);
	}
}

/* A time is over, or the host program has sent a signal. */
static void handle_stop(struct instance *instance)
{
	struct program *program = &instance->program;
	switch (kick_check(&instance->kick)) {
	case STOP_TIMED_OUT:
		program_end(program, VISO_REASON_TIMED_OUT, SIGKILL, NULL);
		break;
	case STOP_CPU_TIME:
		program_end(program, VISO_REASON_CPU_TIME, SIGKILL, NULL);
		break;
	case STOP_KILLED:
		program_end(program, VISO_REASON_KILLED, SIGKILL, NULL);
		break;
	case STOP_PAUSED:
		instance->stay.leave = true;
		break;
	case STOP_SIGNALLED:
	case STOP_ALARM:
		instance->has_changed = true;
		send_host_signals(instance);
		timers_check_all(instance);
		break;
	case STOP_NONE:
	default:
		break;
	}
}

/* A call that a signal interrupted is made again at the next turn, where no handler was entered. */
HOT static void serve(struct instance *instance)
{
	struct program *program = running(instance);
	struct task *task = program->task;
	if (program_serve(program))
		return;
	handle_stop(instance);
	if (!program->ended && signals_deliver(program, true))
		task->again = false;
}

HOT static void handle_exit(struct instance *instance, const struct vcpu_exit *exit)
{
	switch (exit->event) {
	case VCPU_SYSCALL:
		serve(instance);
		/* A handler of the host program's may have run another guest, or for long. */
		if (instance->look_for_stop)
			handle_stop(instance);
		instance->look_for_stop = false;
		break;
	case VCPU_EXCEPTION:
		handle_exception(instance, exit);
		break;
	case VCPU_INTERRUPTED:
		handle_stop(instance);
		if (instance->scheduler.has_ticks && ring_is_idle(instance->ring))
			instance->stay.leave = true;
		scheduler_end_slice(instance);
		break;
	case VCPU_FAULT:
	default:
		program_end(&instance->program, VISO_REASON_GUEST_FAULT, 0, exit->detail);
		break;
	}
}

/* What there is to do before the thread whose turn it is can run; false where there is nothing. */
static bool prepare_turn(struct instance *instance)
{
	struct program *program = running(instance);
	if (instance->scheduler.current->again)
		serve(instance);
	else if (signal_is_pending(program->task) && vcpu_is_in_program(&instance->vcpu))
		signals_deliver(program, false);
	else
		return false;
	/* The guest is not entered, so that nothing interrupts it: a time that is over is to be noticed all the same.
	 */
	if (!instance->program.ended && kick_is_due(&instance->kick))
		handle_stop(instance);
	return true;
}

/* Lets the thread whose turn it is run, up to its next exit. */
HOT static void run_turn(struct instance *instance)
{
	struct vcpu_exit exit;
	struct program *program = running(instance);
	instance->view.turns++;
	if (!prepare_turn(instance)) {
		gate_unlock(instance->gate);
		vcpu_run(&instance->vcpu, &exit);
		gate_lock(instance->gate);
		handle_exit(instance, &exit);
	}
	/* After a fork all of them share its memory, and one of them must go; the others may do with what it had. */
	if (program->space->out_of_memory)
		program_end(program, VISO_REASON_OUT_OF_MEMORY, SIGKILL, NULL);
	if (instance->has_ended && !instance->program.ended)
		processes_finish(instance);
}

static struct timeval time_difference(struct timeval after, struct timeval before)
{
	struct timeval difference;
	timersub(&after, &before, &difference);
	return difference;
}

static void count_usage(struct instance *instance, const struct rusage *before)
{
	struct rusage after;
	getrusage(RUSAGE_THREAD, &after);
	instance->usage = (struct rusage){
		.ru_utime = time_difference(after.ru_utime, before->ru_utime),
		.ru_stime = time_difference(after.ru_stime, before->ru_stime),
		.ru_minflt = after.ru_minflt - before->ru_minflt,
		.ru_majflt = after.ru_majflt - before->ru_majflt,
		.ru_inblock = after.ru_inblock - before->ru_inblock,
		.ru_oublock = after.ru_oublock - before->ru_oublock,
		.ru_nvcsw = after.ru_nvcsw - before->ru_nvcsw,
		.ru_nivcsw = after.ru_nivcsw - before->ru_nivcsw,
	};
}

/* The lower of the command's CPU time and RLIMIT_CPU, in nanoseconds; 0 for none. */
static int64_t cpu_limit(const struct instance *instance)
{
	uint64_t ms = instance->cpu_time_ms, seconds = instance->program.limits[RLIMIT_CPU].rlim_max;
	const uint64_t max = INT64_MAX / 1000000 / 2;
	if (seconds != RLIM_INFINITY && seconds < max / 1000 && (ms == 0 || seconds * 1000 < ms))
		ms = seconds ? seconds * 1000 : 1;
	return ms > max ? 0 : (int64_t)ms * 1000000;
}

static int64_t deadline(const struct instance *instance)
{
	uint64_t ms = instance->timeout_ms;
	if (ms == 0 || ms > (uint64_t)INT64_MAX / 1000000 / 2)
		return 0;
	return instance->program.wall_start + (int64_t)ms * 1000000;
}

void instance_keep_registers(struct instance *instance)
{
	const struct vcpu *vcpu = &instance->vcpu;
	instance->register_count =
		registers_list(vcpu->regs, vcpu_base(vcpu, false), vcpu_base(vcpu, true), instance->registers);
}

/* Some system calls of a program, and a file that it has mapped, can raise signals in the host. */
static bool may_have_written(const struct instance *instance)
{
	return instance->has_changed || instance->view.mapped;
}

HOT int instance_run_until(struct instance *instance, int64_t now, int64_t until, int64_t cpu_until)
{
	struct program *program = &instance->program;
	int r = kick_enter(&instance->kick, &instance->vm, until, cpu_until);
	if (r < 0)
		return r;
	instance->calls_made = 0;
	instance->stay.symbols.program_has_run = true;
	gate_lock(instance->gate);
	scheduler_start(instance, now, instance->stay.state != STAY_CALLED);
	if (kick_is_due_at(&instance->kick, now))
		handle_stop(instance);
	while (!program->ended && !instance->stay.leave)
		if (scheduler_choose(instance))
			run_turn(instance);
		else
			handle_stop(instance);
	if (program->ended && program->reason != VISO_REASON_EXITED)
		instance_keep_registers(instance);
	scheduler_stop(instance);
	/* The host may look at them now. */
	if (instance->view.mapped)
		mapped_write_back_all(&instance->view);
	gate_unlock(instance->gate);
	kick_leave(&instance->kick, may_have_written(instance));
	return 0;
}

int instance_run_initial(struct instance *instance)
{
	struct rusage before;
	getrusage(RUSAGE_THREAD, &before);
	int r = instance_run_until(instance, clock_now(CLOCK_MONOTONIC), deadline(instance), cpu_limit(instance));
	count_usage(instance, &before);
	return r;
}

void instance_run(struct instance *instance)
{
	int r = instance_run_initial(instance);
	if (r < 0) {
		instance->error = r;
		snprintf(instance->error_call, sizeof(instance->error_call), "%s", viso_error_object());
	}
	instance_end(instance);
}
