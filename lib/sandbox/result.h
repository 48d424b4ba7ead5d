/* SPDX-License-Identifier: MIT */
/* Making a viso_result, for the backends. */
#ifndef SANDBOX_RESULT_H
#define SANDBOX_RESULT_H

#include <stdbool.h>
#include <virtiso/result.h>

#include "core/handle.h"

enum { RESULT_USAGE_COUNT = VISO_USAGE_INTERRUPTS + 1, RESULT_DESCRIPTION_MAX = 160, RESULT_REGISTERS_MAX = 24 };

struct captured_output {
	char *data; /* malloced, followed by a NUL; NULL where nothing was captured */
	size_t size;
	bool truncated;
};

struct result_register {
	char name[8];
	uint64_t value;
};

struct viso_result {
	struct handle handle;
	viso_reason reason;
	int exit_code;                     /* -1 where it did not exit */
	int signal;                        /* 0 where no signal ended it */
	int64_t usage[RESULT_USAGE_COUNT]; /* -1: not counted */
	struct captured_output output[2];  /* stdout, stderr */
	struct result_register registers[RESULT_REGISTERS_MAX];
	size_t register_count; /* 0 where there are none */
	bool has_fault_address;
	uint64_t fault_address;
	char description[RESULT_DESCRIPTION_MAX];
};

/* An empty result (reason EXITED, exit code -1, usage not counted); NULL without memory. The error is not set. */
viso_result *result_new(void);

struct rusage;
/* The figures that getrusage(2) has, but the peak of memory, which counts otherwise in each strength. */
void result_put_rusage(viso_result *result, const struct rusage *usage);

/*
 * Puts the end into words, from reason, exit code and signal. `detail`, for VISO_REASON_GUEST_FAULT and SIGNALLED, is
 * appended in brackets; NULL for none.
 */
void result_describe(viso_result *result, const char *detail);

#endif
