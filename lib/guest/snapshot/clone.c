/* SPDX-License-Identifier: MIT */
/* Guests that go on from a snapshot. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/hot.h"
#include "guest/contained/cloned.h"
#include "guest/guest.h"
#include "guest/instance.h"
#include "guest/kernel/kernel.h"
#include "guest/program/copies.h"
#include "guest/snapshot/snapshot.h"
#include "guest/vm/shells.h"

/* The registers, and what the host knows of where the program waits for it. */
HOT static int begin_at(struct instance *instance, const viso_snapshot *snapshot)
{
	bool has_stack = instance->stay.has_stack;
	memcpy(&instance->stay, &snapshot->stay, offsetof(struct stay, symbols));
	instance->stay.has_stack = has_stack;
	if (instance->stay.task)
		instance->stay.task = program_find_task(instance, snapshot->stay.task->tid);
	if (instance->stay.task)
		symbols_check(&instance->stay.symbols, instance->stay.task->program->space);
	instance->generation = 0;
	instance->has_changed = false;
	const struct program *current = instance->scheduler.current->program;
	int r = vcpu_rewind(&instance->vcpu, &snapshot->vcpu, &current->space->tables);
	return r < 0 ? error_fail(VISO_STAGE_KVM, -r, "KVM_SET_VCPU_EVENTS", NULL) : 0;
}

/* What is not memory: the program and its place. */
static int set_up_program(struct instance *instance, const viso_snapshot *snapshot)
{
	struct program *program = &instance->program;
	instance->view.program = program;
	int r = view_copy(&snapshot->view, &instance->view);
	const struct program_place place = {.instance = instance,
					    .space = &instance->space,
					    .view = &instance->view,
					    .frozen_ns = clock_now(CLOCK_MONOTONIC) - snapshot->frozen_at};
	if (r == 0)
		r = program_copy(program, &snapshot->program, &place);
	if (r < 0)
		return r == -ENOMEM ? error_memory() : error_fail(VISO_STAGE_GUEST, -r, "files", NULL);
	for (const struct program *at = program; at; at = at->next)
		if (at->signals.timers.next < instance->kick.alarm)
			instance->kick.alarm = at->signals.timers.next;
	return begin_at(instance, snapshot);
}

static int build(struct instance *instance, const viso_snapshot *snapshot)
{
	const struct processor *processor;
	kick_init(&instance->kick);
	instance->kick.gate = instance->gate;
	int r = shells_take(&instance->vm, &processor);
	if (r == 0)
		r = memory_init_clone(&instance->memory, snapshot->memory, guest_memory_max(instance->guest),
				      instance->vm.vm_fd);
	if (r < 0)
		return r;
	instance->memory.further_frozen = snapshot->further_owners;
	struct copy_map things = {0};
	r = space_clone(&instance->space, &snapshot->space, &instance->memory, NULL, &things);
	free(things.entries);
	if (r < 0)
		return error_memory();
	vcpu_init_clone(&instance->vcpu, &instance->vm, &instance->space.tables, processor);
	return set_up_program(instance, snapshot);
}

static struct instance *take_spare(viso_snapshot *snapshot)
{
	pthread_mutex_lock(&snapshot->lock);
	struct instance *spare = snapshot->spare_count ? snapshot->spares[--snapshot->spare_count] : NULL;
	pthread_mutex_unlock(&snapshot->lock);
	return spare;
}

int snapshot_instantiate(viso_snapshot *snapshot, struct viso_guest *guest, struct instance **out_instance)
{
	struct instance *instance = take_spare(snapshot);
	if (instance) {
		instance->guest = guest;
		instance->snapshot = viso_snapshot_ref(snapshot);
		program_rewind(&instance->program, &snapshot->program);
		*out_instance = instance;
		return 0;
	}
	instance = calloc(1, sizeof(*instance));
	if (!instance)
		return error_memory();
	instance->guest = guest;
	instance->gate = gate_new(instance);
	instance->kick.stop_fd = -1;
	instance->vm = vm_none;
	instance->snapshot = viso_snapshot_ref(snapshot);
	int r = instance->gate ? build(instance, snapshot) : error_memory();
	if (r < 0) {
		instance_free(instance);
		return r;
	}
	*out_instance = instance;
	return 0;
}

/* True where the machine is as it was, but for what memory and registers hold. */
HOT static bool can_go_back(const struct instance *instance, const viso_snapshot *snapshot)
{
	return !instance->program.next && !snapshot->program.next && instance->scheduler.current && !instance->ring &&
	       instance->space.tables.origin == snapshot->space.tables.root && !space_has_shared(&instance->space) &&
	       !space_has_shared(&snapshot->space);
}

/* True where nothing of a frozen program went on by itself: one thread, no timers, no objects such as timerfds. */
HOT static bool stands_still(const struct program *program)
{
	for (size_t i = 0; i < program->slot_count; i++)
		if (program->slots[i].file && program->slots[i].file->kind == FILE_OBJECT)
			return false;
	return program->task_count == 1 && program->signals.timers.next == INT64_MAX;
}

/* What was done since changed memory and registers alone. */
HOT static bool is_unchanged(struct instance *instance, const viso_snapshot *snapshot)
{
	return !instance->has_changed && !instance->program.ended && instance->kick.alarm == INT64_MAX &&
	       instance->program.task == &instance->program.first_task && atomic_load(&instance->kick.signals) == 0 &&
	       stands_still(&snapshot->program);
}

HOT static int go_back_at_once(struct instance *instance, const viso_snapshot *snapshot)
{
	if (space_reset(&instance->space, &snapshot->space) < 0)
		return error_memory();
	program_rewind(&instance->program, &snapshot->program);
	return begin_at(instance, snapshot);
}

HOT static int go_back(struct instance *instance, const viso_snapshot *snapshot)
{
	instance->has_core = false;
	instance->register_count = 0;
	if (is_unchanged(instance, snapshot))
		return go_back_at_once(instance, snapshot);
	gate_abandon_all(instance->gate);
	program_drop_copy(&instance->program);
	if (space_reset(&instance->space, &snapshot->space) < 0)
		return error_memory();
	view_release(&instance->view, false);
	kick_forget(&instance->kick);
	return set_up_program(instance, snapshot);
}

/* A processor that was interrupted within the machine, and whatever else has ended badly, is not used again. */
static bool can_be_spare(const struct instance *instance)
{
	const viso_snapshot *snapshot = instance->snapshot;
	return snapshot && !instance->owns_guest && !instance->program.ended && !instance->vcpu.was_interrupted &&
	       handle_is_mine(&snapshot->handle) && can_go_back(instance, snapshot) && stands_still(&snapshot->program);
}

static bool keep_spare(viso_snapshot *snapshot, struct instance *instance)
{
	pthread_mutex_lock(&snapshot->lock);
	bool fits = snapshot->spare_count < SPARES_MAX;
	if (fits)
		snapshot->spares[snapshot->spare_count++] = instance;
	pthread_mutex_unlock(&snapshot->lock);
	return fits;
}

void snapshot_give_back(struct instance *instance)
{
	if (!instance || !can_be_spare(instance) || go_back(instance, instance->snapshot) < 0) {
		instance_free(instance);
		return;
	}
	viso_snapshot *snapshot = TAKE_PTR(instance->snapshot);
	instance->guest = NULL;
	if (!keep_spare(snapshot, instance))
		instance_free(instance);
	viso_snapshot_unref(snapshot);
}

/* Threads, processes, other memory: a machine of its own is made anew, and takes the old one's place. */
static int begin_anew(struct viso_guest *guest, struct instance *instance, viso_snapshot *snapshot)
{
	struct instance *other;
	int r = snapshot_instantiate(snapshot, guest, &other);
	if (r < 0)
		return r;
	guest_replace(guest, other);
	instance_free(instance);
	return 0;
}

HOT int snapshot_bring_back(struct viso_guest *guest, struct instance *instance)
{
	viso_snapshot *snapshot = viso_snapshot_ref(instance->snapshot);
	int r = can_go_back(instance, snapshot) ? go_back(instance, snapshot) : begin_anew(guest, instance, snapshot);
	if (r < 0) {
		/* What it was may have gone already. */
		instance->program.instance = instance;
		program_end(&instance->program, VISO_REASON_GUEST_FAULT, 0, "it could not be reset");
	}
	viso_snapshot_unref(snapshot);
	return r;
}

HOT int viso_guest_reset(viso_guest *guest)
{
	struct instance *instance;
	int r = handle_check(guest ? &guest->sandbox.handle : NULL, __func__);
	if (r == 0 && guest->kernel)
		return guest->kernel->ops->reset(guest);
	if (r == 0 && guest->placement == VISO_PLACEMENT_CONTAINED)
		return resident_reset(guest, __func__);
	if (r == 0)
		r = guest_take(guest, false, true, __func__, &instance);
	if (r < 0)
		return r;
	if (instance->snapshot) {
		guest_forget_result(guest);
		r = snapshot_bring_back(guest, instance);
	} else {
		r = error_argument(__func__, "the guest is no clone; make a snapshot of it first");
	}
	guest_give_back(guest);
	return r;
}

int viso_snapshot_clone(viso_snapshot *snapshot, viso_guest **out_guest)
{
	if (!out_guest)
		return error_argument(__func__, "out_guest is NULL");
	int r = handle_check(snapshot ? &snapshot->handle : NULL, __func__);
	if (r < 0)
		return r;
	if (snapshot->computer)
		return snapshot->settings->kernel->ops->clone(snapshot, out_guest);
	if (snapshot->contained)
		return resident_clone(snapshot, out_guest);
	viso_guest *guest = guest_new_like(snapshot->settings);
	struct instance *instance;
	if (!guest)
		return -ENOMEM;
	r = snapshot_instantiate(snapshot, guest, &instance);
	if (r < 0) {
		viso_guest_unref(guest);
		return r;
	}
	guest->is_new_clone = true;
	guest_replace(guest, instance);
	*out_guest = guest;
	return 0;
}
