/* SPDX-License-Identifier: MIT */
/* Layers in memory. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "guest/files/layer.h"

static int look(const struct layer *layer, const struct part *directory, const char *name, struct part *out,
		struct stat *out_st)
{
	struct memory_entry *entry = memory_find(directory->node, name);
	if (!entry)
		return -ENOENT;
	if (!entry->node)
		return LAYER_WHITEOUT;
	*out = (struct part){.node = entry->node, .fd = -1, .opaque = entry->node->opaque};
	memory_status(entry->node, out_st);
	return 0;
}

static int status(const struct layer *layer, const struct part *part, struct stat *out)
{
	memory_status(part->node, out);
	return 0;
}

static ssize_t read_link(const struct layer *layer, const struct part *part, char *out, size_t size)
{
	size_t length = strlen(part->node->target);
	length = length < size ? length : size;
	memcpy(out, part->node->target, length);
	return (ssize_t)length;
}

static int list(const struct layer *layer, const struct part *directory, layer_entry_fn *entry, void *data)
{
	int r = 0;
	for (size_t i = 0; i < directory->node->count && r == 0; i++) {
		const struct memory_entry *at = directory->node->entries[i];
		r = entry(data, at->name, at->node ? at->node->ino : 0, at->node ? IFTODT(at->node->mode) : DT_UNKNOWN,
			  !at->node);
	}
	return r;
}

static int make(const struct layer *layer, const struct part *directory, const char *name, const struct making *making,
		struct part *out)
{
	int r;
	struct memory_node *node = memory_node_new(layer->tree, making->mode, making->uid, making->gid, &r);
	if (!node)
		return r;
	memory_node_hold(node);
	node->from_root = making->from_root;
	if (making->target)
		r = memory_node_set_target(node, making->target);
	if (r == 0)
		r = memory_link(directory->node, name, node);
	memory_node_release(node);
	if (r == 0)
		*out = (struct part){.node = node, .fd = -1};
	return r;
}

static int make_link(const struct layer *layer, const struct part *part, const struct part *directory, const char *name)
{
	int r = memory_link(directory->node, name, part->node);
	if (r == 0)
		memory_touch(part->node, MEMORY_TIME_CHANGE);
	return r;
}

static int remove_name(const struct layer *layer, const struct part *directory, const char *name, bool is_directory)
{
	memory_unlink(directory->node, name);
	return 0;
}

static int exchange_names(struct memory_entry *one, struct memory_entry *other)
{
	struct memory_node *node = one->node;
	one->node = other->node;
	other->node = node;
	return 0;
}

static int rename_entry(const struct layer *layer, const struct part *from, const char *name, const struct part *to,
			const char *new_name, bool exchange)
{
	struct memory_entry *entry = memory_find(from->node, name);
	if (!entry || !entry->node)
		return -ENOENT;
	struct memory_entry *other = exchange ? memory_find(to->node, new_name) : NULL;
	if (exchange)
		return other ? exchange_names(entry, other) : -ENOENT;
	/* The new name first: it may fail, the other cannot. */
	struct memory_node *node = entry->node;
	unsigned links = node->links;
	memory_node_hold(node);
	int r = memory_link(to->node, new_name, node);
	if (r == 0) {
		memory_unlink(from->node, name);
		node->links = links;
	}
	memory_node_release(node);
	return r;
}

static int hide(const struct layer *layer, const struct part *directory, const char *name)
{
	return memory_link(directory->node, name, NULL);
}

static int set_opaque(const struct layer *layer, const struct part *directory)
{
	directory->node->opaque = true;
	return 0;
}

static void set_time(struct memory_node *node, unsigned which, const struct timespec *time)
{
	if (time->tv_nsec == UTIME_NOW)
		memory_touch(node, which);
	else if (time->tv_nsec != UTIME_OMIT)
		node->times[which] = *time;
}

static int set(const struct layer *layer, const struct part *part, const struct change *change)
{
	struct memory_node *node = part->node;
	if (change->has_size) {
		int r = contents_resize(&node->contents, &layer->tree->quota, change->size);
		if (r < 0)
			return r;
		memory_touch(node, MEMORY_TIME_MODIFY);
	}
	if (change->has_mode)
		node->mode = (node->mode & S_IFMT) | (change->mode & 07777);
	if (change->has_owner && change->uid != (unsigned)-1)
		node->uid = change->uid;
	if (change->has_owner && change->gid != (unsigned)-1)
		node->gid = change->gid;
	memory_touch(node, MEMORY_TIME_CHANGE);
	if (change->has_times) {
		set_time(node, MEMORY_TIME_ACCESS, &change->times[0]);
		set_time(node, MEMORY_TIME_MODIFY, &change->times[1]);
	}
	return 0;
}

const struct layer_ops layer_memory_ops = {
	.look = look,
	.status = status,
	.read_link = read_link,
	.list = list,
	.make = make,
	.link = make_link,
	.remove = remove_name,
	.rename = rename_entry,
	.hide = hide,
	.set_opaque = set_opaque,
	.set = set,
};
