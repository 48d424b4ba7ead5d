/* SPDX-License-Identifier: MIT */
/*
 * Everything is made relative to the fd of its directory, which was opened beneath the root without following links.
 * Modes are set after creation, since a umask that belongs to the host program is in the way before.
 */
#include "root/build/maker.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/beneath.h"
#include "core/cleanup.h"
#include "core/error.h"
#include "root/build/builder.h"
#include "root/build/control.h"
#include "root/build/device.h"
#include "root/build/make_file.h"
#include "root/failure.h"
#include "root/source.h"

void maker_begin(struct maker *maker, const struct manifest *manifest, const struct settings *settings, int root)
{
	*maker = (struct maker){.settings = settings, .control = -1, .uid = geteuid(), .gid = getegid()};
	maker->copier.method = settings->method;
	maker->tree = (struct directory_cache){.base = root, .one_mount = true, .fd = -1};
	maker->source = (struct directory_cache){.base = manifest->source ? manifest->source->fd : -1, .fd = -1};
	maker->scratch = (struct directory_cache){.base = -1, .fd = -1};
}

void maker_end(struct maker *maker)
{
	inside_clear(&maker->tree);
	inside_clear(&maker->source);
	inside_clear(&maker->scratch);
	copier_clear(&maker->copier);
	store_close(maker->store);
	maker->store = NULL;
}

bool maker_is_restricted(unsigned mode)
{
	return (mode & 0700) != 0700;
}

unsigned maker_mode(const struct settings *settings, const struct manifest_entry *entry, const struct stat *source)
{
	unsigned mode = entry->has_mode ? entry->mode : source->st_mode;
	return mode & (settings->keep & VISO_KEEP_SETUID ? 06777 : 0777);
}

struct directory_cache *maker_source(struct maker *maker, const struct manifest_entry *entry)
{
	return entry->on_scratch ? &maker->scratch : &maker->source;
}

int maker_stat_source(struct maker *maker, const struct manifest_entry *entry, struct stat *st)
{
	const char *slash = strrchr(entry->source, '/');
	int r = inside_stat(maker_source(maker, entry), entry->source, (unsigned)(slash - entry->source) + 1, st);
	/* It was a regular file without links on the way when it was added. */
	if (r == -ELOOP || r == -ENOTDIR || (r == 0 && !S_ISREG(st->st_mode)))
		return error_fail(VISO_STAGE_ROOT, ENOENT, entry->source, "%s is gone: there is something else now",
				  entry->source);
	return r < 0 ? fail_path(-r, "find", entry->source) : 0;
}

/* fchmodat(2) that follows no link; glibc and musl do that through /proc. */
static int set_mode_at(int parent, const char *name, unsigned mode)
{
	return fchmodat(parent, name, mode, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

bool may_keep_owner(int error)
{
	return error == EPERM || error == EINVAL;
}

static int set_owner_at(int parent, const char *name, const struct manifest_entry *entry)
{
	if (!entry->has_owner || !fchownat(parent, name, entry->uid, entry->gid, AT_SYMLINK_NOFOLLOW) ||
	    may_keep_owner(errno))
		return 0;
	return -errno;
}

int build_directory(int parent, const char *name, unsigned mode)
{
	enum { FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };
	if (mkdirat(parent, name, 0700) < 0)
		return -errno;
	int fd = openat(parent, name, FLAGS);
	/* A umask that takes the owner's rights away. */
	if (fd < 0 && errno == EACCES && set_mode_at(parent, name, 0700) == 0)
		fd = openat(parent, name, FLAGS);
	if (fd >= 0 && !fchmod(fd, mode))
		return fd;
	int error = errno;
	close_fd(fd);
	unlinkat(parent, name, AT_REMOVEDIR);
	return -error;
}

/* One that is there gets mode and owner. */
static int make_directory(struct maker *maker, const struct manifest_entry *entry, const char *name)
{
	unsigned mode = maker_is_restricted(entry->mode) ? 0700 : entry->mode;
	maker->restricted += maker_is_restricted(entry->mode);
	int fd = *name ? build_directory(maker->tree.fd, name, mode) : -EEXIST;
	if (fd == -EEXIST) {
		fd = openat(maker->tree.fd, *name ? name : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return -errno;
	}
	if (fd < 0)
		return fd;
	int r = 0;
	if (entry->has_owner && fchown(fd, entry->uid, entry->gid) < 0 && !may_keep_owner(errno))
		r = -errno;
	if (r == 0 && fchmod(fd, mode) < 0)
		r = -errno;
	close(fd);
	return r;
}

/* Something else that is in the place of a directory or device goes first. */
static int clear_place(struct maker *maker, const struct manifest_entry *entry)
{
	struct stat st;
	const char *name = inside_name(entry->target, entry->name);
	bool is_directory = entry->type == MANIFEST_DIRECTORY;
	if ((!is_directory && entry->type != MANIFEST_DEVICE) || maker->control < 0 || maker->is_fresh)
		return 0;
	if (fstatat(maker->tree.fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(st.st_mode))
		return is_directory || !unlinkat(maker->tree.fd, name, AT_REMOVEDIR) ? 0 : -errno;
	return device_remove(maker->tree.fd, name);
}

static int make_device(struct maker *maker, const struct manifest_entry *entry, const char *name,
		       struct record_entry *record)
{
	bool is_bound = false;
	int r = device_make(maker->tree.fd, name, entry, &is_bound);
	if (record)
		record->is_bound = is_bound;
	if (r == 0 && !is_bound) {
		r = set_owner_at(maker->tree.fd, name, entry);
		if (r == 0)
			r = set_mode_at(maker->tree.fd, name, entry->mode);
	}
	if (r != -EPERM || !entry->is_optional)
		return r;
	if (record)
		record->type = 0;
	return 0;
}

static int make(struct maker *maker, const struct manifest_entry *entry, const char *name, struct record_entry *record)
{
	int r = inside_enter(&maker->tree, entry->target, entry->name);
	if (r == 0)
		r = clear_place(maker, entry);
	if (r < 0)
		return fail_path(-r, "make", entry->target);
	switch (entry->type) {
	case MANIFEST_DIRECTORY:
		r = make_directory(maker, entry, name);
		break;
	case MANIFEST_FILE:
		return make_file(maker, entry, record);
	case MANIFEST_DATA:
		r = make_data(maker, entry, record);
		break;
	case MANIFEST_LINK:
		r = make_link(maker, entry);
		break;
	case MANIFEST_DEVICE:
		r = make_device(maker, entry, name, record);
		break;
	}
	return r < 0 ? fail_path(-r, "make", entry->target) : 0;
}

int maker_make(struct maker *maker, const struct manifest_entry *entry, struct record_entry *record)
{
	int r = progress_begin_entry(maker->progress, entry->target);
	return r < 0 ? r : make(maker, entry, entry->target + entry->name, record);
}

int maker_restrict(struct maker *maker, struct manifest_entry *const *sorted, size_t count)
{
	/* From the inside to the outside. */
	for (size_t i = count; i-- > 0 && maker->restricted;) {
		const struct manifest_entry *entry = sorted[i];
		if (entry->type != MANIFEST_DIRECTORY || !maker_is_restricted(entry->mode))
			continue;
		_cleanup_close_ int fd = open_beneath(maker->tree.base, entry->target[1] ? entry->target + 1 : ".",
						      O_RDONLY | O_DIRECTORY, true);
		if (fd < 0)
			return fail_path(-fd, "open", entry->target);
		if (fchmod(fd, entry->mode) < 0)
			return fail_path(errno, "set the mode of", entry->target);
	}
	return 0;
}
