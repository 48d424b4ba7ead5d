/* SPDX-License-Identifier: MIT */
#include "guest/counts.h"

#include "core/error.h"
#include "guest/guest.h"

int viso_guest_syscalls(viso_guest *guest, int unserved, int *out_numbers, uint64_t *out_counts, size_t max)
{
	if (!guest)
		return error_argument(__func__, "the handle is NULL");
	if (max > 0 && !out_numbers)
		return error_argument(__func__, "there is no room for the numbers");
	int r = handle_check(&guest->sandbox.handle, __func__);
	if (r < 0)
		return r;
	size_t found = 0;
	for (int number = 0; number < COUNTED_CALLS; number++) {
		uint64_t count = atomic_load_explicit(&guest->counts.of[unserved != 0][number], memory_order_relaxed);
		if (!count)
			continue;
		if (found < max) {
			out_numbers[found] = number;
			if (out_counts)
				out_counts[found] = count;
		}
		found++;
	}
	return (int)found;
}
