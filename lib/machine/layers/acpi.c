/* SPDX-License-Identifier: MIT */
/* Who made the ACPI tables, which root may read, and devices whose ids belong to one monitor, which anybody sees. */
#include <stdio.h>
#include <string.h>

#include "machine/layers/detection.h"

enum { HEADER_SIZE = 36, OEM_ID = 10, OEM_ID_SIZE = 6 }; /* ACPI 6.5, 5.2.6 */

/* The FACP is looked at first: what makes the DSDT is more often a compiler than a monitor. */
static const char *const tables[] = {"/sys/firmware/acpi/tables/FACP", "/sys/firmware/acpi/tables/DSDT"};

static const struct {
	const char oem_id[OEM_ID_SIZE + 1]; /* without the spaces behind it */
	enum product product;
} oem_ids[] = {
	{"FIRECK", PRODUCT_FIRECRACKER}, {"CLOUDH", PRODUCT_CLOUD_HYPERVISOR},
	{"CROSVM", PRODUCT_CROSVM},      {"BOCHS", PRODUCT_QEMU},
	{"STRATO", PRODUCT_STRATOVIRT},  {"BHYVE", PRODUCT_BHYVE},
	{"VBOX", PRODUCT_ORACLE},        {"VRTUAL", PRODUCT_MICROSOFT},
	{"PRLS", PRODUCT_PARALLELS},     {"Xen", PRODUCT_XEN},
	{"AMAZON", PRODUCT_AMAZON},      {"GOOGLE", PRODUCT_GOOGLE},
};

static const struct {
	const char *path;
	enum product product;
	viso_confidence weight;
} devices[] = {
	{"/sys/bus/acpi/devices/FCVMGID:00", PRODUCT_FIRECRACKER, VISO_CONFIDENCE_CERTAIN},
	{"/sys/bus/acpi/devices/QEMUVGID:00", PRODUCT_QEMU, VISO_CONFIDENCE_CERTAIN},
	{"/sys/bus/acpi/devices/QEMU0002:00", PRODUCT_QEMU, VISO_CONFIDENCE_CERTAIN}, /* fw_cfg */
	{"/sys/firmware/qemu_fw_cfg", PRODUCT_QEMU, VISO_CONFIDENCE_LIKELY},
};

static bool look_at_table(struct detection *detection, const char *path)
{
	char header[HEADER_SIZE + 1], oem_id[OEM_ID_SIZE + 1] = "";
	ssize_t n = provider_read(detection->provider, path, header, sizeof(header));
	if (n < 0 && !is_absent((int)n))
		say_unread(detection, VISO_LAYER_MONITOR, true, path, (int)n);
	if (n < HEADER_SIZE)
		return false;
	memcpy(oem_id, header + OEM_ID, OEM_ID_SIZE);
	for (size_t i = OEM_ID_SIZE; i > 0 && oem_id[i - 1] == ' '; i--)
		oem_id[i - 1] = '\0';
	for (size_t i = 0; i < sizeof(oem_ids) / sizeof(oem_ids[0]); i++)
		if (!strcmp(oem_ids[i].oem_id, oem_id)) {
			/* Cloud Hypervisor and others run on more than one hypervisor: the table speaks for itself
			 * only. */
			say_for(detection, oem_ids[i].product, VISO_CONFIDENCE_CERTAIN, path, oem_id);
			return true;
		}
	return false;
}

/*
 * Amazon's clock device: Nitro has it together with DMI, Firecracker without. Older ones have no ACPI at all, and get
 * their devices by the kernel's command line.
 */
static void look_for_bare_firecracker(struct detection *detection)
{
	static const char clock[] = "/sys/bus/acpi/devices/AMZNC10C:00", line[] = "/proc/cmdline";
	char text[2048];
	if (detection->dmi_read || best_for(detection, PRODUCT_FIRECRACKER) == VISO_CONFIDENCE_CERTAIN)
		return;
	if (provider_exists(detection->provider, clock) > 0)
		say_for(detection, PRODUCT_FIRECRACKER, VISO_CONFIDENCE_LIKELY, clock, "without DMI");
	else if (look_at_line(detection, VISO_LAYER_MONITOR, true, line, text, sizeof(text)) == 0 &&
		 strstr(text, "virtio_mmio.device=") && strstr(text, "pci=off"))
		say_for(detection, PRODUCT_FIRECRACKER, VISO_CONFIDENCE_POSSIBLE, line, "virtio_mmio.device= pci=off");
}

void detect_by_acpi(struct detection *detection)
{
	if (detection->processor == PROCESSOR_S390 || detection->processor == PROCESSOR_SPARC ||
	    detection->processor == PROCESSOR_POWER)
		return;
	/* A machine without a hypervisor has no monitor; its tables would tell nothing. */
	if (detection->cpuid_read && !detection->hypervisor_bit && !best_for(detection, PRODUCT_QEMU))
		return;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		if (look_at_table(detection, tables[i]))
			break;
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
		if (look_for(detection, VISO_LAYER_MONITOR, true, devices[i].path))
			say_for(detection, devices[i].product, devices[i].weight, devices[i].path, "");
	if (detection->hypervisor_bit)
		look_for_bare_firecracker(detection);
}
