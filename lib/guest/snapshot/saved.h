/* SPDX-License-Identifier: MIT */
/*
 * Snapshots in files. A file has a head, the state with a checksum, and from a page border on the pages of the memory
 * that the programs have, which are mapped. It has no page tables: these are built anew from the lists of areas and of
 * pages. What is referred to has a number in the order in which it is told of, one more than that where it is written,
 * so that 0 stands for none. Only the same build of the library reads it, so that structures are written as they are;
 * but whoever changes the file and its checksum must not get at more than the guest: every number that is read is
 * checked, and what has been checked is not read again.
 */
#ifndef GUEST_SNAPSHOT_SAVED_H
#define GUEST_SNAPSHOT_SAVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/files/memory_tree.h"
#include "guest/program/copies.h"
#include "guest/snapshot/snapshot.h"

enum { SAVED_SUM = 32, SAVED_AREAS_MAX = 65530 };

/* "visosnp1" and "visopcs1". */
#define SAVED_PROGRAM UINT64_C(0x31706e736f736976)
#define SAVED_COMPUTER UINT64_C(0x317363706f736976)

struct saved_head {
	uint64_t magic;
	uint32_t version;
	uint32_t page_size;
	uint8_t build[SAVED_SUM]; /* which build of the library wrote it */
	uint64_t state_size;
	uint64_t pages;
	uint8_t sum[SAVED_SUM]; /* SHA-256 of the head, with zeros in this place, and of the state */
};

/* Where the pages begin. */
uint64_t saved_pages_offset(const struct saved_head *head);

/* What is written; after an error nothing is added any more. */
struct saved_writer {
	struct memory_buffer bytes;
	int error;
	bool has_streams;        /* whoever reads it has the same standard streams */
	struct copy_map numbers; /* of all that is referred to */
};

void saved_put(struct saved_writer *writer, const void *data, size_t size);
void saved_put_number(struct saved_writer *writer, uint64_t number);
/* NULL is written too. */
void saved_put_string(struct saved_writer *writer, const char *string);
/* A thing gets its number; then it can be referred to, as NULL can. */
void saved_give_number(struct saved_writer *writer, const void *thing, uint64_t number);
bool saved_has_number(const struct saved_writer *writer, const void *thing);
void saved_put_reference(struct saved_writer *writer, const void *thing);

/* What can be referred to, by number. */
struct saved_list {
	void **items;
	size_t count;
	size_t capacity;
};

struct saved_reader {
	const uint8_t *data;
	size_t size;
	size_t at;
	bool has_streams;  /* the standard streams of this process are those of the programs */
	uint64_t lookups;  /* of inodes, see saved_files.c */
	uint64_t compared; /* bytes of files */

	/* Borrowed, but for the files, which are references. */
	struct saved_list programs;
	struct saved_list channels;
	struct saved_list files;
	struct saved_list mapped; /* files */
	struct saved_list spaces;
	struct saved_list shared; /* memory: references too */
	struct saved_list tasks;
};

/* False where there is not so much left. */
bool saved_get(struct saved_reader *reader, void *out, size_t size);
/* False too where it is above `max`. */
bool saved_get_number(struct saved_reader *reader, uint64_t max, uint64_t *out);
/* Data that stays where it is; NULL where there is not so much left. */
const uint8_t *saved_get_data(struct saved_reader *reader, uint64_t size);
/* 0 or -ENOMEM with the error set. */
int saved_list_add(struct saved_list *list, void *item);
/* False where there is no such thing; NULL for none. */
bool saved_get_reference(struct saved_reader *reader, const struct saved_list *list, void **out);
/* A string of at most PATH_MAX bytes with its end, or NULL, to be freed. 0 or a negative errno with the error set. */
int saved_get_string(struct saved_reader *reader, char **out);
/* The same, which must be there and absolute. */
int saved_get_path(struct saved_reader *reader, char **out);

/* -EINVAL with the error set: this part of the file is damaged. */
int saved_damaged(const char *part);
/* -EOPNOTSUPP with the error set: the program has something that cannot be saved. */
int saved_refuse(const char *object, const char *what);

/* A checksum of all parts together; and of what a file begins with, 0 or a negative errno. */
struct saved_part {
	const void *data;
	size_t size;
};
void saved_sum(const struct saved_part *parts, size_t count, uint8_t out[SAVED_SUM]);
int saved_sum_file(int fd, uint64_t size, uint8_t out[SAVED_SUM]);

/* The build of the library, and the processor. The latter gives 0, or -EINVAL or -ENOEXEC with the error set. */
void saved_build(uint8_t out[SAVED_SUM]);
void saved_put_processor(struct saved_writer *writer, const struct processor *processor);
int saved_get_processor(struct saved_reader *reader, const struct processor *processor);

/* The pages that are written: each once, however many have it. */
struct saved_pages {
	const void **data;
	size_t count;
	size_t capacity;
	uint32_t *numbers; /* by guest-physical page, one more than the place in `data` */
};

int saved_pages_init(struct saved_pages *pages, const viso_snapshot *snapshot);
void saved_pages_release(struct saved_pages *pages);

/* The pages of a file, while the memory is made of them. */
struct saved_source {
	int fd;
	uint64_t offset; /* of the first page */
	uint64_t pages;
	const struct processor *processor;
	int root_fd;
	/* Which of them somebody has, and by how many entries. */
	uint8_t *seen;
	uint64_t seen_count;
	uint64_t owners;
};

/* A page of the file has one more owner: where it will lie in the memory; 0 where the file has no such page. */
uint64_t saved_take_page(struct saved_source *source, uint64_t number);

/* What is mapped where, by all processes, and which pages. */
void saved_put_spaces(struct saved_writer *writer, const viso_snapshot *snapshot, struct saved_pages *pages);
/* Each process gets its address space; its files are there. */
int saved_get_spaces(struct saved_reader *reader, viso_snapshot *snapshot, struct saved_source *source);

/* Runs of pages of one address space, or of what processes share. */
void saved_put_runs(struct saved_writer *writer, const viso_snapshot *snapshot, const struct address_space *space,
		    struct saved_pages *pages);
void saved_put_shared(struct saved_writer *writer, const viso_snapshot *snapshot, struct shared_memory *shared,
		      struct saved_pages *pages);
int saved_get_shared(struct saved_reader *reader, viso_snapshot *snapshot, struct saved_source *source,
		     struct shared_memory **out);
/* The snapshot gets its memory of the pages, and the address spaces their page tables. */
int saved_get_memory(struct saved_reader *reader, viso_snapshot *snapshot, struct saved_source *source);

/* Mount points, and what was written to memory. The snapshot's view becomes what view_copy() makes of its origin. */
void saved_put_view(struct saved_writer *writer, const struct view *view);
int saved_get_view(struct saved_reader *reader, viso_snapshot *snapshot);

/* An open file, or one that is mapped. In the place of a standard stream comes /dev/null, but for those who have it. */
void saved_put_file(struct saved_writer *writer, const viso_snapshot *snapshot, const struct file *file,
		    const char *object);
int saved_get_file(struct saved_reader *reader, viso_snapshot *snapshot, struct file **out);
bool saved_is_stream(const struct file *file);

/* What an open file of kind FILE_OBJECT is; and after all files, for what the epolls among them wait. */
void saved_put_object(struct saved_writer *writer, const viso_snapshot *snapshot, const struct file *file,
		      const char *object);
int saved_get_object(struct saved_reader *reader, viso_snapshot *snapshot, int flags, struct file **out);
void saved_put_watches(struct saved_writer *writer, const struct saved_list *files);
int saved_get_watches(struct saved_reader *reader, viso_snapshot *snapshot);

/* Queues between files: before the files, and what is in them afterwards. */
void saved_put_channels(struct saved_writer *writer, const viso_snapshot *snapshot);
int saved_get_channels(struct saved_reader *reader, viso_snapshot *snapshot);
void saved_put_queued(struct saved_writer *writer, const viso_snapshot *snapshot);
int saved_get_queued(struct saved_reader *reader, viso_snapshot *snapshot);

/* All open files, those in queues too, and by which numbers the processes have them. */
void saved_put_files(struct saved_writer *writer, const viso_snapshot *snapshot);
int saved_get_files(struct saved_reader *reader, viso_snapshot *snapshot);

/* The processes, the first one first; what a process has beside files, memory and threads. */
void saved_put_processes(struct saved_writer *writer, const viso_snapshot *snapshot);
int saved_get_processes(struct saved_reader *reader, viso_snapshot *snapshot);
void saved_put_program(struct saved_writer *writer, const viso_snapshot *snapshot, const struct program *program);
int saved_get_program(struct saved_reader *reader, viso_snapshot *snapshot, struct program *program);
void saved_put_signals(struct saved_writer *writer, const struct signal_queue *queue);
int saved_get_signals(struct saved_reader *reader, struct signal_queue *queue);
void saved_put_timers(struct saved_writer *writer, const viso_snapshot *snapshot, const struct timers *timers);
int saved_get_timers(struct saved_reader *reader, const viso_snapshot *snapshot, struct timers *timers);

/* Threads, and how the current one waits for the host; all else is there. */
void saved_put_tasks(struct saved_writer *writer, const viso_snapshot *snapshot);
int saved_get_tasks(struct saved_reader *reader, viso_snapshot *snapshot, const struct processor *processor);
void saved_put_registers(struct saved_writer *writer, const struct vcpu_state *state);
int saved_get_registers(struct saved_reader *reader, const struct processor *processor, struct vcpu_state *out);
void saved_put_stay(struct saved_writer *writer, const viso_snapshot *snapshot);
int saved_get_stay(struct saved_reader *reader, viso_snapshot *snapshot);

/*
 * The state as a whole, which the caller has as a copy of its own. `guest` has the settings, `root_fd` is its root; the
 * snapshot is zeroed but for its handle. On failure the snapshot is to be given back all the same. 0 or a negative
 * errno with the error set.
 */
int saved_get_state(struct saved_reader *reader, viso_snapshot *snapshot, viso_guest *guest,
		    struct saved_source *source);

/* What follows the state: writes head->pages pages from `offset` on, of which those that are not written are zeros. 0
 * or a positive errno. */
struct saved_body {
	int (*write)(int fd, uint64_t offset, const void *data);
	const void *data;
};

/* Of a struct saved_pages. */
int saved_write_pages(int fd, uint64_t offset, const void *data);

/* Where a snapshot goes piece by piece, each behind the one before; what is left out is zeros. 0 or a positive errno.
 */
struct saved_sink {
	int (*put)(const struct saved_sink *sink, const void *data, size_t size, uint64_t offset);
	int fd;
};
int saved_put_pages(const struct saved_sink *sink, uint64_t offset, const struct saved_pages *pages);

/*
 * Between two processes of one kind that have the same standard streams (contained/cloned_program.h): hands a snapshot
 * over, and loads it from a file that nobody changes any more. The size, and 0; or a negative errno with the error set.
 */
int64_t saved_hand_over(const viso_snapshot *snapshot, const struct saved_sink *sink);
int saved_take_over(int fd, viso_guest *guest, int root_fd, viso_snapshot **out_snapshot);

/* Writes a file as a whole, or not at all. 0 or a negative errno with the error set. */
int saved_write(const char *path, const struct saved_head *head, const struct memory_buffer *state,
		const struct saved_body *body);

/* The file of a snapshot of that kind, with its head and checksum. 0 or a negative errno with the error set. */
int saved_write_file(const char *path, uint64_t magic, const struct memory_buffer *state, uint64_t pages,
		     const struct saved_body *body);
/* The fd; and the state, to be freed, also on failure. */
int saved_open_file(const char *path, uint64_t magic, struct saved_head *out_head, uint8_t **out_state);

/* What this host's KVM has. 0 or a negative errno with the error set. */
int saved_find_processor(const struct processor **out);

#endif
