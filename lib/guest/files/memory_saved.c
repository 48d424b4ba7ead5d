/* SPDX-License-Identifier: MIT */
/*
 * Trees in memory as bytes: a head, then each node with its attributes, its pages that are there, its target or its
 * entries. What is read may be damaged or hostile: every number is checked.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "guest/files/memory_tree.h"

enum { PAGE = 4096, FLAG_FROM_ROOT = 1, FLAG_COPY = 2, FLAG_OPAQUE = 4, FLAGS = 7 };

static const uint64_t tree_magic = 0x3165657274766976;

struct saved_tree {
	uint64_t magic;
	uint64_t next_ino;
	uint64_t quota_used;
	uint64_t quota_max;
	uint64_t nodes;
	uint64_t root; /* its inode number */
};

struct saved_node {
	uint64_t ino;
	uint64_t rdev;
	uint64_t size;
	uint64_t pages;
	uint64_t entries;
	int64_t times[3][2];
	uint32_t mode;
	uint32_t uid;
	uint32_t gid;
	uint32_t links;
	uint32_t flags;
	uint32_t target; /* its length */
};

struct saved_entry {
	uint64_t ino; /* 0: a whiteout */
	uint32_t length;
	uint32_t unused;
};

int memory_buffer_put(struct memory_buffer *out, const void *data, size_t size)
{
	if (size > out->capacity - out->size) {
		size_t capacity = 2 * out->capacity + size + PAGE;
		uint8_t *grown = realloc(out->data, capacity);
		if (!grown)
			return -ENOMEM;
		out->data = grown;
		out->capacity = capacity;
	}
	if (size)
		memcpy(out->data + out->size, data, size);
	out->size += size;
	return 0;
}

/* Each page that has data, with its offset; or only their number. */
static int put_pages(const struct contents *contents, struct memory_buffer *out, uint64_t *out_count)
{
	uint8_t page[PAGE];
	int r = 0;
	*out_count = 0;
	for (uint64_t at = 0; r == 0 && (at = contents_seek(contents, at, 0)) < contents->size; at += PAGE) {
		++*out_count;
		if (!out)
			continue;
		memset(page, 0, sizeof(page));
		contents_read(contents, page, PAGE, at);
		r = memory_buffer_put(out, &at, sizeof(at));
		if (r == 0)
			r = memory_buffer_put(out, page, PAGE);
	}
	return r;
}

static int put_entries(const struct memory_node *node, struct memory_buffer *out)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < node->count; i++) {
		const struct memory_entry *entry = node->entries[i];
		const struct saved_entry saved = {
			.ino = entry->node ? entry->node->ino : 0,
			.length = (uint32_t)strlen(entry->name),
		};
		r = memory_buffer_put(out, &saved, sizeof(saved));
		if (r == 0)
			r = memory_buffer_put(out, entry->name, saved.length);
	}
	return r;
}

static int put_node(const struct memory_node *node, struct memory_buffer *out)
{
	struct saved_node saved = {
		.ino = node->ino,
		.rdev = node->rdev,
		.size = node->contents.size,
		.entries = node->count,
		.mode = node->mode,
		.uid = node->uid,
		.gid = node->gid,
		.links = node->links,
		.flags = (node->from_root ? FLAG_FROM_ROOT : 0u) | (node->is_copy ? FLAG_COPY : 0u) |
			 (node->opaque ? FLAG_OPAQUE : 0u),
		.target = node->target ? (uint32_t)strlen(node->target) : 0,
	};
	for (int i = 0; i < 3; i++) {
		saved.times[i][0] = node->times[i].tv_sec;
		saved.times[i][1] = node->times[i].tv_nsec;
	}
	put_pages(&node->contents, NULL, &saved.pages);
	int r = memory_buffer_put(out, &saved, sizeof(saved));
	if (r == 0)
		r = put_pages(&node->contents, out, &saved.pages);
	if (r == 0 && saved.target)
		r = memory_buffer_put(out, node->target, saved.target);
	return r == 0 ? put_entries(node, out) : r;
}

int memory_tree_save(const struct memory_tree *tree, struct memory_buffer *out)
{
	struct saved_tree head = {
		.magic = tree_magic,
		.next_ino = tree->next_ino,
		.quota_used = tree->quota.used,
		.quota_max = tree->quota.max,
		.root = tree->root->ino,
	};
	for (const struct memory_node *node = tree->nodes; node; node = node->next)
		head.nodes++;
	int r = memory_buffer_put(out, &head, sizeof(head));
	for (const struct memory_node *node = tree->nodes; r == 0 && node; node = node->next)
		r = put_node(node, out);
	return r;
}

struct reader {
	const uint8_t *data;
	size_t size;
	size_t at;
};

static const void *take(struct reader *reader, uint64_t size)
{
	if (size > reader->size - reader->at)
		return NULL;
	const void *data = reader->data + reader->at;
	reader->at += size;
	return data;
}

static bool get(struct reader *reader, void *out, size_t size)
{
	const void *data = take(reader, size);
	if (data)
		memcpy(out, data, size);
	return data != NULL;
}

static int get_pages(struct reader *reader, struct memory_node *node, uint64_t count)
{
	uint64_t offset;
	for (uint64_t i = 0; i < count; i++) {
		const void *page = get(reader, &offset, sizeof(offset)) ? take(reader, PAGE) : NULL;
		if (!page || offset % PAGE || offset >= node->contents.size)
			return -EINVAL;
		uint64_t size = node->contents.size;
		int64_t n = contents_write(&node->contents, &node->tree->quota, page, PAGE, offset);
		if (n != PAGE)
			return n < 0 ? -ENOMEM : -EINVAL;
		node->contents.size = size;
	}
	return 0;
}

static bool is_name(const char *name, size_t length)
{
	return length > 0 && length <= NAME_MAX && !memchr(name, '\0', length) && !memchr(name, '/', length) &&
	       !(length == 1 && name[0] == '.') && !(length == 2 && name[0] == '.' && name[1] == '.');
}

/* The nodes that entries stand for are known only when all have been read: until then they are numbers. */
static int get_entries(struct reader *reader, struct memory_node *node, uint64_t count)
{
	if (count > (reader->size - reader->at) / sizeof(struct saved_entry))
		return -EINVAL;
	node->entries = calloc(count + 1, sizeof(struct memory_entry *));
	if (!node->entries)
		return -ENOMEM;
	node->capacity = count + 1;
	for (uint64_t i = 0; i < count; i++) {
		struct saved_entry saved;
		const char *name = get(reader, &saved, sizeof(saved)) ? take(reader, saved.length) : NULL;
		if (!name || !is_name(name, saved.length))
			return -EINVAL;
		struct memory_entry *entry = calloc(1, sizeof(*entry) + saved.length + 1);
		if (!entry)
			return -ENOMEM;
		memcpy(entry->name, name, saved.length);
		entry->node = (struct memory_node *)(uintptr_t)saved.ino;
		node->entries[node->count++] = entry;
		if (i > 0 && strcmp(node->entries[i - 1]->name, entry->name) >= 0)
			return -EINVAL;
	}
	return 0;
}

static bool is_sound(const struct saved_node *saved)
{
	bool is_file = S_ISREG(saved->mode), is_link = S_ISLNK(saved->mode), is_directory = S_ISDIR(saved->mode);
	return (is_file || is_link || is_directory) && saved->ino > 0 && saved->size <= CONTENTS_SIZE_MAX &&
	       !(saved->flags & ~FLAGS) && (is_file || (saved->size == 0 && saved->pages == 0)) &&
	       (is_directory || saved->entries == 0) && (is_link == (saved->target > 0)) && saved->target < PATH_MAX &&
	       !(is_directory && (saved->flags & FLAG_COPY)) && !(saved->mode & ~(uint32_t)(S_IFMT | 07777));
}

static int get_node(struct reader *reader, struct memory_tree *tree)
{
	struct saved_node saved;
	int r;
	if (!get(reader, &saved, sizeof(saved)) || !is_sound(&saved))
		return -EINVAL;
	struct memory_node *node = memory_node_new(tree, saved.mode, saved.uid, saved.gid, &r);
	if (!node)
		return -ENOMEM;
	node->ino = saved.ino;
	node->links = saved.links;
	node->from_root = saved.flags & FLAG_FROM_ROOT;
	node->is_copy = saved.flags & FLAG_COPY;
	node->opaque = saved.flags & FLAG_OPAQUE;
	node->contents.size = saved.size;
	for (int i = 0; i < 3; i++)
		node->times[i] = (struct timespec){saved.times[i][0], saved.times[i][1]};
	r = get_pages(reader, node, saved.pages);
	const char *target = r == 0 ? take(reader, saved.target) : NULL;
	if (r == 0 && (!target || memchr(target, '\0', saved.target)))
		r = -EINVAL;
	if (r == 0 && saved.target && !(node->target = strndup(target, saved.target)))
		r = -ENOMEM;
	return r == 0 ? get_entries(reader, node, saved.entries) : r;
}

static int by_ino(const void *left, const void *right)
{
	const struct memory_node *a = *(struct memory_node *const *)left, *b = *(struct memory_node *const *)right;
	return a->ino < b->ino ? -1 : a->ino > b->ino;
}

static struct memory_node *node_of(struct memory_node **nodes, size_t count, uint64_t ino)
{
	struct memory_node wanted = {.ino = ino}, *key = &wanted;
	struct memory_node **found = bsearch(&key, nodes, count, sizeof(struct memory_node *), by_ino);
	return found ? *found : NULL;
}

/* Numbers become nodes. */
static int connect_nodes(struct memory_tree *tree, struct memory_node **nodes, size_t count, uint64_t root)
{
	int r = 0;
	for (size_t i = 1; i < count; i++)
		if (nodes[i]->ino == nodes[i - 1]->ino)
			r = -EINVAL;
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < nodes[i]->count; j++) {
			struct memory_entry *entry = nodes[i]->entries[j];
			uint64_t ino = (uintptr_t)entry->node;
			entry->node = ino ? node_of(nodes, count, ino) : NULL;
			if (ino && !entry->node)
				r = -EINVAL;
		}
	tree->root = node_of(nodes, count, root);
	return r == 0 && (!tree->root || !S_ISDIR(tree->root->mode)) ? -EINVAL : r;
}

static int list_copies(struct memory_tree *tree, struct memory_node **nodes, size_t count)
{
	tree->copies = calloc(count + 1, sizeof(struct memory_node *));
	if (!tree->copies)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		if (nodes[i]->is_copy)
			tree->copies[tree->copy_count++] = nodes[i];
	tree->copy_capacity = count + 1;
	return 0;
}

static int finish(struct memory_tree *tree, size_t count, uint64_t root)
{
	struct memory_node **nodes = calloc(count + 1, sizeof(struct memory_node *));
	if (!nodes)
		return -ENOMEM;
	size_t i = 0;
	for (struct memory_node *node = tree->nodes; node; node = node->next)
		nodes[i++] = node;
	qsort(nodes, count, sizeof(struct memory_node *), by_ino);
	int r = connect_nodes(tree, nodes, count, root);
	if (r == 0)
		r = list_copies(tree, nodes, count);
	free(nodes);
	return r;
}

struct memory_tree *memory_tree_load(const uint8_t *data, size_t size, size_t *out_used, int *error)
{
	struct reader reader = {.data = data, .size = size};
	struct saved_tree head;
	struct memory_tree *tree = calloc(1, sizeof(*tree));
	*error = tree ? 0 : -ENOMEM;
	if (!tree)
		return NULL;
	atomic_init(&tree->references, 1);
	tree->quota.max = UINT64_MAX;
	if (!get(&reader, &head, sizeof(head)) || head.magic != tree_magic ||
	    head.nodes > size / sizeof(struct saved_node))
		*error = -EINVAL;
	for (uint64_t i = 0; *error == 0 && i < head.nodes; i++)
		*error = get_node(&reader, tree);
	if (*error == 0)
		*error = finish(tree, (size_t)head.nodes, head.root);
	if (*error < 0)
		return memory_tree_unref(tree);
	tree->next_ino = head.next_ino;
	/* What is there counts, whatever the head says. */
	uint64_t used = head.quota_used > tree->quota.used ? head.quota_used : tree->quota.used;
	tree->quota = (struct memory_quota){.used = used, .max = head.quota_max};
	tree->frozen = true;
	*out_used = reader.at;
	return tree;
}
