/* SPDX-License-Identifier: MIT */
#include "guest/device/pc/fw_cfg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/log.h"

enum { ID_PORTS = 1, DEBUG_ANSWER = 0xe9, ENTRY_SIZE = 64 };

void fw_cfg_init(struct fw_cfg *fw_cfg)
{
	*fw_cfg = (struct fw_cfg){0};
	pthread_mutex_init(&fw_cfg->lock, NULL);
}

void fw_cfg_release(struct fw_cfg *fw_cfg)
{
	for (unsigned i = 0; i < fw_cfg->count; i++)
		free(fw_cfg->items[i].data);
	pthread_mutex_destroy(&fw_cfg->lock);
}

static int add(struct fw_cfg *fw_cfg, uint16_t key, const char *name, const void *data, size_t size)
{
	if (fw_cfg->count == FW_CFG_ITEMS_MAX || size > UINT32_MAX)
		return error_memory();
	struct fw_cfg_item *item = &fw_cfg->items[fw_cfg->count];
	*item = (struct fw_cfg_item){.key = key, .size = (uint32_t)size, .data = malloc(size ? size : 1)};
	if (!item->data)
		return error_memory();
	memcpy(item->data, data, size);
	strncpy(item->name, name, sizeof(item->name) - 1);
	fw_cfg->count++;
	return 0;
}

int fw_cfg_add_item(struct fw_cfg *fw_cfg, uint16_t key, const void *data, size_t size)
{
	return add(fw_cfg, key, "", data, size);
}

int fw_cfg_add_number(struct fw_cfg *fw_cfg, uint16_t key, uint64_t value, unsigned size)
{
	uint8_t bytes[8];
	bus_put(bytes, size, value);
	return add(fw_cfg, key, "", bytes, size);
}

int fw_cfg_add_file(struct fw_cfg *fw_cfg, const char *name, const void *data, size_t size)
{
	int r = add(fw_cfg, (uint16_t)(FW_CFG_FILES + fw_cfg->file_count), name, data, size);
	if (r == 0)
		fw_cfg->file_count++;
	return r;
}

/* Numbers in the directory have their greatest byte first. */
static void put_big(uint8_t *at, unsigned size, uint32_t value)
{
	for (unsigned i = 0; i < size; i++)
		at[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
}

int fw_cfg_add_directory(struct fw_cfg *fw_cfg)
{
	_cleanup_free_ uint8_t *directory = calloc(1, 4 + FW_CFG_ITEMS_MAX * ENTRY_SIZE);
	if (!directory)
		return error_memory();
	put_big(directory, 4, fw_cfg->file_count);
	uint8_t *at = directory + 4;
	for (unsigned i = 0; i < fw_cfg->count; i++) {
		const struct fw_cfg_item *item = &fw_cfg->items[i];
		if (!item->name[0])
			continue;
		put_big(at, 4, item->size);
		put_big(at + 4, 2, item->key);
		memcpy(at + 8, item->name, FW_CFG_NAME_MAX);
		at += ENTRY_SIZE;
	}
	int r = fw_cfg_add_number(fw_cfg, FW_CFG_ID, ID_PORTS, 4);
	if (r == 0)
		r = fw_cfg_add_item(fw_cfg, FW_CFG_SIGNATURE, "QEMU", 4);
	if (r == 0)
		r = fw_cfg_add_item(fw_cfg, FW_CFG_DIRECTORY, directory, (size_t)(at - directory));
	return r;
}

void fw_cfg_silence(struct fw_cfg *fw_cfg)
{
	pthread_mutex_lock(&fw_cfg->lock);
	fw_cfg->is_silent = true;
	pthread_mutex_unlock(&fw_cfg->lock);
}

static void choose(struct fw_cfg *fw_cfg, uint16_t key)
{
	fw_cfg->selected = NULL;
	fw_cfg->position = 0;
	for (unsigned i = 0; i < fw_cfg->count; i++)
		if (fw_cfg->items[i].key == key)
			fw_cfg->selected = &fw_cfg->items[i];
}

/* Zeroes behind the end, and of what is not there. */
static uint8_t next_byte(struct fw_cfg *fw_cfg)
{
	const struct fw_cfg_item *item = fw_cfg->selected;
	return item && fw_cfg->position < item->size ? item->data[fw_cfg->position++] : 0;
}

static void fw_cfg_read(void *device, uint64_t offset, void *data, unsigned size)
{
	struct fw_cfg *fw_cfg = device;
	pthread_mutex_lock(&fw_cfg->lock);
	if (!fw_cfg->is_silent && offset == 1 && size == 1)
		*(uint8_t *)data = next_byte(fw_cfg);
	pthread_mutex_unlock(&fw_cfg->lock);
}

static void fw_cfg_write(void *device, uint64_t offset, const void *data, unsigned size)
{
	struct fw_cfg *fw_cfg = device;
	pthread_mutex_lock(&fw_cfg->lock);
	if (!fw_cfg->is_silent && offset == 0 && size == 2)
		choose(fw_cfg, (uint16_t)bus_get(data, 2));
	pthread_mutex_unlock(&fw_cfg->lock);
}

static void debug_read(void *device, uint64_t offset, void *data, unsigned size)
{
	struct fw_cfg *fw_cfg = device;
	pthread_mutex_lock(&fw_cfg->lock);
	if (!fw_cfg->is_silent)
		*(uint8_t *)data = DEBUG_ANSWER;
	pthread_mutex_unlock(&fw_cfg->lock);
}

/* Whether it ends a line, which is then in `out`. What is no text is left out: it goes to a log that a person reads. */
static bool add_to_line(struct fw_cfg *fw_cfg, char character, char out[FW_CFG_LINE_MAX + 1])
{
	if (character >= ' ' && character <= '~' && fw_cfg->line_size < FW_CFG_LINE_MAX)
		fw_cfg->line[fw_cfg->line_size++] = character;
	if (character != '\n')
		return false;
	memcpy(out, fw_cfg->line, fw_cfg->line_size);
	out[fw_cfg->line_size] = '\0';
	fw_cfg->line_size = 0;
	return true;
}

static void debug_write(void *device, uint64_t offset, const void *data, unsigned size)
{
	struct fw_cfg *fw_cfg = device;
	char line[FW_CFG_LINE_MAX + 1];
	pthread_mutex_lock(&fw_cfg->lock);
	bool is_line = !fw_cfg->is_silent && add_to_line(fw_cfg, *(const char *)data, line);
	pthread_mutex_unlock(&fw_cfg->lock);
	if (is_line)
		log_debug("firmware: %s", line);
}

const struct bus_ops fw_cfg_ops = {.read = fw_cfg_read, .write = fw_cfg_write};
const struct bus_ops fw_cfg_debug_ops = {.read = debug_read, .write = debug_write};

/* The item that is chosen by its number, FW_CFG_ITEMS_MAX for none. */
void fw_cfg_save(struct fw_cfg *fw_cfg, struct state_writer *out)
{
	pthread_mutex_lock(&fw_cfg->lock);
	const struct fw_cfg_item *item = fw_cfg->selected;
	state_put_number(out, item ? (uint64_t)(item - fw_cfg->items) : FW_CFG_ITEMS_MAX);
	state_put_number(out, fw_cfg->position);
	state_put_number(out, fw_cfg->is_silent);
	pthread_mutex_unlock(&fw_cfg->lock);
}

int fw_cfg_load(struct fw_cfg *fw_cfg, struct state_reader *in)
{
	uint64_t number, position, is_silent;
	if (!state_get_number(in, FW_CFG_ITEMS_MAX, &number) || !state_get_number(in, UINT32_MAX, &position) ||
	    !state_get_number(in, 1, &is_silent) || (number != FW_CFG_ITEMS_MAX && number >= fw_cfg->count))
		return state_damaged("firmware");
	pthread_mutex_lock(&fw_cfg->lock);
	fw_cfg->selected = number == FW_CFG_ITEMS_MAX ? NULL : &fw_cfg->items[number];
	fw_cfg->position = (uint32_t)position;
	fw_cfg->is_silent = is_silent;
	pthread_mutex_unlock(&fw_cfg->lock);
	return 0;
}
