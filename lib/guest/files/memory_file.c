/* SPDX-License-Identifier: MIT */
/* Regular files in memory that the program has open. */
#include "guest/files/memory_file.h"

#include <errno.h>
#include <fcntl.h>

#include "guest/program/program.h"

void memory_file_set_node(struct file *file, struct memory_node *node)
{
	struct memory_node *old = file->node;
	memory_tree_ref(node->tree);
	memory_node_hold(node);
	file->node = node;
	if (old) {
		struct memory_tree *tree = old->tree;
		memory_node_release(old);
		memory_tree_unref(tree);
	}
}

/* The node as it is now: where another has written to a file of a frozen tree, that is the uppermost copy. */
struct memory_node *memory_file_node(struct file *file)
{
	const struct mount *mount = file->mount;
	if (!file->node->tree->frozen)
		return file->node;
	for (unsigned i = 0; mount && i < mount->layer_count; i++) {
		struct memory_tree *tree = mount->layers[i].tree;
		if (tree == file->node->tree)
			break;
		struct memory_node *copy = tree ? memory_tree_copy_of(tree, file->node->ino) : NULL;
		if (!copy)
			continue;
		memory_file_set_node(file, copy);
		break;
	}
	return file->node;
}

/* The same, of the topmost tree. */
static int own(struct file *file)
{
	struct memory_node *node = memory_file_node(file);
	struct memory_tree *top = file->mount ? file->mount->layers[0].tree : NULL;
	int r = 0;
	if (!node->tree->frozen)
		return 0;
	if (!top || top->frozen)
		return -EROFS;
	struct memory_node *copy = memory_tree_own(top, node, &r);
	if (copy)
		memory_file_set_node(file, copy);
	return copy ? 0 : r;
}

static int64_t read_pieces(struct program *program, struct file *file, const struct iovec *pieces, int count,
			   size_t size, int64_t offset)
{
	struct memory_node *node = memory_file_node(file);
	uint64_t at = offset < 0 ? file->position : (uint64_t)offset;
	size_t done = 0;
	for (int i = 0; i < count; i++) {
		size_t n = contents_read(&node->contents, pieces[i].iov_base, pieces[i].iov_len, at + done);
		done += n;
		if (n < pieces[i].iov_len)
			break;
	}
	if (offset < 0)
		file->position += done;
	if (!(file->flags & O_NOATIME))
		memory_touch(node, MEMORY_TIME_ACCESS);
	return (int64_t)done;
}

static int64_t write_pieces(struct program *program, struct file *file, const struct iovec *pieces, int count,
			    size_t size, int64_t offset)
{
	int r = own(file);
	if (r < 0)
		return r;
	struct memory_node *node = file->node;
	uint64_t start = offset < 0 ? file->position : (uint64_t)offset, at = start;
	if (file->flags & O_APPEND)
		start = at = node->contents.size;
	int64_t n = 0;
	for (int i = 0; i < count; i++) {
		n = contents_write(&node->contents, &node->tree->quota, pieces[i].iov_base, pieces[i].iov_len, at);
		if (n < 0)
			break;
		at += (uint64_t)n;
		if ((size_t)n < pieces[i].iov_len)
			break;
	}
	if (at == start)
		return n;
	/* As for any program that is not privileged. */
	node->mode &= ~(mode_t)(S_ISUID | S_ISGID);
	memory_touch(node, MEMORY_TIME_MODIFY);
	if (offset < 0)
		file->position = at;
	return (int64_t)(at - start);
}

static int64_t seek(struct program *program, struct file *file, int64_t offset, int whence)
{
	const struct contents *contents = &memory_file_node(file)->contents;
	int64_t base = 0;
	if (whence == SEEK_CUR)
		base = (int64_t)file->position;
	else if (whence == SEEK_END)
		base = (int64_t)contents->size;
	if (whence == SEEK_DATA || whence == SEEK_HOLE) {
		if (offset < 0 || (uint64_t)offset >= contents->size)
			return -ENXIO;
		uint64_t found = contents_seek(contents, (uint64_t)offset, whence == SEEK_HOLE);
		if (whence == SEEK_DATA && found == contents->size)
			return -ENXIO;
		offset = (int64_t)found;
	}
	int64_t at;
	if (__builtin_add_overflow(base, offset, &at) || at < 0)
		return -EINVAL;
	if ((uint64_t)at > CONTENTS_SIZE_MAX)
		return -EINVAL;
	file->position = (uint64_t)at;
	return at;
}

static int status(struct file *file, struct stat *out)
{
	memory_status(memory_file_node(file), out);
	if (file->mount)
		out->st_dev = file->mount->device;
	return 0;
}

static int resize(struct program *program, struct file *file, uint64_t size)
{
	int r = own(file);
	if (r == 0)
		r = contents_resize(&file->node->contents, &file->node->tree->quota, size);
	if (r == 0)
		memory_touch(file->node, MEMORY_TIME_MODIFY);
	return r;
}

int memory_file_allocate(struct file *file, uint64_t offset, uint64_t size, bool punch, bool keep_size)
{
	int r = own(file);
	if (r < 0)
		return r;
	struct contents *contents = &file->node->contents;
	if (offset > CONTENTS_SIZE_MAX || size > CONTENTS_SIZE_MAX - offset)
		return -EFBIG;
	if (punch)
		r = contents_punch(contents, &file->node->tree->quota, offset, size);
	else if (!keep_size && offset + size > contents->size)
		r = contents_resize(contents, &file->node->tree->quota, offset + size);
	if (r == 0)
		memory_touch(file->node, MEMORY_TIME_MODIFY);
	return r;
}

int memory_file_set(struct file *file, const struct change *change)
{
	int r = own(file);
	if (r < 0)
		return r;
	const struct layer layer = {.ops = &layer_memory_ops, .tree = file->node->tree};
	const struct part part = {.node = file->node, .fd = -1};
	return layer_memory_ops.set(&layer, &part, change);
}

static ssize_t contents_at(struct file *file, void *out, size_t size, uint64_t offset)
{
	return (ssize_t)contents_read(&memory_file_node(file)->contents, out, size, offset);
}

static int put(struct file *file, const void *data, size_t size, uint64_t offset)
{
	int r = own(file);
	if (r < 0)
		return r;
	int64_t n = contents_write(&file->node->contents, &file->node->tree->quota, data, size, offset);
	memory_touch(file->node, MEMORY_TIME_MODIFY);
	return n < 0 ? (int)n : (size_t)n < size ? -ENOSPC : 0;
}

int memory_file_fill(struct file *file, uint64_t offset)
{
	static const uint8_t zeroes[GUEST_PAGE];
	const struct contents *contents = &memory_file_node(file)->contents;
	if (offset >= contents->size || contents_seek(contents, offset, 0) == offset)
		return 0;
	uint64_t left = contents->size - offset;
	return put(file, zeroes, left < GUEST_PAGE ? (size_t)left : GUEST_PAGE, offset);
}

static void release(struct file *file)
{
	if (!file->node)
		return;
	struct memory_tree *tree = file->node->tree;
	memory_node_release(file->node);
	memory_tree_unref(tree);
	file->node = NULL;
}

const struct file_ops memory_file_ops = {
	.pread = read_pieces,
	.pwrite = write_pieces,
	.seek = seek,
	.status = status,
	.resize = resize,
	.contents = contents_at,
	.put = put,
	.release = release,
};
