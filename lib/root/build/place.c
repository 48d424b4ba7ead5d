/* SPDX-License-Identifier: MIT */
#include "root/build/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/log.h"
#include "core/remove_tree.h"
#include "launch/launcher.h"
#include "root/build/builder.h"
#include "root/build/control.h"
#include "root/failure.h"

enum { NAME_TRIES = 100, DIRECTORY_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

/* ${TMPDIR:-/tmp}/viso-root-XXXXXX, without links, which nobody follows who opens it; NULL without memory. */
static char *make_name(void)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
	const char *base = secure_getenv("TMPDIR");
	unsigned char random[6];
	char name[sizeof(random) + 1] = {0};
	char *path = NULL;
	if (!base || base[0] != '/')
		base = "/tmp";
	_cleanup_free_ char *real = realpath(base, NULL);
	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		memset(random, 0, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		name[i] = letters[random[i] % (sizeof(letters) - 1)];
	return asprintf(&path, "%s/viso-root-%s", real ? real : base, name) < 0 ? NULL : path;
}

/* Remembers which directory it is. */
static int identify(struct place *place)
{
	struct stat st;
	if (fstat(place->fd, &st) < 0)
		return fail_path(errno, "examine", place->path);
	place->device = st.st_dev;
	place->inode = st.st_ino;
	place->mode = st.st_mode & 07777;
	return 0;
}

/* Makes the outer directory, under a name that is free. A fd of it, or a negative errno with the error set. */
static int make_outer(struct place *place)
{
	for (int i = 0; i < NAME_TRIES; i++) {
		place->own = make_name();
		if (!place->own)
			return error_memory();
		int r = launcher_guard_tree(place->own);
		if (r >= 0) {
			r = build_directory(AT_FDCWD, place->own, 0700);
			if (r >= 0)
				return r;
			launcher_unguard_tree(place->own);
			if (r != -EEXIST)
				fail_path(-r, "make the directory", place->own);
		}
		free(TAKE_PTR(place->own));
		if (r != -EEXIST)
			return r;
	}
	return error_fail(VISO_STAGE_ROOT, EEXIST, "viso-root",
			  "no free name for a directory was found; clean up TMPDIR");
}

int place_make_own(struct place *place)
{
	*place = (struct place){.fd = -1};
	/* Two directories, since the root itself must be open to others, and nobody but us may rename it. */
	_cleanup_close_ int outer = make_outer(place);
	if (outer < 0)
		return outer;
	int r = asprintf(&place->path, "%s/root", place->own) < 0 ? error_memory() : 0;
	if (r < 0) {
		place->path = NULL;
	} else {
		place->fd = build_directory(outer, "root", 0755);
		r = place->fd < 0 ? fail_path(-place->fd, "make the directory", place->path) : identify(place);
	}
	if (r < 0)
		place_undo(place);
	return r;
}

/* Whether a directory has no entries but the library's own. 1, 0 or a negative errno. */
static int is_empty(int fd)
{
	_cleanup_closedir_ DIR *dir = NULL;
	int copy = openat(fd, ".", DIRECTORY_FLAGS);
	if (copy < 0 || !(dir = fdopendir(copy))) {
		int error = errno;
		close_fd(copy);
		return -error;
	}
	for (;;) {
		errno = 0;
		const struct dirent *entry = readdir(dir);
		if (!entry)
			return errno ? -errno : 1;
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    strcmp(entry->d_name, CONTROL_NAME) != 0)
			return 0;
	}
}

/* Whether a root can be built in an open directory. */
static int check_empty(int fd, const char *path)
{
	int r = is_empty(fd);
	if (r < 0)
		return fail_path(-r, "read the directory", path);
	if (r == 0)
		return error_fail(VISO_STAGE_ROOT, ENOTEMPTY, path,
				  "the directory %s is not empty; name another one, or empty it", path);
	return 0;
}

/* A directory that is there, which is no link to one. A fd, or a negative errno with the error set. */
static int open_named(const char *path)
{
	struct stat st;
	int fd = open(path, DIRECTORY_FLAGS);
	if (fd >= 0)
		return fd;
	int error = errno;
	if (!lstat(path, &st) && S_ISLNK(st.st_mode))
		return error_fail(VISO_STAGE_ROOT, ENOTDIR, path, "%s is a symbolic link; name what it leads to", path);
	return fail_path(error, "open the directory", path);
}

static int check_parent(const char *path)
{
	_cleanup_free_ char *parent = strdup(path);
	if (!parent)
		return error_memory();
	char *slash = strrchr(parent, '/');
	slash[slash == parent] = '\0';
	_cleanup_close_ int fd = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? fail_path(errno, "use the directory", parent) : 0;
}

int place_check_named(const char *path)
{
	struct stat st;
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? check_parent(path) : fail_path(errno, "use the directory", path);
	_cleanup_close_ int fd = open_named(path);
	if (fd < 0 || control_exists(fd) == 1)
		return fd < 0 ? fd : 0;
	return check_empty(fd, path);
}

int place_check_empty(const struct place *place)
{
	return check_empty(place->fd, place->path);
}

static int take_existing(struct place *place)
{
	place->fd = open_named(place->path);
	if (place->fd < 0)
		return place->fd;
	/* Where somebody builds or has built, what is there is looked at with the lock. */
	int r = control_exists(place->fd) == 1 ? 0 : check_empty(place->fd, place->path);
	if (r >= 0)
		r = identify(place);
	if (r >= 0 && (place->mode & 0700) != 0700 && fchmod(place->fd, 0755) < 0)
		r = fail_path(errno, "set the mode of", place->path);
	return r;
}

int place_make_named(struct place *place, const char *path)
{
	*place = (struct place){.fd = -1};
	place->path = strdup(path);
	if (!place->path)
		return error_memory();
	int r;
	place->fd = build_directory(AT_FDCWD, path, 0755);
	place->existed = place->fd == -EEXIST;
	if (place->existed)
		r = take_existing(place);
	else
		r = place->fd < 0 ? fail_path(-place->fd, "make the directory", path) : identify(place);
	if (r < 0) {
		close_fd(place->fd);
		place_forget(place);
	}
	return r;
}

/* Removes the library's own directory. The launcher goes on guarding what could not be removed. */
static void remove_own(struct place *place)
{
	int r = remove_tree(place->own);
	if (r < 0)
		log_warning("cannot remove %s: %s", place->own, strerrordesc_np(-r));
	else
		launcher_unguard_tree(place->own);
}

void place_empty(struct place *place)
{
	int r = remove_contents(place->fd);
	if (place->existed)
		fchmod(place->fd, place->mode);
	if (r < 0)
		log_warning("cannot remove what was built in %s: %s", place->path, strerrordesc_np(-r));
	place->is_ours = false;
}

void place_undo(struct place *place)
{
	if (place->own)
		remove_own(place);
	else if (!place->existed)
		/* Unless somebody else builds in it meanwhile. */
		rmdir(place->path);
	place->fd = close_fd(place->fd);
	place_forget(place);
}

void place_remove(struct place *place)
{
	if (place->own)
		remove_own(place);
	place_forget(place);
}

void place_forget(struct place *place)
{
	free(place->path);
	free(place->own);
	*place = (struct place){.fd = -1};
}

int place_open(const struct place *place)
{
	struct stat st;
	_cleanup_close_ int fd = open(place->path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail_path(errno, "open the root", place->path);
	if (fstat(fd, &st) < 0)
		return fail_path(errno, "examine", place->path);
	if (st.st_dev != place->device || st.st_ino != place->inode)
		return error_fail(VISO_STAGE_ROOT, ENOENT, place->path,
				  "%s is not the directory any more in which the root was built", place->path);
	return TAKE_FD(fd);
}
