/* SPDX-License-Identifier: MIT */
/* Xen's own files, which tell its kinds of guests and its privileged domain apart. */
#include <stdlib.h>
#include <string.h>

#include "machine/layers/detection.h"

enum { FEATURE_DOM0 = 11 }; /* XENFEAT_dom0 of xen/include/public/features.h */

static void say_dom0(struct detection *detection, const char *source, const char *value)
{
	say_for(detection, PRODUCT_XEN, VISO_CONFIDENCE_CERTAIN, source, value);
	detection->layers->roles[PRODUCT_XEN] = VISO_ROLE_DOM0;
}

static void look_for_dom0(struct detection *detection)
{
	static const char features[] = "/sys/hypervisor/properties/features";
	static const char capabilities[] = "/proc/xen/capabilities";
	char line[256];
	int r = look_at_line(detection, VISO_LAYER_HYPERVISOR, false, features, line, sizeof(line));
	bool known = r == 0;
	if (r == 0 && (strtoull(line, NULL, 16) >> FEATURE_DOM0 & 1))
		say_dom0(detection, features, line);
	/* The older way, and the one of Linux 2.6. */
	r = look_at_line(detection, VISO_LAYER_HYPERVISOR, false, capabilities, line, sizeof(line));
	if (r == 0 && strstr(line, "control_d"))
		say_dom0(detection, capabilities, line);
	else if (r < 0 && !is_absent(r) && !known)
		detection->layers->roles[PRODUCT_XEN] = VISO_ROLE_UNKNOWN;
}

static void look_at_kind(struct detection *detection)
{
	static const char path[] = "/sys/hypervisor/guest_type"; /* since Linux 4.14 */
	static const struct {
		const char *type, *name;
	} names[] = {{"PV", "Xen (PV)"}, {"HVM", "Xen (HVM)"}, {"PVH", "Xen (PVH)"}};
	char line[64];
	if (look_at_line(detection, VISO_LAYER_HYPERVISOR, false, path, line, sizeof(line)) < 0)
		return;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(line, names[i].type)) {
			say_for(detection, PRODUCT_XEN, VISO_CONFIDENCE_CERTAIN, path, line);
			detection->layers->names[PRODUCT_XEN] = names[i].name;
		}
}

void detect_xen(struct detection *detection)
{
	static const char type[] = "/sys/hypervisor/type", proc[] = "/proc/xen";
	char line[64];
	/* CPUID tells an HVM guest; a PV one has the processor's own. */
	if (look_at_line(detection, VISO_LAYER_HYPERVISOR, !detection->hypervisor_bit, type, line, sizeof(line)) == 0)
		say_for(detection, !strcmp(line, "xen") ? PRODUCT_XEN : PRODUCT_VM_OTHER, VISO_CONFIDENCE_CERTAIN, type,
			line);
	if (look_for(detection, VISO_LAYER_HYPERVISOR, !detection->hypervisor_bit, proc))
		say_for(detection, PRODUCT_XEN, VISO_CONFIDENCE_CERTAIN, proc, "");
	if (best_for(detection, PRODUCT_XEN)) {
		look_at_kind(detection);
		look_for_dom0(detection);
	}
}
