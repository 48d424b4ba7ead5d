/* SPDX-License-Identifier: MIT */
/* An open file of the guest's program. The guest's fds are numbers of a table of its own; it never sees one of the
 * host. */
#ifndef GUEST_PROGRAM_FILE_H
#define GUEST_PROGRAM_FILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum file_kind {
	FILE_REGULAR,   /* of the root, read-only */
	FILE_DIRECTORY, /* of the root */
	FILE_PATH,      /* opened with O_PATH: a name only */
	FILE_STREAM,    /* a standard stream, or a pipe of the program's own: any file of the host that it was given */
	FILE_NULL,      /* /dev/null */
	FILE_ZERO,      /* /dev/zero */
	FILE_FULL,      /* /dev/full */
	FILE_RANDOM,    /* /dev/random, /dev/urandom */
	FILE_CAPTURE,   /* output that goes into a bounded buffer */
	FILE_CONTACT,   /* /dev/virtiso: requests of the host and answers to them */
};

struct captured_output;

struct file {
	atomic_uint references; /* clones of a snapshot share those that they have mapped */
	enum file_kind kind;
	int fd;                          /* of the host; -1 where the kind needs none */
	int flags;                       /* O_ACCMODE, O_APPEND, O_NONBLOCK as the program sees them */
	mode_t type;                     /* S_IFMT bits */
	bool never_blocks;               /* the host's fd is non-blocking by our own doing */
	unsigned *quota;                 /* what was counted for the host's fd; see program.h */
	char *path;                      /* FILE_DIRECTORY, FILE_PATH: absolute in the root */
	struct captured_output *capture; /* FILE_CAPTURE: where output goes, up to capture_max bytes */
	size_t capture_max;
	size_t capture_capacity;
};

/* Takes `fd` over where it succeeds; NULL without memory. */
struct file *file_new(enum file_kind kind, int fd, int flags);

struct file *file_ref(struct file *file);

/*
 * For a snapshot, a file that is mapped: what can be read from it without an open file of one's own. 0 or a negative
 * errno: -EOPNOTSUPP, -EMFILE, -ENOMEM.
 */
int file_copy_mapped(struct file *file, struct file **out);

/* The same for an open one: the copy stands where the file does, and moves by itself. Streams are shared. */
int file_copy(struct file *file, struct file **out);

/* Takes NULL; NULL. */
struct file *file_unref(struct file *file);

/* Reads until `size` or the end of the file; the number of bytes, or a negative errno where there were none. */
ssize_t file_read_at(struct file *file, void *out, size_t size, uint64_t offset);

static inline bool file_is_readable(const struct file *file)
{
	return file->kind != FILE_PATH && (file->flags & 3) != 1;
}

static inline bool file_is_writable(const struct file *file)
{
	return file->kind != FILE_PATH && (file->flags & 3) != 0;
}

#endif
