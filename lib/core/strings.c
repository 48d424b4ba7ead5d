/* SPDX-License-Identifier: MIT */
#include "core/strings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int strings_take(struct strings *list, char *string)
{
	if (!string)
		return -ENOMEM;
	if (list->count + 2 > list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 8;
		char **items = realloc(list->items, capacity * sizeof(*items));
		if (!items) {
			free(string);
			return -ENOMEM;
		}
		list->items = items;
		list->capacity = capacity;
	}
	list->items[list->count++] = string;
	list->items[list->count] = NULL;
	list->bytes += strlen(string) + 1;
	return 0;
}

int strings_add(struct strings *list, const char *string)
{
	return strings_take(list, strdup(string));
}

void strings_remove(struct strings *list, size_t index)
{
	list->bytes -= strlen(list->items[index]) + 1;
	free(list->items[index]);
	memmove(&list->items[index], &list->items[index + 1], (list->count - index) * sizeof(*list->items));
	list->count--;
}

void strings_clear(struct strings *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct strings){0};
}
