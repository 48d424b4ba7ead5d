/* SPDX-License-Identifier: MIT */
#include "guest/program/processes.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "guest/instance.h"
#include "guest/program/futex.h"

struct program *process_find(struct instance *instance, int pid)
{
	for (struct program *program = &instance->program; program; program = program->next)
		if (program->pid == pid)
			return program;
	return NULL;
}

unsigned process_count_zombies(const struct instance *instance)
{
	unsigned count = 0;
	for (const struct program *program = &instance->program; program; program = program->next)
		count += program->is_zombie;
	return count;
}

int process_status(const struct program *program)
{
	if (!program->is_zombie && program->stopped_by)
		return W_STOPCODE(program->stopped_by);
	if (!program->is_zombie)
		return __W_CONTINUED;
	return program->reason == VISO_REASON_EXITED ? program->exit_code << 8 : program->signal;
}

void process_leave_space(struct program *program)
{
	struct address_space *space = program->space;
	program->space = NULL;
	if (!space)
		return;
	if (space->sharers) {
		space->sharers--;
		return;
	}
	space_destroy(space);
	if (space != &program->instance->space)
		free(space);
}

void process_release_parent(struct program *program)
{
	struct task *task = program->vfork_task;
	program->vfork_task = NULL;
	if (!task)
		return;
	task->vfork_child = NULL;
	task_interrupt(task);
}

siginfo_t process_describe(const struct program *program)
{
	siginfo_t info = {.si_signo = SIGCHLD};
	bool exited = program->reason == VISO_REASON_EXITED;
	info.si_pid = program->pid;
	info.si_uid = program->uid;
	if (!program->ended) {
		info.si_code = program->stopped_by ? CLD_STOPPED : CLD_CONTINUED;
		info.si_status = program->stopped_by ? program->stopped_by : SIGCONT;
		return info;
	}
	info.si_code = exited ? CLD_EXITED : CLD_KILLED;
	info.si_status = exited ? program->exit_code : program->signal;
	return info;
}

/* The root is the first one's. */
static void free_process(struct program *program)
{
	program_release(program);
	free(program);
}

void process_forget(struct program *program)
{
	struct instance *instance = program->instance;
	struct program *before = &instance->program;
	while (before->next != program)
		before = before->next;
	before->next = program->next;
	/* Its last threads may still be on the way to be freed, which is done before. */
	scheduler_free_ended(instance);
	free_process(program);
}

void process_abandon(struct program *program)
{
	task_free(program->task);
	process_leave_space(program);
	process_forget(program);
}

/* Nobody outside of its group, but in its session, is the parent of one in it. */
static bool is_orphaned(const struct program *program)
{
	const struct program *first = &program->instance->program;
	for (const struct program *member = first; member; member = member->next) {
		const struct program *parent = member->ended ? NULL : member->parent;
		if (member->group == program->group && parent && parent->group != program->group &&
		    parent->session == program->session)
			return false;
	}
	return true;
}

/* sigaction(2): SA_NOCLDSTOP. */
static void tell_of_stop(struct program *program)
{
	struct program *parent = program->parent;
	if (!parent || parent->ended)
		return;
	const struct signal_action *action = &parent->signals.actions[SIGCHLD];
	const siginfo_t info = process_describe(program);
	if (action->handler != (uintptr_t)SIG_IGN && !(action->flags & SA_NOCLDSTOP))
		signal_send(parent, NULL, &info);
	task_wake(program->instance, parent);
}

void process_stop(struct program *program, int signal)
{
	if (program == &program->instance->program || (signal != SIGSTOP && is_orphaned(program)))
		return;
	program->stopped_by = signal;
	program->tells_stop = true;
	program->tells_going_on = false;
	tell_of_stop(program);
}

void process_go_on(struct program *program)
{
	if (!program->stopped_by)
		return;
	program->stopped_by = 0;
	program->tells_stop = false;
	program->tells_going_on = true;
	tell_of_stop(program);
}

/* Its children are those of process 1 now, which waits for nobody. */
static void leave_children(struct program *program)
{
	struct instance *instance = program->instance;
	for (struct program *child = &instance->program, *next; child; child = next) {
		next = child->next;
		if (child->parent != program)
			continue;
		child->parent = NULL;
		const siginfo_t info = signal_from_program(program, child->death_signal, SI_USER);
		if (info.si_signo)
			signal_send(child, NULL, &info);
		/* Nobody else would have it go on (kill_orphaned_pgrp() of kernel/exit.c). */
		if (child->stopped_by && is_orphaned(child)) {
			const siginfo_t hangup = signal_from_kernel(SIGHUP), go_on = signal_from_kernel(SIGCONT);
			signal_send(child, NULL, &hangup);
			signal_send(child, NULL, &go_on);
		}
		if (child->is_zombie)
			process_forget(child);
	}
}

/* sigaction(2): a parent that ignores SIGCHLD, or has SA_NOCLDWAIT, does not wait. */
static bool tell_parent(struct program *program)
{
	struct program *parent = program->parent;
	if (!parent || parent->ended)
		return false;
	const struct signal_action *action = &parent->signals.actions[SIGCHLD];
	bool waits = program->exit_signal != SIGCHLD ||
		     (action->handler != (uintptr_t)SIG_IGN && !(action->flags & SA_NOCLDWAIT));
	siginfo_t info = process_describe(program);
	info.si_signo = program->exit_signal;
	if (info.si_signo)
		signal_send(parent, NULL, &info);
	return waits;
}

static void end_threads(struct program *program)
{
	struct scheduler *scheduler = &program->instance->scheduler;
	while (program->task_count)
		for (struct task *task = NULL; (task = scheduler_after(scheduler, task));)
			if (task->program == program) {
				program_end_task(task);
				break;
			}
}

static void finish(struct program *program)
{
	end_threads(program);
	process_release_parent(program);
	program_close_files(program);
	process_leave_space(program);
	struct program *parent = program->parent;
	program->is_zombie = tell_parent(program);
	leave_children(program);
	task_wake(program->instance, program);
	/* Also those who wait in vain from now on. */
	if (parent)
		task_wake(program->instance, parent);
	if (!program->is_zombie)
		process_forget(program);
}

static struct program *find_ended(struct instance *instance)
{
	for (struct program *program = instance->program.next; program; program = program->next)
		if (program->ended && !program->is_zombie)
			return program;
	return NULL;
}

void processes_finish(struct instance *instance)
{
	instance->has_ended = false;
	/* A signal to a parent may end that one in turn. */
	for (struct program *program; (program = find_ended(instance));)
		finish(program);
}

/* The first process has another address space where it executed a program while a child of vfork(2) had its own. */
static void leave_other_space(struct instance *instance, void (*release)(struct address_space *space))
{
	struct address_space *space = instance->program.space;
	if (!space || space == &instance->space)
		return;
	release(space);
	free(space);
	instance->program.space = &instance->space;
}

void processes_release(struct instance *instance)
{
	leave_other_space(instance, space_release);
	for (struct program *program; (program = instance->program.next);) {
		if (program->space && program->space != &instance->space && !program->space->sharers) {
			space_release(program->space);
			free(program->space);
		} else if (program->space && program->space->sharers) {
			program->space->sharers--;
		}
		program->space = NULL;
		instance->program.next = program->next;
		free_process(program);
	}
}

void processes_forget_all(struct instance *instance)
{
	leave_other_space(instance, space_forget);
	for (struct program *program; (program = instance->program.next);) {
		if (program->space && program->space->sharers) {
			program->space->sharers--;
		} else if (program->space && program->space != &instance->space) {
			space_forget(program->space);
			free(program->space);
		}
		instance->program.next = program->next;
		program_forget(program);
		free(program);
	}
}
