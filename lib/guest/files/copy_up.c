/* SPDX-License-Identifier: MIT */
#include "guest/files/copy_up.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "guest/program/program.h"

enum { COPY_PIECE = 64 << 10 };

/* To the host's file. */
static int write_piece(struct program *program, int to, const void *data, size_t size, off_t at)
{
	struct file_counts *counts = &program->view->counts;
	if (!counts_write(counts, size))
		return -EDQUOT;
	if (pwrite(to, data, size, at) != (ssize_t)size)
		return -ENOSPC;
	counts->written += size;
	return 0;
}

static int put_piece(struct program *program, const struct layer *top, const struct part *to, int to_fd,
		     const void *data, size_t size, off_t at)
{
	if (!layer_is_memory(top))
		return write_piece(program, to_fd, data, size, at);
	int64_t written = contents_write(&to->node->contents, &top->tree->quota, data, size, (uint64_t)at);
	return written < 0 ? (int)written : (size_t)written < size ? -ENOSPC : 0;
}

/*
 * From a file of the host, holes left out. Signals do not end it, as little as the open(2) of Linux of which it is a
 * part: begun anew after each one, it would never come to its end where a timer goes off again and again.
 */
static int copy_pieces(struct program *program, int from, const struct layer *top, const struct part *to, int to_fd)
{
	_cleanup_free_ uint8_t *buffer = malloc(COPY_PIECE);
	if (!buffer)
		return -ENOMEM;
	off_t at = 0;
	for (;;) {
		off_t data = lseek(from, at, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			return 0;
		if (data > at)
			at = data;
		ssize_t n = pread(from, buffer, COPY_PIECE, at);
		if (n <= 0)
			return n < 0 ? -errno : 0;
		int r = put_piece(program, top, to, to_fd, buffer, (size_t)n, at);
		if (r < 0)
			return r;
		at += n;
		if (program->kick && kick_must_end(program->kick))
			return -EINTR;
	}
}

/* A file of the settings below the kept directory. */
static int copy_setting(struct program *program, const struct contents *contents, int to)
{
	uint8_t buffer[4096];
	int r = 0;
	for (uint64_t at = 0; at < contents->size && r == 0;) {
		size_t n = contents_read(contents, buffer, sizeof(buffer), at);
		r = write_piece(program, to, buffer, n, (off_t)at);
		at += n;
	}
	return r;
}

static int copy(struct program *program, struct spot *spot, const struct layer *top, const struct part *to)
{
	_cleanup_close_ int to_fd = layer_is_memory(top) ? -1 : layer_host_open(to, O_WRONLY);
	if (!layer_is_memory(top) && to_fd < 0)
		return to_fd;
	if (layer_is_memory(spot_layer(spot)))
		return copy_setting(program, &spot_part(spot)->node->contents, to_fd);
	_cleanup_close_ int from = layer_host_open(spot_part(spot), O_RDONLY);
	if (from < 0)
		return from;
	int r = copy_pieces(program, from, top, to, to_fd);
	const struct change size = {.has_size = true, .size = (uint64_t)spot->st.st_size};
	return r < 0 ? r : top->ops->set(top, to, &size);
}

int copy_up(struct program *program, struct spot *spot, const struct layer *top, const struct part *to)
{
	uint64_t written = program->view->counts.written;
	int r = copy(program, spot, top, to);
	/* What was written until then is removed. */
	if (r < 0)
		program->view->counts.written = written;
	return r;
}
