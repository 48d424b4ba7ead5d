/* SPDX-License-Identifier: MIT */
/* Containers that go on without the host program. */
#include "launch/detached.h"

#include <stdio.h>

#include "container/container.h"
#include "core/cleanup.h"
#include "core/error.h"

static int check_name(const char *directory, const char *name, const char *function)
{
	if (!directory || !name)
		return error_argument(function, "the directory or the name is NULL");
	return detached_name_is_valid(name)
		       ? 0
		       : error_argument(function, "a name is 1 to 64 of a-z A-Z 0-9 . _ -, not beginning with a dot");
}

int viso_container_set_detached(viso_container *container, const char *directory, const char *name)
{
	int r = container_check_setter(container, __func__);
	if (r == 0)
		r = check_name(directory, name, __func__);
	if (r < 0)
		return r;
	_cleanup_close_ int fd = detached_open_directory(directory);
	if (fd < 0)
		return fd;
	r = detached_check_free(fd, name);
	if (r < 0)
		return r;
	close_fd(container->detached.directory);
	container->detached.directory = TAKE_FD(fd);
	snprintf(container->detached.name, sizeof(container->detached.name), "%s", name);
	container->sandbox.keeps_instance = true;
	return 0;
}

int viso_container_attach(const char *directory, const char *name, viso_container **out_container)
{
	int r = check_name(directory, name, __func__);
	if (r == 0 && !out_container)
		r = error_argument(__func__, "out_container is NULL");
	if (r < 0)
		return r;
	_cleanup_close_ int fd = detached_open_directory(directory);
	if (fd < 0)
		return fd;
	viso_container *container = viso_container_new();
	if (!container)
		return error_memory();
	r = detached_attach(fd, name, &container->instance);
	if (r < 0) {
		viso_container_unref(container);
		return r;
	}
	container->sandbox.frozen = container->sandbox.attached = container->sandbox.keeps_instance = true;
	*out_container = container;
	return 0;
}

void container_detached_release(struct container_detached *detached)
{
	detached->directory = close_fd(detached->directory);
}
