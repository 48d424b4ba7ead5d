/* SPDX-License-Identifier: MIT */
/* Asking for the layers. A machine never changes, so that any thread and any forked child may. */
#include "machine/layers/layers.h"

#include <errno.h>

#include "core/error.h"
#include "machine/machine.h"

static const char *const kind_names[] = {
	[VISO_LAYER_HYPERVISOR] = "hypervisor", [VISO_LAYER_MONITOR] = "monitor",
	[VISO_LAYER_CLOUD] = "cloud",           [VISO_LAYER_CONFIDENTIAL] = "confidential",
	[VISO_LAYER_CONTAINER] = "container",   [VISO_LAYER_CHROOT] = "chroot",
};
static const char *const role_names[] = {
	[VISO_ROLE_GUEST] = "guest",     [VISO_ROLE_HOST] = "host",
	[VISO_ROLE_DOM0] = "dom0",       [VISO_ROLE_ROOT_PARTITION] = "root partition",
	[VISO_ROLE_UNKNOWN] = "unknown",
};
static const char *const confidence_names[] = {
	[VISO_CONFIDENCE_UNKNOWN] = "unknown",
	[VISO_CONFIDENCE_POSSIBLE] = "possible",
	[VISO_CONFIDENCE_LIKELY] = "likely",
	[VISO_CONFIDENCE_CERTAIN] = "certain",
};

const char *viso_layer_kind_name(viso_layer_kind kind)
{
	return (unsigned)kind < sizeof(kind_names) / sizeof(kind_names[0]) ? kind_names[kind] : NULL;
}

const char *viso_layer_role_name(viso_layer_role role)
{
	return (unsigned)role < sizeof(role_names) / sizeof(role_names[0]) ? role_names[role] : NULL;
}

const char *viso_confidence_name(viso_confidence confidence)
{
	return (unsigned)confidence < sizeof(confidence_names) / sizeof(confidence_names[0])
		       ? confidence_names[confidence]
		       : NULL;
}

static const struct layer *find_layer(const viso_machine *machine, int layer, const char *function)
{
	if (!machine) {
		error_argument(function, "the machine is NULL");
		return NULL;
	}
	if (layer < 0 || layer >= machine->layers.count + machine->layers.refuted_count) {
		error_argument(function, "no layer has this number");
		return NULL;
	}
	return &machine->layers.list[layer];
}

/* Its own, and that of the whole kind. Without knowing the hypervisor one does not know what depends on it. */
static bool belongs(const struct layer *layer, const struct evidence *evidence)
{
	if (layer->product == PRODUCTS && layer_depends(layer->kind) && evidence->kind == VISO_LAYER_HYPERVISOR &&
	    evidence->side == VISO_EVIDENCE_UNREAD)
		return true;
	if (evidence->product == layer->product && layer->product != PRODUCTS)
		return true;
	return evidence->product == PRODUCTS && evidence->kind == layer->kind;
}

static int count_evidence(const viso_machine *machine, const struct layer *layer)
{
	int count = 0;
	for (size_t i = 0; i < machine->layers.evidence_count; i++)
		count += belongs(layer, &machine->layers.evidence[i]);
	return count;
}

static const struct evidence *find_evidence(const viso_machine *machine, int number, int evidence, const char *function)
{
	const struct layer *layer = find_layer(machine, number, function);
	if (!layer)
		return NULL;
	for (size_t i = 0; i < machine->layers.evidence_count && evidence >= 0; i++)
		if (belongs(layer, &machine->layers.evidence[i]) && evidence-- == 0)
			return &machine->layers.evidence[i];
	error_argument(function, "no evidence has this number");
	return NULL;
}

int viso_machine_inside(const viso_machine *machine, viso_layer_kind kind)
{
	bool is_unknown = false;
	if (!machine)
		return error_argument(__func__, "the machine is NULL");
	if ((unsigned)kind >= LAYER_KINDS)
		return error_argument(__func__, "no such kind");
	for (int i = 0; i < machine->layers.count; i++) {
		const struct layer *layer = &machine->layers.list[i];
		if (layer->kind != kind)
			continue;
		if (layer->confidence != VISO_CONFIDENCE_UNKNOWN && layer->role == VISO_ROLE_GUEST)
			return 1;
		is_unknown |= layer->confidence == VISO_CONFIDENCE_UNKNOWN || layer->role == VISO_ROLE_UNKNOWN;
	}
	if (is_unknown)
		return error_fail(
			VISO_STAGE_MACHINE, ENODATA, viso_layer_kind_name(kind),
			"whether there is a %s could not be found out: the evidence of the layer \"unknown\" says "
			"what could not be read; root may read more",
			viso_layer_kind_name(kind));
	return 0;
}

int viso_machine_layer_count(const viso_machine *machine)
{
	return machine ? machine->layers.count : error_argument(__func__, "the machine is NULL");
}

int viso_machine_refuted_count(const viso_machine *machine)
{
	return machine ? machine->layers.refuted_count : error_argument(__func__, "the machine is NULL");
}

const char *viso_machine_layer_id(const viso_machine *machine, int layer)
{
	const struct layer *found = find_layer(machine, layer, __func__);
	if (!found)
		return NULL;
	return found->product == PRODUCTS ? "unknown" : product_facts(found->product)->id;
}

const char *viso_machine_layer_name(const viso_machine *machine, int layer)
{
	const struct layer *found = find_layer(machine, layer, __func__);
	if (!found)
		return NULL;
	if (found->product == PRODUCTS)
		return "unknown";
	const char *name = machine->layers.names[found->product];
	return name ? name : product_facts(found->product)->name;
}

int viso_machine_layer_kind(const viso_machine *machine, int layer)
{
	const struct layer *found = find_layer(machine, layer, __func__);
	return found ? (int)found->kind : -EINVAL;
}

int viso_machine_layer_role(const viso_machine *machine, int layer)
{
	const struct layer *found = find_layer(machine, layer, __func__);
	return found ? (int)found->role : -EINVAL;
}

int viso_machine_layer_confidence(const viso_machine *machine, int layer)
{
	const struct layer *found = find_layer(machine, layer, __func__);
	return found ? (int)found->confidence : -EINVAL;
}

int viso_machine_evidence_count(const viso_machine *machine, int layer)
{
	const struct layer *found = find_layer(machine, layer, __func__);
	return found ? count_evidence(machine, found) : -EINVAL;
}

const char *viso_machine_evidence_source(const viso_machine *machine, int layer, int evidence)
{
	const struct evidence *found = find_evidence(machine, layer, evidence, __func__);
	return found ? found->source : NULL;
}

const char *viso_machine_evidence_value(const viso_machine *machine, int layer, int evidence)
{
	const struct evidence *found = find_evidence(machine, layer, evidence, __func__);
	return found ? found->value : NULL;
}

int viso_machine_evidence_side(const viso_machine *machine, int layer, int evidence)
{
	const struct evidence *found = find_evidence(machine, layer, evidence, __func__);
	return found ? (int)found->side : -EINVAL;
}

int viso_machine_evidence_error(const viso_machine *machine, int layer, int evidence)
{
	const struct evidence *found = find_evidence(machine, layer, evidence, __func__);
	return found ? found->error : -EINVAL;
}
