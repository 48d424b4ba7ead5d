/* SPDX-License-Identifier: MIT */
/*
 * An update makes each file under a name in `.viso`, and gives it its own when it is complete: whoever is at work in
 * the tree never finds half of a file. In a fresh tree nobody is, and the list of intentions says that it is not
 * complete: files have their own names at once. After an interruption nothing of it has a record, and so an update
 * compares the contents of all that it finds.
 */
#include "root/build/make_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/transfer.h"
#include "root/build/control.h"
#include "root/build/device.h"
#include "root/failure.h"

enum {
	/* How often a file that changes while it is copied is copied anew. */
	CHANGE_TRIES = 8,
	/* ext4 has the text of a symbolic link in the inode up to this length, and a longer one costs a block. */
	SHORT_LINK = 59,
};

/* A file while it is being made. */
struct making {
	const struct manifest_entry *entry;
	struct record_entry *record; /* or NULL */
	int directory;               /* where it is made */
	const char *name;
	int source; /* open */
	struct stat st;
	unsigned mode;
	uid_t uid;
	gid_t gid;
	char sum[SUM_TEXT];
	unsigned char capability[RECORD_CAPABILITY_MAX];
	size_t capability_size;
};

static const char *source_name(const struct manifest_entry *entry)
{
	return strrchr(entry->source, '/') + 1;
}

static int open_source(struct maker *maker, struct making *making)
{
	const char *path = making->entry->source;
	struct directory_cache *directory = maker_source(maker, making->entry);
	int r = inside_enter(directory, path, (unsigned)(source_name(making->entry) - path));
	int fd = r;
	if (r == 0) {
		/* O_NONBLOCK: what became a FIFO must not stop us. */
		fd = openat(directory->fd, source_name(making->entry),
			    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
	}
	making->source = fd;
	if (fd >= 0 && fstat(fd, &making->st) < 0)
		return fail_path(errno, "examine", path);
	/* It was a regular file without links on the way when it was added. */
	if (fd == -ELOOP || fd == -ENXIO || fd == -ENOTDIR || (fd >= 0 && !S_ISREG(making->st.st_mode)))
		return error_fail(VISO_STAGE_ROOT, ENOENT, path, "%s is gone: there is something else now", path);
	return fd < 0 ? fail_path(-fd, "open", path) : 0;
}

/* The file capabilities of the source, where they are kept or matter otherwise. */
static int read_capability(struct making *making)
{
	ssize_t size = fgetxattr(making->source, "security.capability", making->capability, sizeof(making->capability));
	if (size < 0 && errno != ENODATA && errno != EOPNOTSUPP)
		return -errno;
	making->capability_size = size < 0 ? 0 : (size_t)size;
	return 0;
}

/* In this order: writing and a new owner take privileges away. */
static int set_attributes(const struct maker *maker, const struct making *making, int fd)
{
	const struct manifest_entry *entry = making->entry;
	if (entry->has_owner && fchown(fd, entry->uid, entry->gid) < 0 && !may_keep_owner(errno))
		return -errno;
	if (fchmod(fd, making->mode) < 0)
		return -errno;
	if (maker->settings->keep & VISO_KEEP_CAPABILITIES && making->capability_size &&
	    fsetxattr(fd, "security.capability", making->capability, making->capability_size, 0) < 0)
		return -errno;
	/* The time of change matters: Python compiles a module anew where it is not that in the compiled file. */
	const struct timespec times[] = {{.tv_nsec = UTIME_OMIT}, making->st.st_mtim};
	return futimens(fd, times) < 0 ? -errno : 0;
}

/* Copies the source into an open file, and once more where it changed meanwhile. */
static int copy_source(struct maker *maker, struct making *making, int fd, bool with_sum)
{
	uint64_t done = maker->progress->done;
	int r = -EAGAIN;
	for (int i = 0; r == -EAGAIN && i < CHANGE_TRIES; i++) {
		/* From the beginning, wherever an attempt before, or the store, has left it. */
		if (lseek(making->source, 0, SEEK_SET) < 0 ||
		    (i &&
		     (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0 || fstat(making->source, &making->st) < 0)))
			return fail_path(errno, "copy", making->entry->source);
		maker->progress->done = done;
		r = copy_contents(&maker->copier, making->source, fd, &making->st, with_sum ? making->sum : NULL);
	}
	if (r == -EAGAIN)
		return error_fail(VISO_STAGE_ROOT, EAGAIN, making->entry->source,
				  "%s is written to all the time; stop its writer, or try again",
				  making->entry->source);
	if (r == -ENODATA)
		return error_fail(
			VISO_STAGE_ROOT, EACCES, making->entry->source,
			"%s is no file that can be copied: reading it waits for news; leave it out of the root",
			making->entry->source);
	if (r == -EOPNOTSUPP)
		return error_fail(VISO_STAGE_ROOT, EOPNOTSUPP, making->entry->source,
				  "the file system cannot share blocks with %s; choose another copy method",
				  making->entry->source);
	/* It may have been the hashing that heard of it, which sets no error. */
	if (r == -ECANCELED)
		return progress_fail_cancelled(maker->progress);
	return r < 0 ? fail_path(-r, "copy", making->entry->source) : 0;
}

static int copy_file(struct maker *maker, struct making *making)
{
	_cleanup_close_ int fd =
		openat(making->directory, making->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail_path(errno, "make", making->entry->target);
	int r = copy_source(maker, making, fd, maker->is_kept);
	if (r < 0)
		return r;
	/* Beside what /proc-like files turned out to have. */
	if (making->record && making->st.st_size == 0) {
		struct stat st;
		if (fstat(fd, &st) == 0)
			making->record->size = (uint64_t)st.st_size;
	}
	r = set_attributes(maker, making, fd);
	return r < 0 ? fail_path(-r, "set mode, owner or capabilities of", making->entry->target) : 0;
}

/* A hard link to the host's file. 1 done, 0 it must be copied, or a negative errno with the error set. */
static int link_source(struct maker *maker, struct making *making)
{
	const struct manifest_entry *entry = making->entry;
	struct stat st;
	/* Its inode is the host's: nothing of it can be changed, and what gives privileges cannot be taken away. */
	if ((making->st.st_mode & 07777) != making->mode || making->st.st_size == 0 ||
	    (making->capability_size && !(maker->settings->keep & VISO_KEEP_CAPABILITIES)) ||
	    (entry->has_owner && (making->st.st_uid != entry->uid || making->st.st_gid != entry->gid)))
		return 0;
	if (linkat(maker->source.fd, source_name(entry), making->directory, making->name, 0) < 0) {
		if (errno == EMLINK)
			return 0;
		if (errno == EXDEV)
			return error_fail(VISO_STAGE_ROOT, EXDEV, entry->source,
					  "%s is on another file system than the root; choose another copy method",
					  entry->source);
		return fail_path(errno, "make a hard link to", entry->source);
	}
	/* Somebody may have put another file there meanwhile. */
	if (fstatat(making->directory, making->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != making->st.st_dev ||
	    st.st_ino != making->st.st_ino) {
		unlinkat(making->directory, making->name, 0);
		return 0;
	}
	if (making->record) {
		making->record->is_linked = true;
		int r = sum_any(making->source, &making->st, maker->progress->cancelled, making->sum);
		if (r < 0)
			return fail_path(-r, "read", entry->source);
	}
	int r = progress_add(maker->progress, (uint64_t)making->st.st_size);
	return r < 0 ? r : 1;
}

/*
 * What a base has lies in a directory of our own, and nobody needs it there once it is here: one more name for it costs
 * nothing, and what were hard links in the base are so again. 1 done, 0 it must be copied, or a negative errno with the
 * error set.
 */
static int take_from_scratch(struct maker *maker, struct making *making)
{
	if (linkat(maker->scratch.fd, source_name(making->entry), making->directory, making->name, 0) < 0)
		return 0;
	int r = set_attributes(maker, making, making->source);
	if (r < 0)
		return fail_path(-r, "set mode or owner of", making->entry->target);
	if (maker->is_kept) {
		r = sum_any(making->source, &making->st, maker->progress->cancelled, making->sum);
		if (r < 0)
			return fail_path(-r, "read", making->entry->source);
	}
	r = progress_add(maker->progress, (uint64_t)making->st.st_size);
	return r < 0 ? r : 1;
}

static struct store_key key_of(const struct making *making)
{
	struct store_key key = {
		.mode = making->mode, .time = making->st.st_mtim, .uid = making->uid, .gid = making->gid};
	memcpy(key.sum, making->sum, sizeof(key.sum));
	return key;
}

static int insert_object(struct maker *maker, struct making *making)
{
	char name[24];
	_cleanup_close_ int fd = store_begin(maker->store, name);
	if (fd < 0)
		return fail_path(-fd, "write to the store", maker->settings->store);
	/* Blocks are shared with the store, not with the host. */
	viso_copy_method method = maker->copier.method;
	maker->copier.method = VISO_COPY_AUTO;
	int r = copy_source(maker, making, fd, true);
	maker->copier.method = method;
	if (r == 0) {
		struct store_key key = key_of(making);
		r = set_attributes(maker, making, fd);
		if (r == 0)
			r = store_insert(maker->store, name, &key, making->st.st_size);
		if (r < 0)
			r = fail_path(-r, "write to the store", maker->settings->store);
	}
	if (r < 0)
		store_drop(maker->store, name);
	else
		store_note_sum(maker->store, &making->st, making->sum);
	return r;
}

/* 1 shared, 0 it must be copied, or a negative errno with the error set. */
static int share_file(struct maker *maker, struct making *making)
{
	bool inserted = false;
	if (!store_takes(making->mode, making->uid) || making->st.st_size == 0 || sum_is_sparse(&making->st) ||
	    (maker->settings->keep & VISO_KEEP_CAPABILITIES && making->capability_size))
		return 0;
	for (int i = 0; i < 3; i++) {
		if (!making->sum[0] && !store_find_sum(maker->store, &making->st, making->sum)) {
			int r = insert_object(maker, making);
			if (r < 0)
				return r;
			inserted = true;
		}
		struct store_key key = key_of(making);
		int r = store_place(maker->store, &maker->copier, &key, making->st.st_size, making->directory,
				    making->name);
		if (r > 0 && making->record)
			making->record->is_linked = r == 1;
		if (r > 0 && !inserted)
			r = progress_add(maker->progress, (uint64_t)making->st.st_size) < 0 ? -ECANCELED : 1;
		if (r == -ECANCELED || r > 0)
			return r;
		if (r < 0)
			return fail_path(-r, "share by the store", making->entry->target);
		/* It is damaged, or was never finished: from the source again. */
		r = insert_object(maker, making);
		if (r < 0)
			return r;
		inserted = true;
	}
	return 0;
}

static int make_contents(struct maker *maker, struct making *making)
{
	int r = 0;
	if (maker->settings->keep & VISO_KEEP_CAPABILITIES ||
	    (maker->settings->method == VISO_COPY_HARDLINK && making->st.st_mode & 0111)) {
		r = read_capability(making);
		if (r < 0)
			return fail_path(-r, "read the capabilities of", making->entry->source);
	}
	if (maker->store)
		r = share_file(maker, making);
	else if (making->entry->on_scratch)
		r = take_from_scratch(maker, making);
	else if (maker->settings->method == VISO_COPY_HARDLINK)
		r = link_source(maker, making);
	return r == 0 ? copy_file(maker, making) : r;
}

/* Whether it has its own name at once. */
static bool is_in_place(const struct maker *maker)
{
	return maker->control < 0 || maker->is_fresh;
}

/* Gives it its own name. */
static int finish(const struct maker *maker, const struct making *making)
{
	const char *name = making->entry->target + making->entry->name;
	if (is_in_place(maker) || !renameat(maker->control, CONTROL_NEW, maker->tree.fd, name))
		return 0;
	/* An empty directory, or the mount of a device. */
	if (errno != EISDIR && errno != EBUSY)
		return -errno;
	int r = errno == EISDIR ? unlinkat(maker->tree.fd, name, AT_REMOVEDIR) < 0 ? -errno : 0
				: device_remove(maker->tree.fd, name);
	if (r == 0 && renameat(maker->control, CONTROL_NEW, maker->tree.fd, name) < 0)
		r = -errno;
	return r;
}

/* Where it is made. 0 or a negative errno. */
static int find_place(const struct maker *maker, struct making *making)
{
	bool in_place = is_in_place(maker);
	making->directory = in_place ? maker->tree.fd : maker->control;
	making->name = in_place ? making->entry->target + making->entry->name : CONTROL_NEW;
	if (!in_place && unlinkat(maker->control, CONTROL_NEW, 0) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

static void complete_record(const struct maker *maker, const struct making *making)
{
	struct record_entry *record = making->record;
	const struct stat *st = &making->st;
	if (!record)
		return;
	if (st->st_size)
		record->size = (uint64_t)st->st_size;
	record->mode = making->mode;
	record->source = identity_is_settled(st) ? identity_short(st, true) : 0;
	record->is_sparse = sum_is_sparse(st);
	memcpy(record->sum, making->sum, sizeof(record->sum));
	if (maker->settings->keep & VISO_KEEP_CAPABILITIES) {
		record->capability_size = (unsigned char)making->capability_size;
		memcpy(record->capability, making->capability, making->capability_size);
	}
}

int make_file(struct maker *maker, const struct manifest_entry *entry, struct record_entry *record)
{
	struct making making = {.entry = entry, .record = record, .source = -1};
	int r = open_source(maker, &making);
	_cleanup_close_ int source = making.source;
	if (r < 0)
		return r;
	making.mode = maker_mode(maker->settings, entry, &making.st);
	/* Others than root cannot give it away. */
	bool has_owner = entry->has_owner && maker->uid == 0;
	making.uid = has_owner ? entry->uid : maker->uid;
	making.gid = has_owner ? entry->gid : maker->gid;
	r = find_place(maker, &making);
	if (r < 0)
		return fail_path(-r, "make", entry->target);
	r = make_contents(maker, &making);
	if (r < 0)
		return r;
	complete_record(maker, &making);
	r = finish(maker, &making);
	return r < 0 ? fail_path(-r, "make", entry->target) : 0;
}

int make_data(struct maker *maker, const struct manifest_entry *entry, struct record_entry *record)
{
	struct making making = {.entry = entry};
	int r = find_place(maker, &making);
	if (r < 0)
		return r;
	_cleanup_close_ int fd =
		openat(making.directory, making.name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_whole(fd, entry->data, entry->size);
	if (r == 0 && entry->has_owner && fchown(fd, entry->uid, entry->gid) < 0 && !may_keep_owner(errno))
		r = -errno;
	if (r == 0 && fchmod(fd, entry->mode) < 0)
		r = -errno;
	if (r == 0)
		r = finish(maker, &making);
	if (r == 0 && record && maker->is_kept)
		sum_data(entry->data, entry->size, record->sum);
	return r == 0 ? progress_add(maker->progress, entry->size) : r;
}

/* 1 shared, 0 it must be made. */
static int share_link(struct maker *maker, const struct making *making)
{
	const struct manifest_entry *entry = making->entry;
	if (!maker->store || maker->settings->method == VISO_COPY_REFLINK || strlen(entry->source) <= SHORT_LINK)
		return 0;
	uid_t uid = entry->has_owner ? entry->uid : maker->uid;
	gid_t gid = entry->has_owner ? entry->gid : maker->gid;
	return store_place_link(maker->store, entry->source, uid, gid, making->directory, making->name);
}

int make_link(struct maker *maker, const struct manifest_entry *entry)
{
	struct making making = {.entry = entry};
	int r = find_place(maker, &making);
	if (r == 0 && share_link(maker, &making))
		return finish(maker, &making);
	if (r == 0 && symlinkat(entry->source, making.directory, making.name) < 0)
		r = -errno;
	if (r == 0 && entry->has_owner &&
	    fchownat(making.directory, making.name, entry->uid, entry->gid, AT_SYMLINK_NOFOLLOW) < 0 &&
	    !may_keep_owner(errno))
		r = -errno;
	return r == 0 ? finish(maker, &making) : r;
}
