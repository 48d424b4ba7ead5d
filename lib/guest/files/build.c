/* SPDX-License-Identifier: MIT */
/* Making the view of a guest: its root, what lies upon it, and the directories that every Linux has. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/files/locks.h"
#include "guest/files/settings.h"
#include "guest/files/view.h"
#include "guest/program/program.h"

/* Of what is made up here; bounds what the settings can cause, not the guest. */
static const uint64_t skeleton_max = 256ull << 20;

struct builder {
	struct view *view;
	unsigned uid, gid;
	uint64_t size_max;
};

static struct mount *add_mount(struct view *view, const char *path)
{
	struct mount **mounts = reallocarray(view->mounts, view->mount_count + 1, sizeof(struct mount *));
	if (!mounts)
		return NULL;
	view->mounts = mounts;
	struct mount *mount = calloc(1, sizeof(*mount));
	if (!mount || !(mount->path = strdup(path))) {
		free(mount);
		return NULL;
	}
	mount->length = strlen(path);
	mount->type = S_IFDIR;
	mount->device = makedev(0, 64 + view->mount_count);
	view->mounts[view->mount_count++] = mount;
	return mount;
}

static void add_memory(struct mount *mount, struct memory_tree *tree)
{
	mount->layers[mount->layer_count++] = (struct layer){
		.ops = &layer_memory_ops,
		.tree = tree,
		.start = tree->root,
		.fd = -1,
	};
}

static int add_host(struct mount *mount, int fd, struct layer layer)
{
	layer.ops = &layer_host_ops;
	struct stat st;
	layer.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (layer.fd < 0)
		return -errno;
	/* A file system that is shown as a whole was chosen by the host program. */
	layer.device = fstat(layer.fd, &st) == 0 ? st.st_dev : 0;
	mount->layers[mount->layer_count++] = layer;
	return 0;
}

/* The tree at the bottom of a file system, in which mount points are made. */
static struct memory_tree *skeleton_of(const struct mount *mount)
{
	unsigned last = mount->layer_count - 1;
	while (last > 0 && !mount->layers[last].tree)
		last--;
	return mount->layers[last].tree;
}

/* A directory below `parent`; the one that is there already where there is. */
static struct memory_node *make_directory(struct memory_tree *tree, struct memory_node *parent, const char *name,
					  mode_t mode)
{
	int r;
	struct memory_entry *entry = memory_find(parent, name);
	if (entry)
		return entry->node && S_ISDIR(entry->node->mode) ? entry->node : NULL;
	struct memory_node *node = memory_node_new(tree, S_IFDIR | mode, 0, 0, &r);
	return node && memory_link(parent, name, node) == 0 ? node : NULL;
}

/* Makes the directories of a path, relative to its tree. The last one, or with `is_file` an empty file. */
static struct memory_node *make_place(struct memory_tree *tree, const char *path, bool is_file)
{
	int r;
	char name[NAME_MAX + 1];
	struct memory_node *node = tree->root;
	while (node && *(path += strspn(path, "/"))) {
		size_t length = strcspn(path, "/");
		memcpy(name, path, length);
		name[length] = '\0';
		path += length;
		if (*path || !is_file) {
			node = make_directory(tree, node, name, 0755);
		} else if (!memory_find(node, name)) {
			struct memory_node *file = memory_node_new(tree, S_IFREG | 0444, 0, 0, &r);
			node = file && memory_link(node, name, file) == 0 ? file : NULL;
		}
	}
	return node;
}

/* The mount that a canonical path lies in, itself excepted. */
static struct mount *mount_above(const struct view *view, const char *path)
{
	struct mount *best = view->mounts[0];
	for (size_t i = 1; i < view->mount_count; i++) {
		struct mount *mount = view->mounts[i];
		if (mount->length > best->length && !strncmp(mount->path, path, mount->length) &&
		    path[mount->length] == '/')
			best = mount;
	}
	return best;
}

/* Whether what is to be seen at `path` has a name to be seen under. */
static int make_mount_point(struct builder *builder, const char *path, bool is_file)
{
	struct mount *above = mount_above(builder->view, path);
	if (above->is_proc || above->layer_count == 0)
		return -EINVAL;
	struct memory_tree *tree = skeleton_of(above);
	if (!tree || tree->frozen)
		return -EINVAL;
	return make_place(tree, path + (above->length > 1 ? above->length : 0), is_file) ? 0 : -ENOMEM;
}

/* An empty tree under the layers of a mount, for mount points within it. */
static int add_skeleton(struct mount *mount)
{
	struct memory_tree *tree = memory_tree_new(skeleton_max, 0755, 0, 0, NULL);
	if (!tree)
		return -ENOMEM;
	add_memory(mount, tree);
	return 0;
}

static int add_root(struct builder *builder, const struct guest_files *settings, int root_fd)
{
	struct mount *mount = add_mount(builder->view, "/");
	if (!mount)
		return -ENOMEM;
	const struct layer kept = {
		.has_whiteouts = true,
		.maps_owner = true,
		.uid = builder->uid,
		.gid = builder->gid,
	};
	int r = 0;
	mount->writable = settings->upper != UPPER_NONE;
	if (settings->upper == UPPER_DISCARDED) {
		uint64_t max = settings->upper_max ? settings->upper_max : builder->size_max;
		struct memory_tree *tree = memory_tree_new(max, 0755, 0, 0, NULL);
		if (!tree)
			return -ENOMEM;
		tree->root->from_root = true;
		/* The skeleton's numbers come from another range. */
		tree->next_ino = 1ull << 32;
		add_memory(mount, tree);
	} else if (settings->upper == UPPER_KEPT) {
		r = add_host(mount, settings->upper_fd, kept);
	}
	if (r == 0)
		r = add_host(mount, root_fd, (struct layer){.is_root = true});
	return r < 0 ? r : add_skeleton(mount);
}

/* What the root has in its /tmp is there, below what is written. */
static int add_below(struct mount *mount, int root_fd)
{
	_cleanup_close_ int fd = openat(root_fd, "tmp", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? 0 : add_host(mount, fd, (struct layer){.is_root = true});
}

static int add_empty(struct builder *builder, const char *path)
{
	int r = make_mount_point(builder, path, false);
	struct mount *mount = r < 0 ? NULL : add_mount(builder->view, path);
	struct memory_tree *tree = mount ? memory_tree_new(builder->size_max, 01777, 0, 0, NULL) : NULL;
	if (!tree)
		return r < 0 ? r : -ENOMEM;
	add_memory(mount, tree);
	mount->writable = true;
	return 0;
}

/* /dev/null and the like, by their numbers in Documentation/admin-guide/devices.txt. */
static const struct {
	const char *name;
	unsigned major, minor;
	mode_t mode;
} devices[] = {
	{"null", 1, 3, 0666}, {"zero", 1, 5, 0666},    {"full", 1, 7, 0666},       {"random", 1, 8, 0666},
	{"tty", 5, 0, 0666},  {"urandom", 1, 9, 0666}, {"virtiso", 10, 255, 0666},
};

static const struct {
	const char *name, *target;
} device_links[] = {
	{"fd", "/proc/self/fd"},
	{"stdin", "/proc/self/fd/0"},
	{"stdout", "/proc/self/fd/1"},
	{"stderr", "/proc/self/fd/2"},
};

static int add_node(struct memory_tree *tree, const char *name, mode_t mode, dev_t rdev, const char *target)
{
	int r;
	struct memory_node *node = memory_node_new(tree, mode, 0, 0, &r);
	if (!node)
		return r;
	node->rdev = rdev;
	if (target)
		r = memory_node_set_target(node, target);
	return r == 0 ? memory_link(tree->root, name, node) : r;
}

static int add_devices(struct builder *builder)
{
	struct mount *mount = make_mount_point(builder, "/dev", false) < 0 ? NULL : add_mount(builder->view, "/dev");
	int r = mount ? add_skeleton(mount) : -ENOMEM;
	for (size_t i = 0; r == 0 && i < sizeof(devices) / sizeof(devices[0]); i++)
		r = add_node(skeleton_of(mount), devices[i].name, S_IFCHR | devices[i].mode,
			     makedev(devices[i].major, devices[i].minor), NULL);
	for (size_t i = 0; r == 0 && i < sizeof(device_links) / sizeof(device_links[0]); i++)
		r = add_node(skeleton_of(mount), device_links[i].name, S_IFLNK | 0777, 0, device_links[i].target);
	return r;
}

static int add_text(struct memory_tree *tree, const char *path, const void *text, size_t size, mode_t mode)
{
	struct memory_node *node = make_place(tree, path, true);
	if (!node)
		return -ENOMEM;
	node->mode = S_IFREG | mode;
	int64_t n = contents_write(&node->contents, &tree->quota, text, size, 0);
	return n == (int64_t)size ? 0 : -ENOMEM;
}

/* What C libraries and runtimes ask for the number of processors: one. */
static int add_system(struct builder *builder)
{
	static const char *const paths[] = {"/devices/system/cpu/online", "/devices/system/cpu/possible",
					    "/devices/system/cpu/present", "/devices/system/node/online"};
	struct mount *mount = make_mount_point(builder, "/sys", false) < 0 ? NULL : add_mount(builder->view, "/sys");
	int r = mount ? add_skeleton(mount) : -ENOMEM;
	for (size_t i = 0; r == 0 && i < sizeof(paths) / sizeof(paths[0]); i++)
		r = add_text(skeleton_of(mount), paths[i], "0\n", 2, 0444);
	if (r == 0)
		r = make_place(skeleton_of(mount), "/devices/system/cpu/cpu0", false) ? 0 : -ENOMEM;
	return r;
}

static int add_proc(struct builder *builder)
{
	struct mount *mount = make_mount_point(builder, "/proc", false) < 0 ? NULL : add_mount(builder->view, "/proc");
	if (!mount)
		return -ENOMEM;
	mount->is_proc = true;
	return 0;
}

static int add_item_layers(struct builder *builder, struct mount *mount, const struct guest_file *item)
{
	struct stat st;
	if (item->fd < 0) {
		int r = add_skeleton(mount);
		if (r == 0)
			r = add_text(skeleton_of(mount), "/file", item->data, item->size, item->mode);
		if (r == 0)
			mount->layers[0].start = memory_find(skeleton_of(mount)->root, "file")->node;
		mount->type = S_IFREG;
		return r;
	}
	if (fstat(item->fd, &st) < 0)
		return -errno;
	mount->type = st.st_mode & S_IFMT;
	mount->writable = item->writable;
	struct layer layer = {.maps_owner = true, .uid = builder->uid, .gid = builder->gid};
	int r = add_host(mount, item->fd, layer);
	return r == 0 && S_ISDIR(st.st_mode) ? add_skeleton(mount) : r;
}

/*
 * The path with the links of the root followed, as far as it is there: so a file for /lib/x is seen where /lib is a
 * link to /usr/lib.
 */
static int resolve(struct builder *builder, const char *path, char *out)
{
	struct program looker = {.view = builder->view, .cwd = (char *)"/"};
	char start[PATH_MAX];
	snprintf(start, sizeof(start), "%s", path);
	for (char *slash; (slash = strrchr(start, '/'));) {
		struct spot spot;
		*slash = '\0';
		const char *rest = path + (slash - start);
		int r = view_find(&looker, AT_FDCWD, *start ? start : "/", FIND_FOLLOW, &spot);
		spot_release(&spot);
		if (r < 0 && *start)
			continue;
		const char *found = r == 0 && spot.path[1] ? spot.path : "";
		return snprintf(out, PATH_MAX, "%s%s", found, rest) < PATH_MAX ? 0 : -ENAMETOOLONG;
	}
	return -EINVAL;
}

static int add_item(struct builder *builder, const struct guest_file *item)
{
	char path[PATH_MAX];
	struct stat st;
	int r = resolve(builder, item->path, path);
	bool is_file = item->fd < 0 || (fstat(item->fd, &st) == 0 && !S_ISDIR(st.st_mode));
	if (r == 0)
		r = make_mount_point(builder, path, is_file);
	if (r < 0)
		return error_fail(VISO_STAGE_GUEST, -r, item->path,
				  "%s cannot be shown: there is no place for it in the guest", item->path);
	struct mount *mount = add_mount(builder->view, path);
	r = mount ? add_item_layers(builder, mount, item) : -ENOMEM;
	return r < 0 ? error_fail(VISO_STAGE_GUEST, -r, item->path, NULL) : 0;
}

static void set_counts(struct file_counts *counts, uint64_t files_max, uint64_t written_max)
{
	/* The guest's files must not use up the fds of the host program. */
	struct rlimit own = {0};
	getrlimit(RLIMIT_NOFILE, &own);
	uint64_t quarter = own.rlim_cur / 4;
	counts->open_max = files_max ? (unsigned)files_max : PROGRAM_FILES_MAX;
	counts->host_fds_max = quarter < counts->open_max ? (unsigned)quarter : counts->open_max;
	counts->written_max = written_max;
}

static int add_all(struct builder *builder, const struct view_setting *setting)
{
	int r = add_root(builder, setting->files, setting->root_fd);
	if (r == 0)
		r = add_empty(builder, "/tmp");
	if (r == 0) {
		builder->view->memory = builder->view->mounts[builder->view->mount_count - 1];
		r = add_below(builder->view->memory, setting->root_fd);
	}
	if (r == 0)
		r = add_devices(builder);
	if (r == 0)
		r = add_empty(builder, "/dev/shm");
	if (r == 0)
		r = add_system(builder);
	return r == 0 ? add_proc(builder) : r;
}

/* From now on only what the guest may write to changes. */
static void freeze_skeletons(struct view *view)
{
	for (size_t i = 0; i < view->mount_count; i++) {
		const struct mount *mount = view->mounts[i];
		for (unsigned layer = mount->writable ? 1 : 0; layer < mount->layer_count; layer++)
			if (mount->layers[layer].tree)
				memory_tree_freeze(mount->layers[layer].tree);
	}
}

int view_init(struct view *view, const struct view_setting *setting)
{
	struct builder builder = {
		.view = view,
		.uid = setting->uid,
		.gid = setting->gid,
		.size_max = setting->memory_max / 2,
	};
	struct program *program = view->program;
	*view = (struct view){.program = program};
	set_counts(&view->counts, setting->files_max, setting->written_max);
	/* Without randomness it runs all the same. */
	if (getrandom(view->boot_id, sizeof(view->boot_id), GRND_NONBLOCK) < 0)
		memset(view->boot_id, 0, sizeof(view->boot_id));
	int r = add_all(&builder, setting);
	if (r < 0)
		return error_fail(VISO_STAGE_GUEST, -r, "files", NULL);
	for (size_t i = 0; r == 0 && i < setting->files->count; i++)
		r = add_item(&builder, &setting->files->items[i]);
	freeze_skeletons(view);
	return r;
}

void view_release(struct view *view, bool forget)
{
	for (size_t i = 0; i < view->mount_count; i++) {
		struct mount *mount = view->mounts[i];
		for (unsigned layer = 0; layer < mount->layer_count; layer++) {
			memory_tree_unref(mount->layers[layer].tree);
			if (!forget && !mount->layers[layer].borrows_fd)
				close_fd(mount->layers[layer].fd);
		}
		free(mount->path);
		free(mount);
	}
	free(view->mounts);
	locks_release(view);
	view->mounts = NULL;
	view->mount_count = 0;
}
