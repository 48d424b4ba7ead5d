/* SPDX-License-Identifier: MIT */
/* Writing a snapshot's file: without a name until all of it is there, so that nothing is left of one that fails. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/transfer.h"
#include "guest/memory/memory.h"
#include "guest/snapshot/saved.h"

/* What viso_snapshot_save() documents. */
static int fail(const char *path, int error)
{
	static const int documented[] = {ENOENT, ENOTDIR, EISDIR, EACCES, ENOSPC, EROFS,       EDQUOT,
					 EFBIG,  EIO,     ENOMEM, EMFILE, ELOOP,  ENAMETOOLONG};
	if (error == EPERM)
		error = EACCES;
	if (error == ENFILE)
		error = EMFILE;
	for (size_t i = 0; i < sizeof(documented) / sizeof(documented[0]); i++)
		if (documented[i] == error)
			return error_fail(VISO_STAGE_GUEST, error, path, "the snapshot cannot be written to %s: %s",
					  path, strerrordesc_np(error));
	return error_fail(VISO_STAGE_GUEST, EIO, path, "the snapshot cannot be written to %s: %s", path,
			  strerrordesc_np(error));
}

/* Where a file lies, and what it is called until it has its own name. */
struct place {
	int directory;
	const char *name;
	char other[32];
};

static bool is_zero(const uint8_t *page)
{
	return !page[0] && !memcmp(page, page + 1, GUEST_PAGE - 1);
}

/* Pages that are all zeros stay holes. */
int saved_put_pages(const struct saved_sink *sink, uint64_t offset, const struct saved_pages *pages)
{
	int r = 0;
	for (size_t i = 0, run; i < pages->count && r == 0; i += run) {
		const uint8_t *first = pages->data[i];
		for (run = 0; i + run < pages->count && pages->data[i + run] == first + run * GUEST_PAGE &&
			      !is_zero(pages->data[i + run]);
		     run++)
			;
		if (run)
			r = sink->put(sink, first, run * GUEST_PAGE, offset + i * GUEST_PAGE);
		else
			run = 1;
	}
	return r;
}

static int put_to_file(const struct saved_sink *sink, const void *data, size_t size, uint64_t offset)
{
	return -write_whole_at(sink->fd, data, size, (off_t)offset);
}

int saved_write_pages(int fd, uint64_t offset, const void *data)
{
	const struct saved_sink file = {put_to_file, fd};
	return saved_put_pages(&file, offset, data);
}

static int write_contents(int fd, const struct saved_head *head, const struct memory_buffer *state,
			  const struct saved_body *body)
{
	uint64_t offset = saved_pages_offset(head), end = offset + head->pages * GUEST_PAGE;
	struct rlimit limit;
	/* A signal would come of it. */
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && end > limit.rlim_cur)
		return EFBIG;
	if (fchmod(fd, 0600) < 0 || ftruncate(fd, (off_t)end) < 0)
		return errno;
	int r = -write_whole_at(fd, head, sizeof(*head), 0);
	if (r == 0)
		r = -write_whole_at(fd, state->data, state->size, sizeof(*head));
	if (r == 0)
		r = body->write(fd, offset, body->data);
	/* A name that leads to less than all of it after a crash of the machine would be worse than none. */
	return r == 0 && fsync(fd) < 0 ? errno : r;
}

static void choose_name(struct place *place)
{
	uint64_t random = 0;
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uint64_t)(uintptr_t)place ^ (uint64_t)getpid() << 32;
	snprintf(place->other, sizeof(place->other), ".viso-%016llx", (unsigned long long)random);
}

/* Not all file systems have files without names. */
static int open_file(struct place *place, bool *out_named)
{
	int fd = openat(place->directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	*out_named = false;
	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
		return fd;
	fd = openat(place->directory, place->other, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	*out_named = fd >= 0;
	return fd;
}

/* link(2) replaces nothing, so that for a moment the file has the other name. */
static int give_name(const struct place *place, int fd, bool is_named)
{
	char self[32];
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (!is_named && linkat(AT_FDCWD, self, place->directory, place->name, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	if (!is_named && errno != EEXIST)
		return errno;
	if (!is_named && linkat(AT_FDCWD, self, place->directory, place->other, AT_SYMLINK_FOLLOW) < 0)
		return errno;
	if (renameat(place->directory, place->other, place->directory, place->name) == 0)
		return 0;
	int error = errno;
	unlinkat(place->directory, place->other, 0);
	return error;
}

static int open_directory(const char *path, struct place *out)
{
	char parent[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) : 0;
	if (strlen(path) >= PATH_MAX)
		return ENAMETOOLONG;
	out->name = slash ? slash + 1 : path;
	if (!*out->name)
		return *path ? EISDIR : ENOENT;
	memcpy(parent, path, length);
	parent[length] = '\0';
	out->directory = open(slash ? (length ? parent : "/") : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return out->directory < 0 ? errno : 0;
}

int saved_write(const char *path, const struct saved_head *head, const struct memory_buffer *state,
		const struct saved_body *body)
{
	struct place place;
	bool is_named = false;
	int r = open_directory(path, &place);
	if (r > 0)
		return fail(path, r);
	_cleanup_close_ int directory = place.directory;
	choose_name(&place);
	_cleanup_close_ int fd = open_file(&place, &is_named);
	if (fd < 0)
		return fail(path, errno);
	r = write_contents(fd, head, state, body);
	if (r == 0)
		r = give_name(&place, fd, is_named);
	else if (is_named)
		unlinkat(directory, place.other, 0);
	return r > 0 ? fail(path, r) : 0;
}
