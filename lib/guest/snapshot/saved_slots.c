/* SPDX-License-Identifier: MIT */
/* All open files of a saved snapshot, and by which numbers its processes have them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/error.h"
#include "guest/instance.h"
#include "guest/program/channel.h"
#include "guest/snapshot/saved.h"

enum { CLOSE_ON_EXEC = 1, OBJECT_NAME = 40 };

/* Files and what to call them, in the order of their numbers. */
struct file_list {
	struct saved_list files;
	char (*names)[OBJECT_NAME];
	size_t name_capacity;
};

static int add_name(struct file_list *list, const char *name)
{
	if (list->files.count > list->name_capacity) {
		char(*names)[OBJECT_NAME] = reallocarray(list->names, list->files.capacity, sizeof(*names));
		if (!names)
			return error_memory();
		list->names = names;
		list->name_capacity = list->files.capacity;
	}
	snprintf(list->names[list->files.count - 1], OBJECT_NAME, "%s", name);
	return 0;
}

static void collect(struct saved_writer *writer, struct file_list *list, struct file *file, const char *name)
{
	if (!file || saved_has_number(writer, file))
		return;
	saved_give_number(writer, file, list->files.count);
	if (writer->error == 0)
		writer->error = saved_list_add(&list->files, file);
	if (writer->error == 0)
		writer->error = add_name(list, name);
}

static void collect_all(struct saved_writer *writer, const viso_snapshot *snapshot, struct file_list *list)
{
	char name[OBJECT_NAME];
	for (const struct program *program = &snapshot->program; program; program = program->next)
		for (size_t i = 0; i < program->slot_count; i++) {
			if (program == &snapshot->program)
				snprintf(name, sizeof(name), "fd %zu", i);
			else
				snprintf(name, sizeof(name), "fd %zu of process %d", i, program->pid);
			collect(writer, list, program->slots[i].file, name);
		}
	for (const struct channel *channel = snapshot->holder->channels; channel; channel = channel->next)
		for (const struct segment *segment = channel->first; segment; segment = segment->next)
			for (unsigned i = 0; segment->files && i < segment->files->count; i++)
				collect(writer, list, segment->files->files[i], "a file that is on its way");
}

static void put_slots(struct saved_writer *writer, const struct program *program)
{
	uint64_t count = 0;
	for (size_t i = 0; i < program->slot_count; i++)
		count += program->slots[i].file != NULL;
	saved_put_number(writer, count);
	for (size_t i = 0; i < program->slot_count; i++) {
		if (!program->slots[i].file)
			continue;
		saved_put_number(writer, i);
		saved_put_number(writer, program->slots[i].close_on_exec ? CLOSE_ON_EXEC : 0);
		saved_put_reference(writer, program->slots[i].file);
	}
}

void saved_put_files(struct saved_writer *writer, const viso_snapshot *snapshot)
{
	struct file_list list = {0};
	collect_all(writer, snapshot, &list);
	saved_put_number(writer, list.files.count);
	for (size_t i = 0; i < list.files.count && writer->error == 0; i++)
		saved_put_file(writer, snapshot, list.files.items[i], list.names[i]);
	saved_put_watches(writer, &list.files);
	for (const struct program *program = &snapshot->program; program; program = program->next)
		put_slots(writer, program);
	free(list.files.items);
	free(list.names);
}

static int get_slot(struct saved_reader *reader, struct program *program)
{
	uint64_t number, flags;
	void *file;
	if (!saved_get_number(reader, PROGRAM_FILES_MAX - 1, &number) ||
	    !saved_get_number(reader, CLOSE_ON_EXEC, &flags) || !saved_get_reference(reader, &reader->files, &file) ||
	    !file || program_file(program, (int)number))
		return saved_damaged("open files");
	int r = program_add_file(program, file_ref(file), (int)number, flags & CLOSE_ON_EXEC);
	return r < 0 ? error_memory() : 0;
}

static int get_slots(struct saved_reader *reader, struct program *program)
{
	const struct rlimit limit = program->limits[RLIMIT_NOFILE];
	uint64_t count;
	/* Of a process that has ended nothing but that is left. */
	if (!saved_get_number(reader, program->ended ? 0 : PROGRAM_FILES_MAX, &count))
		return saved_damaged("open files");
	/* Some may have been opened before the limit was lowered. */
	program->limits[RLIMIT_NOFILE].rlim_cur = PROGRAM_FILES_MAX;
	int r = 0;
	for (uint64_t i = 0; i < count && r == 0; i++)
		r = get_slot(reader, program);
	program->limits[RLIMIT_NOFILE] = limit;
	return r;
}

static int get_file(struct saved_reader *reader, viso_snapshot *snapshot)
{
	struct file *file;
	int r = saved_get_file(reader, snapshot, &file);
	if (r < 0)
		return r;
	/* Also of those that no process has, as on their way. */
	if (program_count_file(&snapshot->program, file) < 0)
		r = error_fail(VISO_STAGE_GUEST, EMFILE, "files",
			       "the snapshot has more files open than the guest may have; see "
			       "viso_guest_set_files_max()");
	if (r == 0)
		r = saved_list_add(&reader->files, file);
	if (r < 0)
		file_unref(file);
	return r;
}

int saved_get_files(struct saved_reader *reader, viso_snapshot *snapshot)
{
	uint64_t count;
	if (!saved_get_number(reader, UINT32_MAX, &count))
		return saved_damaged("open files");
	int r = 0;
	for (uint64_t i = 0; i < count && r == 0; i++)
		r = get_file(reader, snapshot);
	if (r == 0)
		r = saved_get_watches(reader, snapshot);
	for (size_t i = 0; i < reader->programs.count && r == 0; i++)
		r = get_slots(reader, reader->programs.items[i]);
	return r;
}
