/* SPDX-License-Identifier: MIT */
#include "image/output.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"

enum { NAME_TRIES = 100 };

static int fail(int error, const char *action, const char *path)
{
	return error_fail(VISO_STAGE_IMAGE, error, path, "cannot %s %s: %s", action, path, strerrordesc_np(error));
}

static void make_name(struct output *output)
{
	uint64_t random;
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		random = (uint64_t)getpid();
	snprintf(output->temporary, sizeof(output->temporary), ".viso-%016" PRIx64, random);
}

static int open_directory(struct output *output)
{
	char parent[PATH_MAX];
	size_t length = (size_t)(output->name - output->path);
	if (length >= sizeof(parent))
		return fail(ENAMETOOLONG, "write", output->path);
	memcpy(parent, output->path, length);
	parent[length] = '\0';
	output->directory = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return output->directory < 0 ? fail(errno, "open the directory", parent) : 0;
}

/* What is there is a file, or nothing: a device would be lost. */
static int check_place(const struct output *output)
{
	struct stat st;
	if (fstatat(output->directory, output->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fail(errno, "examine", output->path);
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return error_fail(VISO_STAGE_IMAGE, EINVAL, output->path,
				  "%s is no file that an image could take the place of", output->path);
	return 0;
}

static int open_named(struct output *output)
{
	for (int i = 0; i < NAME_TRIES; i++) {
		make_name(output);
		int fd = openat(output->directory, output->temporary,
				O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
		if (fd >= 0 || errno != EEXIST)
			return fd;
	}
	return -1;
}

int output_open(struct output *output, const char *path)
{
	*output = (struct output){.directory = -1, .fd = -1, .path = path, .name = strrchr(path, '/') + 1};
	if (!output->name[0] || !strcmp(output->name, ".") || !strcmp(output->name, ".."))
		return error_fail(VISO_STAGE_IMAGE, EINVAL, path, "%s is no name of a file", path);
	int r = open_directory(output);
	if (r >= 0)
		r = check_place(output);
	if (r < 0)
		return r;
	/* Without a name it goes away with us, even by SIGKILL. Not every file system can. */
	int fd = openat(output->directory, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0666);
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT || errno == EINVAL))
		fd = open_named(output);
	output->fd = fd_above_streams(fd);
	if (output->fd < 0) {
		int error = errno;
		if (fd < 0)
			output->temporary[0] = '\0';
		return fail(error, "make", path);
	}
	return 0;
}

/* The first name of a file that has none. */
static int give_name(struct output *output)
{
	char self[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
	snprintf(self, sizeof(self), "/proc/self/fd/%d", output->fd);
	for (int i = 0; i < NAME_TRIES; i++) {
		make_name(output);
		if (!linkat(AT_FDCWD, self, output->directory, output->temporary, AT_SYMLINK_FOLLOW))
			return 0;
		if (errno != EEXIST)
			break;
	}
	int error = errno;
	output->temporary[0] = '\0';
	return fail(error, "make", output->path);
}

int output_finish(struct output *output)
{
	if (!output->temporary[0]) {
		int r = give_name(output);
		if (r < 0)
			return r;
	}
	if (renameat(output->directory, output->temporary, output->directory, output->name) < 0)
		return fail(errno, "make", output->path);
	output->temporary[0] = '\0';
	return 0;
}

void output_clear(struct output *output)
{
	if (output->temporary[0]) {
		int saved = errno;
		unlinkat(output->directory, output->temporary, 0);
		errno = saved;
	}
	close_fd(output->fd);
	close_fd(output->directory);
}
