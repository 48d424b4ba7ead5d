/* SPDX-License-Identifier: MIT */
/* Which disks a computer has. */
#include <errno.h>
#include <stdlib.h>
#include <virtiso/guest_devices.h>

#include "core/error.h"
#include "guest/device/disk.h"
#include "guest/kernel/kernel.h"

enum { DISKS_MAX = 16, FLAGS = VISO_DISK_READ_ONLY | VISO_DISK_DISCARD_WRITES };

_Static_assert((int)VISO_DISK_READ_ONLY == (int)DISK_READ_ONLY &&
		       (int)VISO_DISK_DISCARD_WRITES == (int)DISK_DISCARD_WRITES,
	       "flags of disks are the public ones");

int viso_guest_add_disk(viso_guest *guest, const char *path, unsigned flags)
{
	struct kernel_guest *kernel = NULL;
	int r = kernel_settings(guest, __func__, &kernel);
	if (r < 0)
		return r;
	if (flags & ~(unsigned)FLAGS)
		return error_argument(__func__, "there are no such flags");
	if (kernel->disk_count == DISKS_MAX)
		return error_fail(VISO_STAGE_ARGUMENT, ENOSPC, __func__, "a computer has at most %d disks", DISKS_MAX);
	struct kernel_disk *disks = realloc(kernel->disks, (kernel->disk_count + 1) * sizeof(kernel->disks[0]));
	if (!disks)
		return error_memory();
	kernel->disks = disks;
	disks[kernel->disk_count] = (struct kernel_disk){.flags = flags};
	r = kernel_set_path(&disks[kernel->disk_count].path, path, __func__);
	if (r == 0)
		kernel->disk_count++;
	return r;
}
