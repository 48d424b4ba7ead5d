/* SPDX-License-Identifier: MIT */
/* Guests whose computers go on from a snapshot in place of booting. */
#include <errno.h>

#include "core/error.h"
#include "guest/guest.h"
#include "guest/kernel/snapshot/computer.h"

int computer_clone(viso_snapshot *snapshot, viso_guest **out_guest)
{
	viso_guest *guest = guest_new_like(snapshot->settings);
	if (!guest)
		return -ENOMEM;
	guest->kernel->origin = viso_snapshot_ref(snapshot);
	guest->is_new_clone = true;
	*out_guest = guest;
	return 0;
}

/* The next computer goes on from the snapshot by itself; what is left to do is to let go of the last one. */
int computer_reset(viso_guest *guest)
{
	static const char function[] = "viso_guest_reset";
	struct kernel_guest *kernel = guest->kernel;
	int r = sandbox_check_use(&guest->sandbox, function);
	if (r < 0)
		return r;
	if (!kernel->origin)
		return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, function,
				  "%s: the guest boots an operating system and is no clone; boot it again", function);
	if (tools_computer_runs(kernel))
		return error_fail(VISO_STAGE_GUEST, EBUSY, function,
				  "%s: the clone's computer runs; kill it and wait for its end before", function);
	tools_close(kernel, false);
	device_settings_unbind(&kernel->devices);
	guest->is_new_clone = true;
	return 0;
}
