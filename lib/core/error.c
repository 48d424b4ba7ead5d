/* SPDX-License-Identifier: MIT */
#include "core/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { OBJECT_MAX = 512, MESSAGE_MAX = 1280 };

/* Of fixed size, so that reporting an error never needs memory. */
static _Thread_local struct {
	int number;
	viso_stage stage;
	char object[OBJECT_MAX];
	char message[MESSAGE_MAX];
} last;

static const char *const stage_names[] = {
	[VISO_STAGE_NONE] = "none",
	[VISO_STAGE_ARGUMENT] = "argument",
	[VISO_STAGE_MEMORY] = "memory",
	[VISO_STAGE_ROOT] = "root",
	[VISO_STAGE_ELF] = "ELF",
	[VISO_STAGE_COMMAND] = "command",
	[VISO_STAGE_LAUNCHER] = "launcher",
	[VISO_STAGE_CLONE] = "clone",
	[VISO_STAGE_USER_NAMESPACE] = "user namespace",
	[VISO_STAGE_NAMESPACE] = "namespace",
	[VISO_STAGE_MOUNT] = "mount",
	[VISO_STAGE_PIVOT] = "pivot",
	[VISO_STAGE_CHROOT] = "chroot",
	[VISO_STAGE_CGROUP] = "cgroup",
	[VISO_STAGE_RLIMIT] = "resource limit",
	[VISO_STAGE_CREDENTIALS] = "credentials",
	[VISO_STAGE_CAPABILITIES] = "capabilities",
	[VISO_STAGE_LANDLOCK] = "Landlock",
	[VISO_STAGE_SECCOMP] = "seccomp",
	[VISO_STAGE_STDIO] = "standard streams",
	[VISO_STAGE_CWD] = "working directory",
	[VISO_STAGE_EXEC] = "exec",
	[VISO_STAGE_NETWORK] = "network",
	[VISO_STAGE_KVM] = "KVM",
	[VISO_STAGE_GUEST] = "guest",
	[VISO_STAGE_PROCESS] = "process",
	[VISO_STAGE_MACHINE] = "machine",
	[VISO_STAGE_IMAGE] = "image",
	[VISO_STAGE_HOOK] = "hook",
	[VISO_STAGE_CHECKPOINT] = "checkpoint",
};

const char *viso_stage_name(viso_stage stage)
{
	if ((unsigned)stage >= sizeof(stage_names) / sizeof(stage_names[0]))
		return NULL;
	return stage_names[stage];
}

int error_fail(viso_stage stage, int error, const char *object, const char *format, ...)
{
	char new_object[OBJECT_MAX];
	char new_message[MESSAGE_MAX];

	snprintf(new_object, sizeof(new_object), "%s", object ? object : "");
	if (format) {
		va_list args;
		va_start(args, format);
		vsnprintf(new_message, sizeof(new_message), format, args);
		va_end(args);
	} else {
		const char *reason = strerrordesc_np(error);
		snprintf(new_message, sizeof(new_message), "%s: %s%s%s", viso_stage_name(stage), new_object,
			 new_object[0] ? ": " : "", reason ? reason : "unknown error");
	}
	last.number = error;
	last.stage = stage;
	memcpy(last.object, new_object, sizeof(new_object));
	memcpy(last.message, new_message, sizeof(new_message));
	errno = error;
	return -error;
}

int error_argument(const char *function, const char *what)
{
	return error_fail(VISO_STAGE_ARGUMENT, EINVAL, function, "%s: %s", function, what);
}

int error_memory(void)
{
	return error_fail(VISO_STAGE_MEMORY, ENOMEM, NULL, "out of memory");
}

int viso_error_number(void)
{
	return last.number;
}

viso_stage viso_error_stage(void)
{
	return last.stage;
}

const char *viso_error_object(void)
{
	return last.object;
}

const char *viso_error_message(void)
{
	return last.message;
}

void viso_error_clear(void)
{
	last.number = 0;
	last.stage = VISO_STAGE_NONE;
	last.object[0] = '\0';
	last.message[0] = '\0';
}
