/* SPDX-License-Identifier: MIT */
/* The stack of layers, made of all that was said. */
#include <stdlib.h>

#include "machine/layers/detection.h"

struct balance {
	viso_confidence in_favour, against;
	bool is_said;
};

static void add_up(const struct layers *layers, struct balance *balances)
{
	for (size_t i = 0; i < layers->evidence_count; i++) {
		const struct evidence *evidence = &layers->evidence[i];
		if (evidence->product == PRODUCTS)
			continue;
		struct balance *balance = &balances[evidence->product];
		viso_confidence *best = evidence->side == VISO_EVIDENCE_FOR ? &balance->in_favour : &balance->against;
		balance->is_said = true;
		if (evidence->weight > *best)
			*best = evidence->weight;
	}
}

static bool is_there(const struct balance *balance)
{
	return balance->in_favour > balance->against;
}

/*
 * Whether a product explains what speaks for "some other one" of its kind: not one that runs here as host or as a whole
 * machine's part, nor one that is nested further inside.
 */
static bool explains(const struct layers *layers, enum product product)
{
	const viso_layer_role role = layers->roles[product];
	return product != PRODUCT_LPAR && product_facts(product)->depth < DEPTH_INNERMOST &&
	       (role == VISO_ROLE_GUEST || role == VISO_ROLE_UNKNOWN);
}

/* Whether another product of its kind is there that makes "some other one" needless, or Kubernetes without a runtime.
 */
static bool is_outdone(const struct layers *layers, const struct balance *balances, enum product product)
{
	const viso_layer_kind kind = product_facts(product)->kind;
	const enum product other = product_other(kind);
	if (product != other && product != PRODUCT_KUBERNETES)
		return false;
	for (enum product i = 0; i < PRODUCTS; i++) {
		if (i == product || i == other || product_facts(i)->kind != kind || !is_there(&balances[i]))
			continue;
		/* WSL has its own namespaces, but so may what runs in it. */
		if (explains(layers, i) && (product == other || i != PRODUCT_WSL))
			return true;
	}
	return false;
}

static bool has_evidence(const struct layers *layers, viso_layer_kind kind, viso_evidence_side side)
{
	for (size_t i = 0; i < layers->evidence_count; i++) {
		const struct evidence *evidence = &layers->evidence[i];
		if (evidence->kind == kind && evidence->side == side && evidence->product == PRODUCTS &&
		    (side != VISO_EVIDENCE_UNREAD || evidence->weight == VISO_CONFIDENCE_CERTAIN))
			return true;
	}
	return false;
}

static bool has_guest_layer(const struct layers *layers, viso_layer_kind kind)
{
	for (int i = 0; i < layers->count; i++)
		if (layers->list[i].kind == kind && layers->list[i].role == VISO_ROLE_GUEST)
			return true;
	return false;
}

static bool may_have_guest_layer(const struct layers *layers, viso_layer_kind kind)
{
	for (int i = 0; i < layers->count; i++)
		if (layers->list[i].kind == kind &&
		    (layers->list[i].role == VISO_ROLE_GUEST || layers->list[i].role == VISO_ROLE_UNKNOWN))
			return true;
	return false;
}

static bool has_unknown_layer(const struct layers *layers, viso_layer_kind kind)
{
	for (int i = 0; i < layers->count; i++)
		if (layers->list[i].kind == kind && layers->list[i].product == PRODUCTS)
			return true;
	return false;
}

static bool has_layer(const struct layers *layers, viso_layer_kind kind)
{
	for (int i = 0; i < layers->count; i++)
		if (layers->list[i].kind == kind)
			return true;
	return false;
}

/* What is unknown is outside of what is known. */
static int depth_of(const struct layer *layer)
{
	return layer->product == PRODUCTS ? -1 : product_facts(layer->product)->depth;
}

/* Behind those of its kind that are not deeper. */
static void insert(struct layers *layers, const struct layer *layer)
{
	int at = layers->count;
	while (at > 0 && layers->list[at - 1].kind == layer->kind &&
	       depth_of(&layers->list[at - 1]) > depth_of(layer)) {
		layers->list[at] = layers->list[at - 1];
		at--;
	}
	layers->list[at] = *layer;
	layers->count++;
}

bool layer_depends(viso_layer_kind kind)
{
	return kind == VISO_LAYER_MONITOR || kind == VISO_LAYER_CONFIDENTIAL;
}

/* Whether there may be something of a kind that nobody has seen. */
static bool is_unknown(const struct layers *layers, viso_layer_kind kind)
{
	if (has_guest_layer(layers, kind))
		return false;
	if (layer_depends(kind) && has_unknown_layer(layers, VISO_LAYER_HYPERVISOR))
		return true;
	if (layer_depends(kind) && !may_have_guest_layer(layers, VISO_LAYER_HYPERVISOR))
		return false;
	return has_evidence(layers, kind, VISO_EVIDENCE_UNREAD);
}

/* A cloud's machine without a hypervisor is a whole one. */
static viso_layer_role role_of(const struct layers *layers, enum product product)
{
	if (product_facts(product)->kind == VISO_LAYER_CLOUD && !may_have_guest_layer(layers, VISO_LAYER_HYPERVISOR))
		return VISO_ROLE_HOST;
	return layers->roles[product];
}

static void add_kind(struct layers *layers, const struct balance *balances, viso_layer_kind kind)
{
	for (enum product i = 0; i < PRODUCTS; i++)
		if (product_facts(i)->kind == kind && is_there(&balances[i]) && !is_outdone(layers, balances, i))
			insert(layers, &(struct layer){i, kind, role_of(layers, i), balances[i].in_favour});
	if (is_unknown(layers, kind))
		insert(layers, &(struct layer){PRODUCTS, kind, VISO_ROLE_UNKNOWN, VISO_CONFIDENCE_UNKNOWN});
}

static void add_refuted(struct layers *layers, const struct balance *balances, viso_layer_kind kind)
{
	const int before = layers->refuted_count;
	for (enum product i = 0; i < PRODUCTS; i++)
		if (product_facts(i)->kind == kind && balances[i].is_said && !is_there(&balances[i]))
			layers->list[layers->count + layers->refuted_count++] =
				(struct layer){i, kind, VISO_ROLE_GUEST, balances[i].against};
	if (layers->refuted_count == before && !has_layer(layers, kind) && product_other(kind) != PRODUCTS &&
	    has_evidence(layers, kind, VISO_EVIDENCE_AGAINST))
		layers->list[layers->count + layers->refuted_count++] =
			(struct layer){product_other(kind), kind, VISO_ROLE_GUEST, VISO_CONFIDENCE_LIKELY};
}

void weigh(struct detection *detection)
{
	struct balance balances[PRODUCTS] = {0};
	struct layers *layers = detection->layers;
	add_up(layers, balances);
	for (int kind = 0; kind < LAYER_KINDS; kind++)
		add_kind(layers, balances, (viso_layer_kind)kind);
	for (int kind = 0; kind < LAYER_KINDS; kind++)
		add_refuted(layers, balances, (viso_layer_kind)kind);
}
