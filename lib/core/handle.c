/* SPDX-License-Identifier: MIT */
#include "core/handle.h"

#include <errno.h>

#include "core/error.h"
#include "core/hot.h"

void handle_init(struct handle *handle)
{
	atomic_init(&handle->references, 1);
	handle->owner = own_mark();
}

HOT bool handle_is_mine(const struct handle *handle)
{
	return mark_is_own(&handle->owner);
}

HOT int handle_check(const struct handle *handle, const char *function)
{
	if (!handle)
		return error_argument(function, "the handle is NULL");
	if (!handle_is_mine(handle))
		return error_fail(VISO_STAGE_ARGUMENT, ECHILD, function,
				  "%s: the handle was made before a fork; make a new one in the child", function);
	return 0;
}

HOT void handle_ref(struct handle *handle)
{
	atomic_fetch_add_explicit(&handle->references, 1, memory_order_relaxed);
}

bool handle_ref_if_alive(struct handle *handle)
{
	unsigned references = atomic_load(&handle->references);
	while (references > 0)
		if (atomic_compare_exchange_weak(&handle->references, &references, references + 1))
			return true;
	return false;
}

HOT bool handle_unref_unless_last(struct handle *handle)
{
	unsigned references = atomic_load(&handle->references);
	while (references > 1)
		if (atomic_compare_exchange_weak(&handle->references, &references, references - 1))
			return true;
	return false;
}

bool handle_unref(struct handle *handle)
{
	return atomic_fetch_sub_explicit(&handle->references, 1, memory_order_acq_rel) == 1;
}
