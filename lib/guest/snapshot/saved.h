/* SPDX-License-Identifier: MIT */
/*
 * Snapshots in files. A file has a head, the state with a checksum, and from a page border on the pages of the memory
 * that the program has, which are mapped. It has no page tables: these are built anew from the list of areas and that
 * of pages. Only the same build of the library reads it, so that structures are written as they are; but whoever
 * changes the file and its checksum must not get at more than the guest: every number that is read is checked, and what
 * has been checked is not read again.
 */
#ifndef GUEST_SNAPSHOT_SAVED_H
#define GUEST_SNAPSHOT_SAVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/files/memory_tree.h"
#include "guest/snapshot/snapshot.h"

enum { SAVED_SUM = 32, SAVED_AREAS_MAX = 65530 };

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
};

void saved_put(struct saved_writer *writer, const void *data, size_t size);
void saved_put_number(struct saved_writer *writer, uint64_t number);
/* NULL is written too. */
void saved_put_string(struct saved_writer *writer, const char *string);

struct saved_reader {
	const uint8_t *data;
	size_t size;
	size_t at;
	uint64_t lookups;  /* of inodes, see saved_files.c */
	uint64_t compared; /* bytes of files */
};

/* False where there is not so much left. */
bool saved_get(struct saved_reader *reader, void *out, size_t size);
/* False too where it is above `max`. */
bool saved_get_number(struct saved_reader *reader, uint64_t max, uint64_t *out);
/* Data that stays where it is; NULL where there is not so much left. */
const uint8_t *saved_get_data(struct saved_reader *reader, uint64_t size);
/* A string of at most PATH_MAX bytes with its end, or NULL, to be freed. 0 or a negative errno with the error set. */
int saved_get_string(struct saved_reader *reader, char **out);
/* The same, which must be there and absolute. */
int saved_get_path(struct saved_reader *reader, char **out);

/* -EINVAL with the error set: this part of the file is damaged. */
int saved_damaged(const char *part);
/* -EOPNOTSUPP with the error set: the program has something that cannot be saved. */
int saved_refuse(const char *object, const char *what);

/* The build of the library, and the processor. The latter gives 0, or -EINVAL or -ENOEXEC with the error set. */
void saved_build(uint8_t out[SAVED_SUM]);
void saved_put_processor(struct saved_writer *writer, const struct processor *processor);
int saved_get_processor(struct saved_reader *reader, const struct processor *processor);

/* One page of the memory, where it lies in the address space. */
struct saved_page {
	uint64_t address;
	const void *data;
};

/* What is mapped, and which pages; those are to be freed. 0 or a negative errno with the error set. */
int saved_put_space(struct saved_writer *writer, const viso_snapshot *snapshot, struct saved_page **out_pages,
		    size_t *out_count);
/* The snapshot gets its memory of the pages that `fd` has from `offset` on, and its address space; its files are there.
 */
int saved_get_space(struct saved_reader *reader, viso_snapshot *snapshot, int fd, uint64_t offset, uint64_t pages);

/* Mount points, and what was written to memory. The snapshot's view becomes what view_copy() makes of its origin. */
void saved_put_view(struct saved_writer *writer, const struct view *view);
int saved_get_view(struct saved_reader *reader, viso_snapshot *snapshot);

/* An open file, or one that is mapped. */
void saved_put_file(struct saved_writer *writer, const struct view *view, const struct file *file, const char *object);
/* In the place of a standard stream: /dev/null. */
void saved_put_null(struct saved_writer *writer);
int saved_get_file(struct saved_reader *reader, viso_snapshot *snapshot, struct file **out);

/* The program with its open files, and the state of the processor. */
void saved_put_program(struct saved_writer *writer, const viso_snapshot *snapshot);
int saved_get_program(struct saved_reader *reader, viso_snapshot *snapshot);
void saved_put_registers(struct saved_writer *writer, const viso_snapshot *snapshot);
int saved_get_registers(struct saved_reader *reader, viso_snapshot *snapshot, const struct processor *processor);

/*
 * The state as a whole, which the caller has as a copy of its own. `guest` has the settings, `root_fd` is its root; the
 * snapshot is zeroed but for its handle. On failure the snapshot is to be given back all the same. 0 or a negative
 * errno with the error set.
 */
struct saved_source {
	int fd;
	uint64_t offset; /* of the first page */
	uint64_t pages;
	const struct processor *processor;
	int root_fd;
};
int saved_get_state(struct saved_reader *reader, viso_snapshot *snapshot, viso_guest *guest,
		    const struct saved_source *source);

/* Writes a file as a whole, or not at all. 0 or a negative errno with the error set. */
int saved_write(const char *path, const struct saved_head *head, const struct memory_buffer *state,
		const struct saved_page *pages, size_t count);

#endif
