/* SPDX-License-Identifier: MIT */
/* The blobs of an OCI image layout, each of them checked by its digest and size before anything of it is believed. */
#ifndef ROOT_BLOB_H
#define ROOT_BLOB_H

#include <json-c/json_types.h>
#include <stdint.h>

#include "root/base/base.h"
#include "root/base/libarchive.h"

struct layout {
	int fd;           /* of its directory */
	const char *path; /* for errors */
};

/* See descriptor.md of the OCI Image Format Specification. */
struct descriptor {
	const char *media_type; /* of the JSON object that it was read from; "" where there is none */
	uint64_t size;
	char digest[64 + 1]; /* SHA-256 in hexadecimal digits */
};

/* The value of a key; NULL where there is none of this type. */
const char *json_text(const struct json_object *object, const char *key);
struct json_object *json_list(const struct json_object *object, const char *key);

/* -EINVAL, "`path`: damaged image layout: what is wrong". */
int layout_fail(const struct layout *layout, const char *what);

/* Reads a JSON file of the layout's own, such as index.json. 0 and a reference, or with the error set. */
int layout_read(const struct layout *layout, const char *name, struct json_object **out_object);

/* 0, or -EINVAL with the error set. */
int descriptor_read(const struct layout *layout, const struct json_object *object, struct descriptor *out_descriptor);

/* Reads a blob that is JSON. 0 and a reference, or with the error set. */
int blob_read(const struct layout *layout, const struct descriptor *descriptor, struct json_object **out_object);

/* Unpacks a blob that is a layer. 0, or with the error set; then the base must not be used. */
int blob_unpack(const struct layout *layout, const struct descriptor *descriptor, struct base *base,
		const struct libarchive *library, unsigned compressions);

#endif
