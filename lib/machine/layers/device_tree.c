/* SPDX-License-Identifier: MIT */
/* The device tree: Arm, Power, RISC-V. */
#include <errno.h>
#include <string.h>

#include "core/strings.h"
#include "machine/layers/detection.h"

#define TREE "/proc/device-tree"

/* Whether a property, a list of strings with NULs between them, has one that begins so. */
static const char *find_string(const char *list, size_t size, const char *begin)
{
	for (size_t at = 0; at < size; at += strnlen(list + at, size - at) + 1)
		if (!strncmp(list + at, begin, strlen(begin)))
			return list + at;
	return NULL;
}

/* The node that Xen and KVM make (Documentation/devicetree/bindings/arm/xen.txt; ePAPR 1.1 for Power). */
static bool look_at_hypervisor_node(struct detection *detection)
{
	static const char path[] = TREE "/hypervisor/compatible";
	static const struct {
		const char *part;
		enum product product;
	} known[] = {{"linux,kvm", PRODUCT_KVM}, {"xen", PRODUCT_XEN}, {"vmware", PRODUCT_VMWARE}};
	char text[256];
	ssize_t n = provider_read(detection->provider, path, text, sizeof(text));
	if (n < 0 && !is_absent((int)n))
		say_unread(detection, VISO_LAYER_HYPERVISOR, true, path, (int)n);
	if (n <= 0)
		return false;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strstr(text, known[i].part)) {
			say_for(detection, known[i].product, VISO_CONFIDENCE_CERTAIN, path, text);
			return true;
		}
	say_for(detection, PRODUCT_VM_OTHER, VISO_CONFIDENCE_CERTAIN, path, text);
	return true;
}

/* QEMU's channel for firmware has a node of its own, such as fw-cfg@9020000. */
static bool has_firmware_channel(struct detection *detection)
{
	struct strings names = {0};
	bool found = false;
	int r = provider_list(detection->provider, TREE, &names);
	if (r < 0 && !is_absent(r)) {
		say_unread(detection, VISO_LAYER_HYPERVISOR, true, TREE, r);
		say_unread(detection, VISO_LAYER_MONITOR, true, TREE, r);
	}
	for (size_t i = 0; i < names.count && !found; i++)
		found = strstr(names.items[i], "fw-cfg");
	strings_clear(&names);
	return found;
}

static void say_qemu(struct detection *detection, const char *source, const char *value)
{
	say_for(detection, PRODUCT_QEMU, VISO_CONFIDENCE_CERTAIN, source, value);
	/* With hardware virtualisation or without: the tree does not say which. */
	say_for(detection, PRODUCT_QEMU_TCG, VISO_CONFIDENCE_POSSIBLE, source, value);
}

static void look_at_machine(struct detection *detection, bool firmware_channel)
{
	static const char path[] = TREE "/compatible";
	char text[512];
	ssize_t n = provider_read(detection->provider, path, text, sizeof(text));
	if (n < 0) {
		/* Every tree has this one; and on Power there always is a tree. */
		if (!is_absent((int)n) || detection->processor == PROCESSOR_POWER)
			for (int i = 0; i < 2; i++)
				say_unread(detection, i ? VISO_LAYER_MONITOR : VISO_LAYER_HYPERVISOR, true, path,
					   (int)n);
		return;
	}
	const char *found = find_string(text, (size_t)n, "qemu,");
	if (!found)
		found = find_string(text, (size_t)n, "riscv-virtio");
	if (found)
		say_qemu(detection, path, found);
	else if (find_string(text, (size_t)n, "linux,dummy-virt") && !firmware_channel) {
		say_for(detection, PRODUCT_KVM, VISO_CONFIDENCE_LIKELY, path, "linux,dummy-virt");
		say_for(detection, PRODUCT_KVMTOOL, VISO_CONFIDENCE_POSSIBLE, path, "linux,dummy-virt");
	}
}

static void look_for_powervm(struct detection *detection)
{
	if (look_for(detection, VISO_LAYER_HYPERVISOR, true, TREE "/ibm,partition-name") &&
	    look_for(detection, VISO_LAYER_HYPERVISOR, true, TREE "/hmc-managed?") &&
	    !look_for(detection, VISO_LAYER_HYPERVISOR, true, TREE "/chosen/qemu,graphic-width"))
		say_for(detection, PRODUCT_POWERVM, VISO_CONFIDENCE_CERTAIN, TREE "/ibm,partition-name", "");
}

void detect_by_device_tree(struct detection *detection)
{
	if (detection->processor == PROCESSOR_X86 || detection->processor == PROCESSOR_S390)
		return;
	bool known = look_at_hypervisor_node(detection);
	bool firmware_channel = has_firmware_channel(detection);
	if (firmware_channel)
		say_qemu(detection, TREE, "fw-cfg");
	look_at_machine(detection, firmware_channel);
	if (!known && detection->processor == PROCESSOR_POWER)
		look_for_powervm(detection);
	/* Arm has a tree or DMI, or we see neither. */
	if (detection->processor == PROCESSOR_ARM && !detection->dmi_read &&
	    provider_exists(detection->provider, TREE) == 0)
		say_unread(detection, VISO_LAYER_HYPERVISOR, true, TREE, -ENOENT);
}
