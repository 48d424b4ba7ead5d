/* SPDX-License-Identifier: MIT */
#include "guest/limits.h"

#include "core/error.h"
#include "guest/guest.h"

static const uint64_t processes_default = 256, processes_largest = 4096, files_largest = 1 << 20;

uint64_t guest_processes_max(const struct viso_guest *guest)
{
	return guest->limits.processes_max ? guest->limits.processes_max : processes_default;
}

/* `wanted` says what is wrong with a value out of bounds. */
static int set_limit(viso_guest *guest, uint64_t *member, uint64_t value, uint64_t least, uint64_t most,
		     const char *wanted, const char *function)
{
	int r = guest_check_setter(guest, function);
	if (r < 0)
		return r;
	if (value < least || value > most)
		return error_argument(function, wanted);
	*member = value;
	return 0;
}

int viso_guest_set_processes_max(viso_guest *guest, uint64_t count)
{
	return set_limit(guest, guest ? &guest->limits.processes_max : NULL, count, 1, processes_largest,
			 "the number of processes is not between 1 and 4096", __func__);
}

int viso_guest_set_files_max(viso_guest *guest, uint64_t count)
{
	return set_limit(guest, guest ? &guest->limits.files_max : NULL, count, 4, files_largest,
			 "the number of files is not between 4 and 1048576", __func__);
}

int viso_guest_set_written_max(viso_guest *guest, uint64_t bytes)
{
	return set_limit(guest, guest ? &guest->limits.written_max : NULL, bytes, 1, UINT64_MAX,
			 "no byte at all may be written", __func__);
}

int viso_guest_set_syscalls_max(viso_guest *guest, uint64_t count)
{
	return set_limit(guest, guest ? &guest->limits.syscalls_max : NULL, count, 1, UINT64_MAX,
			 "the number of system calls is 0", __func__);
}
