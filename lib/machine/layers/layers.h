/* SPDX-License-Identifier: MIT */
/* The layers that were found, with their evidence. */
#ifndef MACHINE_LAYERS_LAYERS_H
#define MACHINE_LAYERS_LAYERS_H

#include <stdbool.h>
#include <stddef.h>

#include "machine/layers/products.h"
#include "machine/provider.h"

struct evidence {
	enum product product; /* PRODUCTS: of the whole kind */
	viso_layer_kind kind;
	viso_evidence_side side;
	viso_confidence weight; /* of what could not be read: CERTAIN where it would have decided */
	int error;              /* positive; 0 where it was read */
	char *source;
	char *value;
};

struct layer {
	enum product product; /* PRODUCTS: unknown */
	viso_layer_kind kind;
	viso_layer_role role;
	viso_confidence confidence;
};

struct layers {
	struct evidence *evidence;
	size_t evidence_count, evidence_capacity;
	viso_layer_role roles[PRODUCTS];
	const char *names[PRODUCTS]; /* where it is another one than the product's */
	struct layer list[PRODUCTS + LAYER_KINDS];
	int count; /* those that are there; the refuted ones come behind them */
	int refuted_count;
};

/* Whether a kind of layer is there with a hypervisor only. */
bool layer_depends(viso_layer_kind kind);

/* Finds them. 0 or -ENOMEM, without setting the error. */
int layers_detect(struct layers *layers, struct provider *provider);

void layers_release(struct layers *layers);

#endif
