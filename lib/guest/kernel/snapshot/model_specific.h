/* SPDX-License-Identifier: MIT */
/* The model-specific registers of a processor, those that KVM keeps for a guest. */
#ifndef GUEST_KERNEL_SNAPSHOT_MODEL_SPECIFIC_H
#define GUEST_KERNEL_SNAPSHOT_MODEL_SPECIFIC_H

#include "guest/device/state.h"
#include "guest/kernel/machine.h"

/* 0 or a negative errno with the error set. */
int model_specific_save(const struct machine_cpu *processor, struct state_writer *out);
/* What the processor has already is left alone. */
int model_specific_load(const struct machine_cpu *processor, struct state_reader *in);

#endif
