/* SPDX-License-Identifier: MIT */
/* Stand-ins: each is deleted when the real function is written. */
#include <errno.h>
#include <virtiso.h>

#include "core/error.h"

int viso_container_add_capability_to(viso_container *container, unsigned sets, const char *capability)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_set_securebits(viso_container *container, unsigned bits)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_set_new_privileges(viso_container *container, int allowed)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_set_seccomp_profile(viso_container *container, viso_seccomp_profile profile)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_add_syscall_rule(viso_container *container, const char *name, viso_syscall_action action, int error)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_add_syscall_rule_if(viso_container *container, const char *name, unsigned argument, uint64_t mask, uint64_t value, viso_syscall_action action, int error)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_load_seccomp(viso_container *container, const char *path)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_container_add_landlock_path(viso_container *container, const char *path, unsigned access)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

viso_notification *viso_notification_ref(viso_notification *notification)
{
	return NULL;
}

viso_notification *viso_notification_unref(viso_notification *notification)
{
	return NULL;
}

int viso_process_notification_fd(viso_process *process)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_process_next_notification(viso_process *process, int timeout_ms, viso_notification **out_notification)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

const char *viso_notification_name(const viso_notification *notification)
{
	return NULL;
}

int viso_notification_number(const viso_notification *notification)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_notification_pid(const viso_notification *notification)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_notification_argument(const viso_notification *notification, unsigned index, uint64_t *out_value)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_notification_read(const viso_notification *notification, uint64_t address, void *buffer, size_t size)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_notification_answer(viso_notification *notification, int64_t value)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_notification_refuse(viso_notification *notification, int error)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_notification_continue(viso_notification *notification)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}

int viso_notification_answer_fd(viso_notification *notification, int fd)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSYS, __func__, NULL);
}
