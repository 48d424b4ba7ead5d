/* SPDX-License-Identifier: MIT */
#include "guest/device/virtio/fs_nodes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 4096, FIRST_CAPACITY = 64 };

struct fs_node {
	char *name;            /* NULL where it is free */
	uint32_t parent, next; /* parent: 0 where it was dropped. next: in its bucket, or of the free ones */
	uint64_t lookups;      /* how often the guest knows it */
	uint32_t children;     /* nodes below, whose paths need it */
};

int fs_nodes_init(struct fs_nodes *nodes)
{
	*nodes = (struct fs_nodes){.nodes = calloc(FIRST_CAPACITY, sizeof(nodes->nodes[0])),
				   .buckets = calloc(BUCKETS, sizeof(nodes->buckets[0])),
				   .capacity = FIRST_CAPACITY};
	if (!nodes->nodes || !nodes->buckets) {
		fs_nodes_release(nodes);
		return -ENOMEM;
	}
	fs_nodes_reset(nodes);
	return 0;
}

void fs_nodes_release(struct fs_nodes *nodes)
{
	for (uint32_t i = 0; nodes->nodes && i < nodes->capacity; i++)
		free(nodes->nodes[i].name);
	free(nodes->nodes);
	free(nodes->buckets);
	*nodes = (struct fs_nodes){0};
}

static void add_free(struct fs_nodes *nodes, uint32_t from)
{
	for (uint32_t i = nodes->capacity; i-- > from;) {
		nodes->nodes[i] = (struct fs_node){.next = nodes->free};
		nodes->free = i;
	}
}

void fs_nodes_reset(struct fs_nodes *nodes)
{
	for (uint32_t i = 0; i < nodes->capacity; i++)
		free(nodes->nodes[i].name);
	memset(nodes->buckets, 0, BUCKETS * sizeof(nodes->buckets[0]));
	memset(nodes->nodes, 0, nodes->capacity * sizeof(nodes->nodes[0]));
	nodes->free = 0;
	add_free(nodes, FS_ROOT + 1);
}

/* FNV-1a: who chooses names that collide makes his own look-ups slow, and there are no more than FS_NODES_MAX. */
static uint32_t *bucket_of(const struct fs_nodes *nodes, uint32_t parent, const char *name)
{
	uint32_t hash = 2166136261u ^ parent * 2654435761u;
	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 16777619u;
	return &nodes->buckets[hash % BUCKETS];
}

static bool is_node(const struct fs_nodes *nodes, uint64_t number)
{
	return number == FS_ROOT || (number > FS_ROOT && number < nodes->capacity && nodes->nodes[number].name);
}

static bool grow(struct fs_nodes *nodes)
{
	uint32_t old = nodes->capacity;
	if (old == FS_NODES_MAX)
		return false;
	struct fs_node *more = realloc(nodes->nodes, 2 * old * sizeof(more[0]));
	if (!more)
		return false;
	nodes->nodes = more;
	nodes->capacity = 2 * old;
	add_free(nodes, old);
	return true;
}

static uint32_t make(struct fs_nodes *nodes, uint32_t parent, const char *name)
{
	if (!nodes->free && !grow(nodes))
		return 0;
	char *copy = strdup(name);
	if (!copy)
		return 0;
	uint32_t number = nodes->free, *bucket = bucket_of(nodes, parent, name);
	struct fs_node *node = &nodes->nodes[number];
	nodes->free = node->next;
	*node = (struct fs_node){.name = copy, .parent = parent, .next = *bucket};
	*bucket = number;
	nodes->nodes[parent].children++;
	return number;
}

static uint32_t find(const struct fs_nodes *nodes, uint32_t parent, const char *name)
{
	uint32_t number = *bucket_of(nodes, parent, name);
	while (number && (nodes->nodes[number].parent != parent || strcmp(nodes->nodes[number].name, name) != 0))
		number = nodes->nodes[number].next;
	return number;
}

int fs_nodes_look_up(struct fs_nodes *nodes, uint64_t parent, const char *name, uint64_t *out_number)
{
	if (!is_node(nodes, parent))
		return -ENOENT;
	uint32_t number = find(nodes, (uint32_t)parent, name);
	if (!number)
		number = make(nodes, (uint32_t)parent, name);
	if (!number)
		return -ENOMEM;
	nodes->nodes[number].lookups++;
	*out_number = number;
	return 0;
}

/* Out of its bucket and its parent's children; it has neither afterwards. */
static void detach(struct fs_nodes *nodes, uint32_t number)
{
	struct fs_node *node = &nodes->nodes[number];
	if (!node->parent)
		return;
	uint32_t *link = bucket_of(nodes, node->parent, node->name);
	while (*link != number)
		link = &nodes->nodes[*link].next;
	*link = node->next;
	nodes->nodes[node->parent].children--;
	node->parent = 0;
}

/* Frees it where nobody needs it, and those above, which were kept for the path of this one alone. */
static void prune(struct fs_nodes *nodes, uint32_t number)
{
	while (is_node(nodes, number) && number != FS_ROOT && nodes->nodes[number].lookups == 0 &&
	       nodes->nodes[number].children == 0) {
		uint32_t parent = nodes->nodes[number].parent;
		detach(nodes, number);
		free(nodes->nodes[number].name);
		nodes->nodes[number] = (struct fs_node){.next = nodes->free};
		nodes->free = number;
		number = parent;
	}
}

void fs_nodes_forget(struct fs_nodes *nodes, uint64_t number, uint64_t count)
{
	if (number == FS_ROOT || !is_node(nodes, number))
		return;
	struct fs_node *node = &nodes->nodes[number];
	node->lookups -= count < node->lookups ? count : node->lookups;
	prune(nodes, (uint32_t)number);
}

static void drop(struct fs_nodes *nodes, uint32_t number)
{
	uint32_t parent = nodes->nodes[number].parent;
	detach(nodes, number);
	prune(nodes, number);
	prune(nodes, parent);
}

void fs_nodes_drop(struct fs_nodes *nodes, uint64_t parent, const char *name)
{
	uint32_t number = is_node(nodes, parent) ? find(nodes, (uint32_t)parent, name) : 0;
	if (number)
		drop(nodes, number);
}

static bool is_within(const struct fs_nodes *nodes, uint32_t number, uint32_t above)
{
	while (number > FS_ROOT && number != above)
		number = nodes->nodes[number].parent;
	return number == above;
}

/*
 * A detached one. Not beneath itself, for which the host's directories must have been moved about meanwhile, nor where
 * there is no such parent: it stays without a path then.
 */
static void attach(struct fs_nodes *nodes, uint32_t number, uint64_t parent, const char *name)
{
	char *copy = is_node(nodes, parent) && !is_within(nodes, (uint32_t)parent, number) ? strdup(name) : NULL;
	if (copy) {
		struct fs_node *node = &nodes->nodes[number];
		uint32_t *bucket = bucket_of(nodes, (uint32_t)parent, name);
		free(node->name);
		node->name = copy;
		node->parent = (uint32_t)parent;
		node->next = *bucket;
		*bucket = number;
		nodes->nodes[parent].children++;
	}
	prune(nodes, number);
}

void fs_nodes_move(struct fs_nodes *nodes, uint64_t parent, const char *name, uint64_t new_parent, const char *new_name,
		   bool exchange)
{
	if (!is_node(nodes, parent) || !is_node(nodes, new_parent))
		return;
	uint32_t moved = find(nodes, (uint32_t)parent, name), other = find(nodes, (uint32_t)new_parent, new_name);
	if (moved == other)
		return; /* none of both, or a name that stays */
	/* Held, so that neither goes before the other has found its place. */
	nodes->nodes[parent].children++;
	nodes->nodes[new_parent].children++;
	if (moved)
		detach(nodes, moved);
	if (other && exchange)
		detach(nodes, other);
	else if (other)
		drop(nodes, other);
	if (moved)
		attach(nodes, moved, new_parent, new_name);
	if (other && exchange)
		attach(nodes, other, parent, name);
	nodes->nodes[parent].children--;
	nodes->nodes[new_parent].children--;
	prune(nodes, (uint32_t)parent);
	prune(nodes, (uint32_t)new_parent);
}

int fs_nodes_path(const struct fs_nodes *nodes, uint64_t number, char out[PATH_MAX])
{
	char path[PATH_MAX];
	size_t begin = sizeof(path) - 1;
	if (!is_node(nodes, number))
		return -ENOENT;
	path[begin] = '\0';
	for (uint32_t place = (uint32_t)number; place != FS_ROOT; place = nodes->nodes[place].parent) {
		if (place == 0)
			return -ENOENT;
		size_t length = strlen(nodes->nodes[place].name);
		if (begin < length + 1)
			return -ENAMETOOLONG;
		begin -= length;
		memcpy(path + begin, nodes->nodes[place].name, length);
		path[--begin] = '/';
	}
	if (!path[begin])
		memcpy(out, ".", 2);
	else
		memcpy(out, path + begin + 1, sizeof(path) - begin - 1);
	return 0;
}
