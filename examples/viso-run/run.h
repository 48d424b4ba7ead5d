/* SPDX-License-Identifier: MIT */
/* What the parts of viso-run share. */
#ifndef RUN_H
#define RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <virtiso.h>

/* As timeout(1) and env(1) have it. */
enum { EXIT_TIMED_OUT = 124, EXIT_OWN_ERROR = 125, EXIT_SIGNAL_BASE = 128 };

/* What the command line says. The settings that only a container has go straight into its handle. */
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
	viso_command *bundle;       /* the command of an OCI bundle, whose container takes the place of ours */
	const char *container_only; /* the last option that jails and guests do not have */
	viso_root *root;
	viso_container *container;
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

/* container.c: whether it is an option of containers, and then what setting it gave: 0 or -1. */
bool is_container_option(int option);
int set_container_option(struct options *options, int option, const char *value);

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
