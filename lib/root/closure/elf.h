/* SPDX-License-Identifier: MIT */
/*
 * What the loader would read from one ELF file, of any machine. The file may be damaged or hostile; nothing of it is
 * executed.
 */
#ifndef ROOT_ELF_H
#define ROOT_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/strings.h"

/* What all files of one process have in common. */
struct elf_kind {
	uint16_t machine; /* e_machine */
	uint8_t size;     /* ELFCLASS32 or ELFCLASS64 */
	uint8_t order;    /* ELFDATA2LSB or ELFDATA2MSB */
	uint32_t flags;   /* e_flags, of which some machines have the kind of floating point; not compared */
};

struct elf {
	struct elf_kind kind;
	char *interpreter;   /* PT_INTERP; NULL where it has none */
	const char *soname;  /* DT_SONAME, or NULL */
	const char *rpath;   /* DT_RPATH, or NULL; also where a RUNPATH makes it void */
	const char *runpath; /* DT_RUNPATH, or NULL */
	const char **needed; /* DT_NEEDED, in order */
	size_t needed_count;
	bool no_default_directories; /* DF_1_NODEFLIB */
	char *strings;               /* .dynstr, which the pointers above point into */
	size_t strings_size;
	struct strings dlopen_notes; /* the JSON texts of .note.dlopen */
};

enum { ELF_MAGIC_SIZE = 4 };

/* Whether these first bytes of a file, at least ELF_MAGIC_SIZE, are those of an ELF file. */
bool elf_is_elf(const void *head, size_t size);

bool elf_is_same_kind(const struct elf_kind *a, const struct elf_kind *b);

/*
 * Reads an executable or shared object; `path` is for errors. 0, or a negative errno with the error set: -ENOEXEC
 * damaged, -EIO, -ENOMEM.
 */
int elf_read(int fd, const char *path, struct elf *out);

/* The same; 1 for an ELF file of another kind, of which nothing more is looked at, with nothing in `out`. */
int elf_read_kind(int fd, const char *path, const struct elf_kind *kind, struct elf *out);

void elf_clear(struct elf *elf);

#endif
