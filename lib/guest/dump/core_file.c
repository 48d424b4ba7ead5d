/* SPDX-License-Identifier: MIT */
#include "guest/dump/core_file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "guest/guest.h"
#include "guest/instance.h"

/* e_phnum has 16 bits; what lies above is left out. */
enum { AREAS_IN_CORE = 65000 };

struct core {
	struct program *program;
	const struct core_sink *sink; /* NULL for a file */
	int fd;
	uint64_t end;
	size_t area_count;
	Elf64_Phdr *headers; /* the notes, then the areas */
	uint8_t *notes;
	size_t notes_size;
};

static int write_at(const struct core *core, const void *data, size_t size, uint64_t offset)
{
	if (core->sink)
		return core->sink->write(data, size, offset);
	for (size_t done = 0; done < size;) {
		ssize_t n = pwrite(core->fd, (const uint8_t *)data + done, size - done, (off_t)(offset + done));
		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static uint64_t page_up(uint64_t value)
{
	return (value + GUEST_PAGE - 1) & ~(GUEST_PAGE - 1);
}

/* How much of an area is in the file: up to the last page that it was given. */
static uint64_t used_size(struct address_space *space, const struct area *area)
{
	uint64_t used = 0;
	for (uint64_t at = area->start; paging_next(&space->tables, &at, area->end); at += GUEST_PAGE)
		used = at + GUEST_PAGE - area->start;
	return used;
}

static unsigned segment_flags(unsigned protection)
{
	return (protection & PROT_READ ? PF_R : 0) | (protection & PROT_WRITE ? PF_W : 0) |
	       (protection & PROT_EXEC ? PF_X : 0);
}

/* Where everything goes; the end of the file. */
static uint64_t lay_out(struct core *core)
{
	struct address_space *space = core->program->space;
	uint64_t offset = sizeof(Elf64_Ehdr) + (core->area_count + 1) * sizeof(Elf64_Phdr);
	core->headers[0] =
		(Elf64_Phdr){.p_type = PT_NOTE, .p_offset = offset, .p_filesz = core->notes_size, .p_align = 4};
	offset = page_up(offset + core->notes_size);
	for (size_t i = 0; i < core->area_count; i++) {
		const struct area *area = &space->areas[i];
		uint64_t used = used_size(space, area);
		core->headers[i + 1] = (Elf64_Phdr){
			.p_type = PT_LOAD,
			.p_flags = segment_flags(area->protection),
			.p_offset = offset,
			.p_vaddr = area->start,
			.p_filesz = used,
			.p_memsz = area->end - area->start,
			.p_align = GUEST_PAGE,
		};
		offset += used;
	}
	return offset;
}

/* Pages that were never touched stay holes. */
static int write_area(const struct core *core, size_t index)
{
	struct address_space *space = core->program->space;
	const struct area *area = &space->areas[index];
	uint64_t *entry, at = area->start;
	for (; (entry = paging_next(&space->tables, &at, area->end)); at += GUEST_PAGE) {
		const void *page = memory_page(space->memory, paging_page(*entry));
		uint64_t offset = core->headers[index + 1].p_offset + (at - area->start);
		int r = page ? write_at(core, page, GUEST_PAGE, offset) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

static int write_all(struct core *core)
{
	const Elf64_Ehdr head = {
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_CORE,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = (uint16_t)(core->area_count + 1),
	};
	core->end = lay_out(core);
	if (core->end > INT64_MAX)
		return -EFBIG;
	if (!core->sink && ftruncate(core->fd, (off_t)core->end) < 0)
		return -errno;
	int r = write_at(core, &head, sizeof(head), 0);
	if (r == 0)
		r = write_at(core, core->headers, (core->area_count + 1) * sizeof(*core->headers), sizeof(head));
	if (r == 0)
		r = write_at(core, core->notes, core->notes_size, core->headers[0].p_offset);
	for (size_t i = 0; r == 0 && i < core->area_count; i++)
		r = write_area(core, i);
	return r;
}

static int write_core(struct core *core, const siginfo_t *info)
{
	size_t count = core->program->space->count;
	core->area_count = count < AREAS_IN_CORE ? count : AREAS_IN_CORE;
	_cleanup_free_ Elf64_Phdr *headers = calloc(core->area_count + 1, sizeof(*headers));
	_cleanup_free_ uint8_t *notes = core_notes(core->program, info, &core->notes_size);
	core->headers = headers;
	core->notes = notes;
	return headers && notes ? write_all(core) : -ENOMEM;
}

static int write_to(const char *path, struct program *program, const siginfo_t *info)
{
	const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	_cleanup_close_ int fd = open(path, flags, 0600);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	struct core core = {.program = program, .fd = fd};
	int r = write_core(&core, info);
	if (r < 0)
		unlink(path);
	return r;
}

static int write_to_sink(const struct core_sink *sink, struct program *program, const siginfo_t *info)
{
	struct core core = {.program = program, .fd = -1, .sink = sink};
	int r = sink->open();
	if (r < 0)
		return r;
	r = write_core(&core, info);
	int ended = sink->end(core.end, r < 0);
	return r < 0 ? r : ended;
}

void core_write(struct program *program, const siginfo_t *info)
{
	struct instance *instance = program->instance;
	const char *path = instance->guest->core_path;
	const struct core_sink *sink = instance->guest->core_sink;
	if ((!path && !sink) || instance->has_core)
		return;
	instance->has_core = true;
	int r = sink ? write_to_sink(sink, program, info) : write_to(path, program, info);
	if (r < 0)
		log_debug("guest: no core file could be written to %s: %s", path ? path : "the host",
			  strerrordesc_np(-r));
}
