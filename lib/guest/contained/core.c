/* SPDX-License-Identifier: MIT */
/* Core files of contained guests: the process says what is in them, and the host writes that alone. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/file_limit.h"
#include "guest/contained/container.h"
#include "guest/contained/service.h"
#include "guest/guest.h"

/* Beside the guest's memory: headers, one for each of at most 65000 areas, and notes. */
static const uint64_t size_beside = 16u << 20;

int contained_core_open(struct contained_core *core, const viso_guest *guest)
{
	const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	if (!guest->core_path || core->was_opened)
		return -EPERM;
	core->was_opened = true;
	_cleanup_close_ int fd = open(guest->core_path, flags, 0600);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	core->left = contained_add(guest_memory_max(guest), size_beside);
	core->fd = TAKE_FD(fd);
	return 0;
}

/* Where the process likes to write may be beyond RLIMIT_FSIZE, whose signal would end the host program. */
static void write_piece(struct contained_core *core, const void *data, size_t size, uint64_t offset)
{
	struct file_limit_guard guard;
	file_limit_begin(&guard);
	for (size_t done = 0; done < size && !core->has_failed;) {
		ssize_t n = pwrite(core->fd, (const uint8_t *)data + done, size - done, (off_t)(offset + done));
		core->has_failed = n < 0 && errno != EINTR;
		done += n > 0 ? (size_t)n : 0;
	}
	file_limit_end(&guard);
}

static bool set_size(int fd, uint64_t size)
{
	struct file_limit_guard guard;
	file_limit_begin(&guard);
	bool is_set = size <= INT64_MAX && ftruncate(fd, (off_t)size) == 0;
	file_limit_end(&guard);
	return is_set;
}

bool contained_core_write(struct contained_core *core, const void *data, size_t size, uint64_t offset)
{
	if (core->fd < 0 || size > core->left || offset > INT64_MAX - size)
		return false;
	core->left -= size;
	write_piece(core, data, size, offset);
	return true;
}

int contained_core_end(struct contained_core *core, const viso_guest *guest, uint64_t size, bool failed)
{
	if (core->fd < 0)
		return -EPERM;
	failed = failed || core->has_failed || !set_size(core->fd, size);
	core->fd = close_fd(core->fd);
	if (failed)
		unlink(guest->core_path);
	return failed ? -EIO : 0;
}
