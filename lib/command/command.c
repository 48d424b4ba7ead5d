/* SPDX-License-Identifier: MIT */
#include "command/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "core/memfd.h"

enum { ARGS_MAX = 1 << 20, STRINGS_MAX = 2 << 20 };
static const size_t capture_limit = 1u << 30;

static const char default_path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

static const int rlimit_numbers[COMMAND_RLIMITS] = {
	[VISO_RLIMIT_ADDRESS_SPACE] = RLIMIT_AS,
	[VISO_RLIMIT_CORE] = RLIMIT_CORE,
	[VISO_RLIMIT_CPU] = RLIMIT_CPU,
	[VISO_RLIMIT_DATA] = RLIMIT_DATA,
	[VISO_RLIMIT_FILE_SIZE] = RLIMIT_FSIZE,
	[VISO_RLIMIT_OPEN_FILES] = RLIMIT_NOFILE,
	[VISO_RLIMIT_PROCESSES] = RLIMIT_NPROC,
	[VISO_RLIMIT_STACK] = RLIMIT_STACK,
	[VISO_RLIMIT_LOCKED_MEMORY] = RLIMIT_MEMLOCK,
};

void command_set_rlimits(viso_command *command, viso_rlimit resource, uint64_t soft, uint64_t hard)
{
	command->has_rlimit[resource] = true;
	command->rlimit[resource] = soft;
	command->rlimit_hard[resource] = hard;
}

int command_rlimit_number(viso_rlimit resource)
{
	return rlimit_numbers[resource];
}

/* The index of a variable in the environment, or -1. */
static ssize_t find_env(const viso_command *command, const char *name)
{
	size_t length = strlen(name);
	for (size_t i = 0; i < command->env.count; i++)
		if (!strncmp(command->env.items[i], name, length) && command->env.items[i][length] == '=')
			return (ssize_t)i;
	return -1;
}

const char *command_get_env(const viso_command *command, const char *name)
{
	ssize_t index = find_env(command, name);
	return index < 0 ? NULL : strchr(command->env.items[index], '=') + 1;
}

int command_program_candidates(const viso_command *command, struct strings *out_paths)
{
	const char *program = command->argv.items[0];
	if (strchr(program, '/'))
		return strings_add(out_paths, program);

	const char *path = command_get_env(command, "PATH");
	if (!path)
		path = strchr(default_path, '=') + 1;
	for (;;) {
		size_t length = strcspn(path, ":");
		char *candidate = NULL;
		/* An empty entry is the working directory, as for execvp(3). */
		if (asprintf(&candidate, "%.*s/%s", length ? (int)length : 1, length ? path : ".", program) < 0)
			return -ENOMEM;
		if (strings_take(out_paths, candidate) < 0)
			return -ENOMEM;
		if (!path[length])
			return 0;
		path += length + 1;
	}
}

static void set_stdio(viso_command *command, viso_stream stream, struct stdio_setting setting)
{
	close_fd(command->stdio[stream].fd);
	command->stdio[stream] = setting;
}

static viso_command *command_free(viso_command *command)
{
	for (int i = 0; i < 3; i++)
		close_fd(command->stdio[i].fd);
	for (size_t i = 0; i < command->added_count; i++)
		close_fd(command->added[i].fd);
	strings_clear(&command->argv);
	strings_clear(&command->env);
	attributes_release(&command->attributes);
	free(command->cwd);
	free(command);
	return NULL;
}

viso_command *viso_command_new(const char *program)
{
	if (!program || !*program) {
		error_argument(__func__, "the program is NULL or empty");
		return NULL;
	}
	viso_command *command = calloc(1, sizeof(*command));
	if (!command) {
		error_memory();
		return NULL;
	}
	handle_init(&command->handle);
	for (int i = 0; i < 3; i++)
		command->stdio[i].fd = -1;
	command->has_rlimit[VISO_RLIMIT_CORE] = true;
	command->cwd = strdup("/");
	if (!command->cwd || strings_add(&command->argv, program) < 0 || strings_add(&command->env, default_path) < 0 ||
	    strings_add(&command->env, "HOME=/") < 0 || strings_add(&command->env, "LANG=C.UTF-8") < 0) {
		error_memory();
		return command_free(command);
	}
	return command;
}

viso_command *viso_command_ref(viso_command *command)
{
	if (command)
		handle_ref(&command->handle);
	return command;
}

viso_command *viso_command_unref(viso_command *command)
{
	if (command && handle_unref(&command->handle))
		command_free(command);
	return NULL;
}

int viso_command_add_arg(viso_command *command, const char *arg)
{
	int r = handle_check(command ? &command->handle : NULL, __func__);
	if (r < 0)
		return r;
	if (!arg)
		return error_argument(__func__, "the argument is NULL");
	if (command->argv.count >= ARGS_MAX || command->argv.bytes + strlen(arg) >= STRINGS_MAX)
		return error_fail(VISO_STAGE_COMMAND, E2BIG, command->argv.items[0],
				  "the arguments of %s are too many or too long: at most %d, and %d bytes",
				  command->argv.items[0], ARGS_MAX, STRINGS_MAX);
	return strings_add(&command->argv, arg) < 0 ? error_memory() : 0;
}

int viso_command_set_env(viso_command *command, const char *name, const char *value)
{
	int r = handle_check(command ? &command->handle : NULL, __func__);
	if (r < 0)
		return r;
	if (!name || !*name || strchr(name, '='))
		return error_argument(__func__, "the name is NULL, empty or has a '='");
	if (!value)
		value = getenv(name);
	if (value && command->env.bytes + strlen(name) + strlen(value) + 2 > STRINGS_MAX)
		return error_fail(VISO_STAGE_COMMAND, E2BIG, name, "the environment with %s is longer than %d bytes",
				  name, STRINGS_MAX);

	char *entry = NULL;
	if (value && asprintf(&entry, "%s=%s", name, value) < 0)
		return error_memory();
	ssize_t old = find_env(command, name);
	if (entry && strings_take(&command->env, entry) < 0)
		return error_memory();
	if (old >= 0)
		strings_remove(&command->env, (size_t)old);
	return 0;
}

int viso_command_clear_env(viso_command *command)
{
	int r = handle_check(command ? &command->handle : NULL, __func__);
	if (r < 0)
		return r;
	strings_clear(&command->env);
	return 0;
}

int viso_command_set_cwd(viso_command *command, const char *path)
{
	int r = handle_check(command ? &command->handle : NULL, __func__);
	if (r < 0)
		return r;
	if (!path || path[0] != '/')
		return error_argument(__func__, "the directory is not an absolute path");
	char *copy = strdup(path);
	if (!copy)
		return error_memory();
	free(command->cwd);
	command->cwd = copy;
	return 0;
}

int viso_command_set_user(viso_command *command, unsigned uid, unsigned gid)
{
	int r = handle_check(command ? &command->handle : NULL, __func__);
	if (r < 0)
		return r;
	if (uid == (unsigned)-1 || gid == (unsigned)-1)
		return error_argument(__func__, "(unsigned)-1 is no id");
	command->has_user = true;
	command->uid = uid;
	command->gid = gid;
	return 0;
}

int viso_command_set_groups(viso_command *command, const unsigned *groups, size_t count)
{
	int r = handle_check(command ? &command->handle : NULL, __func__);
	if (r < 0)
		return r;
	if (count > COMMAND_GROUPS_MAX || (count && !groups))
		return error_argument(__func__, "the groups are NULL or more than 64");
	for (size_t i = 0; i < count; i++)
		if (groups[i] == (unsigned)-1)
			return error_argument(__func__, "(unsigned)-1 is no id");
	if (count)
		memcpy(command->groups, groups, count * sizeof(*groups));
	command->group_count = count;
	return 0;
}

static int check_stream(viso_command *command, viso_stream stream, const char *function)
{
	int r = handle_check(command ? &command->handle : NULL, function);
	if (r < 0)
		return r;
	if ((unsigned)stream > VISO_STDERR)
		return error_argument(function, "no such stream");
	return 0;
}

int viso_command_set_stdio(viso_command *command, viso_stream stream, viso_stdio mode)
{
	static const enum stdio_kind kinds[] = {
		[VISO_STDIO_INHERIT] = STDIO_INHERIT,
		[VISO_STDIO_NULL] = STDIO_NULL,
		[VISO_STDIO_PIPE] = STDIO_PIPE,
		[VISO_STDIO_STDOUT] = STDIO_STDOUT,
	};
	int r = check_stream(command, stream, __func__);
	if (r < 0)
		return r;
	if ((unsigned)mode > VISO_STDIO_STDOUT)
		return error_argument(__func__, "no such mode");
	if (mode == VISO_STDIO_STDOUT && stream != VISO_STDERR)
		return error_argument(__func__, "VISO_STDIO_STDOUT is for VISO_STDERR only");
	set_stdio(command, stream, (struct stdio_setting){.kind = kinds[mode], .fd = -1});
	return 0;
}

int viso_command_set_stdio_fd(viso_command *command, viso_stream stream, int fd)
{
	int r = check_stream(command, stream, __func__);
	if (r < 0)
		return r;
	/* Not below 3: the copy must never stand where a host without standard streams would find it as its own. */
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0)
		return error_fail(VISO_STAGE_STDIO, errno, __func__, "fd %d cannot be duplicated: %s", fd,
				  strerrordesc_np(errno));
	set_stdio(command, stream, (struct stdio_setting){.kind = STDIO_FD, .fd = copy});
	return 0;
}

/* The place of a number among the added fds, or that behind the last one. */
static size_t find_added(const viso_command *command, int number)
{
	size_t i = 0;
	while (i < command->added_count && command->added[i].number != number)
		i++;
	return i;
}

int viso_command_add_fd(viso_command *command, int fd, int number)
{
	int r = handle_check(command ? &command->handle : NULL, __func__);
	if (r < 0)
		return r;
	if (number < 3 || number > COMMAND_FD_NUMBER_MAX)
		return error_argument(__func__, "the number in the program is not from 3 to 1023");
	size_t place = find_added(command, number);
	if (place == COMMAND_FDS_MAX)
		return error_fail(VISO_STAGE_COMMAND, EMFILE, __func__,
				  "a command takes at most %d fds beside its streams", COMMAND_FDS_MAX);
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0)
		return error_fail(VISO_STAGE_STDIO, errno, __func__, "fd %d cannot be duplicated: %s", fd,
				  strerrordesc_np(errno));
	if (place == command->added_count)
		command->added_count++;
	else
		close_fd(command->added[place].fd);
	command->added[place] = (struct added_fd){.fd = copy, .number = number};
	return 0;
}

int viso_command_set_input(viso_command *command, const void *data, size_t size)
{
	int r = check_stream(command, VISO_STDIN, __func__);
	if (r < 0)
		return r;
	if (size && !data)
		return error_argument(__func__, "the data is NULL");

	/* Each run gets a description of its own, opened anew, so that runs do not share an offset. */
	_cleanup_close_ int fd = memfd_with("viso-input", 0, data, size);
	if (fd < 0)
		return error_fail(VISO_STAGE_STDIO, -fd, "memfd_create", NULL);
	memfd_seal(fd);
	set_stdio(command, VISO_STDIN, (struct stdio_setting){.kind = STDIO_INPUT, .fd = TAKE_FD(fd)});
	return 0;
}

static int capture_stream(viso_command *command, viso_stream stream, size_t max, const char *function)
{
	int r = check_stream(command, stream, function);
	if (r < 0)
		return r;
	if (stream == VISO_STDIN)
		return error_argument(function, "standard input cannot be captured");
	if (max > capture_limit)
		return error_argument(function, "the bound is more than 1 GiB");
	set_stdio(command, stream, (struct stdio_setting){.kind = STDIO_CAPTURE, .fd = -1, .max = max});
	return 0;
}

int viso_command_capture_stream(viso_command *command, viso_stream stream, size_t max)
{
	return capture_stream(command, stream, max, __func__);
}

int viso_command_capture(viso_command *command, size_t max)
{
	int r = capture_stream(command, VISO_STDOUT, max, __func__);
	return r < 0 ? r : capture_stream(command, VISO_STDERR, max, __func__);
}

int viso_command_set_rlimit(viso_command *command, viso_rlimit resource, uint64_t value)
{
	int r = handle_check(command ? &command->handle : NULL, __func__);
	if (r < 0)
		return r;
	if ((unsigned)resource >= COMMAND_RLIMITS)
		return error_argument(__func__, "no such resource");
	command_set_rlimits(command, resource, value, value);
	return 0;
}

int viso_command_set_timeout_ms(viso_command *command, uint64_t ms)
{
	int r = handle_check(command ? &command->handle : NULL, __func__);
	if (r < 0)
		return r;
	command->timeout_ms = ms;
	return 0;
}

int viso_command_set_cpu_time_ms(viso_command *command, uint64_t ms)
{
	int r = handle_check(command ? &command->handle : NULL, __func__);
	if (r < 0)
		return r;
	command->cpu_time_ms = ms;
	return 0;
}

int viso_command_set_terminal(viso_command *command, unsigned columns, unsigned rows)
{
	int r = handle_check(command ? &command->handle : NULL, __func__);
	if (r < 0)
		return r;
	if (columns < 1 || columns > UINT16_MAX || rows < 1 || rows > UINT16_MAX)
		return error_argument(__func__, "columns and rows are 1 to 65535");
	command->terminal.columns = columns;
	command->terminal.rows = rows;
	return 0;
}
