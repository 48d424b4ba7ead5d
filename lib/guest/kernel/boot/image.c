/* SPDX-License-Identifier: MIT */
#include "guest/kernel/boot/image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"

int image_fail(const struct image *image, const char *what)
{
	return error_fail(VISO_STAGE_GUEST, ENOEXEC, image->path, "%s cannot be booted: %s", image->path, what);
}

int image_fail_space(const struct image *image, const char *what)
{
	return error_fail(VISO_STAGE_GUEST, ENOSPC, image->path, "%s: %s; see viso_guest_set_memory_max()", image->path,
			  what);
}

static int measure(struct image *image)
{
	struct stat st;
	if (image->fd < 0 || fstat(image->fd, &st) < 0)
		return error_fail(VISO_STAGE_GUEST, errno, image->path, NULL);
	if (S_ISDIR(st.st_mode))
		return error_fail(VISO_STAGE_GUEST, EISDIR, image->path, NULL);
	if (!S_ISREG(st.st_mode))
		return image_fail(image, "it is no regular file");
	image->size = (uint64_t)st.st_size;
	return 0;
}

int image_open(struct image *image, const char *path)
{
	/* A FIFO would hold the caller. */
	*image = (struct image){.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), .path = path};
	return measure(image);
}

int image_take(struct image *image, int fd, const char *name)
{
	*image = (struct image){.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3), .path = name};
	return measure(image);
}

void image_close(struct image *image)
{
	image->fd = close_fd(image->fd);
}

int image_read(const struct image *image, uint64_t offset, void *data, uint64_t size)
{
	uint8_t *to = data;
	if (offset > image->size || size > image->size - offset)
		return image_fail(image, "it is damaged, and refers to what lies beyond its end");
	while (size > 0) {
		ssize_t n = pread(image->fd, to, size, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_fail(VISO_STAGE_GUEST, errno, image->path, NULL);
		if (n == 0)
			return image_fail(image, "it was cut while it was read");
		to += n;
		offset += (uint64_t)n;
		size -= (uint64_t)n;
	}
	return 0;
}

int image_load(const struct image *image, uint64_t offset, const struct ram *ram, uint64_t address, uint64_t size)
{
	void *to = ram_at(ram, address, size);
	return to ? image_read(image, offset, to, size)
		  : image_fail_space(image, "it does not fit into the guest's memory");
}
