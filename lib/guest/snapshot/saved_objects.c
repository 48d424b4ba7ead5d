/* SPDX-License-Identifier: MIT */
/* Open files of a saved snapshot that are neither on the host nor in a file system: pipes, sockets, epolls, ... */
#include <errno.h>
#include <string.h>

#include "core/error.h"
#include "guest/instance.h"
#include "guest/program/channel.h"
#include "guest/program/events/epoll.h"
#include "guest/program/object.h"
#include "guest/snapshot/saved.h"

typedef int revive(struct program *program, const struct object_state *state, int flags, struct file **out);

static revive *const revivers[] = {
	[OBJECT_PIPE] = pipe_revive,
	[OBJECT_SOCKET] = socket_revive,
	[OBJECT_EPOLL] = epoll_revive,
	[OBJECT_COUNTER] = counter_revive,
	[OBJECT_TIMER] = timer_revive,
	[OBJECT_SIGNALS] = signals_revive,
	[OBJECT_PROCESS] = process_watch_revive,
};

void saved_put_object(struct saved_writer *writer, const viso_snapshot *snapshot, const struct file *file,
		      const char *object)
{
	struct object_state state = {.since = snapshot->frozen_at};
	const char *refused = file->ops->describe(file, &state);
	if (refused && writer->error == 0)
		writer->error = saved_refuse(object, refused);
	saved_put_number(writer, (uint64_t)state.kind);
	saved_put_reference(writer, state.in);
	saved_put_reference(writer, state.out);
	saved_put(writer, state.values, sizeof(state.values));
	saved_put(writer, &state.name, sizeof(state.name));
}

int saved_get_object(struct saved_reader *reader, viso_snapshot *snapshot, int flags, struct file **out)
{
	struct object_state state = {.since = snapshot->frozen_at};
	uint64_t kind;
	void *in, *out_channel;
	if (!saved_get_number(reader, sizeof(revivers) / sizeof(revivers[0]) - 1, &kind) || !revivers[kind] ||
	    !saved_get_reference(reader, &reader->channels, &in) ||
	    !saved_get_reference(reader, &reader->channels, &out_channel) ||
	    !saved_get(reader, state.values, sizeof(state.values)) ||
	    !saved_get(reader, &state.name, sizeof(state.name)))
		return saved_damaged("open files");
	state.kind = (enum object_kind)kind;
	state.in = in;
	state.out = out_channel;
	int r = revivers[kind](&snapshot->program, &state, flags, out);
	if (r == -EINVAL)
		return saved_damaged("open files");
	if (r == -ENOMEM)
		return error_memory();
	return r < 0 ? error_fail(VISO_STAGE_GUEST, EMFILE, "files", "no fd is left for a socket of the snapshot") : 0;
}

struct saved_watch {
	uint64_t data;
	uint32_t events;
	uint32_t seen;
	int32_t fd;
	uint8_t disabled;
	uint8_t is_told;
	uint8_t unused[2];
};

static void put_watch(struct saved_writer *writer, const struct file *own, const struct epoll_item *item)
{
	const struct saved_watch saved = {
		.data = item->data,
		.events = item->events,
		.seen = item->seen,
		.fd = item->fd,
		.disabled = item->disabled,
		.is_told = item->is_told,
	};
	/* It would be told of for ever. */
	if (saved_is_stream(item->file) && writer->error == 0)
		writer->error = saved_refuse("files", "an epoll that waits for a standard stream");
	saved_put_reference(writer, own);
	saved_put_reference(writer, item->file);
	saved_put(writer, &saved, sizeof(saved));
}

void saved_put_watches(struct saved_writer *writer, const struct saved_list *files)
{
	for (size_t i = 0; i < files->count; i++) {
		const struct epoll *epoll = epoll_of(files->items[i]);
		for (const struct epoll_item *item = epoll ? epoll->first : NULL; item; item = item->next)
			put_watch(writer, files->items[i], item);
	}
	saved_put_reference(writer, NULL);
}

int saved_get_watches(struct saved_reader *reader, viso_snapshot *snapshot)
{
	for (;;) {
		struct saved_watch saved;
		void *own, *file;
		if (!saved_get_reference(reader, &reader->files, &own))
			return saved_damaged("epolls");
		if (!own)
			return 0;
		if (!saved_get_reference(reader, &reader->files, &file) || !file ||
		    !saved_get(reader, &saved, sizeof(saved)))
			return saved_damaged("epolls");
		const struct epoll_item values = {
			.fd = saved.fd,
			.events = saved.events,
			.data = saved.data,
			.disabled = saved.disabled & 1,
			.is_told = saved.is_told & 1,
			.seen = saved.seen,
		};
		int r = epoll_revive_item(&snapshot->program, own, file, &values);
		if (r < 0)
			return r == -ENOMEM ? error_memory() : saved_damaged("epolls");
	}
}
