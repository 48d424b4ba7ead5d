/* SPDX-License-Identifier: MIT */
/*
 * The copying of programs for a snapshot or a clone: what has become of each thing. Files, channels and threads refer
 * to each other in all ways, in circles too, and each of them is copied once.
 */
#ifndef GUEST_PROGRAM_COPIES_H
#define GUEST_PROGRAM_COPIES_H

#include <stddef.h>
#include <stdint.h>

struct address_space;
struct channel;
struct file;
struct instance;
struct program;
struct task;

/* A hash table of addresses, since a guest decides how many there are. */
struct copy_map {
	struct copied {
		const void *from; /* NULL: free */
		void *to;
	} * entries;
	size_t count;
	size_t capacity; /* a power of two, or 0 */
};

struct copies {
	struct instance *instance;  /* that gets them */
	struct program *program;    /* the first one of it, with its view */
	const struct program *from; /* the one that it is a copy of */
	int64_t frozen_ns;          /* for how long that was frozen: what was to happen after a while moves by it */
	struct copy_map files;      /* with a reference to each copy */
	struct copy_map channels;
	struct copy_map tasks;
};

/* The copy; NULL where there is none. */
void *copy_map_find(const struct copy_map *map, const void *from);
/* 0 or -ENOMEM. */
int copy_map_add(struct copy_map *map, const void *from, void *to);

/* The copy of a file, which is made the first time: a reference for the caller. 0 or a negative errno. */
int copies_file(struct copies *copies, struct file *file, struct file **out);

/* Before the files: the queues between them, still empty. After them: what is in the queues, files too. */
int channels_copy(struct copies *copies, const struct instance *from);
int channels_copy_contents(struct copies *copies, const struct instance *from);

/* After the files: what the epolls among them wait for. */
int copies_watch(struct copies *copies);

/* The threads, which can all run. 0 or -ENOMEM. After them: for which words they wait. */
int tasks_copy(struct copies *copies, const struct instance *from);
void futexes_copy(struct copies *copies, const struct instance *from);

void copies_release(struct copies *copies);

/* A moment of the past or the future, which moves by so much; INT64_MAX stays. */
static inline int64_t moment_moved(int64_t moment, int64_t by)
{
	return moment > INT64_MAX / 2 ? moment : moment + by;
}

#endif
