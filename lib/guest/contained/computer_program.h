/* SPDX-License-Identifier: MIT */
/* In the program that serves a contained guest: one that is a computer. */
#ifndef GUEST_CONTAINED_COMPUTER_PROGRAM_H
#define GUEST_CONTAINED_COMPUTER_PROGRAM_H

#include <stdbool.h>

/* Whether the settings are those of a computer. */
bool computer_is_wanted(void);

/* Runs it to its end, with report and answer. */
void computer_run(void);

#endif
