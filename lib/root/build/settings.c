/* SPDX-License-Identifier: MIT */
/* The calls that choose how a root is built. */
#include "root/build/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "root/build/store.h"
#include "root/handle.h"

static const int setting_errors[] = {EINVAL, EBUSY, ECHILD, 0};
static const int store_errors[] = {EACCES, EINVAL, EBUSY, ENOENT, ENOTDIR, ENOMEM, ECHILD, 0};

void settings_clear(struct settings *settings)
{
	free(settings->store);
	if (settings->progress_destroy)
		settings->progress_destroy(settings->progress_userdata);
	*settings = (struct settings){0};
}

int viso_root_set_copy_method(viso_root *root, viso_copy_method method)
{
	size_t mark;
	int r = root_begin(root, __func__, &mark);
	if (r < 0)
		return r;
	if ((unsigned)method > VISO_COPY_HARDLINK)
		r = error_argument(__func__, "there is no such method");
	else
		root->settings.method = method;
	return root_end(root, mark, r, setting_errors);
}

int viso_root_set_keep(viso_root *root, unsigned keep)
{
	size_t mark;
	int r = root_begin(root, __func__, &mark);
	if (r < 0)
		return r;
	if (keep & ~(unsigned)(VISO_KEEP_SETUID | VISO_KEEP_CAPABILITIES))
		r = error_argument(__func__, "there is no such thing to keep");
	else
		root->settings.keep = keep;
	return root_end(root, mark, r, setting_errors);
}

int viso_root_set_store(viso_root *root, const char *path)
{
	size_t mark;
	int r = root_begin(root, __func__, &mark);
	if (r < 0)
		return r;
	_cleanup_free_ char *copy = NULL;
	if (!path || path[0] != '/')
		r = error_argument(__func__, "the store is not an absolute path");
	else if (!(copy = strdup(path)))
		r = error_memory();
	else
		r = store_check(path);
	if (r >= 0) {
		free(root->settings.store);
		root->settings.store = TAKE_PTR(copy);
	}
	return root_end(root, mark, r, store_errors);
}

int viso_root_set_progress_handler(viso_root *root, viso_progress_fn fn, void *userdata, viso_destroy_fn destroy)
{
	int r = root_lock(root, __func__);
	if (r < 0)
		return r;
	viso_destroy_fn old_destroy = root->settings.progress_destroy;
	void *old_userdata = root->settings.progress_userdata;
	root->settings.progress = fn;
	root->settings.progress_userdata = userdata;
	root->settings.progress_destroy = destroy;
	pthread_mutex_unlock(&root->lock);
	if (old_destroy)
		old_destroy(old_userdata);
	return 0;
}

int viso_root_cancel(viso_root *root)
{
	int r = handle_check(root ? &root->handle : NULL, __func__);
	if (r == 0)
		atomic_store(&root->cancelled, true);
	return r;
}
