/* SPDX-License-Identifier: MIT */
#include "guest/program/fork.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guest/instance.h"
#include "guest/program/processes.h"

static int copy_space(struct program *child, struct program *program, bool shares)
{
	if (shares) {
		child->space = program->space;
		child->space->sharers++;
		return 0;
	}
	struct address_space *space = calloc(1, sizeof(*space));
	if (!space)
		return -ENOMEM;
	int r = space_copy(space, program->space);
	if (r < 0) {
		free(space);
		return r;
	}
	space->sharers = 0;
	child->space = space;
	return 0;
}

static int copy_files(struct program *child, const struct program *program)
{
	child->slots = calloc(program->slot_count ? program->slot_count : 1, sizeof(*child->slots));
	if (!child->slots)
		return -ENOMEM;
	child->slot_count = program->slot_count;
	for (size_t i = 0; i < program->slot_count; i++)
		child->slots[i] = (struct file_slot){file_ref(program->slots[i].file), program->slots[i].close_on_exec};
	return 0;
}

/* What a process has that is not memory, nor owned by the first process for all of them. */
static void copy_values(struct program *child, const struct program *program, int pid)
{
	*child = (struct program){
		.instance = program->instance,
		.vcpu = program->vcpu,
		.kick = program->kick,
		.pid = pid,
		.group = program->group,
		.session = program->session,
		.view = program->view,
		.image = program->image,
		.uid = program->uid,
		.gid = program->gid,
		.group_count = program->group_count,
		.umask = program->umask,
		.wall_start = program->wall_start,
		.exit_code = -1,
	};
	memcpy(child->groups, program->groups, sizeof(child->groups));
	memcpy(child->limits, program->limits, sizeof(child->limits));
	memcpy(child->name, task_name(program->task), sizeof(child->name));
	signals_copy(&child->signals, &program->signals);
}

static int copy_all(struct program *child, struct program *program, bool shares_memory)
{
	struct task *task = &child->first_task;
	*task = (struct task){.program = child, .tid = child->pid, .until = INT64_MAX};
	child->task = task;
	task->saved = malloc(sizeof(*task->saved));
	child->cwd = strdup(program->cwd);
	child->executable = strdup(program->executable);
	if (!task->saved || !child->cwd || !child->executable)
		return -ENOMEM;
	int r = copy_files(child, program);
	return r < 0 ? r : copy_space(child, program, shares_memory);
}

int process_copy(struct program *program, bool shares_memory, struct program **out_child)
{
	struct instance *instance = program->instance;
	struct program *child = malloc(sizeof(*child));
	if (!child)
		return -ENOMEM;
	copy_values(child, program, scheduler_new_id(instance));
	child->serial = ++instance->processes_made;
	child->next = instance->program.next;
	instance->program.next = child;
	int r = copy_all(child, program, shares_memory);
	if (r < 0) {
		process_abandon(child);
		return r;
	}
	*out_child = child;
	return 0;
}
