/* SPDX-License-Identifier: MIT */
/* The handle, and how the shared view of a sandbox reaches the machines. */
#include "guest/guest.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "core/hot.h"
#include "guest/contained/contained.h"
#include "guest/contained/resident.h"
#include "guest/instance.h"
#include "guest/kernel/kernel.h"
#include "guest/thread.h"
#include "sandbox/process.h"
#include "sandbox/sandbox.h"

static const uint64_t memory_default = 256u << 20;
static const uint64_t memory_least = 4u << 20;

static void *run_thread(void *data)
{
	instance_run(data);
	return NULL;
}

static int start_thread(struct instance *instance)
{
	atomic_store(&instance->state, INSTANCE_RUNNING);
	int r = thread_start(&instance->thread, run_thread, instance);
	if (r < 0)
		return error_fail(VISO_STAGE_GUEST, -r, "pthread_create", NULL);
	instance->has_thread = true;
	return 0;
}

static void drive(viso_process *process)
{
	struct instance *instance = process->data;
	int state = INSTANCE_NEW;
	if (atomic_compare_exchange_strong(&instance->state, &state, INSTANCE_RUNNING))
		instance_run(instance);
}

static int kill_guest(viso_process *process)
{
	struct instance *instance = process->data;
	int state = INSTANCE_NEW;
	if (atomic_compare_exchange_strong(&instance->state, &state, INSTANCE_RUNNING))
		instance_abandon(instance);
	else
		kick_stop(&instance->kick, SIGKILL);
	return 0;
}

static int signal_guest(viso_process *process, int signal)
{
	struct instance *instance = process->data;
	if (signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU || signal == SIGCONT)
		return error_fail(VISO_STAGE_PROCESS, EOPNOTSUPP, "signal",
				  "a guest cannot be stopped and continued by signals");
	kick_stop(&instance->kick, signal);
	return 0;
}

static void put_usage(viso_result *result, const struct instance *instance)
{
	int64_t *out = result->usage;
	out[VISO_USAGE_WALL_US] = (instance->wall_end - instance->program.wall_start) / 1000;
	out[VISO_USAGE_MEMORY_PEAK] =
		(int64_t)(instance->memory_peak ? instance->memory_peak : instance->memory.peak * GUEST_PAGE);
	result_put_rusage(result, &instance->usage);
}

static void put_registers(viso_result *result, const struct instance *instance)
{
	memcpy(result->registers, instance->registers, sizeof(result->registers));
	result->register_count = instance->register_count;
	result->has_fault_address = instance->program.has_fault_address;
	result->fault_address = instance->program.fault_address;
}

int guest_make_result(struct instance *instance, viso_result **out_result)
{
	struct program *program = &instance->program;
	viso_result *result = result_new();
	if (!result)
		return error_memory();
	result->reason = program->reason;
	result->exit_code = program->exit_code;
	result->signal = program->signal;
	put_usage(result, instance);
	put_registers(result, instance);
	for (int i = 0; i < 2; i++) {
		result->output[i] = program->captured[i];
		program->captured[i] = (struct captured_output){0};
	}
	result_describe(result, program->detail[0] ? program->detail : NULL);
	*out_result = result;
	return 0;
}

static int collect(viso_process *process, viso_result **out_result)
{
	struct instance *instance = process->data;
	if (instance->has_thread)
		pthread_join(instance->thread, NULL);
	instance->has_thread = false;
	/* EINTR would tell the caller to wait again, for ever. */
	if (instance->error)
		return error_fail(VISO_STAGE_GUEST, instance->error == -EINTR ? EIO : -instance->error,
				  instance->error_call, NULL);
	return guest_make_result(instance, out_result);
}

static void release(viso_process *process)
{
	if (handle_is_mine(&process->handle))
		instance_free(process->data);
	else
		instance_forget(process->data);
}

static const struct process_ops ops = {
	.drive = drive,
	.signal = signal_guest,
	.kill = kill_guest,
	.collect = collect,
	.release = release,
};

int guest_check_program(const viso_guest *guest, const char *function)
{
	return guest->kernel
		       ? error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, function,
				    "%s: the guest boots an operating system; take one without a kernel", function)
		       : 0;
}

int guest_check_command(const viso_command *command)
{
	if (command->terminal.columns)
		return error_fail(VISO_STAGE_STDIO, EOPNOTSUPP, "terminal",
				  "a guest's program has no terminal; give it pipes, or take a container");
	if (attributes_are_set(&command->attributes))
		return error_fail(
			VISO_STAGE_COMMAND, EOPNOTSUPP, "attributes",
			"a guest's program has no OOM score, CPUs, nice value, scheduling policy or umask of the "
			"host to set; leave them out or take a container");
	return 0;
}

uint64_t guest_memory_max(const viso_guest *guest)
{
	return guest->sandbox.memory_max ? guest->sandbox.memory_max : memory_default;
}

static int spawn(viso_sandbox *sandbox, const viso_command *command, int root_fd, bool to_end, viso_process *process)
{
	viso_guest *guest = (viso_guest *)sandbox;
	if (guest->kernel)
		return guest->kernel->ops->spawn(guest, command, to_end, process);
	int r = guest_check_command(command);
	if (r < 0)
		return r;
	if (guest->placement == VISO_PLACEMENT_CONTAINED)
		return contained_spawn(guest, command, root_fd, to_end, process);
	_cleanup_close_ int fd = fd_above_streams(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	if (fd < 0)
		return error_fail(VISO_STAGE_GUEST, errno, "eventfd", NULL);
	struct instance *instance;
	int host[3] = {-1, -1, -1};
	r = instance_new(guest, command, root_fd, guest_memory_max(guest), host, &instance);
	if (r < 0)
		return r;
	instance->end_fd = fd;
	if (!to_end)
		r = start_thread(instance);
	if (r < 0) {
		for (int i = 0; i < 3; i++)
			close_fd(host[i]);
		instance_free(instance);
		return r;
	}
	process->ops = &ops;
	process->data = instance;
	process->fd = TAKE_FD(fd);
	memcpy(process->stream, host, sizeof(host));
	return 0;
}

/* The shared view asks for these of computers alone. */
static int start_computer(viso_sandbox *sandbox, int root_fd)
{
	viso_guest *guest = (viso_guest *)sandbox;
	return guest->kernel->ops->start(guest);
}

static int copy_into_computer(viso_sandbox *sandbox, const char *source, const char *path)
{
	viso_guest *guest = (viso_guest *)sandbox;
	return guest->kernel->ops->copy_in(guest, source, path);
}

static int copy_out_of_computer(viso_sandbox *sandbox, const char *path, const char *destination)
{
	viso_guest *guest = (viso_guest *)sandbox;
	return guest->kernel->ops->copy_out(guest, path, destination);
}

static int signal_initialised(viso_sandbox *sandbox, int signal)
{
	return guest_signal_initialised((viso_guest *)sandbox, signal);
}

static void close_initialised(viso_sandbox *sandbox)
{
	viso_guest *guest = (viso_guest *)sandbox;
	guest_close_initialised(guest);
	if (guest->kernel)
		guest->kernel->ops->close(guest);
}

static int check_close(viso_sandbox *sandbox)
{
	if (hypercalls_are_served_here((viso_guest *)sandbox))
		return error_fail(VISO_STAGE_ARGUMENT, EDEADLK, "guest",
				  "a handler of the guest's own cannot close it");
	return 0;
}

static enum sandbox_nature nature(const viso_sandbox *sandbox)
{
	return ((const viso_guest *)sandbox)->kernel ? SANDBOX_COMPUTER : SANDBOX_PROGRAM;
}

static const struct backend backend = {
	.isolation = VISO_ISOLATION_GUEST,
	.nature = nature,
	.spawn = spawn,
	.start = start_computer,
	.copy_in = copy_into_computer,
	.copy_out = copy_out_of_computer,
	.signal = signal_initialised,
	.check_close = check_close,
	.close = close_initialised,
};

viso_guest *viso_guest_new(void)
{
	viso_guest *guest = calloc(1, sizeof(*guest));
	if (!guest) {
		error_memory();
		return NULL;
	}
	if (sandbox_init(&guest->sandbox, &backend) < 0) {
		free(guest);
		return NULL;
	}
	guest_files_init(&guest->files);
	hypercalls_init(&guest->hypercalls);
	pthread_mutex_init(&guest->lock, NULL);
	pthread_cond_init(&guest->idle, NULL);
	return guest;
}

void guest_replace(viso_guest *guest, struct instance *instance)
{
	pthread_mutex_lock(&guest->lock);
	guest->initialised = instance;
	pthread_mutex_unlock(&guest->lock);
}

HOT void guest_forget_result(viso_guest *guest)
{
	guest->last_result = viso_result_unref(guest->last_result);
}

viso_guest *viso_guest_ref(viso_guest *guest)
{
	if (guest)
		handle_ref(&guest->sandbox.handle);
	return guest;
}

viso_guest *viso_guest_unref(viso_guest *guest)
{
	if (!guest || !sandbox_unref(&guest->sandbox))
		return NULL;
	/* What is there still is the copy of a forked child. */
	if (guest->initialised)
		instance_forget(guest->initialised);
	if (guest->resident)
		resident_forget(guest->resident);
	guest_files_release(&guest->files);
	viso_result_unref(guest->last_result);
	hypercalls_release(&guest->hypercalls, handle_is_mine(&guest->sandbox.handle));
	pthread_cond_destroy(&guest->idle);
	pthread_mutex_destroy(&guest->lock);
	guest_sockets_release(&guest->sockets, handle_is_mine(&guest->sandbox.handle));
	free(guest->core_path);
	viso_root_unref(guest->program_root);
	if (guest->kernel)
		guest->kernel->ops->release(guest->kernel, !handle_is_mine(&guest->sandbox.handle));
	free(guest);
	return NULL;
}

viso_sandbox *viso_guest_sandbox(viso_guest *guest)
{
	if (!guest) {
		error_argument(__func__, "the handle is NULL");
		return NULL;
	}
	return &guest->sandbox;
}

int guest_check_setter(viso_guest *guest, const char *function)
{
	return sandbox_check_setter(guest ? &guest->sandbox : NULL, function);
}

int guest_check_host_setter(viso_guest *guest, const char *function)
{
	int r = guest_check_setter(guest, function);
	return r < 0 ? r : contained_check_setting(guest, function);
}

int guest_check_handler_setter(viso_guest *guest, const char *function)
{
	return guest && guest->is_new_clone ? sandbox_check_use(&guest->sandbox, function)
					    : guest_check_setter(guest, function);
}

int viso_guest_set_root(viso_guest *guest, viso_root *root)
{
	return sandbox_set_root(guest ? &guest->sandbox : NULL, root, __func__);
}

int viso_guest_set_memory_max(viso_guest *guest, uint64_t bytes)
{
	return sandbox_set_memory_max(guest ? &guest->sandbox : NULL, bytes, memory_least, __func__);
}
