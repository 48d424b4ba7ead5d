/* SPDX-License-Identifier: MIT */
/* See: elf(5); fs/binfmt_elf.c for what Linux accepts. */
#include "guest/elf.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "guest/memory/fault.h"
#include "guest/program/file.h"

enum { HEADERS_MAX = 128 };

static int refuse(const char **out_why, const char *why)
{
	*out_why = why;
	return -ENOEXEC;
}

static int read_exactly(struct file *file, void *out, size_t size, uint64_t offset, const char **out_why)
{
	/* An offset that is no off_t would be -EINVAL. */
	ssize_t n = offset > INT64_MAX - size ? 0 : file_read_at(file, out, size, offset);
	if (n < 0) {
		*out_why = "it cannot be read";
		return (int)n;
	}
	return (size_t)n == size ? 0 : refuse(out_why, "it is cut short");
}

static int check_header(const Elf64_Ehdr *header, const char **out_why)
{
	if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
		return refuse(out_why, "it is neither an ELF program nor a script");
	if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
	    header->e_machine != EM_X86_64)
		return refuse(out_why, "it is an ELF file of another machine");
	if (header->e_type != ET_EXEC && header->e_type != ET_DYN)
		return refuse(out_why, "it is an ELF file, but no program");
	if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phnum == 0 || header->e_phnum > HEADERS_MAX)
		return refuse(out_why, "its program headers are damaged");
	return 0;
}

static uint64_t page_down(uint64_t address)
{
	return address & ~(GUEST_PAGE - 1);
}

static uint64_t page_up(uint64_t address)
{
	return page_down(address + GUEST_PAGE - 1);
}

static int check_segment(const Elf64_Phdr *segment, uint64_t file_size, const char **out_why)
{
	if (segment->p_filesz > segment->p_memsz || segment->p_filesz > file_size ||
	    segment->p_offset > file_size - segment->p_filesz)
		return refuse(out_why, "a segment lies beyond its end");
	if (segment->p_vaddr >= SPACE_END || segment->p_memsz > SPACE_END - segment->p_vaddr)
		return refuse(out_why, "a segment lies outside of user addresses");
	if ((segment->p_vaddr ^ segment->p_offset) % GUEST_PAGE)
		return refuse(out_why, "a segment is not aligned");
	return 0;
}

/* The lowest and highest address of the segments. */
static int measure(const Elf64_Phdr *segments, unsigned count, uint64_t file_size, uint64_t *out_low,
		   uint64_t *out_high, const char **out_why)
{
	*out_low = UINT64_MAX;
	*out_high = 0;
	for (unsigned i = 0; i < count; i++) {
		if (segments[i].p_type != PT_LOAD)
			continue;
		int r = check_segment(&segments[i], file_size, out_why);
		if (r < 0)
			return r;
		uint64_t low = page_down(segments[i].p_vaddr),
			 high = page_up(segments[i].p_vaddr + segments[i].p_memsz);
		*out_low = low < *out_low ? low : *out_low;
		*out_high = high > *out_high ? high : *out_high;
	}
	return *out_high > *out_low ? 0 : refuse(out_why, "it has no segment to load");
}

static int map_segment(struct address_space *space, struct file *file, const Elf64_Phdr *segment, uint64_t base,
		       const char **out_why)
{
	if (segment->p_memsz == 0)
		return 0;
	uint64_t skip = segment->p_vaddr % GUEST_PAGE;
	struct area area = {
		.start = base + segment->p_vaddr - skip,
		.end = base + page_up(segment->p_vaddr + segment->p_memsz),
		.protection = (segment->p_flags & PF_R ? PROT_READ : 0) | (segment->p_flags & PF_W ? PROT_WRITE : 0) |
			      (segment->p_flags & PF_X ? PROT_EXEC : 0),
		.is_program = true,
		.file = file,
		.file_offset = segment->p_offset - skip,
		.file_size = segment->p_filesz + skip,
	};
	int r = space_map(space, &area);
	if (r == -EINVAL)
		return refuse(out_why, "a segment lies outside of user addresses");
	*out_why = "its segments do not fit into the limits";
	return r;
}

static int read_interpreter(struct file *file, const Elf64_Phdr *segment, struct elf_image *out, const char **out_why)
{
	if (segment->p_filesz < 2 || segment->p_filesz > ELF_INTERPRETER_MAX)
		return refuse(out_why, "the name of its interpreter is damaged");
	int r = read_exactly(file, out->interpreter, segment->p_filesz, segment->p_offset, out_why);
	if (r < 0)
		return r;
	if (out->interpreter[segment->p_filesz - 1])
		return refuse(out_why, "the name of its interpreter is damaged");
	return 0;
}

static int map_segments(struct address_space *space, struct file *file, const Elf64_Ehdr *header,
			const Elf64_Phdr *segments, struct elf_image *out, const char **out_why)
{
	for (unsigned i = 0; i < header->e_phnum; i++) {
		const Elf64_Phdr *segment = &segments[i];
		int r = 0;
		if (segment->p_type == PT_LOAD) {
			r = map_segment(space, file, segment, out->base, out_why);
			/* As Linux does: the segment that holds the table in the file. */
			if (header->e_phoff >= segment->p_offset &&
			    header->e_phoff - segment->p_offset < segment->p_filesz)
				out->headers = out->base + segment->p_vaddr + (header->e_phoff - segment->p_offset);
		} else if (segment->p_type == PT_INTERP) {
			r = read_interpreter(file, segment, out, out_why);
		} else if (segment->p_type == PT_GNU_STACK) {
			out->executable_stack = segment->p_flags & PF_X;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * Gives pages that the program surely touches at once: each costs less here than an exit of the guest. What fails here
 * fails again when the guest gets there.
 */
static void touch_segments(struct address_space *space, const Elf64_Ehdr *header, const Elf64_Phdr *segments,
			   const struct elf_image *image)
{
	for (unsigned i = 0; i < header->e_phnum; i++)
		if (segments[i].p_type == PT_LOAD && segments[i].p_memsz && !(segments[i].p_flags & PF_X))
			space_fault(space, image->base + segments[i].p_vaddr, PROT_READ);
	space_fault(space, image->entry, PROT_EXEC);
}

int elf_map(struct address_space *space, struct file *file, uint64_t base, struct elf_image *out, const char **out_why)
{
	Elf64_Ehdr header;
	Elf64_Phdr segments[HEADERS_MAX];
	struct stat st;
	uint64_t low = 0, high = 0;

	*out = (struct elf_image){0};
	int r = read_exactly(file, &header, sizeof(header), 0, out_why);
	if (r == 0)
		r = check_header(&header, out_why);
	if (r == 0 && header.e_phoff > INT64_MAX - sizeof(segments))
		r = refuse(out_why, "its program headers are damaged");
	if (r == 0)
		r = read_exactly(file, segments, header.e_phnum * sizeof(segments[0]), header.e_phoff, out_why);
	if (r == 0)
		r = file_status(file, &st);
	if (r == 0)
		r = measure(segments, header.e_phnum, (uint64_t)st.st_size, &low, &high, out_why);
	if (r < 0)
		return r;

	if (header.e_type == ET_DYN) {
		uint64_t place = space_choose(space, base, high - low);
		if (!place)
			return refuse(out_why, "it does not fit into the address space");
		out->base = place - low;
	}
	out->entry = out->base + header.e_entry;
	out->header_count = header.e_phnum;
	out->end = out->base + high;
	r = map_segments(space, file, &header, segments, out, out_why);
	if (r == 0)
		touch_segments(space, &header, segments, out);
	return r;
}
