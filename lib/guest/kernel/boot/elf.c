/* SPDX-License-Identifier: MIT */
#include "guest/kernel/boot/elf.h"

#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/kernel/boot/linux.h"
#include "guest/kernel/boot/pvh.h"
#include "guest/kernel/layout.h"

enum { NOTES_MAX = 64 << 10, PVH_NOTE = 18 }; /* XEN_ELFNOTE_PHYS32_ENTRY */

static int read_64(const struct image *image, struct elf_kernel *out, uint64_t *out_table, unsigned *out_entry_size)
{
	Elf64_Ehdr header;
	int r = image_read(image, 0, &header, sizeof(header));
	if (r < 0)
		return r;
	if (header.e_machine != EM_X86_64)
		return image_fail(image, "it is for another processor");
	out->entry = header.e_entry;
	out->count = header.e_phnum;
	*out_table = header.e_phoff;
	*out_entry_size = header.e_phentsize;
	return header.e_phentsize < sizeof(Elf64_Phdr) ? image_fail(image, "its ELF header is damaged") : 0;
}

static int read_32(const struct image *image, struct elf_kernel *out, uint64_t *out_table, unsigned *out_entry_size)
{
	Elf32_Ehdr header;
	int r = image_read(image, 0, &header, sizeof(header));
	if (r < 0)
		return r;
	if (header.e_machine != EM_386)
		return image_fail(image, "it is for another processor");
	out->entry = header.e_entry;
	out->count = header.e_phnum;
	*out_table = header.e_phoff;
	*out_entry_size = header.e_phentsize;
	return header.e_phentsize < sizeof(Elf32_Phdr) ? image_fail(image, "its ELF header is damaged") : 0;
}

static int read_segment(const struct image *image, const struct elf_kernel *elf, uint64_t at, Elf64_Phdr *out)
{
	Elf32_Phdr half;
	if (elf->is_64)
		return image_read(image, at, out, sizeof(*out));
	int r = image_read(image, at, &half, sizeof(half));
	if (r == 0)
		*out = (Elf64_Phdr){
			.p_type = half.p_type,
			.p_offset = half.p_offset,
			.p_paddr = half.p_paddr,
			.p_filesz = half.p_filesz,
			.p_memsz = half.p_memsz,
		};
	return r;
}

static uint64_t aligned(uint64_t size)
{
	return (size + 3) & ~3ull;
}

/* In the notes of one segment; 0 where there is none. */
static uint64_t find_pvh(const uint8_t *notes, uint64_t size)
{
	uint64_t at = 0;
	while (at + sizeof(Elf64_Nhdr) <= size) {
		Elf64_Nhdr note;
		memcpy(&note, notes + at, sizeof(note));
		uint64_t name = at + sizeof(note), data = name + aligned(note.n_namesz);
		if (note.n_namesz > size || note.n_descsz > size || data + note.n_descsz > size)
			return 0;
		if (note.n_type == PVH_NOTE && note.n_namesz == 4 && !memcmp(notes + name, "Xen", 4) &&
		    note.n_descsz >= 4) {
			uint64_t entry = 0;
			memcpy(&entry, notes + data, note.n_descsz < sizeof(entry) ? note.n_descsz : sizeof(entry));
			return entry;
		}
		at = data + aligned(note.n_descsz);
	}
	return 0;
}

static int read_notes(const struct image *image, struct elf_kernel *elf, const Elf64_Phdr *segment)
{
	uint64_t size = segment->p_filesz < NOTES_MAX ? segment->p_filesz : NOTES_MAX;
	_cleanup_free_ uint8_t *notes = malloc(size ? size : 1);
	if (!notes)
		return error_memory();
	int r = image_read(image, segment->p_offset, notes, size);
	if (r == 0)
		elf->pvh_entry = find_pvh(notes, size);
	return r;
}

int elf_kernel_read(const struct image *image, struct elf_kernel *out)
{
	uint8_t identity[EI_NIDENT];
	uint64_t table = 0;
	unsigned entry_size = 0;
	*out = (struct elf_kernel){0};
	int r = image_read(image, 0, identity, sizeof(identity));
	if (r < 0)
		return r;
	out->is_64 = identity[EI_CLASS] == ELFCLASS64;
	if (memcmp(identity, ELFMAG, SELFMAG) != 0 || identity[EI_DATA] != ELFDATA2LSB)
		return image_fail(image, "it is no ELF file for this processor");
	r = out->is_64 ? read_64(image, out, &table, &entry_size) : read_32(image, out, &table, &entry_size);
	if (r < 0)
		return r;
	if (out->count > ELF_SEGMENTS_MAX || table > image->size)
		return image_fail(image, "its ELF header is damaged");
	for (int i = 0; i < out->count && r == 0; i++) {
		r = read_segment(image, out, table + (uint64_t)i * entry_size, &out->segments[i]);
		if (r == 0 && out->segments[i].p_type == PT_NOTE && !out->pvh_entry)
			r = read_notes(image, out, &out->segments[i]);
	}
	return r;
}

int elf_kernel_load(const struct elf_kernel *elf, const struct image *image, const struct ram *ram, uint64_t *out_end)
{
	*out_end = 0;
	for (int i = 0; i < elf->count; i++) {
		const Elf64_Phdr *segment = &elf->segments[i];
		if (segment->p_type != PT_LOAD || !segment->p_memsz)
			continue;
		if (segment->p_filesz > segment->p_memsz)
			return image_fail(image, "a segment of it is larger than its memory");
		if (segment->p_paddr < LAYOUT_KERNEL)
			return image_fail(image, "a segment of it belongs below 1 MiB, where a BIOS would be");
		/* What is beyond the file's part is zero, as all memory of a new computer. */
		if (!ram_at(ram, segment->p_paddr, segment->p_memsz))
			return image_fail_space(image, "it does not fit into the guest's memory");
		int r = image_load(image, segment->p_offset, ram, segment->p_paddr, segment->p_filesz);
		if (r < 0)
			return r;
		if (*out_end < segment->p_paddr + segment->p_memsz)
			*out_end = segment->p_paddr + segment->p_memsz;
	}
	return *out_end ? 0 : image_fail(image, "it has nothing to load");
}

bool boot_elf_has_pvh(const struct image *kernel)
{
	struct elf_kernel elf;
	return elf_kernel_read(kernel, &elf) == 0 && elf.pvh_entry;
}

/* A vmlinux has no setup header: what it can take is what any kernel since 2.6.22 can. */
static int load_vmlinux(const struct boot_request *request, const struct elf_kernel *elf, uint64_t end,
			struct boot_entry *out)
{
	const struct setup_header header = {
		.boot_flag = 0xaa55,
		.header = 0x53726448, /* "HdrS" */
		.version = 0x20c,
		.loadflags = LOADED_HIGH,
		.kernel_alignment = 0x1000000,
		.cmdline_size = LAYOUT_COMMAND_LINE_MAX - 1,
		.initrd_addr_max = 0x7fffffff,
	};
	*out = (struct boot_entry){.mode = BOOT_LONG, .address = elf->entry, .rsi = LAYOUT_ZERO_PAGE};
	return linux_finish(request, &header, end);
}

int boot_load_elf(const struct boot_request *request, struct boot_entry *out)
{
	struct elf_kernel elf;
	uint64_t end;
	int r = elf_kernel_read(request->kernel, &elf);
	if (r < 0)
		return r;
	if (!elf.pvh_entry && !elf.is_64)
		return image_fail(request->kernel,
				  "it is a 32-bit ELF file without a PVH entry and without a Multiboot header");
	r = elf_kernel_load(&elf, request->kernel, request->ram, &end);
	if (r < 0)
		return r;
	return elf.pvh_entry ? pvh_finish(request, elf.pvh_entry, end, out) : load_vmlinux(request, &elf, end, out);
}
