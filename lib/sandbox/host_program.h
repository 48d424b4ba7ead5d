/* SPDX-License-Identifier: MIT */
/*
 * A program of the host that does what the library has no code of its own for: mkfs.erofs, criu. It runs in a jail
 * whose root is the host's own, through the public API as any user would, so that the host program gets no child of it.
 */
#ifndef SANDBOX_HOST_PROGRAM_H
#define SANDBOX_HOST_PROGRAM_H

#include <stdbool.h>
#include <virtiso/command.h>
#include <virtiso/error.h>
#include <virtiso/result.h>

enum { HOST_PROGRAM_PATH_MAX = 64 };

/* Its path, from the usual directories alone: the caller's PATH is not trusted. False where it is not installed. */
bool host_program_find(const char *name, char path[HOST_PROGRAM_PATH_MAX]);

/* The command for it, as the caller's own user; NULL with the error set. */
viso_command *host_program_command(const char *path);

/* Runs it to its end. 0 or a negative errno with the error set. */
int host_program_run(const viso_command *command, viso_result **out_result);

/* 0 where it has succeeded; else -`error` with the error set, and the last line that it had to say. */
int host_program_check(const viso_result *result, viso_stage stage, int error, const char *name);

static inline void cleanup_host_command(viso_command **command)
{
	viso_command_unref(*command);
}

static inline void cleanup_host_result(viso_result **result)
{
	viso_result_unref(*result);
}

#endif
