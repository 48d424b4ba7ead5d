/* SPDX-License-Identifier: MIT */
/* Extended attributes of the guest's own: those in "user.". All others mean something to the host. */
#include <errno.h>
#include <stdlib.h>
#include <sys/xattr.h>

#include "core/cleanup.h"
#include "guest/device/virtio/fuse_request.h"

enum { VALUE_MAX = 64 << 10 /* XATTR_SIZE_MAX, and XATTR_LIST_MAX */ };

static const char prefix[] = "user.";

static bool is_own(const char *name)
{
	return strncmp(name, prefix, sizeof(prefix) - 1) == 0;
}

/* The path of a node's fd, which is to be closed; or a negative errno. Links have none of these attributes. */
static int open_named(struct fuse_server *server, const struct fuse_request *request, char path[FUSE_FD_NAME])
{
	struct stat st;
	_cleanup_close_ int node = fuse_open_node(server, request->header.nodeid, &st);
	if (node < 0)
		return node;
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return -EOPNOTSUPP;
	fuse_fd_name(node, path);
	return TAKE_FD(node);
}

/* Linux keeps the length that it sends in a struct of its own, with flags only where that was agreed upon. */
enum { SET_SIZE = FUSE_COMPAT_SETXATTR_IN_SIZE };

static int set(struct fuse_server *server, const struct fuse_request *request)
{
	struct fuse_setxattr_in in = {0};
	char path[FUSE_FD_NAME];
	const char *name;
	size_t offset = SET_SIZE;
	if (request->argument_size < SET_SIZE)
		return -EINVAL;
	memcpy(&in, request->argument, SET_SIZE);
	int r = fuse_take_text(request, &offset, &name);
	if (r < 0 || in.size > VALUE_MAX)
		return r < 0 ? r : -E2BIG;
	if (!is_own(name))
		return -EOPNOTSUPP;
	_cleanup_close_ int node = open_named(server, request, path);
	if (node < 0)
		return node;
	_cleanup_free_ uint8_t *value = malloc(in.size + 1);
	if (!value)
		return -ENOMEM;
	if (chain_read(request->chain, sizeof(request->header) + offset, value, in.size) < in.size)
		return -EINVAL;
	r = fuse_count_written(server, strlen(name) + in.size);
	if (r < 0)
		return r;
	return setxattr(path, name, value, in.size, (int)in.flags) < 0 ? -errno : 0;
}

static int remove_one(struct fuse_server *server, const struct fuse_request *request)
{
	char path[FUSE_FD_NAME];
	const char *name;
	size_t offset = 0;
	int r = fuse_take_text(request, &offset, &name);
	if (r < 0 || !is_own(name))
		return r < 0 ? r : -EOPNOTSUPP;
	_cleanup_close_ int node = open_named(server, request, path);
	if (node < 0)
		return node;
	return removexattr(path, name) < 0 ? -errno : 0;
}

/* Those that the guest may know, one behind the other. */
static size_t keep_own(char *names, size_t size)
{
	size_t kept = 0;
	for (size_t at = 0, length; at < size; at += length) {
		length = strlen(names + at) + 1;
		if (!is_own(names + at))
			continue;
		memmove(names + kept, names + at, length);
		kept += length;
	}
	return kept;
}

/* What there is, in `out` of VALUE_MAX bytes; its size, or a negative errno. */
static ssize_t get(struct fuse_server *server, const struct fuse_request *request, char *out)
{
	char path[FUSE_FD_NAME];
	const char *name;
	size_t offset = sizeof(struct fuse_getxattr_in);
	bool is_list = request->header.opcode == FUSE_LISTXATTR;
	int r = is_list ? 0 : fuse_take_text(request, &offset, &name);
	if (r < 0)
		return r;
	if (!is_list && !is_own(name))
		return -ENODATA;
	_cleanup_close_ int node = open_named(server, request, path);
	if (node == -EOPNOTSUPP)
		return is_list ? 0 : -ENODATA;
	if (node < 0)
		return node;
	ssize_t size = is_list ? listxattr(path, out, VALUE_MAX) : getxattr(path, name, out, VALUE_MAX);
	if (size < 0)
		return -errno;
	return is_list ? (ssize_t)keep_own(out, (size_t)size) : size;
}

/* With a size of 0 the guest asks how much room it needs. */
static uint32_t get_or_list(struct fuse_server *server, const struct fuse_request *request)
{
	struct fuse_getxattr_in in;
	_cleanup_free_ char *value = malloc(VALUE_MAX);
	if (!value)
		return fuse_refuse(request, -ENOMEM);
	if (!FUSE_TAKE(request, &in))
		return fuse_refuse(request, -EINVAL);
	ssize_t size = get(server, request, value);
	if (size < 0)
		return fuse_refuse(request, (int)size);
	const struct fuse_getxattr_out out = {.size = (uint32_t)size};
	if (in.size == 0)
		return fuse_reply(request, 0, &out, sizeof(out));
	return (size_t)size > in.size ? fuse_refuse(request, -ERANGE) : fuse_reply(request, 0, value, (size_t)size);
}

uint32_t fuse_serve_xattr(struct fuse_server *server, const struct fuse_request *request)
{
	switch (request->header.opcode) {
	case FUSE_SETXATTR:
		return fuse_refuse(request, set(server, request));
	case FUSE_REMOVEXATTR:
		return fuse_refuse(request, remove_one(server, request));
	case FUSE_GETXATTR:
	case FUSE_LISTXATTR:
		return get_or_list(server, request);
	default:
		/* The guest's kernel does not ask again. */
		return fuse_refuse(request, -ENOSYS);
	}
}
