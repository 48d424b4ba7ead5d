/* SPDX-License-Identifier: MIT */
/* Setting the thread's error; reading it is <virtiso/error.h>. */
#ifndef CORE_ERROR_H
#define CORE_ERROR_H

#include <virtiso/error.h>

/*
 * All of them are cold: what leads to them lies apart from the code that runs.
 *
 * Sets the error of this thread and returns -`error`. `error` is positive. `format` makes the sentence for a person; it
 * should say what to do where that is known. With NULL the sentence is made from stage, object and errno. Both may
 * point into the current error (to wrap it).
 */
int error_fail(viso_stage stage, int error, const char *object, const char *format, ...)
	__attribute__((cold, format(printf, 4, 5)));

/* A bad argument of a public function: -EINVAL with "function: what is wrong". */
int error_argument(const char *function, const char *what) __attribute__((cold));

/* -ENOMEM with stage VISO_STAGE_MEMORY. */
int error_memory(void) __attribute__((cold));

#endif
