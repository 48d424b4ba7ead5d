/* SPDX-License-Identifier: MIT */
/* From a failed step of the launcher to an error that says what to do. */
#ifndef LAUNCH_EXPLAIN_H
#define LAUNCH_EXPLAIN_H

#include <virtiso/sandbox.h>

#include "launch/plan/plan.h"

/* Sets the error; the negative errno. */
int explain_failure(viso_isolation isolation, const struct report_failure *failure);

/* For a hook whose failure does no harm; nothing where there is none. */
void explain_log_hook(const struct report_failure *failure);

#endif
