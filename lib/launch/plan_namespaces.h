/* SPDX-License-Identifier: MIT */
/* Namespaces, ids and kernel parameters: lib/container/namespaces.c writes it. */
#ifndef LAUNCH_PLAN_NAMESPACES_H
#define LAUNCH_PLAN_NAMESPACES_H

#include "launch/plan_types.h"

struct plan_namespaces {
	plan_offset hostname;
};

#endif
