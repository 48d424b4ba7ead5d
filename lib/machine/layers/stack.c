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

/* Whether another product of its kind is there that makes "some other one" needless. */
static bool is_outdone(const struct balance *balances, enum product product)
{
	const viso_layer_kind kind = product_facts(product)->kind;
	const enum product other = product_other(kind);
	const bool is_other = product == other || product == PRODUCT_KUBERNETES;
	for (enum product i = 0; i < PRODUCTS; i++)
		if (is_other && i != product && i != other && product_facts(i)->kind == kind && is_there(&balances[i]))
			/* WSL has its own namespaces, but so may what runs in it. */
			return product == other || i != PRODUCT_WSL;
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

static bool has_layer(const struct layers *layers, viso_layer_kind kind)
{
	for (int i = 0; i < layers->count; i++)
		if (layers->list[i].kind == kind)
			return true;
	return false;
}

/* Behind those of its kind that are not deeper. */
static void insert(struct layers *layers, const struct layer *layer)
{
	int at = layers->count;
	while (at > 0 && layer->product != PRODUCTS && layers->list[at - 1].kind == layer->kind &&
	       product_facts(layers->list[at - 1].product)->depth > product_facts(layer->product)->depth) {
		layers->list[at] = layers->list[at - 1];
		at--;
	}
	layers->list[at] = *layer;
	layers->count++;
}

/*
 * Without a hypervisor nothing has a monitor, and nothing is confidential. A cloud's machine without one is whole;
 * where it is not known whether there is one, all of them are unknown.
 */
static bool is_idle(const struct layers *layers, viso_layer_kind kind)
{
	return (kind == VISO_LAYER_MONITOR || kind == VISO_LAYER_CONFIDENTIAL) &&
	       !has_guest_layer(layers, VISO_LAYER_HYPERVISOR);
}

static void add_kind(struct layers *layers, const struct balance *balances, viso_layer_kind kind)
{
	for (enum product i = 0; i < PRODUCTS; i++) {
		if (product_facts(i)->kind != kind || !is_there(&balances[i]) || is_outdone(balances, i))
			continue;
		struct layer layer = {i, kind, layers->roles[i], balances[i].in_favour};
		if (kind == VISO_LAYER_CLOUD && !has_guest_layer(layers, VISO_LAYER_HYPERVISOR))
			layer.role = VISO_ROLE_HOST;
		insert(layers, &layer);
	}
	if (!has_layer(layers, kind) && !is_idle(layers, kind) && has_evidence(layers, kind, VISO_EVIDENCE_UNREAD))
		insert(layers, &(struct layer){PRODUCTS, kind, VISO_ROLE_GUEST, VISO_CONFIDENCE_UNKNOWN});
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
