/* SPDX-License-Identifier: MIT */
#include "root/base/base_tree.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "root/path.h"

enum {
	IMPLIED_MODE = 0755,
	LINKS_MAX = 40,
	/* As documented: what has more would use up memory and inodes before it uses up the disk. */
	ENTRIES_MAX = 1 << 20,
	FIRST_SLOTS = 256,
};

static int fail(int error, const char *name, const char *sentence)
{
	return error_fail(VISO_STAGE_IMAGE, error, name, "%s %s", name, sentence);
}

static uint32_t hash_name(const struct base_node *parent, const char *name, size_t length)
{
	/* FNV-1a. */
	uint64_t seed = (uintptr_t)parent >> 4;
	uint32_t hash = 2166136261u ^ (uint32_t)(seed ^ seed >> 32);
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)name[i]) * 16777619u;
	return hash;
}

static struct base_node *find(const struct base_tree *tree, const struct base_node *parent, const char *name,
			      size_t length)
{
	uint32_t hash = hash_name(parent, name, length);
	struct base_node *node = tree->slots[hash & (tree->slot_count - 1)];
	while (node && (node->hash != hash || node->parent != parent || strncmp(node->name, name, length) != 0 ||
			node->name[length]))
		node = node->next_in_slot;
	return node;
}

static void put_slot(struct base_tree *tree, struct base_node *node)
{
	struct base_node **slot = &tree->slots[node->hash & (tree->slot_count - 1)];
	node->next_in_slot = *slot;
	*slot = node;
}

static int grow(struct base_tree *tree)
{
	if (tree->count < tree->slot_count)
		return 0;
	struct base_node **old = tree->slots;
	size_t count = tree->slot_count;
	struct base_node **slots = calloc(2 * count, sizeof(struct base_node *));
	if (!slots)
		return error_memory();
	tree->slots = slots;
	tree->slot_count = 2 * count;
	for (size_t i = 0; i < count; i++)
		for (struct base_node *node = old[i], *next; node; node = next) {
			next = node->next_in_slot;
			put_slot(tree, node);
		}
	free(old);
	return 0;
}

static struct base_node *insert(struct base_tree *tree, struct base_node *parent, const char *name, size_t length,
				enum manifest_type type)
{
	size_t path_length = parent ? parent->path_length + 1 + length : 0;
	if (path_length >= PATH_MAX || length > NAME_MAX) {
		fail(EINVAL, name, "has a path in the root that is longer than a path can be");
		return NULL;
	}
	if (tree->count == ENTRIES_MAX) {
		error_fail(VISO_STAGE_IMAGE, EFBIG, name, "there are more than %d entries", ENTRIES_MAX);
		return NULL;
	}
	if (grow(tree) < 0)
		return NULL;
	struct base_node *node = calloc(1, sizeof(*node) + length + 1);
	if (!node) {
		error_memory();
		return NULL;
	}
	memcpy(node->name, name, length);
	node->type = type;
	node->mode = IMPLIED_MODE;
	node->layer = tree->layer;
	node->parent = parent;
	node->path_length = path_length;
	node->hash = hash_name(parent, name, length);
	if (parent) {
		node->next = parent->children;
		node->previous = &parent->children;
		if (node->next)
			node->next->previous = &node->next;
		parent->children = node;
	}
	put_slot(tree, node);
	tree->count++;
	return node;
}

static void free_node(struct base_tree *tree, struct base_node *node)
{
	struct base_node **slot = &tree->slots[node->hash & (tree->slot_count - 1)];
	while (*slot != node)
		slot = &(*slot)->next_in_slot;
	*slot = node->next_in_slot;
	if (node->previous)
		*node->previous = node->next;
	if (node->next)
		node->next->previous = node->previous;
	tree->count--;
	free(node->link);
	free(node);
}

/*
 * Removes what is beneath a node and of a layer before `layer`, and directories that this leaves without a reason. From
 * the leaves upwards, without recursion.
 */
static void remove_beneath(struct base_tree *tree, struct base_node *top, unsigned layer)
{
	struct base_node *node = top->children;
	while (node) {
		if (node->children) {
			node = node->children;
			continue;
		}
		for (;;) {
			struct base_node *next = node->next, *parent = node->parent;
			if (node->layer < layer && !node->children)
				free_node(tree, node);
			node = next;
			if (node)
				break;
			if (parent == top)
				return;
			node = parent;
		}
	}
}

static void remove_node(struct base_tree *tree, struct base_node *node)
{
	remove_beneath(tree, node, UINT_MAX);
	free_node(tree, node);
}

int base_tree_init(struct base_tree *tree, const char *target)
{
	struct path_walk walk;
	*tree = (struct base_tree){.slots = calloc(FIRST_SLOTS, sizeof(struct base_node *))};
	if (!tree->slots)
		return error_memory();
	tree->slot_count = FIRST_SLOTS;
	tree->root = tree->top = insert(tree, NULL, "", 0, MANIFEST_DIRECTORY);
	if (!tree->root)
		return -viso_error_number();
	tree->root->implied = true;
	int r = path_walk_begin(&walk, target);
	while (r >= 0 && path_walk_next(&walk)) {
		tree->top = insert(tree, tree->top, walk.component, walk.length, MANIFEST_DIRECTORY);
		if (!tree->top)
			return -viso_error_number();
		tree->top->implied = true;
	}
	return r < 0 ? fail(EINVAL, target, "is longer than a path can be") : 0;
}

void base_tree_clear(struct base_tree *tree)
{
	for (size_t i = 0; i < tree->slot_count; i++)
		for (struct base_node *node = tree->slots[i], *next; node; node = next) {
			next = node->next_in_slot;
			free(node->link);
			free(node);
		}
	free(tree->slots);
	*tree = (struct base_tree){0};
}

static bool has_dot_dot(const char *name)
{
	for (const char *at = name; (at = strstr(at, "..")); at++)
		if ((at == name || at[-1] == '/') && (!at[2] || at[2] == '/'))
			return true;
	return false;
}

/* One component on the way to a place. */
static int enter(struct base_tree *tree, struct path_walk *walk, struct base_node **node, int *links, const char *name)
{
	if (path_walk_is_dot_dot(walk)) {
		/* Of a link's text. Above the root directory is the root directory. */
		*node = (*node)->parent ? (*node)->parent : *node;
		return 0;
	}
	struct base_node *child = find(tree, *node, walk->component, walk->length);
	if (!child) {
		child = insert(tree, *node, walk->component, walk->length, MANIFEST_DIRECTORY);
		if (!child)
			return -viso_error_number();
		child->implied = true;
	}
	if (child->type == MANIFEST_LINK) {
		if ((*links)++ == LINKS_MAX)
			return fail(EINVAL, name, "leads through links without an end");
		if (child->link[0] == '/')
			*node = tree->root;
		return path_walk_insert(walk, child->link) < 0
			       ? fail(EINVAL, name, "leads through links to a path that is too long")
			       : 0;
	}
	if (child->type != MANIFEST_DIRECTORY)
		return fail(EINVAL, name, "is beneath something that is no directory");
	*node = child;
	return 0;
}

int base_tree_place(struct base_tree *tree, const char *name, struct base_place *out_place)
{
	struct path_walk walk;
	struct base_node *node = tree->top;
	int links = 0;
	if (has_dot_dot(name))
		return fail(EPERM, name, "leads out of the root, since it has a '..'");
	if (path_walk_begin(&walk, name) < 0)
		return fail(EINVAL, name, "is longer than a path can be");
	*out_place = (struct base_place){0};
	while (path_walk_next(&walk)) {
		if (path_walk_is_last(&walk)) {
			if (walk.length > NAME_MAX)
				return fail(EINVAL, name, "is longer than a name can be");
			memcpy(out_place->name, walk.component, walk.length);
			out_place->parent = node;
			break;
		}
		int r = enter(tree, &walk, &node, &links, name);
		if (r < 0)
			return r;
	}
	while (node && node != tree->top)
		node = node->parent;
	return node ? 0 : fail(EPERM, name, "leads by a link out of the directory that it is unpacked in");
}

struct base_node *base_tree_at(const struct base_tree *tree, const struct base_place *place)
{
	return place->parent ? find(tree, place->parent, place->name, strlen(place->name)) : tree->top;
}

struct base_node *base_tree_put(struct base_tree *tree, const struct base_place *place, enum manifest_type type)
{
	struct base_node *old = base_tree_at(tree, place);
	if (old && old->type == MANIFEST_DIRECTORY && type == MANIFEST_DIRECTORY) {
		old->layer = tree->layer;
		old->implied = false;
		return old;
	}
	if (old)
		remove_node(tree, old);
	return insert(tree, place->parent, place->name, strlen(place->name), type);
}

int base_node_set_link(struct base_node *node, const char *text)
{
	node->link = strdup(text);
	return node->link ? 0 : error_memory();
}

void base_tree_hide_beneath(struct base_tree *tree, struct base_node *directory)
{
	remove_beneath(tree, directory, tree->layer);
}

void base_tree_hide(struct base_tree *tree, const struct base_place *place)
{
	struct base_node *node = base_tree_at(tree, place);
	if (!node || node == tree->top)
		return;
	base_tree_hide_beneath(tree, node);
	if (node->layer < tree->layer && !node->children)
		free_node(tree, node);
}

/* `path` ends with the NUL at `end`. */
static void make_path(const struct base_node *node, char *end)
{
	for (; node->parent; node = node->parent) {
		size_t length = strlen(node->name);
		end -= length;
		memcpy(end, node->name, length);
		*--end = '/';
	}
}

static int add_node(const struct base_node *node, struct manifest *manifest, const char *scratch)
{
	char path[PATH_MAX], source[PATH_MAX];
	strcpy(path, "/");
	if (node->path_length)
		path[node->path_length] = '\0';
	make_path(node, path + node->path_length);
	struct manifest_entry wanted = {.type = node->type,
					.target = path,
					.mode = node->mode,
					.has_mode = true,
					.uid = node->uid,
					.gid = node->gid,
					.has_owner = !node->implied && node->parent,
					.implied = node->implied,
					.device = node->device,
					.is_optional = node->type == MANIFEST_DEVICE};
	if (node->type == MANIFEST_FILE) {
		if (snprintf(source, sizeof(source), "%s/%zx", scratch, node->number) >= PATH_MAX)
			return fail(EINVAL, scratch, "is longer than a path can be; choose another TMPDIR");
		wanted.source = source;
		wanted.on_scratch = true;
	} else if (node->type == MANIFEST_LINK) {
		wanted.source = node->link;
	}
	return manifest_add_entry(manifest, &wanted, MANIFEST_REFUSE);
}

int base_tree_add(const struct base_tree *tree, struct manifest *manifest, const char *scratch)
{
	const struct base_node *node = tree->root;
	int r = 0;
	while (r >= 0 && node) {
		r = add_node(node, manifest, scratch);
		if (node->children) {
			node = node->children;
			continue;
		}
		while (node && !node->next)
			node = node->parent;
		node = node ? node->next : NULL;
	}
	return r;
}
