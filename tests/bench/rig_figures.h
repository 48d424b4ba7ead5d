/* SPDX-License-Identifier: MIT */
/*
 * For the programs that tests/bench/run has run in the rig (see its rig_rows()). Each measures our computers and those
 * of a peer in turn, and prints a figure with each repetition; the runner makes medians and ratios of them. The rig
 * wants to see a test, of one case.
 */
#ifndef RIG_FIGURES_H
#define RIG_FIGURES_H

#include <stdio.h>

/* `who` is "library" or "peer"; the unit is up to the row. */
static inline void rig_figure(const char *row, const char *who, double value)
{
	printf("figure %s %s %.3f\n", row, who, value);
	fflush(stdout);
}

static inline int rig_finish(const char *name, int has_failed)
{
	printf("1..1\n%s 1 - %s\n", has_failed ? "not ok" : "ok", name);
	return has_failed;
}

#endif
