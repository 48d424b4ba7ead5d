/* SPDX-License-Identifier: MIT */
#include "guest/files/memory_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What an inode or a name takes beside its contents; about what malloc(3) needs for it. */
enum { NODE_COST = 256, NAME_COST = 48 };

struct memory_tree *memory_tree_new(uint64_t size_max, mode_t mode, unsigned uid, unsigned gid,
				    const struct memory_tree *below)
{
	int error;
	struct memory_tree *tree = calloc(1, sizeof(*tree));
	if (!tree)
		return NULL;
	atomic_init(&tree->references, 1);
	tree->quota.max = size_max;
	tree->quota.used = below ? below->quota.used : 0;
	tree->next_ino = below ? below->next_ino : 1;
	/* The root is there even where the quota is used up. */
	tree->quota.max += NODE_COST + NAME_COST;
	tree->root = memory_node_new(tree, S_IFDIR | (mode & 07777), uid, gid, &error);
	if (!tree->root)
		return memory_tree_unref(tree);
	tree->root->links = 2;
	if (below && below->root)
		tree->root->ino = below->root->ino;
	return tree;
}

bool memory_tree_is_untouched(const struct memory_tree *tree, const struct memory_tree *below)
{
	const struct memory_node *root = tree->root, *old = below->root;
	return below->frozen && tree->quota.max == below->quota.max + NODE_COST + NAME_COST && tree->nodes == root &&
	       !root->next && root->count == 0 && tree->copy_count == 0 && root->mode == old->mode &&
	       root->uid == old->uid && root->gid == old->gid;
}

struct memory_tree *memory_tree_ref(struct memory_tree *tree)
{
	if (tree)
		atomic_fetch_add(&tree->references, 1);
	return tree;
}

static void free_node(struct memory_node *node)
{
	struct memory_tree *tree = node->tree;
	struct memory_quota *quota = tree->frozen ? NULL : &tree->quota;
	if (node->previous)
		node->previous->next = node->next;
	else
		tree->nodes = node->next;
	if (node->next)
		node->next->previous = node->previous;
	contents_clear(&node->contents, quota);
	for (size_t i = 0; i < node->count; i++) {
		memory_quota_give(quota, NAME_COST + strlen(node->entries[i]->name));
		free(node->entries[i]);
	}
	free(node->entries);
	if (node->target)
		memory_quota_give(quota, strlen(node->target));
	free(node->target);
	memory_quota_give(quota, NODE_COST);
	free(node);
}

struct memory_tree *memory_tree_unref(struct memory_tree *tree)
{
	if (tree && atomic_fetch_sub(&tree->references, 1) == 1) {
		while (tree->nodes)
			free_node(tree->nodes);
		free(tree->copies);
		free(tree);
	}
	return NULL;
}

void memory_tree_freeze(struct memory_tree *tree)
{
	tree->frozen = true;
}

struct memory_node *memory_node_new(struct memory_tree *tree, mode_t mode, unsigned uid, unsigned gid, int *error)
{
	*error = memory_quota_take(&tree->quota, NODE_COST);
	if (*error < 0)
		return NULL;
	struct memory_node *node = calloc(1, sizeof(*node));
	if (!node) {
		memory_quota_give(&tree->quota, NODE_COST);
		*error = -ENOMEM;
		return NULL;
	}
	*node = (struct memory_node){
		.tree = tree,
		.next = tree->nodes,
		.ino = tree->next_ino++,
		.mode = mode,
		.uid = uid,
		.gid = gid,
	};
	if (tree->nodes)
		tree->nodes->previous = node;
	tree->nodes = node;
	for (int i = 0; i < 3; i++)
		clock_gettime(CLOCK_REALTIME, &node->times[i]);
	return node;
}

int memory_node_set_target(struct memory_node *node, const char *target)
{
	int r = memory_quota_take(&node->tree->quota, strlen(target));
	if (r < 0)
		return r;
	node->target = strdup(target);
	if (node->target)
		return 0;
	memory_quota_give(&node->tree->quota, strlen(target));
	return -ENOMEM;
}

static void free_unused(struct memory_node *node)
{
	if (!node->tree->frozen && node->links == 0 && node->opened == 0 && !node->is_copy && node != node->tree->root)
		free_node(node);
}

void memory_node_hold(struct memory_node *node)
{
	if (!node->tree->frozen)
		node->opened++;
}

void memory_node_release(struct memory_node *node)
{
	if (!node->tree->frozen) {
		node->opened--;
		free_unused(node);
	}
}

/* The index of the first entry that is not before `name`. */
static size_t place_of(const struct memory_node *directory, const char *name)
{
	size_t low = 0, high = directory->count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (strcmp(directory->entries[middle]->name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct memory_entry *memory_find(const struct memory_node *directory, const char *name)
{
	size_t i = place_of(directory, name);
	return i < directory->count && !strcmp(directory->entries[i]->name, name) ? directory->entries[i] : NULL;
}

static void lose_name(struct memory_node *node)
{
	if (!node)
		return;
	if (S_ISDIR(node->mode))
		node->links = 0;
	else if (node->links > 0)
		node->links--;
	memory_touch(node, MEMORY_TIME_CHANGE);
	free_unused(node);
}

static int insert(struct memory_node *directory, size_t at, const char *name, struct memory_node *node)
{
	size_t length = strlen(name);
	int r = memory_quota_take(&directory->tree->quota, NAME_COST + length);
	if (r < 0)
		return r;
	struct memory_entry *entry = malloc(sizeof(*entry) + length + 1);
	if (entry && directory->count == directory->capacity) {
		size_t capacity = directory->capacity ? 2 * directory->capacity : 8;
		struct memory_entry **entries =
			reallocarray(directory->entries, capacity, sizeof(struct memory_entry *));
		if (entries) {
			directory->entries = entries;
			directory->capacity = capacity;
		}
	}
	if (!entry || directory->count == directory->capacity) {
		memory_quota_give(&directory->tree->quota, NAME_COST + length);
		free(entry);
		return -ENOMEM;
	}
	entry->node = node;
	memcpy(entry->name, name, length + 1);
	memmove(&directory->entries[at + 1], &directory->entries[at],
		(directory->count - at) * sizeof(struct memory_entry *));
	directory->entries[at] = entry;
	directory->count++;
	return 0;
}

int memory_link(struct memory_node *directory, const char *name, struct memory_node *node)
{
	struct memory_entry *entry = memory_find(directory, name);
	struct memory_node *old = entry ? entry->node : NULL;
	int r = entry ? 0 : insert(directory, place_of(directory, name), name, node);
	if (r < 0)
		return r;
	if (node && S_ISDIR(node->mode))
		node->links = 2;
	else if (node)
		node->links++;
	if (entry)
		entry->node = node;
	lose_name(old);
	memory_touch(directory, MEMORY_TIME_MODIFY);
	return 0;
}

void memory_unlink(struct memory_node *directory, const char *name)
{
	size_t at = place_of(directory, name);
	struct memory_entry *entry = memory_find(directory, name);
	if (!entry)
		return;
	struct memory_node *node = entry->node;
	memory_quota_give(&directory->tree->quota, NAME_COST + strlen(entry->name));
	free(entry);
	directory->count--;
	memmove(&directory->entries[at], &directory->entries[at + 1],
		(directory->count - at) * sizeof(struct memory_entry *));
	memory_touch(directory, MEMORY_TIME_MODIFY);
	lose_name(node);
}

static size_t copy_place(const struct memory_tree *tree, uint64_t ino)
{
	size_t low = 0, high = tree->copy_count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (tree->copies[middle]->ino < ino)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct memory_node *memory_tree_copy_of(const struct memory_tree *tree, uint64_t ino)
{
	size_t at = copy_place(tree, ino);
	return at < tree->copy_count && tree->copies[at]->ino == ino ? tree->copies[at] : NULL;
}

static int add_copy(struct memory_tree *tree, struct memory_node *node)
{
	if (tree->copy_count == tree->copy_capacity) {
		size_t capacity = tree->copy_capacity ? 2 * tree->copy_capacity : 8;
		struct memory_node **copies = reallocarray(tree->copies, capacity, sizeof(struct memory_node *));
		if (!copies)
			return -ENOMEM;
		tree->copies = copies;
		tree->copy_capacity = capacity;
	}
	size_t at = copy_place(tree, node->ino);
	memmove(&tree->copies[at + 1], &tree->copies[at], (tree->copy_count - at) * sizeof(struct memory_node *));
	tree->copies[at] = node;
	tree->copy_count++;
	return 0;
}

struct memory_node *memory_tree_own(struct memory_tree *tree, struct memory_node *node, int *error)
{
	struct memory_node *copy = memory_tree_copy_of(tree, node->ino);
	if (copy || node->tree == tree)
		return copy ? copy : node;
	copy = memory_node_new(tree, node->mode, node->uid, node->gid, error);
	if (!copy)
		return NULL;
	copy->ino = node->ino;
	copy->links = node->links;
	copy->rdev = node->rdev;
	copy->from_root = node->from_root;
	memcpy(copy->times, node->times, sizeof(copy->times));
	/* What is shared is counted already: the frozen tree's size is part of this one's. */
	struct memory_quota free_of_charge = {.max = UINT64_MAX};
	*error = contents_copy(&node->contents, &free_of_charge, &copy->contents);
	if (*error == 0 && node->target)
		*error = memory_node_set_target(copy, node->target);
	if (*error == 0)
		*error = add_copy(tree, copy);
	if (*error < 0) {
		contents_clear(&copy->contents, NULL);
		free_node(copy);
		return NULL;
	}
	copy->is_copy = true;
	return copy;
}

void memory_touch(struct memory_node *node, unsigned which)
{
	if (node->tree->frozen)
		return;
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	node->times[which] = now;
	if (which != MEMORY_TIME_ACCESS)
		node->times[MEMORY_TIME_CHANGE] = now;
}

void memory_status(const struct memory_node *node, struct stat *out)
{
	uint64_t size = S_ISREG(node->mode) ? node->contents.size : 0;
	if (node->target)
		size = strlen(node->target);
	else if (S_ISDIR(node->mode))
		size = 20 * (node->count + 2);
	*out = (struct stat){
		.st_ino = node->ino,
		.st_mode = node->mode,
		.st_nlink = node->links,
		.st_uid = node->uid,
		.st_gid = node->gid,
		.st_rdev = node->rdev,
		.st_size = (off_t)size,
		.st_blksize = 4096,
		.st_blocks = S_ISREG(node->mode) ? (blkcnt_t)(contents_allocated(&node->contents) / 512) : 0,
		.st_atim = node->times[MEMORY_TIME_ACCESS],
		.st_mtim = node->times[MEMORY_TIME_MODIFY],
		.st_ctim = node->times[MEMORY_TIME_CHANGE],
	};
}
