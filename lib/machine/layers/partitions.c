/* SPDX-License-Identifier: MIT */
/* Logical domains of SPARC (Oracle VM Server for SPARC). */
#include "machine/layers/detection.h"

void detect_partitions(struct detection *detection)
{
	static const char description[] = "/dev/mdesc", control[] = "/sys/class/vlds/ctrl";
	if (detection->processor != PROCESSOR_SPARC || !look_for(detection, VISO_LAYER_HYPERVISOR, true, description))
		return;
	say_for(detection, PRODUCT_LDOMS, VISO_CONFIDENCE_LIKELY, description, "");
	if (look_for(detection, VISO_LAYER_HYPERVISOR, false, control)) {
		say_for(detection, PRODUCT_LDOMS, VISO_CONFIDENCE_CERTAIN, control, "");
		detection->layers->roles[PRODUCT_LDOMS] = VISO_ROLE_HOST;
	}
}
