/* SPDX-License-Identifier: MIT */
/* The processes of a saved snapshot, and who is whose child; those that wait to be waited for too. */
#include <errno.h>
#include <stdlib.h>

#include "core/error.h"
#include "guest/guest.h"
#include "guest/instance.h"
#include "guest/snapshot/saved.h"

void saved_put_processes(struct saved_writer *writer, const viso_snapshot *snapshot)
{
	uint64_t count = 0, spaces = 0;
	for (const struct program *program = &snapshot->program; program; program = program->next) {
		saved_give_number(writer, program, count++);
		if (program->space && !saved_has_number(writer, program->space))
			saved_give_number(writer, program->space, spaces++);
	}
	saved_put_number(writer, count);
	saved_put_number(writer, snapshot->holder->processes_made);
	for (const struct program *program = &snapshot->program; program; program = program->next) {
		/* It has something to tell others, which happens when the guest goes on. */
		if (program->ended && !program->is_zombie && writer->error == 0)
			writer->error = saved_refuse("processes", "a process that is about to end");
		saved_put_program(writer, snapshot, program);
		saved_put_reference(writer, program->parent);
		saved_put_reference(writer, program->space);
	}
}

/* The space of this number, which is new where it is the next one. 0 or a negative errno with the error set. */
static int take_space(struct saved_reader *reader, struct program *program, uint64_t number)
{
	struct address_space *space;
	if (number < reader->spaces.count) {
		program->space = reader->spaces.items[number];
		program->space->sharers++;
		return 0;
	}
	space = number == 0 ? program->space : calloc(1, sizeof(*space));
	if (!space)
		return error_memory();
	program->space = space;
	return saved_list_add(&reader->spaces, space);
}

static int get_space(struct saved_reader *reader, struct program *program)
{
	uint64_t number;
	if (!saved_get_number(reader, reader->spaces.count + 1, &number) || (number == 0) != program->ended ||
	    (reader->spaces.count == 0 && program->ended))
		return saved_damaged("processes");
	return number ? take_space(reader, program, number - 1) : 0;
}

/* A new one at the end of the list. */
static struct program *new_program(struct saved_reader *reader, viso_snapshot *snapshot)
{
	struct program *first = &snapshot->program;
	if (reader->programs.count == 0)
		return first;
	struct program *program = calloc(1, sizeof(*program));
	if (!program)
		return NULL;
	program->instance = first->instance;
	program->view = first->view;
	((struct program *)reader->programs.items[reader->programs.count - 1])->next = program;
	return program;
}

/* The parents, by number, are known when all processes are. */
static int get_process(struct saved_reader *reader, viso_snapshot *snapshot, uint64_t *parent)
{
	struct program *program = new_program(reader, snapshot);
	if (!program)
		return error_memory();
	program->vcpu = &snapshot->holder->vcpu;
	program->kick = &snapshot->holder->kick;
	int r = saved_list_add(&reader->programs, program);
	if (r == 0)
		r = saved_get_program(reader, snapshot, program);
	if (r < 0)
		return r;
	if (!saved_get_number(reader, UINT32_MAX, parent))
		return saved_damaged("processes");
	return get_space(reader, program);
}

/* Everybody descends from one that is the child of process 1. */
static bool has_end(const struct program *program, size_t count)
{
	while (program && count-- > 0)
		program = program->parent;
	return !program;
}

static int join_parents(struct saved_reader *reader, const uint64_t *parents)
{
	const struct saved_list *list = &reader->programs;
	for (size_t i = 0; i < list->count; i++) {
		struct program *program = list->items[i];
		if (parents[i] > list->count || (i == 0 && parents[i] != 0))
			return saved_damaged("processes");
		program->parent = parents[i] ? list->items[parents[i] - 1] : NULL;
	}
	for (size_t i = 0; i < list->count; i++)
		if (!has_end(list->items[i], list->count))
			return saved_damaged("processes");
	return 0;
}

/* Each has a number and a serial of its own. */
static bool are_unlike(const struct saved_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		for (size_t j = 0; j < i; j++) {
			const struct program *a = list->items[i], *b = list->items[j];
			if (a->pid == b->pid || a->serial == b->serial)
				return false;
		}
	return true;
}

static int get_all(struct saved_reader *reader, viso_snapshot *snapshot, uint64_t count)
{
	uint64_t *parents = calloc(count, sizeof(*parents));
	int r = parents ? 0 : error_memory();
	for (uint64_t i = 0; i < count && r == 0; i++)
		r = get_process(reader, snapshot, &parents[i]);
	if (r == 0)
		r = are_unlike(&reader->programs) ? join_parents(reader, parents) : saved_damaged("processes");
	free(parents);
	return r;
}

int saved_get_processes(struct saved_reader *reader, viso_snapshot *snapshot)
{
	uint64_t count;
	if (!saved_get_number(reader, TASK_ID_MAX, &count) || count == 0 ||
	    !saved_get_number(reader, UINT64_MAX, &snapshot->holder->processes_made))
		return saved_damaged("processes");
	if (count > guest_processes_max(snapshot->settings))
		return error_fail(VISO_STAGE_ARGUMENT, EINVAL, "processes",
				  "the snapshot has %llu processes, which is more than the guest may have; see "
				  "viso_guest_set_processes_max()",
				  (unsigned long long)count);
	return get_all(reader, snapshot, count);
}
