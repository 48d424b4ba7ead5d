/* SPDX-License-Identifier: MIT */
#include "sandbox/result.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/error.h"
#include "core/hot.h"

viso_result *result_new(void)
{
	viso_result *result = calloc(1, sizeof(*result));
	if (!result)
		return NULL;
	handle_init(&result->handle);
	result->reason = VISO_REASON_EXITED;
	result->exit_code = -1;
	for (int i = 0; i < RESULT_USAGE_COUNT; i++)
		result->usage[i] = -1;
	return result;
}

void result_put_rusage(viso_result *result, const struct rusage *usage)
{
	int64_t *out = result->usage;
	out[VISO_USAGE_USER_US] = usage->ru_utime.tv_sec * 1000000 + usage->ru_utime.tv_usec;
	out[VISO_USAGE_SYSTEM_US] = usage->ru_stime.tv_sec * 1000000 + usage->ru_stime.tv_usec;
	out[VISO_USAGE_MINOR_FAULTS] = usage->ru_minflt;
	out[VISO_USAGE_MAJOR_FAULTS] = usage->ru_majflt;
	out[VISO_USAGE_BLOCKS_IN] = usage->ru_inblock;
	out[VISO_USAGE_BLOCKS_OUT] = usage->ru_oublock;
	out[VISO_USAGE_VOLUNTARY_SWITCHES] = usage->ru_nvcsw;
	out[VISO_USAGE_INVOLUNTARY_SWITCHES] = usage->ru_nivcsw;
}

void result_describe(viso_result *result, const char *detail)
{
	char *text = result->description;
	const char *name = sigdescr_np(result->signal);

	switch (result->reason) {
	case VISO_REASON_EXITED:
		snprintf(text, RESULT_DESCRIPTION_MAX, "exited with code %d", result->exit_code);
		break;
	case VISO_REASON_TIMED_OUT:
		snprintf(text, RESULT_DESCRIPTION_MAX, "timed out");
		break;
	case VISO_REASON_CPU_TIME:
		snprintf(text, RESULT_DESCRIPTION_MAX, "CPU time used up");
		break;
	case VISO_REASON_OUT_OF_MEMORY:
		snprintf(text, RESULT_DESCRIPTION_MAX, "out of memory");
		break;
	case VISO_REASON_KILLED:
		snprintf(text, RESULT_DESCRIPTION_MAX, "killed by the host program");
		break;
	case VISO_REASON_SECCOMP:
		snprintf(text, RESULT_DESCRIPTION_MAX, "killed for a forbidden system call");
		break;
	case VISO_REASON_GUEST_FAULT:
		snprintf(text, RESULT_DESCRIPTION_MAX, "the virtual machine failed");
		break;
	case VISO_REASON_SYSCALLS_MAX:
		snprintf(text, RESULT_DESCRIPTION_MAX, "its system calls were used up");
		break;
	case VISO_REASON_SIGNALLED:
	default:
		snprintf(text, RESULT_DESCRIPTION_MAX, "killed by signal %d (%s)", result->signal,
			 name ? name : "unknown");
		break;
	}
	if (detail) {
		size_t length = strlen(text);
		snprintf(text + length, RESULT_DESCRIPTION_MAX - length, " (%s)", detail);
	}
}

viso_result *viso_result_ref(viso_result *result)
{
	if (result)
		handle_ref(&result->handle);
	return result;
}

HOT viso_result *viso_result_unref(viso_result *result)
{
	if (result && handle_unref(&result->handle)) {
		for (int i = 0; i < 2; i++)
			free(result->output[i].data);
		free(result);
	}
	return NULL;
}

int viso_result_reason(const viso_result *result)
{
	return result ? (int)result->reason : error_argument(__func__, "the result is NULL");
}

int viso_result_exit_code(const viso_result *result)
{
	return result ? result->exit_code : -1;
}

int viso_result_signal(const viso_result *result)
{
	return result ? result->signal : 0;
}

const char *viso_result_describe(const viso_result *result)
{
	return result ? result->description : "";
}

int64_t viso_result_usage(const viso_result *result, viso_usage usage)
{
	if (!result)
		return error_argument(__func__, "the result is NULL");
	if ((unsigned)usage >= RESULT_USAGE_COUNT)
		return error_argument(__func__, "no such figure");
	if (result->usage[usage] < 0)
		return error_fail(VISO_STAGE_PROCESS, ENODATA, __func__, "%s: this strength does not count it",
				  __func__);
	return result->usage[usage];
}

const char *viso_result_output(const viso_result *result, viso_stream stream, size_t *out_size)
{
	if (!result || (stream != VISO_STDOUT && stream != VISO_STDERR)) {
		error_argument(__func__, "the result is NULL or the stream is no output");
		return NULL;
	}
	const struct captured_output *output = &result->output[stream - VISO_STDOUT];
	if (out_size)
		*out_size = output->data ? output->size : 0;
	return output->data ? output->data : "";
}

int viso_result_output_truncated(const viso_result *result, viso_stream stream)
{
	if (!result || (stream != VISO_STDOUT && stream != VISO_STDERR))
		return error_argument(__func__, "the result is NULL or the stream is no output");
	return result->output[stream - VISO_STDOUT].truncated;
}

static int no_data(const char *function, const char *what)
{
	return error_fail(VISO_STAGE_PROCESS, ENODATA, function, "%s: %s", function, what);
}

int viso_result_register(const viso_result *result, const char *name, uint64_t *out_value)
{
	int r = handle_check(result ? &result->handle : NULL, __func__);
	if (r < 0)
		return r;
	if (!name || !out_value)
		return error_argument(__func__, "the name or the output is NULL");
	if (!result->register_count)
		return no_data(__func__, "only a guest that did not exit by itself leaves registers");
	for (size_t i = 0; i < result->register_count; i++)
		if (!strcmp(result->registers[i].name, name)) {
			*out_value = result->registers[i].value;
			return 0;
		}
	return error_argument(__func__, "no such register; they are rax to r15, rip, rflags, fs_base and gs_base");
}

int viso_result_fault_address(const viso_result *result, uint64_t *out_address)
{
	int r = handle_check(result ? &result->handle : NULL, __func__);
	if (r < 0)
		return r;
	if (!out_address)
		return error_argument(__func__, "the output is NULL");
	if (!result->has_fault_address)
		return no_data(__func__, "no access to an address has ended this command");
	*out_address = result->fault_address;
	return 0;
}
