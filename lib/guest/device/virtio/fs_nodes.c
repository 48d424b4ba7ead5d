/* SPDX-License-Identifier: MIT */
#include "guest/device/virtio/fs_nodes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/error.h"

enum { BUCKETS = 4096, FIRST_CAPACITY = 64 };

struct fs_node {
	char *name;            /* NULL where it is free */
	uint32_t parent, next; /* parent: 0 where it was dropped. next: in its bucket, or of the free ones */
	uint64_t lookups;      /* how often the guest knows it */
	uint32_t children;     /* nodes below, whose paths need it */
	bool is_expected;      /* it is from a snapshot, and what it was is to be there first */
	struct fs_identity identity;
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

bool fs_nodes_has(const struct fs_nodes *nodes, uint64_t number)
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

/* Into its bucket and its parent's children. */
static void enter(struct fs_nodes *nodes, uint32_t number, uint32_t parent)
{
	struct fs_node *node = &nodes->nodes[number];
	uint32_t *bucket = bucket_of(nodes, parent, node->name);
	node->parent = parent;
	node->next = *bucket;
	*bucket = number;
	nodes->nodes[parent].children++;
}

static uint32_t make(struct fs_nodes *nodes, uint32_t parent, const char *name)
{
	if (!nodes->free && !grow(nodes))
		return 0;
	char *copy = strdup(name);
	if (!copy)
		return 0;
	uint32_t number = nodes->free;
	nodes->free = nodes->nodes[number].next;
	nodes->nodes[number] = (struct fs_node){.name = copy};
	enter(nodes, number, parent);
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
	if (!fs_nodes_has(nodes, parent))
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

uint64_t fs_nodes_find(const struct fs_nodes *nodes, uint64_t parent, const char *name)
{
	return fs_nodes_has(nodes, parent) ? find(nodes, (uint32_t)parent, name) : 0;
}

void fs_nodes_identify(struct fs_nodes *nodes, uint64_t number, const struct fs_identity *identity)
{
	if (fs_nodes_has(nodes, number))
		nodes->nodes[number].identity = *identity;
}

const struct fs_identity *fs_nodes_expected(const struct fs_nodes *nodes, uint64_t number)
{
	bool is_expected = fs_nodes_has(nodes, number) && nodes->nodes[number].is_expected;
	return is_expected ? &nodes->nodes[number].identity : NULL;
}

void fs_nodes_confirm(struct fs_nodes *nodes, uint64_t number)
{
	if (fs_nodes_has(nodes, number))
		nodes->nodes[number].is_expected = false;
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
	while (fs_nodes_has(nodes, number) && number != FS_ROOT && nodes->nodes[number].lookups == 0 &&
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
	if (number == FS_ROOT || !fs_nodes_has(nodes, number))
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
	uint64_t number = fs_nodes_find(nodes, parent, name);
	if (number)
		drop(nodes, (uint32_t)number);
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
	char *copy = fs_nodes_has(nodes, parent) && !is_within(nodes, (uint32_t)parent, number) ? strdup(name) : NULL;
	if (copy) {
		free(nodes->nodes[number].name);
		nodes->nodes[number].name = copy;
		enter(nodes, number, (uint32_t)parent);
	}
	prune(nodes, number);
}

void fs_nodes_move(struct fs_nodes *nodes, uint64_t parent, const char *name, uint64_t new_parent, const char *new_name,
		   bool exchange)
{
	if (!fs_nodes_has(nodes, parent) || !fs_nodes_has(nodes, new_parent))
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
	if (!fs_nodes_has(nodes, number))
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

bool fs_nodes_is_name(const char *name)
{
	return name[0] && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* Followed by its name. */
struct node_state {
	uint64_t lookups;
	struct fs_identity identity;
	uint32_t number, parent, name_size, reserved;
};

static void put_node(const struct fs_nodes *nodes, uint32_t number, struct state_writer *out)
{
	const struct fs_node *node = &nodes->nodes[number];
	const struct node_state state = {
		.lookups = node->lookups,
		.identity = node->identity,
		.number = number,
		.parent = node->parent,
		.name_size = (uint32_t)strlen(node->name),
	};
	state_put(out, &state, sizeof(state));
	state_put(out, node->name, state.name_size);
}

/* A node behind those above it, of which some are there already. `above` has room for all. */
static void put_branch(const struct fs_nodes *nodes, uint32_t number, bool is_put[], uint32_t above[],
		       struct state_writer *out)
{
	uint32_t depth = 0;
	for (; number > FS_ROOT && !is_put[number]; number = nodes->nodes[number].parent) {
		is_put[number] = true;
		above[depth++] = number;
	}
	while (depth-- > 0)
		put_node(nodes, above[depth], out);
}

int fs_nodes_save(const struct fs_nodes *nodes, struct state_writer *out)
{
	uint64_t count = 0;
	_cleanup_free_ bool *is_put = calloc(nodes->capacity, sizeof(is_put[0]));
	_cleanup_free_ uint32_t *above = calloc(nodes->capacity, sizeof(above[0]));
	if (!is_put || !above)
		return error_memory();
	for (uint32_t i = FS_ROOT + 1; i < nodes->capacity; i++)
		count += nodes->nodes[i].name != NULL;
	state_put_number(out, nodes->capacity);
	state_put_number(out, count);
	for (uint32_t i = FS_ROOT + 1; i < nodes->capacity; i++)
		if (nodes->nodes[i].name)
			put_branch(nodes, i, is_put, above, out);
	return 0;
}

/*
 * Those above it are there already, so that there is no circle. Two of one name in a directory, which nobody but a
 * forger has, do no harm, and to look for them would take as long as he likes.
 */
static bool get_node(struct fs_nodes *nodes, struct state_reader *in)
{
	struct node_state state;
	char name[FS_NAME_MAX + 1] = "";
	if (!state_get(in, &state, sizeof(state)) || state.name_size > FS_NAME_MAX ||
	    !state_get(in, name, state.name_size) || strlen(name) != state.name_size || !fs_nodes_is_name(name))
		return false;
	if (state.number <= FS_ROOT || state.number >= nodes->capacity || fs_nodes_has(nodes, state.number) ||
	    state.lookups > INT64_MAX)
		return false;
	if (state.parent && !fs_nodes_has(nodes, state.parent))
		return false;
	char *copy = strdup(name);
	if (!copy)
		return false;
	nodes->nodes[state.number] = (struct fs_node){
		.name = copy, .lookups = state.lookups, .is_expected = true, .identity = state.identity};
	if (state.parent)
		enter(nodes, state.number, state.parent);
	return true;
}

/* Those that nobody needs would never be forgotten. */
static bool are_needed(const struct fs_nodes *nodes)
{
	for (uint32_t i = FS_ROOT + 1; i < nodes->capacity; i++)
		if (nodes->nodes[i].name && !nodes->nodes[i].lookups && !nodes->nodes[i].children)
			return false;
	return true;
}

static void find_free(struct fs_nodes *nodes)
{
	nodes->free = 0;
	for (uint32_t i = nodes->capacity; i-- > FS_ROOT + 1;) {
		if (nodes->nodes[i].name)
			continue;
		nodes->nodes[i].next = nodes->free;
		nodes->free = i;
	}
}

int fs_nodes_load(struct fs_nodes *nodes, struct state_reader *in)
{
	uint64_t capacity, count;
	if (!state_get_number(in, FS_NODES_MAX, &capacity) || !state_get_number(in, FS_NODES_MAX, &count))
		return state_damaged("shared directory");
	while (nodes->capacity < capacity)
		if (!grow(nodes))
			return error_memory();
	for (uint64_t i = 0; i < count; i++)
		if (!get_node(nodes, in))
			return state_damaged("shared directory");
	find_free(nodes);
	return are_needed(nodes) ? 0 : state_damaged("shared directory");
}
