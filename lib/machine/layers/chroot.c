/* SPDX-License-Identifier: MIT */
/*
 * Whether / is another directory than it was for the first process. It need not be asked for that: a root directory
 * that was mounted is the root of a mount, and one that somebody chose by chroot(2) is mostly a directory in one.
 */
#include <errno.h>
#include <string.h>

#include "core/cleanup.h"
#include "machine/layers/detection.h"
#include "machine/layers/mounts.h"

/* A host with many containers has many mounts, and what somebody mounted to go into is the last one of them. */
enum { FIRST_MOUNTS_MAX = 4 << 20 };

/* The mount of "/", or with `id` where that mount is; 0 lines of text have none. */
static bool find_mount(const char *text, unsigned long id, struct mount_line *out_line)
{
	while (mount_line_next(&text, out_line)) {
		bool is_root = out_line->point_length == 1;
		if (out_line->id && (id ? out_line->id == id : is_root))
			return true;
	}
	return false;
}

/*
 * chroot(2) into the root of a mount: the first process sees the same mount somewhere else. Where it does not see that
 * mount at all, it is in another mount namespace, which is none of our business here.
 */
static void compare_with_first(struct detection *detection, unsigned long id)
{
	static const char path[] = "/proc/1/mountinfo";
	struct mount_line line;
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r = provider_read_all(detection->provider, path, FIRST_MOUNTS_MAX, &text, &size);
	if (r < 0 && !is_absent(r))
		say_unread(detection, VISO_LAYER_CHROOT, true, path, r);
	if (r == 0 && find_mount(text, id, &line)) {
		char point[128] = "";
		memcpy(point, line.point, line.point_length < sizeof(point) ? line.point_length : sizeof(point) - 1);
		if (line.point_length == 1)
			say_against_kind(detection, VISO_LAYER_CHROOT, path, point);
		else
			say_for(detection, PRODUCT_CHROOT, VISO_CONFIDENCE_CERTAIN, path, point);
	}
}

void detect_chroot(struct detection *detection)
{
	struct mount_line line;
	bool found = detection->mounts && find_mount(detection->mounts, 0, &line);
	int r = provider_mount_root(detection->provider);
	if (r < 0 && r != -EOPNOTSUPP)
		say_unread(detection, VISO_LAYER_CHROOT, !found, "statx /", r);
	if (r == 0)
		say_for(detection, PRODUCT_CHROOT, VISO_CONFIDENCE_CERTAIN, "statx /", "not the root of a mount");
	else if (detection->mounts && !found && strlen(detection->mounts) == MOUNTS_TEXT_MAX - 1)
		say_unread(detection, VISO_LAYER_CHROOT, r < 0, "/proc/self/mountinfo", -EFBIG);
	else if (detection->mounts && detection->mounts[0] && !found)
		say_for(detection, PRODUCT_CHROOT, VISO_CONFIDENCE_LIKELY, "/proc/self/mountinfo", "nothing at /");
	else if (found)
		compare_with_first(detection, line.id);
}
