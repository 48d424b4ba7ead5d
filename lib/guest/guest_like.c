/* SPDX-License-Identifier: MIT */
/* Guests with the settings of others, for snapshots and clones. A contained guest's program has but one guest. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "guest/guest.h"
#include "guest/kernel/kernel.h"

viso_guest *guest_new_like(viso_guest *guest)
{
	viso_guest *copy = viso_guest_new();
	if (!copy)
		return NULL;
	pthread_mutex_lock(&guest->sandbox.lock);
	copy->sandbox.root = viso_root_ref(guest->sandbox.root);
	copy->sandbox.memory_max = guest->sandbox.memory_max;
	copy->sandbox.processes_max = guest->sandbox.processes_max;
	copy->sandbox.network = guest->sandbox.network;
	copy->sandbox.frozen = true;
	copy->limits = guest->limits;
	copy->ring_poll_us = guest->ring_poll_us;
	copy->placement = guest->placement;
	copy->core_path = guest->core_path ? strdup(guest->core_path) : NULL;
	guest_sockets_copy(&copy->sockets, &guest->sockets);
	int r = guest->core_path && !copy->core_path ? error_memory() : 0;
	if (r == 0)
		r = hypercalls_copy(&copy->hypercalls, &guest->hypercalls);
	if (r == 0 && guest->kernel) {
		copy->kernel = guest->kernel->ops->copy(guest->kernel);
		r = copy->kernel ? 0 : -ENOMEM;
	}
	pthread_mutex_unlock(&guest->sandbox.lock);
	return r < 0 ? viso_guest_unref(copy) : copy;
}
