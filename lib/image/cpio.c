/* SPDX-License-Identifier: MIT */
#include "image/cpio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/beneath.h"
#include "core/cleanup.h"
#include "core/error.h"

enum { BUFFER_SIZE = 256 << 10, HEADER_SIZE = 110, ALIGNMENT = 4 };

struct cpio {
	const struct listing *listing;
	int root;
	int fd;
	char *buffer;
	size_t used;
	uint64_t total; /* bytes so far */
};

/* One name of several of an inode. */
struct name {
	const struct listed *listed;
	size_t index;
};

/* What the header says of the inode. */
struct inode {
	size_t number;
	size_t links;
	bool has_contents; /* the last name of several carries them, as GNU cpio has it */
};

static int fail(int error, const char *action, const char *path)
{
	return error_fail(VISO_STAGE_IMAGE, error, path, "cannot %s %s: %s", action, path, strerrordesc_np(error));
}

static int flush(struct cpio *cpio)
{
	for (size_t at = 0; at < cpio->used;) {
		ssize_t n = write(cpio->fd, cpio->buffer + at, cpio->used - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fail(n < 0 ? errno : EIO, "write", "the image");
		at += (size_t)n;
	}
	cpio->used = 0;
	return 0;
}

static int put(struct cpio *cpio, const void *data, size_t size)
{
	const char *rest = data;
	cpio->total += size;
	while (size) {
		size_t part = size < BUFFER_SIZE - cpio->used ? size : BUFFER_SIZE - cpio->used;
		memcpy(cpio->buffer + cpio->used, rest, part);
		cpio->used += part;
		rest += part;
		size -= part;
		if (cpio->used == BUFFER_SIZE) {
			int r = flush(cpio);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int align(struct cpio *cpio)
{
	static const char zeros[ALIGNMENT];
	return put(cpio, zeros, (ALIGNMENT - cpio->total % ALIGNMENT) % ALIGNMENT);
}

/* A field has eight hexadecimal digits. */
static uint32_t clamp(int64_t value)
{
	return value < 0 ? 0 : value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static int put_header(struct cpio *cpio, const struct listed *listed, const struct inode *inode, uint32_t size)
{
	char header[HEADER_SIZE + 1];
	size_t name_size = strlen(listed->path) + 1;
	snprintf(header, sizeof(header), "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		 clamp((int64_t)inode->number), (unsigned)listed->mode, (unsigned)listed->uid, (unsigned)listed->gid,
		 clamp((int64_t)inode->links), clamp(listed->mtime), size, 0u, 0u, major(listed->device),
		 minor(listed->device), (unsigned)name_size, 0u);
	int r = put(cpio, header, HEADER_SIZE);
	if (r >= 0)
		r = put(cpio, listed->path, name_size);
	return r < 0 ? r : align(cpio);
}

/* From the file straight into the buffer. */
static int put_contents(struct cpio *cpio, const struct listed *listed, int fd, size_t size)
{
	while (size) {
		size_t room = BUFFER_SIZE - cpio->used;
		ssize_t n = read(fd, cpio->buffer + cpio->used, size < room ? size : room);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(errno, "read", listed->path);
		if (n == 0)
			return error_fail(VISO_STAGE_IMAGE, EIO, listed->path, "%s was cut while it was packed",
					  listed->path);
		cpio->used += (size_t)n;
		cpio->total += (size_t)n;
		size -= (size_t)n;
		int r = cpio->used == BUFFER_SIZE ? flush(cpio) : 0;
		if (r < 0)
			return r;
	}
	return align(cpio);
}

static int put_file(struct cpio *cpio, const struct listed *listed, const struct inode *inode)
{
	struct stat st;
	_cleanup_close_ int fd = open_beneath(cpio->root, listed->path, O_RDONLY | O_NONBLOCK | O_NOCTTY, true);
	if (fd < 0)
		return fail(-fd, "open", listed->path);
	if (fstat(fd, &st) < 0)
		return fail(errno, "examine", listed->path);
	/* Another file, which may have got the inode's number, would have its contents under this one's owner and mode.
	 */
	if (st.st_mode != listed->mode || st.st_dev != listed->on || st.st_ino != listed->inode ||
	    st.st_uid != listed->owner)
		return error_fail(VISO_STAGE_IMAGE, EIO, listed->path, "%s became something else while it was packed",
				  listed->path);
	if (st.st_size > UINT32_MAX)
		return error_fail(VISO_STAGE_IMAGE, EFBIG, listed->path,
				  "%s has 4 GiB or more, which an initramfs cannot hold; make an EROFS image",
				  listed->path);
	int r = put_header(cpio, listed, inode, (uint32_t)st.st_size);
	return r < 0 ? r : put_contents(cpio, listed, fd, (size_t)st.st_size);
}

static int put_entry(struct cpio *cpio, const struct listed *listed, const struct inode *inode)
{
	if (S_ISREG(listed->mode) && inode->has_contents)
		return put_file(cpio, listed, inode);
	size_t size = listed->link ? strlen(listed->link) : 0;
	int r = put_header(cpio, listed, inode, (uint32_t)size);
	if (r >= 0)
		r = put(cpio, listed->link, size);
	return r < 0 ? r : align(cpio);
}

static int compare(const void *left, const void *right)
{
	const struct name *a = left, *b = right;
	if (a->listed->on != b->listed->on)
		return a->listed->on < b->listed->on ? -1 : 1;
	if (a->listed->inode != b->listed->inode)
		return a->listed->inode < b->listed->inode ? -1 : 1;
	return a->index < b->index ? -1 : a->index > b->index;
}

/* Finds the names that are hard links to one file. */
static int join_links(const struct listing *listing, struct inode *inodes)
{
	_cleanup_free_ struct name *names = calloc(listing->count, sizeof(*names));
	size_t count = 0;
	if (!names)
		return error_memory();
	for (size_t i = 0; i < listing->count; i++) {
		inodes[i] = (struct inode){.number = i + 1, .links = 1, .has_contents = true};
		if (S_ISDIR(listing->entries[i].mode))
			inodes[i].links = 2;
		else if (S_ISREG(listing->entries[i].mode) && listing->entries[i].links > 1)
			names[count++] = (struct name){.listed = &listing->entries[i], .index = i};
	}
	qsort(names, count, sizeof(*names), compare);
	for (size_t i = 0, end; i < count; i = end) {
		for (end = i + 1; end < count && names[end].listed->on == names[i].listed->on &&
				  names[end].listed->inode == names[i].listed->inode;)
			end++;
		for (size_t at = i; at < end; at++)
			inodes[names[at].index] = (struct inode){
				.number = names[i].index + 1, .links = end - i, .has_contents = at + 1 == end};
	}
	return 0;
}

int cpio_write(const struct listing *listing, int root, int fd)
{
	struct listed trailer = {.path = (char *)"TRAILER!!!"};
	_cleanup_free_ char *buffer = malloc(BUFFER_SIZE);
	_cleanup_free_ struct inode *inodes = calloc(listing->count, sizeof(*inodes));
	if (!buffer || !inodes)
		return error_memory();
	struct cpio cpio = {.listing = listing, .root = root, .fd = fd, .buffer = buffer};
	int r = join_links(listing, inodes);
	for (size_t i = 0; r >= 0 && i < listing->count; i++)
		r = put_entry(&cpio, &listing->entries[i], &inodes[i]);
	if (r >= 0)
		r = put_header(&cpio, &trailer, &(struct inode){.links = 1}, 0);
	return r < 0 ? r : flush(&cpio);
}
