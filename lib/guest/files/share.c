/* SPDX-License-Identifier: MIT */
/* Freezing what a guest wrote, and views of other guests over it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guest/files/view.h"

static bool writes_to_memory(const struct mount *mount)
{
	return mount->writable && layer_is_memory(&mount->layers[0]);
}

/* An empty tree to lie upon `below`. */
static struct memory_tree *tree_above(const struct memory_tree *below)
{
	const struct memory_node *root = below->root;
	struct memory_tree *tree = memory_tree_new(below->quota.max, root->mode, root->uid, root->gid, below);
	if (tree)
		tree->root->from_root = root->from_root;
	return tree;
}

static void put_on_top(struct mount *mount, struct memory_tree *tree)
{
	memmove(&mount->layers[1], &mount->layers[0], mount->layer_count * sizeof(mount->layers[0]));
	mount->layer_count++;
	mount->layers[0].tree = tree;
	mount->layers[0].start = tree->root;
}

/* Nothing was written since it was frozen last: views over it can lie on what that left as well. */
static bool is_untouched(const struct mount *mount)
{
	const struct memory_tree *below = mount->layers[1].tree;
	return mount->layer_count > 1 && below && memory_tree_is_untouched(mount->layers[0].tree, below);
}

int view_freeze(struct view *view)
{
	struct memory_tree **trees = calloc(view->mount_count + 1, sizeof(struct memory_tree *));
	int r = trees ? 0 : -ENOMEM;
	for (size_t i = 0; r == 0 && i < view->mount_count; i++) {
		const struct mount *mount = view->mounts[i];
		if (!writes_to_memory(mount) || is_untouched(mount))
			continue;
		trees[i] = mount->layer_count < LAYERS_MAX ? tree_above(mount->layers[0].tree) : NULL;
		if (!trees[i])
			r = mount->layer_count < LAYERS_MAX ? -ENOMEM : -EMLINK;
	}
	for (size_t i = 0; trees && i < view->mount_count; i++) {
		if (r < 0) {
			memory_tree_unref(trees[i]);
		} else if (trees[i]) {
			memory_tree_freeze(view->mounts[i]->layers[0].tree);
			put_on_top(view->mounts[i], trees[i]);
		}
	}
	free(trees);
	return r;
}

int view_put_frozen(struct mount *mount, struct memory_tree *const *trees, unsigned count)
{
	struct memory_tree *top = tree_above(trees[0]);
	if (!top)
		return -ENOMEM;
	memory_tree_unref(mount->layers[0].tree);
	memmove(&mount->layers[1 + count], &mount->layers[1], (mount->layer_count - 1) * sizeof(mount->layers[0]));
	for (unsigned i = 0; i <= count; i++) {
		struct memory_tree *tree = i == 0 ? top : trees[i - 1];
		mount->layers[i] = mount->layers[0];
		mount->layers[i].tree = tree;
		mount->layers[i].start = tree->root;
	}
	mount->layer_count += count;
	return 0;
}

static int copy_mount(const struct mount *mount, struct mount *out)
{
	const struct memory_tree *below = mount->layers[1].tree;
	*out = *mount;
	out->path = NULL;
	if (writes_to_memory(mount) && (!below || !below->frozen))
		return -EINVAL;
	out->path = strdup(mount->path);
	if (!out->path)
		return -ENOMEM;
	struct memory_tree *top = NULL;
	if (writes_to_memory(mount) && !(top = tree_above(below)))
		return -ENOMEM;
	for (unsigned i = 0; i < out->layer_count; i++) {
		out->layers[i].borrows_fd = true;
		if (i > 0 || !top)
			memory_tree_ref(out->layers[i].tree);
	}
	if (top) {
		out->layers[0].tree = top;
		out->layers[0].start = top->root;
	}
	return 0;
}

int view_copy(const struct view *view, struct view *out)
{
	struct program *program = out->program;
	*out = (struct view){.program = program, .counts = view->counts};
	out->counts.open = out->counts.host_fds = 0;
	out->counts.listed = out->counts.written = 0;
	memcpy(out->boot_id, view->boot_id, sizeof(out->boot_id));
	out->mounts = calloc(view->mount_count, sizeof(struct mount *));
	int r = out->mounts ? 0 : -ENOMEM;
	for (size_t i = 0; r == 0 && i < view->mount_count; i++) {
		struct mount *mount = calloc(1, sizeof(*mount));
		r = mount ? copy_mount(view->mounts[i], mount) : -ENOMEM;
		if (r < 0) {
			if (mount)
				free(mount->path);
			free(mount);
			break;
		}
		out->mounts[out->mount_count++] = mount;
		if (view->mounts[i] == view->memory)
			out->memory = mount;
	}
	if (r < 0)
		view_release(out, false);
	return r;
}
