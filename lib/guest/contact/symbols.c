/* SPDX-License-Identifier: MIT */
/*
 * See: elf(5). The files are the guest's own and as hostile as it is: nothing is taken from them without a check, and
 * what is read is bounded. A wrong address harms the guest alone.
 */
#include "guest/contact/symbols.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/cleanup.h"
#include "core/hot.h"
#include "guest/memory/address_space.h"
#include "guest/program/file.h"

enum { HEADERS_MAX = 128, SECTIONS_MAX = 4096, SYMBOLS_READ = 1024, NAMES_MAX = 64 << 20 };

/* Python's interpreter has some 20,000 symbols, a browser some million. */
static const uint64_t symbols_max = 4u << 20;

/* What is read for one name, of all files: tables may be larger than the file, where that has holes, and many. */
static const uint64_t read_max = 512u << 20;

struct search {
	struct file *file;
	const char *name;
	uint64_t value; /* what was found; 0 for nothing */
	bool is_global;
	uint64_t left; /* of read_max */
};

static bool read_exactly(struct search *search, void *out, size_t size, uint64_t offset)
{
	if (offset > INT64_MAX - size || size > search->left)
		return false;
	search->left -= size;
	return file_read_at(search->file, out, size, offset) == (ssize_t)size;
}

static bool is_function(const Elf64_Sym *symbol)
{
	unsigned type = ELF64_ST_TYPE(symbol->st_info);
	return (type == STT_FUNC || type == STT_NOTYPE) && symbol->st_shndx != SHN_UNDEF && symbol->st_value;
}

/* A global symbol is preferred to one of the file's own. */
static void look_at(struct search *search, const Elf64_Sym *symbols, size_t count, const char *names, size_t names_size)
{
	for (size_t i = 0; i < count && !search->is_global; i++) {
		const Elf64_Sym *symbol = &symbols[i];
		if (symbol->st_name >= names_size || !is_function(symbol) ||
		    strcmp(names + symbol->st_name, search->name) != 0)
			continue;
		search->is_global = ELF64_ST_BIND(symbol->st_info) != STB_LOCAL;
		if (search->is_global || !search->value)
			search->value = symbol->st_value;
	}
}

static int search_table(struct search *search, const Elf64_Shdr *table, const Elf64_Shdr *strings)
{
	uint64_t count = table->sh_size / sizeof(Elf64_Sym);
	if (table->sh_entsize != sizeof(Elf64_Sym) || strings->sh_type != SHT_STRTAB || strings->sh_size == 0 ||
	    strings->sh_size > NAMES_MAX || strings->sh_size > search->left || count > symbols_max ||
	    table->sh_offset > INT64_MAX / 2)
		return 0;
	_cleanup_free_ char *names = malloc(strings->sh_size + 1);
	_cleanup_free_ Elf64_Sym *symbols = malloc(SYMBOLS_READ * sizeof(*symbols));
	if (!names || !symbols)
		return -ENOMEM;
	if (!read_exactly(search, names, strings->sh_size, strings->sh_offset))
		return 0;
	names[strings->sh_size] = '\0';
	for (uint64_t done = 0; done < count && !search->is_global; done += SYMBOLS_READ) {
		size_t now = count - done < SYMBOLS_READ ? (size_t)(count - done) : SYMBOLS_READ;
		if (!read_exactly(search, symbols, now * sizeof(*symbols), table->sh_offset + done * sizeof(*symbols)))
			return 0;
		look_at(search, symbols, now, names, strings->sh_size);
	}
	return 0;
}

/* .symtab, which has all of .dynsym where there is one, and then that. */
static int search_sections(struct search *search, const Elf64_Ehdr *header)
{
	static const uint32_t types[] = {SHT_SYMTAB, SHT_DYNSYM};
	size_t count = header->e_shnum;
	if (header->e_shentsize != sizeof(Elf64_Shdr) || count == 0 || count > SECTIONS_MAX)
		return 0;
	_cleanup_free_ Elf64_Shdr *sections = malloc(count * sizeof(*sections));
	if (!sections)
		return -ENOMEM;
	if (!read_exactly(search, sections, count * sizeof(*sections), header->e_shoff))
		return 0;
	for (int type = 0; type < 2 && !search->is_global; type++)
		for (size_t i = 0; i < count && !search->is_global; i++) {
			if (sections[i].sh_type != types[type] || sections[i].sh_link >= count)
				continue;
			int r = search_table(search, &sections[i], &sections[sections[i].sh_link]);
			if (r < 0)
				return r;
		}
	return 0;
}

static bool read_header(struct search *search, Elf64_Ehdr *header, Elf64_Phdr segments[HEADERS_MAX])
{
	return read_exactly(search, header, sizeof(*header), 0) && memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
	       header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_phentsize == sizeof(Elf64_Phdr) &&
	       header->e_phnum <= HEADERS_MAX &&
	       read_exactly(search, segments, header->e_phnum * sizeof(segments[0]), header->e_phoff);
}

/* What is to be added to the file's addresses, told by where the segment lies that this area is of. */
static bool find_base(const Elf64_Ehdr *header, const Elf64_Phdr *segments, const struct area *area, uint64_t *out_base)
{
	for (unsigned i = 0; i < header->e_phnum; i++) {
		const Elf64_Phdr *segment = &segments[i];
		uint64_t skip = segment->p_vaddr % GUEST_PAGE, start = segment->p_offset - skip;
		if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X) || segment->p_offset < skip ||
		    area->file_offset < start || area->file_offset - start >= segment->p_filesz + skip)
			continue;
		*out_base = area->start - (area->file_offset - start) - (segment->p_vaddr - skip);
		return true;
	}
	return false;
}

/* The area that holds an address that can be executed and is of a file; NULL where it is not. */
HOT static struct area *code_at(struct address_space *space, uint64_t address)
{
	struct area *area = space_find(space, address);
	return area && area->file && (area->protection & PROT_EXEC) ? area : NULL;
}

static int search_area(struct address_space *space, const struct area *area, struct search *search,
		       uint64_t *out_address)
{
	Elf64_Ehdr header;
	Elf64_Phdr segments[HEADERS_MAX];
	uint64_t base;
	search->file = area->file;
	search->value = 0;
	search->is_global = false;
	if (!read_header(search, &header, segments) || !find_base(&header, segments, area, &base))
		return 0;
	int r = search_sections(search, &header);
	if (r == 0 && search->value && code_at(space, base + search->value))
		*out_address = base + search->value;
	return r;
}

static int search_all(struct address_space *space, const char *name, uint64_t *out_address)
{
	const struct file *last = NULL;
	struct search search = {.name = name, .left = read_max};
	*out_address = 0;
	for (size_t i = 0; i < space->count && !*out_address; i++) {
		const struct area *area = &space->areas[i];
		if (!area->file || !(area->protection & PROT_EXEC) || area->file == last)
			continue;
		last = area->file;
		int r = search_area(space, area, &search, out_address);
		if (r < 0)
			return r;
	}
	return 0;
}

static uint64_t file_offset(const struct area *area, uint64_t address)
{
	return area->file_offset + (address - area->start);
}

HOT static uint64_t find_cached(const struct symbol_cache *cache, struct address_space *space, const char *name)
{
	for (int i = 0; i < SYMBOLS_CACHED; i++) {
		const struct symbol *entry = &cache->entries[i];
		if (!entry->name || strcmp(entry->name, name) != 0)
			continue;
		const struct area *area = code_at(space, entry->address);
		if (area && area->file == entry->file && file_offset(area, entry->address) == entry->offset)
			return entry->address;
	}
	return 0;
}

static void forget(struct symbol *entry)
{
	free(entry->name);
	file_unref(entry->file);
	*entry = (struct symbol){0};
}

static int remember(struct symbol_cache *cache, struct address_space *space, const char *name, uint64_t address)
{
	struct symbol *entry = &cache->entries[cache->next++ % SYMBOLS_CACHED];
	const struct area *area = code_at(space, address);
	forget(entry);
	entry->name = strdup(name);
	if (!entry->name)
		return -ENOMEM;
	entry->address = address;
	entry->file = file_ref(area->file);
	entry->offset = file_offset(area, address);
	entry->is_sure = !cache->program_has_run;
	return 0;
}

HOT int symbol_find(struct symbol_cache *cache, struct address_space *space, const char *name, uint64_t *out_address)
{
	*out_address = find_cached(cache, space, name);
	if (*out_address)
		return 0;
	int r = search_all(space, name, out_address);
	return r == 0 && *out_address ? remember(cache, space, name, *out_address) : r;
}

HOT void symbols_check(struct symbol_cache *cache, struct address_space *space)
{
	uint64_t address;
	cache->program_has_run = false;
	for (int i = 0; i < SYMBOLS_CACHED; i++) {
		struct symbol *entry = &cache->entries[i];
		if (!entry->name || entry->is_sure)
			continue;
		char *name = TAKE_PTR(entry->name);
		cache->next = (unsigned)i;
		if (search_all(space, name, &address) < 0 || !address || remember(cache, space, name, address) < 0)
			forget(entry);
		free(name);
	}
}

void symbols_release(struct symbol_cache *cache)
{
	for (int i = 0; i < SYMBOLS_CACHED; i++)
		forget(&cache->entries[i]);
}
