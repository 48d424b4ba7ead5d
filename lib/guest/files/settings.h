/* SPDX-License-Identifier: MIT */
/* The settings of a guest's files: what viso_guest_add_bind() and its kin were told. */
#ifndef GUEST_FILES_SETTINGS_H
#define GUEST_FILES_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GUEST_FILES_MAX = 256, GUEST_FILE_DATA_MAX = 16 << 20 };

/* Something that is seen at a path. */
struct guest_file {
	char *path;
	int fd; /* of the host, O_PATH, owned; -1 for a file with contents given */
	bool writable;
	uint8_t *data;
	size_t size;
	unsigned mode;
};

enum guest_upper { UPPER_NONE, UPPER_DISCARDED, UPPER_KEPT };

struct guest_files {
	struct guest_file *items;
	size_t count;
	enum guest_upper upper;
	uint64_t upper_max; /* UPPER_DISCARDED: bytes; 0 for the default */
	int upper_fd;       /* UPPER_KEPT: O_PATH, owned; else -1 */
};

void guest_files_init(struct guest_files *files);
void guest_files_release(struct guest_files *files);

/* What is shown where, without the contents of files that have no place on the host. 0 or a negative errno with the
 * error set. */
int guest_files_copy_places(struct guest_files *to, const struct guest_files *from);

#endif
