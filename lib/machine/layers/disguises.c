/* SPDX-License-Identifier: MIT */
/*
 * Hypervisors that speak the language of another one, so that its guests run well: what they say of themselves
 * elsewhere refutes that.
 */
#include "machine/layers/detection.h"

/* Those that offer Linux the interface of KVM or that of Hyper-V (VBoxManage modifyvm --paravirtprovider, prlctl). */
static const enum product pretenders[] = {PRODUCT_ORACLE, PRODUCT_PARALLELS};

/* What a hypervisor of another kind says behind the signature of Hyper-V (QEMU's hv- flags, Xen's viridian). */
static const enum product enlightened[] = {PRODUCT_KVM,   PRODUCT_XEN,  PRODUCT_VMWARE,
					   PRODUCT_BHYVE, PRODUCT_ACRN, PRODUCT_QEMU_TCG};

static void refute(struct detection *detection, enum product product, const char *by)
{
	if (best_for(detection, product))
		say_against(detection, product, VISO_CONFIDENCE_CERTAIN, by, "presents its interface");
}

static void look_at_pretenders(struct detection *detection)
{
	for (size_t i = 0; i < sizeof(pretenders) / sizeof(pretenders[0]); i++)
		if (best_for(detection, pretenders[i]) == VISO_CONFIDENCE_CERTAIN) {
			const char *name = product_facts(pretenders[i])->name;
			refute(detection, PRODUCT_KVM, name);
			refute(detection, PRODUCT_MICROSOFT, name);
		}
}

static void look_at_enlightened(struct detection *detection)
{
	for (size_t i = 0; i < sizeof(enlightened) / sizeof(enlightened[0]); i++)
		if (detection->has_signature[enlightened[i]]) {
			refute(detection, PRODUCT_MICROSOFT, product_facts(enlightened[i])->name);
			return;
		}
	/* KVM's own signature may be hidden; nothing but KVM gives QEMU these enlightenments. */
	if (best_for(detection, PRODUCT_QEMU) == VISO_CONFIDENCE_CERTAIN) {
		say_for(detection, PRODUCT_KVM, VISO_CONFIDENCE_LIKELY, "QEMU", "with the interface of Hyper-V");
		refute(detection, PRODUCT_MICROSOFT, "QEMU");
	} else if (best_for(detection, PRODUCT_XEN)) {
		refute(detection, PRODUCT_MICROSOFT, "Xen");
	}
}

void detect_disguises(struct detection *detection)
{
	look_at_pretenders(detection);
	if (detection->has_signature[PRODUCT_MICROSOFT])
		look_at_enlightened(detection);
	/* QEMU emulates no processor where a hypervisor is there that is known. */
	if (best_for(detection, PRODUCT_QEMU_TCG) == VISO_CONFIDENCE_POSSIBLE &&
	    (best_for(detection, PRODUCT_KVM) >= VISO_CONFIDENCE_LIKELY ||
	     best_for(detection, PRODUCT_XEN) >= VISO_CONFIDENCE_LIKELY))
		say_against(detection, PRODUCT_QEMU_TCG, VISO_CONFIDENCE_LIKELY, "KVM or Xen", "runs the processor");
}
