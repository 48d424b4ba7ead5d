/* SPDX-License-Identifier: MIT */
/* An open file of the guest's program. The guest's fds are numbers of a table of its own; it never sees one of the
 * host. */
#ifndef GUEST_PROGRAM_FILE_H
#define GUEST_PROGRAM_FILE_H

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
	FILE_OBJECT,    /* neither on the host nor in a file system, by its ops: a pipe, socket, eventfd, ... */
	FILE_CONTACT,   /* /dev/virtiso: requests of the host and answers to them */
};

struct captured_output;
struct epoll_item;
struct file;
struct iovec;
struct program;
struct readiness;

/* What an object does. Any but poll and release may be NULL. */
struct file_ops {
	/* As data_read() and data_write() of a file without offsets; EINVAL without them. */
	int64_t (*read)(struct program *program, struct file *file, const struct iovec *pieces, int count, size_t size);
	int64_t (*write)(struct program *program, struct file *file, const struct iovec *pieces, int count,
			 size_t size);
	/* Which of these events of poll(2) are ready, beside POLLERR and POLLHUP; see readiness.h. */
	short (*poll)(struct file *file, short events, struct readiness *readiness);
	/* As ioctl(2); ENOTTY without it. */
	int64_t (*control)(struct program *program, struct file *file, uint32_t request, uint64_t argument);
	/* The last reference has gone: frees file->object. The host's fd, if any, is closed after it. */
	void (*release)(struct file *file);
};

struct file {
	unsigned references; /* a guest is served by one thread at a time */
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
	const struct file_ops *ops;  /* FILE_OBJECT */
	void *object;                /* FILE_OBJECT */
	uint32_t changes;            /* how often it may have become ready; for EPOLLET */
	struct epoll_item *watchers; /* by which epolls wait for it */
};

/* Takes `fd` over where it succeeds; NULL without memory. */
struct file *file_new(enum file_kind kind, int fd, int flags);

/* A file of kind FILE_OBJECT, which has taken `object` over where it is not NULL. */
struct file *file_new_object(const struct file_ops *ops, void *object, mode_t type, int flags);

struct file *file_ref(struct file *file);
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
