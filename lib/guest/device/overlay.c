/* SPDX-License-Identifier: MIT */
#include "guest/device/overlay.h"

#include <errno.h>
#include <stdlib.h>

int overlay_init(struct overlay *overlay, uint64_t size, uint64_t used_max)
{
	const uint64_t leaf_size = (uint64_t)OVERLAY_BLOCK * OVERLAY_LEAF;
	overlay->leaf_count = size / leaf_size + 1;
	overlay->used = 0;
	overlay->used_max = used_max;
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

uint8_t *overlay_find(const struct overlay *overlay, uint64_t number)
{
	uint8_t **leaf = overlay->leaves[number / OVERLAY_LEAF];
	return leaf ? leaf[number % OVERLAY_LEAF] : NULL;
}

int overlay_make(struct overlay *overlay, uint64_t number, uint8_t **out_block)
{
	*out_block = overlay_find(overlay, number);
	if (*out_block)
		return 0;
	if (overlay->used_max - overlay->used < OVERLAY_BLOCK)
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
	overlay->used += OVERLAY_BLOCK;
	(*leaf)[number % OVERLAY_LEAF] = block;
	*out_block = block;
	return 0;
}
