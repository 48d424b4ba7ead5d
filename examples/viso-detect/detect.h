/* SPDX-License-Identifier: MIT */
/* What the parts of viso-detect share. */
#ifndef DETECT_H
#define DETECT_H

#include <virtiso.h>

/* Each prints all that is known. 0, or -1 with the error on stderr. */
int print_text(const viso_machine *machine);
int print_json(const viso_machine *machine);

/* What of the library works here, a line each. */
int print_features(const viso_machine *machine);

#endif
