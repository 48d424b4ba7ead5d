/* SPDX-License-Identifier: MIT */
/* For tests of the guest tools in a Linux kernel. */
#ifndef TEST_TOOLS_SUPPORT_H
#define TEST_TOOLS_SUPPORT_H

#include "kernel_support.h"

/* That of the rig, to be freed; skips where there is none. */
char *tools_find_kernel(void);

/* Runs a program with two arguments, its output captured, and no input. */
viso_result *tools_run(viso_sandbox *sandbox, const char *program, const char *option, const char *text);

/* Checks the result and releases it. */
void assert_output(viso_result *result, int code, const char *output);

#endif
