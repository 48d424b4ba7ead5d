/* SPDX-License-Identifier: MIT */
/* Numbers, strings and other bytes of a saved snapshot. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "guest/snapshot/saved.h"

static const uint64_t no_string = UINT64_MAX;

void saved_put(struct saved_writer *writer, const void *data, size_t size)
{
	if (writer->error == 0)
		writer->error = memory_buffer_put(&writer->bytes, data, size);
}

void saved_put_number(struct saved_writer *writer, uint64_t number)
{
	saved_put(writer, &number, sizeof(number));
}

void saved_put_string(struct saved_writer *writer, const char *string)
{
	saved_put_number(writer, string ? strlen(string) : no_string);
	if (string)
		saved_put(writer, string, strlen(string));
}

void saved_give_number(struct saved_writer *writer, const void *thing, uint64_t number)
{
	if (writer->error == 0)
		writer->error = copy_map_add(&writer->numbers, thing, (void *)(uintptr_t)(number + 1));
}

bool saved_has_number(const struct saved_writer *writer, const void *thing)
{
	return copy_map_find(&writer->numbers, thing) != NULL;
}

void saved_put_reference(struct saved_writer *writer, const void *thing)
{
	saved_put_number(writer, (uintptr_t)copy_map_find(&writer->numbers, thing));
}

int saved_list_add(struct saved_list *list, void *item)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 16;
		void **items = reallocarray(list->items, capacity, sizeof(*items));
		if (!items)
			return error_memory();
		list->items = items;
		list->capacity = capacity;
	}
	list->items[list->count++] = item;
	return 0;
}

bool saved_get_reference(struct saved_reader *reader, const struct saved_list *list, void **out)
{
	uint64_t number;
	if (!saved_get_number(reader, list->count, &number))
		return false;
	*out = number ? list->items[number - 1] : NULL;
	return true;
}

const uint8_t *saved_get_data(struct saved_reader *reader, uint64_t size)
{
	if (size > reader->size - reader->at)
		return NULL;
	const uint8_t *data = reader->data + reader->at;
	reader->at += size;
	return data;
}

bool saved_get(struct saved_reader *reader, void *out, size_t size)
{
	const uint8_t *data = saved_get_data(reader, size);
	if (data && size)
		memcpy(out, data, size);
	return data != NULL;
}

bool saved_get_number(struct saved_reader *reader, uint64_t max, uint64_t *out)
{
	uint64_t number;
	if (!saved_get(reader, &number, sizeof(number)) || number > max)
		return false;
	*out = number;
	return true;
}

int saved_get_string(struct saved_reader *reader, char **out)
{
	uint64_t length;
	*out = NULL;
	if (!saved_get_number(reader, UINT64_MAX, &length))
		return saved_damaged("text");
	if (length == no_string)
		return 0;
	const uint8_t *data = length < PATH_MAX ? saved_get_data(reader, length) : NULL;
	if (!data || memchr(data, '\0', length))
		return saved_damaged("text");
	*out = strndup((const char *)data, length);
	return *out ? 0 : error_memory();
}

int saved_get_path(struct saved_reader *reader, char **out)
{
	int r = saved_get_string(reader, out);
	if (r == 0 && (!*out || **out != '/'))
		r = saved_damaged("paths");
	return r;
}

int saved_damaged(const char *part)
{
	return error_fail(VISO_STAGE_GUEST, EINVAL, part,
			  "the snapshot's file is damaged: its %s cannot be; save the snapshot anew", part);
}

int saved_refuse(const char *object, const char *what)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, object,
			  "the guest's program has %s, which cannot be saved; let it give that up before it is ready",
			  what);
}
