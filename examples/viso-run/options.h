/* SPDX-License-Identifier: MIT */
/* The command line: which options there are. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "run.h"

/* Beside those that are a letter; by the strengths that have them. */
enum {
	OPTION_FIRST = 256,
	OPTION_PROCESSES,
	OPTION_USER,
	OPTION_ENV,
	OPTION_CWD,
	OPTION_TERMINAL,
	OPTION_USAGE,
	OPTION_TIMINGS,
	/* of guests and containers */
	OPTION_BIND,
	OPTION_WRITE,
	/* of guests only */
	OPTION_CONTAINED,
	OPTION_CORE,
	OPTION_KERNEL,
	OPTION_SYSCALLS,
	/* of containers only */
	OPTION_BUNDLE,
	OPTION_TMPFS,
	OPTION_READ_ONLY,
	OPTION_MASK,
	OPTION_DEVICE,
	OPTION_SWAP,
	OPTION_CPUS,
	OPTION_CPU_SET,
	OPTION_INTERFACE,
	OPTION_ADDRESS,
	OPTION_GATEWAY,
	OPTION_DNS,
	OPTION_NAT,
	OPTION_PUBLISH,
	OPTION_HOSTNAME,
	OPTION_SHARE,
	OPTION_SYSCTL,
	OPTION_CAPABILITY,
	OPTION_SECCOMP,
	OPTION_LANDLOCK,
};

enum { HELPED = 1 };

/* Fills `options`; the command is what is left from argv[optind] on. 0, -1 or HELPED. */
int parse_options(int argc, char **argv, struct options *options);

#endif
