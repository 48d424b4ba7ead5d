/* SPDX-License-Identifier: MIT */
#include "container/bundle/item.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"

enum { PLACE_MAX = 256 };

/* "linux.resources.devices[2].type"; how long it is. */
static size_t write_place(const struct item *item, char *text, size_t size)
{
	size_t length = item->parent ? write_place(item->parent, text, size) : 0;
	if (length >= size)
		return length;
	int n = 0;
	if (item->name)
		n = snprintf(text + length, size - length, "%s%s", length ? "." : "", item->name);
	else if (item->parent)
		n = snprintf(text + length, size - length, "[%zu]", item->index);
	return length + (n > 0 ? (size_t)n : 0);
}

static const char *place_of(const struct item *item, char text[PLACE_MAX])
{
	text[0] = '\0';
	write_place(item, text, PLACE_MAX);
	return text[0] ? text : "config.json";
}

int item_fail_value(const struct item *item, const char *what)
{
	char place[PLACE_MAX];
	return error_fail(VISO_STAGE_ARGUMENT, EINVAL, place_of(item, place), "config.json: %s: %s", place, what);
}

int item_fail_unsupported(const struct item *item, const char *what)
{
	char place[PLACE_MAX];
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, place_of(item, place),
			  "config.json: %s: %s; take it out of the file", place, what);
}

int item_result(const struct item *item, int result)
{
	char place[PLACE_MAX];
	if (result >= 0)
		return 0;
	return error_fail(viso_error_stage(), -result, place_of(item, place), "config.json: %s: %s", place,
			  viso_error_message());
}

static const char *name_of(enum json_type type)
{
	switch (type) {
	case json_type_boolean:
		return "true or false is wanted";
	case json_type_int:
		return "a whole number is wanted";
	case json_type_string:
		return "a string without NUL is wanted";
	case json_type_array:
		return "a list is wanted";
	default:
		return "an object is wanted";
	}
}

static int check_type(const struct item *item, enum json_type type)
{
	if (!json_object_is_type(item->json, type))
		return item_fail_value(item, name_of(type));
	if (type == json_type_string &&
	    strlen(json_object_get_string(item->json)) != (size_t)json_object_get_string_len(item->json))
		return item_fail_value(item, name_of(type));
	return 0;
}

static const struct member *find_member(const struct member *members, const char *name)
{
	while (members->name && strcmp(members->name, name))
		members++;
	return members->name ? members : NULL;
}

/* All of them before anything is done about one. */
static int check_members(const struct item *object, const struct member *members)
{
	json_object_object_foreach(object->json, name, json)
	{
		const struct item item = {.parent = object, .name = name, .json = json};
		const struct member *member = find_member(members, name);
		if (!member)
			return item_fail_unsupported(&item, "the library does not know it");
		int r = json ? check_type(&item, member->type) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

int item_read_members(struct bundle *bundle, const struct item *object, const struct member *members)
{
	int r = check_members(object, members);
	for (const struct member *member = members; r == 0 && member->name; member++) {
		struct item item;
		if (item_find(object, member->name, &item))
			r = member->read ? member->read(bundle, &item) : 0;
		else if (member->required)
			r = item_fail_value(&item, "it is missing");
	}
	return r;
}

int item_read_list(struct bundle *bundle, const struct item *list, enum json_type type, item_reader *read)
{
	int r = 0;
	for (size_t i = 0; i < json_object_array_length(list->json) && r == 0; i++) {
		const struct item item = {
			.parent = list, .index = i, .json = json_object_array_get_idx(list->json, i)};
		r = check_type(&item, type);
		if (r == 0)
			r = read(bundle, &item);
	}
	return r;
}

int item_refuse(struct bundle *bundle, const struct item *item)
{
	json_object *json = item->json;
	switch (json_object_get_type(json)) {
	case json_type_boolean:
		if (!json_object_get_boolean(json))
			return 0;
		break;
	case json_type_int:
		if (json_object_get_int64(json) == 0)
			return 0;
		break;
	case json_type_string:
		if (json_object_get_string_len(json) == 0)
			return 0;
		break;
	case json_type_array:
		if (json_object_array_length(json) == 0)
			return 0;
		break;
	default:
		if (json_object_object_length(json) == 0)
			return 0;
	}
	return item_fail_unsupported(item, "the library has no such thing");
}

int item_check_strings(struct bundle *bundle, const struct item *object)
{
	int r = 0;
	json_object_object_foreach(object->json, name, json)
	{
		const struct item item = {.parent = object, .name = name, .json = json};
		if (r == 0)
			r = check_type(&item, json_type_string);
	}
	return r;
}

bool item_find(const struct item *object, const char *name, struct item *out_member)
{
	*out_member = (struct item){
		.parent = object, .name = name, .json = json_object_object_get(object->json, name)};
	return out_member->json != NULL;
}

const char *item_string(const struct item *item)
{
	return json_object_get_string(item->json);
}

const char *item_find_string(const struct item *object, const char *name, const char *otherwise)
{
	struct item item;
	return item_find(object, name, &item) ? item_string(&item) : otherwise;
}

int item_number(const struct item *item, int64_t least, int64_t most, int64_t *out)
{
	int64_t number = json_object_get_int64(item->json);
	char text[96];
	/* json-c cuts what is beyond to the last number that it has. */
	if (number >= least && number <= most && json_object_get_uint64(item->json) <= INT64_MAX) {
		*out = number;
		return 0;
	}
	snprintf(text, sizeof(text), "a number from %lld to %lld is wanted", (long long)least, (long long)most);
	return item_fail_value(item, text);
}

int item_find_number(const struct item *object, const char *name, int64_t least, int64_t most, int64_t *out)
{
	struct item item;
	return item_find(object, name, &item) ? item_number(&item, least, most, out) : 0;
}
