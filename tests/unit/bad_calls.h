/* SPDX-License-Identifier: MIT */
/* Calls with NULL handles and other arguments that are none: what is expected of every public function. */
#ifndef BAD_CALLS_H
#define BAD_CALLS_H

#include <errno.h>
#include <stdbool.h>
#include <virtiso.h>

#include "support.h"

/* Counted, so that one run shows all. */
extern int bad_calls_failures;

/* `refused`: the call gave what a refusal gives; its error must have a stage, name the function and say something. */
void bad_calls_check(const char *call, bool refused);

/* For cmocka_unit_test_setup(). */
int bad_calls_set_up(void **state);

#define REFUSED(call) bad_calls_check(#call, (call) == -EINVAL)
#define REFUSED_NULL(call) bad_calls_check(#call, (call) == NULL)

/* What takes NULL and sets no error. */
#define HARMLESS(call)                                                                                                 \
	do {                                                                                                           \
		if (!(call) || viso_error_number()) {                                                                  \
			print_error("%s: not so, or an error was set: %s\n", #call, viso_error_message());             \
			bad_calls_failures++;                                                                          \
			viso_error_clear();                                                                            \
		}                                                                                                      \
	} while (0)

#endif
