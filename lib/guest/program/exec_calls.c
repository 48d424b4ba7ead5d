/* SPDX-License-Identifier: MIT */
/*
 * execve(2). The new program is loaded into an address space beside the old one, so that the old one goes on where that
 * fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/strings.h"
#include "guest/exec.h"
#include "guest/instance.h"
#include "guest/program/calls.h"
#include "guest/program/futex.h"
#include "guest/program/processes.h"

/* As execve(2) and stack.c: each string up to 32 pages, all of them up to 6 MiB with their pointers. */
enum { STRING_MAX = 128 << 10, TOTAL_MAX = 6 << 20 };

struct request {
	char path[PATH_MAX];
	struct strings argv;
	struct strings env;
};

static void release_request(struct request *request)
{
	strings_clear(&request->argv);
	strings_clear(&request->env);
	free(request);
}

/* A list of strings of the guest's that ends with NULL. 0 or a negative errno. */
static int read_list(struct program *program, uint64_t address, struct strings *out)
{
	_cleanup_free_ char *string = malloc(STRING_MAX);
	if (!string)
		return -ENOMEM;
	for (uint64_t entry; address; address += sizeof(entry)) {
		if (space_read(program->space, &entry, address, sizeof(entry)) < 0)
			return -EFAULT;
		if (!entry)
			break;
		ssize_t n = space_read_string(program->space, string, entry, STRING_MAX);
		if (n < 0)
			return n == -ENAMETOOLONG ? -E2BIG : (int)n;
		if (strings_add(out, string) < 0)
			return -ENOMEM;
		if (out->bytes + (out->count + 1) * sizeof(entry) > TOTAL_MAX)
			return -E2BIG;
	}
	return 0;
}

static int read_request(struct program *program, uint64_t argv, uint64_t env, struct request *request)
{
	int r = read_list(program, argv, &request->argv);
	if (r == 0)
		r = read_list(program, env, &request->env);
	/* As Linux since 5.18: a program without any argument gets an empty one. */
	if (r == 0 && request->argv.count == 0)
		r = strings_add(&request->argv, "");
	return r;
}

/* Loads the program beside the running one. 0 or a negative errno; then nothing has changed. */
static int load(struct program *program, const struct executable *executable, const struct strings *env,
		struct address_space *space, uint64_t *out_entry, uint64_t *out_stack)
{
	struct address_space *old = program->space;
	int r = space_init(space, old->memory);
	if (r < 0)
		return r;
	r = paging_copy_below(&space->tables, &old->tables, SPACE_START);
	space->limit = program->limits[RLIMIT_AS].rlim_cur;
	space->data_limit = program->limits[RLIMIT_DATA].rlim_cur;
	space->stack_limit = program->limits[RLIMIT_STACK].rlim_cur;
	program->space = space;
	if (r == 0)
		r = executable_map(program, executable, env, program->vcpu->processor, out_entry, out_stack);
	program->space = old;
	if (r < 0)
		space_destroy(space);
	return r;
}

/* The calling thread becomes the only one, with the number of the process. */
static void end_other_threads(struct program *program)
{
	struct scheduler *scheduler = &program->instance->scheduler;
	struct task *own = program->task, *leader = &program->first_task;
	while (program->task_count > 1)
		for (struct task *task = NULL; (task = scheduler_after(scheduler, task));)
			if (task->program == program && task != own) {
				program_end_task(task);
				break;
			}
	futex_end_task(own);
	if (own == leader)
		return;
	scheduler_free_ended(program->instance);
	memcpy(program->name, own->name, sizeof(program->name));
	scheduler_replace(program->instance, own, leader);
	leader->tid = program->pid;
	program->task = leader;
	free(own);
}

static void close_on_exec(struct program *program)
{
	for (size_t fd = 0; fd < program->slot_count; fd++)
		if (program->slots[fd].close_on_exec) {
			struct file *file = program->slots[fd].file;
			program->slots[fd] = (struct file_slot){0};
			file_unref(file);
		}
}

static void set_name(struct program *program, const char *path)
{
	const char *slash = strrchr(path, '/');
	memset(program->name, 0, sizeof(program->name));
	strncpy(program->name, slash ? slash + 1 : path, sizeof(program->name) - 1);
}

/* Where the old address space was its own, the new one takes its place, so that who knows it goes on to do so. */
static void take_space(struct program *program, struct address_space *space)
{
	struct address_space *old = program->space;
	if (old->sharers) {
		old->sharers--;
		program->space = space;
		return;
	}
	space_destroy(old);
	*old = *space;
	free(space);
}

/* From here there is no way back. */
static void begin(struct program *program, struct executable *executable, struct address_space *space, uint64_t entry,
		  uint64_t stack)
{
	end_other_threads(program);
	struct task *task = program->task;
	take_space(program, space);
	process_release_parent(program);
	close_on_exec(program);
	signals_exec(program);
	free(program->executable);
	program->executable = executable->path;
	executable->path = NULL;
	set_name(program, executable->script);
	program->has_executed = true;
	task->clear_tid = 0;
	task->vfork_pid = 0;
	if (vcpu_begin_anew(program->vcpu, &program->space->tables) < 0) {
		program_end(program, VISO_REASON_SIGNALLED, SIGKILL, NULL);
		return;
	}
	vcpu_set_start(program->vcpu, entry, stack);
}

static int execute(struct program *program, const struct request *request, struct executable *executable)
{
	uint64_t entry, stack;
	int r = executable_open(program, request->path, &request->argv, executable);
	if (r < 0)
		return r;
	struct address_space *space = calloc(1, sizeof(*space));
	if (!space)
		return -ENOMEM;
	r = load(program, executable, &request->env, space, &entry, &stack);
	if (r < 0) {
		free(space);
		return r;
	}
	begin(program, executable, space, entry, stack);
	return 0;
}

static int64_t start(struct program *program, int directory, const uint64_t args[3], bool follows)
{
	char given[PATH_MAX];
	struct executable executable = {0};
	struct request *request = calloc(1, sizeof(*request));
	if (!request)
		return -ENOMEM;
	int r = call_path(program, args[0], given);
	if (r == 0)
		r = *given ? view_join(program, directory, given, request->path) : -ENOENT;
	if (r == 0 && directory == AT_FDCWD)
		snprintf(request->path, sizeof(request->path), "%s", given);
	if (r == 0 && !follows)
		r = -ELOOP;
	if (r == 0)
		r = read_request(program, args[1], args[2], request);
	if (r == 0)
		r = execute(program, request, &executable);
	executable_release(&executable);
	release_request(request);
	if (r == 0)
		program->task->keeps_registers = true;
	return r;
}

int64_t call_execve(struct program *program, const uint64_t args[6])
{
	return start(program, AT_FDCWD, args, true);
}

/* An empty path with AT_EMPTY_PATH, as of fexecve(3), is not served: a file need not have a path. */
int64_t call_execveat(struct program *program, const uint64_t args[6])
{
	if (args[4] & ~(uint64_t)(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return -EINVAL;
	return start(program, (int)args[0], args + 1, !(args[4] & AT_SYMLINK_NOFOLLOW));
}
