/* SPDX-License-Identifier: MIT */
/* Stand-ins: each is deleted when the real function is written. */
#include <errno.h>
#include <virtiso.h>

#include "core/error.h"

int viso_container_set_memory_high(viso_container *container, uint64_t bytes)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_set_swap_max(viso_container *container, uint64_t bytes)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_set_cpu_max(viso_container *container, uint64_t quota_us, uint64_t period_us)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_set_cpu_weight(viso_container *container, unsigned weight)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_set_cpus(viso_container *container, const char *cpus)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_set_memory_nodes(viso_container *container, const char *nodes)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_set_io_max(viso_container *container, const char *device, viso_io_rate rate, uint64_t per_second)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_set_io_weight(viso_container *container, unsigned weight)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_set_hugetlb_max(viso_container *container, uint64_t page_size, uint64_t bytes)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_allow_device(viso_container *container, char type, int major, int minor, const char *access)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_set_cgroup_value(viso_container *container, const char *file, const char *value)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_set_cgroup_parent(viso_container *container, const char *path)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int64_t viso_process_usage(viso_process *process, viso_usage usage)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_sandbox_pause(viso_sandbox *sandbox)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_sandbox_resume(viso_sandbox *sandbox)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int64_t viso_sandbox_usage(viso_sandbox *sandbox, viso_usage usage)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_sandbox_fd(viso_sandbox *sandbox)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_sandbox_next_event(viso_sandbox *sandbox, viso_process **out_process)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}
