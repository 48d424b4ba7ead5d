/* SPDX-License-Identifier: MIT */
/* Freezing a computer, and what becomes of that. */
#include "guest/kernel/snapshot/computer.h"

#include <errno.h>
#include <stdlib.h>

#include "core/error.h"
#include "guest/agent/agent_ops.h"
#include "guest/contained/computer.h"
#include "guest/contained/freeze.h"
#include "guest/guest.h"
#include "guest/kernel/boot.h"
#include "guest/kernel/generation.h"
#include "guest/kernel/snapshot/registers.h"

struct computer_snapshot *computer_of(const viso_snapshot *snapshot)
{
	return (struct computer_snapshot *)snapshot->computer;
}

static void release(struct frozen_computer *frozen, bool is_forked)
{
	struct computer_snapshot *computer = (struct computer_snapshot *)frozen;
	frozen_ram_release(&computer->ram, is_forked);
	state_release(&computer->state);
	state_release(&computer->bell);
	free(computer);
}

struct computer_snapshot *computer_new(void)
{
	struct computer_snapshot *computer = calloc(1, sizeof(*computer));
	if (!computer) {
		error_memory();
		return NULL;
	}
	computer->frozen.release = release;
	computer->ram.fd = -1;
	return computer;
}

viso_snapshot *computer_wrap(struct computer_snapshot *computer, viso_guest *guest)
{
	viso_snapshot *snapshot = calloc(1, sizeof(*snapshot));
	if (!snapshot) {
		release(&computer->frozen, false);
		error_memory();
		return NULL;
	}
	handle_init(&snapshot->handle);
	pthread_mutex_init(&snapshot->lock, NULL);
	computer->frozen.size = computer->ram.used + computer->state.size + computer->bell.size;
	snapshot->computer = &computer->frozen;
	snapshot->settings = guest_new_like(guest);
	return snapshot->settings ? snapshot : viso_snapshot_unref(snapshot);
}

static int save_device(const struct machine_device *device, struct state_writer *out)
{
	if (device->ops->is_stateless)
		return 0;
	if (!device->ops->save)
		return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, "devices",
				  "the computer has a device that cannot be frozen; leave it out");
	return device->ops->save(device->device, out);
}

int computer_save_state(const struct machine *machine, struct computer_shape *out_shape, struct state_writer *out)
{
	int r = 0;
	out_shape->memory_size = machine->memory_size;
	out_shape->platform = machine->platform;
	out_shape->processors = machine->processor_count;
	out_shape->devices = (uint32_t)machine->device_count;
	for (unsigned i = 0; i < machine->processor_count && r == 0; i++)
		r = registers_save(&machine->processors[i], out);
	if (r == 0)
		r = controllers_save(machine, out);
	for (int i = 0; i < machine->device_count && r == 0; i++)
		r = save_device(&machine->devices[i], out);
	return r == 0 && out->has_failed ? error_memory() : r;
}

/* Of a machine that stands still. */
static int capture(struct machine *machine, void *data)
{
	struct computer_snapshot *computer = data;
	const struct frozen_ram *beneath = machine->origin ? &computer_of(machine->origin)->ram : NULL;
	int r = computer_save_state(machine, &computer->shape, &computer->state);
	return r < 0 ? r : frozen_ram_new(&computer->ram, machine->memory, machine->memory_size, beneath);
}

static bool has_agent(struct kernel_guest *kernel)
{
	pthread_mutex_lock(&kernel->lock);
	bool has = kernel->tools.agent && kernel->tools.ops->was_heard(kernel->tools.agent);
	pthread_mutex_unlock(&kernel->lock);
	return has;
}

/* `machine` is NULL for a contained one, of which no fds of disks are here: their clones open them by their paths. */
static int finish(struct computer_snapshot *computer, viso_guest *guest, const struct machine *machine,
		  viso_snapshot **out_snapshot)
{
	viso_snapshot *snapshot = computer_wrap(computer, guest);
	if (!snapshot)
		return -ENOMEM;
	int r = machine ? device_settings_keep_disks(&snapshot->settings->kernel->devices, machine) : 0;
	if (r < 0)
		viso_snapshot_unref(snapshot);
	else
		*out_snapshot = snapshot;
	return r;
}

static int freeze_contained(viso_guest *guest, struct contained_computer *contained, viso_snapshot **out_snapshot)
{
	struct computer_snapshot *computer = computer_new();
	if (!computer)
		return -ENOMEM;
	const struct kernel_guest *kernel = guest->kernel;
	computer->shape = (struct computer_shape){
		.memory_size = kernel_memory(guest),
		.platform = kernel->platform,
		.processors = kernel->processors ? kernel->processors : 1,
		.has_agent = has_agent(guest->kernel),
		.is_contained = true,
	};
	int r = contained_freeze(contained, computer);
	if (r < 0) {
		release(&computer->frozen, false);
		return r;
	}
	return finish(computer, guest, NULL, out_snapshot);
}

static int freeze(viso_guest *guest, struct machine *machine, viso_snapshot **out_snapshot)
{
	struct computer_snapshot *computer = computer_new();
	if (!computer)
		return -ENOMEM;
	computer->shape.has_agent = has_agent(guest->kernel);
	int r = machine_use_paused(machine, capture, computer);
	if (r < 0) {
		release(&computer->frozen, false);
		return r;
	}
	return finish(computer, guest, machine, out_snapshot);
}

int computer_freeze(viso_guest *guest, viso_snapshot **out_snapshot)
{
	static const char function[] = "viso_guest_snapshot";
	struct machine *machine;
	int r = sandbox_check_use(&guest->sandbox, function);
	if (r < 0)
		return r;
	struct contained_computer *contained = kernel_contained(guest->kernel);
	if (contained) {
		r = freeze_contained(guest, contained, out_snapshot);
		contained_computer_unref(contained);
		return r;
	}
	r = kernel_hold_machine(guest, function, &machine);
	if (r < 0)
		return r;
	r = freeze(guest, machine, out_snapshot);
	kernel_let_go(guest);
	return r;
}

int computer_pack(const struct computer_snapshot *computer, struct state_writer *out)
{
	state_put(out, &computer->shape, sizeof(computer->shape));
	frozen_ram_save(&computer->ram, out);
	state_put_number(out, computer->bell.size);
	state_put(out, computer->bell.data, computer->bell.size);
	state_put(out, computer->state.data, computer->state.size);
	return out->has_failed ? error_memory() : 0;
}

int computer_unpack(struct computer_snapshot *computer, struct state_reader *in)
{
	uint64_t bell;
	if (!state_get(in, &computer->shape, sizeof(computer->shape)))
		return state_damaged("settings");
	int r = frozen_ram_load(&computer->ram, computer->shape.memory_size, in);
	if (r == 0 && (!state_get_number(in, in->left, &bell) || bell > in->left))
		r = state_damaged("doorbell");
	if (r < 0)
		return r;
	state_put(&computer->bell, in->data, bell);
	state_put(&computer->state, in->data + bell, in->left - bell);
	return computer->bell.has_failed || computer->state.has_failed ? error_memory() : 0;
}

static int load_device(const struct machine_device *device, struct state_reader *in)
{
	return device->ops->is_stateless || !device->ops->load ? 0 : device->ops->load(device->device, in);
}

static int check_shape(const struct machine *machine, const struct computer_shape *shape)
{
	return shape->memory_size == machine->memory_size && shape->platform == machine->platform &&
			       shape->processors == machine->processor_count &&
			       shape->devices == (uint32_t)machine->device_count
		       ? 0
		       : error_fail(VISO_STAGE_GUEST, EINVAL, "devices",
				    "the computer has other devices than the one of the snapshot; give it the same");
}

int computer_restore(struct machine *machine, const struct computer_snapshot *computer)
{
	struct state_reader in = {.data = computer->state.data, .left = computer->state.size};
	int r = check_shape(machine, &computer->shape);
	if (r == 0)
		r = frozen_ram_map(&computer->ram, machine->memory);
	for (unsigned i = 0; i < machine->processor_count && r == 0; i++)
		r = registers_load(&machine->processors[i], &in);
	if (r == 0)
		r = controllers_load(machine, &in);
	for (int i = 0; i < machine->device_count && r == 0; i++)
		r = load_device(&machine->devices[i], &in);
	if (r == 0 && in.left)
		r = state_damaged("end");
	/* A PC has nothing by which it could be told. */
	return r < 0 || machine->platform == VISO_PLATFORM_PC ? r : generation_change(machine);
}
