/* SPDX-License-Identifier: MIT */
/* What the loader would read from one ELF file. The file may be damaged or hostile; nothing of it is executed. */
#ifndef ROOT_ELF_H
#define ROOT_ELF_H

#include <stdbool.h>
#include <stddef.h>

struct elf {
	char *interpreter;   /* PT_INTERP; NULL where it has none */
	const char *soname;  /* DT_SONAME, or NULL */
	const char *rpath;   /* DT_RPATH, or NULL; also where a RUNPATH makes it void */
	const char *runpath; /* DT_RUNPATH, or NULL */
	const char **needed; /* DT_NEEDED, in order */
	size_t needed_count;
	bool no_default_directories; /* DF_1_NODEFLIB */
	char *strings;               /* what the pointers above point into */
};

enum { ELF_MAGIC_SIZE = 4 };

/* Whether these first bytes of a file, at least ELF_MAGIC_SIZE, are those of an ELF file. */
bool elf_is_elf(const void *head, size_t size);

/*
 * Reads an executable or shared object of this machine; `path` is for errors. 0; 1 for an ELF file of another machine,
 * with nothing in `out`; or a negative errno with the error set: -ENOEXEC damaged, -EIO, -ENOMEM.
 */
int elf_read(int fd, const char *path, struct elf *out);

void elf_clear(struct elf *elf);

#endif
