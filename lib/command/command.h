/* SPDX-License-Identifier: MIT */
/* The inside of a viso_command, for those that start it. */
#ifndef COMMAND_COMMAND_H
#define COMMAND_COMMAND_H

#include <stdbool.h>
#include <virtiso/command.h>

#include "command/attributes.h"
#include "core/handle.h"
#include "core/strings.h"

enum stdio_kind { STDIO_INHERIT, STDIO_NULL, STDIO_PIPE, STDIO_STDOUT, STDIO_FD, STDIO_INPUT, STDIO_CAPTURE };

struct stdio_setting {
	enum stdio_kind kind;
	int fd; /* STDIO_FD, STDIO_INPUT (a sealed memfd, to be opened anew for each run): owned by the command; else -1
		 */
	size_t max; /* STDIO_CAPTURE */
};

/* A fd that is handed in; `fd` is owned by the command. */
struct added_fd {
	int fd;
	int number; /* that it has in the program */
};

enum { COMMAND_GROUPS_MAX = 64, COMMAND_RLIMITS = 9, COMMAND_FDS_MAX = 32, COMMAND_FD_NUMBER_MAX = 1023 };

/* What a program runs as in a container or guest unless viso_command_set_user() says otherwise. */
enum { COMMAND_DEFAULT_ID = 1000 };

struct viso_command {
	struct handle handle;
	struct strings argv; /* argv[0] is the program */
	struct strings env;  /* NAME=value */
	char *cwd;
	bool receives_files; /* it is none: files are copied in (launch/copy/in.c) */
	bool sends_files;    /* likewise out of a guest with viso-agent (guest/agent/copy_out.c) */
	bool has_user;
	unsigned uid;
	unsigned gid;
	size_t group_count;
	unsigned groups[COMMAND_GROUPS_MAX];
	struct stdio_setting stdio[3];
	size_t added_count;
	struct added_fd added[COMMAND_FDS_MAX];
	bool has_rlimit[COMMAND_RLIMITS];
	uint64_t rlimit[COMMAND_RLIMITS]; /* soft */
	uint64_t rlimit_hard[COMMAND_RLIMITS];
	struct {
		unsigned columns, rows;
	} terminal; /* 0: none */
	uint64_t timeout_ms;
	uint64_t cpu_time_ms;
	struct command_attributes attributes;
};

/*
 * The paths at which the program may be, in order: itself where its name has a slash, else one for each directory of
 * the command's PATH. 0 or -ENOMEM.
 */
int command_program_candidates(const viso_command *command, struct strings *out_paths);

/* The value of an environment variable of the command, borrowed; NULL where it has none. */
const char *command_get_env(const viso_command *command, const char *name);

/* The soft and hard limits apart, as viso_command_set_rlimit() does not have them. */
void command_set_rlimits(viso_command *command, viso_rlimit resource, uint64_t soft, uint64_t hard);

/* The RLIMIT_ number of each viso_rlimit. */
int command_rlimit_number(viso_rlimit resource);

#endif
