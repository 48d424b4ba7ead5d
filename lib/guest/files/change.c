/* SPDX-License-Identifier: MIT */
#include "guest/files/change.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "guest/files/copy_up.h"
#include "guest/files/listing.h"
#include "guest/files/mapped.h"
#include "guest/program/program.h"

static struct layer *top_layer(const struct spot *spot)
{
	return &spot->mount->layers[0];
}

/* Whether the topmost layer itself has the name; or one of those below. */
static bool layers_have(struct spot *directory, const char *name, unsigned first, unsigned end)
{
	for (unsigned i = first; i < end && i < directory->mount->layer_count; i++) {
		struct part part;
		struct stat st;
		if (!(directory->present >> i & 1))
			continue;
		const struct layer *layer = &directory->mount->layers[i];
		int r = layer->ops->look(layer, &directory->parts[i], name, &part, &st);
		if (r == 0)
			part_release(&part);
		if (r != -ENOENT)
			return r == 0;
	}
	return false;
}

static bool top_has(struct spot *directory, const char *name)
{
	return layers_have(directory, name, 0, 1);
}

static bool lower_has(struct spot *directory, const char *name)
{
	return layers_have(directory, name, 1, LAYERS_MAX);
}

/* Makes a directory of the topmost layer like that which `spot` is below. `parent` has such a one. */
static int copy_directory(struct spot *parent, const char *name, struct spot *spot)
{
	struct layer *top = top_layer(spot);
	const struct layer *below = spot_layer(spot);
	const struct part *lower = spot_part(spot);
	const struct making making = {
		.mode = spot->st.st_mode,
		.uid = spot->st.st_uid,
		.gid = spot->st.st_gid,
		.from_root = !layer_is_memory(below) || lower->node->from_root,
	};
	struct part part;
	int r = top->ops->make(top, &parent->parts[0], name, &making, &part);
	if (r < 0)
		return r;
	if (layer_is_memory(top) && layer_is_memory(below))
		part.node->ino = lower->node->ino;
	spot->parts[0] = part;
	spot->present |= 1;
	spot->top = 0;
	return 0;
}

/* `here` and `next` are room for the walk from the top of the file system. */
static int own_way(struct spot *directory, struct spot *here, struct spot *next)
{
	char name[NAME_MAX + 1];
	const char *rest = directory->path + (directory->mount->length > 1 ? directory->mount->length : 0);
	int r = view_start(directory->view, directory->mount, here);
	while (r == 0 && *(rest += strspn(rest, "/"))) {
		size_t length = strcspn(rest, "/");
		memcpy(name, rest, length);
		name[length] = '\0';
		rest += length;
		r = spot_look(here, name, next);
		if (r == 0 && next->mount != directory->mount)
			r = -EXDEV;
		if (r == 0 && !(next->present & 1))
			r = copy_directory(here, name, next);
		if (r == 0) {
			spot_release(here);
			*here = *next;
			next->present = 0;
		}
	}
	spot_release(next);
	if (r == 0) {
		directory->parts[0] = here->parts[0];
		directory->present |= 1;
		directory->top = 0;
		here->present &= ~1u;
		r = spot_refresh(directory);
	}
	spot_release(here);
	return r;
}

int change_own_directory(struct program *program, struct spot *spot)
{
	if (!spot->mount->writable)
		return -EROFS;
	if (spot->present & 1)
		return 0;
	_cleanup_free_ struct spot *room = calloc(2, sizeof(*room));
	return room ? own_way(spot, &room[0], &room[1]) : -ENOMEM;
}

/*
 * The name of a copy on its way, in a kept directory: a whiteout of a name that no program can have, so that it is
 * never seen, also where the host program is killed meanwhile.
 */
static const char copy_name[] = ".wh..wh.copy";

static int copy_file(struct program *program, struct spot *directory, const char *name, struct spot *spot, bool empty)
{
	char target[PATH_MAX];
	struct layer raw = *top_layer(spot);
	bool in_steps = raw.has_whiteouts;
	const struct layer *below = spot_layer(spot);
	struct making making = {
		.mode = spot->st.st_mode,
		.uid = spot->st.st_uid,
		.gid = spot->st.st_gid,
		.from_root = !layer_is_memory(below) || spot_part(spot)->node->from_root,
	};
	if (S_ISLNK(spot->st.st_mode)) {
		ssize_t n = spot_read_link(program, spot, target);
		if (n < 0)
			return (int)n;
		making.target = target;
	} else if (!S_ISREG(spot->st.st_mode)) {
		return -EPERM;
	}
	raw.has_whiteouts = false;
	struct part part;
	if (in_steps)
		raw.ops->remove(&raw, &directory->parts[0], copy_name, false);
	const char *first = in_steps ? copy_name : name;
	int r = raw.ops->make(&raw, &directory->parts[0], first, &making, &part);
	if (r < 0)
		return r;
	if (S_ISREG(spot->st.st_mode) && !empty)
		r = copy_up(program, spot, &raw, &part);
	const struct change times = {.has_times = true, .times = {spot->st.st_atim, spot->st.st_mtim}};
	if (r == 0)
		r = raw.ops->set(&raw, &part, &times);
	if (r == 0 && in_steps)
		r = raw.ops->rename(&raw, &directory->parts[0], first, &directory->parts[0], name, false);
	if (r < 0) {
		part_release(&part);
		raw.ops->remove(&raw, &directory->parts[0], first, false);
		return r;
	}
	spot_release(spot);
	spot->parts[0] = part;
	spot->present = 1;
	spot->top = 0;
	return spot_refresh(spot);
}

int change_own(struct program *program, struct spot *spot, bool empty)
{
	const char *name;
	int r = 0;
	if (S_ISDIR(spot->st.st_mode))
		return change_own_directory(program, spot);
	if (!spot->mount->writable)
		return -EROFS;
	if (spot->top == 0)
		return 0;
	struct layer *top = top_layer(spot);
	if (layer_is_memory(top) && layer_is_memory(spot_layer(spot))) {
		struct memory_node *copy = memory_tree_own(top->tree, spot_part(spot)->node, &r);
		if (!copy)
			return r;
		spot_release(spot);
		spot->parts[0] = (struct part){.node = copy, .fd = -1};
		spot->present = 1;
		spot->top = 0;
		return spot_refresh(spot);
	}
	_cleanup_free_ struct spot *directory = malloc(sizeof(*directory));
	if (!directory)
		return -ENOMEM;
	r = view_find_parent_of(program, spot->path, directory, &name);
	if (r == 0)
		r = change_own_directory(program, directory);
	if (r == 0)
		r = copy_file(program, directory, name, spot, empty);
	spot_release(directory);
	return r;
}

static struct place *new_place(int *error)
{
	struct place *place = calloc(1, sizeof(*place));
	if (!place) {
		*error = -ENOMEM;
		return NULL;
	}
	place->directory.top = place->child.top = -1;
	return place;
}

static struct place *look_child(struct place *place, int *error)
{
	place->child.view = place->directory.view;
	place->child.mount = place->directory.mount;
	if (*error == 0 && place->name[0]) {
		*error = spot_look(&place->directory, place->name, &place->child);
		if (*error == -ENOENT)
			*error = 0;
	}
	if (*error == 0)
		return place;
	place_free(place);
	return NULL;
}

struct place *place_find(struct program *program, int directory, const char *path, int *error)
{
	struct place *place = new_place(error);
	if (!place)
		return NULL;
	*error = view_find_parent(program, directory, path, &place->directory, place->name, &place->slash);
	return look_child(place, error);
}

struct place *place_of(struct program *program, const char *path, int *error)
{
	return place_find(program, AT_FDCWD, path, error);
}

void place_free(struct place *place)
{
	if (place) {
		spot_release(&place->directory);
		spot_release(&place->child);
		free(place);
	}
}

static int check_directory(struct program *program, struct place *place)
{
	if (!place->directory.mount->writable)
		return -EROFS;
	return spot_permission(program, &place->directory, W_OK | X_OK);
}

/* inode(7), the sticky bit: of a directory in memory only the owners may take names away. */
static int check_sticky(const struct program *program, const struct place *place)
{
	const struct stat *st = &place->directory.st;
	bool is_memory = layer_is_memory(&place->directory.mount->layers[0]);
	if (!is_memory || !(st->st_mode & S_ISVTX) || program->uid == 0 || program->uid == st->st_uid ||
	    program->uid == place->child.st.st_uid)
		return 0;
	return -EPERM;
}

int change_make(struct program *program, struct place *place, struct making making)
{
	struct spot *directory = &place->directory;
	if (!place->name[0] || place->child.top >= 0)
		return -EEXIST;
	int r = check_directory(program, place);
	if (r == 0)
		r = change_own_directory(program, directory);
	if (r < 0)
		return r;
	struct layer *top = top_layer(directory);
	struct part part;
	making.uid = program->uid;
	making.gid = program->gid;
	if (directory->st.st_mode & S_ISGID) {
		making.gid = directory->st.st_gid;
		making.mode |= S_ISDIR(making.mode) ? S_ISGID : 0;
	}
	bool hides = S_ISDIR(making.mode) && lower_has(directory, place->name);
	r = top->ops->make(top, &directory->parts[0], place->name, &making, &part);
	if (r < 0)
		return r;
	if (hides)
		r = top->ops->set_opaque(top, &part);
	part_release(&part);
	return r < 0 ? r : spot_look(directory, place->name, &place->child);
}

/* Of a file in a frozen tree that loses a name its copy tells. */
static void count_lost_name(struct spot *child)
{
	int r;
	struct layer *top = top_layer(child);
	if (!layer_is_memory(top) || S_ISDIR(child->st.st_mode) || !layer_is_memory(spot_layer(child)))
		return;
	struct memory_node *node = spot_part(child)->node;
	if (node->tree != top->tree && node->links > 1)
		node = memory_tree_own(top->tree, node, &r);
	if (node && node->tree == top->tree && node->links > 0)
		node->links--;
}

static int take_name(struct place *place)
{
	struct spot *directory = &place->directory, *child = &place->child;
	struct layer *top = top_layer(directory);
	bool is_lower = lower_has(directory, place->name);
	if (!top_has(directory, place->name)) {
		int r = top->ops->hide(top, &directory->parts[0], place->name);
		if (r == 0)
			count_lost_name(child);
		return r;
	}
	/* In memory the whiteout takes the place of the name, and cannot be without room. */
	if (is_lower && layer_is_memory(top))
		return top->ops->hide(top, &directory->parts[0], place->name);
	int r = top->ops->remove(top, &directory->parts[0], place->name, S_ISDIR(child->st.st_mode));
	return r == 0 && is_lower ? top->ops->hide(top, &directory->parts[0], place->name) : r;
}

int change_remove(struct program *program, struct place *place, bool is_directory)
{
	struct spot *child = &place->child;
	if (!place->name[0])
		return is_directory ? -EBUSY : -EISDIR;
	if (child->top < 0)
		return -ENOENT;
	if (is_directory && !S_ISDIR(child->st.st_mode))
		return -ENOTDIR;
	if (!is_directory && S_ISDIR(child->st.st_mode))
		return -EISDIR;
	if (!is_directory && place->slash)
		return -ENOTDIR;
	int r = view_is_busy(child->view, child->path) ? -EBUSY : check_directory(program, place);
	if (r == 0)
		r = check_sticky(program, place);
	if (r == 0 && is_directory)
		r = directory_check_empty(program, child);
	if (r == 0)
		r = change_own_directory(program, &place->directory);
	return r < 0 ? r : take_name(place);
}

static bool is_within(const char *path, const char *directory)
{
	size_t length = strlen(directory);
	return !strncmp(path, directory, length) && path[length] == '/';
}

static int check_replacement(struct program *program, struct place *from, struct place *to)
{
	bool is_directory = S_ISDIR(from->child.st.st_mode);
	if (to->child.top < 0)
		return (from->slash || to->slash) && !is_directory ? -ENOTDIR : 0;
	if (is_directory != (S_ISDIR(to->child.st.st_mode) != 0))
		return is_directory ? -ENOTDIR : -EISDIR;
	int r = check_sticky(program, to);
	return r == 0 && is_directory ? directory_check_empty(program, &to->child) : r;
}

static int check_rename(struct program *program, struct place *from, struct place *to, unsigned flags)
{
	if (!from->name[0] || !to->name[0])
		return flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	if (from->directory.mount != to->directory.mount)
		return from->child.top < 0 ? -ENOENT : -EXDEV;
	if (from->child.top < 0 || ((flags & RENAME_EXCHANGE) && to->child.top < 0))
		return -ENOENT;
	if ((flags & RENAME_NOREPLACE) && to->child.top >= 0)
		return -EEXIST;
	if (view_is_busy(from->child.view, from->child.path) ||
	    (to->child.top >= 0 && view_is_busy(to->child.view, to->child.path)))
		return -EBUSY;
	if (S_ISDIR(from->child.st.st_mode) && is_within(to->child.path, from->child.path))
		return -EINVAL;
	if (is_within(from->child.path, to->child.path))
		return flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
	int r = check_directory(program, from);
	if (r == 0)
		r = check_directory(program, to);
	if (r == 0)
		r = check_sticky(program, from);
	if (r == 0)
		r = flags & RENAME_EXCHANGE ? check_sticky(program, to) : check_replacement(program, from, to);
	return r;
}

/* What is to get another name becomes one of the topmost layer. As overlay file systems do, directories that have
 * something in lower layers cannot: programs copy them then. */
static int own_for_rename(struct program *program, struct spot *spot)
{
	if (S_ISDIR(spot->st.st_mode))
		return spot->present == 1 ? 0 : -EXDEV;
	return change_own(program, spot, false);
}

static int exchange(struct place *from, struct place *to)
{
	struct layer *top = top_layer(&from->directory);
	struct place *const places[] = {from, to};
	if (!top_has(&from->directory, from->name) || !top_has(&to->directory, to->name))
		return -EXDEV;
	for (int i = 0; i < 2; i++)
		if (S_ISDIR(places[i]->child.st.st_mode)) {
			int r = top->ops->set_opaque(top, &places[i]->child.parts[0]);
			if (r < 0)
				return r;
		}
	return top->ops->rename(top, &from->directory.parts[0], from->name, &to->directory.parts[0], to->name, true);
}

static int move_name(struct place *from, struct place *to)
{
	struct layer *top = top_layer(&from->directory);
	struct part *source = &from->directory.parts[0], *target = &to->directory.parts[0];
	if (!top_has(&from->directory, from->name)) {
		/* A copy of a file of a frozen tree: it gets its first name in this one. */
		int r = top->ops->link(top, spot_part(&from->child), target, to->name);
		if (r == 0)
			r = top->ops->hide(top, source, from->name);
		if (r == 0)
			count_lost_name(&from->child);
		return r;
	}
	if (S_ISDIR(from->child.st.st_mode) && lower_has(&to->directory, to->name)) {
		int r = top->ops->set_opaque(top, spot_part(&from->child));
		if (r < 0)
			return r;
	}
	bool was_lower = lower_has(&from->directory, from->name);
	int r = top->ops->rename(top, source, from->name, target, to->name, false);
	return r == 0 && was_lower ? top->ops->hide(top, source, from->name) : r;
}

int change_rename(struct program *program, struct place *from, struct place *to, unsigned flags)
{
	int r = check_rename(program, from, to, flags);
	if (r < 0)
		return r;
	if (to->child.top >= 0 && to->child.st.st_ino == from->child.st.st_ino &&
	    to->child.st.st_dev == from->child.st.st_dev)
		return 0;
	r = change_own_directory(program, &from->directory);
	if (r == 0)
		r = change_own_directory(program, &to->directory);
	if (r == 0)
		r = own_for_rename(program, &from->child);
	if (r == 0 && (flags & RENAME_EXCHANGE))
		r = own_for_rename(program, &to->child);
	if (r < 0)
		return r;
	return flags & RENAME_EXCHANGE ? exchange(from, to) : move_name(from, to);
}

int change_link(struct program *program, struct spot *spot, struct place *to)
{
	if (!to->name[0] || to->child.top >= 0)
		return -EEXIST;
	if (S_ISDIR(spot->st.st_mode))
		return -EPERM;
	if (spot->mount != to->directory.mount || spot->mount->is_proc)
		return -EXDEV;
	if (to->slash)
		return -ENOENT;
	int r = check_directory(program, to);
	if (r == 0)
		r = change_own(program, spot, false);
	if (r == 0)
		r = change_own_directory(program, &to->directory);
	if (r < 0)
		return r;
	struct layer *top = top_layer(spot);
	return top->ops->link(top, spot_part(spot), &to->directory.parts[0], to->name);
}

int change_check_owner(const struct program *program, const struct stat *st, const struct change *change)
{
	if (program->uid == 0)
		return 0;
	if ((change->has_mode || change->has_owner) && program->uid != st->st_uid)
		return -EPERM;
	if (change->has_owner && change->uid != (unsigned)-1 && change->uid != st->st_uid)
		return -EPERM;
	if (change->has_owner && change->gid != (unsigned)-1 && change->gid != program->gid) {
		for (size_t i = 0; i < program->group_count; i++)
			if (program->groups[i] == change->gid)
				return 0;
		return change->gid == st->st_gid ? 0 : -EPERM;
	}
	return 0;
}

/* utimensat(2): the present is for whoever may write, other times for the owner. */
static int check_times(struct program *program, struct spot *spot, const struct change *change)
{
	bool is_now = change->times[0].tv_nsec == UTIME_NOW && change->times[1].tv_nsec == UTIME_NOW;
	if (program->uid == 0 || program->uid == spot->st.st_uid)
		return 0;
	return is_now ? spot_permission(program, spot, W_OK) : -EPERM;
}

int change_set(struct program *program, struct spot *spot, const struct change *change)
{
	if (!spot->mount->writable)
		return spot->mount->is_proc ? -EPERM : -EROFS;
	const struct layer *layer = spot_layer(spot);
	const uint64_t old = (uint64_t)spot->st.st_size;
	bool is_free = layer->is_root || (layer_is_memory(layer) && spot_part(spot)->node->from_root);
	int r = 0;
	if (change->has_size)
		r = spot_permission(program, spot, W_OK);
	/* Of the root everything may be changed; of binds the host decides. */
	if (r == 0 && layer_is_memory(layer) && !is_free)
		r = change_check_owner(program, &spot->st, change);
	if (r == 0 && layer_is_memory(layer) && !is_free && change->has_times)
		r = check_times(program, spot, change);
	if (r == 0)
		r = change_own(program, spot, change->has_size && change->size == 0);
	if (r == 0)
		r = top_layer(spot)->ops->set(top_layer(spot), &spot->parts[0], change);
	if (r == 0)
		r = spot_refresh(spot);
	if (r == 0 && change->has_size)
		mapped_resized(spot->view, &spot->st, layer_is_memory(spot_layer(spot)), old);
	return r;
}
