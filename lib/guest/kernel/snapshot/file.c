/* SPDX-License-Identifier: MIT */
/*
 * Snapshots of computers in files, of the same form as those of programs (guest/snapshot/saved.h). The pages are all of
 * the memory, with holes for what was not written to, so that they are mapped as they are.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/file_limit.h"
#include "core/transfer.h"
#include "guest/guest.h"
#include "guest/kernel/boot.h"
#include "guest/kernel/snapshot/computer.h"
#include "guest/memory/memory.h"
#include "guest/snapshot/saved.h"

enum { COPY_SIZE = 1 << 20 };

/* The data between two places of a file, in pieces. 0 or an errno. */
static int copy_data(int to, uint64_t to_offset, const struct frozen_ram *ram, uint64_t at, uint64_t end)
{
	_cleanup_free_ uint8_t *piece = malloc(COPY_SIZE);
	if (!piece)
		return ENOMEM;
	for (; at < end; at += COPY_SIZE) {
		size_t size = end - at < COPY_SIZE ? end - at : COPY_SIZE;
		if (read_whole_at(ram->fd, piece, size, (off_t)(ram->offset + at)) != (ssize_t)size)
			return EIO;
		int r = write_whole_at(to, piece, size, (off_t)(to_offset + at));
		if (r < 0)
			return -r;
	}
	return 0;
}

/* Holes stay holes; a file system that knows of none has data everywhere (lseek(2)). */
static int write_run(int to, uint64_t to_offset, const struct frozen_ram *ram, const struct frozen_run *run)
{
	int r = 0;
	for (uint64_t at = run->begin; at < run->end && r == 0;) {
		off_t data = lseek(ram->fd, (off_t)(ram->offset + at), SEEK_DATA);
		if (data < 0)
			return errno == ENXIO ? 0 : errno;
		off_t hole = lseek(ram->fd, data, SEEK_HOLE);
		if (hole < 0)
			return errno;
		uint64_t begin = (uint64_t)data - ram->offset, end = (uint64_t)hole - ram->offset;
		end = end < run->end ? end : run->end;
		if (begin < end)
			r = copy_data(to, to_offset, ram, begin, end);
		at = end > begin ? end : begin;
	}
	return r;
}

static int write_memory(int fd, uint64_t offset, const void *data)
{
	const struct frozen_ram *ram = data;
	int r = 0;
	for (unsigned i = 0; i < ram->run_count && r == 0; i++)
		r = write_run(fd, offset, ram, &ram->runs[i]);
	return r;
}

static void put_state(struct saved_writer *writer, const struct computer_snapshot *computer)
{
	struct state_writer packed = {0};
	if (computer_pack(computer, &packed) < 0)
		writer->error = -ENOMEM;
	saved_put(writer, packed.data, packed.size);
	state_release(&packed);
}

int computer_save(const viso_snapshot *snapshot, const char *path)
{
	const struct computer_snapshot *computer = computer_of(snapshot);
	const struct saved_body body = {write_memory, &computer->ram};
	const struct processor *processor;
	struct saved_writer writer = {0};
	int r = saved_find_processor(&processor);
	if (r < 0)
		return r;
	saved_put_processor(&writer, processor);
	put_state(&writer, computer);
	r = writer.error < 0
		    ? error_memory()
		    : saved_write_file(path, SAVED_COMPUTER, &writer.bytes, computer->ram.size / GUEST_PAGE, &body);
	free(writer.numbers.entries);
	free(writer.bytes.data);
	return r;
}

static int check_shape(const struct computer_shape *shape, const viso_guest *guest)
{
	const struct kernel_guest *kernel = guest->kernel;
	const uint32_t is_contained = guest->placement == VISO_PLACEMENT_CONTAINED;
	if (shape->has_agent > 1 || shape->is_contained > 1 || shape->devices > MACHINE_DEVICES_MAX)
		return state_damaged("settings");
	if (shape->is_contained != is_contained)
		return error_fail(VISO_STAGE_ARGUMENT, EINVAL, "placement",
				  "the computer of the snapshot was %s; place the guest in the same way by "
				  "viso_guest_set_placement()",
				  is_contained ? "none in a container" : "in a container");
	if (shape->platform == (uint32_t)kernel->platform && shape->memory_size == kernel_memory(guest) &&
	    shape->processors == (kernel->processors ? kernel->processors : 1))
		return 0;
	return error_fail(
		VISO_STAGE_ARGUMENT, EINVAL, "guest",
		"the guest of the snapshot had %llu bytes of memory and %u processors; make one with the same",
		(unsigned long long)shape->memory_size, shape->processors);
}

static int get_state(struct saved_reader *reader, const struct saved_head *head, const viso_guest *guest,
		     struct computer_snapshot *out)
{
	const struct processor *processor;
	int r = saved_find_processor(&processor);
	if (r == 0)
		r = saved_get_processor(reader, processor);
	struct state_reader in = {.data = reader->data + reader->at, .left = reader->size - reader->at};
	if (r == 0)
		r = computer_unpack(out, &in);
	if (r == 0)
		r = check_shape(&out->shape, guest);
	if (r == 0 && out->shape.memory_size != head->pages * GUEST_PAGE)
		r = state_damaged("size");
	return r;
}

/* The process of a contained computer gets a file of its own: nobody changes it, nor shortens it. */
static int keep_apart(struct frozen_ram *ram)
{
	struct frozen_ram own;
	struct file_limit_guard guard;
	int r = frozen_ram_begin(&own, ram->size);
	if (r < 0)
		return r;
	file_limit_begin(&guard);
	r = write_memory(own.fd, 0, ram);
	file_limit_end(&guard);
	r = r ? error_fail(VISO_STAGE_MEMORY, r, "memory", "the host cannot give a snapshot its memory: %s",
			   strerrordesc_np(r))
	      : frozen_ram_seal(&own);
	if (r < 0) {
		frozen_ram_release(&own, false);
		return r;
	}
	close_fd(ram->fd);
	ram->fd = own.fd;
	ram->offset = 0;
	return 0;
}

static int check_guest(viso_guest *guest, const char *function)
{
	if (tools_computer_runs(guest->kernel) || guest->kernel->origin)
		return error_fail(VISO_STAGE_ARGUMENT, EBUSY, function,
				  "%s: the guest has a computer that runs, or is a clone; take one that has not run "
				  "anything",
				  function);
	return sandbox_freeze(&guest->sandbox, function);
}

int computer_load(const char *path, viso_guest *guest, viso_snapshot **out_snapshot)
{
	_cleanup_free_ uint8_t *state = NULL;
	struct saved_head head;
	int r = check_guest(guest, "viso_snapshot_load");
	if (r < 0)
		return r;
	_cleanup_close_ int fd = saved_open_file(path, SAVED_COMPUTER, &head, &state);
	if (fd < 0)
		return fd;
	struct computer_snapshot *computer = computer_new();
	if (!computer)
		return -ENOMEM;
	struct saved_reader reader = {.data = state, .size = head.state_size};
	r = get_state(&reader, &head, guest, computer);
	if (r == 0)
		r = tools_find_disk(guest);
	computer->ram.fd = TAKE_FD(fd);
	computer->ram.offset = saved_pages_offset(&head);
	if (r == 0 && computer->shape.is_contained)
		r = keep_apart(&computer->ram);
	if (r < 0) {
		computer->frozen.release(&computer->frozen, false);
		return r;
	}
	*out_snapshot = computer_wrap(computer, guest);
	return *out_snapshot ? 0 : -ENOMEM;
}
