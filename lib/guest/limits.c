/* SPDX-License-Identifier: MIT */
#include "guest/limits.h"

#include "core/error.h"
#include "guest/guest.h"

static const uint64_t processes_default = 256, processes_largest = 4096;

uint64_t guest_processes_max(const struct viso_guest *guest)
{
	return guest->limits.processes_max ? guest->limits.processes_max : processes_default;
}

int viso_guest_set_processes_max(viso_guest *guest, uint64_t count)
{
	int r = guest_check_setter(guest, __func__);
	if (r < 0)
		return r;
	if (count < 1 || count > processes_largest)
		return error_argument(__func__, "the number of processes is not between 1 and 4096");
	guest->limits.processes_max = count;
	return 0;
}

int viso_guest_set_files_max(viso_guest *guest, uint64_t count)
{
	int r = guest_check_setter(guest, __func__);
	if (r < 0)
		return r;
	if (count < 4 || count > 1048576)
		return error_argument(__func__, "the number of files is not between 4 and 1048576");
	guest->limits.files_max = count;
	return 0;
}

int viso_guest_set_written_max(viso_guest *guest, uint64_t bytes)
{
	int r = guest_check_setter(guest, __func__);
	if (r < 0)
		return r;
	if (bytes < 1)
		return error_argument(__func__, "no byte at all may be written");
	guest->limits.written_max = bytes;
	return 0;
}

int viso_guest_set_syscalls_max(viso_guest *guest, uint64_t count)
{
	int r = guest_check_setter(guest, __func__);
	if (r < 0)
		return r;
	if (count < 1)
		return error_argument(__func__, "the number of system calls is 0");
	guest->limits.syscalls_max = count;
	return 0;
}
