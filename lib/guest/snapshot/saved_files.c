/* SPDX-License-Identifier: MIT */
/*
 * One open or mapped file of a saved snapshot. Those of the host are found again by their names in the guest, and must
 * be the same or have the same contents; those in memory are part of the snapshot.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/files/memory_file.h"
#include "guest/files/open.h"
#include "guest/files/proc.h"
#include "guest/snapshot/saved.h"

/* A file that lies elsewhere, as in a root that each process builds for itself, is compared as a whole up to this. */
static const uint64_t compared_max = 64ull << 20;

/* What a file is said to be open for. */
static const uint32_t flags_known =
	O_ACCMODE | O_APPEND | O_NONBLOCK | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_DIRECT | O_SYNC;

/* Of damaged files: how many inodes one load looks at, and how much it compares. */
static const uint64_t lookups_max = 1ull << 26;
static const uint64_t compared_all_max = 4ull << 30;

struct saved_file {
	uint32_t kind;
	uint32_t flags;
	uint64_t position;
	uint64_t rdev;
	uint64_t layer; /* FILE_MEMORY: of its mount point */
	uint64_t ino;
	uint64_t size;
	int64_t modified[2];
	uint8_t sum[SAVED_SUM];
	uint32_t is_exact; /* FILE_REGULAR: it must be the same, since the program cannot have changed it */
	uint32_t has_sum;
	uint32_t changes; /* FILE_OBJECT */
	uint32_t stream;  /* FILE_STREAM: its number */
};

static int describe_host(const struct file *file, struct saved_file *out)
{
	struct stat st;
	if (fstat(file->fd, &st) < 0)
		return -errno;
	off_t at = lseek(file->fd, 0, SEEK_CUR);
	out->position = at > 0 ? (uint64_t)at : 0;
	out->ino = st.st_ino;
	out->size = (uint64_t)st.st_size;
	out->modified[0] = st.st_mtim.tv_sec;
	out->modified[1] = st.st_mtim.tv_nsec;
	out->is_exact = !file_is_writable(file);
	if (!out->is_exact || out->size > compared_max)
		return 0;
	int r = saved_sum_file(file->fd, out->size, out->sum);
	out->has_sum = r == 0;
	return r == -EOPNOTSUPP ? 0 : r;
}

/* In which mount and layer a file in memory lies. */
static const struct mount *find_place(const struct view *view, const struct memory_node *node, uint64_t *out_layer)
{
	for (size_t i = 0; i < view->mount_count; i++)
		for (unsigned layer = 0; layer < view->mounts[i]->layer_count; layer++)
			if (view->mounts[i]->layers[layer].tree == node->tree) {
				*out_layer = layer;
				return view->mounts[i];
			}
	return NULL;
}

static bool is_of_name(const struct file *file)
{
	return file->kind == FILE_REGULAR || file->kind == FILE_DIRECTORY || file->kind == FILE_PATH;
}

bool saved_is_stream(const struct file *file)
{
	return file->is_standard && (file->kind == FILE_STREAM || file->kind == FILE_CAPTURE);
}

/* As /dev/null, or as itself where whoever loads it has the same stream. */
static void put_stream(struct saved_writer *writer, const struct file *file)
{
	struct saved_file saved = {.kind = FILE_DEVICE, .flags = O_RDWR, .rdev = makedev(1, 3)};
	if (writer->has_streams)
		saved = (struct saved_file){
			.kind = FILE_STREAM,
			.flags = (uint32_t)file->flags & flags_known,
			.stream = file->stream,
		};
	saved_put(writer, &saved, sizeof(saved));
	saved_put_string(writer, NULL);
	saved_put_string(writer, NULL);
	saved_put_number(writer, 0);
}

void saved_put_file(struct saved_writer *writer, const viso_snapshot *snapshot, const struct file *file,
		    const char *object)
{
	struct saved_file saved = {
		.kind = (uint32_t)file->kind,
		.flags = (uint32_t)file->flags & flags_known,
		.position = file->position,
		.rdev = file->rdev,
		.changes = file->changes,
	};
	const struct mount *mount = NULL;
	if (writer->error < 0)
		return;
	if (saved_is_stream(file) || (writer->has_streams && file->is_standard && file->kind == FILE_OBJECT)) {
		put_stream(writer, file);
		return;
	}
	if (file->kind == FILE_STREAM || file->kind == FILE_CAPTURE) {
		writer->error = saved_refuse(object, "a file of the host open that was handed in");
		return;
	}
	if (file->kind == FILE_MEMORY) {
		saved.ino = file->node->ino;
		mount = find_place(&snapshot->view, file->node, &saved.layer);
	}
	if ((file->kind == FILE_MEMORY && !mount) || (is_of_name(file) && !file->path)) {
		writer->error = saved_refuse(object, "a file without a place open");
		return;
	}
	int r = file->kind == FILE_REGULAR ? describe_host(file, &saved) : 0;
	if (r < 0)
		writer->error = error_fail(VISO_STAGE_GUEST, r == -ENOMEM ? ENOMEM : EIO, file->path, NULL);
	saved_put(writer, &saved, sizeof(saved));
	saved_put_string(writer, file->path);
	saved_put_string(writer, mount ? mount->path : NULL);
	saved_put_number(writer, file->object_size);
	saved_put(writer, file->object, file->object_size);
	if (file->kind == FILE_OBJECT)
		saved_put_object(writer, snapshot, file, object);
}

/* What is read of a file. */
struct loading {
	struct saved_reader *reader;
	viso_snapshot *snapshot;
	struct saved_file saved;
	char *path;
	char *mount;
	const uint8_t *text;
	uint64_t text_size;
};

static struct mount *mount_of(const struct loading *loading)
{
	const struct view *view = &loading->snapshot->view;
	for (size_t i = 0; loading->mount && i < view->mount_count; i++)
		if (!strcmp(view->mounts[i]->path, loading->mount))
			return view->mounts[i];
	return NULL;
}

static int fail_open(const char *path, int r)
{
	if (r == -ENOMEM)
		return error_memory();
	int error = r == -ENOENT || r == -EACCES || r == -EMFILE ? -r : r == -ENFILE ? EMFILE : ESTALE;
	return error_fail(VISO_STAGE_GUEST, error, path, "%s, which the snapshot has open, cannot be opened: %s", path,
			  strerrordesc_np(-r));
}

static int load_memory(struct loading *loading, struct file **out)
{
	struct mount *mount = mount_of(loading);
	uint64_t layer = loading->saved.layer;
	const struct memory_tree *tree = mount && layer < mount->layer_count ? mount->layers[layer].tree : NULL;
	struct memory_node *node = tree ? tree->nodes : NULL;
	while (node && node->ino != loading->saved.ino) {
		node = node->next;
		if (++loading->reader->lookups > lookups_max)
			return saved_damaged("open files");
	}
	if (!node || !S_ISREG(node->mode) || !tree->frozen)
		return saved_damaged("open files");
	/* The guest wrote the trees that the file has, and may have closed them to itself after it had opened them. */
	bool is_written = mount->writable && layer > 0 && mount->layers[layer - 1].tree;
	int r = open_node(&loading->snapshot->program, mount, node, loading->path, (int)loading->saved.flags,
			  !is_written, out);
	if (r < 0)
		return fail_open(loading->path ? loading->path : "a file in memory", r);
	/* A damaged file may tell of a node that a higher layer has a copy of, and then clones, which are made in
	 * several threads, would each put that in its place. */
	return S_ISREG(memory_file_node(*out)->mode) ? 0 : saved_damaged("open files");
}

static int fail_changed(const char *path)
{
	return error_fail(VISO_STAGE_GUEST, ESTALE, path,
			  "%s has changed since the snapshot was saved; make the snapshot anew", path);
}

static int check_host(const struct loading *loading, const struct file *file)
{
	const struct saved_file *saved = &loading->saved;
	struct stat st;
	uint8_t sum[SAVED_SUM];
	if (fstat(file->fd, &st) < 0)
		return error_fail(VISO_STAGE_GUEST, EIO, loading->path, NULL);
	if (!saved->is_exact)
		return 0;
	if ((uint64_t)st.st_size != saved->size)
		return fail_changed(loading->path);
	if (st.st_ino == saved->ino && st.st_mtim.tv_sec == saved->modified[0] &&
	    st.st_mtim.tv_nsec == saved->modified[1])
		return 0;
	loading->reader->compared += saved->size;
	if (!saved->has_sum || saved->size > compared_max || loading->reader->compared > compared_all_max ||
	    saved_sum_file(file->fd, saved->size, sum) < 0 || memcmp(sum, saved->sum, sizeof(sum)) != 0)
		return fail_changed(loading->path);
	return 0;
}

/* Whether what has the name now is what the file was open for; nothing is opened or made otherwise. */
static bool is_of_kind(const struct loading *loading, const struct spot *spot)
{
	bool is_host = !spot->mount->is_proc && !layer_is_memory(spot_layer(spot));
	switch (loading->saved.kind) {
	case FILE_REGULAR:
		/* To open one of a lower layer for writing makes a copy. */
		return is_host && S_ISREG(spot->st.st_mode) && (loading->saved.is_exact || spot->top == 0);
	case FILE_DIRECTORY:
		return S_ISDIR(spot->st.st_mode);
	default:
		return true;
	}
}

static int load_by_name(struct loading *loading, struct file **out)
{
	const struct saved_file *saved = &loading->saved;
	int flags = (int)saved->flags | (saved->kind == FILE_PATH ? O_PATH : 0);
	_cleanup_free_ struct spot *spot = malloc(sizeof(*spot));
	if (!spot)
		return error_memory();
	if (!loading->path)
		return saved_damaged("open files");
	if (saved->kind == FILE_REGULAR && saved->is_exact && (flags & O_ACCMODE) != O_RDONLY)
		return saved_damaged("open files");
	int r = view_find(&loading->snapshot->program, AT_FDCWD, loading->path, 0, spot);
	if (r < 0)
		return fail_open(loading->path, r);
	bool is_same = is_of_kind(loading, spot);
	r = is_same ? open_spot(&loading->snapshot->program, spot, flags, out) : 0;
	spot_release(spot);
	if (!is_same)
		return fail_changed(loading->path);
	if (r < 0)
		return fail_open(loading->path, r);
	if (saved->kind != FILE_REGULAR)
		return 0;
	r = check_host(loading, *out);
	if (r == 0)
		lseek((*out)->fd, (off_t)saved->position, SEEK_SET);
	return r;
}

static int load_device(struct loading *loading, struct file **out)
{
	dev_t rdev = (dev_t)loading->saved.rdev;
	if (device_kind(rdev) != (int)loading->saved.kind)
		return saved_damaged("open files");
	int r = open_bare(&loading->snapshot->program, (enum file_kind)loading->saved.kind, (int)loading->saved.flags,
			  loading->path, NULL, out);
	if (r == 0)
		(*out)->rdev = rdev;
	return r < 0 ? fail_open(loading->path ? loading->path : "a device", r) : 0;
}

static int load_stream(struct loading *loading, struct file **out)
{
	if (!loading->reader->has_streams || loading->saved.stream >= PROGRAM_STREAMS)
		return saved_damaged("open files");
	return program_open_stream(&loading->snapshot->program, (int)loading->saved.stream, out);
}

/* What the program had read of /proc is what it was. */
static int load_text(struct loading *loading, struct file **out)
{
	struct mount *proc = NULL;
	struct view *view = &loading->snapshot->view;
	for (size_t i = 0; i < view->mount_count; i++)
		if (view->mounts[i]->is_proc)
			proc = view->mounts[i];
	if ((loading->saved.flags & O_ACCMODE) != O_RDONLY || !loading->path)
		return saved_damaged("open files");
	int r = open_bare(&loading->snapshot->program, FILE_TEXT, (int)loading->saved.flags, loading->path, proc, out);
	if (r < 0)
		return fail_open(loading->path, r);
	(*out)->object = malloc(loading->text_size + 1);
	if (!(*out)->object || proc_set_size(*out, loading->text_size) < 0)
		return error_memory();
	memcpy((*out)->object, loading->text, loading->text_size);
	return 0;
}

static int load(struct loading *loading, struct file **out)
{
	switch (loading->saved.kind) {
	case FILE_REGULAR:
	case FILE_DIRECTORY:
	case FILE_PATH:
		return load_by_name(loading, out);
	case FILE_MEMORY:
		return load_memory(loading, out);
	case FILE_DEVICE:
	case FILE_CONTACT:
		return load_device(loading, out);
	case FILE_TEXT:
		return load_text(loading, out);
	case FILE_STREAM:
		return load_stream(loading, out);
	case FILE_OBJECT:
		return saved_get_object(loading->reader, loading->snapshot, (int)loading->saved.flags, out);
	default:
		return saved_damaged("open files");
	}
}

int saved_get_file(struct saved_reader *reader, viso_snapshot *snapshot, struct file **out)
{
	_cleanup_free_ char *path = NULL, *mount = NULL;
	struct loading loading = {.reader = reader, .snapshot = snapshot};
	struct file *file = NULL;
	if (!saved_get(reader, &loading.saved, sizeof(loading.saved)) || (loading.saved.flags & ~flags_known) ||
	    loading.saved.position > INT64_MAX)
		return saved_damaged("open files");
	int r = saved_get_string(reader, &path);
	if (r == 0)
		r = saved_get_string(reader, &mount);
	if (r < 0)
		return r;
	if ((path && *path != '/') || !saved_get_number(reader, LISTED_MAX, &loading.text_size) ||
	    !(loading.text = saved_get_data(reader, loading.text_size)))
		return saved_damaged("open files");
	loading.path = path;
	loading.mount = mount;
	r = load(&loading, &file);
	if (r < 0) {
		file_unref(file);
		return r;
	}
	file->flags = (int)loading.saved.flags;
	file->position = loading.saved.kind == FILE_REGULAR ? 0 : loading.saved.position;
	file->changes = loading.saved.changes;
	*out = file;
	return 0;
}
