/* SPDX-License-Identifier: MIT */
/* Ring 0 is the x86 name; what this library asks about it has no answer on other processors yet. */
#include "machine/machine.h"

void probe_kvm_ring0(const struct finding *features, struct finding *finding)
{
	finding_fails(finding, "Not examined: this library runs guests on x86-64 only.");
}
