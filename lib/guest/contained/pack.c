/* SPDX-License-Identifier: MIT */
/* Settings and command, as bytes and back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/contained/message.h"

struct packed {
	uint32_t magic;
	uint32_t file_count;
	uint64_t size; /* of all */
	struct contained_settings settings;
	uint64_t timeout_ms;
	uint64_t cpu_time_ms;
	uint32_t uid, gid;
	uint32_t group_count;
	uint32_t groups[COMMAND_GROUPS_MAX];
	uint32_t stdio[3]; /* enum stdio_kind */
	uint32_t added_count;
	uint32_t added[CONTAINED_ADDED_MAX]; /* their numbers in the guest's program */
	uint32_t has_rlimit[COMMAND_RLIMITS];
	uint64_t rlimit[COMMAND_RLIMITS];
	uint32_t arg_count;
	uint32_t env_count;
	uint32_t upper; /* enum guest_upper */
	uint64_t upper_max;
	/*
	 * The files follow; then the directory, the arguments, the environment and the paths of the files, each with
	 * its NUL; then the contents of the files.
	 */
};

struct packed_file {
	uint64_t size;
	uint32_t mode;
	uint8_t is_bind;
	uint8_t writable;
	uint16_t reserved;
};

static const uint64_t contents_max = (uint64_t)GUEST_FILES_MAX * GUEST_FILE_DATA_MAX;

static size_t strings_size(const struct strings *strings)
{
	size_t size = 0;
	for (size_t i = 0; i < strings->count; i++)
		size += strlen(strings->items[i]) + 1;
	return size;
}

static void put_numbers(struct packed *packed, const viso_command *command)
{
	packed->timeout_ms = command->timeout_ms;
	packed->cpu_time_ms = command->cpu_time_ms;
	packed->uid = command->has_user ? command->uid : COMMAND_DEFAULT_ID;
	packed->gid = command->has_user ? command->gid : COMMAND_DEFAULT_ID;
	packed->group_count = (uint32_t)command->group_count;
	for (size_t i = 0; i < command->group_count; i++)
		packed->groups[i] = command->groups[i];
	/* What is neither nothing nor a copy of another is the other process's own stream. */
	for (int i = 0; i < 3; i++) {
		enum stdio_kind kind = command->stdio[i].kind;
		packed->stdio[i] = kind == STDIO_NULL || kind == STDIO_STDOUT ? kind : STDIO_INHERIT;
	}
	packed->added_count = (uint32_t)command->added_count;
	for (size_t i = 0; i < command->added_count; i++)
		packed->added[i] = (uint32_t)command->added[i].number;
	for (int i = 0; i < COMMAND_RLIMITS; i++) {
		packed->has_rlimit[i] = command->has_rlimit[i];
		packed->rlimit[i] = command->rlimit[i];
	}
	packed->arg_count = (uint32_t)command->argv.count;
	packed->env_count = (uint32_t)command->env.count;
}

static void put_files(struct packed *packed, const struct guest_files *files)
{
	struct packed_file *out = (struct packed_file *)(packed + 1);
	packed->upper = files->upper;
	packed->upper_max = files->upper_max;
	packed->file_count = (uint32_t)files->count;
	for (size_t i = 0; i < files->count; i++) {
		const struct guest_file *file = &files->items[i];
		out[i] = (struct packed_file){
			.size = file->fd < 0 ? file->size : 0,
			.mode = file->mode,
			.is_bind = file->fd >= 0,
			.writable = file->writable,
		};
	}
}

static char *put_strings(char *at, const struct strings *strings)
{
	for (size_t i = 0; i < strings->count; i++)
		at = stpcpy(at, strings->items[i]) + 1;
	return at;
}

static void put_texts(char *at, const struct guest_files *files, const viso_command *command)
{
	at = stpcpy(at, command->cwd) + 1;
	at = put_strings(put_strings(at, &command->argv), &command->env);
	for (size_t i = 0; i < files->count; i++)
		at = stpcpy(at, files->items[i].path) + 1;
	for (size_t i = 0; i < files->count; i++)
		if (files->items[i].fd < 0 && files->items[i].size)
			at = mempcpy(at, files->items[i].data, files->items[i].size);
}

static size_t files_size(const struct guest_files *files, size_t *out_contents)
{
	size_t size = 0;
	*out_contents = 0;
	for (size_t i = 0; i < files->count; i++) {
		size += sizeof(struct packed_file) + strlen(files->items[i].path) + 1;
		*out_contents += files->items[i].fd < 0 ? files->items[i].size : 0;
	}
	return size;
}

int contained_pack(const struct contained_settings *settings, const struct guest_files *files,
		   const viso_command *command, void **out_data, size_t *out_size)
{
	size_t contents;
	size_t size = sizeof(struct packed) + files_size(files, &contents) + strlen(command->cwd) + 1 +
		      strings_size(&command->argv) + strings_size(&command->env);
	if (size > CONTAINED_SETTINGS_MAX)
		return error_fail(VISO_STAGE_COMMAND, E2BIG, "command", NULL);
	size += contents;
	struct packed *packed = calloc(1, size);
	if (!packed)
		return error_memory();
	packed->magic = CONTAINED_MAGIC;
	packed->size = size;
	packed->settings = *settings;
	put_numbers(packed, command);
	put_files(packed, files);
	put_texts((char *)(packed + 1) + files->count * sizeof(struct packed_file), files, command);
	*out_data = packed;
	*out_size = size;
	return 0;
}

static bool are_numbers_sane(const struct packed *packed, size_t size)
{
	bool sane = packed->magic == CONTAINED_MAGIC && packed->size == size && packed->arg_count > 0 &&
		    packed->group_count <= COMMAND_GROUPS_MAX && packed->added_count <= CONTAINED_ADDED_MAX &&
		    packed->file_count <= GUEST_FILES_MAX && packed->upper <= UPPER_KEPT &&
		    size - sizeof(*packed) >= packed->file_count * sizeof(struct packed_file);
	for (int i = 0; i < 3; i++)
		sane = sane && (packed->stdio[i] == STDIO_NULL || packed->stdio[i] == STDIO_INHERIT ||
				(packed->stdio[i] == STDIO_STDOUT && i == 2));
	for (uint32_t i = 0; sane && i < packed->added_count; i++)
		sane = packed->added[i] >= 3 && packed->added[i] <= COMMAND_FD_NUMBER_MAX;
	return sane;
}

/* The next string, or NULL where there is none that ends. */
static const char *next_string(const char **at, const char *end)
{
	const char *string = *at, *nul = memchr(string, 0, (size_t)(end - string));
	if (nul)
		*at = nul + 1;
	return nul ? string : NULL;
}

static int take_strings(const char **at, const char *end, uint32_t count, struct strings *out)
{
	for (uint32_t i = 0; i < count; i++) {
		const char *string = next_string(at, end);
		if (!string)
			return -EBADMSG;
		if (strings_add(out, string) < 0)
			return -ENOMEM;
	}
	return 0;
}

static void take_numbers(const struct packed *packed, viso_command *command)
{
	command->has_user = true;
	command->uid = packed->uid;
	command->gid = packed->gid;
	command->group_count = packed->group_count;
	for (uint32_t i = 0; i < packed->group_count; i++)
		command->groups[i] = packed->groups[i];
	for (int i = 0; i < 3; i++)
		command->stdio[i] = (struct stdio_setting){.kind = (enum stdio_kind)packed->stdio[i], .fd = -1};
	command->added_count = packed->added_count;
	for (uint32_t i = 0; i < packed->added_count; i++)
		command->added[i] = (struct added_fd){.fd = CONTAINED_ADDED + (int)i, .number = (int)packed->added[i]};
	for (int i = 0; i < COMMAND_RLIMITS; i++)
		if (packed->has_rlimit[i])
			command_set_rlimits(command, (viso_rlimit)i, packed->rlimit[i], packed->rlimit[i]);
	command->timeout_ms = packed->timeout_ms;
	command->cpu_time_ms = packed->cpu_time_ms;
}

static int take_contents(const char **at, const char *end, const struct packed_file *packed, struct guest_file *file)
{
	if (packed->size > GUEST_FILE_DATA_MAX || packed->size > (size_t)(end - *at))
		return -EBADMSG;
	file->size = packed->size;
	file->data = malloc(file->size + 1);
	if (!file->data)
		return -ENOMEM;
	memcpy(file->data, *at, file->size);
	*at += file->size;
	return 0;
}

static int take_file(const char **at, const char *end, const struct packed_file *packed, struct guest_file *file)
{
	const char *path = next_string(at, end);
	*file = (struct guest_file){
		.fd = packed->is_bind ? 0 : -1,
		.writable = packed->writable,
		.mode = packed->mode,
		.path = path ? strdup(path) : NULL,
	};
	return !path ? -EBADMSG : file->path ? 0 : -ENOMEM;
}

static int take_files(const char **at, const char *end, const struct packed *packed, struct guest_files *files)
{
	const struct packed_file *from = (const struct packed_file *)(packed + 1);
	int r = 0;
	files->upper = (enum guest_upper)packed->upper;
	files->upper_max = packed->upper_max;
	files->items = calloc(packed->file_count ? packed->file_count : 1, sizeof(*files->items));
	if (!files->items)
		return -ENOMEM;
	for (uint32_t i = 0; i < packed->file_count && r == 0; i++, files->count++)
		r = take_file(at, end, &from[i], &files->items[i]);
	for (size_t i = 0; i < files->count && r == 0; i++)
		if (!from[i].is_bind)
			r = take_contents(at, end, &from[i], &files->items[i]);
	return r;
}

static int take_texts(const struct packed *packed, const char *end, struct guest_files *files, viso_command *command)
{
	const char *at = (const char *)(packed + 1) + packed->file_count * sizeof(struct packed_file);
	const char *cwd = next_string(&at, end);
	if (!cwd)
		return -EBADMSG;
	free(command->cwd);
	command->cwd = strdup(cwd);
	if (!command->cwd)
		return -ENOMEM;
	strings_clear(&command->argv);
	strings_clear(&command->env);
	int r = take_strings(&at, end, packed->arg_count, &command->argv);
	if (r == 0)
		r = take_strings(&at, end, packed->env_count, &command->env);
	if (r == 0)
		r = take_files(&at, end, packed, files);
	return r == 0 && at != end ? -EBADMSG : r;
}

/* What is bound is not open: its numbers are none of ours. */
static void drop_files(struct guest_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		files->items[i].fd = -1;
	guest_files_release(files);
}

int contained_unpack(const void *data, size_t size, struct contained_settings *out_settings,
		     struct guest_files *out_files, viso_command **out_command)
{
	const struct packed *packed = data;
	if (size < sizeof(*packed) || size > CONTAINED_SETTINGS_MAX + contents_max || !are_numbers_sane(packed, size))
		return -EBADMSG;
	viso_command *command = viso_command_new("program");
	if (!command)
		return -ENOMEM;
	struct guest_files files = {.upper_fd = -1};
	int r = take_texts(packed, (const char *)data + size, &files, command);
	if (r < 0) {
		drop_files(&files);
		viso_command_unref(command);
		return r;
	}
	take_numbers(packed, command);
	*out_settings = packed->settings;
	*out_files = files;
	*out_command = command;
	return 0;
}
