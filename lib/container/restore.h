/* SPDX-License-Identifier: MIT */
/* What checkpoint.c and restore.c share: the directory of the images, and what can be in them. */
#ifndef CONTAINER_RESTORE_H
#define CONTAINER_RESTORE_H

#include <stdbool.h>
#include <stdint.h>

#include "launch/plan/plan.h"

/* Beside the images of criu(8): the first of the host ids. */
#define RESTORE_STATE "virtiso.state"

/* plain.c: 0 where criu can restore a container of this plan as it was, whether in groups of its own or not; else -EOPNOTSUPP with the setting's name. */
int plain_check(const struct plan *plan, bool limited, const char *function);

/*
 * images.c: criu cannot restore a process whose program is a memfd, as the init's is; so that is written to have the
 * program of another one. 0 or a negative errno with the error set.
 */
int images_name_program(int directory);

#endif
