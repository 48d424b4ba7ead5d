/* SPDX-License-Identifier: MIT */
#include "guest/contained/cloned_program.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "guest/contained/cloned.h"
#include "guest/contained/forward.h"
#include "guest/contained/message.h"
#include "guest/guest.h"
#include "guest/instance.h"
#include "guest/snapshot/saved.h"
#include "guest/snapshot/snapshot.h"

/* Of these there are none here. */
void contained_frozen_free(struct contained_frozen *frozen)
{
}

/* There is but one guest, which lasts. */
viso_guest *guest_new_like(viso_guest *guest)
{
	return guest;
}

/*
 * The snapshot never leaves the library that has made it, so that it needs no checksum; and files that it has open are
 * the same ones in its clones, so that they are not compared.
 */
void saved_sum(const struct saved_part *parts, size_t count, uint8_t out[SAVED_SUM])
{
	memset(out, 0, SAVED_SUM);
}

int saved_sum_file(int fd, uint64_t size, uint8_t out[SAVED_SUM])
{
	return -EOPNOTSUPP;
}

static int tell_pieces(const struct saved_sink *sink, const void *data, size_t size, uint64_t offset)
{
	forward_tell_pieces((struct contained_event){.kind = EVENT_SNAPSHOT}, data, size, offset);
	return 0;
}

/* The host takes these alone for a failure with which the guest goes on (answer.c). */
static int64_t known(int64_t r)
{
	switch (-r) {
	case EINVAL:
	case EOPNOTSUPP:
	case ENOMEM:
	case EMFILE:
		return r;
	default:
		return r < 0 ? -EIO : r;
	}
}

int64_t cloned_tell(struct instance *instance)
{
	static const struct saved_sink sink = {.put = tell_pieces};
	viso_snapshot *snapshot;
	int64_t r = snapshot_take(instance, "viso_guest_snapshot", &snapshot);
	if (r < 0)
		return known(r);
	r = saved_hand_over(snapshot, &sink);
	viso_snapshot_unref(snapshot);
	return known(r);
}

int cloned_load(struct viso_guest *guest, int root_fd, struct instance **out_instance)
{
	viso_snapshot *snapshot;
	int r = saved_take_over(CONTAINED_SNAPSHOT, guest, root_fd, &snapshot);
	close(CONTAINED_SNAPSHOT);
	if (r < 0)
		return r;
	r = snapshot_instantiate(snapshot, guest, out_instance);
	viso_snapshot_unref(snapshot);
	if (r == 0)
		guest_replace(guest, *out_instance);
	return r;
}
