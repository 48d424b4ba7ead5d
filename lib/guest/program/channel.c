/* SPDX-License-Identifier: MIT */
#include "guest/program/channel.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "guest/instance.h"
#include "guest/program/readiness.h"

enum {
	SEGMENT_LEAST = 4096 - 64, /* with its head less than a page */
	SEGMENT_MOST = 64 << 10,
	MESSAGE_COST = 64 /* of an empty one, so that their number is bounded */
};

struct channel_files *channel_files_new(struct instance *instance, unsigned count, int *error)
{
	*error = -ETOOMANYREFS;
	if (instance->files_on_way + count > CHANNEL_FILES_ON_WAY_MAX)
		return NULL;
	*error = -ENOMEM;
	struct channel_files *files = calloc(1, sizeof(*files) + count * sizeof(files->files[0]));
	if (files) {
		files->instance = instance;
		files->count = count;
		instance->files_on_way += count;
	}
	return files;
}

static void put_to_dropped(struct channel_files *files)
{
	struct instance *instance = files->instance;
	files->next = instance->files_dropped;
	instance->files_dropped = files;
}

/*
 * A file that goes may be a socket in whose queue further files lie, and so on: one after the other, since the depth of
 * this is up to the guest.
 */
static void free_dropped(struct instance *instance)
{
	if (instance->drops_files)
		return;
	instance->drops_files = true;
	for (struct channel_files *files; (files = instance->files_dropped);) {
		instance->files_dropped = files->next;
		instance->files_on_way -= files->count;
		for (unsigned i = 0; i < files->count; i++)
			file_unref(files->files[i]);
		free(files);
	}
	instance->drops_files = false;
}

void channel_files_free(struct channel_files *files)
{
	if (!files)
		return;
	struct instance *instance = files->instance;
	put_to_dropped(files);
	free_dropped(instance);
}

struct channel *channel_new(struct instance *instance, bool keeps_messages, size_t size)
{
	struct channel *channel = calloc(1, sizeof(*channel));
	if (!channel)
		return NULL;
	*channel = (struct channel){
		.instance = instance, .keeps_messages = keeps_messages, .size = size, .next = instance->channels};
	if (channel->next)
		channel->next->previous = channel;
	instance->channels = channel;
	return channel;
}

static size_t cost(const struct channel *channel, size_t size)
{
	return channel->keeps_messages ? size + MESSAGE_COST : size;
}

static void count_queued(struct channel *channel, size_t added, size_t removed)
{
	channel->queued += added - removed;
	channel->instance->channels_queued += added - removed;
}

/* Unlinked before its files go: one of them may be the other end of this channel. */
static void drop_first(struct channel *channel)
{
	struct segment *segment = channel->first;
	channel->first = segment->next;
	if (!channel->first)
		channel->last = NULL;
	count_queued(channel, 0, cost(channel, segment->end - segment->start));
	channel_files_free(segment->files);
	free(segment);
}

static void free_channel(struct channel *channel)
{
	while (channel->first)
		drop_first(channel);
	*(channel->previous ? &channel->previous->next : &channel->instance->channels) = channel->next;
	if (channel->next)
		channel->next->previous = channel->previous;
	free(channel);
}

void channel_shut(struct channel *channel, bool is_reader)
{
	if (is_reader)
		channel->read_shut = true;
	else
		channel->write_shut = true;
	file_changed(channel->instance, channel->reader);
	file_changed(channel->instance, channel->writer);
}

void channel_close(struct channel *channel, bool is_reader)
{
	*(is_reader ? &channel->reader : &channel->writer) = NULL;
	channel_shut(channel, is_reader);
	if (channel->reader || channel->writer)
		return;
	free_channel(channel);
}

void channels_drop_files(struct instance *instance)
{
	/* All are taken out first: each file that goes may take channels with it. */
	for (struct channel *channel = instance->channels; channel; channel = channel->next)
		for (struct segment *segment = channel->first; segment; segment = segment->next)
			if (segment->files)
				put_to_dropped(TAKE_PTR(segment->files));
	free_dropped(instance);
}

void channels_abandon(struct instance *instance)
{
	for (struct channel *channel = instance->channels, *next; channel; channel = next) {
		next = channel->next;
		if (!channel->reader && !channel->writer)
			free_channel(channel);
	}
	/* What was to be put into them was counted before. */
	if (!instance->channels)
		instance->channels_queued = 0;
}

bool channel_can_read(const struct channel *channel)
{
	return channel->first || channel->write_shut || channel->read_shut;
}

bool channel_can_write(const struct channel *channel)
{
	return channel->read_shut || channel->write_shut || channel->queued + PIPE_BUF <= channel->size;
}

size_t channel_available(const struct channel *channel)
{
	if (!channel->keeps_messages)
		return channel->queued;
	return channel->first ? channel->first->end - channel->first->start : 0;
}

/* The next bytes of a list of pieces. */
struct source {
	const struct iovec *piece;
	size_t done;
};

static void copy_out_of(struct source *source, uint8_t *out, size_t size)
{
	while (size > 0) {
		size_t left = source->piece->iov_len - source->done, step = left < size ? left : size;
		memcpy(out, (const uint8_t *)source->piece->iov_base + source->done, step);
		out += step;
		size -= step;
		source->done += step;
		if (source->done == source->piece->iov_len) {
			source->piece++;
			source->done = 0;
		}
	}
}

static struct segment *add_segment(struct channel *channel, size_t size)
{
	size_t capacity = size;
	if (!channel->keeps_messages)
		capacity = size < SEGMENT_LEAST ? SEGMENT_LEAST : size < SEGMENT_MOST ? size : SEGMENT_MOST;
	struct segment *segment = malloc(sizeof(*segment) + capacity);
	if (!segment)
		return NULL;
	*segment = (struct segment){.capacity = capacity};
	*(channel->last ? &channel->last->next : &channel->first) = segment;
	channel->last = segment;
	return segment;
}

/* How much may be added now; 0 or a negative errno where nothing can be. */
static int64_t room_for(const struct channel *channel, size_t size)
{
	if (channel->read_shut || channel->write_shut)
		return -EPIPE;
	size_t needed = cost(channel, size),
	       room = channel->size > channel->queued ? channel->size - channel->queued : 0;
	if (channel->keeps_messages && needed > channel->size)
		return -EMSGSIZE;
	if (needed > room && (channel->keeps_messages || needed <= PIPE_BUF || room == 0))
		return -EAGAIN;
	if (channel->instance->channels_queued + needed > CHANNELS_SIZE_MAX)
		return -ENOBUFS;
	return (int64_t)(needed < room ? size : channel->keeps_messages ? size : room);
}

int64_t channel_write(struct channel *channel, const struct iovec *pieces, int count, size_t size,
		      struct channel_files *files)
{
	int64_t room = room_for(channel, size);
	if (room < 0)
		return room;
	/* Of a stream there is nothing that the files could come with: unix_stream_sendmsg() drops them too. */
	if (size == 0 && !channel->keeps_messages) {
		channel_files_free(files);
		return 0;
	}
	struct source source = {pieces, 0};
	size_t left = (size_t)room, done = 0;
	do {
		struct segment *segment = channel->last;
		/* Bytes with files begin a segment, so that the files come with the first of them (unix(7)). */
		if (!segment || channel->keeps_messages || (files && done == 0) || segment->end == segment->capacity)
			segment = add_segment(channel, left);
		if (!segment)
			return done ? (int64_t)done : -ENOMEM;
		size_t free_bytes = segment->capacity - segment->end, step = left < free_bytes ? left : free_bytes;
		if (done == 0 && files)
			segment->files = TAKE_PTR(files);
		copy_out_of(&source, segment->data + segment->end, step);
		segment->end += step;
		count_queued(channel, cost(channel, step), 0);
		done += step;
		left -= step;
	} while (left > 0);
	file_changed(channel->instance, channel->reader);
	return (int64_t)done;
}

int channel_restore(struct channel *channel, const uint8_t *data, size_t size, struct channel_files *files)
{
	size_t needed = cost(channel, size);
	bool fits = (channel->keeps_messages || (size > 0 && size <= SEGMENT_MOST)) && needed <= channel->size &&
		    channel->queued <= channel->size - needed &&
		    channel->instance->channels_queued + needed <= CHANNELS_SIZE_MAX;
	struct segment *segment = fits ? add_segment(channel, size) : NULL;
	if (!segment) {
		channel_files_free(files);
		return fits ? -ENOMEM : -EINVAL;
	}
	memcpy(segment->data, data, size);
	segment->end = size;
	segment->files = files;
	count_queued(channel, needed, 0);
	return 0;
}

static size_t copy_into(const struct iovec *pieces, int count, size_t skip, const uint8_t *data, size_t size)
{
	size_t done = 0;
	for (int i = 0; i < count && done < size; i++) {
		size_t length = pieces[i].iov_len;
		if (skip >= length) {
			skip -= length;
			continue;
		}
		size_t step = length - skip < size - done ? length - skip : size - done;
		memcpy((uint8_t *)pieces[i].iov_base + skip, data + done, step);
		done += step;
		skip = 0;
	}
	return done;
}

static int64_t read_message(struct channel *channel, const struct iovec *pieces, int count, struct channel_read *read)
{
	struct segment *segment = channel->first;
	size_t size = segment->end - segment->start;
	size_t done = copy_into(pieces, count, 0, segment->data + segment->start, size);
	read->truncated = done < size;
	read->message = size;
	if (read->peek)
		return (int64_t)done;
	read->files = TAKE_PTR(segment->files);
	drop_first(channel);
	return (int64_t)done;
}

static int64_t read_bytes(struct channel *channel, const struct iovec *pieces, int count, struct channel_read *read)
{
	size_t done = 0;
	for (struct segment *segment = channel->first, *next; segment; segment = next) {
		next = segment->next;
		size_t size = segment->end - segment->start;
		/* Data with files is not read together with what was sent before or after it. */
		if (done > 0 && (segment->files || read->files))
			break;
		size_t step = copy_into(pieces, count, done, segment->data + segment->start, size);
		done += step;
		if (!read->peek) {
			if (step > 0 && segment->files)
				read->files = TAKE_PTR(segment->files);
			segment->start += step;
			count_queued(channel, 0, step);
			if (step == size)
				drop_first(channel);
		}
		if (step < size)
			break;
	}
	return (int64_t)done;
}

int64_t channel_read(struct channel *channel, const struct iovec *pieces, int count, struct channel_read *read)
{
	struct channel_read plain = {0};
	if (!read)
		read = &plain;
	if (!channel->first) {
		read->is_end = channel->write_shut || channel->read_shut;
		return read->is_end ? 0 : -EAGAIN;
	}
	int64_t n = channel->keeps_messages ? read_message(channel, pieces, count, read)
					    : read_bytes(channel, pieces, count, read);
	if (!read->peek)
		file_changed(channel->instance, channel->writer);
	channel_files_free(plain.files);
	return n;
}
