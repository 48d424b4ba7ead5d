/* SPDX-License-Identifier: MIT */
/* What the parts of viso-run share. */
#ifndef RUN_H
#define RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <virtiso.h>

/* As timeout(1) and env(1) have it. */
enum { EXIT_TIMED_OUT = 124, EXIT_OWN_ERROR = 125, EXIT_SIGNAL_BASE = 128 };

/* What the command line says. The settings that not all strengths have go straight into their handles. */
struct options {
	viso_isolation isolation;
	uint64_t memory; /* bytes; 0: not limited, in a guest the library's default */
	uint64_t processes;
	uint64_t timeout_ms;
	viso_network network;
	const char *cwd;
	const char *user; /* "UID" or "UID:GID" */
	char **env;       /* "NAME=VALUE" each */
	int env_count;
	bool terminal;
	bool usage;
	bool timings;
	viso_command *bundle; /* the command of an OCI bundle, whose container takes the place of ours */
	bool syscalls;
	const char *needs; /* the last option that not all strengths have */
	bool strengths[4]; /* the strengths that have all options given, by viso_isolation */
	viso_root *root;
	viso_container *container;
	viso_guest *guest; /* NULL where the library was built without guests */
};

/* What the library says about the last call that failed. -1. */
int fail(void);

/* Says what is wrong with an option. -1. */
int fail_option(const char *option, const char *value, const char *wanted);

/* parse.c: texts of the command line. 0, or -1 after saying what is wrong. */
int parse_size(const char *option, const char *text, uint64_t *out_bytes);
int parse_seconds(const char *option, const char *text, uint64_t *out_ms);
int parse_number(const char *option, const char *text, uint64_t most, uint64_t *out_number);
int parse_network(const char *text, viso_network *out_network);
int parse_user(const char *text, unsigned *out_uid, unsigned *out_gid);

/* Cuts "a:b:c" into its parts, in place; those that are missing are NULL. */
void cut(char *text, char separator, char *parts[3]);

/* container.c, guest.c: options that not all strengths have. 0, or -1 after saying what is wrong. */
int set_container_option(struct options *options, int option, const char *value);
int set_guest_option(struct options *options, int option, const char *value);
/* The system calls that the library did not serve. */
void print_syscalls_of(viso_guest *guest);

/* terminal.c: connects this program's terminal with that of the process until it ends. */
int relay_terminal(viso_process *process);
/* The size of this program's terminal; 80 x 25 without one. */
void terminal_size(unsigned *out_columns, unsigned *out_rows);

/* strengths.c: a sandbox of the wanted strength with its root and limits; released by release_sandbox(). NULL after
 * saying why not. */
viso_sandbox *make_sandbox(const struct options *options);
void release_sandbox(void);

/* report.c: how the command ended, on standard error; the exit code of viso-run. */
int report(const viso_result *result);
void print_usage_of(const viso_result *result);
void print_timings_of(viso_process *process);

#endif
