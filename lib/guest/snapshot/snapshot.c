/* SPDX-License-Identifier: MIT */
#include "guest/snapshot/snapshot.h"

#include <errno.h>
#include <stdlib.h>

#include "core/error.h"
#include "core/hot.h"
#include "guest/contained/cloned.h"
#include "guest/guest.h"
#include "guest/instance.h"
#include "guest/kernel/kernel.h"
#include "guest/program/channel.h"
#include "guest/program/copies.h"
#include "guest/x86_64/system.h"
#include "guest/x86_64/xstate.h"

static void release_spares(viso_snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->spare_count; i++)
		if (handle_is_mine(&snapshot->handle))
			instance_free(snapshot->spares[i]);
		else
			instance_forget(snapshot->spares[i]);
	pthread_mutex_destroy(&snapshot->lock);
}

static void release_computer(viso_snapshot *snapshot)
{
	snapshot->computer->release(snapshot->computer, !handle_is_mine(&snapshot->handle));
	viso_guest_unref(snapshot->settings);
	pthread_mutex_destroy(&snapshot->lock);
	free(snapshot);
}

static void release_contained(viso_snapshot *snapshot)
{
	contained_frozen_free(snapshot->contained);
	viso_guest_unref(snapshot->settings);
	pthread_mutex_destroy(&snapshot->lock);
	free(snapshot);
}

static void release(viso_snapshot *snapshot)
{
	if (snapshot->contained) {
		release_contained(snapshot);
		return;
	}
	if (snapshot->computer) {
		release_computer(snapshot);
		return;
	}
	release_spares(snapshot);
	space_release_kept(&snapshot->space);
	if (snapshot->program.instance && handle_is_mine(&snapshot->handle))
		program_drop_copy(&snapshot->program);
	else if (snapshot->program.instance)
		program_forget_copy(&snapshot->program);
	free(snapshot->holder);
	view_release(&snapshot->view, !handle_is_mine(&snapshot->handle));
	view_release(&snapshot->origin, !handle_is_mine(&snapshot->handle));
	viso_snapshot_unref(snapshot->parent);
	frozen_unref(snapshot->memory);
	viso_guest_unref(snapshot->settings);
	free(snapshot);
}

HOT viso_snapshot *viso_snapshot_ref(viso_snapshot *snapshot)
{
	if (snapshot)
		handle_ref(&snapshot->handle);
	return snapshot;
}

HOT viso_snapshot *viso_snapshot_unref(viso_snapshot *snapshot)
{
	if (snapshot && handle_unref(&snapshot->handle))
		release(snapshot);
	return NULL;
}

int64_t viso_snapshot_size(const viso_snapshot *snapshot)
{
	int r = handle_check(snapshot ? &snapshot->handle : NULL, __func__);
	if (r < 0)
		return r;
	if (snapshot->contained)
		return contained_frozen_size(snapshot->contained);
	return (int64_t)(snapshot->computer ? snapshot->computer->size : snapshot->memory->used * GUEST_PAGE);
}

static int check(const struct instance *instance, const char *function)
{
	if (instance->stay.state == STAY_STARTS || instance->stay.state == STAY_NOT)
		return error_argument(function, "the guest is not initialised");
	if (instance->ring)
		return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, "ring",
				  "%s: the guest's program has opened the ring, which cannot be frozen", function);
	if (!instance->scheduler.current)
		return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, "threads",
				  "%s: the thread that answered the host has ended; let it wait for the next request",
				  function);
	if (instance->program.space != &instance->space)
		return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, "memory",
				  "%s: the guest has executed a program while a child of vfork() had its memory, which "
				  "cannot be frozen; let the child end before",
				  function);
	return 0;
}

static int fail(int r)
{
	switch (-r) {
	case EOPNOTSUPP:
		return error_fail(
			VISO_STAGE_GUEST, EOPNOTSUPP, "files",
			"the guest's program has a file mapped that cannot be frozen: one of /proc, or with MAP_SHARED "
			"one that it may write to; let it unmap it before it is ready");
	case EMLINK:
		return error_fail(
			VISO_STAGE_GUEST, EOPNOTSUPP, "files",
			"the guest has been frozen too often, and has written files each time; make a new one");
	case ENOMEM:
		return error_memory();
	default:
		return error_fail(VISO_STAGE_GUEST, -r, "files", NULL);
	}
}

/* Entries of further processes for pages that others have too: where one of them leaves such a page, it is still in
 * use. */
static uint64_t count_further_owners(const struct instance *instance)
{
	uint64_t count = 0;
	for (const struct program *program = instance->program.next; program; program = program->next) {
		struct address_space *space = program->space;
		uint64_t *entry;
		if (!space || space == &instance->space)
			continue;
		for (uint64_t at = SPACE_START; (entry = paging_next(&space->tables, &at, SPACE_END)); at += GUEST_PAGE)
			count += memory_is_shared(&instance->memory, paging_page(*entry));
	}
	return count;
}

static int keep_space(viso_snapshot *snapshot, const struct instance *instance)
{
	struct copy_map things = {0};
	int r = space_keep(&snapshot->space, &instance->space, &things);
	free(things.entries);
	return r;
}

static int keep_program(viso_snapshot *snapshot, const struct instance *instance)
{
	struct instance *holder = snapshot->holder = calloc(1, sizeof(*holder));
	if (!holder)
		return -ENOMEM;
	const struct program_place place = {.instance = holder, .space = &snapshot->space, .view = &snapshot->view};
	snapshot->frozen_at = clock_now(CLOCK_MONOTONIC);
	int r = program_copy(&snapshot->program, &instance->program, &place);
	if (r < 0)
		return r;
	snapshot->stay = instance->stay;
	snapshot->stay.symbols = (struct symbol_cache){0};
	snapshot->stay.has_stack = false;
	snapshot->stay.task = instance->stay.task ? program_find_task(holder, instance->stay.task->tid) : NULL;
	return 0;
}

void snapshot_put_state(viso_snapshot *snapshot, const struct processor *processor)
{
	uint64_t size = snapshot->memory->size;
	struct guest_memory memory = {.frozen = snapshot->memory, .start = size, .size = size};
	struct page_tables tables = {.memory = &memory, .root = snapshot->space.tables.root};
	const uint64_t *entry = paging_entry(&tables, SYSTEM_TRAMPOLINE, false);
	if (entry)
		xstate_put(&snapshot->vcpu.xsave, processor, memory_page(&memory, paging_page(*entry)));
}

static int keep(viso_snapshot *snapshot, struct instance *instance)
{
	int r = vcpu_save(&instance->vcpu, &snapshot->vcpu);
	if (r < 0)
		return error_fail(VISO_STAGE_KVM, -r, "KVM_GET_XSAVE", NULL);
	r = keep_space(snapshot, instance);
	if (r == 0)
		r = view_freeze(&instance->view);
	snapshot->view.program = &snapshot->program;
	if (r == 0)
		r = view_copy(&instance->view, &snapshot->view);
	if (r == 0)
		r = keep_program(snapshot, instance);
	if (r < 0)
		return fail(r);
	snapshot->parent = viso_snapshot_ref(instance->snapshot);
	snapshot->further_owners = count_further_owners(instance);
	for (struct program *program = &instance->program; program; program = program->next)
		if (program->space)
			space_freeze(program->space);
	snapshot->memory = frozen_new(&instance->memory);
	snapshot->settings = guest_new_like(instance->guest);
	if (!snapshot->memory || !snapshot->settings)
		return error_memory();
	snapshot_put_state(snapshot, instance->vcpu.processor);
	return 0;
}

/* The memory of an instance goes, and with it what its processes have of it. */
static void leave_memory(struct instance *instance)
{
	for (struct program *program = &instance->program; program; program = program->next) {
		if (!program->space)
			continue;
		unsigned sharers = program->space->sharers;
		paging_forget(&program->space->tables);
		space_release_kept(program->space);
		program->space->sharers = sharers;
	}
}

/* The memory of the instance goes to the snapshot, and another one goes on in its place. */
static int replace(viso_snapshot *snapshot, struct viso_guest *guest, struct instance *instance)
{
	struct instance *other;
	int r = snapshot_instantiate(snapshot, guest, &other);
	if (r < 0)
		return r;
	frozen_take_mapping(snapshot->memory, &instance->memory);
	leave_memory(instance);
	/* The views of the snapshot and its clones borrow what this one holds of the host. */
	channels_drop_files(instance);
	for (struct program *program = &instance->program; program; program = program->next)
		program_close_files(program);
	snapshot->origin = instance->view;
	snapshot->origin.program = &snapshot->program;
	instance->view = (struct view){0};
	guest_replace(guest, other);
	instance_free(instance);
	return 0;
}

int snapshot_take(struct instance *instance, const char *function, viso_snapshot **out_snapshot)
{
	int r = check(instance, function);
	if (r < 0)
		return r;
	viso_snapshot *snapshot = calloc(1, sizeof(*snapshot));
	if (!snapshot)
		return error_memory();
	handle_init(&snapshot->handle);
	pthread_mutex_init(&snapshot->lock, NULL);
	r = keep(snapshot, instance);
	if (r < 0)
		viso_snapshot_unref(snapshot);
	else
		*out_snapshot = snapshot;
	return r;
}

int viso_guest_snapshot(viso_guest *guest, viso_snapshot **out_snapshot)
{
	struct instance *instance;
	if (!out_snapshot)
		return error_argument(__func__, "out_snapshot is NULL");
	int r = handle_check(guest ? &guest->sandbox.handle : NULL, __func__);
	if (r == 0 && guest->kernel)
		return guest->kernel->ops->freeze(guest, out_snapshot);
	if (r == 0 && guest->placement == VISO_PLACEMENT_CONTAINED)
		return resident_freeze(guest, __func__, out_snapshot);
	if (r == 0)
		r = guest_take(guest, false, false, __func__, &instance);
	if (r < 0)
		return r;
	viso_snapshot *snapshot = NULL;
	r = snapshot_take(instance, __func__, &snapshot);
	if (r == 0)
		r = replace(snapshot, guest, instance);
	if (r == 0)
		*out_snapshot = snapshot;
	else
		viso_snapshot_unref(snapshot);
	guest_give_back(guest);
	return r;
}
