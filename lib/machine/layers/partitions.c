/* SPDX-License-Identifier: MIT */
/* Logical domains of SPARC (Oracle VM Server for SPARC). */
#include "machine/layers/detection.h"

void detect_partitions(struct detection *detection)
{
	static const char description[] = "/dev/mdesc", control[] = "/sys/class/vlds/ctrl";
	if (detection->processor != PROCESSOR_SPARC || !look_for(detection, VISO_LAYER_HYPERVISOR, true, description))
		return;
	say_for(detection, PRODUCT_LDOMS, VISO_CONFIDENCE_LIKELY, description, "");
	int r = provider_exists(detection->provider, control);
	if (r > 0)
		say_for(detection, PRODUCT_LDOMS, VISO_CONFIDENCE_CERTAIN, control, "");
	else if (r < 0)
		say_unread(detection, VISO_LAYER_HYPERVISOR, false, control, r);
	detection->layers->roles[PRODUCT_LDOMS] = r > 0 ? VISO_ROLE_HOST : r < 0 ? VISO_ROLE_UNKNOWN : VISO_ROLE_GUEST;
}
