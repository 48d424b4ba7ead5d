/* SPDX-License-Identifier: MIT */
/*
 * Through libelf, by read and not by mmap: a file that somebody truncates must not become a SIGBUS in the host program.
 * libelf checks ranges against the size of the file; what the numbers mean is checked here.
 */
#include "root/closure/elf.h"

#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/error.h"

#if defined(__x86_64__)
enum { HOST_MACHINE = EM_X86_64 };
#elif defined(__aarch64__)
enum { HOST_MACHINE = EM_AARCH64 };
#elif defined(__riscv)
enum { HOST_MACHINE = EM_RISCV };
#else
#error "which e_machine does this host have?"
#endif
enum {
	HOST_CLASS = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32,
	HOST_DATA = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB,
	/* The kernel takes no more program headers than fit into 64 KiB (load_elf_phdrs() in fs/binfmt_elf.c). */
	HEADERS_MAX = 65536 / sizeof(Elf64_Phdr),
	DYNAMIC_MAX = 1 << 20,
	STRINGS_MAX = 64 << 20,
};

static pthread_once_t version_once = PTHREAD_ONCE_INIT;

static void choose_version(void)
{
	elf_version(EV_CURRENT);
}

static void cleanup_elf(Elf **elf)
{
	elf_end(*elf);
}

bool elf_is_elf(const void *head, size_t size)
{
	return size >= SELFMAG && !memcmp(head, ELFMAG, SELFMAG);
}

/* Something is not as it must be; or libelf could not say, for want of memory or by an error of the disk. */
static int damaged(const char *path, const char *what)
{
	if (errno == ENOMEM)
		return error_memory();
	if (errno == EIO)
		return error_fail(VISO_STAGE_ELF, EIO, path, "%s cannot be read: input/output error", path);
	return error_fail(VISO_STAGE_ELF, ENOEXEC, path, "%s is a damaged ELF file: %s", path, what);
}

static int check_header(Elf *elf, const char *path)
{
	GElf_Ehdr header;
	const char *ident = elf_getident(elf, NULL);
	if (elf_kind(elf) != ELF_K_ELF || !ident || !gelf_getehdr(elf, &header))
		return damaged(path, "its header is cut or wrong");
	if (ident[EI_CLASS] != HOST_CLASS || ident[EI_DATA] != HOST_DATA || header.e_machine != HOST_MACHINE)
		return 1;
	if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
		return damaged(path, "it is neither an executable nor a shared object");
	return 0;
}

/* The offset in the file of an address in memory, and how many bytes of the file follow there. 0 or -1. */
static int find_address(Elf *elf, size_t count, uint64_t address, uint64_t *out_offset, uint64_t *out_rest)
{
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr segment;
		if (!gelf_getphdr(elf, (int)i, &segment) || segment.p_type != PT_LOAD)
			continue;
		if (address < segment.p_vaddr || address - segment.p_vaddr >= segment.p_filesz)
			continue;
		*out_rest = segment.p_filesz - (address - segment.p_vaddr);
		return __builtin_add_overflow(segment.p_offset, address - segment.p_vaddr, out_offset) ? -1 : 0;
	}
	return -1;
}

/* Bytes of the file; NULL where they are not all there. */
static const Elf_Data *read_range(Elf *elf, uint64_t offset, uint64_t size, uint64_t max, Elf_Type type)
{
	if (!size || size > max || offset > INT64_MAX)
		return NULL;
	const Elf_Data *data = elf_getdata_rawchunk(elf, (int64_t)offset, size, type);
	return data && data->d_buf && data->d_size == size ? data : NULL;
}

static int read_interpreter(Elf *elf, const GElf_Phdr *segment, const char *path, struct elf *out)
{
	/* The conditions of load_elf_binary() in fs/binfmt_elf.c. */
	const Elf_Data *data = read_range(elf, segment->p_offset, segment->p_filesz, PATH_MAX, ELF_T_BYTE);
	if (!data || data->d_size < 2 || ((const char *)data->d_buf)[data->d_size - 1] != '\0')
		return damaged(path, "the name of its interpreter is cut");
	free(out->interpreter);
	out->interpreter = strdup(data->d_buf);
	return out->interpreter ? 0 : error_memory();
}

/* What the dynamic section says, before the strings are there. */
struct dynamic {
	const Elf_Data *data;
	size_t count;  /* entries before DT_NULL */
	size_t needed; /* how many DT_NEEDED */
	bool has_strings;
	uint64_t strings;
	uint64_t strings_size;
};

static void scan(struct dynamic *dynamic, struct elf *out)
{
	GElf_Dyn entry;
	while (gelf_getdyn((Elf_Data *)dynamic->data, (int)dynamic->count, &entry) && entry.d_tag != DT_NULL) {
		dynamic->count++;
		switch (entry.d_tag) {
		case DT_NEEDED:
			dynamic->needed++;
			break;
		case DT_STRTAB:
			dynamic->has_strings = true;
			dynamic->strings = entry.d_un.d_ptr;
			break;
		case DT_STRSZ:
			dynamic->strings_size = entry.d_un.d_val;
			break;
		case DT_FLAGS_1:
			out->no_default_directories = entry.d_un.d_val & DF_1_NODEFLIB;
			break;
		}
	}
}

static int read_strings(Elf *elf, size_t headers, struct dynamic *dynamic, const char *path, struct elf *out)
{
	uint64_t offset, rest;
	if (!dynamic->has_strings || find_address(elf, headers, dynamic->strings, &offset, &rest) < 0)
		return damaged(path, "its dynamic section has no string table");
	/* Without a size the loader reads to wherever its strings end. */
	if (!dynamic->strings_size)
		dynamic->strings_size = rest;
	if (dynamic->strings_size > rest)
		return damaged(path, "its string table is longer than its segment");
	const Elf_Data *data = read_range(elf, offset, dynamic->strings_size, STRINGS_MAX, ELF_T_BYTE);
	if (!data)
		return damaged(path, "its string table is cut");
	out->strings = malloc(data->d_size);
	if (!out->strings)
		return error_memory();
	memcpy(out->strings, data->d_buf, data->d_size);
	return 0;
}

static const char **place_of(struct elf *out, int64_t tag)
{
	switch (tag) {
	case DT_NEEDED:
		return &out->needed[out->needed_count++];
	case DT_SONAME:
		return &out->soname;
	case DT_RPATH:
		return &out->rpath;
	case DT_RUNPATH:
		return &out->runpath;
	default:
		return NULL;
	}
}

static int take_names(const struct dynamic *dynamic, const char *path, struct elf *out)
{
	uint64_t size = dynamic->strings_size;
	out->needed = calloc(dynamic->needed + 1, sizeof(*out->needed));
	if (!out->needed)
		return error_memory();
	for (size_t i = 0; i < dynamic->count; i++) {
		GElf_Dyn entry;
		if (!gelf_getdyn((Elf_Data *)dynamic->data, (int)i, &entry))
			break;
		const char **place = place_of(out, entry.d_tag);
		if (!place)
			continue;
		if (entry.d_un.d_val >= size || !memchr(out->strings + entry.d_un.d_val, '\0', size - entry.d_un.d_val))
			return damaged(path, "a name in its dynamic section lies outside of its string table");
		*place = out->strings + entry.d_un.d_val;
	}
	return 0;
}

static int read_dynamic(Elf *elf, size_t headers, const GElf_Phdr *segment, const char *path, struct elf *out)
{
	struct dynamic dynamic = {0};
	uint64_t entry_size = gelf_fsize(elf, ELF_T_DYN, 1, EV_CURRENT);
	if (!entry_size)
		return damaged(path, "it has no class");
	uint64_t size = segment->p_filesz - segment->p_filesz % entry_size;
	dynamic.data = read_range(elf, segment->p_offset, size, DYNAMIC_MAX, ELF_T_DYN);
	if (!dynamic.data)
		return damaged(path, "its dynamic section is cut");
	scan(&dynamic, out);
	/* A static program that is loaded anywhere has a dynamic section that names nothing. */
	if (!dynamic.has_strings && !dynamic.needed)
		return 0;
	int r = read_strings(elf, headers, &dynamic, path, out);
	return r < 0 ? r : take_names(&dynamic, path, out);
}

static int read_segments(Elf *elf, const char *path, struct elf *out)
{
	size_t count = 0;
	bool has_dynamic = false;
	GElf_Phdr dynamic;
	if (elf_getphdrnum(elf, &count) < 0 || !count || count > HEADERS_MAX)
		return damaged(path, "it has no program headers, or too many");
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr segment;
		if (!gelf_getphdr(elf, (int)i, &segment))
			return damaged(path, "its program headers are cut");
		if (segment.p_type == PT_DYNAMIC) {
			dynamic = segment;
			has_dynamic = true;
		}
		/* The kernel takes the first one. */
		if (segment.p_type == PT_INTERP && !out->interpreter) {
			int r = read_interpreter(elf, &segment, path, out);
			if (r < 0)
				return r;
		}
	}
	return has_dynamic ? read_dynamic(elf, count, &dynamic, path, out) : 0;
}

int elf_read(int fd, const char *path, struct elf *out)
{
	*out = (struct elf){0};
	pthread_once(&version_once, choose_version);
	errno = 0;
	_cleanup_(cleanup_elf) Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!elf)
		return damaged(path, elf_errmsg(-1));
	int r = check_header(elf, path);
	if (r == 0)
		r = read_segments(elf, path, out);
	if (r != 0)
		elf_clear(out);
	return r;
}

void elf_clear(struct elf *elf)
{
	free(elf->interpreter);
	free(elf->needed);
	free(elf->strings);
	*elf = (struct elf){0};
}
