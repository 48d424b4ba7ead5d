/* SPDX-License-Identifier: MIT */
/* The public calls on a viso_manifest. */
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
#include "core/file_limit.h"
#include "core/transfer.h"
#include "root/failure.h"
#include "root/record/record.h"

/* What <virtiso/manifest.h> documents for each function; the first stands for what has no closer one. */
static const int load_errors[] = {EIO, EINVAL, ENOENT, EACCES, EBADMSG, ENOMEM, 0};
static const int save_errors[] = {EIO, EINVAL, ENOENT, ENOTDIR, EACCES, ENOSPC, EDQUOT, EROFS, ENOMEM, ECHILD, 0};
static const int verify_errors[] = {EIO, EINVAL, ENOENT, ENOTDIR, EACCES, ENOMEM, ECHILD, 0};

size_t viso_manifest_count(const viso_manifest *manifest)
{
	return manifest ? manifest->count : 0;
}

int64_t viso_manifest_find(const viso_manifest *manifest, const char *path)
{
	const struct record_entry *entry = manifest && path && path[0] == '/' ? record_find(manifest, path) : NULL;
	return entry ? entry - manifest->entries : -1;
}

/* NULL with the error set where there is no such entry. */
static const struct record_entry *at(const viso_manifest *manifest, size_t index, const char *function)
{
	if (manifest && index < manifest->count)
		return &manifest->entries[index];
	error_argument(function, manifest ? "there is no such entry" : "the manifest is NULL");
	return NULL;
}

const char *viso_manifest_path(const viso_manifest *manifest, size_t index)
{
	const struct record_entry *entry = at(manifest, index, __func__);
	return entry ? entry->path : NULL;
}

int viso_manifest_type(const viso_manifest *manifest, size_t index)
{
	const struct record_entry *entry = at(manifest, index, __func__);
	return entry ? (int)entry->type : -EINVAL;
}

int viso_manifest_mode(const viso_manifest *manifest, size_t index)
{
	const struct record_entry *entry = at(manifest, index, __func__);
	return entry ? (int)entry->mode : -EINVAL;
}

int64_t viso_manifest_size(const viso_manifest *manifest, size_t index)
{
	const struct record_entry *entry = at(manifest, index, __func__);
	return entry ? (int64_t)entry->size : -EINVAL;
}

const char *viso_manifest_sha256(const viso_manifest *manifest, size_t index)
{
	const struct record_entry *entry = at(manifest, index, __func__);
	return !entry ? NULL : entry->is_sparse ? "" : entry->sum;
}

const char *viso_manifest_link(const viso_manifest *manifest, size_t index)
{
	const struct record_entry *entry = at(manifest, index, __func__);
	return entry ? entry->link : NULL;
}

const char *viso_manifest_reason(const viso_manifest *manifest, size_t index)
{
	const struct record_entry *entry = at(manifest, index, __func__);
	return entry ? entry->reason : NULL;
}

int viso_manifest_state(const viso_manifest *manifest, size_t index)
{
	const struct record_entry *entry = at(manifest, index, __func__);
	return entry ? (int)entry->state : -EINVAL;
}

const char *viso_entry_state_name(viso_entry_state state)
{
	static const char *const names[] = {"right", "missing", "retyped", "changed", "chmodded", "unknown"};
	return (unsigned)state < sizeof(names) / sizeof(names[0]) ? names[state] : NULL;
}

const char *viso_entry_type_name(viso_entry_type type)
{
	static const char *const names[] = {NULL, "directory", "file", "link", "device"};
	return (unsigned)type < sizeof(names) / sizeof(names[0]) ? names[type] : NULL;
}

int viso_manifest_load(const char *path, viso_manifest **out_manifest)
{
	if (!path || path[0] != '/' || !out_manifest)
		return error_argument(__func__, "the path is not absolute, or the place for the manifest is NULL");
	/* O_NONBLOCK: a FIFO must not stop us. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return only_documented(fail_path(errno, "open", path), load_errors);
	viso_manifest *manifest = record_read(fd, path);
	if (!manifest)
		return only_documented(-viso_error_number(), load_errors);
	*out_manifest = manifest;
	return 0;
}

/* Under another name first, so that the file is never half there. */
static int replace_file(const char *path, const char *text, size_t size)
{
	_cleanup_free_ char *name = NULL;
	unsigned random = 0;
	struct stat st;
	/* A device, /dev/null of the host, would be lost. */
	if (!lstat(path, &st) && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return error_fail(VISO_STAGE_ROOT, EINVAL, path,
				  "%s is no file that a manifest could take the place of", path);
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (unsigned)getpid();
	if (asprintf(&name, "%s.%08x", path, random) < 0) {
		name = NULL;
		return error_memory();
	}
	_cleanup_close_ int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return fail_path(errno, "make", name);
	struct file_limit_guard guard;
	file_limit_begin(&guard);
	int r = write_whole(fd, text, size);
	file_limit_end(&guard);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && rename(name, path) < 0)
		r = -errno;
	if (r == 0)
		return 0;
	unlink(name);
	return fail_path(-r, "write", path);
}

int viso_manifest_save(const viso_manifest *manifest, const char *path)
{
	size_t size;
	int r = handle_check(manifest ? &manifest->handle : NULL, __func__);
	if (r < 0)
		return r;
	if (!path || path[0] != '/')
		return error_argument(__func__, "the path is not absolute");
	_cleanup_free_ char *text = record_print(manifest, false, &size);
	if (!text)
		return -viso_error_number();
	return only_documented(replace_file(path, text, size), save_errors);
}

int viso_manifest_verify(const viso_manifest *manifest, const char *directory, viso_manifest **out_manifest)
{
	int r = handle_check(manifest ? &manifest->handle : NULL, __func__);
	if (r < 0)
		return r;
	if (!directory || directory[0] != '/')
		return error_argument(__func__, "the directory is not an absolute path");
	_cleanup_close_ int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return only_documented(fail_path(errno, "open the directory", directory), verify_errors);
	viso_manifest *copy = record_copy(manifest);
	if (!copy)
		return -ENOMEM;
	r = record_verify(copy, fd);
	if (r >= 0 && out_manifest)
		*out_manifest = copy;
	else
		viso_manifest_unref(copy);
	return r < 0 ? only_documented(r, verify_errors) : r;
}
