/* SPDX-License-Identifier: MIT */
#include "guest/device/overlay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int overlay_init(struct overlay *overlay, uint64_t size, uint64_t used_max)
{
	const uint64_t leaf_size = (uint64_t)OVERLAY_BLOCK * OVERLAY_LEAF;
	overlay->leaf_count = size / leaf_size + 1;
	overlay->used = 0;
	overlay->used_max = used_max;
	overlay->base = (struct overlay_base){0};
	/* Of a large disk the pointers are many, but memory that was never touched costs none. */
	overlay->leaves = calloc(overlay->leaf_count, sizeof(overlay->leaves[0]));
	return overlay->leaves ? 0 : -ENOMEM;
}

void overlay_release(struct overlay *overlay)
{
	for (uint64_t i = 0; overlay->leaves && overlay->used > 0 && i < overlay->leaf_count; i++) {
		for (int j = 0; overlay->leaves[i] && j < OVERLAY_LEAF; j++)
			free(overlay->leaves[i][j]);
		free(overlay->leaves[i]);
	}
	free(overlay->leaves);
	overlay->leaves = NULL;
}

static uint8_t *find_own(const struct overlay *overlay, uint64_t number)
{
	uint8_t **leaf = overlay->leaves[number / OVERLAY_LEAF];
	return leaf ? leaf[number % OVERLAY_LEAF] : NULL;
}

static uint64_t number_at(const struct overlay_base *base, uint64_t place)
{
	uint64_t number;
	memcpy(&number, base->numbers + place * sizeof(number), sizeof(number));
	return number;
}

/* The first place whose number is not below. */
static uint64_t find_place(const struct overlay_base *base, uint64_t number)
{
	uint64_t low = 0, high = base->count;
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		if (number_at(base, middle) < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const uint8_t *find_beneath(const struct overlay_base *base, uint64_t number)
{
	uint64_t place = find_place(base, number);
	return place < base->count && number_at(base, place) == number ? base->blocks + place * OVERLAY_BLOCK : NULL;
}

const uint8_t *overlay_find(const struct overlay *overlay, uint64_t number)
{
	const uint8_t *own = find_own(overlay, number);
	return own ? own : find_beneath(&overlay->base, number);
}

int overlay_make(struct overlay *overlay, uint64_t number, uint8_t **out_block, bool *out_is_new)
{
	*out_is_new = false;
	*out_block = find_own(overlay, number);
	if (*out_block)
		return 0;
	uint64_t more = find_beneath(&overlay->base, number) ? 0 : OVERLAY_BLOCK;
	if (overlay->used_max - overlay->used < more)
		return -ENOSPC;
	uint8_t *block = malloc(OVERLAY_BLOCK);
	if (!block)
		return -ENOMEM;
	uint8_t ***leaf = &overlay->leaves[number / OVERLAY_LEAF];
	if (!*leaf)
		*leaf = calloc(OVERLAY_LEAF, sizeof(**leaf));
	if (!*leaf) {
		free(block);
		return -ENOMEM;
	}
	overlay->used += more;
	(*leaf)[number % OVERLAY_LEAF] = block;
	*out_block = block;
	*out_is_new = true;
	return 0;
}

/* The next number from `*number` on that is written; false where there is none. */
static bool next_written(const struct overlay *overlay, uint64_t *number)
{
	uint64_t place = find_place(&overlay->base, *number);
	uint64_t beneath = place < overlay->base.count ? number_at(&overlay->base, place) : UINT64_MAX;
	uint64_t own = *number, end = overlay->leaf_count * OVERLAY_LEAF;
	while (own < end && own < beneath && !find_own(overlay, own))
		own = overlay->leaves[own / OVERLAY_LEAF] ? own + 1 : (own / OVERLAY_LEAF + 1) * OVERLAY_LEAF;
	*number = own < beneath ? own : beneath;
	return *number < end;
}

void overlay_save(const struct overlay *overlay, struct state_writer *out)
{
	uint64_t count = 0, number;
	for (number = 0; next_written(overlay, &number); number++)
		count++;
	state_put_number(out, count);
	for (number = 0; next_written(overlay, &number); number++)
		state_put_number(out, number);
	for (number = 0; next_written(overlay, &number); number++)
		state_put(out, overlay_find(overlay, number), OVERLAY_BLOCK);
}

bool overlay_load(struct overlay *overlay, uint64_t size, struct state_reader *in)
{
	struct overlay_base base;
	uint64_t blocks = (size + OVERLAY_BLOCK - 1) / OVERLAY_BLOCK;
	if (!state_get_number(in, overlay->used_max / OVERLAY_BLOCK, &base.count) ||
	    in->left < base.count * (sizeof(uint64_t) + OVERLAY_BLOCK))
		return false;
	base.numbers = in->data;
	base.blocks = in->data + base.count * sizeof(uint64_t);
	for (uint64_t i = 0; i < base.count; i++)
		if (number_at(&base, i) >= blocks || (i > 0 && number_at(&base, i) <= number_at(&base, i - 1)))
			return false;
	in->data = base.blocks + base.count * OVERLAY_BLOCK;
	in->left -= base.count * (sizeof(uint64_t) + OVERLAY_BLOCK);
	overlay->base = base;
	overlay->used = base.count * OVERLAY_BLOCK;
	return true;
}
