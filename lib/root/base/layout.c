/* SPDX-License-Identifier: MIT */
/* See image-layout.md, image-index.md and manifest.md of the OCI Image Format Specification. */
#include "root/base/layout.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include "core/error.h"

/* An index may name an index; real ones are one or two deep. */
enum { INDEX_DEPTH_MAX = 4 };

/* As the specification names them, which takes the names of Go. */
#if defined(__x86_64__)
#define ARCHITECTURE "amd64"
#elif defined(__aarch64__)
#define ARCHITECTURE "arm64"
#elif defined(__i386__)
#define ARCHITECTURE "386"
#elif defined(__arm__)
#define ARCHITECTURE "arm"
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE "riscv64"
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARCHITECTURE "ppc64le"
#elif defined(__s390x__)
#define ARCHITECTURE "s390x"
#elif defined(__loongarch64)
#define ARCHITECTURE "loong64"
#else
#define ARCHITECTURE "unknown"
#endif

static bool is_one_of(const char *text, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(text, *list))
			return true;
	return false;
}

static bool is_index(const char *media_type)
{
	static const char *const types[] = {"application/vnd.oci.image.index.v1+json",
					    "application/vnd.docker.distribution.manifest.list.v2+json", NULL};
	return is_one_of(media_type, types);
}

static bool is_manifest(const char *media_type)
{
	static const char *const types[] = {"application/vnd.oci.image.manifest.v1+json",
					    "application/vnd.docker.distribution.manifest.v2+json", NULL};
	return is_one_of(media_type, types);
}

/* Whether a descriptor is for this machine; one that does not say is for any. */
static bool is_for_us(const struct json_object *descriptor)
{
	struct json_object *platform;
	if (!json_object_object_get_ex(descriptor, "platform", &platform))
		return true;
	const char *os = json_text(platform, "os");
	const char *architecture = json_text(platform, "architecture");
	return os && architecture && !strcmp(os, "linux") && !strcmp(architecture, ARCHITECTURE);
}

static bool has_reference(const struct json_object *descriptor, const char *reference)
{
	struct json_object *annotations;
	if (!reference)
		return true;
	if (!json_object_object_get_ex(descriptor, "annotations", &annotations))
		return false;
	const char *name = json_text(annotations, "org.opencontainers.image.ref.name");
	return name && !strcmp(name, reference);
}

static int check_version(const struct layout *layout, const struct json_object *object)
{
	struct json_object *version;
	if (!json_object_object_get_ex(object, "schemaVersion", &version) ||
	    !json_object_is_type(version, json_type_int) || json_object_get_int64(version) != 2)
		return layout_fail(layout, "the schemaVersion of an index or manifest is not 2");
	return 0;
}

static int fail_none(const struct layout *layout, const char *reference)
{
	const char *object = reference ? reference : layout->path;
	return error_fail(VISO_STAGE_IMAGE, ENOENT, object, "the image layout %s has no image %s%sfor linux/%s",
			  layout->path, reference ? reference : "", reference ? " " : "", ARCHITECTURE);
}

/*
 * What an index has for us: the only image, whatever it is for, else that of our platform. Of several, `first` takes
 * the first, as the specification has it for one image of many platforms. 0, or a negative errno with the error set.
 */
static int pick(const struct layout *layout, const struct json_object *index, const char *reference, bool first,
		struct json_object **out_descriptor)
{
	struct json_object *list = json_list(index, "manifests"), *any = NULL, *ours = NULL;
	size_t count = 0, ours_count = 0;
	int r = check_version(layout, index);
	if (r < 0)
		return r;
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *descriptor = json_object_array_get_idx(list, i);
		if (!json_object_is_type(descriptor, json_type_object) || !has_reference(descriptor, reference))
			continue;
		any = descriptor;
		count++;
		if (is_for_us(descriptor) && ours_count++ == 0)
			ours = descriptor;
	}
	if (ours_count > 1 && !first)
		return error_fail(VISO_STAGE_IMAGE, EINVAL, layout->path,
				  "the image layout %s has several images; name one by its reference", layout->path);
	*out_descriptor = count == 1 ? any : ours;
	return *out_descriptor ? 0 : fail_none(layout, reference);
}

/* What the descriptor leads to; `object` takes the reference. */
static int follow(const struct layout *layout, const struct json_object *from, struct json_object **object,
		  bool *out_is_index)
{
	struct descriptor descriptor;
	struct json_object *read;
	int r = descriptor_read(layout, from, &descriptor);
	if (r < 0)
		return r;
	*out_is_index = is_index(descriptor.media_type);
	if (!*out_is_index && !is_manifest(descriptor.media_type))
		return layout_fail(layout, "what the index names is neither an image manifest nor an index");
	r = blob_read(layout, &descriptor, &read);
	if (r < 0)
		return r;
	json_object_put(*object);
	*object = read;
	return check_version(layout, read);
}

static int check_layout(const struct layout *layout)
{
	struct json_object *object;
	int r = layout_read(layout, "oci-layout", &object);
	if (r < 0)
		return r;
	const char *version = json_text(object, "imageLayoutVersion");
	if (!version || strcmp(version, "1.0.0") != 0)
		r = layout_fail(layout, "its imageLayoutVersion is not 1.0.0");
	json_object_put(object);
	return r;
}

int layout_find(const struct layout *layout, const char *reference, struct json_object **out_manifest)
{
	struct json_object *object, *descriptor = NULL;
	bool goes_on = true;
	int r = check_layout(layout);
	if (r < 0)
		return r;
	r = layout_read(layout, "index.json", &object);
	if (r < 0)
		return r;
	for (int depth = 0; r >= 0 && goes_on; depth++) {
		if (depth == INDEX_DEPTH_MAX)
			r = layout_fail(layout, "indexes within indexes, too deep");
		else
			r = pick(layout, object, depth ? NULL : reference, depth > 0, &descriptor);
		if (r >= 0)
			r = follow(layout, descriptor, &object, &goes_on);
	}
	if (r < 0)
		json_object_put(object);
	else
		*out_manifest = object;
	return r;
}
