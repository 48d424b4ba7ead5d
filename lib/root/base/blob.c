/* SPDX-License-Identifier: MIT */
#include "root/base/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/beneath.h"
#include "core/cleanup.h"
#include "core/error.h"
#include "root/base/layer.h"
#include "root/failure.h"

enum {
	/* What the OCI Distribution Specification lets a registry refuse. */
	JSON_MAX = 4 << 20,
	JSON_DEPTH_MAX = 32,
	DIGEST_LENGTH = 64,
};

static void cleanup_tokener(struct json_tokener **tokener)
{
	if (*tokener)
		json_tokener_free(*tokener);
}

const char *json_text(const struct json_object *object, const char *key)
{
	struct json_object *value;
	if (!json_object_is_type(object, json_type_object) || !json_object_object_get_ex(object, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return NULL;
	const char *text = json_object_get_string(value);
	/* One with a NUL in it is no text that we look for. */
	return strlen(text) == (size_t)json_object_get_string_len(value) ? text : NULL;
}

struct json_object *json_list(const struct json_object *object, const char *key)
{
	struct json_object *value;
	if (!json_object_is_type(object, json_type_object) || !json_object_object_get_ex(object, key, &value) ||
	    !json_object_is_type(value, json_type_array))
		return NULL;
	return value;
}

int layout_fail(const struct layout *layout, const char *what)
{
	return error_fail(VISO_STAGE_IMAGE, EINVAL, layout->path, "%s is no OCI image layout, or a damaged one: %s",
			  layout->path, what);
}

/* A regular file of the layout. A fd, or a negative errno with the error set. */
static int open_file(const struct layout *layout, const char *name, struct stat *st)
{
	_cleanup_close_ int fd = open_beneath(layout->fd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, false);
	if (fd < 0)
		return error_fail(VISO_STAGE_IMAGE, -fd, name, "cannot open %s of the image %s: %s", name, layout->path,
				  strerrordesc_np(-fd));
	if (fstat(fd, st) < 0)
		return fail_path(errno, "examine", name);
	if (!S_ISREG(st->st_mode))
		return error_fail(VISO_STAGE_IMAGE, EINVAL, name, "%s of the image %s is not a regular file", name,
				  layout->path);
	return TAKE_FD(fd);
}

static int parse(const struct layout *layout, const char *name, const char *text, size_t size,
		 struct json_object **out_object)
{
	_cleanup_(cleanup_tokener) struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX);
	if (!tokener)
		return error_memory();
	struct json_object *object = json_tokener_parse_ex(tokener, text, (int)size);
	enum json_tokener_error error = json_tokener_get_error(tokener);
	if (object && json_object_is_type(object, json_type_object)) {
		*out_object = object;
		return 0;
	}
	json_object_put(object);
	return error_fail(VISO_STAGE_IMAGE, EINVAL, name, "%s of the image %s is no JSON object: %s", name,
			  layout->path,
			  error == json_tokener_success ? "it is something else" : json_tokener_error_desc(error));
}

/* All of it, hashed, to be freed. 0, or a negative errno with the error set. */
static int read_all(struct layer_input *input, char **out_text)
{
	_cleanup_free_ char *text = malloc(input->size + 1);
	size_t size = 0;
	ssize_t n;
	if (!text)
		return error_memory();
	while ((n = layer_read(input)) > 0) {
		memcpy(text + size, input->buffer, (size_t)n);
		size += (size_t)n;
	}
	if (n < 0)
		return fail_path(input->error, "read", input->name);
	text[size] = '\0';
	*out_text = TAKE_PTR(text);
	return 0;
}

int layout_read(const struct layout *layout, const char *name, struct json_object **out_object)
{
	struct stat st;
	struct sha256_ctx hash;
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int fd = open_file(layout, name, &st);
	if (fd < 0)
		return fd;
	if (st.st_size > JSON_MAX)
		return layout_fail(layout, "a file of JSON in it is larger than 4 MiB");
	struct layer_input input = {.fd = fd, .name = name, .size = (uint64_t)st.st_size, .hash = &hash};
	sha256_init(&hash);
	int r = read_all(&input, &text);
	return r < 0 ? r : parse(layout, name, text, input.done, out_object);
}

int descriptor_read(const struct layout *layout, const struct json_object *object, struct descriptor *out_descriptor)
{
	struct json_object *size;
	const char *digest = json_text(object, "digest");
	const char *media_type = json_text(object, "mediaType");
	if (!digest || strncmp(digest, "sha256:", 7) != 0 || strlen(digest + 7) != DIGEST_LENGTH ||
	    strspn(digest + 7, "0123456789abcdef") != DIGEST_LENGTH)
		return layout_fail(layout, "a digest in it is not sha256 with 64 hexadecimal digits");
	if (!json_object_object_get_ex(object, "size", &size) || !json_object_is_type(size, json_type_int) ||
	    json_object_get_int64(size) < 0)
		return layout_fail(layout, "a blob has no size");
	*out_descriptor = (struct descriptor){.media_type = media_type ? media_type : "",
					      .size = (uint64_t)json_object_get_int64(size)};
	memcpy(out_descriptor->digest, digest + 7, DIGEST_LENGTH);
	return 0;
}

struct blob {
	struct layer_input input;
	struct sha256_ctx hash;
	char name[sizeof("blobs/sha256/") + DIGEST_LENGTH];
};

/* A fd, which is the blob's as well, or a negative errno with the error set. */
static int open_blob(const struct layout *layout, const struct descriptor *descriptor, struct blob *blob)
{
	struct stat st;
	snprintf(blob->name, sizeof(blob->name), "blobs/sha256/%s", descriptor->digest);
	_cleanup_close_ int fd = open_file(layout, blob->name, &st);
	if (fd < 0)
		return fd;
	if ((uint64_t)st.st_size != descriptor->size)
		return error_fail(VISO_STAGE_IMAGE, EINVAL, blob->name,
				  "%s of the image %s has %llu bytes where %llu are right", blob->name, layout->path,
				  (unsigned long long)st.st_size, (unsigned long long)descriptor->size);
	blob->input.fd = fd;
	blob->input.name = blob->name;
	blob->input.size = descriptor->size;
	blob->input.done = 0;
	blob->input.error = 0;
	blob->input.hash = &blob->hash;
	sha256_init(&blob->hash);
	return TAKE_FD(fd);
}

/* Whether all that was read is what it should be. 0, or -EINVAL with the error set. */
static int check_digest(const struct layout *layout, const struct descriptor *descriptor, struct blob *blob)
{
	uint8_t sum[SHA256_DIGEST_SIZE];
	char digest[DIGEST_LENGTH + 1];
	sha256_digest(&blob->hash, sizeof(sum), sum);
	for (size_t i = 0; i < sizeof(sum); i++)
		snprintf(digest + 2 * i, 3, "%02x", sum[i]);
	if (!strcmp(digest, descriptor->digest))
		return 0;
	return error_fail(VISO_STAGE_IMAGE, EINVAL, blob->name, "%s of the image %s is damaged: its SHA-256 is %s",
			  blob->name, layout->path, digest);
}

int blob_read(const struct layout *layout, const struct descriptor *descriptor, struct json_object **out_object)
{
	struct blob blob;
	_cleanup_free_ char *text = NULL;
	if (descriptor->size > JSON_MAX)
		return layout_fail(layout, "a manifest is larger than 4 MiB");
	_cleanup_close_ int fd = open_blob(layout, descriptor, &blob);
	if (fd < 0)
		return fd;
	int r = read_all(&blob.input, &text);
	if (r >= 0)
		r = check_digest(layout, descriptor, &blob);
	return r < 0 ? r : parse(layout, blob.name, text, blob.input.done, out_object);
}

int blob_unpack(const struct layout *layout, const struct descriptor *descriptor, struct base *base,
		const struct libarchive *library, unsigned compressions)
{
	struct blob blob;
	_cleanup_close_ int fd = open_blob(layout, descriptor, &blob);
	if (fd < 0)
		return fd;
	int r = layer_unpack(base, library, compressions, &blob.input, true);
	if (r < 0 && r != -EINVAL && r != -EPERM)
		return r;
	/* What comes after the end of the archive belongs to the blob as well. A wrong digest explains all other
	 * damage. */
	ssize_t n;
	while ((n = layer_read(&blob.input)) > 0)
		;
	if (n < 0)
		return fail_path(blob.input.error, "read", blob.name);
	int checked = check_digest(layout, descriptor, &blob);
	return checked < 0 ? checked : r;
}
