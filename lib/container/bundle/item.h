/* SPDX-License-Identifier: MIT */
/* Values of a bundle's config.json, each with its place in the file, so that an error can name it. */
#ifndef CONTAINER_BUNDLE_ITEM_H
#define CONTAINER_BUNDLE_ITEM_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bundle;

struct item {
	const struct item *parent; /* NULL for the whole */
	const char *name;          /* NULL for an element of a list */
	size_t index;
	json_object *json;
};

typedef int item_reader(struct bundle *bundle, const struct item *item);

/* What an object may contain. The last one of a table has no name. */
struct member {
	const char *name;
	enum json_type type;
	item_reader *read; /* NULL: nothing is to be done, or who has the object sees to it */
	bool required;
};

/*
 * Checks that the object has no member but these, each of its type, and reads them in the order of the table. A null is
 * as good as nothing. 0 or a negative errno with the error set.
 */
int item_read_members(struct bundle *bundle, const struct item *object, const struct member *members);

/* Reads each element of a list, which must be of that type. */
int item_read_list(struct bundle *bundle, const struct item *list, enum json_type type, item_reader *read);

/* For a member that the library cannot do: what says as much as its absence is let pass. */
int item_refuse(struct bundle *bundle, const struct item *item);

/* For an object whose members are all strings. */
int item_check_strings(struct bundle *bundle, const struct item *object);

/* A member of an object; false where it is not there. */
bool item_find(const struct item *object, const char *name, struct item *out_member);

/* Of an item of that type; without a NUL within it. */
const char *item_string(const struct item *item);

/* A string of the object, or `otherwise`. */
const char *item_find_string(const struct item *object, const char *name, const char *otherwise);

/* The number, which must be within these bounds. 0 or a negative errno with the error set. */
int item_number(const struct item *item, int64_t least, int64_t most, int64_t *out);

/* The same of a member of an object; `out` is untouched where it is not there. */
int item_find_number(const struct item *object, const char *name, int64_t least, int64_t most, int64_t *out);

/* A negative errno with the error set, which names the place in the file. */
int item_fail_value(const struct item *item, const char *what);
int item_fail_unsupported(const struct item *item, const char *what);

/* The same for what a setter returned: 0, or its error with the place before it. */
int item_result(const struct item *item, int result);

#endif
