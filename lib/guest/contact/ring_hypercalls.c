/* SPDX-License-Identifier: MIT */
/*
 * A hypercall that came through the ring, which takes less than what most of the library's calls take: so it has no
 * lock of its own, and no memory that was not there for the last one. It is among no gate's hypercalls, since nothing
 * may abandon it: the ring's end waits for its handler.
 */
#include <errno.h>

#include "core/hot.h"
#include "guest/contact/hypercall.h"
#include "guest/contact/ring_inside.h"
#include "guest/guest.h"
#include "guest/instance.h"

/* No task in particular asks: one that lives as long as the program. */
HOT static viso_hypercall *take_spare(struct ring *ring)
{
	viso_hypercall *hypercall = ring->calls.spare;
	if (!hypercall)
		hypercall = ring->calls.spare = hypercall_make(&ring->instance->program.first_task);
	if (hypercall)
		hypercall->is_by_ring = true;
	return hypercall;
}

HOT static int64_t run_handler(struct ring *ring, const struct hypercall_handler *handler, viso_hypercall *hypercall)
{
	struct instance *instance = ring->instance;
	struct handle *guest = &instance->guest->sandbox.handle;
	hypercall->in_handler = true;
	hypercall->thread = pthread_self();
	/* The handler may give the last one of the host program's back. */
	handle_ref(guest);
	int64_t value = handler->function(hypercall, handler->userdata);
	if (!handle_unref_unless_last(guest)) {
		gate_lock(instance->gate);
		gate_keep_guest(instance);
		gate_unlock(instance->gate);
		ring->calls.has_lost_guest = true;
	}
	hypercall->in_handler = false;
	return value;
}

HOT bool ring_call_handler(struct ring *ring, volatile const struct viso_ring_ask *ask, int64_t *out_value)
{
	/* Once: the program may change it meanwhile. */
	const uint32_t number = ask->number;
	const struct hypercall_handler *handler = hypercalls_find(ring->instance->guest, number);
	*out_value = -ENOSYS;
	if (!handler || !handler->function)
		return !handler;
	viso_hypercall *hypercall = take_spare(ring);
	*out_value = -ENOMEM;
	if (!hypercall)
		return true;
	hypercall->number = (unsigned)number;
	for (int i = 0; i < 6; i++)
		hypercall->args[i] = ask->args[i];
	*out_value = run_handler(ring, handler, hypercall);
	return true;
}

HOT void ring_end_call(struct ring *ring, int64_t value)
{
	viso_hypercall *hypercall = ring->calls.spare;
	/* As handle_unref(), whose last one leaves all that was done with it done. */
	if (!hypercall || atomic_load_explicit(&hypercall->handle.references, memory_order_acquire) == 1)
		return;
	/* The handler has kept it. */
	struct gate *gate = ring->instance->gate;
	ring->calls.spare = NULL;
	gate_lock(gate);
	hypercall_set_answer(hypercall, value);
	handle_unref(&hypercall->handle);
	hypercall_part(hypercall);
	gate_unlock(gate);
}
