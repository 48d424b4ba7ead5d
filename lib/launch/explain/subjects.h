/* SPDX-License-Identifier: MIT */
/* Advice by subject: each writes a sentence without its end into `text` where it knows what to do, else nothing. */
#ifndef LAUNCH_EXPLAIN_SUBJECTS_H
#define LAUNCH_EXPLAIN_SUBJECTS_H

#include <stdbool.h>
#include <stddef.h>

#include "launch/plan/plan.h"

/* clone of a process or of one in new namespaces, unshare, setns. */
void explain_clone(char *text, size_t size, int error);
void explain_user_namespace(char *text, size_t size, const struct report_failure *failure);
void explain_namespace(char *text, size_t size, const struct report_failure *failure);

/* newuidmap(1) and newgidmap(1): the object of the failure is their command line, without the process. */
void explain_id_map(char *text, size_t size, const struct report_failure *failure);

/* File systems of a container. */
void explain_mount(char *text, size_t size, const struct report_failure *failure);

/* Root that lacks it, as in most containers, finds out late. False where that is not the reason. */
bool explain_missing_capability(char *text, size_t size, int capability, const char *name);

/* What a command sets of its process: limits, scheduling. */
void explain_attribute(char *text, size_t size, const struct report_failure *failure);

#endif
