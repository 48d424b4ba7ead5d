/* SPDX-License-Identifier: MIT */
/* An open file of the guest's program. The guest's fds are numbers of a table of its own; it never sees one of the
 * host. */
#ifndef GUEST_PROGRAM_FILE_H
#define GUEST_PROGRAM_FILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

enum file_kind {
	FILE_REGULAR,   /* of the host: of the root, a bind, or the upper directory */
	FILE_DIRECTORY, /* with the names of all layers */
	FILE_PATH,      /* opened with O_PATH: a name only */
	FILE_STREAM,    /* a standard stream, or a pipe of the program's own: any file of the host that it was given */
	FILE_DEVICE,    /* /dev/null and the like */
	FILE_CONTACT,   /* /dev/virtiso: requests of the host and answers to them */
	FILE_CAPTURE,   /* output that goes into a bounded buffer */
	FILE_MEMORY,    /* a regular file in memory */
	FILE_TEXT,      /* of /proc: what it was when it was opened */
	FILE_OBJECT,    /* neither on the host nor in a file system, by its ops: a pipe, socket, eventfd, ... */
};

struct captured_output;
struct copies;
struct epoll_item;
struct file;
struct listing;
struct memory_node;
struct mount;
struct object_state;
struct program;
struct readiness;
struct view;

/*
 * What a kind of file does. Operations that are absent give what is said here. All return what the program gets, but
 * for poll, contents and release.
 */
struct file_ops {
	/* As data_read() and data_write() of a file without offsets; EINVAL without them. */
	int64_t (*read)(struct program *program, struct file *file, const struct iovec *pieces, int count, size_t size);
	int64_t (*write)(struct program *program, struct file *file, const struct iovec *pieces, int count,
			 size_t size);
	/* In their place, of a file that has offsets: at `offset`, or where the file stands with -1. */
	int64_t (*pread)(struct program *program, struct file *file, const struct iovec *pieces, int count, size_t size,
			 int64_t offset);
	int64_t (*pwrite)(struct program *program, struct file *file, const struct iovec *pieces, int count,
			  size_t size, int64_t offset);
	/* As lseek(2); ESPIPE without it. */
	int64_t (*seek)(struct program *program, struct file *file, int64_t offset, int whence);
	/* As fstat(2); without it that of the host's fd, or of an anonymous file of this type. */
	int (*status)(struct file *file, struct stat *out);
	/* As ftruncate(2); EINVAL without it. */
	int (*resize)(struct program *program, struct file *file, uint64_t size);
	/* For areas that map it: what is at an offset, as much as there is. ENODEV without it. */
	ssize_t (*contents)(struct file *file, void *out, size_t size, uint64_t offset);
	/* For areas that share it, which a file without it cannot be mapped to: writes their page back. 0 or an errno.
	 */
	int (*put)(struct file *file, const void *data, size_t size, uint64_t offset);
	/* Which of these events of poll(2) are ready, beside POLLERR and POLLHUP; see readiness.h. */
	short (*poll)(struct file *file, short events, struct readiness *readiness);
	/* As ioctl(2); ENOTTY without it. */
	int64_t (*control)(struct program *program, struct file *file, uint32_t request, uint64_t argument);
	/* The last reference has gone: frees file->object. The host's fd, if any, is closed after it. */
	void (*release)(struct file *file);
	/* For a snapshot or a clone, of FILE_OBJECT: gives a copy, which has neither, an object and a fd of its own. 0
	 * or a negative errno; then the object is NULL, or can be released. */
	int (*copy)(const struct file *file, struct file *copy, struct copies *copies);
	/* For a snapshot in a file, of FILE_OBJECT: see object.h. NULL, or what of it cannot be saved. */
	const char *(*describe)(const struct file *file, struct object_state *out);
};

/* A fd of the host that the copies of a file have in common, in a snapshot and all its clones. */
struct shared_fd {
	atomic_uint references;
	int fd;
};

struct file {
	atomic_uint references; /* clones of a snapshot share those that they have mapped */
	enum file_kind kind;
	const struct file_ops *ops;
	int fd;                             /* of the host; -1 where the kind needs none */
	_Atomic(struct shared_fd *) shared; /* that `fd` is; NULL where it belongs to this file alone */
	int flags;                          /* O_ACCMODE, O_APPEND, O_NONBLOCK as the program sees them */
	mode_t type;                        /* S_IFMT bits */
	bool never_blocks;                  /* the host's fd is non-blocking by our own doing */
	bool is_standard;                   /* one of the three streams that the program began with */
	uint8_t stream;                     /* then which; the last of them where it is several */
	struct view *view;                  /* where it is counted as open; NULL before it is */
	bool has_host_fd;                   /* and as one with a fd of the host */
	char *path;                         /* absolute in the guest, by which it was opened; NULL for none */
	struct captured_output *capture;    /* FILE_CAPTURE: where output goes, up to capture_max bytes */
	size_t capture_max;
	size_t capture_capacity;
	uint64_t position;           /* of files that are not of the host */
	struct mount *mount;         /* FILE_MEMORY, FILE_REGULAR: where it lies; else NULL */
	bool is_lower;               /* FILE_REGULAR: of a layer into which nothing is written */
	struct memory_node *node;    /* in memory, held; its tree too */
	struct listing *listing;     /* FILE_DIRECTORY: once it has been read */
	dev_t rdev;                  /* FILE_DEVICE */
	void *object;                /* FILE_OBJECT, FILE_TEXT: its own, for ops->release to free */
	size_t object_size;          /* FILE_TEXT */
	uint64_t renamed_at;         /* turn of the view in which its path was looked at for rename(2) */
	bool has_locks;              /* may have some of flock(2) */
	uint32_t changes;            /* how often it may have become ready; for EPOLLET */
	struct epoll_item *watchers; /* by which epolls wait for it */
};

/* Takes `fd` over where it succeeds; NULL without memory. Its operations are those of the kind. */
struct file *file_new(enum file_kind kind, int fd, int flags);
/* A file of kind FILE_OBJECT, which has taken `object` over where it is not NULL. */
struct file *file_new_object(const struct file_ops *ops, void *object, mode_t type, int flags);

/* As file_ops.release and file_ops.copy, where the object is `size` bytes of its own. 0 or -ENOMEM. */
void file_free_object(struct file *file);
int file_copy_object(const struct file *file, struct file *copy, size_t size);

struct file *file_ref(struct file *file);

/*
 * For a snapshot, a file that is mapped: what can be read from it without an open file of one's own. 0 or a negative
 * errno: -EOPNOTSUPP, -EMFILE, -ENOMEM.
 */
int file_copy_mapped(struct file *file, struct file **out);

/* The same for an open one, for the programs that get these copies: it stands where the file does, and moves by itself.
 * Streams are shared. */
int file_copy(struct file *file, struct copies *copies, struct file **out);

/* Takes NULL; NULL. */
struct file *file_unref(struct file *file);

/* Reads until `size` or the end of the file; the number of bytes, or a negative errno where there were none. */
ssize_t file_read_at(struct file *file, void *out, size_t size, uint64_t offset);

int file_status(struct file *file, struct stat *out);

/* As ftruncate(2) of one that can be; also for those who have it mapped. */
int file_resize(struct program *program, struct file *file, uint64_t size);

/* Whether it has offsets, for pread(2) and lseek(2). */
bool file_is_seekable(const struct file *file);

static inline bool file_is_readable(const struct file *file)
{
	return file->kind != FILE_PATH && (file->flags & 3) != 1;
}

static inline bool file_is_writable(const struct file *file)
{
	return file->kind != FILE_PATH && (file->flags & 3) != 0;
}

/* Of each kind: data.c, files/. */
extern const struct file_ops stream_ops, capture_ops, device_ops, host_file_ops, memory_file_ops, directory_ops,
	text_ops, path_ops, contact_ops;

/* The kind of a character device by its number: FILE_DEVICE, FILE_CONTACT; -1 for one that is not served. */
int device_kind(dev_t rdev);

#endif
