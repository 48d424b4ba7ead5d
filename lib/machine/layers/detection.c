/* SPDX-License-Identifier: MIT */
/* Detecting layers: the order of the subjects, and what they say with. */
#include "machine/layers/detection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { VALUE_MAX = 200 };

bool is_absent(int error)
{
	return error == -ENOENT || error == -ENOTDIR;
}

/* What comes from a machine may be anything, and goes to terminals. */
static char *copy_printable(const char *text)
{
	char *copy = strndup(text, VALUE_MAX);
	if (copy)
		make_printable(copy);
	return copy;
}

static struct evidence *grow(struct layers *layers)
{
	if (layers->evidence_count == layers->evidence_capacity) {
		size_t capacity = layers->evidence_capacity ? 2 * layers->evidence_capacity : 32;
		struct evidence *larger = realloc(layers->evidence, capacity * sizeof(*larger));
		if (!larger)
			return NULL;
		layers->evidence = larger;
		layers->evidence_capacity = capacity;
	}
	return &layers->evidence[layers->evidence_count];
}

static void say(struct detection *detection, struct evidence what, const char *source, const char *value)
{
	struct evidence *place = grow(detection->layers);
	what.source = strdup(source);
	what.value = copy_printable(value);
	if (!place || !what.source || !what.value) {
		free(what.source);
		free(what.value);
		detection->error = -ENOMEM;
		return;
	}
	*place = what;
	detection->layers->evidence_count++;
}

void say_for(struct detection *detection, enum product product, viso_confidence weight, const char *source,
	     const char *value)
{
	say(detection,
	    (struct evidence){.product = product,
			      .kind = product_facts(product)->kind,
			      .side = VISO_EVIDENCE_FOR,
			      .weight = weight},
	    source, value);
}

void say_against(struct detection *detection, enum product product, viso_confidence weight, const char *source,
		 const char *value)
{
	say(detection,
	    (struct evidence){.product = product,
			      .kind = product_facts(product)->kind,
			      .side = VISO_EVIDENCE_AGAINST,
			      .weight = weight},
	    source, value);
}

void say_against_kind(struct detection *detection, viso_layer_kind kind, const char *source, const char *value)
{
	say(detection,
	    (struct evidence){.product = PRODUCTS,
			      .kind = kind,
			      .side = VISO_EVIDENCE_AGAINST,
			      .weight = VISO_CONFIDENCE_UNKNOWN},
	    source, value);
}

void say_unread(struct detection *detection, viso_layer_kind kind, bool decides, const char *source, int error)
{
	say(detection,
	    (struct evidence){.product = PRODUCTS,
			      .kind = kind,
			      .side = VISO_EVIDENCE_UNREAD,
			      .weight = decides ? VISO_CONFIDENCE_CERTAIN : VISO_CONFIDENCE_POSSIBLE,
			      .error = -error},
	    source, "");
}

viso_confidence best_for(const struct detection *detection, enum product product)
{
	viso_confidence best = VISO_CONFIDENCE_UNKNOWN;
	for (size_t i = 0; i < detection->layers->evidence_count; i++) {
		const struct evidence *evidence = &detection->layers->evidence[i];
		if (evidence->product == product && evidence->side == VISO_EVIDENCE_FOR && evidence->weight > best)
			best = evidence->weight;
	}
	return best;
}

int look_at_line(struct detection *detection, viso_layer_kind kind, bool decides, const char *path, char *line,
		 size_t size)
{
	int r = provider_read_line(detection->provider, path, line, size);
	if (r < 0 && !is_absent(r))
		say_unread(detection, kind, decides, path, r);
	return r;
}

bool look_for(struct detection *detection, viso_layer_kind kind, bool decides, const char *path)
{
	int r = provider_exists(detection->provider, path);
	if (r < 0)
		say_unread(detection, kind, decides, path, r);
	return r > 0;
}

/* Each may use what those before it have found out. */
static void (*const subjects[])(struct detection *detection) = {
	detect_kernel_name,  detect_by_cpuid,          detect_by_dmi,
	detect_by_acpi,      detect_by_device_tree,    detect_by_processor_text,
	detect_xen,          detect_partitions,        detect_disguises,
	detect_confidential, detect_namespaces,        detect_by_mounts,
	detect_by_status,    detect_container_markers, detect_by_control_groups,
	detect_chroot,
};

int layers_detect(struct layers *layers, struct provider *provider)
{
	struct provider own = *provider;
	struct detection detection = {.provider = &own, .layers = layers};
	for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]) && !detection.error; i++)
		subjects[i](&detection);
	if (!detection.error)
		weigh(&detection);
	free(detection.mounts);
	return own.is_out_of_memory ? -ENOMEM : detection.error;
}

void layers_release(struct layers *layers)
{
	for (size_t i = 0; i < layers->evidence_count; i++) {
		free(layers->evidence[i].source);
		free(layers->evidence[i].value);
	}
	free(layers->evidence);
}
