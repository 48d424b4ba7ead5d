/* SPDX-License-Identifier: MIT */
/* An ELF core file of a program in a guest, on request. See: core(5), elf(5), fs/binfmt_elf.c. */
#ifndef GUEST_DUMP_CORE_FILE_H
#define GUEST_DUMP_CORE_FILE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct program;
struct viso_guest;

/*
 * Where a core file goes that this process does not write itself. All return 0 or a negative errno; after open() end()
 * follows.
 */
struct core_sink {
	int (*open)(void);
	int (*write)(const void *data, size_t size, uint64_t offset);
	int (*end)(uint64_t size, bool failed);
};

/* The program is about to end by this signal: writes what was asked for. Without a core path, nothing happens. */
void core_write(struct program *program, const siginfo_t *info);

/* core_notes.c: the notes of a core file, to be freed. NULL without memory. */
uint8_t *core_notes(struct program *program, const siginfo_t *info, size_t *out_size);

#endif
