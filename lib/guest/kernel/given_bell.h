/* SPDX-License-Identifier: MIT */
/* The doorbell of a computer whose other side is another process's: what KVM is told of it. */
#ifndef GUEST_KERNEL_GIVEN_BELL_H
#define GUEST_KERNEL_GIVEN_BELL_H

#include "guest/kernel/machine.h"

/* `pages` is the fd of its pages, and the next one an eventfd by which it rings. 0 or a negative errno with the error
 * set. */
int given_bell_add(struct machine *machine, int pages);

#endif
