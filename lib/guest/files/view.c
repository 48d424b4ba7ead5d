/* SPDX-License-Identifier: MIT */
#include "guest/files/view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "guest/files/proc.h"
#include "guest/program/program.h"

/*
 * As the kernel's MAXSYMLINKS; and how many names one path may lead through, links included: what a walk costs the host
 * is bounded by it.
 */
enum { LINKS_MAX = 40, STEPS_MAX = 8192 };

/* A path that a program gives is bounded, and so is the directory that it counts from. */
enum { WHOLE_MAX = 2 * PATH_MAX };

static int join(struct program *program, int directory, const char *path, char *out, size_t size)
{
	const char *base = "";
	if (path[0] != '/' && directory == AT_FDCWD) {
		base = program->cwd;
	} else if (path[0] != '/') {
		struct file *file = program_file(program, directory);
		if (!file)
			return -EBADF;
		if (!S_ISDIR(file->type) || !file->path)
			return -ENOTDIR;
		base = file->path;
	}
	int length = snprintf(out, size, "%s%s%s", base, *base && path[0] ? "/" : "", path);
	return length < 0 || (size_t)length >= size ? -ENAMETOOLONG : 0;
}

int view_join(struct program *program, int directory, const char *path, char *out)
{
	return join(program, directory, path, out, PATH_MAX);
}

void spot_release(struct spot *spot)
{
	for (unsigned i = 0; i < LAYERS_MAX; i++)
		if (spot->present >> i & 1)
			part_release(&spot->parts[i]);
	spot->present = 0;
	spot->top = -1;
}

static void clear(struct spot *spot, struct view *view, struct mount *mount)
{
	spot->view = view;
	spot->mount = mount;
	spot->top = -1;
	spot->present = 0;
	spot->proc = (struct proc_item){0};
	spot->st = (struct stat){0};
}

static void add_part(struct spot *spot, unsigned layer, const struct part *part, const struct stat *st)
{
	spot->parts[layer] = *part;
	spot->present |= 1u << layer;
	if (spot->top < 0) {
		spot->top = (int)layer;
		spot->st = *st;
		if (layer_is_memory(&spot->mount->layers[layer]))
			spot->st.st_dev = spot->mount->device;
	}
}

int view_start(struct view *view, struct mount *mount, struct spot *out)
{
	clear(out, view, mount);
	snprintf(out->path, sizeof(out->path), "%s", mount->path);
	if (mount->is_proc)
		return proc_root(out);
	for (unsigned i = 0; i < mount->layer_count; i++) {
		struct part part;
		struct stat st;
		int r = layer_start(&mount->layers[i], &part);
		if (r == 0)
			r = mount->layers[i].ops->status(&mount->layers[i], &part, &st);
		if (r < 0) {
			part_release(&part);
			spot_release(out);
			return r;
		}
		add_part(out, i, &part, &st);
	}
	return 0;
}

static struct mount *mount_at(const struct view *view, const char *path)
{
	size_t length = strlen(path);
	for (size_t i = 0; i < view->mount_count; i++)
		if (view->mounts[i]->length == length && !memcmp(view->mounts[i]->path, path, length))
			return view->mounts[i];
	return NULL;
}

bool view_is_busy(const struct view *view, const char *path)
{
	size_t length = strlen(path);
	for (size_t i = 0; i < view->mount_count; i++)
		if (!strncmp(view->mounts[i]->path, path, length) &&
		    (!view->mounts[i]->path[length] || view->mounts[i]->path[length] == '/'))
			return true;
	return false;
}

/* A file of a frozen tree that an upper layer has a copy of is that copy. */
static void prefer_copy(const struct mount *mount, unsigned *layer, struct part *part, struct stat *st)
{
	if (!layer_is_memory(&mount->layers[*layer]) || S_ISDIR(st->st_mode))
		return;
	for (unsigned i = 0; i < *layer; i++) {
		const struct layer *upper = &mount->layers[i];
		struct memory_node *copy = upper->tree ? memory_tree_copy_of(upper->tree, st->st_ino) : NULL;
		if (!copy)
			continue;
		*part = (struct part){.node = copy, .fd = -1};
		memory_status(copy, st);
		*layer = i;
		return;
	}
}

static int look_in_layers(struct spot *directory, const char *name, struct spot *out)
{
	struct mount *mount = directory->mount;
	for (unsigned i = 0; i < mount->layer_count; i++) {
		struct part part;
		struct stat st;
		if (!(directory->present >> i & 1))
			continue;
		const struct layer *layer = &mount->layers[i];
		int r = layer->ops->look(layer, &directory->parts[i], name, &part, &st);
		if (r == LAYER_WHITEOUT)
			break;
		if (r == -ENOENT)
			continue;
		if (r < 0) {
			spot_release(out);
			return r;
		}
		/* Of another kind than what lies above it: hidden. */
		if (out->top >= 0 && !S_ISDIR(st.st_mode)) {
			part_release(&part);
			break;
		}
		unsigned at = i;
		prefer_copy(mount, &at, &part, &st);
		bool goes_on = S_ISDIR(st.st_mode) && !part.opaque;
		add_part(out, at, &part, &st);
		if (!goes_on)
			break;
	}
	return out->top < 0 ? -ENOENT : 0;
}

/* The path of a name in a directory. */
static int child_path(const char *directory, const char *name, char *out)
{
	size_t length = strcmp(directory, "/") != 0 ? strlen(directory) : 0, more = strlen(name);
	if (length + more + 2 > PATH_MAX)
		return -ENAMETOOLONG;
	memmove(out, directory, length);
	out[length] = '/';
	memcpy(out + length + 1, name, more + 1);
	return 0;
}

int spot_look(struct spot *directory, const char *name, struct spot *out)
{
	clear(out, directory->view, directory->mount);
	int r = strlen(name) > NAME_MAX ? -ENAMETOOLONG : child_path(directory->path, name, out->path);
	if (r < 0)
		return r;
	struct mount *mount = mount_at(directory->view, out->path);
	if (mount)
		return view_start(directory->view, mount, out);
	if (!S_ISDIR(directory->st.st_mode))
		return -ENOTDIR;
	if (directory->mount->is_proc)
		return proc_look(directory, name, out);
	return look_in_layers(directory, name, out);
}

int spot_refresh(struct spot *spot)
{
	const struct layer *layer = spot_layer(spot);
	int r = layer->ops->status(layer, spot_part(spot), &spot->st);
	if (layer_is_memory(layer))
		spot->st.st_dev = spot->mount->device;
	return r;
}

ssize_t spot_read_link(struct program *program, struct spot *spot, char out[PATH_MAX])
{
	if (!S_ISLNK(spot->st.st_mode))
		return -EINVAL;
	ssize_t n = spot->mount->is_proc
			    ? proc_read_link(program, spot, out, PATH_MAX - 1)
			    : spot_layer(spot)->ops->read_link(spot_layer(spot), spot_part(spot), out, PATH_MAX - 1);
	if (n >= 0)
		out[n] = '\0';
	return n;
}

static bool in_group(const struct program *program, unsigned gid)
{
	for (size_t i = 0; i < program->group_count; i++)
		if (program->groups[i] == gid)
			return true;
	return program->gid == gid;
}

/* path_resolution(7): of files that belong to users of the guest. */
static int owner_permission(const struct program *program, const struct stat *st, unsigned wanted)
{
	unsigned shift = program->uid == st->st_uid ? 6 : in_group(program, st->st_gid) ? 3 : 0;
	if (program->uid == 0)
		return (wanted & X_OK) && !S_ISDIR(st->st_mode) && !(st->st_mode & 0111) ? -EACCES : 0;
	return ((st->st_mode >> shift) & wanted) == wanted ? 0 : -EACCES;
}

/* A host program that is root can do anything, so the file's rights for others decide; else the kernel does. */
static int host_permission(const struct spot *spot, int fd, int wanted)
{
	if (S_ISLNK(spot->st.st_mode))
		return 0;
	if (geteuid() == 0)
		return (spot->st.st_mode & (unsigned)wanted) == (unsigned)wanted ? 0 : -EACCES;
	char name[32];
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return faccessat(AT_FDCWD, name, wanted, AT_EACCESS) < 0 ? -EACCES : 0;
}

int spot_permission(struct program *program, struct spot *spot, int wanted)
{
	if (spot->mount->is_proc || S_ISCHR(spot->st.st_mode))
		return spot->mount->is_proc && (wanted & W_OK) ? -EACCES
							       : owner_permission(program, &spot->st, (unsigned)wanted);
	if ((wanted & W_OK) && !spot->mount->writable)
		return -EROFS;
	const struct layer *layer = spot_layer(spot);
	/* What the program may write to by the setting of the upper layer: everything of the root. */
	bool is_free = layer->is_root || (layer_is_memory(layer) && spot_part(spot)->node->from_root);
	if (is_free)
		wanted &= ~W_OK;
	if (!layer_is_memory(layer) && layer->is_root)
		return host_permission(spot, spot_part(spot)->fd, wanted);
	if (!layer_is_memory(layer)) {
		/* With the rights of the host program's user. */
		char name[32];
		snprintf(name, sizeof(name), "/proc/self/fd/%d", spot_part(spot)->fd);
		return S_ISLNK(spot->st.st_mode) || faccessat(AT_FDCWD, name, wanted, AT_EACCESS) == 0 ? 0 : -EACCES;
	}
	if (is_free)
		return (spot->st.st_mode & (unsigned)wanted) == (unsigned)wanted ? 0 : -EACCES;
	return owner_permission(program, &spot->st, (unsigned)wanted);
}

/* How far a walk has come. */
struct walk {
	struct program *program;
	struct spot *here; /* a directory, or at the end whatever it is */
	struct spot *next; /* room for the next one */
	unsigned links;
	unsigned steps;
	char rest[WHOLE_MAX]; /* what is still to be walked */
};

static int go_to_root(struct walk *walk)
{
	struct view *view = walk->program->view;
	spot_release(walk->here);
	return view_start(view, mount_at(view, "/"), walk->here);
}

/* One name further down, which is no link. */
static int step_down(struct walk *walk, const char *name)
{
	if (++walk->steps > STEPS_MAX)
		return -ELOOP;
	if (!S_ISDIR(walk->here->st.st_mode))
		return -ENOTDIR;
	/* The root itself lets everybody pass. */
	int r = walk->here->path[1] ? spot_permission(walk->program, walk->here, X_OK) : 0;
	return r < 0 ? r : spot_look(walk->here, name, walk->next);
}

static void take_step(struct walk *walk)
{
	struct spot *old = walk->here;
	spot_release(old);
	walk->here = walk->next;
	walk->next = old;
}

/* `..`: what was walked before is free of links, so that the path tells. */
static int step_up(struct walk *walk)
{
	char path[PATH_MAX];
	if (!S_ISDIR(walk->here->st.st_mode))
		return -ENOTDIR;
	snprintf(path, sizeof(path), "%s", walk->here->path);
	*strrchr(path, '/') = '\0';
	int r = go_to_root(walk);
	char *rest = path, *name;
	while (r == 0 && (name = strsep(&rest, "/"))) {
		if (!*name)
			continue;
		r = step_down(walk, name);
		if (r == 0)
			take_step(walk);
	}
	return r;
}

/* Goes on with the target of the link that walk->next is. */
static int follow_link(struct walk *walk)
{
	char target[PATH_MAX];
	if (++walk->links > LINKS_MAX)
		return -ELOOP;
	ssize_t n = spot_read_link(walk->program, walk->next, target);
	spot_release(walk->next);
	if (n <= 0)
		return n < 0 ? (int)n : -ENOENT;
	size_t left = strlen(walk->rest);
	if ((size_t)n + 1 + left + 1 > WHOLE_MAX)
		return -ENAMETOOLONG;
	memmove(walk->rest + n + 1, walk->rest, left + 1);
	memcpy(walk->rest, target, (size_t)n);
	walk->rest[n] = '/';
	if (left == 0)
		walk->rest[n] = '\0';
	return target[0] == '/' ? go_to_root(walk) : 0;
}

/* Takes the next name off the rest. False at its end. `*out_last`: nothing but slashes follow. */
static bool next_name(struct walk *walk, char *name, bool *out_last, bool *out_slash)
{
	char *start = walk->rest + strspn(walk->rest, "/");
	size_t length = strcspn(start, "/"), slashes = strspn(start + length, "/");
	if (length == 0)
		return false;
	memcpy(name, start, length);
	name[length] = '\0';
	*out_slash = slashes > 0;
	*out_last = !start[length + slashes];
	memmove(walk->rest, start + length + slashes, strlen(start + length + slashes) + 1);
	return true;
}

/* Whether the link at walk->next is to be followed. */
static bool is_followed(const struct walk *walk, unsigned flags, bool last, bool slash)
{
	if (!S_ISLNK(walk->next->st.st_mode))
		return false;
	if (last && !slash && !(flags & FIND_FOLLOW))
		return false;
	/* A fd of the program by its name: not by what it was opened as, which may be gone. */
	return !(last && proc_is_fd(walk->next) && !proc_is_directory_fd(walk->program, walk->next));
}

/* Walks one name. 1 where walk->here is the end. */
static int walk_name(struct walk *walk, const char *name, unsigned flags, bool last, bool slash)
{
	if (!strcmp(name, "."))
		return S_ISDIR(walk->here->st.st_mode) ? 0 : -ENOTDIR;
	if (!strcmp(name, ".."))
		return step_up(walk);
	int r = step_down(walk, name);
	if (r == -ENOENT && last && (flags & FIND_MAKE)) {
		take_step(walk);
		return slash ? -EISDIR : 1;
	}
	if (r < 0)
		return r;
	if (is_followed(walk, flags, last, slash))
		return follow_link(walk);
	take_step(walk);
	return slash && !S_ISDIR(walk->here->st.st_mode) ? -ENOTDIR : 0;
}

static int walk_all(struct walk *walk, const char *path, unsigned flags)
{
	char name[WHOLE_MAX]; /* too long a one is refused when it is looked up */
	bool last, slash;
	snprintf(walk->rest, sizeof(walk->rest), "%s", path);
	int r = go_to_root(walk);
	while (r == 0 && next_name(walk, name, &last, &slash))
		r = walk_name(walk, name, flags, last, slash);
	return r < 0 ? r : 0;
}

int view_find(struct program *program, int directory, const char *path, unsigned flags, struct spot *out)
{
	char whole[WHOLE_MAX];
	clear(out, program->view, NULL);
	int r = *path ? join(program, directory, path, whole, sizeof(whole)) : -ENOENT;
	if (r < 0)
		return r;
	_cleanup_free_ struct spot *other = malloc(sizeof(*other));
	_cleanup_free_ struct walk *walk = malloc(sizeof(*walk));
	if (!other || !walk)
		return -ENOMEM;
	clear(other, program->view, NULL);
	*walk = (struct walk){.program = program, .here = out, .next = other};
	r = walk_all(walk, whole, flags);
	spot_release(walk->next);
	if (r < 0)
		spot_release(walk->here);
	else if (walk->here != out)
		*out = *walk->here;
	return r;
}

int view_find_file(struct program *program, struct file *file, struct spot *out)
{
	struct stat st;
	int r = view_find(program, AT_FDCWD, file->path, 0, out);
	if (r == 0)
		r = file_status(file, &st);
	if (r == 0 && !S_ISDIR(st.st_mode) && (st.st_ino != out->st.st_ino || st.st_dev != out->st.st_dev))
		r = -ENOENT;
	return r;
}

int view_find_parent(struct program *program, int directory, const char *path, struct spot *out, char *name,
		     bool *out_slash)
{
	char parent[PATH_MAX];
	size_t length = strlen(path);
	clear(out, program->view, NULL);
	if (length == 0)
		return -ENOENT;
	if (length >= PATH_MAX)
		return -ENAMETOOLONG;
	snprintf(parent, sizeof(parent), "%s", path);
	while (length > 1 && parent[length - 1] == '/')
		parent[--length] = '\0';
	if (out_slash)
		*out_slash = path[length] == '/';
	char *slash = strrchr(parent, '/');
	const char *last = slash ? slash + 1 : parent;
	size_t last_length = strlen(last);
	if (last_length > NAME_MAX)
		return -ENAMETOOLONG;
	bool is_name = *last && strcmp(last, ".") != 0 && strcmp(last, "..") != 0;
	name[0] = '\0';
	if (!is_name)
		return view_find(program, directory, path, FIND_FOLLOW, out);
	memcpy(name, last, last_length + 1);
	if (slash)
		slash[slash == parent ? 1 : 0] = '\0';
	int r = view_find(program, directory, slash ? parent : ".", FIND_FOLLOW, out);
	if (r == 0 && !S_ISDIR(out->st.st_mode))
		r = -ENOTDIR;
	if (r == 0 && out->path[1])
		r = spot_permission(program, out, X_OK);
	if (r < 0)
		spot_release(out);
	return r;
}

int view_find_parent_of(struct program *program, const char *path, struct spot *out, const char **out_name)
{
	char parent[PATH_MAX];
	snprintf(parent, sizeof(parent), "%s", path);
	char *slash = strrchr(parent, '/');
	slash[slash == parent ? 1 : 0] = '\0';
	*out_name = strrchr(path, '/') + 1;
	return view_find(program, AT_FDCWD, parent, 0, out);
}
