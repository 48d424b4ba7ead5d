/* SPDX-License-Identifier: MIT */
#include "guest/kernel/generation.h"

#include <errno.h>
#include <sys/random.h>

#include "core/error.h"
#include "guest/kernel/layout.h"

int generation_set(const struct machine *machine)
{
	uint8_t bytes[LAYOUT_GENERATION_SIZE];
	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return error_fail(VISO_STAGE_GUEST, errno, "getrandom", NULL);
	if (!ram_write(&machine->ram, LAYOUT_GENERATION, bytes, sizeof(bytes)))
		return error_fail(VISO_STAGE_GUEST, ENOSPC, "memory", "the guest has too little memory to begin");
	return 0;
}

int generation_change(struct machine *machine)
{
	const struct interrupt changed = machine_interrupt(machine, LAYOUT_GENERATION_LINE);
	int r = generation_set(machine);
	if (r == 0)
		interrupt_pulse(&changed);
	return r;
}
