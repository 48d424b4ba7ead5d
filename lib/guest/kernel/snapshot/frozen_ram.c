/* SPDX-License-Identifier: MIT */
#include "guest/kernel/snapshot/frozen_ram.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "core/file_limit.h"
#include "core/memfd.h"
#include "core/transfer.h"

enum { PAGE = 4096, PAGES_OF_CHUNK = FROZEN_CHUNK / PAGE };

/* Of /proc/self/pagemap (Documentation/admin-guide/mm/pagemap.rst): the page is in memory, or in swap. */
static const uint64_t PAGE_IS_THERE = UINT64_C(3) << 62;

static bool is_zero(const uint8_t *page)
{
	return !page[0] && memcmp(page, page + 1, PAGE - 1) == 0;
}

static bool is_beneath(const struct frozen_ram *beneath, uint64_t at)
{
	for (unsigned i = 0; beneath && i < beneath->run_count; i++)
		if (at >= beneath->runs[i].begin && at < beneath->runs[i].end)
			return true;
	return false;
}

/* Which pages of a chunk were ever touched. Where that cannot be known all of them are looked at. */
static void find_touched(int pagemap, const uint8_t *chunk, uint64_t pages, uint64_t out[PAGES_OF_CHUNK])
{
	size_t size = pages * sizeof(out[0]);
	off_t place = (off_t)((uintptr_t)chunk / PAGE * sizeof(out[0]));
	if (pagemap < 0 || pread(pagemap, out, size, place) != (ssize_t)size)
		memset(out, 0xff, size);
}

/* Runs of pages that are not zero. */
static int find_pages(const uint8_t *host, uint64_t at, uint64_t pages, const uint64_t touched[],
		      const struct page_sink *sink)
{
	int r = 0;
	for (uint64_t i = 0, run; i < pages && r == 0; i += run ? run : 1) {
		for (run = 0;
		     i + run < pages && (touched[i + run] & PAGE_IS_THERE) && !is_zero(host + at + (i + run) * PAGE);
		     run++)
			;
		if (run)
			r = sink->put(sink->data, at + i * PAGE, host + at + i * PAGE, run * PAGE);
	}
	return r;
}

int frozen_ram_find(const uint8_t *host, uint64_t size, const struct frozen_ram *beneath, const struct page_sink *sink)
{
	_cleanup_close_ int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t touched[PAGES_OF_CHUNK];
	int r = 0;
	for (uint64_t at = 0; at < size && r == 0; at += FROZEN_CHUNK) {
		uint64_t end = size - at < FROZEN_CHUNK ? size : at + FROZEN_CHUNK;
		/* Of a mapping of a file it says only what was touched since. */
		find_touched(is_beneath(beneath, at) ? -1 : pagemap, host + at, (end - at) / PAGE, touched);
		r = find_pages(host, at, (end - at) / PAGE, touched, sink);
	}
	return r;
}

/* Adjacent chunks are one run; so is everything behind the last one that there is room for. */
static void add_chunk(struct frozen_ram *ram, uint64_t begin, uint64_t end)
{
	struct frozen_run *last = ram->run_count ? &ram->runs[ram->run_count - 1] : NULL;
	if (last && last->end >= end)
		return;
	if (last && (last->end == begin || ram->run_count == FROZEN_RUNS_MAX))
		last->end = end;
	else
		ram->runs[ram->run_count++] = (struct frozen_run){begin, end};
}

int frozen_ram_put(struct frozen_ram *ram, uint64_t at, const void *pages, size_t size)
{
	uint64_t begin = at - at % FROZEN_CHUNK;
	int r = write_whole_at(ram->fd, pages, size, (off_t)at);
	if (r < 0)
		return r;
	add_chunk(ram, begin, ram->size - begin < FROZEN_CHUNK ? ram->size : begin + FROZEN_CHUNK);
	ram->used += size;
	return 0;
}

static int put_pages(void *data, uint64_t at, const uint8_t *pages, size_t size)
{
	return frozen_ram_put(data, at, pages, size);
}

static int fail(int r)
{
	return error_fail(VISO_STAGE_MEMORY, -r, "memory",
			  "the host cannot give a snapshot memory for what the guest has written: %s",
			  strerrordesc_np(-r));
}

/* A file in memory has a limit of size as well. */
static int make_file(struct frozen_ram *ram, uint64_t size)
{
	*ram = (struct frozen_ram){.fd = -1, .size = size};
	ram->fd = fd_above_streams(memfd_create("viso-snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	return ram->fd < 0 || ftruncate(ram->fd, (off_t)size) < 0 ? -errno : 0;
}

int frozen_ram_begin(struct frozen_ram *ram, uint64_t size)
{
	int r = make_file(ram, size);
	if (r == 0)
		return 0;
	frozen_ram_release(ram, false);
	return fail(r);
}

int frozen_ram_seal(const struct frozen_ram *ram)
{
	int r = memfd_seal(ram->fd);
	return r < 0 ? fail(r) : 0;
}

int frozen_ram_new(struct frozen_ram *ram, const uint8_t *host, uint64_t size, const struct frozen_ram *beneath)
{
	struct file_limit_guard guard;
	const struct page_sink sink = {put_pages, ram};
	file_limit_begin(&guard);
	int r = make_file(ram, size);
	if (r == 0)
		r = frozen_ram_find(host, size, beneath, &sink);
	file_limit_end(&guard);
	if (r == 0)
		return 0;
	frozen_ram_release(ram, false);
	return fail(r);
}

void frozen_ram_release(struct frozen_ram *ram, bool is_forked)
{
	if (!is_forked)
		close_fd(ram->fd);
	ram->fd = -1;
}

int frozen_ram_map(const struct frozen_ram *ram, uint8_t *host)
{
	/* What a firmware was laid down there by: between the parts there is nothing. */
	if (madvise(host, ram->size, MADV_DONTNEED) < 0)
		return error_fail(VISO_STAGE_MEMORY, errno, "memory", "the memory of a clone cannot be emptied: %s",
				  strerrordesc_np(errno));
	for (unsigned i = 0; i < ram->run_count; i++) {
		const struct frozen_run *run = &ram->runs[i];
		size_t size = run->end - run->begin;
		if (mmap(host + run->begin, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE,
			 ram->fd, (off_t)(ram->offset + run->begin)) == MAP_FAILED)
			return error_fail(VISO_STAGE_MEMORY, errno, "memory",
					  "the host cannot give a clone the memory of its snapshot: %s",
					  strerrordesc_np(errno));
		madvise(host + run->begin, size, MADV_DONTFORK);
		madvise(host + run->begin, size, MADV_DONTDUMP);
	}
	return 0;
}

void frozen_ram_save(const struct frozen_ram *ram, struct state_writer *out)
{
	state_put_number(out, ram->used);
	state_put_number(out, ram->run_count);
	state_put(out, ram->runs, ram->run_count * sizeof(ram->runs[0]));
}

int frozen_ram_load(struct frozen_ram *ram, uint64_t size, struct state_reader *in)
{
	uint64_t count, begin = 0;
	*ram = (struct frozen_ram){.fd = -1, .size = size};
	if (!state_get_number(in, size, &ram->used) || !state_get_number(in, FROZEN_RUNS_MAX, &count) ||
	    !state_get(in, ram->runs, count * sizeof(ram->runs[0])))
		return state_damaged("memory");
	for (uint64_t i = 0; i < count; i++) {
		const struct frozen_run *run = &ram->runs[i];
		if (run->begin < begin || run->begin >= run->end || run->end > size || run->begin % FROZEN_CHUNK ||
		    run->end % PAGE)
			return state_damaged("memory");
		begin = run->end;
	}
	ram->run_count = (unsigned)count;
	return 0;
}
