/* SPDX-License-Identifier: MIT */
/* System calls on the address space. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "guest/memory/shared_memory.h"
#include "guest/program/calls.h"

static uint64_t page_up(uint64_t size)
{
	return (size + GUEST_PAGE - 1) & ~(GUEST_PAGE - 1);
}

int64_t call_brk(struct program *program, const uint64_t args[6])
{
	return (int64_t)space_set_heap_end(program->space, args[0]);
}

/* The file of a mapping; NULL and 0 for anonymous memory. */
static int mapped_file(struct program *program, const uint64_t *args, struct file **out)
{
	int flags = (int)args[3];
	*out = NULL;
	if (flags & MAP_ANONYMOUS)
		return 0;
	struct file *file = program_file(program, (int)args[4]);
	if (!file || file->kind == FILE_PATH)
		return -EBADF;
	if (args[5] % GUEST_PAGE)
		return -EINVAL;
	if (args[5] > INT64_MAX - page_up(args[1]))
		return -EOVERFLOW;
	/* /dev/zero: documented in mmap(2) of old as anonymous memory. */
	if (file->kind == FILE_DEVICE && minor(file->rdev) == 5)
		return 0;
	if (!file->ops->contents)
		return S_ISREG(file->type) ? -EACCES : -ENODEV;
	if (!file_is_readable(file))
		return -EACCES;
	if ((flags & MAP_TYPE) != MAP_PRIVATE && (args[2] & PROT_WRITE) && !file_is_writable(file))
		return -EACCES;
	*out = file;
	return 0;
}

/* Where the mapping goes. 0 or a negative errno. */
static int64_t choose_place(struct program *program, const uint64_t *args, uint64_t size, uint64_t *out)
{
	int flags = (int)args[3];
	if (!(flags & (MAP_FIXED | MAP_FIXED_NOREPLACE))) {
		*out = space_choose(program->space, args[0], size);
		return *out ? 0 : -ENOMEM;
	}
	if (args[0] % GUEST_PAGE)
		return -EINVAL;
	if (!space_is_user(args[0], size))
		return -ENOMEM;
	if (args[0] < SPACE_START)
		return -EPERM;
	if ((flags & MAP_FIXED_NOREPLACE) && !space_is_free(program->space, args[0], args[0] + size))
		return -EEXIST;
	*out = args[0];
	return 0;
}

/* What the processes that map it have together. A file that nobody can change is as good as a private one. */
static int share(struct program *program, struct area *area)
{
	struct guest_memory *memory = program->space->memory;
	if (!area->file) {
		area->shared = shared_memory_new(memory, (area->end - area->start) / GUEST_PAGE);
		return area->shared ? 0 : -ENOMEM;
	}
	area->is_read_only = !file_is_writable(area->file);
	if (mapped_can_share(area->file))
		return mapped_get(memory, area->file, &area->shared);
	return area->is_read_only ? 0 : -ENODEV;
}

int64_t call_mmap(struct program *program, const uint64_t args[6])
{
	int type = (int)args[3] & MAP_TYPE;
	if (args[1] == 0 || (type != MAP_PRIVATE && type != MAP_SHARED && type != MAP_SHARED_VALIDATE))
		return -EINVAL;
	if (args[1] > SPACE_END)
		return -ENOMEM;
	struct file *file;
	int64_t r = mapped_file(program, args, &file);
	if (r < 0)
		return r;
	uint64_t size = page_up(args[1]), start;
	r = choose_place(program, args, size, &start);
	if (r < 0)
		return r;
	struct area area = {
		.start = start,
		.end = start + size,
		.protection = (unsigned)args[2] & (PROT_READ | PROT_WRITE | PROT_EXEC),
		.file = file,
		.file_offset = file ? args[5] : 0,
	};
	if (type != MAP_PRIVATE)
		r = share(program, &area);
	if (r == 0)
		r = space_map(program->space, &area);
	shared_memory_unref(area.shared);
	return r < 0 ? r : (int64_t)start;
}

int64_t call_munmap(struct program *program, const uint64_t args[6])
{
	if (args[0] % GUEST_PAGE || args[1] == 0 || !space_is_user(args[0], args[1]))
		return -EINVAL;
	return space_unmap(program->space, args[0], args[0] + page_up(args[1]));
}

int64_t call_mprotect(struct program *program, const uint64_t args[6])
{
	if (args[0] % GUEST_PAGE || (args[2] & ~(uint64_t)(PROT_READ | PROT_WRITE | PROT_EXEC)))
		return -EINVAL;
	if (args[1] == 0)
		return 0;
	if (!space_is_user(args[0], args[1]))
		return -ENOMEM;
	return space_protect(program->space, args[0], args[0] + page_up(args[1]), (unsigned)args[2]);
}

/* The area that holds all of a range; NULL where there is none. */
static struct area *whole_area(struct program *program, uint64_t start, uint64_t size)
{
	struct area *area = space_find(program->space, start);
	return area && size <= area->end - start ? area : NULL;
}

/* Makes the mapping of [old, old + old_size) one of `size` bytes at `place`. */
static int64_t move_mapping(struct program *program, uint64_t old, uint64_t old_size, uint64_t place, uint64_t size)
{
	struct area *area = whole_area(program, old, old_size);
	struct area moved = *area;
	uint64_t skip = old - area->start;
	moved.start = place;
	moved.end = place + size;
	moved.grows_down = false;
	moved.file_offset += skip;
	moved.file_size -= skip < moved.file_size ? skip : moved.file_size;
	/* The new mapping holds a reference of its own before the old one goes. */
	int r = space_map(program->space, &moved);
	if (r == 0)
		r = space_move_pages(program->space, old, place, old_size < size ? old_size : size);
	if (r == 0)
		r = space_unmap(program->space, old, old + old_size);
	return r < 0 ? r : (int64_t)place;
}

static int64_t grow_in_place(struct program *program, const struct area *area, uint64_t old, uint64_t size)
{
	struct area more = *area;
	more.start = area->end;
	more.end = old + size;
	more.file_offset += area->end - area->start;
	more.file_size -= area->end - area->start < more.file_size ? area->end - area->start : more.file_size;
	more.grows_down = false;
	int r = space_map(program->space, &more);
	return r < 0 ? r : (int64_t)old;
}

int64_t call_mremap(struct program *program, const uint64_t args[6])
{
	uint64_t old = args[0], old_size = page_up(args[1]), size = page_up(args[2]), flags = args[3], place = args[4];
	if (old % GUEST_PAGE || (flags & ~3ull) || size == 0 || ((flags & MREMAP_FIXED) && !(flags & MREMAP_MAYMOVE)))
		return -EINVAL;
	if (old_size == 0 || args[1] > SPACE_END || args[2] > SPACE_END)
		return -EINVAL;
	struct area *area = space_is_user(old, old_size) ? whole_area(program, old, old_size) : NULL;
	if (!area)
		return -EFAULT;
	if (flags & MREMAP_FIXED) {
		if (place % GUEST_PAGE || place < SPACE_START || !space_is_user(place, size) ||
		    (place < old + old_size && old < place + size))
			return -EINVAL;
		return move_mapping(program, old, old_size, place, size);
	}
	if (size <= old_size) {
		int r = size < old_size ? space_unmap(program->space, old + size, old + old_size) : 0;
		return r < 0 ? r : (int64_t)old;
	}
	if (area->end == old + old_size && space_is_user(old, size) &&
	    space_is_free(program->space, area->end, old + size))
		return grow_in_place(program, area, old, size);
	place = flags & MREMAP_MAYMOVE ? space_choose(program->space, 0, size) : 0;
	return place ? move_mapping(program, old, old_size, place, size) : -ENOMEM;
}

int64_t call_madvise(struct program *program, const uint64_t args[6])
{
	uint64_t end = args[0] + page_up(args[1]);
	if (args[0] % GUEST_PAGE || !space_is_user(args[0], args[1]))
		return -EINVAL;
	switch ((int)args[2]) {
	case MADV_DONTNEED:
		if (args[1])
			space_discard(program->space, args[0], end);
		return 0;
	case MADV_WIPEONFORK:
	case MADV_KEEPONFORK:
		return args[1] ? space_wipe_on_fork(program->space, args[0], end, (int)args[2] == MADV_WIPEONFORK) : 0;
	case MADV_REMOVE:
	case MADV_DONTFORK:
	case MADV_DOFORK:
		return -EINVAL;
	default:
		/* The rest is advice indeed. */
		return 0;
	}
}

/* What has a page: of a file only what was touched in a mapping. */
int64_t call_mincore(struct program *program, const uint64_t args[6])
{
	struct address_space *space = program->space;
	if (args[0] % GUEST_PAGE)
		return -EINVAL;
	if (!space_is_user(args[0], args[1]))
		return -ENOMEM;
	uint64_t end = args[0] + page_up(args[1]), out = args[2];
	for (uint64_t at = args[0]; at < end; at += GUEST_PAGE, out++) {
		if (!space_find(space, at))
			return -ENOMEM;
		const uint64_t *entry = paging_entry(&space->tables, at, false);
		const uint8_t there = entry && paging_is_allocated(*entry);
		if (space_write(space, out, &there, 1) < 0)
			return -EFAULT;
		if (kick_must_end(program->kick))
			return -EAGAIN;
	}
	return 0;
}

int64_t call_msync(struct program *program, const uint64_t args[6])
{
	struct address_space *space = program->space;
	uint64_t at = args[0], end = at + page_up(args[1]);
	int flags = (int)args[2], r = 0;
	if (at % GUEST_PAGE || (flags & ~(MS_ASYNC | MS_SYNC | MS_INVALIDATE)) || (flags & MS_ASYNC && flags & MS_SYNC))
		return -EINVAL;
	if (!space_is_user(at, args[1]))
		return -ENOMEM;
	while (at < end) {
		const struct area *area = space_find(space, at);
		if (!area)
			return -ENOMEM;
		if (area->shared && area->shared->file && r == 0)
			r = mapped_write_back(area->shared);
		at = area->end;
	}
	return r;
}

int64_t call_mlock(struct program *program, const uint64_t args[6])
{
	return 0;
}
