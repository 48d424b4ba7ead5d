/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "core/error.h"
#include "guest/contained/contained.h"
#include "guest/guest.h"

static int refuse(const char *setting)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, setting,
			  "%s needs the host program, and cannot be used with VISO_PLACEMENT_CONTAINED: leave the "
			  "placement out, or the setting",
			  setting);
}

int contained_check_setting(const viso_guest *guest, const char *setting)
{
	return guest->placement == VISO_PLACEMENT_CONTAINED ? refuse(setting) : 0;
}

/*
 * A setting that is made and needs the host program; NULL for none. A ring lies in the guest's memory, which would have
 * to be that of two processes, and the point of it is that nobody hands anything over: the host program's threads would
 * read it while a process that is hostile writes to it, at any moment, and wait for that one's processor by nothing but
 * time.
 */
static const char *needs_host(const viso_guest *guest)
{
	return guest->ring_poll_us ? "viso_guest_set_ring" : NULL;
}

int viso_guest_set_placement(viso_guest *guest, viso_placement placement)
{
	int r = guest_check_setter(guest, __func__);
	if (r < 0)
		return r;
	if (placement != VISO_PLACEMENT_THREAD && placement != VISO_PLACEMENT_CONTAINED)
		return error_argument(__func__, "no such placement");
	const char *setting = placement == VISO_PLACEMENT_CONTAINED ? needs_host(guest) : NULL;
	if (setting)
		return refuse(setting);
	guest->placement = placement;
	return 0;
}
