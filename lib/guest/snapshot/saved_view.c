/* SPDX-License-Identifier: MIT */
/* The file systems of a saved snapshot: what was written to memory, over the same root and settings as before. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/snapshot/saved.h"

static const uint64_t boot_id_size = sizeof(((struct view *)NULL)->boot_id);

static bool writes_to_memory(const struct mount *mount)
{
	return mount->writable && layer_is_memory(&mount->layers[0]);
}

/* The layers that the guest wrote: those in memory below the topmost one, which is empty. */
static unsigned count_written(const struct mount *mount)
{
	unsigned count = 0;
	while (writes_to_memory(mount) && 1 + count < mount->layer_count && mount->layers[1 + count].tree)
		count++;
	return count;
}

/* What the settings and the root make of a mount point. */
struct shape {
	uint64_t is_proc, writable, type;
	uint64_t layers; /* without those that the guest wrote */
	uint64_t kinds;  /* a bit for each that is in memory */
};

static struct shape shape_of(const struct mount *mount, unsigned written)
{
	struct shape shape = {
		.is_proc = mount->is_proc,
		.writable = mount->writable,
		.type = mount->type,
		.layers = mount->layer_count - written,
	};
	for (unsigned i = 0; i < shape.layers; i++) {
		const struct layer *layer = &mount->layers[i == 0 ? 0 : i + written];
		shape.kinds |= (uint64_t)layer_is_memory(layer) << i;
	}
	return shape;
}

static void put_mount(struct saved_writer *writer, const struct mount *mount)
{
	unsigned written = count_written(mount);
	const struct shape shape = shape_of(mount, written);
	saved_put_string(writer, mount->path);
	saved_put(writer, &shape, sizeof(shape));
	saved_put_number(writer, written);
	for (unsigned i = 1; i <= written && writer->error == 0; i++)
		writer->error = memory_tree_save(mount->layers[i].tree, &writer->bytes);
}

void saved_put_view(struct saved_writer *writer, const struct view *view)
{
	saved_put(writer, view->boot_id, boot_id_size);
	saved_put_number(writer, view->mount_count);
	for (size_t i = 0; i < view->mount_count; i++)
		put_mount(writer, view->mounts[i]);
}

static int check_mount(struct saved_reader *reader, const struct mount *mount)
{
	_cleanup_free_ char *path = NULL;
	struct shape saved;
	const struct shape here = shape_of(mount, 0);
	int r = saved_get_path(reader, &path);
	if (r < 0)
		return r;
	if (!saved_get(reader, &saved, sizeof(saved)))
		return saved_damaged("mount points");
	if (!strcmp(path, mount->path) && !memcmp(&saved, &here, sizeof(here)))
		return 0;
	return error_fail(VISO_STAGE_ARGUMENT, EINVAL, path,
			  "the guest of the snapshot saw other files at %s; make a guest with the same root and settings",
			  path);
}

/* The names and contents of each tree are counted above those below it: no more than the settings allow. */
static int get_tree(struct saved_reader *reader, const struct memory_tree *base, struct memory_tree **out)
{
	enum { ROOM = 4096 };
	size_t used;
	int r;
	*out = memory_tree_load(reader->data + reader->at, reader->size - reader->at, &used, &r);
	if (!*out)
		return r == -ENOMEM ? error_memory() : saved_damaged("files in memory");
	reader->at += used;
	(*out)->quota.max = base->quota.max;
	return (*out)->quota.used <= base->quota.max + ROOM ? 0 : saved_damaged("files in memory");
}

static int get_mount(struct saved_reader *reader, struct mount *mount)
{
	struct memory_tree *trees[LAYERS_MAX];
	uint64_t written, got = 0;
	int r = check_mount(reader, mount);
	if (r < 0)
		return r;
	if (!saved_get_number(reader, LAYERS_MAX - mount->layer_count, &written) ||
	    (written > 0) != writes_to_memory(mount))
		return saved_damaged("mount points");
	while (r == 0 && got < written) {
		r = get_tree(reader, mount->layers[0].tree, &trees[got]);
		got += trees[got] != NULL;
	}
	if (r == 0 && written > 0 && view_put_frozen(mount, trees, (unsigned)written) < 0)
		r = error_memory();
	for (uint64_t i = 0; r < 0 && i < got; i++)
		memory_tree_unref(trees[i]);
	return r;
}

int saved_get_view(struct saved_reader *reader, viso_snapshot *snapshot)
{
	struct view *view = &snapshot->origin;
	uint64_t count;
	if (!saved_get(reader, view->boot_id, boot_id_size) || !saved_get_number(reader, UINT64_MAX, &count))
		return saved_damaged("mount points");
	if (count != view->mount_count)
		return error_fail(VISO_STAGE_ARGUMENT, EINVAL, "files",
				  "the guest of the snapshot had other files; make a guest with the same settings");
	for (uint64_t i = 0; i < count; i++) {
		int r = get_mount(reader, view->mounts[i]);
		if (r < 0)
			return r;
	}
	snapshot->view.program = &snapshot->program;
	return view_copy(view, &snapshot->view) < 0 ? error_memory() : 0;
}
