/* SPDX-License-Identifier: MIT */
/* The calls that build, look at, and remove what was built. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/file_limit.h"
#include "core/log.h"
#include "root/build/builder.h"
#include "root/build/control.h"
#include "root/failure.h"
#include "root/handle.h"
#include "root/root.h"
#include "root/skeleton.h"

/* What <virtiso/root.h> documents for each function; the first stands for what has no closer one. */
static const int build_errors[] = {EIO,   EINVAL, ENOENT,     EACCES,    ENOSPC, EDQUOT, EROFS,  ENOTEMPTY, EEXIST,
				   EPERM, EXDEV,  EOPNOTSUPP, ECANCELED, EAGAIN, ENOMEM, ECHILD, 0};
static const int update_errors[] = {EIO,       EINVAL, ENOENT, EACCES, ENOSPC,     EDQUOT,    EROFS,
				    ENOTEMPTY, EEXIST, EPERM,  EXDEV,  EOPNOTSUPP, ECANCELED, EAGAIN,
				    EBADMSG,   EBUSY,  ENOMEM, ECHILD, 0};
static const int plan_errors[] = {EIO, EINVAL, EBUSY, ENOENT, EACCES, EEXIST, ENOMEM, ECHILD, 0};
static const int verify_errors[] = {EIO, EINVAL, ENOENT, ENOTDIR, EACCES, EBADMSG, EBUSY, ENOMEM, ECHILD, 0};

/* Another builder that failed may have removed the directory while we waited for it. */
static bool is_gone(const struct place *place)
{
	struct stat st;
	return place->existed && fstat(place->fd, &st) == 0 && st.st_nlink == 0;
}

static int build_once(viso_root *root, const struct build *build, struct place *place, bool *again)
{
	int r = root->named ? place_make_named(place, root->named) : place_make_own(place);
	if (r < 0)
		return r;
	struct file_limit_guard guard;
	file_limit_begin(&guard);
	r = build_manifest(build, place);
	file_limit_end(&guard);
	*again = r < 0 && root->named && is_gone(place);
	if (r < 0)
		place_undo(place);
	return r;
}

static struct build build_of(viso_root *root)
{
	return (struct build){.manifest = &root->manifest, .settings = &root->settings, .cancelled = &root->cancelled};
}

static void take_place(viso_root *root, struct place *place)
{
	place->fd = close_fd(place->fd);
	root->place = *place;
	root->built = true;
	root_drop_scratches(root);
	log_info("a root with %zu entries was built in %s", root->manifest.count, place->path);
}

static int build_now(viso_root *root)
{
	size_t mark = manifest_mark(&root->manifest);
	struct place place;
	struct build build = build_of(root);
	atomic_store(&root->cancelled, false);
	int r = skeleton_add(&root->manifest);
	bool again = r >= 0;
	for (int i = 0; again && i < 10; i++)
		r = build_once(root, &build, &place, &again);
	if (r < 0) {
		/* More can be added, and it can be tried again. */
		manifest_rollback(&root->manifest, mark);
		return only_documented(r, build_errors);
	}
	take_place(root, &place);
	return 0;
}

static int fail_removed(const char *function)
{
	return error_fail(VISO_STAGE_ROOT, ENOENT, function, "%s: the root was removed; make a new one", function);
}

int viso_root_build(viso_root *root)
{
	int r = root_lock(root, __func__);
	if (r < 0)
		return r;
	if (root->removed)
		r = fail_removed(__func__);
	else if (!root->used && !root->built)
		r = build_now(root);
	pthread_mutex_unlock(&root->lock);
	return r;
}

static int update_once(viso_root *root, bool *again)
{
	struct place place;
	struct build build = build_of(root);
	struct file_limit_guard guard;
	int r = place_make_named(&place, root->named);
	if (r < 0)
		return r;
	file_limit_begin(&guard);
	r = build_update(&build, &place);
	file_limit_end(&guard);
	if (r >= 0) {
		take_place(root, &place);
		return r;
	}
	*again = is_gone(&place);
	close_fd(place.fd);
	place_forget(&place);
	return r;
}

static int update_now(viso_root *root)
{
	int r = skeleton_add(&root->manifest);
	bool again = r >= 0;
	for (int i = 0; again && i < 10; i++) {
		again = false;
		r = update_once(root, &again);
	}
	return r;
}

int viso_root_update(viso_root *root)
{
	size_t mark;
	int r = root_begin(root, __func__, &mark);
	if (r < 0)
		return r;
	atomic_store(&root->cancelled, false);
	int count = root->named ? update_now(root) : error_argument(__func__, "the root has no path to be updated");
	r = root_end(root, mark, count, update_errors);
	return r < 0 ? r : count;
}

int viso_root_plan(viso_root *root, viso_manifest **out_manifest)
{
	size_t mark;
	int r = root_begin(root, __func__, &mark);
	if (r < 0)
		return r;
	viso_manifest *record = NULL;
	struct build build = build_of(root);
	if (!out_manifest)
		r = error_argument(__func__, "the place for the manifest is NULL");
	else
		r = skeleton_add(&root->manifest);
	if (r >= 0 && !(record = build_list(&build)))
		r = -viso_error_number();
	/* What every root has is added when it is built. */
	manifest_rollback(&root->manifest, mark);
	r = root_end(root, manifest_mark(&root->manifest), r, plan_errors);
	if (r >= 0)
		*out_manifest = record;
	return r;
}

/* The directory of a root that has a record, with the lock taken. A fd, or a negative errno with the error set. */
static int open_built(viso_root *root, const char *function, const char **out_path)
{
	if (root->removed)
		return fail_removed(function);
	if (!root->used && !root->built)
		return error_argument(function, "the root is not built yet");
	*out_path = root->used ? root->used : root->place.path;
	/* One of our own has no record, and says so. */
	int fd = open(*out_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? fail_path(errno, "open the root", *out_path) : fd;
}

static int read_record(viso_root *root, const char *function, viso_manifest **out, int *out_fd)
{
	const char *path = NULL;
	int fd = open_built(root, function, &path);
	int r = fd < 0 ? fd : control_read_record(fd, path, out);
	*out_fd = r < 0 ? close_fd(fd) : fd;
	return r;
}

int viso_root_verify(viso_root *root, viso_manifest **out_manifest)
{
	viso_manifest *record = NULL;
	_cleanup_close_ int fd = -1;
	int r = root_lock(root, __func__);
	if (r < 0)
		return r;
	r = read_record(root, __func__, &record, &fd);
	if (r >= 0)
		r = record_verify(record, fd);
	pthread_mutex_unlock(&root->lock);
	if (r >= 0 && out_manifest)
		*out_manifest = TAKE_PTR(record);
	viso_manifest_unref(record);
	return r < 0 ? only_documented(r, verify_errors) : r;
}

int viso_root_manifest(viso_root *root, viso_manifest **out_manifest)
{
	viso_manifest *record = NULL;
	_cleanup_close_ int fd = -1;
	if (!out_manifest)
		return error_argument(__func__, "the place for the manifest is NULL");
	int r = root_lock(root, __func__);
	if (r < 0)
		return r;
	r = read_record(root, __func__, &record, &fd);
	pthread_mutex_unlock(&root->lock);
	if (r < 0)
		return only_documented(r, verify_errors);
	*out_manifest = record;
	return 0;
}

int viso_root_remove(viso_root *root)
{
	const char *path = NULL;
	int r = root_lock(root, __func__);
	if (r < 0)
		return r;
	_cleanup_close_ int fd = open_built(root, __func__, &path);
	r = fd < 0 ? fd : build_remove(fd, path);
	if (r >= 0)
		root->removed = true;
	pthread_mutex_unlock(&root->lock);
	return r < 0 ? only_documented(r, verify_errors) : r;
}

/* An existing directory is used as it is, links to it included. */
static int open_used(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? fail_path(errno, "open the root", path) : fd;
}

bool root_goes_with_host(viso_root *root)
{
	pthread_mutex_lock(&root->lock);
	bool own = root->built && !root->used && root->place.own;
	pthread_mutex_unlock(&root->lock);
	return own;
}

int root_open(viso_root *root, int *out_fd)
{
	int r = viso_root_build(root);
	if (r < 0)
		return r;
	int fd = root->used ? open_used(root->used) : place_open(&root->place);
	if (fd < 0)
		return only_documented(fd, build_errors);
	*out_fd = fd;
	return 0;
}
