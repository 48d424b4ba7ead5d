/* SPDX-License-Identifier: MIT */
/* The container of a contained guest. */
#ifndef GUEST_CONTAINED_CONTAINER_H
#define GUEST_CONTAINED_CONTAINER_H

#include <stdbool.h>
#include <stdint.h>
#include <virtiso/container.h>
#include <virtiso/guest.h>

/* What a host may not be able to do. */
struct contained_wishes {
	bool limited; /* memory, by a control group; RLIMIT_AS is there beside */
	bool counted; /* threads, likewise */
	bool mapped;  /* the guest's root is shown with its owners */
	bool stays;   /* not a wish: it has the bytes of calls, too, and can be frozen */
};

/* 0 or a negative errno with the error set. */
int contained_make_container(viso_guest *guest, int root_fd, struct contained_wishes wishes,
			     viso_container **out_container);

/* The same for a computer, which sees nothing of the host at all. */
int contained_make_computer_container(viso_guest *guest, bool is_limited, viso_container **out_container);
uint64_t contained_computer_memory(const viso_guest *guest);

/* How much memory the process may take, the guest's included. */
uint64_t contained_memory(const viso_guest *guest);

/* Whether it is to change files of the host; and whether it is to reach some with the rights of their owner. */
bool contained_writes(const viso_guest *guest);
bool contained_is_owner(const viso_guest *guest);

/* Without an overflow. */
uint64_t contained_add(uint64_t a, uint64_t b);

#endif
