/* SPDX-License-Identifier: MIT */
/*
 * epoll(7) over the files of a program in a guest. What an epoll waits for is a list of ours, asked anew at each wait,
 * so that nothing of it is on the host; only edges of the host's fds (EPOLLET) are told by an epoll of the host's.
 */
#ifndef GUEST_PROGRAM_EVENTS_EPOLL_H
#define GUEST_PROGRAM_EVENTS_EPOLL_H

#include <stdbool.h>
#include <stdint.h>

struct copies;
struct file;
struct instance;
struct program;
struct readiness;

/* Of all epolls of a guest; as /proc/sys/fs/epoll/max_user_watches. */
enum { EPOLL_ITEMS_MAX = 65536 };

struct epoll_item {
	struct epoll *epoll;
	struct epoll_item *next; /* of the epoll, in the order in which they are looked at */
	struct epoll_item *previous;
	struct epoll_item *next_watcher; /* of the file */
	struct epoll_item *previous_watcher;
	struct file *file; /* borrowed: the item goes with it */
	int fd;
	uint32_t events;
	uint64_t data;
	bool disabled; /* EPOLLONESHOT: it has been told of */
	bool is_told;  /* EPOLLET: it has been told of the change number `seen` of the file */
	uint32_t seen;
	bool on_host;        /* EPOLLET: the epoll of the host tells edges of it */
	uint32_t host_edges; /* that it has told */
	uint32_t ready;      /* as the last look found */
};

struct epoll {
	struct instance *instance;
	struct file *file; /* its own, whose fd is the host's epoll; -1 until an edge of the host's is asked for */
	struct epoll_item *first;
	struct epoll_item *last;
	unsigned count;
	uint64_t look; /* as one of several that are asked: which look it was last, and the answer */
	bool is_ready;
};

/* NULL where the file is no epoll. */
struct epoll *epoll_of(const struct file *file);

/* Moves an item to the end of the list, so that all of them have their turn. */
void epoll_move_last(struct epoll_item *item);

/* The host fd on whose readiness that of the file depends; -1 for none. */
int epoll_host_fd(const struct file *file);

/* Asks all files: how many are ready; the first `max` of them are put into `out`. */
unsigned epoll_check(struct epoll *epoll, struct readiness *readiness, struct epoll_item **out, unsigned max);

/* Gives a file this fd of the host's (-1: none) in place of the one that it has, which is closed. */
void epoll_set_host_fd(struct program *program, struct file *file, int fd);

/* A file is closed for good: no epoll waits for it any more. */
void epoll_forget(struct file *file);

/*
 * For a snapshot or a clone: where the file is an epoll, its copy gets what it waits for. Edges of the host's files are
 * told of once more where there may have been one. 0 or -ENOMEM.
 */
int epoll_copy_items(struct copies *copies, const struct file *file, struct file *copy);

/*
 * The same for a snapshot in a file: `file` is one more that the epoll `own` waits for, with such an item. 0, -EINVAL
 * where there cannot be one, or -ENOMEM.
 */
int epoll_revive_item(struct program *program, struct file *own, struct file *file, const struct epoll_item *values);

#endif
