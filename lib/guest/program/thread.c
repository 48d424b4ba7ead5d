/* SPDX-License-Identifier: MIT */
/* System calls that begin and end threads. */
#include <errno.h>
#include <linux/sched.h>
#include <stdlib.h>
#include <string.h>

#include "guest/guest.h"
#include "guest/instance.h"
#include "guest/program/calls.h"
#include "guest/program/futex.h"

/* sizeof(struct clone_args) of the first kernel that had clone3(2), and the largest that is looked at. */
enum { CLONE_ARGS_FIRST = 64, CLONE_ARGS_MAX = 4096 };

/* What a thread of the C libraries has, and what makes no difference. */
static const uint64_t thread_flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
static const uint64_t accepted_flags = CLONE_SYSVSEM | CLONE_IO | CLONE_DETACHED | CLONE_UNTRACED | CLONE_PTRACE |
				       CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
static const uint64_t namespace_flags = CLONE_NEWTIME | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
					CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

/* One more thread in the guest: 0 or -EAGAIN. */
static int check_count(struct program *program)
{
	struct instance *instance = program->instance;
	uint64_t max = guest_processes_max(instance->guest), own = program->limits[RLIMIT_NPROC].rlim_cur;
	return instance->scheduler.count < (max < own ? max : own) ? 0 : -EAGAIN;
}

/* What is wrong with the flags, as in copy_process() of kernel/fork.c: 0 or a negative errno. */
static int check_flags(const struct clone_args *args)
{
	uint64_t flags = args->flags;
	if ((flags & CLONE_SIGHAND) && !(flags & CLONE_VM))
		return -EINVAL;
	if ((flags & CLONE_THREAD) && (!(flags & CLONE_SIGHAND) || args->exit_signal))
		return -EINVAL;
	if (flags & namespace_flags)
		return -EPERM;
	if (args->set_tid || args->set_tid_size)
		return -EPERM;
	if ((flags & CLONE_SETTLS) && args->tls >= SPACE_END)
		return -EPERM;
	return flags & ~(thread_flags | accepted_flags) ? -EINVAL : 0;
}

/* The registers of the new thread: those of its maker at this moment, but for what the call gives. */
static int copy_registers(struct program *program, struct task *task, const struct clone_args *args)
{
	int r = vcpu_save(program->vcpu, task->saved);
	if (r < 0)
		return r;
	task->saved->regs.rax = 0;
	if (args->stack)
		task->saved->regs.rsp = args->stack + args->stack_size;
	if (args->flags & CLONE_SETTLS)
		task->saved->segments[VCPU_FS].base = args->tls;
	return 0;
}

static void put_id(struct program *program, uint64_t address, int id)
{
	/* As the kernel, which goes on where it cannot be written. */
	int r = space_write(program->space, address, &id, sizeof(id));
	(void)r;
}

static int64_t start_thread(struct program *program, const struct clone_args *args)
{
	struct instance *instance = program->instance;
	struct task *own = program->task;
	if (!own->saved && !(own->saved = malloc(sizeof(*own->saved))))
		return -ENOMEM;
	struct task *task = task_new(program, scheduler_new_id(instance));
	if (!task)
		return -ENOMEM;
	int r = copy_registers(program, task, args);
	if (r < 0) {
		task_free(task);
		return r;
	}
	memcpy(task->name, task_name(own), sizeof(task->name));
	task_signals_copy(&task->signals, &own->signals, true);
	if (args->flags & CLONE_CHILD_CLEARTID)
		task->clear_tid = args->child_tid;
	if (args->flags & CLONE_PARENT_SETTID)
		put_id(program, args->parent_tid, task->tid);
	if (args->flags & CLONE_CHILD_SETTID)
		put_id(program, args->child_tid, task->tid);
	scheduler_add(instance, task);
	return task->tid;
}

static int64_t clone_task(struct program *program, const struct clone_args *args)
{
	int r = check_flags(args);
	if (r < 0)
		return r;
	/* Other processes are not served yet; nor are threads that do not share everything. */
	if (!(args->flags & CLONE_THREAD))
		return -ENOSYS;
	if ((args->flags & thread_flags) != thread_flags)
		return -EINVAL;
	r = check_count(program);
	return r < 0 ? r : start_thread(program, args);
}

int64_t call_clone(struct program *program, const uint64_t args[6])
{
	const struct clone_args clone = {
		.flags = args[0] & ~(uint64_t)CSIGNAL & 0xffffffff,
		.exit_signal = args[0] & CLONE_THREAD ? 0 : args[0] & CSIGNAL,
		.stack = args[1],
		.parent_tid = args[2],
		.child_tid = args[3],
		.tls = args[4],
	};
	return clone_task(program, &clone);
}

int64_t call_clone3(struct program *program, const uint64_t args[6])
{
	uint8_t given[CLONE_ARGS_MAX];
	struct clone_args clone = {0};
	const size_t size = args[1];
	if (size > sizeof(given))
		return -E2BIG;
	if (size < CLONE_ARGS_FIRST)
		return -EINVAL;
	if (space_read(program->space, given, args[0], size) < 0)
		return -EFAULT;
	for (size_t i = sizeof(clone); i < size; i++)
		if (given[i])
			return -E2BIG;
	memcpy(&clone, given, size < sizeof(clone) ? size : sizeof(clone));
	if ((clone.flags & (CSIGNAL | CLONE_DETACHED)) || clone.exit_signal & ~(uint64_t)CSIGNAL)
		return -EINVAL;
	if (!clone.stack != !clone.stack_size || !space_is_user(clone.stack, clone.stack_size))
		return -EINVAL;
	return clone_task(program, &clone);
}

void program_end_task(struct task *task)
{
	struct program *program = task->program;
	const int none = 0;
	futex_end_task(task);
	if (task->clear_tid && space_write(program->space, task->clear_tid, &none, sizeof(none)) == 0)
		futex_wake_one(program, task->clear_tid);
	task->clear_tid = 0;
	scheduler_remove(program->instance, task);
	signals_retarget(program);
}

int64_t call_exit(struct program *program, const uint64_t args[6])
{
	if (program->task_count == 1)
		program_exit(program, (int)args[0]);
	else
		program_end_task(program->task);
	return 0;
}

int64_t call_exit_group(struct program *program, const uint64_t args[6])
{
	program_exit(program, (int)args[0]);
	return 0;
}

int64_t call_set_tid_address(struct program *program, const uint64_t args[6])
{
	program->task->clear_tid = args[0];
	return program->task->tid;
}
