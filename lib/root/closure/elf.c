/* SPDX-License-Identifier: MIT */
/*
 * By read and not by mmap: a file that somebody truncates must not become a SIGBUS in the host program. Only the ranges
 * that are needed are read, most of which lie in the first block: a closure is a matter of microseconds. libelf
 * translates between classes and byte orders; what the numbers mean is checked here.
 */
#include "root/closure/elf.h"

#include <errno.h>
#include <libelf.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"

enum {
	HEAD_SIZE = 4096,
	/* The kernel takes no more than that (load_elf_phdrs() in fs/binfmt_elf.c). */
	HEADERS_MAX = 65536,
	DYNAMIC_MAX = 1 << 20,
	STRINGS_MAX = 64 << 20,
	NOTES_MAX = 64 << 10,
	NOTE_DLOPEN = 0x407c0c0a, /* UAPI group, ELF dlopen metadata */
};

struct reader {
	int fd;
	const char *path;
	struct elf *out;
	Elf64_Phdr *segments;
	size_t count;
	size_t head_size;
	char head[HEAD_SIZE];
};

static pthread_once_t version_once = PTHREAD_ONCE_INIT;

static void choose_version(void)
{
	elf_version(EV_CURRENT);
}

bool elf_is_elf(const void *head, size_t size)
{
	return size >= SELFMAG && !memcmp(head, ELFMAG, SELFMAG);
}

bool elf_is_same_kind(const struct elf_kind *a, const struct elf_kind *b)
{
	return a->machine == b->machine && a->size == b->size && a->order == b->order;
}

static int damaged(const struct reader *reader, const char *what)
{
	return error_fail(VISO_STAGE_ELF, ENOEXEC, reader->path, "%s is a damaged ELF file: %s", reader->path, what);
}

/* How many bytes there were, up to `size`; or -EIO with the error set. */
static ssize_t read_some(const struct reader *reader, uint64_t offset, void *out, size_t size)
{
	size_t done = 0;
	while (done < size && offset + done <= INT64_MAX) {
		ssize_t n = pread(reader->fd, (char *)out + done, size - done, (off_t)(offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_fail(VISO_STAGE_ELF, EIO, reader->path, "%s cannot be read: input/output error",
					  reader->path);
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* Bytes of the file, all of them. 0, or a negative errno with the error set, where `what` is what is damaged. */
static int read_range(const struct reader *reader, uint64_t offset, void *out, size_t size, const char *what)
{
	if (offset <= reader->head_size && size <= reader->head_size - offset) {
		memcpy(out, reader->head + offset, size);
		return 0;
	}
	if (offset > INT64_MAX)
		return damaged(reader, what);
	ssize_t n = read_some(reader, offset, out, size);
	if (n < 0)
		return (int)n;
	return (size_t)n == size ? 0 : damaged(reader, what);
}

/* The same, into new memory with a NUL behind it. */
static int read_new(const struct reader *reader, uint64_t offset, uint64_t size, uint64_t max, const char *what,
		    char **out)
{
	if (!size || size > max)
		return damaged(reader, what);
	_cleanup_free_ char *data = malloc(size + 1);
	if (!data)
		return error_memory();
	int r = read_range(reader, offset, data, size, what);
	if (r < 0)
		return r;
	data[size] = '\0';
	*out = TAKE_PTR(data);
	return 0;
}

/* From the file's class and byte order, in place. */
static int translate(const struct reader *reader, Elf_Type type, void *buffer, size_t size)
{
	Elf_Data from = {.d_buf = buffer, .d_type = type, .d_version = EV_CURRENT, .d_size = size};
	Elf_Data to = from;
	const struct elf_kind *kind = &reader->out->kind;
	const Elf_Data *done = kind->size == ELFCLASS64 ? elf64_xlatetom(&to, &from, kind->order)
							: elf32_xlatetom(&to, &from, kind->order);
	return done ? 0 : damaged(reader, "its tables are cut");
}

static bool is_64(const struct reader *reader)
{
	return reader->out->kind.size == ELFCLASS64;
}

static void widen_header(const Elf32_Ehdr *from, Elf64_Ehdr *to)
{
	*to = (Elf64_Ehdr){
		.e_type = from->e_type,
		.e_machine = from->e_machine,
		.e_version = from->e_version,
		.e_flags = from->e_flags,
		.e_phoff = from->e_phoff,
		.e_phentsize = from->e_phentsize,
		.e_phnum = from->e_phnum,
	};
}

static int read_header(struct reader *reader, Elf64_Ehdr *header)
{
	static const char what[] = "its header is cut or wrong";
	const unsigned char *ident = (const unsigned char *)reader->head;
	struct elf_kind *kind = &reader->out->kind;
	Elf32_Ehdr small;
	if (reader->head_size < SELFMAG || !elf_is_elf(ident, SELFMAG))
		return error_fail(VISO_STAGE_ELF, ENOEXEC, reader->path, "%s is no ELF file", reader->path);
	if (reader->head_size < EI_NIDENT || ident[EI_VERSION] != EV_CURRENT)
		return damaged(reader, what);
	kind->size = ident[EI_CLASS];
	kind->order = ident[EI_DATA];
	if ((kind->size != ELFCLASS32 && kind->size != ELFCLASS64) ||
	    (kind->order != ELFDATA2LSB && kind->order != ELFDATA2MSB))
		return damaged(reader, what);
	size_t size = is_64(reader) ? sizeof(*header) : sizeof(small);
	void *place = is_64(reader) ? (void *)header : (void *)&small;
	if (reader->head_size < size)
		return damaged(reader, what);
	memcpy(place, reader->head, size);
	int r = translate(reader, ELF_T_EHDR, place, size);
	if (r < 0)
		return r;
	if (!is_64(reader))
		widen_header(&small, header);
	kind->machine = header->e_machine;
	kind->flags = header->e_flags;
	return 0;
}

static int check_header(const struct reader *reader, const Elf64_Ehdr *header)
{
	if (header->e_type != ET_EXEC && header->e_type != ET_DYN)
		return damaged(reader, "it is neither an executable nor a shared object");
	if (header->e_version != EV_CURRENT ||
	    header->e_phentsize != (is_64(reader) ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)))
		return damaged(reader, "its header is cut or wrong");
	if (!header->e_phnum || (size_t)header->e_phnum * header->e_phentsize > HEADERS_MAX)
		return damaged(reader, "it has no program headers, or too many");
	return 0;
}

static void widen_segments(struct reader *reader, const Elf32_Phdr *from)
{
	for (size_t i = 0; i < reader->count; i++)
		reader->segments[i] = (Elf64_Phdr){
			.p_type = from[i].p_type,
			.p_offset = from[i].p_offset,
			.p_vaddr = from[i].p_vaddr,
			.p_filesz = from[i].p_filesz,
			.p_align = from[i].p_align,
		};
}

static int read_segments(struct reader *reader, const Elf64_Ehdr *header)
{
	size_t size = (size_t)header->e_phnum * header->e_phentsize;
	_cleanup_free_ char *raw = NULL;
	int r = read_new(reader, header->e_phoff, size, HEADERS_MAX, "its program headers are cut", &raw);
	if (r >= 0)
		r = translate(reader, ELF_T_PHDR, raw, size);
	if (r < 0)
		return r;
	reader->count = header->e_phnum;
	if (is_64(reader)) {
		reader->segments = (Elf64_Phdr *)TAKE_PTR(raw);
		return 0;
	}
	reader->segments = malloc(reader->count * sizeof(*reader->segments));
	if (!reader->segments)
		return error_memory();
	widen_segments(reader, (const Elf32_Phdr *)raw);
	return 0;
}

/* The offset in the file of an address in memory, and how many bytes of the file follow there. 0 or -1. */
static int find_address(const struct reader *reader, uint64_t address, uint64_t *out_offset, uint64_t *out_rest)
{
	for (size_t i = 0; i < reader->count; i++) {
		const Elf64_Phdr *segment = &reader->segments[i];
		if (segment->p_type != PT_LOAD || address < segment->p_vaddr ||
		    address - segment->p_vaddr >= segment->p_filesz)
			continue;
		*out_rest = segment->p_filesz - (address - segment->p_vaddr);
		return __builtin_add_overflow(segment->p_offset, address - segment->p_vaddr, out_offset) ? -1 : 0;
	}
	return -1;
}

static int read_interpreter(const struct reader *reader, const Elf64_Phdr *segment)
{
	static const char what[] = "the name of its interpreter is cut";
	/* The conditions of load_elf_binary() in fs/binfmt_elf.c; it takes the first one. */
	if (reader->out->interpreter)
		return 0;
	if (segment->p_filesz < 2)
		return damaged(reader, what);
	int r = read_new(reader, segment->p_offset, segment->p_filesz, PATH_MAX, what, &reader->out->interpreter);
	if (r >= 0 && reader->out->interpreter[segment->p_filesz - 1] != '\0')
		return damaged(reader, what);
	return r;
}

/* Entries of the dynamic section, in the machine's own form. */
struct dynamic {
	char *data;
	size_t count;  /* entries before DT_NULL */
	size_t needed; /* how many DT_NEEDED */
	bool has_strings;
	uint64_t strings;
	uint64_t strings_size;
};

static void cleanup_dynamic(struct dynamic *dynamic)
{
	free(dynamic->data);
}

static Elf64_Dyn dynamic_entry(const struct reader *reader, const struct dynamic *dynamic, size_t index)
{
	if (is_64(reader))
		return ((const Elf64_Dyn *)dynamic->data)[index];
	const Elf32_Dyn *entry = &((const Elf32_Dyn *)dynamic->data)[index];
	return (Elf64_Dyn){.d_tag = entry->d_tag, .d_un.d_val = entry->d_un.d_val};
}

static void scan(const struct reader *reader, struct dynamic *dynamic, size_t max)
{
	for (; dynamic->count < max; dynamic->count++) {
		Elf64_Dyn entry = dynamic_entry(reader, dynamic, dynamic->count);
		switch (entry.d_tag) {
		case DT_NULL:
			return;
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
			reader->out->no_default_directories = entry.d_un.d_val & DF_1_NODEFLIB;
			break;
		}
	}
}

static int read_strings(const struct reader *reader, struct dynamic *dynamic)
{
	uint64_t offset, rest;
	if (!dynamic->has_strings || find_address(reader, dynamic->strings, &offset, &rest) < 0)
		return damaged(reader, "its dynamic section has no string table");
	/* Without a size the loader reads to wherever its strings end. */
	if (!dynamic->strings_size)
		dynamic->strings_size = rest;
	if (dynamic->strings_size > rest)
		return damaged(reader, "its string table is longer than its segment");
	reader->out->strings_size = dynamic->strings_size;
	return read_new(reader, offset, dynamic->strings_size, STRINGS_MAX, "its string table is cut",
			&reader->out->strings);
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

static int take_names(const struct reader *reader, const struct dynamic *dynamic)
{
	struct elf *out = reader->out;
	uint64_t size = dynamic->strings_size;
	out->needed = calloc(dynamic->needed + 1, sizeof(*out->needed));
	if (!out->needed)
		return error_memory();
	for (size_t i = 0; i < dynamic->count; i++) {
		Elf64_Dyn entry = dynamic_entry(reader, dynamic, i);
		const char **place = place_of(out, entry.d_tag);
		if (!place)
			continue;
		if (entry.d_un.d_val >= size || !memchr(out->strings + entry.d_un.d_val, '\0', size - entry.d_un.d_val))
			return damaged(reader, "a name in its dynamic section lies outside of its string table");
		*place = out->strings + entry.d_un.d_val;
	}
	return 0;
}

static int read_dynamic(const struct reader *reader, const Elf64_Phdr *segment)
{
	_cleanup_(cleanup_dynamic) struct dynamic dynamic = {0};
	size_t entry_size = is_64(reader) ? sizeof(Elf64_Dyn) : sizeof(Elf32_Dyn);
	uint64_t size = segment->p_filesz - segment->p_filesz % entry_size;
	int r = read_new(reader, segment->p_offset, size, DYNAMIC_MAX, "its dynamic section is cut", &dynamic.data);
	if (r >= 0)
		r = translate(reader, ELF_T_DYN, dynamic.data, size);
	if (r < 0)
		return r;
	scan(reader, &dynamic, size / entry_size);
	/* A static program that is loaded anywhere has a dynamic section that names nothing. */
	if (!dynamic.has_strings && !dynamic.needed)
		return 0;
	r = read_strings(reader, &dynamic);
	return r < 0 ? r : take_names(reader, &dynamic);
}

/* elf(5), "Notes". Damaged ones are nobody's need: what comes after them is left. */
static int scan_notes(const struct reader *reader, const char *notes, size_t size, uint64_t align)
{
	size_t unit = align == 8 ? 8 : 4;
	for (size_t at = 0; size - at >= sizeof(Elf64_Nhdr);) {
		Elf64_Nhdr note;
		memcpy(&note, notes + at, sizeof(note));
		if (translate(reader, ELF_T_WORD, &note, sizeof(note)) < 0)
			return -ENOEXEC;
		size_t name = at + sizeof(note);
		size_t text = name + ((size_t)note.n_namesz + unit - 1) / unit * unit;
		size_t next = text + ((size_t)note.n_descsz + unit - 1) / unit * unit;
		if (note.n_namesz > size || note.n_descsz > size || text > size || note.n_descsz > size - text)
			return 0;
		if (note.n_type == NOTE_DLOPEN && note.n_namesz == sizeof("FDO") && !memcmp(notes + name, "FDO", 4)) {
			char *json = strndup(notes + text, note.n_descsz);
			if (!json || strings_take(&reader->out->dlopen_notes, json) < 0)
				return error_memory();
		}
		at = next < size ? next : size;
	}
	return 0;
}

static int read_notes(const struct reader *reader, const Elf64_Phdr *segment)
{
	size_t size = segment->p_filesz;
	if (!size || size > NOTES_MAX || segment->p_offset > INT64_MAX)
		return 0;
	if (segment->p_offset <= reader->head_size && size <= reader->head_size - segment->p_offset)
		return scan_notes(reader, reader->head + segment->p_offset, size, segment->p_align);
	_cleanup_free_ char *notes = malloc(size);
	if (!notes)
		return error_memory();
	ssize_t n = read_some(reader, segment->p_offset, notes, size);
	if (n < 0)
		return (int)n;
	return scan_notes(reader, notes, (size_t)n, segment->p_align);
}

static int read_contents(struct reader *reader)
{
	const Elf64_Phdr *dynamic = NULL;
	int r = 0;
	for (size_t i = 0; r >= 0 && i < reader->count; i++) {
		const Elf64_Phdr *segment = &reader->segments[i];
		if (segment->p_type == PT_DYNAMIC)
			dynamic = segment;
		else if (segment->p_type == PT_INTERP)
			r = read_interpreter(reader, segment);
		else if (segment->p_type == PT_NOTE)
			r = read_notes(reader, segment);
	}
	return r < 0 || !dynamic ? r : read_dynamic(reader, dynamic);
}

int elf_read_kind(int fd, const char *path, const struct elf_kind *kind, struct elf *out)
{
	struct reader reader = {.fd = fd, .path = path, .out = out};
	Elf64_Ehdr header;
	*out = (struct elf){0};
	pthread_once(&version_once, choose_version);
	ssize_t n = read_some(&reader, 0, reader.head, sizeof(reader.head));
	if (n < 0)
		return (int)n;
	reader.head_size = (size_t)n;
	int r = read_header(&reader, &header);
	if (r >= 0 && kind && !elf_is_same_kind(kind, &out->kind))
		r = 1;
	if (r == 0)
		r = check_header(&reader, &header);
	if (r == 0)
		r = read_segments(&reader, &header);
	if (r == 0)
		r = read_contents(&reader);
	free(reader.segments);
	if (r != 0)
		elf_clear(out);
	return r;
}

int elf_read(int fd, const char *path, struct elf *out)
{
	return elf_read_kind(fd, path, NULL, out);
}

void elf_clear(struct elf *elf)
{
	free(elf->interpreter);
	free(elf->needed);
	free(elf->strings);
	strings_clear(&elf->dlopen_notes);
	*elf = (struct elf){0};
}
