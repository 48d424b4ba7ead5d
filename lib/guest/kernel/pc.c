/* SPDX-License-Identifier: MIT */
/* VISO_PLATFORM_PC: a PC as an operating system finds it that knows nothing of virtualisation. */
#include <errno.h>

#include "core/error.h"
#include "guest/kernel/kernel.h"
#include "guest/kernel/platform.h"
#include "guest/kernel/power.h"

int pc_add_devices(struct machine *machine, viso_guest *guest)
{
	if (!guest->kernel->image)
		return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, "firmware",
				  "a PC cannot boot by its firmware yet; give it a kernel by viso_guest_set_kernel()");
	int r = platform_add_serial(machine);
	if (r == 0)
		r = power_add(machine);
	if (r == 0)
		r = power_add_keyboard_reset(machine);
	return r < 0 ? r : power_add_reset_port(machine);
}
