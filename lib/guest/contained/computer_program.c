/* SPDX-License-Identifier: MIT */
#include "guest/contained/computer_program.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <virtiso/guest_pc.h>

#include "command/command.h"
#include "core/cleanup.h"
#include "core/error.h"
#include "guest/agent/agent_ops.h"
#include "guest/contained/bell_program.h"
#include "guest/contained/computer.h"
#include "guest/contained/forward.h"
#include "guest/contained/freeze.h"
#include "guest/contained/freeze_program.h"
#include "guest/contained/message.h"
#include "guest/contained/receive.h"
#include "guest/guest.h"
#include "guest/kernel/boot.h"
#include "guest/kernel/kernel.h"
#include "guest/kernel/machine.h"
#include "guest/kernel/snapshot/computer.h"
#include "guest/vm/vm.h"

static struct computer_settings settings;
static struct kernel_guest kernel;
static struct agent_ops agent_ops; /* of whom the host speaks to, there is but the port here */
static struct viso_guest guest;
static struct machine *machine;
static struct viso_snapshot snapshot; /* that it is a clone of */
static struct {
	int memory, state;
} origin;

/* It is none of these itself. */
bool contained_computer_runs(const struct contained_computer *computer)
{
	return false;
}

struct contained_computer *contained_computer_ref(struct contained_computer *computer)
{
	return computer;
}

void contained_computer_unref(struct contained_computer *computer)
{
}

void contained_computer_close(struct contained_computer *computer)
{
}

struct doorbell *contained_computer_doorbell(const struct contained_computer *computer)
{
	return NULL;
}

int64_t contained_ask(struct contained_computer *computer, const char *function, enum computer_call call,
		      const uint64_t args[3])
{
	return -ENOSYS;
}

bool computer_is_wanted(void)
{
	return pread(CONTAINED_SETTINGS, &settings, sizeof(settings), 0) == sizeof(settings) &&
	       settings.magic == CONTAINED_COMPUTER_MAGIC;
}

int contained_computer_end(const struct contained_computer *computer)
{
	return -1;
}

int contained_freeze(struct contained_computer *computer, struct computer_snapshot *out)
{
	return -ENOSYS;
}

/* In the order in which they were added. */
static void take_fds(void)
{
	int next = COMPUTER_ADDED;
	struct device_settings *devices = &kernel.devices;
	if (settings.has_origin) {
		origin.memory = next++;
		origin.state = next++;
	} else {
		kernel.given = next++;
	}
	kernel.given_bell = COMPUTER_PAGES;
	kernel.tools.socket = -1;
	kernel.tools.initramfs = settings.has_initramfs ? next++ : -1;
	agent_ops.port = settings.agent_port;
	kernel.tools.ops = &agent_ops;
	kernel.tools.port = settings.has_agent ? next++ : -1;
	kernel.tools.closed = settings.has_closed ? next++ : -1;
	kernel.tools.disk = settings.has_root_disk ? next++ : -1;
	devices->disk_count = settings.disk_count;
	for (unsigned i = 0; i < devices->disk_count; i++)
		devices->disks[i] =
			(struct disk_setting){.path = (char *)"disk", .flags = settings.disk_flags[i], .fd = next++};
	for (unsigned i = 0; i < devices->disk_count; i++)
		memcpy(devices->disks[i].rates, settings.disk_rates[i], sizeof(settings.disk_rates[i]));
	devices->console = (viso_console)settings.console;
	devices->port_count = settings.port_count;
	for (unsigned i = 0; i < devices->port_count; i++)
		devices->ports[i] = (struct port_setting){.name = settings.ports[i],
							  .fd = settings.has_port >> i & 1 ? next++ : -1};
	devices->network_count = settings.network_count;
	for (unsigned i = 0; i < devices->network_count; i++) {
		devices->networks[i].fd = settings.has_network >> i & 1 ? next++ : -1;
		memcpy(devices->networks[i].mac, settings.macs[i], DEVICE_MAC_SIZE);
		memcpy(devices->networks[i].rates, settings.network_rates[i], sizeof(settings.network_rates[i]));
	}
}

static void fill(void)
{
	handle_init(&guest.sandbox.handle);
	guest_files_init(&guest.files);
	hypercalls_init(&guest.hypercalls);
	guest.sandbox.memory_max = settings.memory_max;
	guest.kernel = &kernel;
	pthread_mutex_init(&kernel.lock, NULL);
	pthread_cond_init(&kernel.let_go, NULL);
	kernel.image = settings.image;
	kernel.is_flat = settings.is_flat;
	kernel.flat_address = settings.flat_address;
	kernel.command_line = settings.command_line;
	kernel.processors = settings.processors;
	kernel.platform = VISO_PLATFORM_MICROVM;
	take_fds();
}

/* It stays for good. */
static int take_origin(void)
{
	struct stat st;
	struct computer_snapshot *computer = computer_new();
	if (!computer || fstat(origin.state, &st) < 0)
		return -ENOMEM;
	const void *packed = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, origin.state, 0);
	if (packed == MAP_FAILED)
		return error_memory();
	struct state_reader in = {.data = packed, .left = (size_t)st.st_size};
	int r = computer_unpack(computer, &in);
	munmap((void *)packed, (size_t)st.st_size);
	computer->ram.fd = origin.memory;
	handle_init(&snapshot.handle);
	snapshot.computer = &computer->frozen;
	kernel.origin = &snapshot;
	return r;
}

static int start(void)
{
	int host[3] = {-1, -1, -1};
	viso_command *streams = viso_command_new("computer");
	if (!streams)
		return -ENOMEM;
	streams->stdio[0] = (struct stdio_setting){.kind = settings.has_input ? STDIO_INHERIT : STDIO_NULL, .fd = -1};
	streams->stdio[1] = (struct stdio_setting){.kind = settings.has_output ? STDIO_INHERIT : STDIO_NULL, .fd = -1};
	streams->stdio[2] = (struct stdio_setting){.kind = STDIO_NULL, .fd = -1};
	streams->timeout_ms = settings.timeout_ms;
	streams->cpu_time_ms = settings.cpu_time_ms;
	vm_give_kvm(CONTAINED_KVM);
	int r = settings.has_origin ? take_origin() : 0;
	if (r == 0)
		r = kernel_make_machine(&guest, streams, -1, host, &machine);
	if (r == 0)
		r = bell_program_start(&guest);
	return r == 0 ? kernel_start_machine(&kernel, machine) : r;
}

static int64_t call(const struct computer_request *request)
{
	uint64_t value = 0;
	const uint64_t *args = request->args;
	int64_t r = 0;
	switch ((enum computer_call)request->call) {
	case COMPUTER_POWER_BUTTON:
		return viso_guest_press_power_button(&guest);
	case COMPUTER_RESET_BUTTON:
		return viso_guest_press_reset_button(&guest);
	case COMPUTER_SET_BALLOON:
		return viso_guest_set_balloon(&guest, args[0]);
	case COMPUTER_MEMORY_FIGURE:
		r = viso_guest_memory_figure(&guest, (viso_memory_figure)args[0], &value);
		return r < 0 ? r : (int64_t)value;
	case COMPUTER_TRAFFIC:
		return viso_guest_traffic(&guest, (viso_device)args[0], (unsigned)args[1], (viso_traffic)args[2]);
	default:
		return -ENOSYS;
	}
}

static void respond(const struct computer_request *request)
{
	struct computer_response response = {.serial = request->serial, .value = call(request)};
	if (response.value < 0)
		snprintf(response.message, sizeof(response.message), "%s", viso_error_message());
	(void)!send(CONTAINED_CONTROL, &response, sizeof(response), MSG_NOSIGNAL);
}

static void write_to(const struct computer_request *request, int pipe)
{
	int64_t figures[RESULT_USAGE_COUNT];
	const int32_t done = 0;
	if (request->call == COMPUTER_USAGE && machine_usage(machine, figures))
		(void)!write(pipe, figures, sizeof(figures));
	if (request->call == COMPUTER_FREEZE)
		freeze_program_send(machine, pipe);
	if (request->call == COMPUTER_USAGE || request->call == COMPUTER_FREEZE)
		return;
	if (request->call == COMPUTER_PAUSE)
		machine_pause(machine);
	else
		machine_resume(machine);
	(void)!write(pipe, &done, sizeof(done));
}

/* Until the host program is gone, and the launcher kills us. */
static void *listen_to_host(void *data)
{
	struct computer_request request;
	int fd;
	while (contained_receive(CONTAINED_CONTROL, &request, sizeof(request), &fd) == sizeof(request)) {
		if (fd >= 0)
			write_to(&request, fd);
		else
			respond(&request);
		close_fd(fd);
	}
	machine_end(machine, VISO_REASON_KILLED, -1, NULL);
	return NULL;
}

static void answer(void)
{
	struct contained_answer answer = {.magic = CONTAINED_MAGIC};
	viso_result *result = NULL;
	machine_join(machine);
	int r = kernel_make_result(machine, &result);
	if (r < 0) {
		answer.error = -r;
		answer.reason = VISO_REASON_GUEST_FAULT;
		answer.exit_code = -1;
	} else {
		answer.reason = result->reason;
		answer.exit_code = result->exit_code;
		answer.signal = result->signal;
		memcpy(answer.usage, result->usage, sizeof(answer.usage));
		answer.register_count = (uint32_t)result->register_count;
		memcpy(answer.registers, result->registers, sizeof(answer.registers));
		snprintf(answer.detail, sizeof(answer.detail), "%s", machine->detail);
	}
	forward_say(&answer, sizeof(answer));
}

void computer_run(void)
{
	pthread_t thread;
	fill();
	int r = start();
	forward_report(r);
	if (r == 0 && pthread_create(&thread, NULL, listen_to_host, NULL) == 0)
		answer();
}
