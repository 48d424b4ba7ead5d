/* SPDX-License-Identifier: MIT */
/* Queues between files for a snapshot or a clone: the same, with what is in them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guest/instance.h"
#include "guest/program/channel.h"
#include "guest/program/copies.h"

int channels_copy(struct copies *copies, const struct instance *from)
{
	for (const struct channel *channel = from->channels; channel; channel = channel->next) {
		struct channel *copy = channel_new(copies->instance, channel->keeps_messages, channel->size);
		if (!copy || copy_map_add(&copies->channels, channel, copy) < 0)
			return -ENOMEM;
		copy->read_shut = channel->read_shut;
		copy->write_shut = channel->write_shut;
	}
	return 0;
}

static int copy_files(struct copies *copies, const struct channel_files *files, struct channel_files **out)
{
	int r = 0;
	if (!files)
		return 0;
	*out = channel_files_new(copies->instance, files->count, &r);
	if (!*out)
		return r;
	r = 0;
	for (unsigned i = 0; i < files->count && r == 0; i++)
		r = copies_file(copies, files->files[i], &(*out)->files[i]);
	return r;
}

static int copy_segment(struct copies *copies, const struct segment *segment, struct channel *channel)
{
	struct segment *copy = malloc(sizeof(*copy) + segment->capacity);
	if (!copy)
		return -ENOMEM;
	*copy = *segment;
	copy->next = NULL;
	copy->files = NULL;
	memcpy(copy->data + copy->start, segment->data + segment->start, segment->end - segment->start);
	*(channel->last ? &channel->last->next : &channel->first) = copy;
	channel->last = copy;
	return copy_files(copies, segment->files, &copy->files);
}

int channels_copy_contents(struct copies *copies, const struct instance *from)
{
	int r = 0;
	for (const struct channel *channel = from->channels; channel && r == 0; channel = channel->next) {
		struct channel *copy = copy_map_find(&copies->channels, channel);
		copy->queued = channel->queued;
		copies->instance->channels_queued += channel->queued;
		for (const struct segment *segment = channel->first; segment && r == 0; segment = segment->next)
			r = copy_segment(copies, segment, copy);
	}
	return r;
}
