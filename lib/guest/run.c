/* SPDX-License-Identifier: MIT */
/* The loop that lets the program run and serves it until it ends. */
#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>

#include "core/error.h"
#include "guest/fault.h"
#include "guest/instance.h"

/* The process whose thread has run. */
static struct program *running(struct instance *instance)
{
	return instance->scheduler.current->program;
}

static void end_by_exception(struct instance *instance, const struct vcpu_exit *exit, int signal)
{
	char detail[80];
	unsigned long long instruction = instance->vcpu.regs->rip, address = exit->address;
	if (vcpu_is_page_fault(exit))
		snprintf(detail, sizeof(detail), "address 0x%llx, instruction 0x%llx", address, instruction);
	else
		snprintf(detail, sizeof(detail), "instruction 0x%llx", instruction);
	program_end(running(instance), VISO_REASON_SIGNALLED, signal, detail);
}

static void handle_exception(struct instance *instance, const struct vcpu_exit *exit)
{
	int signal = vcpu_exception_signal(exit);
	if (vcpu_is_page_fault(exit)) {
		int r = -EFAULT;
		if (vcpu_is_user_access(exit))
			r = space_fault(running(instance)->space, exit->address, vcpu_fault_access(exit));
		if (r == 0 || r == -ENOMEM)
			return;
		signal = r == -EIO ? SIGBUS : SIGSEGV;
	}
	if (signal) {
		end_by_exception(instance, exit, signal);
		return;
	}
	char detail[80];
	snprintf(detail, sizeof(detail), "exception vector %d", exit->vector);
	program_end(&instance->program, VISO_REASON_GUEST_FAULT, 0, detail);
}

/* A time is over, or the host program has sent a signal. */
static void handle_stop(struct instance *instance)
{
	struct program *program = &instance->program;
	int stop = kick_check(&instance->kick);
	if (stop == STOP_TIMED_OUT) {
		program_end(program, VISO_REASON_TIMED_OUT, SIGKILL, NULL);
	} else if (stop == STOP_CPU_TIME) {
		program_end(program, VISO_REASON_CPU_TIME, SIGKILL, NULL);
	} else if (stop == SIGKILL) {
		program_end(program, VISO_REASON_KILLED, SIGKILL, NULL);
	} else if (stop > 0) {
		program_signal(program, stop);
		if (!program->ended)
			kick_clear(&instance->kick, stop);
	}
}

static void serve(struct instance *instance)
{
	program_serve(running(instance));
	/* The answer to a call that was waiting when the guest was stopped. */
	if ((int64_t)instance->vcpu.regs->rax == -EINTR)
		handle_stop(instance);
}

static void handle_exit(struct instance *instance, const struct vcpu_exit *exit)
{
	switch (exit->event) {
	case VCPU_SYSCALL:
		serve(instance);
		break;
	case VCPU_EXCEPTION:
		handle_exception(instance, exit);
		break;
	case VCPU_INTERRUPTED:
		handle_stop(instance);
		scheduler_end_slice(instance);
		break;
	case VCPU_FAULT:
	default:
		program_end(&instance->program, VISO_REASON_GUEST_FAULT, 0, exit->detail);
		break;
	}
}

/* Lets the thread whose turn it is run, up to its next exit. */
static void run_turn(struct instance *instance)
{
	struct vcpu_exit exit;
	struct program *program = running(instance);
	if (instance->scheduler.current->again) {
		serve(instance);
	} else {
		vcpu_run(&instance->vcpu, &exit);
		handle_exit(instance, &exit);
	}
	if (program->space->out_of_memory)
		program_end(program, VISO_REASON_OUT_OF_MEMORY, SIGKILL, NULL);
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

int instance_run_until(struct instance *instance, int64_t until, int64_t cpu_until)
{
	struct program *program = &instance->program;
	int r = kick_enter(&instance->kick, instance->vm.vcpu_fd, until, cpu_until);
	if (r < 0)
		return r;
	scheduler_start(instance);
	handle_stop(instance);
	while (!program->ended && !instance->stay.leave)
		if (scheduler_choose(instance))
			run_turn(instance);
		else
			handle_stop(instance);
	scheduler_stop(instance);
	kick_leave(&instance->kick);
	return 0;
}

int instance_run_initial(struct instance *instance)
{
	struct rusage before;
	getrusage(RUSAGE_THREAD, &before);
	int r = instance_run_until(instance, deadline(instance), cpu_limit(instance));
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
