/* SPDX-License-Identifier: MIT */
/*
 * The program of a saved snapshot. It waits for the host, so that it is within no other system call; its only thread is
 * the one that the processor has.
 */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/instance.h"
#include "guest/snapshot/saved.h"

/* What /proc shows of a program's start is no longer than what execve(2) takes. */
static const uint64_t image_max = 64ull << 20;

struct saved_task {
	char name[16];
	uint64_t mask;
	uint64_t pending;
	uint64_t stack_start, stack_size, stack_flags;
	uint64_t trap, trap_error, trap_address;
	uint64_t clear_tid;
	uint64_t robust_list;
};

struct saved_program {
	uint32_t uid, gid;
	uint32_t group_count;
	uint32_t groups[COMMAND_GROUPS_MAX];
	uint64_t limits[RLIM_NLIMITS][2];
	uint32_t umask;
	uint32_t has_executed;
	struct program_image image;
	uint64_t auxiliary[PROGRAM_AUXILIARY][2];
	char name[16];
	struct signal_action actions[PROGRAM_SIGNALS + 1];
	uint64_t pending;
	uint64_t budget;
	struct saved_task task;
};

static bool has_timer(const struct timers *timers)
{
	for (int i = 0; i < INTERVAL_TIMERS; i++)
		if (timers->interval[i].next != INT64_MAX)
			return true;
	for (size_t i = 0; i < timers->posix_count; i++)
		if (timers->posix[i].used)
			return true;
	return false;
}

static void put_queue(struct saved_writer *writer, const struct signal_queue *queue)
{
	saved_put_number(writer, queue->count);
	saved_put(writer, queue->items, queue->count * sizeof(*queue->items));
}

static void describe_task(const struct task *task, struct saved_task *out)
{
	const struct task_signals *signals = &task->signals;
	*out = (struct saved_task){
		.mask = signals->mask,
		.pending = signals->pending.set,
		.stack_start = signals->stack.start,
		.stack_size = signals->stack.size,
		.stack_flags = signals->stack.flags,
		.trap = signals->trap,
		.trap_error = signals->trap_error,
		.trap_address = signals->trap_address,
		.clear_tid = task->clear_tid,
		.robust_list = task->robust_list,
	};
	memcpy(out->name, task->name, sizeof(out->name));
}

static void describe(const struct program *program, struct saved_program *out)
{
	memset(out, 0, sizeof(*out));
	out->uid = program->uid;
	out->gid = program->gid;
	out->group_count = (uint32_t)program->group_count;
	memcpy(out->groups, program->groups, program->group_count * sizeof(program->groups[0]));
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		out->limits[i][0] = program->limits[i].rlim_cur;
		out->limits[i][1] = program->limits[i].rlim_max;
	}
	out->umask = program->umask;
	out->has_executed = program->has_executed;
	out->image = program->image;
	memcpy(out->auxiliary, program->auxiliary, sizeof(out->auxiliary));
	memcpy(out->name, program->name, sizeof(out->name));
	memcpy(out->actions, program->signals.actions, sizeof(out->actions));
	out->pending = program->signals.pending.set;
	out->budget = program->signals.budget;
	describe_task(&program->first_task, &out->task);
}

static bool is_stream(const struct file *file)
{
	return file->is_standard && (file->kind == FILE_STREAM || file->kind == FILE_CAPTURE);
}

/* The slot in which a file lies for the first time. */
static size_t first_slot(const struct program *program, const struct file *file)
{
	size_t i = 0;
	while (program->slots[i].file != file)
		i++;
	return i;
}

enum { CLOSE_ON_EXEC = 1 };

static void put_slots(struct saved_writer *writer, const viso_snapshot *snapshot)
{
	const struct program *program = &snapshot->program;
	uint64_t count = 0;
	for (size_t i = 0; i < program->slot_count; i++)
		count += program->slots[i].file != NULL;
	saved_put_number(writer, count);
	for (size_t i = 0; i < program->slot_count; i++) {
		const struct file *file = program->slots[i].file;
		char object[32];
		if (!file)
			continue;
		size_t first = first_slot(program, file);
		saved_put_number(writer, i);
		saved_put_number(writer, program->slots[i].close_on_exec ? CLOSE_ON_EXEC : 0);
		saved_put_number(writer, first);
		snprintf(object, sizeof(object), "fd %zu", i);
		if (first == i && is_stream(file))
			saved_put_null(writer);
		else if (first == i)
			saved_put_file(writer, &snapshot->view, file, object);
	}
}

void saved_put_program(struct saved_writer *writer, const viso_snapshot *snapshot)
{
	const struct program *program = &snapshot->program;
	struct saved_program saved;
	if (writer->error == 0 && (snapshot->holder->scheduler.count != 1 || program->task != &program->first_task))
		writer->error = saved_refuse("threads", "several threads");
	if (writer->error == 0 && has_timer(&program->signals.timers))
		writer->error = saved_refuse("timers", "a timer");
	describe(program, &saved);
	saved_put(writer, &saved, sizeof(saved));
	put_queue(writer, &program->signals.pending);
	put_queue(writer, &program->first_task.signals.pending);
	saved_put_string(writer, program->cwd);
	saved_put_string(writer, program->executable);
	put_slots(writer, snapshot);
}

static bool is_name(const char name[16])
{
	return memchr(name, '\0', 16) != NULL;
}

static bool is_range(uint64_t start, uint64_t end)
{
	return start <= end && end <= SPACE_END && end - start <= image_max;
}

static bool is_sound(const struct saved_program *saved)
{
	const struct program_image *image = &saved->image;
	for (int i = 0; i < RLIM_NLIMITS; i++)
		if (saved->limits[i][0] > saved->limits[i][1])
			return false;
	return saved->group_count <= COMMAND_GROUPS_MAX && saved->limits[RLIMIT_NOFILE][1] <= PROGRAM_FILES_MAX &&
	       !(saved->umask & ~0777u) && saved->has_executed <= 1 &&
	       is_range(image->auxiliary, image->auxiliary_end) && is_range(image->arguments, image->arguments_end) &&
	       is_range(image->arguments_end, image->environment_end) && is_name(saved->name) &&
	       saved->budget <= SIGNALS_QUEUED_MAX && is_name(saved->task.name);
}

static int get_queue(struct saved_reader *reader, struct signal_queue *queue, uint64_t set)
{
	uint64_t count;
	queue->set = set;
	if (!saved_get_number(reader, SIGNALS_QUEUED_MAX, &count))
		return saved_damaged("signals");
	const uint8_t *items = saved_get_data(reader, count * sizeof(*queue->items));
	if (!items)
		return saved_damaged("signals");
	if (count == 0)
		return 0;
	queue->items = calloc(count, sizeof(*queue->items));
	if (!queue->items)
		return error_memory();
	memcpy(queue->items, items, count * sizeof(*queue->items));
	queue->count = queue->capacity = count;
	for (uint64_t i = 0; i < count; i++) {
		int signal = queue->items[i].si_signo;
		if (signal < 1 || signal > PROGRAM_SIGNALS || !(set & signal_bit(signal)))
			return saved_damaged("signals");
	}
	return 0;
}

static void take_task(struct program *program, const struct saved_task *saved)
{
	struct task *task = &program->first_task;
	*task = (struct task){
		.program = program,
		.tid = program->pid,
		.until = INT64_MAX,
		.clear_tid = saved->clear_tid,
		.robust_list = saved->robust_list,
	};
	memcpy(task->name, saved->name, sizeof(task->name));
	task->signals = (struct task_signals){
		.mask = saved->mask & ~SIGNALS_FIXED,
		.stack = {saved->stack_start, saved->stack_size, (uint32_t)saved->stack_flags},
		.trap = saved->trap,
		.trap_error = saved->trap_error,
		.trap_address = saved->trap_address,
	};
	scheduler_add(program->instance, task);
	program->task = task;
}

static void take(struct program *program, const struct saved_program *saved)
{
	program->pid = program->group = program->session = TASK_FIRST_ID;
	program->instance->scheduler.last_id = program->pid;
	program->exit_code = -1;
	program->wall_start = clock_now(CLOCK_MONOTONIC);
	program->uid = saved->uid;
	program->gid = saved->gid;
	program->group_count = saved->group_count;
	memcpy(program->groups, saved->groups, sizeof(program->groups));
	for (int i = 0; i < RLIM_NLIMITS; i++)
		program->limits[i] = (struct rlimit){saved->limits[i][0], saved->limits[i][1]};
	program->umask = saved->umask;
	program->has_executed = saved->has_executed;
	program->image = saved->image;
	memcpy(program->auxiliary, saved->auxiliary, sizeof(program->auxiliary));
	memcpy(program->name, saved->name, sizeof(program->name));
	signals_init(&program->signals);
	memcpy(program->signals.actions, saved->actions, sizeof(program->signals.actions));
	for (int i = 0; i <= PROGRAM_SIGNALS; i++)
		program->signals.actions[i].mask &= ~SIGNALS_FIXED;
	program->signals.budget = (unsigned)saved->budget;
	take_task(program, &saved->task);
}

/* A file that has been read, or one more number of it. */
static int get_slot(struct saved_reader *reader, viso_snapshot *snapshot)
{
	struct program *program = &snapshot->program;
	struct file *file = NULL;
	uint64_t number, flags, first;
	if (!saved_get_number(reader, PROGRAM_FILES_MAX - 1, &number) ||
	    !saved_get_number(reader, CLOSE_ON_EXEC, &flags) || !saved_get_number(reader, number, &first) ||
	    program_file(program, (int)number) || (first < number && !program_file(program, (int)first)))
		return saved_damaged("open files");
	int r = first == number ? saved_get_file(reader, snapshot, &file) : 0;
	if (r < 0)
		return r;
	if (first < number)
		file = file_ref(program_file(program, (int)first));
	return program_add_file(program, file, (int)number, flags & CLOSE_ON_EXEC) < 0 ? error_memory() : 0;
}

static int get_slots(struct saved_reader *reader, viso_snapshot *snapshot)
{
	struct program *program = &snapshot->program;
	const struct rlimit limit = program->limits[RLIMIT_NOFILE];
	uint64_t count;
	if (!saved_get_number(reader, PROGRAM_FILES_MAX, &count))
		return saved_damaged("open files");
	/* Some may have been opened before the limit was lowered. */
	program->limits[RLIMIT_NOFILE].rlim_cur = PROGRAM_FILES_MAX;
	int r = 0;
	for (uint64_t i = 0; i < count && r == 0; i++)
		r = get_slot(reader, snapshot);
	program->limits[RLIMIT_NOFILE] = limit;
	return r;
}

int saved_get_program(struct saved_reader *reader, viso_snapshot *snapshot)
{
	struct program *program = &snapshot->program;
	_cleanup_free_ struct saved_program *saved = malloc(sizeof(*saved));
	if (!saved)
		return error_memory();
	if (!saved_get(reader, saved, sizeof(*saved)) || !is_sound(saved))
		return saved_damaged("program");
	/* The view was made for these. */
	if (saved->uid != program->uid || saved->gid != program->gid)
		return saved_damaged("program");
	take(program, saved);
	int r = get_queue(reader, &program->signals.pending, saved->pending);
	if (r == 0)
		r = get_queue(reader, &program->first_task.signals.pending, saved->task.pending);
	if (r == 0)
		r = saved_get_path(reader, &program->cwd);
	if (r == 0)
		r = saved_get_path(reader, &program->executable);
	return r == 0 ? get_slots(reader, snapshot) : r;
}
