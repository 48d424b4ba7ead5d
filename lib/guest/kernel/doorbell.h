/* SPDX-License-Identifier: MIT */
/* The doorbell as a part of a computer, and the public calls that go through it. */
#ifndef GUEST_KERNEL_DOORBELL_H
#define GUEST_KERNEL_DOORBELL_H

#include "guest/device/doorbell.h"
#include "guest/kernel/machine.h"

/* 0 or a negative errno with the error set. */
int doorbell_add(struct machine *machine, struct viso_guest *guest);

/* Struct kernel_ops. */
int64_t doorbell_call(struct viso_guest *guest, const struct doorbell_request *request, const char *function);
int doorbell_cancel_calls(struct viso_guest *guest);

#endif
