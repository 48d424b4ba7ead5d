/* SPDX-License-Identifier: MIT */
/* System calls that would change the root, which is read-only. */
#include <errno.h>
#include <limits.h>

#include "guest/program/calls.h"

static int64_t refuse(struct program *program, uint64_t path)
{
	char given[PATH_MAX];
	int r = call_path(program, path, given);
	if (r < 0)
		return r;
	return *given ? -EROFS : -ENOENT;
}

/* call(path, …) */
int64_t call_change_path(struct program *program, const uint64_t args[6])
{
	return refuse(program, args[0]);
}

/* call(directory, path, …) */
int64_t call_change_at(struct program *program, const uint64_t args[6])
{
	return refuse(program, args[1]);
}

/* symlink(target, path), symlinkat(target, directory, path): their first argument is a string too. */
int64_t call_change_second_path(struct program *program, const uint64_t args[6])
{
	return refuse(program, args[0]);
}

int64_t call_umask(struct program *program, const uint64_t args[6])
{
	unsigned old = program->umask;
	program->umask = (unsigned)args[0] & 0777;
	return old;
}
