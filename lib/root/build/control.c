/* SPDX-License-Identifier: MIT */
#include "root/build/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "core/beneath.h"
#include "core/cleanup.h"
#include "core/error.h"
#include "core/remove_tree.h"
#include "core/transfer.h"
#include "root/build/builder.h"
#include "root/build/copy.h"
#include "root/failure.h"

enum { LOCK_TRIES = 100, WAIT_NANOSECONDS = 10000000 };

static const char record_name[] = "manifest", intention_name[] = "manifest.new", lock_name[] = "lock";

static int open_directory(int root)
{
	return open_beneath(root, CONTROL_NAME, O_RDONLY | O_DIRECTORY, true);
}

/* Waits so that cancelling ends it: somebody in a jail who can open the file may hold the lock for ever. */
static int wait_for_lock(const struct control *control, int fd, const atomic_bool *cancelled)
{
	const struct timespec interval = {.tv_nsec = WAIT_NANOSECONDS};
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return fail_path(errno, "lock", control->root);
		if (cancelled && atomic_load(cancelled))
			return error_fail(VISO_STAGE_ROOT, ECANCELED, control->root,
					  "cancelled while waiting for another process that builds in %s",
					  control->root);
		nanosleep(&interval, NULL);
	}
	return 0;
}

/* Whether the locked file is still the one that others will lock. */
static bool is_current(const struct control *control, int root, int lock)
{
	struct stat ours, theirs;
	return fstat(lock, &ours) == 0 && fstatat(control->fd, lock_name, &theirs, AT_SYMLINK_NOFOLLOW) == 0 &&
	       ours.st_ino == theirs.st_ino && fstat(control->fd, &ours) == 0 &&
	       fstatat(root, CONTROL_NAME, &theirs, AT_SYMLINK_NOFOLLOW) == 0 && ours.st_ino == theirs.st_ino;
}

static int open_lock(const struct control *control)
{
	int fd = open_beneath(control->fd, lock_name, O_RDWR | O_CREAT | O_NONBLOCK | O_NOCTTY, true);
	struct stat st;
	int r = fd < 0 || fstat(fd, &st) == 0 ? fd : -errno;
	if (r >= 0 && !S_ISREG(st.st_mode))
		r = -EBADMSG;
	if (r < 0) {
		close_fd(fd);
		return r;
	}
	/* A umask that takes the owner's rights away: the next one could not open it. */
	if (!st.st_size && (st.st_mode & 0600) != 0600)
		fchmod(fd, 0600);
	return fd;
}

void control_drop(const struct control *control, int root)
{
	unlinkat(control->fd, lock_name, 0);
	unlinkat(root, CONTROL_NAME, AT_REMOVEDIR);
}

/* 1 locked, 0 it went away meanwhile, or a negative errno with the error set. */
static int try_open(struct control *control, int root, bool make, const atomic_bool *cancelled)
{
	control->fd = open_directory(root);
	bool made = control->fd == -ENOENT && make;
	if (made) {
		control->fd = build_directory(root, CONTROL_NAME, 0700);
		if (control->fd == -EEXIST)
			return 0;
	}
	if (control->fd < 0) {
		int error = -control->fd;
		control->fd = -1;
		if (error == ENOENT)
			return error_fail(VISO_STAGE_ROOT, ENOENT, control->root,
					  "%s has no record: it was not built by this library under a name",
					  control->root);
		if (error == ELOOP || error == ENOTDIR || error == EXDEV)
			error = EBADMSG;
		return fail_path(error, "open " CONTROL_NAME " in", control->root);
	}
	control->lock = open_lock(control);
	if (control->lock < 0) {
		int error = -control->lock;
		if (made)
			control_drop(control, root);
		control->lock = -1;
		return error == ENOENT ? 0 : fail_path(error, "lock", control->root);
	}
	int r = wait_for_lock(control, control->lock, cancelled);
	/* A file system without locks. Where it was cancelled, somebody else works there. */
	if (r < 0 && r != -ECANCELED && made)
		control_drop(control, root);
	return r < 0 ? r : is_current(control, root, control->lock);
}

int control_open(struct control *control, int root, const char *path, bool make, const atomic_bool *cancelled)
{
	int r = 0;
	*control = (struct control){.fd = -1, .lock = -1, .root = path};
	for (int i = 0; r == 0 && i < LOCK_TRIES; i++) {
		r = try_open(control, root, make, cancelled);
		if (r != 1)
			control_close(control);
	}
	if (r == 0)
		return error_fail(VISO_STAGE_ROOT, ENOENT, path, "%s goes away again and again", path);
	return r < 0 ? r : 0;
}

void control_close(struct control *control)
{
	/* A child of a fork by another thread may have the fd for a moment yet. */
	if (control->lock >= 0)
		flock(control->lock, LOCK_UN);
	control->lock = close_fd(control->lock);
	control->fd = close_fd(control->fd);
}

int control_exists(int root)
{
	_cleanup_close_ int fd = open_beneath(root, CONTROL_NAME, O_PATH | O_DIRECTORY, true);
	return fd >= 0 ? 1 : fd == -ENOENT ? 0 : fd;
}

bool control_is_used(const struct control *control)
{
	struct stat st;
	return fstatat(control->fd, record_name, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
	       fstatat(control->fd, intention_name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int read_list(int directory, const char *root, const char *name, viso_manifest **out)
{
	char shown[512];
	snprintf(shown, sizeof(shown), "%s/" CONTROL_NAME "/%s", root, name);
	_cleanup_close_ int fd = open_beneath(directory, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, true);
	if (fd == -ENOENT)
		return error_fail(VISO_STAGE_ROOT, ENOENT, root, "%s has no record: it was not built completely", root);
	if (fd == -ELOOP || fd == -ENXIO)
		return error_fail(VISO_STAGE_ROOT, EBADMSG, shown, "%s is no manifest of this library", shown);
	if (fd < 0)
		return fail_path(-fd, "open", shown);
	*out = record_read(fd, shown);
	return *out ? 0 : -viso_error_number();
}

int control_read(const struct control *control, viso_manifest **out)
{
	return read_list(control->fd, control->root, record_name, out);
}

int control_read_intention(const struct control *control, viso_manifest **out)
{
	return read_list(control->fd, control->root, intention_name, out);
}

int control_read_record(int root, const char *path, viso_manifest **out)
{
	_cleanup_close_ int fd = open_directory(root);
	if (fd == -ENOENT)
		return error_fail(VISO_STAGE_ROOT, ENOENT, path,
				  "%s has no record: it was not built by this library under a name", path);
	if (fd == -ELOOP || fd == -ENOTDIR || fd == -EXDEV)
		return error_fail(VISO_STAGE_ROOT, EBADMSG, path, CONTROL_NAME " in %s is not the library's", path);
	if (fd < 0)
		return fail_path(-fd, "open " CONTROL_NAME " in", path);
	return read_list(fd, path, record_name, out);
}

/* A file of its own under the temporary name, in the directory. 0 or a negative errno. */
static int write_new(int directory, const char *text, size_t size)
{
	if (unlinkat(directory, CONTROL_NEW, 0) < 0 && errno != ENOENT)
		return -errno;
	_cleanup_close_ int fd =
		openat(directory, CONTROL_NEW, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int r = write_whole(fd, text, size);
	if (r == 0 && fchmod(fd, 0600) < 0)
		r = -errno;
	/* Else the name may be on the disk and the contents not: an empty record, which says that nothing is ours. */
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r;
}

int control_intend(const struct control *control, const viso_manifest *record)
{
	size_t size;
	_cleanup_free_ char *text = record_print(record, true, &size);
	if (!text)
		return -viso_error_number();
	int r = write_new(control->fd, text, size);
	if (r == 0 && renameat(control->fd, CONTROL_NEW, control->fd, intention_name) < 0)
		r = -errno;
	/* Before anything of it is made: after a power failure, what is there must be known to be ours. */
	if (r == 0 && fsync(control->fd) < 0)
		r = -errno;
	return r < 0 ? fail_path(-r, "write the record of", control->root) : 0;
}

int control_commit(const struct control *control, const viso_manifest *record, struct store *store)
{
	size_t size;
	_cleanup_free_ char *text = record_print(record, true, &size);
	if (!text)
		return -viso_error_number();
	int r = store ? store_place_text(store, text, size, control->fd, CONTROL_NEW) : 0;
	if (r == 0)
		r = write_new(control->fd, text, size);
	if (r >= 0 && renameat(control->fd, CONTROL_NEW, control->fd, record_name) < 0)
		r = -errno;
	/* Where both were the same inode, rename(2) did nothing. */
	if (r >= 0)
		unlinkat(control->fd, CONTROL_NEW, 0);
	if (r >= 0 && unlinkat(control->fd, intention_name, 0) < 0 && errno != ENOENT)
		r = -errno;
	return r < 0 ? fail_path(-r, "write the record of", control->root) : 0;
}

int control_remove(struct control *control, int root)
{
	int r = remove_contents(control->fd);
	if (r == 0 && unlinkat(root, CONTROL_NAME, AT_REMOVEDIR) < 0)
		r = -errno;
	return r;
}
