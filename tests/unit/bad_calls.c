/* SPDX-License-Identifier: MIT */
#include "bad_calls.h"

#include <string.h>

int bad_calls_failures;

void bad_calls_check(const char *call, bool refused)
{
	size_t name = strcspn(call, "(");
	const char *problem = NULL;
	if (!refused)
		problem = "is not refused with EINVAL";
	else if (viso_error_number() != EINVAL || viso_error_stage() != VISO_STAGE_ARGUMENT)
		problem = "does not set errno EINVAL and stage ARGUMENT";
	else if (strncmp(viso_error_object(), call, name) || viso_error_object()[name])
		problem = "does not name itself as the object";
	else if (!viso_error_message()[0])
		problem = "has no message";
	if (problem) {
		print_error("%s %s (object '%s', message '%s')\n", call, problem, viso_error_object(),
			    viso_error_message());
		bad_calls_failures++;
	}
	viso_error_clear();
}

int bad_calls_set_up(void **state)
{
	bad_calls_failures = 0;
	viso_error_clear();
	return 0;
}
