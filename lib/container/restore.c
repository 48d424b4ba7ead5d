/* SPDX-License-Identifier: MIT */
/* An instance from the images of a checkpoint; program/restore.c is the other side. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "container/container.h"
#include "container/restore.h"
#include "core/cleanup.h"
#include "core/error.h"
#include "launch/detached.h"
#include "launch/owns_ids.h"
#include "sandbox/host_program.h"

/* The first of the ids that the container had. */
static int read_state(int directory, uint32_t *out_first)
{
	char text[64] = "";
	_cleanup_close_ int fd = openat(directory, RESTORE_STATE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0 || sscanf(text, "first_id %u", out_first) != 1)
		return error_fail(VISO_STAGE_CHECKPOINT, fd < 0 ? errno : EINVAL, RESTORE_STATE,
				  "the directory is none that viso_container_checkpoint() wrote");
	return 0;
}

static int add_images(struct launch_request *request, int directory)
{
	char criu[HOST_PROGRAM_PATH_MAX];
	uint32_t first;
	if (!owns_all_ids() || !host_program_find("criu", criu))
		return error_fail(VISO_STAGE_CHECKPOINT, EOPNOTSUPP, "criu",
				  "what restores is criu(8), which needs root of the host; install the package criu");
	int r = read_state(directory, &first);
	if (r < 0)
		return r;
	plan_offset path = request_add_string(request, criu);
	uint32_t fd = request_add_fd(request, directory);
	request->plan->restore = (struct plan_restore){.images_fd = fd, .first_id = first, .criu = path};
	return request->error;
}

static int explain(int r, const char *directory)
{
	if (r == 0 || viso_error_stage() != VISO_STAGE_CHECKPOINT)
		return r;
	if (r == -EBUSY)
		return error_fail(VISO_STAGE_CHECKPOINT, EBUSY, directory,
				  "the host ids that the container had belong to another one now; close that first");
	return error_fail(VISO_STAGE_CHECKPOINT, -r, "criu",
			  "criu could not restore what is in %s; its last words are in %s/" RESTORE_LOG, directory,
			  directory);
}

static int restore(viso_container *container, const char *path, int directory, int root_fd)
{
	struct launched_instance instance;
	struct launch_request request;
	int r = container_request_instance(container, root_fd, &request);
	if (r == 0)
		r = plain_check(request.plan, request.limits.count || request.wants_freezer, "viso_container_restore");
	if (r == 0)
		r = add_images(&request, directory);
	if (r == 0)
		r = explain(launched_instance_start(&instance, &request, VISO_ISOLATION_CONTAINER, NULL, NULL), path);
	request_release(&request);
	return r < 0 ? r : launched_instance_keep(&container->instance, &container->sandbox, &instance);
}

int viso_container_restore(viso_container *container, const char *directory)
{
	_cleanup_close_ int root_fd = -1;
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	if (!directory)
		return error_argument(__func__, "the directory is NULL");
	if (container->detached.directory >= 0)
		return error_fail(VISO_STAGE_CHECKPOINT, EOPNOTSUPP, "viso_container_set_detached",
				  "%s: what is restored ends with the host program", __func__);
	/* The images say as whom everything runs. */
	_cleanup_close_ int fd = detached_open_directory(directory);
	if (fd < 0)
		return fd;
	r = sandbox_prepare_start(&container->sandbox, __func__, &root_fd);
	return r < 0 ? r : restore(container, directory, fd, root_fd);
}
