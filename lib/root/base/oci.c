/* SPDX-License-Identifier: MIT */
/* An image of an OCI image layout as a base. */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/file_limit.h"
#include "root/base/layout.h"
#include "root/failure.h"
#include "root/handle.h"

/* What <virtiso/root.h> documents; the first stands for what has no closer one. */
static const int image_errors[] = {EIO,    EINVAL, EPERM,  EOPNOTSUPP, EBUSY,  EEXIST, ENOENT,
				   EACCES, ENOSPC, EDQUOT, EFBIG,      ENOMEM, ECHILD, 0};

/* How a layer is compressed; -1 for what is no layer. */
static int compression_of(const char *media_type)
{
	static const struct {
		const char *media_type;
		int compression;
	} types[] = {
		{"application/vnd.oci.image.layer.v1.tar", 0},
		{"application/vnd.oci.image.layer.v1.tar+gzip", LIBARCHIVE_GZIP},
		{"application/vnd.oci.image.layer.v1.tar+zstd", LIBARCHIVE_ZSTD},
		{"application/vnd.oci.image.layer.nondistributable.v1.tar", 0},
		{"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", LIBARCHIVE_GZIP},
		{"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", LIBARCHIVE_ZSTD},
		{"application/vnd.docker.image.rootfs.diff.tar", 0},
		{"application/vnd.docker.image.rootfs.diff.tar.gzip", LIBARCHIVE_GZIP},
		{"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", LIBARCHIVE_GZIP},
	};
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(media_type, types[i].media_type))
			return types[i].compression;
	return -1;
}

static int unpack_layer(const struct layout *layout, const struct json_object *object, struct base *base,
			const struct libarchive *library)
{
	struct descriptor descriptor;
	int r = descriptor_read(layout, object, &descriptor);
	if (r < 0)
		return r;
	int compression = compression_of(descriptor.media_type);
	if (compression < 0)
		return error_fail(
			VISO_STAGE_IMAGE, EINVAL, layout->path,
			"a layer of the image %s is of the kind '%s', which is no layer of a file system that "
			"this library knows",
			layout->path, descriptor.media_type);
	base->tree.layer++;
	return blob_unpack(layout, &descriptor, base, library, (unsigned)compression);
}

static int unpack(viso_root *root, const struct layout *layout, const char *reference,
		  const struct json_object *manifest)
{
	struct libarchive library;
	struct json_object *layers = json_list(manifest, "layers");
	if (!layers)
		return layout_fail(layout, "the manifest of the image has no layers");
	int r = libarchive_load(&library);
	if (r < 0)
		return r;
	_cleanup_(base_clear) struct base base;
	r = base_init(&base, "/");
	for (size_t i = 0; r >= 0 && i < json_object_array_length(layers); i++)
		r = unpack_layer(layout, json_object_array_get_idx(layers, i), &base, &library);
	return r < 0 ? r : base_give(&base, root, "image", reference ? reference : layout->path);
}

static int add_image(viso_root *root, const char *directory, const char *reference, const char *function)
{
	struct json_object *manifest;
	if (!directory || directory[0] != '/')
		return error_argument(function, "the image layout is not an absolute path");
	if (root->manifest.count)
		return root_busy(function, "something was added to this root already; begin with the image");
	_cleanup_close_ int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOTDIR ? error_fail(VISO_STAGE_IMAGE, EINVAL, directory,
						     "%s is no image layout, since it is not a directory", directory)
					: fail_path(errno, "open", directory);
	struct layout layout = {.fd = fd, .path = directory};
	int r = layout_find(&layout, reference, &manifest);
	if (r < 0)
		return r;
	struct file_limit_guard guard;
	file_limit_begin(&guard);
	r = unpack(root, &layout, reference, manifest);
	file_limit_end(&guard);
	json_object_put(manifest);
	return r;
}

int viso_root_add_image(viso_root *root, const char *directory, const char *reference)
{
	size_t mark;
	int r = root_begin(root, __func__, &mark);
	if (r < 0)
		return r;
	r = add_image(root, directory, reference, __func__);
	return root_end(root, mark, r, image_errors);
}
