/* SPDX-License-Identifier: MIT */
#include "guest/instance.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/contact/ring.h"
#include "guest/exec.h"
#include "guest/guest.h"
#include "guest/program/channel.h"
#include "guest/program/processes.h"
#include "guest/vm/shells.h"

/* Gives back what the kernel holds for the machine and the program's files. */
static void tear_down(struct instance *instance)
{
	instance->memory_peak = instance->memory.peak * GUEST_PAGE;
	ring_close(instance->ring);
	instance->ring = NULL;
	gate_close(instance->gate);
	instance->gate = NULL;
	scheduler_release(instance);
	processes_release(instance);
	space_release(&instance->space);
	channels_drop_files(instance);
	program_close_files(&instance->program);
	view_release(&instance->view, false);
	vm_release(&instance->vm);
	memory_release(&instance->memory);
}

struct instance *instance_free(struct instance *instance)
{
	if (instance) {
		viso_guest *guest = instance->owns_guest ? instance->guest : NULL;
		stay_release(&instance->stay);
		tear_down(instance);
		program_release(&instance->program);
		kick_release(&instance->kick);
		viso_snapshot_unref(instance->snapshot);
		free(instance);
		viso_guest_unref(guest);
	}
	return NULL;
}

void instance_forget(struct instance *instance)
{
	scheduler_release(instance);
	processes_forget_all(instance);
	program_forget(&instance->program);
	view_release(&instance->view, true);
	space_forget(&instance->space);
	memory_forget(&instance->memory);
	ring_forget(instance->ring);
	free(instance);
}

static int enter_directory(struct program *program, const char *path)
{
	struct spot spot;
	int r = view_find(program, AT_FDCWD, path, FIND_FOLLOW, &spot);
	if (r == 0) {
		r = S_ISDIR(spot.st.st_mode) ? spot_permission(program, &spot, X_OK) : -ENOTDIR;
		char *cwd = r == 0 ? strdup(spot.path) : NULL;
		spot_release(&spot);
		if (r == 0 && !cwd)
			r = -ENOMEM;
		if (r == 0) {
			free(program->cwd);
			program->cwd = cwd;
		}
	}
	return r < 0 ? error_fail(VISO_STAGE_CWD, -r, path, "the directory %s cannot be entered in the root: %s", path,
				  strerrordesc_np(-r))
		     : 0;
}

/* What can fail for reasons of the command and the root, before a machine is made for it. */
static int prepare_program(struct instance *instance, const viso_command *command, int root_fd, uint64_t memory_max,
			   struct executable *executable)
{
	const struct viso_guest *guest = instance->guest;
	const struct view_setting setting = {
		.files = &guest->files,
		.root_fd = root_fd,
		.memory_max = memory_max,
		.files_max = guest->limits.files_max,
		.written_max = guest->limits.written_max,
		.uid = command->has_user ? command->uid : COMMAND_DEFAULT_ID,
		.gid = command->has_user ? command->gid : COMMAND_DEFAULT_ID,
	};
	instance->view.program = &instance->program;
	int r = view_init(&instance->view, &setting);
	if (r == 0)
		r = program_init(&instance->program, command, &instance->view);
	instance->program.instance = instance;
	kick_init(&instance->kick);
	instance->kick.gate = instance->gate;
	if (r == 0 && strcmp(command->cwd, "/") != 0)
		r = enter_directory(&instance->program, command->cwd);
	return r < 0 ? r : executable_find(&instance->program, command, executable);
}

static int make_machine(struct instance *instance, uint64_t memory_max, const struct processor **out_processor)
{
	int r = shells_take(&instance->vm, out_processor);
	if (r == 0)
		r = memory_init(&instance->memory, memory_max, instance->vm.vm_fd);
	if (r < 0)
		return r;
	if (space_init(&instance->space, &instance->memory) < 0)
		return error_memory();
	const struct rlimit *limits = instance->program.limits;
	instance->space.limit = limits[RLIMIT_AS].rlim_cur;
	instance->space.data_limit = limits[RLIMIT_DATA].rlim_cur;
	instance->space.stack_limit = limits[RLIMIT_STACK].rlim_cur;
	return vcpu_init(&instance->vcpu, &instance->vm, &instance->space.tables, *out_processor);
}

static int build(struct instance *instance, const viso_command *command, int root_fd, uint64_t memory_max,
		 struct executable *executable, int out_host[3])
{
	const struct processor *processor;
	uint64_t entry, stack;
	struct program *program = &instance->program;

	int r = prepare_program(instance, command, root_fd, memory_max, executable);
	if (r == 0)
		r = make_machine(instance, memory_max, &processor);
	if (r < 0)
		return r;
	program->space = &instance->space;
	program->vcpu = &instance->vcpu;
	program->kick = &instance->kick;
	instance->scheduler.last_id = program->pid;
	scheduler_add(instance, program->task);
	r = executable_map(program, executable, &command->env, processor, &entry, &stack);
	if (r == 0)
		r = program_open_streams(program, command, out_host);
	if (r == 0)
		vcpu_set_start(&instance->vcpu, entry, stack);
	return r;
}

int instance_new(struct viso_guest *guest, const viso_command *command, int root_fd, uint64_t memory_max,
		 int out_host[3], struct instance **out_instance)
{
	struct executable executable = {0};
	struct instance *instance = calloc(1, sizeof(*instance));
	if (!instance)
		return error_memory();
	instance->guest = guest;
	instance->gate = gate_new(instance);
	instance->kick.stop_fd = -1;
	instance->vm = vm_none;
	instance->timeout_ms = command->timeout_ms;
	instance->cpu_time_ms = command->cpu_time_ms;

	int r = instance->gate ? build(instance, command, root_fd, memory_max, &executable, out_host) : error_memory();
	executable_release(&executable);
	if (r < 0) {
		for (int i = 0; i < 3; i++)
			out_host[i] = close_fd(out_host[i]);
		instance_free(instance);
		return r;
	}
	*out_instance = instance;
	return 0;
}

void instance_end(struct instance *instance)
{
	instance->wall_end = clock_now(CLOCK_MONOTONIC);
	tear_down(instance);
	eventfd_write(instance->end_fd, 1);
}

void instance_abandon(struct instance *instance)
{
	program_end(&instance->program, VISO_REASON_KILLED, SIGKILL, NULL);
	instance_end(instance);
}
