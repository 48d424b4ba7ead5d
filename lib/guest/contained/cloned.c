/* SPDX-License-Identifier: MIT */
#include "guest/contained/cloned.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "core/file_limit.h"
#include "core/memfd.h"
#include "core/transfer.h"
#include "guest/contact/stay.h"
#include "guest/contained/container.h"
#include "guest/contained/origin.h"
#include "guest/contained/resident_inside.h"
#include "guest/contained/start.h"
#include "guest/guest.h"
#include "guest/snapshot/snapshot.h"
#include "sandbox/reply.h"

struct contained_frozen {
	struct contained_origin *origin;
	int fd; /* what the process has told: sealed */
};

/* What a snapshot has beside the guest's memory and files: lists of all that it is made of. */
static const uint64_t size_beside = 64u << 20;

/* To save a guest takes time, on a busy machine too: at least so many bytes in a millisecond. */
static const uint64_t bytes_in_ms = 8192;

int contained_refuse_to_save(const char *function)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, function,
			  "%s: the snapshot of a contained guest cannot be saved to a file; initialise the guest anew",
			  function);
}

void contained_frozen_free(struct contained_frozen *frozen)
{
	close_fd(frozen->fd);
	origin_unref(frozen->origin);
	free(frozen);
}

int64_t contained_frozen_size(const struct contained_frozen *frozen)
{
	struct stat st;
	return fstat(frozen->fd, &st) < 0 ? 0 : (int64_t)st.st_blocks * 512;
}

bool contained_receive_piece(struct contained_receiving *receiving, const void *data, size_t size, uint64_t offset)
{
	if (receiving->fd < 0 || size == 0 || offset < receiving->size || offset > receiving->max ||
	    size > receiving->max - offset)
		return false;
	receiving->size = offset + size;
	if (receiving->error)
		return true;
	struct file_limit_guard guard;
	file_limit_begin(&guard);
	receiving->error = -write_whole_at(receiving->fd, data, size, (off_t)offset);
	file_limit_end(&guard);
	return true;
}

/* Each file in memory is once in the guest's memory or in what is written, and once in lists. */
static uint64_t size_max(const viso_guest *guest)
{
	uint64_t size = contained_add(contained_memory(guest), guest_memory_max(guest));
	return contained_add(size, size_beside);
}

static int fail_file(int error)
{
	switch (error) {
	case ENOMEM:
	case ENOSPC:
		return error_memory();
	case EFBIG:
		return error_fail(VISO_STAGE_GUEST, EFBIG, "snapshot",
				  "RLIMIT_FSIZE of the host program is less than the guest's memory");
	default:
		return error_fail(VISO_STAGE_GUEST, error, "memfd_create", NULL);
	}
}

/* Zeros at its end were left out. Then nobody changes it any more. */
static int finish_file(const struct contained_receiving *receiving, uint64_t size)
{
	struct file_limit_guard guard;
	if (receiving->error)
		return fail_file(receiving->error);
	file_limit_begin(&guard);
	int r = ftruncate(receiving->fd, (off_t)size) < 0 ? -errno : 0;
	file_limit_end(&guard);
	if (r == 0)
		r = memfd_seal(receiving->fd);
	return r < 0 ? fail_file(-r) : 0;
}

/* Asks the process for something while which the guest does not run. Whether it has done that, or why it could not. */
static bool ask(struct resident *resident, struct contained_call call, uint64_t patience_ms,
		struct contained_return *out_returned)
{
	struct service *service = &resident->service;
	call.serial = ++resident->serial;
	call.signals = link_signals(service->link);
	service->until = resident_until(patience_ms);
	service->is_still = true;
	bool is_done = resident_send(service, &call, NULL, NULL) && resident_is_done(resident, &call, out_returned);
	service->is_still = false;
	return is_done;
}

/* The process saves its guest. 0; a negative errno with the error set, and the guest goes on; or 1: it has ended. */
static int receive(struct resident *resident, struct contained_receiving *receiving)
{
	struct service *service = &resident->service;
	const struct contained_call call = {.kind = CALL_FREEZE, .out_max = receiving->max};
	struct contained_return returned;
	service->receiving = *receiving;
	bool is_done = ask(resident, call, REPLY_PATIENCE_MS + receiving->max / bytes_in_ms, &returned);
	*receiving = service->receiving;
	service->receiving.fd = -1;
	if (!is_done)
		return 1;
	if (returned.error)
		return contained_set_error(&returned);
	if (returned.value >= receiving->size)
		return finish_file(receiving, returned.value);
	service_is_lied_to(service);
	return 1;
}

/* As above. */
static int receive_file(struct viso_guest *guest, struct resident *resident, int *out_fd)
{
	_cleanup_close_ int fd = fd_above_streams(memfd_create("viso-snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	struct contained_receiving receiving = {.fd = fd, .max = size_max(guest)};
	if (fd < 0)
		return fail_file(errno);
	int r = receive(resident, &receiving);
	if (r == 0)
		*out_fd = TAKE_FD(fd);
	return r;
}

/* Takes the fd over. */
static int make_snapshot(struct viso_guest *guest, struct contained_origin *origin, int fd,
			 viso_snapshot **out_snapshot)
{
	viso_snapshot *snapshot = calloc(1, sizeof(*snapshot));
	struct contained_frozen *frozen = calloc(1, sizeof(*frozen));
	if (!snapshot || !frozen) {
		free(snapshot);
		free(frozen);
		close_fd(fd);
		return error_memory();
	}
	*frozen = (struct contained_frozen){origin_ref(origin), fd};
	handle_init(&snapshot->handle);
	pthread_mutex_init(&snapshot->lock, NULL);
	snapshot->contained = frozen;
	snapshot->settings = guest_new_like(guest);
	int r = snapshot->settings ? origin_make_owner(origin, guest) : -viso_error_number();
	if (r < 0)
		viso_snapshot_unref(snapshot);
	else
		*out_snapshot = snapshot;
	return r;
}

/* For this guest a process that goes on from the snapshot. 0 or a negative errno with the error set. */
static int make_clone(viso_snapshot *snapshot, struct viso_guest *guest, struct resident **out_resident)
{
	const struct contained_frozen *frozen = snapshot->contained;
	const struct contained_plan plan = {
		.owner = frozen->origin->owner,
		.command = frozen->origin->streams,
		.settings_fd = frozen->origin->settings_fd,
		.snapshot_fd = frozen->fd,
		.root_fd = frozen->origin->root_fd,
		.stays = true,
	};
	struct resident *resident = resident_new(guest, frozen->origin);
	if (!resident)
		return -ENOMEM;
	resident->snapshot = viso_snapshot_ref(snapshot);
	int r = resident_start(resident, &plan);
	if (r == 0)
		r = resident_take_report(resident);
	if (r == 0) {
		*out_resident = resident;
		return 0;
	}
	resident_free(resident);
	/* It was cancelled meanwhile. */
	return r > 0 ? error_fail(VISO_STAGE_GUEST, ECANCELED, "snapshot", NULL) : r;
}

/* The guest goes on as a clone, too. */
static int freeze(struct viso_guest *guest, struct resident *resident, const char *function,
		  viso_snapshot **out_snapshot)
{
	int fd = -1;
	viso_snapshot *snapshot = NULL;
	struct resident *clone;
	int r = receive_file(guest, resident, &fd);
	if (r)
		return r > 0 ? resident_fail_ended(guest, resident, function) : r;
	r = make_snapshot(guest, resident->origin, fd, &snapshot);
	if (r < 0)
		return r;
	r = make_clone(snapshot, guest, &clone);
	if (r == 0 && !guest_finish(guest)) {
		resident_free(clone);
		r = -ECANCELED;
	}
	if (r < 0) {
		viso_snapshot_unref(snapshot);
		return guest_is_cancelled(guest) ? resident_fail_ended(guest, resident, function) : r;
	}
	resident_free(resident_put(guest, clone));
	*out_snapshot = snapshot;
	return 0;
}

int resident_freeze(viso_guest *guest, const char *function, viso_snapshot **out_snapshot)
{
	int r = guest_take_resident(guest, function);
	if (r < 0)
		return r;
	r = freeze(guest, guest->resident, function, out_snapshot);
	guest_give_back(guest);
	return r;
}

/* In its process, where that does what it is asked. */
static bool bring_back(struct resident *resident)
{
	const struct contained_call call = {.kind = CALL_RESET};
	struct contained_return returned;
	return ask(resident, call, REPLY_PATIENCE_MS, &returned) && !returned.error;
}

/* In a process of its own. Where that cannot be, the guest has ended. */
static int begin_anew(struct viso_guest *guest, struct resident *resident)
{
	struct resident *clone;
	int r = make_clone(resident->snapshot, guest, &clone);
	if (r == 0)
		resident_free(resident_put(guest, clone));
	else
		resident_end(resident);
	return r;
}

static int reset(struct viso_guest *guest, struct resident *resident, const char *function)
{
	if (!resident->snapshot)
		return error_argument(function, "the guest is no clone; make a snapshot of it first");
	guest_forget_result(guest);
	if (!resident_has_ended(resident) && bring_back(resident))
		return 0;
	return begin_anew(guest, resident);
}

int resident_reset(viso_guest *guest, const char *function)
{
	struct instance *none;
	int r = guest_take(guest, false, true, function, &none);
	if (r < 0)
		return r;
	r = reset(guest, guest->resident, function);
	guest_give_back(guest);
	return r;
}

int resident_clone(viso_snapshot *snapshot, viso_guest **out_guest)
{
	viso_guest *guest = guest_new_like(snapshot->settings);
	if (!guest)
		return -ENOMEM;
	int r = make_clone(snapshot, guest, &guest->resident);
	if (r < 0) {
		viso_guest_unref(guest);
		return r;
	}
	guest->is_new_clone = true;
	*out_guest = guest;
	return 0;
}
