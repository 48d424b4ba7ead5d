/* SPDX-License-Identifier: MIT */
/*
 * A one-way queue in the library's memory, of bytes or of messages, between two files of a guest: what a pipe is, and
 * each direction of a socketpair(2).
 */
#ifndef GUEST_PROGRAM_CHANNEL_H
#define GUEST_PROGRAM_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
	CHANNEL_SIZE = 64 << 10,         /* as of a pipe, pipe(7) */
	CHANNEL_SIZE_MAX = 1 << 20,      /* as /proc/sys/fs/pipe-max-size */
	CHANNEL_FILES_MAX = 253,         /* SCM_MAX_FD */
	CHANNEL_FILES_ON_WAY_MAX = 4096, /* of all queues of a guest together */
	CHANNELS_SIZE_MAX = 64 << 20     /* of all queues of a guest together */
};

struct file;
struct instance;

/* Files that travel with data: owned references. */
struct channel_files {
	struct instance *instance;
	struct channel_files *next; /* of those that are being dropped */
	unsigned count;
	struct file *files[];
};

/* Bytes, or one message. */
struct segment {
	struct segment *next;
	struct channel_files *files;
	size_t start;
	size_t end;
	size_t capacity;
	uint8_t data[];
};

struct channel {
	struct instance *instance;
	struct file *reader; /* borrowed; NULL once it is closed */
	struct file *writer;
	bool read_shut;  /* nobody reads any more: writing is EPIPE */
	bool write_shut; /* nothing will come any more */
	bool keeps_messages;
	struct segment *first;
	struct segment *last;
	size_t queued; /* bytes, and something for each message */
	size_t size;
	struct channel *next; /* of those of the instance, in which files may lie that nobody else has */
	struct channel *previous;
};

/* NULL without memory. */
struct channel *channel_new(struct instance *instance, bool keeps_messages, size_t size);

/* One of the two files is closed; with the second one the queue goes too. */
void channel_close(struct channel *channel, bool is_reader);

/* As shutdown(2) of one side. */
void channel_shut(struct channel *channel, bool is_reader);

/* At the end of the guest: drops the files that lie in queues. */
void channels_drop_files(struct instance *instance);

/* After that, and where a copy of a program has failed: frees the queues that have got no file. */
void channels_abandon(struct instance *instance);

bool channel_can_read(const struct channel *channel);
bool channel_can_write(const struct channel *channel);

/* Bytes that one read can get (FIONREAD). */
size_t channel_available(const struct channel *channel);

/*
 * Adds `size` bytes; a message or what is not longer than PIPE_BUF wholly or not at all. `files` may be NULL; they are
 * taken over where it succeeds. The number of bytes; -EAGAIN where there is no room now, -EMSGSIZE where there never
 * is, -EPIPE, -ENOBUFS, -ENOMEM.
 */
int64_t channel_write(struct channel *channel, const struct iovec *pieces, int count, size_t size,
		      struct channel_files *files);

/*
 * For a snapshot in a file: the same bytes, or one message, once more, also where nobody could write any more; nobody
 * is woken. `files` are taken over in any case. 0, -EINVAL where they cannot be in the queue, or -ENOMEM.
 */
int channel_restore(struct channel *channel, const uint8_t *data, size_t size, struct channel_files *files);

struct channel_read {
	bool peek;
	bool truncated;              /* out: the message was longer */
	size_t message;              /* out: its length */
	struct channel_files *files; /* out: what came with the data, the caller's; never with `peek` */
	bool is_end;                 /* out: 0 is the end, and not an empty message */
};

/* Takes what is there; `read` may be NULL. -EAGAIN where nothing is there and something may come. */
int64_t channel_read(struct channel *channel, const struct iovec *pieces, int count, struct channel_read *read);

/* Room for so many files; NULL with `*error` -ENOMEM, or -ETOOMANYREFS where too many are on their way in the guest. */
struct channel_files *channel_files_new(struct instance *instance, unsigned count, int *error);

/* Gives the files back. Takes NULL. */
void channel_files_free(struct channel_files *files);

#endif
