/* SPDX-License-Identifier: MIT */
#include "root/build/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/transfer.h"
#include "root/build/builder.h"
#include "root/build/store_index.h"
#include "root/failure.h"

enum { KEY_TEXT = 160, DIRECTORY_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

struct store {
	int fd;
	int lock;
	struct store_index index;
};

static const char lock_name[] = "viso-store";

/* Whether nobody else may write to it. */
static bool is_safe(const struct stat *st)
{
	return (st->st_uid == geteuid() || st->st_uid == 0) && !(st->st_mode & 022);
}

/* Whether the directory has anything in it. */
static bool is_empty(int fd)
{
	int copy = openat(fd, ".", DIRECTORY_FLAGS);
	_cleanup_closedir_ DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	for (const struct dirent *entry; dir && (entry = readdir(dir));)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			return false;
	return dir;
}

/* The directory, which becomes a store where it is empty. A fd or a negative errno with the error set. */
static int open_directory(const char *path, bool make, int *out_lock)
{
	struct stat st;
	int made = make ? build_directory(AT_FDCWD, path, 0700) : -EEXIST;
	if (made < 0 && made != -EEXIST)
		return fail_path(-made, "make the store", path);
	_cleanup_close_ int fd = made >= 0 ? made : open(path, DIRECTORY_FLAGS);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail_path(errno, "open the store", path);
	if (!is_safe(&st))
		return error_fail(VISO_STAGE_ROOT, EACCES, path,
				  "others may write to the store %s; name a directory that only you can write to",
				  path);
	/* In this order: another process may make it a store at this moment. */
	int flags = make && is_empty(fd) ? O_CREAT : 0;
	int lock = openat(fd, lock_name, O_RDWR | flags | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (lock < 0 && errno == ENOENT)
		return error_fail(VISO_STAGE_ROOT, EINVAL, path,
				  "%s is no store; name an empty directory, or one that is not there", path);
	if (lock < 0)
		return fail_path(errno, "open the store", path);
	/* A umask that takes the owner's rights away: the next one could not open it. */
	if (flags & O_CREAT)
		fchmod(lock, 0600);
	*out_lock = lock;
	return TAKE_FD(fd);
}

int store_check(const char *path)
{
	_cleanup_close_ int lock = -1;
	_cleanup_close_ int fd = open_directory(path, true, &lock);
	return fd < 0 ? fd : 0;
}

static int lock_file(int fd, int how)
{
	while (flock(fd, how) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

int store_open(const char *path, int root, struct store **out)
{
	struct stat ours, theirs;
	struct store *store = calloc(1, sizeof(*store));
	if (!store)
		return error_memory();
	store->lock = -1;
	store->index.fd = -1;
	store->fd = open_directory(path, true, &store->lock);
	int r = store->fd < 0 ? store->fd : 0;
	if (r == 0 && (fstat(store->fd, &ours) < 0 || fstat(root, &theirs) < 0))
		r = fail_path(errno, "examine", path);
	if (r == 0 && ours.st_dev != theirs.st_dev)
		r = error_fail(VISO_STAGE_ROOT, EXDEV, path, "the store %s is on another file system than the root",
			       path);
	if (r == 0 && (r = lock_file(store->lock, LOCK_SH)) < 0)
		r = fail_path(-r, "lock the store", path);
	if (r == 0 && (r = store_index_open(&store->index, store->fd)) < 0)
		r = fail_path(-r, "read the index of the store", path);
	if (r < 0)
		store_close(store);
	else
		*out = store;
	return r;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	store_index_close(&store->index);
	if (store->lock >= 0)
		flock(store->lock, LOCK_UN);
	close_fd(store->lock);
	close_fd(store->fd);
	free(store);
}

bool store_takes(unsigned mode, uid_t uid)
{
	return !(mode & 022) && (uid == geteuid() || uid == 0);
}

bool store_find_sum(struct store *store, const struct stat *source, char sum[SUM_TEXT])
{
	return store_index_find(&store->index, source, sum);
}

void store_note_sum(struct store *store, const struct stat *source, const char *sum)
{
	store_index_note(&store->index, source, sum);
}

/* "ab/cdef…-644-1700000000.0-0-0"; two levels, since directories with 100,000 entries are slow. */
static void print_key(const struct store_key *key, char out[KEY_TEXT])
{
	snprintf(out, KEY_TEXT, "%.2s/%s-%o-%" PRId64 ".%ld-%u-%u", key->sum, key->sum + 2, key->mode,
		 (int64_t)key->time.tv_sec, key->time.tv_nsec, (unsigned)key->uid, (unsigned)key->gid);
}

/* Whether it is what its name says, by all that can be seen without reading it. 1, 0 or a negative errno. */
static int check_object(const struct store *store, const char *name, const struct store_key *key, off_t size)
{
	struct stat st;
	if (fstatat(store->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	return S_ISREG(st.st_mode) && is_safe(&st) && st.st_size == size && (st.st_mode & 07777) == key->mode &&
	       st.st_mtim.tv_sec == key->time.tv_sec && st.st_mtim.tv_nsec == key->time.tv_nsec &&
	       st.st_uid == key->uid && st.st_gid == key->gid;
}

/* 1 done, 0 not possible, or a negative errno. */
static int clone_object(struct store *store, struct copier *copier, const char *object, const struct store_key *key,
			int directory, const char *name)
{
	struct stat st;
	if (copier->method == VISO_COPY_HARDLINK)
		return 0;
	_cleanup_close_ int source = openat(store->fd, object, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (source < 0 || fstat(source, &st) < 0)
		return -errno;
	if (copier->has_clone_failed && copier->clone_device == st.st_dev)
		return 0;
	_cleanup_close_ int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	const struct timespec times[] = {{.tv_nsec = UTIME_OMIT}, key->time};
	int r = copy_clone(copier, source, fd, &st);
	if (r == 1 && (key->uid != st.st_uid || key->gid != st.st_gid) && fchown(fd, key->uid, key->gid) < 0)
		r = -errno;
	if (r == 1 && (fchmod(fd, key->mode) < 0 || futimens(fd, times) < 0))
		r = -errno;
	if (r != 1)
		unlinkat(directory, name, 0);
	return r;
}

int store_place(struct store *store, struct copier *copier, const struct store_key *key, off_t size, int directory,
		const char *name)
{
	char object[KEY_TEXT];
	print_key(key, object);
	int r = check_object(store, object, key, size);
	if (r != 1)
		return r;
	r = clone_object(store, copier, object, key, directory, name);
	if (r != 0)
		return r < 0 ? r : 2;
	if (copier->method == VISO_COPY_REFLINK)
		return -EOPNOTSUPP;
	if (!linkat(store->fd, object, directory, name, 0))
		return 1;
	/* It has as many links as the file system counts: another copy takes its name. */
	if (errno == EMLINK || errno == ENOENT)
		return 0;
	return -errno;
}

static void make_name(char name[24])
{
	uint64_t random = 0;
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uint64_t)getpid();
	snprintf(name, 24, "new-%016" PRIx64, random);
}

int store_begin(struct store *store, char name[24])
{
	make_name(name);
	int fd = openat(store->fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

/* Gives what was begun the name of an object, in place of one that is there. 0 or a negative errno. */
static int give_name(struct store *store, const char *name, const char *object)
{
	char directory[3] = {object[0], object[1], '\0'};
	if (!renameat(store->fd, name, store->fd, object))
		return 0;
	if (errno != ENOENT)
		return -errno;
	int made = build_directory(store->fd, directory, 0700);
	if (made < 0 && made != -EEXIST)
		return made;
	close_fd(made);
	return renameat(store->fd, name, store->fd, object) < 0 ? -errno : 0;
}

int store_insert(struct store *store, const char *name, const struct store_key *key, off_t size)
{
	struct stat st;
	char object[KEY_TEXT];
	print_key(key, object);
	/* One that is damaged, or has too many links, is replaced. Another builder may have been faster. */
	if (check_object(store, object, key, size) == 1 && fstatat(store->fd, object, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_nlink < 30000) {
		store_drop(store, name);
		return 0;
	}
	return give_name(store, name, object);
}

void store_drop(struct store *store, const char *name)
{
	unlinkat(store->fd, name, 0);
}

static bool is_link_object(const struct store *store, const char *object, const char *text, uid_t uid, gid_t gid)
{
	struct stat st;
	char found[PATH_MAX];
	if (fstatat(store->fd, object, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISLNK(st.st_mode) || st.st_uid != uid ||
	    st.st_gid != gid)
		return false;
	ssize_t length = readlinkat(store->fd, object, found, sizeof(found));
	return length >= 0 && (size_t)length == strlen(text) && !memcmp(found, text, (size_t)length);
}

/* In place of one that is damaged, or has too many links. 0 or a negative errno. */
static int insert_link(struct store *store, const char *object, const char *text, uid_t uid, gid_t gid)
{
	char name[24];
	make_name(name);
	if (symlinkat(text, store->fd, name) < 0)
		return -errno;
	int r = fchownat(store->fd, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
	if (r == 0)
		r = give_name(store, name, object);
	if (r < 0)
		store_drop(store, name);
	return r;
}

int store_place_link(struct store *store, const char *text, uid_t uid, gid_t gid, int directory, const char *name)
{
	char sum[SUM_TEXT], object[KEY_TEXT];
	sum_data(text, strlen(text), sum);
	snprintf(object, sizeof(object), "%.2s/%s-link-%u-%u", sum, sum + 2, (unsigned)uid, (unsigned)gid);
	/* linkat(2) without AT_SYMLINK_FOLLOW links the symbolic link itself. */
	if (is_link_object(store, object, text, uid, gid) && !linkat(store->fd, object, directory, name, 0))
		return 1;
	return insert_link(store, object, text, uid, gid) == 0 && !linkat(store->fd, object, directory, name, 0);
}

int store_place_text(struct store *store, const char *text, size_t size, int directory, const char *name)
{
	struct store_key key = {.mode = 0600, .uid = geteuid(), .gid = getegid()};
	char object[KEY_TEXT], temporary[24];
	sum_data(text, size, key.sum);
	print_key(&key, object);
	unlinkat(directory, name, 0);
	if (check_object(store, object, &key, (off_t)size) != 1) {
		const struct timespec times[2] = {{0}, {0}};
		_cleanup_close_ int fd = store_begin(store, temporary);
		if (fd < 0)
			return 0;
		if (write_whole(fd, text, size) < 0 || fchmod(fd, 0600) < 0 || futimens(fd, times) < 0 ||
		    fsync(fd) < 0 || store_insert(store, temporary, &key, (off_t)size) < 0) {
			store_drop(store, temporary);
			return 0;
		}
	}
	return linkat(store->fd, object, directory, name, 0) == 0;
}

/* 1 where nothing uses the object, and it is gone. */
static int prune_object(int directory, const char *name)
{
	struct stat st;
	if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_nlink > 1 ||
	    (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode)))
		return 0;
	return unlinkat(directory, name, 0) < 0 ? -errno : 1;
}

/* One of the directories with objects, or the store itself with what was begun and not finished. */
static int prune_directory(int fd, bool is_top)
{
	int count = 0;
	_cleanup_closedir_ DIR *dir = fdopendir(fd);
	if (!dir) {
		close_fd(fd);
		return -ENOMEM;
	}
	for (;;) {
		errno = 0;
		const struct dirent *entry = readdir(dir);
		if (!entry)
			return errno ? -errno : count;
		if (entry->d_name[0] == '.' || (is_top && strncmp(entry->d_name, "new-", 4) != 0))
			continue;
		int r = prune_object(dirfd(dir), entry->d_name);
		if (r < 0)
			return r;
		count += r;
	}
}

static int prune(int fd)
{
	int copy = openat(fd, ".", DIRECTORY_FLAGS);
	int count = copy < 0 ? -errno : prune_directory(copy, true);
	for (int i = 0; count >= 0 && i < 256; i++) {
		char name[3];
		snprintf(name, sizeof(name), "%02x", (unsigned)i);
		int directory = openat(fd, name, DIRECTORY_FLAGS);
		if (directory < 0 && errno == ENOENT)
			continue;
		int r = directory < 0 ? -errno : prune_directory(directory, false);
		unlinkat(fd, name, AT_REMOVEDIR);
		count = r < 0 ? r : count + r;
	}
	/* It names what is gone; the next root makes it anew. */
	if (count > 0)
		store_index_remove(fd);
	return count;
}

int viso_root_prune_store(const char *path)
{
	static const int errors[] = {EIO, EINVAL, ENOENT, ENOTDIR, EACCES, ENOMEM, 0};
	if (!path || path[0] != '/')
		return error_argument(__func__, "the store is not an absolute path");
	_cleanup_close_ int lock = -1;
	_cleanup_close_ int fd = open_directory(path, false, &lock);
	if (fd < 0)
		return only_documented(fd, errors);
	int r = lock_file(lock, LOCK_EX);
	if (r == 0)
		r = prune(fd);
	flock(lock, LOCK_UN);
	return r < 0 ? only_documented(fail_path(-r, "prune the store", path), errors) : r;
}
