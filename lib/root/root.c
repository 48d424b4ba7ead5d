/* SPDX-License-Identifier: MIT */
/* The handle: what may be called when, and the life of the built directory. */
#include "root/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "root/failure.h"
#include "root/handle.h"

/* What <virtiso/root.h> documents for each function; the first stands for what has no closer one. */
static const int use_errors[] = {EACCES, EINVAL, EBUSY, ENOENT, ENOTDIR, ENOMEM, ECHILD, 0};
static const int path_errors[] = {EACCES, EINVAL, EBUSY, ENOTEMPTY, ENOTDIR, ENOENT, ENOMEM, ECHILD, 0};

viso_root *viso_root_new(void)
{
	viso_root *root = calloc(1, sizeof(*root));
	if (!root) {
		error_memory();
		return NULL;
	}
	handle_init(&root->handle);
	/* So that a progress handler that uses the root is told so, and does not wait for itself. */
	pthread_mutexattr_t attributes;
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(&root->lock, &attributes);
	pthread_mutexattr_destroy(&attributes);
	root->place.fd = -1;
	source_init(&root->source);
	root->manifest.source = &root->source;
	root->manifest.collected = &root->collected;
	return root;
}

viso_root *viso_root_ref(viso_root *root)
{
	if (root)
		handle_ref(&root->handle);
	return root;
}

/* What bases contain is in the built root, or the root goes away. */
void root_drop_scratches(viso_root *root)
{
	for (size_t i = 0; i < root->scratch_count; i++)
		if (handle_is_mine(&root->handle))
			place_remove(&root->scratches[i]);
		else
			place_forget(&root->scratches[i]);
	free(TAKE_PTR(root->scratches));
	root->scratch_count = 0;
}

viso_root *viso_root_unref(viso_root *root)
{
	if (!root || !handle_unref(&root->handle))
		return NULL;
	root_drop_scratches(root);
	if (handle_is_mine(&root->handle)) {
		place_remove(&root->place);
		source_clear(&root->source);
		pthread_mutex_destroy(&root->lock);
	} else {
		place_forget(&root->place);
		source_forget(&root->source);
		/* What the handler holds is the parent's. */
		root->settings.progress_destroy = NULL;
	}
	manifest_clear(&root->manifest);
	collected_clear(&root->collected);
	accounts_clear(&root->accounts);
	settings_clear(&root->settings);
	free(root->named);
	free(root->used);
	free(root);
	return NULL;
}

int root_busy(const char *function, const char *why)
{
	return error_fail(VISO_STAGE_ARGUMENT, EBUSY, function, "%s: %s", function, why);
}

int root_lock(viso_root *root, const char *function)
{
	int r = handle_check(root ? &root->handle : NULL, function);
	if (r == 0 && pthread_mutex_lock(&root->lock) == EDEADLK)
		r = error_fail(VISO_STAGE_ARGUMENT, EDEADLK, function,
			       "%s: a progress handler must not use the root; it can return 1 to cancel", function);
	return r;
}

int root_begin(viso_root *root, const char *function, size_t *out_mark)
{
	int r = root_lock(root, function);
	if (r < 0)
		return r;
	if (root->used)
		r = root_busy(function, "the root uses an existing directory, to which nothing is added");
	else if (root->built)
		r = root_busy(function, "the root is built already; make a new one");
	if (r < 0) {
		pthread_mutex_unlock(&root->lock);
		return r;
	}
	*out_mark = manifest_mark(&root->manifest);
	collected_mark(&root->collected);
	return 0;
}

int root_end(viso_root *root, size_t mark, int r, const int *documented)
{
	if (r < 0) {
		manifest_rollback(&root->manifest, mark);
		collected_rollback(&root->collected);
	}
	pthread_mutex_unlock(&root->lock);
	return r < 0 ? only_documented(r, documented) : 0;
}

/* A copy of a path without slashes at its end; NULL without memory. */
static char *copy_path(const char *path)
{
	size_t length = strlen(path);
	while (length > 1 && path[length - 1] == '/')
		length--;
	return strndup(path, length);
}

static int use_directory(viso_root *root, const char *path, const char *function)
{
	if (root->manifest.count || root->named || root->used || root->built)
		return root_busy(function, "something was added to this root already, or it has a path; use a new one");
	_cleanup_close_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail_path(errno, "use the directory", path);
	root->used = copy_path(path);
	return root->used ? 0 : error_memory();
}

int viso_root_use_directory(viso_root *root, const char *path)
{
	if (!path || path[0] != '/')
		return error_argument(__func__, "the directory is not an absolute path");
	int r = root_lock(root, __func__);
	if (r < 0)
		return r;
	r = use_directory(root, path, __func__);
	pthread_mutex_unlock(&root->lock);
	return only_documented(r, use_errors);
}

int viso_root_set_path(viso_root *root, const char *path)
{
	size_t mark;
	int r = root_begin(root, __func__, &mark);
	if (r < 0)
		return r;
	_cleanup_free_ char *copy = NULL;
	if (!path || path[0] != '/')
		r = error_argument(__func__, "the directory is not an absolute path");
	else if (!(copy = copy_path(path)))
		r = error_memory();
	else
		r = place_check_named(copy);
	if (r >= 0) {
		free(root->named);
		root->named = TAKE_PTR(copy);
	}
	return root_end(root, mark, r, path_errors);
}

const char *root_known_path(viso_root *root)
{
	/* A progress handler of this thread has the lock already. */
	bool locked = pthread_mutex_lock(&root->lock) == 0;
	const char *path = root->used ? root->used : root->built ? root->place.path : NULL;
	if (locked)
		pthread_mutex_unlock(&root->lock);
	return path;
}

const char *viso_root_path(viso_root *root)
{
	if (handle_check(root ? &root->handle : NULL, __func__) < 0)
		return NULL;
	const char *path = root_known_path(root);
	if (!path)
		error_argument(__func__, "the root is not built yet");
	return path;
}
