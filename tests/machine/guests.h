/* SPDX-License-Identifier: MIT */
/* Guests with their devices, modules and tools, as captured directories that are made of lines: see guests.c. */
#ifndef TEST_GUESTS_H
#define TEST_GUESTS_H

struct guest_expectation {
	const char *name;  /* of a driver, or of a tool */
	const char *value; /* the state of the driver; or installed, running, channel as three words */
};

struct guest_machine {
	const char *title;
	/*
	 * "PATH = TEXT" a file, with \n in it; "PATH -> TARGET" a link; "PATH/" a directory; "NAME: …" for lines of the
	 * files cpuid, uname, ns and errors: those are appended.
	 */
	const char *lines[40];
	struct guest_expectation drivers[12]; /* all others do not apply */
	struct guest_expectation tools[6];    /* of all others nothing is here */
	const char *package;                  /* "DRIVER or TOOL: PACKAGE" */
	const char *families;                 /* those that are here, or ?NAME where it is not known */
	const char *way;                      /* of hypercalls */
};
extern const struct guest_machine guest_machines[];
extern const int guest_machine_count;

/* Makes the directory, which must not be there. */
void guest_machine_make(const struct guest_machine *machine, const char *directory);

#endif
