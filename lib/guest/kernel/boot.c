/* SPDX-License-Identifier: MIT */
#include "guest/kernel/boot.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "command/command.h"
#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "core/log.h"
#include "guest/contained/computer.h"
#include "guest/guest.h"
#include "guest/kernel/kernel.h"
#include "guest/kernel/machine.h"
#include "guest/kernel/platform.h"
#include "sandbox/process.h"
#include "sandbox/process_list.h"

static const uint64_t memory_largest = 1ull << 40, page = 4096;

static int kill_machine(viso_process *process)
{
	machine_end(process->data, VISO_REASON_KILLED, -1, NULL);
	return 0;
}

static int signal_machine(viso_process *process, int signal)
{
	return error_fail(VISO_STAGE_PROCESS, EOPNOTSUPP, "signal",
			  "a computer takes no signals; pause it by viso_sandbox_pause(), or kill it");
}

/* The caller closes the pipe. */
static int write_usage(viso_process *process, int pipe)
{
	int64_t figures[RESULT_USAGE_COUNT];
	if (machine_usage(process->data, figures))
		(void)!write(pipe, figures, sizeof(figures));
	return 0;
}

static int pause_process(viso_process *process, bool pause, int pipe)
{
	const int32_t done = 0;
	if (pause)
		machine_pause(process->data);
	else
		machine_resume(process->data);
	(void)!write(pipe, &done, sizeof(done));
	return 0;
}

static void put_usage(viso_result *result, const struct machine *machine)
{
	int64_t *out = result->usage;
	out[VISO_USAGE_WALL_US] = (machine->wall_end - machine->begin) / 1000;
	out[VISO_USAGE_MEMORY_PEAK] = (int64_t)machine->memory_peak;
	result_put_rusage(result, &machine->usage);
	machine_put_counts(machine, out);
}

int kernel_make_result(struct machine *machine, viso_result **out_result)
{
	viso_result *result = result_new();
	if (!result)
		return error_memory();
	result->reason = machine->reason;
	result->exit_code = machine->reason == VISO_REASON_EXITED ? machine->exit_code : -1;
	result->signal =
		machine->reason == VISO_REASON_EXITED || machine->reason == VISO_REASON_GUEST_FAULT ? 0 : SIGKILL;
	put_usage(result, machine);
	memcpy(result->registers, machine->registers, sizeof(result->registers));
	result->register_count = machine->register_count;
	result->output[0] = machine->console.captured;
	machine->console.captured = (struct captured_output){0};
	result_describe(result, machine->detail[0] ? machine->detail : NULL);
	*out_result = result;
	return 0;
}

static int collect(viso_process *process, viso_result **out_result)
{
	machine_join(process->data);
	return kernel_make_result(process->data, out_result);
}

static void release(viso_process *process)
{
	if (handle_is_mine(&process->handle)) {
		machine_join(process->data);
		machine_free(process->data);
	} else {
		machine_forget(process->data);
	}
}

static const struct process_ops ops = {
	.signal = signal_machine,
	.kill = kill_machine,
	.usage = write_usage,
	.pause = pause_process,
	.collect = collect,
	.release = release,
};

/* The attendant is about to take it apart. */
static void forget_machine(void *data)
{
	struct kernel_guest *kernel = data;
	pthread_mutex_lock(&kernel->lock);
	while (kernel->holders > 0)
		pthread_cond_wait(&kernel->let_go, &kernel->lock);
	kernel->machine = NULL;
	pthread_mutex_unlock(&kernel->lock);
}

bool kernel_computer_runs(const struct kernel_guest *kernel)
{
	return kernel->machine || contained_computer_runs(kernel->contained);
}

struct contained_computer *kernel_contained(struct kernel_guest *kernel)
{
	struct contained_computer *computer = NULL;
	pthread_mutex_lock(&kernel->lock);
	if (contained_computer_runs(kernel->contained))
		computer = contained_computer_ref(kernel->contained);
	pthread_mutex_unlock(&kernel->lock);
	return computer;
}

bool kernel_ask_contained(viso_guest *guest, const char *function, enum computer_call call, const uint64_t args[3],
			  int64_t *out_value)
{
	struct contained_computer *computer = guest->kernel ? kernel_contained(guest->kernel) : NULL;
	if (!computer)
		return false;
	*out_value = contained_ask(computer, function, call, args);
	contained_computer_unref(computer);
	return true;
}

/* With the lock. */
static int fail_without_machine(const struct kernel_guest *kernel, const char *function)
{
	if (contained_computer_runs(kernel->contained))
		return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, function,
				  "%s: the computer is in a container; leave VISO_PLACEMENT_CONTAINED out", function);
	return error_fail(VISO_STAGE_GUEST, ESRCH, function, "%s: the computer is switched off", function);
}

int kernel_use_machine(viso_guest *guest, const char *function, int (*use)(struct machine *machine, void *data),
		       void *data)
{
	struct kernel_guest *kernel = guest->kernel;
	if (!kernel)
		return error_fail(VISO_STAGE_GUEST, ESRCH, function, "%s: the guest has no computer", function);
	pthread_mutex_lock(&kernel->lock);
	int r = kernel->machine ? use(kernel->machine, data) : fail_without_machine(kernel, function);
	pthread_mutex_unlock(&kernel->lock);
	return r;
}

int kernel_hold_machine(viso_guest *guest, const char *function, struct machine **out_machine)
{
	struct kernel_guest *kernel = guest->kernel;
	pthread_mutex_lock(&kernel->lock);
	*out_machine = kernel->machine;
	kernel->holders += kernel->machine != NULL;
	int r = *out_machine ? 0 : fail_without_machine(kernel, function);
	pthread_mutex_unlock(&kernel->lock);
	return r;
}

void kernel_let_go(viso_guest *guest)
{
	struct kernel_guest *kernel = guest->kernel;
	pthread_mutex_lock(&kernel->lock);
	kernel->holders--;
	pthread_cond_broadcast(&kernel->let_go);
	pthread_mutex_unlock(&kernel->lock);
}

uint64_t kernel_memory(const viso_guest *guest)
{
	return (guest_memory_max(guest) + page - 1) & ~(page - 1);
}

int kernel_make_machine(viso_guest *guest, const viso_command *streams, int end_fd, int host[3], struct machine **out)
{
	struct kernel_guest *kernel = guest->kernel;
	struct machine *machine;
	uint64_t memory = kernel_memory(guest);
	if (memory > memory_largest)
		return error_fail(VISO_STAGE_GUEST, EINVAL, "memory", "a computer has at most 1 TiB of memory");
	int r = machine_new(kernel->platform, memory, kernel->processors ? kernel->processors : 1, &machine);
	if (r < 0)
		return r;
	machine->end_fd = end_fd;
	machine->timeout_ms = streams ? streams->timeout_ms : 0;
	machine->cpu_time_ms = streams ? streams->cpu_time_ms : 0;
	machine->ended = forget_machine;
	machine->ended_data = kernel;
	machine->origin = viso_snapshot_ref(kernel->origin);
	r = console_open(&machine->console, streams, host);
	if (r == 0)
		r = platform_build(machine, guest);
	if (r < 0) {
		machine_free(machine);
		return r;
	}
	*out = machine;
	return 0;
}

/* It is there for others before it runs, since it may end at any time from then on. */
int kernel_start_machine(struct kernel_guest *kernel, struct machine *machine)
{
	pthread_mutex_lock(&kernel->lock);
	kernel->machine = machine;
	pthread_mutex_unlock(&kernel->lock);
	int r = machine_start(machine);
	if (r < 0)
		forget_machine(kernel);
	return r;
}

/* It runs, with what it was given for this time. */
static void greet_clone(viso_guest *guest)
{
	guest->is_new_clone = false;
	device_settings_unbind(&guest->kernel->devices);
	tools_greet_clone(guest->kernel);
}

static int boot(viso_guest *guest, const viso_command *streams, viso_process *process)
{
	_cleanup_close_ int fd = fd_above_streams(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	if (fd < 0)
		return error_fail(VISO_STAGE_GUEST, errno, "eventfd", NULL);
	struct machine *machine = NULL;
	int host[3] = {-1, -1, -1};
	int r = tools_open(guest);
	if (r == 0)
		r = kernel_make_machine(guest, streams, fd, host, &machine);
	tools_built(guest->kernel, r < 0);
	if (r == 0) {
		r = kernel_start_machine(guest->kernel, machine);
		if (r < 0)
			machine_free(machine);
	}
	if (r == 0 && guest->kernel->origin)
		greet_clone(guest);
	if (r < 0) {
		for (int i = 0; i < 3; i++)
			close_fd(host[i]);
		return r;
	}
	process->ops = &ops;
	process->data = machine;
	process->fd = TAKE_FD(fd);
	memcpy(process->stream, host, sizeof(host));
	return 0;
}

static int boot_contained(viso_guest *guest, const viso_command *streams, viso_process *process)
{
	struct kernel_guest *kernel = guest->kernel;
	struct contained_computer *computer = NULL;
	int r = tools_open(guest);
	if (r == 0)
		r = contained_boot(guest, streams, process, &computer);
	tools_built(kernel, r < 0);
	if (r < 0)
		return r;
	pthread_mutex_lock(&kernel->lock);
	struct contained_computer *old = kernel->contained;
	kernel->contained = computer;
	pthread_mutex_unlock(&kernel->lock);
	contained_computer_close(old);
	contained_computer_unref(old);
	if (kernel->origin)
		greet_clone(guest);
	return 0;
}

static int check_boot(viso_guest *guest, const viso_command *streams, const char *function)
{
	const struct kernel_guest *kernel = guest->kernel;
	if (!kernel)
		return error_argument(function, "the guest has no kernel; see viso_guest_set_kernel()");
	if (kernel->platform != VISO_PLATFORM_PC && kernel->firmware)
		return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, function,
				  "%s: firmware needs VISO_PLATFORM_PC; see viso_guest_set_platform()", function);
	if (kernel->platform != VISO_PLATFORM_PC && !kernel->image)
		return error_argument(
			function, "the guest has no kernel; see viso_guest_set_kernel(), or choose VISO_PLATFORM_PC to "
				  "boot its disk");
	if (kernel->platform != VISO_PLATFORM_PC && device_settings_have_cd(&kernel->devices))
		return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, function,
				  "%s: a CD-ROM needs VISO_PLATFORM_PC; see viso_guest_set_platform()", function);
	if (streams && streams->terminal.columns)
		return error_fail(VISO_STAGE_STDIO, EOPNOTSUPP, function,
				  "%s: a computer has no terminal; give it pipes, or a terminal's fd", function);
	int r = guest->placement == VISO_PLACEMENT_CONTAINED ? contained_check_computer(guest) : 0;
	if (r < 0)
		return r;
	return kernel->origin ? device_settings_check_clone(&guest->kernel->devices, function) : 0;
}

/* One at a time: nobody else boots it while this is true. */
static int begin_boot(struct kernel_guest *kernel, const char *function)
{
	pthread_mutex_lock(&kernel->lock);
	bool is_free = !kernel_computer_runs(kernel) && !kernel->is_booting;
	if (is_free)
		kernel->is_booting = true;
	pthread_mutex_unlock(&kernel->lock);
	return is_free ? 0
		       : error_fail(VISO_STAGE_GUEST, EBUSY, function, "%s: a computer of this guest runs already",
				    function);
}

static void end_boot(struct kernel_guest *kernel)
{
	pthread_mutex_lock(&kernel->lock);
	kernel->is_booting = false;
	pthread_mutex_unlock(&kernel->lock);
}

static int boot_process(viso_guest *guest, const viso_command *streams, viso_process **out_process)
{
	viso_process *process = process_new();
	if (!process)
		return error_memory();
	log_debug("guest: booting %s", guest->kernel->image ? guest->kernel->image : "by its firmware");
	int r = guest->placement == VISO_PLACEMENT_CONTAINED ? boot_contained(guest, streams, process)
							     : boot(guest, streams, process);
	if (r < 0)
		process->ops = NULL;
	else
		r = process_list_add(guest->sandbox.processes, process);
	if (r < 0) {
		viso_process_unref(process);
		return r;
	}
	*out_process = process;
	return 0;
}

static int boot_checked(viso_guest *guest, const viso_command *streams, const char *function,
			viso_process **out_process)
{
	int r = sandbox_check_use(&guest->sandbox, function);
	if (r == 0)
		r = check_boot(guest, streams, function);
	if (r == 0)
		r = sandbox_freeze(&guest->sandbox, function);
	if (r == 0)
		r = begin_boot(guest->kernel, function);
	if (r < 0)
		return r;
	r = boot_process(guest, streams, out_process);
	end_boot(guest->kernel);
	return r;
}

int viso_guest_boot(viso_guest *guest, const viso_command *streams, viso_process **out_process)
{
	int r = handle_check(guest ? &guest->sandbox.handle : NULL, __func__);
	if (r == 0 && streams)
		r = handle_check(&streams->handle, __func__);
	if (r < 0)
		return r;
	if (!out_process)
		return error_argument(__func__, "out_process is NULL");
	return boot_checked(guest, streams, __func__, out_process);
}

int kernel_boot(viso_guest *guest, const char *function, viso_process **out_process)
{
	return boot_checked(guest, NULL, function, out_process);
}
