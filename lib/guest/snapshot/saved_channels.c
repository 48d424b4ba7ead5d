/* SPDX-License-Identifier: MIT */
/* Queues between the open files of a saved snapshot, with what is in them: bytes, messages, and files on their way. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "guest/instance.h"
#include "guest/program/channel.h"
#include "guest/snapshot/saved.h"

enum { READ_SHUT = 1, WRITE_SHUT = 2, KEEPS_MESSAGES = 4, CHANNEL_FLAGS = 7 };

void saved_put_channels(struct saved_writer *writer, const viso_snapshot *snapshot)
{
	uint64_t count = 0;
	for (const struct channel *channel = snapshot->holder->channels; channel; channel = channel->next)
		saved_give_number(writer, channel, count++);
	saved_put_number(writer, count);
	for (const struct channel *channel = snapshot->holder->channels; channel; channel = channel->next) {
		saved_put_number(writer, (channel->read_shut ? READ_SHUT : 0) | (channel->write_shut ? WRITE_SHUT : 0) |
						 (channel->keeps_messages ? KEEPS_MESSAGES : 0));
		saved_put_number(writer, channel->size);
	}
}

int saved_get_channels(struct saved_reader *reader, viso_snapshot *snapshot)
{
	uint64_t count, flags, size;
	/* Each has at least one of two files. */
	if (!saved_get_number(reader, 2ull * snapshot->view.counts.open_max, &count))
		return saved_damaged("queues");
	for (uint64_t i = 0; i < count; i++) {
		if (!saved_get_number(reader, CHANNEL_FLAGS, &flags) ||
		    !saved_get_number(reader, CHANNEL_SIZE_MAX, &size))
			return saved_damaged("queues");
		struct channel *channel = channel_new(snapshot->holder, flags & KEEPS_MESSAGES, size);
		if (!channel)
			return error_memory();
		channel->read_shut = flags & READ_SHUT;
		channel->write_shut = flags & WRITE_SHUT;
		int r = saved_list_add(&reader->channels, channel);
		if (r < 0)
			return r;
	}
	return 0;
}

static void put_segment(struct saved_writer *writer, const struct segment *segment)
{
	const struct channel_files *files = segment->files;
	saved_put_number(writer, segment->end - segment->start);
	saved_put(writer, segment->data + segment->start, segment->end - segment->start);
	saved_put_number(writer, files ? files->count : 0);
	for (unsigned i = 0; files && i < files->count; i++)
		saved_put_reference(writer, files->files[i]);
}

void saved_put_queued(struct saved_writer *writer, const viso_snapshot *snapshot)
{
	for (const struct channel *channel = snapshot->holder->channels; channel; channel = channel->next) {
		uint64_t count = 0;
		for (const struct segment *segment = channel->first; segment; segment = segment->next)
			count++;
		saved_put_number(writer, count);
		for (const struct segment *segment = channel->first; segment; segment = segment->next)
			put_segment(writer, segment);
	}
}

static int get_channel_files(struct saved_reader *reader, struct instance *holder, struct channel_files **out)
{
	uint64_t count;
	void *file;
	int r;
	if (!saved_get_number(reader, CHANNEL_FILES_MAX, &count))
		return saved_damaged("queues");
	if (count == 0)
		return 0;
	*out = channel_files_new(holder, (unsigned)count, &r);
	if (!*out)
		return r == -ENOMEM ? error_memory() : saved_damaged("queues");
	for (uint64_t i = 0; i < count; i++) {
		if (!saved_get_reference(reader, &reader->files, &file) || !file)
			return saved_damaged("queues");
		(*out)->files[i] = file_ref(file);
	}
	return 0;
}

static int get_segment(struct saved_reader *reader, struct channel *channel)
{
	struct channel_files *files = NULL;
	uint64_t size;
	const uint8_t *data = saved_get_number(reader, CHANNEL_SIZE_MAX, &size) ? saved_get_data(reader, size) : NULL;
	if (!data)
		return saved_damaged("queues");
	int r = get_channel_files(reader, channel->instance, &files);
	if (r == 0)
		r = channel_restore(channel, data, size, files);
	else
		channel_files_free(files);
	return r == -ENOMEM ? error_memory() : r == -EINVAL ? saved_damaged("queues") : r;
}

int saved_get_queued(struct saved_reader *reader, viso_snapshot *snapshot)
{
	uint64_t count;
	for (size_t i = 0; i < reader->channels.count; i++) {
		struct channel *channel = reader->channels.items[i];
		if ((!channel->reader && !channel->writer) || !saved_get_number(reader, CHANNEL_SIZE_MAX, &count))
			return saved_damaged("queues");
		/* As it is where the last file of an end was closed. */
		channel->read_shut |= !channel->reader;
		channel->write_shut |= !channel->writer;
		for (uint64_t segment = 0; segment < count; segment++) {
			int r = get_segment(reader, channel);
			if (r < 0)
				return r;
		}
	}
	return 0;
}
