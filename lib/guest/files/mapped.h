/* SPDX-License-Identifier: MIT */
/*
 * Files that are mapped with MAP_SHARED. All mappings of a file by the processes of a guest are one piece of memory;
 * calls that read or write the file see what was written there, and the other way round. To a file of the host it goes
 * at the latest at msync(2) and fsync(2), when a mapping or its process ends, and when the guest stops to run.
 *
 * Which pages were written to is told by their checksums: a write fault would cost more than many of these.
 */
#ifndef GUEST_FILES_MAPPED_H
#define GUEST_FILES_MAPPED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct file;
struct guest_memory;
struct program;
struct shared_memory;
struct shared_page;
struct view;

/* What tells one file from another, whatever its names are. */
struct mapped_key {
	bool in_memory;
	dev_t device;
	ino_t inode;
};

/* Whether mappings of the file must share: others may change it, within the guest. */
bool mapped_can_share(const struct file *file);

/* The memory of an open file, for a mapping: a reference. 0 or a negative errno. */
int mapped_get(struct guest_memory *memory, struct file *file, struct shared_memory **out);

/* For shared_memory.c: how many pages it has now, the contents of a page that is new, and the end of the last mapping.
 */
uint64_t mapped_pages(const struct shared_memory *shared);
int mapped_fill(struct shared_memory *shared, uint64_t number, struct shared_page *page);
void mapped_close(struct shared_memory *shared);

/* What was written goes to the file: of one, and of all. 0 or the negative errno of the first page that could not. */
int mapped_write_back(struct shared_memory *shared);
int mapped_write_back_all(struct view *view);
/* The same of an open file, which need not be mapped. */
int mapped_write_back_file(struct file *file);

/*
 * Around a call that reads or writes a part of an open file, which need not be mapped: before it the file gets what is
 * in memory, and after it what was written is seen in memory.
 */
struct mapped_range {
	struct shared_memory *shared; /* NULL: not mapped */
	uint64_t start;
	uint64_t end;
};
struct mapped_range mapped_begin(struct file *file, uint64_t offset, uint64_t size);
void mapped_end(const struct mapped_range *range);

/* The size of a file has changed to this from `old`: nothing is left of what was behind the end. */
void mapped_resized(struct view *view, const struct stat *st, bool in_memory, uint64_t old);

#endif
