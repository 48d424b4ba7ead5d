/* SPDX-License-Identifier: MIT */
#include "guest/contact/use.h"

#include "core/hot.h"
#include "guest/contact/stay.h"

HOT bool use_begin(struct viso_guest *guest, enum guest_use use)
{
	int idle = GUEST_IDLE;
	return atomic_compare_exchange_strong(&guest->use, &idle, use);
}

/* Whoever has cancelled the call may be about to stop it, with the lock held. */
static void end_cancelled(struct viso_guest *guest)
{
	pthread_mutex_lock(&guest->lock);
	atomic_store(&guest->use, GUEST_IDLE);
	pthread_mutex_unlock(&guest->lock);
}

static void tell_idle(struct viso_guest *guest)
{
	pthread_mutex_lock(&guest->lock);
	pthread_cond_broadcast(&guest->idle);
	pthread_mutex_unlock(&guest->lock);
}

/* As with the closing: who waits says so before it looks. */
HOT void use_end(struct viso_guest *guest)
{
	int use = atomic_load_explicit(&guest->use, memory_order_relaxed);
	while (use != GUEST_CANCELLED && !atomic_compare_exchange_weak(&guest->use, &use, GUEST_IDLE))
		;
	if (use == GUEST_CANCELLED)
		end_cancelled(guest);
	if (atomic_load(&guest->is_awaited))
		tell_idle(guest);
}

bool use_cancel(struct viso_guest *guest)
{
	int use = GUEST_CALLED;
	return atomic_compare_exchange_strong(&guest->use, &use, GUEST_CANCELLED) || use == GUEST_CANCELLED;
}

bool guest_is_cancelled(struct viso_guest *guest)
{
	return atomic_load(&guest->use) == GUEST_CANCELLED;
}

/*
 * Whoever was told that it has cancelled a call can rely on that, even where the call had just been done; from here on
 * nobody is told so, while the answer is still being copied.
 */
HOT bool guest_finish(struct viso_guest *guest)
{
	int use = GUEST_CALLED;
	return atomic_compare_exchange_strong(&guest->use, &use, GUEST_DONE) || use != GUEST_CANCELLED;
}
