/* SPDX-License-Identifier: MIT */
/* What the firmware says that the machine is: /sys/class/dmi/id. */
#include <errno.h>
#include <string.h>

#include "machine/layers/detection.h"

static const char *const files[DMI_FIELDS] = {
	[DMI_PRODUCT_NAME] = "/sys/class/dmi/id/product_name",
	[DMI_SYS_VENDOR] = "/sys/class/dmi/id/sys_vendor",
	[DMI_BOARD_VENDOR] = "/sys/class/dmi/id/board_vendor",
	[DMI_BIOS_VENDOR] = "/sys/class/dmi/id/bios_vendor",
	[DMI_PRODUCT_VERSION] = "/sys/class/dmi/id/product_version",
	[DMI_BIOS_VERSION] = "/sys/class/dmi/id/bios_version",
	[DMI_BOARD_NAME] = "/sys/class/dmi/id/board_name",
	[DMI_CHASSIS_ASSET_TAG] = "/sys/class/dmi/id/chassis_asset_tag",
};

/* In which fields a text is looked for. */
#define IN(field) (1u << DMI_##field)
#define IN_NAMES                                                                                                       \
	(IN(PRODUCT_NAME) | IN(SYS_VENDOR) | IN(BOARD_VENDOR) | IN(BIOS_VENDOR) | IN(PRODUCT_VERSION) | IN(BOARD_NAME))

/*
 * Texts with which a field begins, or which it contains where there is a * before them. "Oracle Corporation" and
 * "Microsoft Corporation" are not among them: they also build hardware.
 */
static const struct {
	unsigned fields;
	const char *text;
	enum product product;
	viso_confidence weight;
} texts[] = {
	{IN_NAMES, "innotek GmbH", PRODUCT_ORACLE, VISO_CONFIDENCE_CERTAIN},
	{IN_NAMES, "VirtualBox", PRODUCT_ORACLE, VISO_CONFIDENCE_CERTAIN},
	{IN_NAMES, "Parallels", PRODUCT_PARALLELS, VISO_CONFIDENCE_CERTAIN},
	{IN_NAMES, "Bochs", PRODUCT_BOCHS, VISO_CONFIDENCE_LIKELY},
	{IN_NAMES, "VMware", PRODUCT_VMWARE, VISO_CONFIDENCE_LIKELY},
	{IN_NAMES | IN(BIOS_VERSION), "VMW", PRODUCT_VMWARE, VISO_CONFIDENCE_LIKELY},
	{IN_NAMES, "Xen", PRODUCT_XEN, VISO_CONFIDENCE_LIKELY},
	{IN_NAMES, "BHYVE", PRODUCT_BHYVE, VISO_CONFIDENCE_LIKELY},
	{IN_NAMES, "Hyper-V", PRODUCT_MICROSOFT, VISO_CONFIDENCE_LIKELY},
	{IN_NAMES, "Apple Virtualization", PRODUCT_APPLE, VISO_CONFIDENCE_LIKELY},
	{IN_NAMES, "KVM", PRODUCT_KVM, VISO_CONFIDENCE_LIKELY},
	{IN_NAMES, "OpenStack", PRODUCT_KVM, VISO_CONFIDENCE_POSSIBLE},
	{IN_NAMES, "KubeVirt", PRODUCT_KVM, VISO_CONFIDENCE_LIKELY},
	{IN_NAMES, "SmartDC HVM", PRODUCT_KVM, VISO_CONFIDENCE_LIKELY},
	{IN_NAMES, "QEMU", PRODUCT_QEMU_TCG, VISO_CONFIDENCE_POSSIBLE},
	{IN(SYS_VENDOR), "Nutanix", PRODUCT_KVM, VISO_CONFIDENCE_LIKELY},
	{IN(SYS_VENDOR), "oVirt", PRODUCT_KVM, VISO_CONFIDENCE_LIKELY},
	{IN(PRODUCT_NAME), "RHEV Hypervisor", PRODUCT_KVM, VISO_CONFIDENCE_LIKELY},
	{IN(SYS_VENDOR), "Cloud Hypervisor", PRODUCT_KVM, VISO_CONFIDENCE_POSSIBLE},
	{IN(PRODUCT_NAME), "crosvm", PRODUCT_KVM, VISO_CONFIDENCE_POSSIBLE},

	{IN_NAMES, "QEMU", PRODUCT_QEMU, VISO_CONFIDENCE_CERTAIN},
	{IN(BIOS_VENDOR), "SeaBIOS", PRODUCT_QEMU, VISO_CONFIDENCE_POSSIBLE},
	{IN(SYS_VENDOR), "Cloud Hypervisor", PRODUCT_CLOUD_HYPERVISOR, VISO_CONFIDENCE_CERTAIN},
	{IN(PRODUCT_NAME), "cloud-hypervisor", PRODUCT_CLOUD_HYPERVISOR, VISO_CONFIDENCE_CERTAIN},
	{IN(PRODUCT_NAME), "crosvm", PRODUCT_CROSVM, VISO_CONFIDENCE_CERTAIN},

	{IN(SYS_VENDOR) | IN(BIOS_VENDOR) | IN(BOARD_VENDOR), "Amazon EC2", PRODUCT_AMAZON, VISO_CONFIDENCE_CERTAIN},
	{IN(BIOS_VERSION) | IN(PRODUCT_VERSION), "*.amazon", PRODUCT_AMAZON, VISO_CONFIDENCE_CERTAIN},
	{IN(PRODUCT_NAME), "Google Compute Engine", PRODUCT_GOOGLE, VISO_CONFIDENCE_CERTAIN},
	/* The same for every machine there; it was once a service tag. */
	{IN(CHASSIS_ASSET_TAG), "7783-7084-3265-9085-8269-3286-77", PRODUCT_AZURE, VISO_CONFIDENCE_CERTAIN},
	{IN(SYS_VENDOR) | IN(PRODUCT_NAME), "Alibaba Cloud", PRODUCT_ALIBABA, VISO_CONFIDENCE_CERTAIN},
	{IN(CHASSIS_ASSET_TAG), "OracleCloud.com", PRODUCT_ORACLE_CLOUD, VISO_CONFIDENCE_CERTAIN},
	{IN(CHASSIS_ASSET_TAG), "ibmcloud", PRODUCT_IBM_CLOUD, VISO_CONFIDENCE_CERTAIN},
	{IN(SYS_VENDOR), "IBM:Cloud Compute Server", PRODUCT_IBM_CLOUD, VISO_CONFIDENCE_CERTAIN},
	{IN(SYS_VENDOR), "Tencent Cloud", PRODUCT_TENCENT, VISO_CONFIDENCE_CERTAIN},
	{IN(CHASSIS_ASSET_TAG), "HUAWEICLOUD", PRODUCT_HUAWEI, VISO_CONFIDENCE_CERTAIN},
	{IN(SYS_VENDOR), "DigitalOcean", PRODUCT_DIGITALOCEAN, VISO_CONFIDENCE_CERTAIN},
	{IN(SYS_VENDOR), "Hetzner", PRODUCT_HETZNER, VISO_CONFIDENCE_CERTAIN},
	{IN(SYS_VENDOR), "Scaleway", PRODUCT_SCALEWAY, VISO_CONFIDENCE_CERTAIN},
	{IN(SYS_VENDOR), "Vultr", PRODUCT_VULTR, VISO_CONFIDENCE_CERTAIN},
	{IN(SYS_VENDOR), "UpCloud", PRODUCT_UPCLOUD, VISO_CONFIDENCE_CERTAIN},
	{IN(SYS_VENDOR) | IN(PRODUCT_NAME), "Exoscale", PRODUCT_EXOSCALE, VISO_CONFIDENCE_CERTAIN},
	{IN(SYS_VENDOR), "Akamai", PRODUCT_AKAMAI, VISO_CONFIDENCE_CERTAIN},
	{IN(SYS_VENDOR), "Linode", PRODUCT_AKAMAI, VISO_CONFIDENCE_CERTAIN},
	{IN(SYS_VENDOR), "3DS Outscale", PRODUCT_OUTSCALE, VISO_CONFIDENCE_CERTAIN},
	{IN(PRODUCT_NAME), "CloudSigma", PRODUCT_CLOUDSIGMA, VISO_CONFIDENCE_CERTAIN},
	{IN(PRODUCT_NAME), "CloudStack", PRODUCT_CLOUDSTACK, VISO_CONFIDENCE_CERTAIN},
	{IN(SYS_VENDOR), "Apache Software Foundation", PRODUCT_CLOUDSTACK, VISO_CONFIDENCE_LIKELY},
	{IN(PRODUCT_NAME), "OpenStack", PRODUCT_OPENSTACK, VISO_CONFIDENCE_CERTAIN},
	{IN(SYS_VENDOR), "OpenStack Foundation", PRODUCT_OPENSTACK, VISO_CONFIDENCE_CERTAIN},
	{IN(CHASSIS_ASSET_TAG), "OpenTelekomCloud", PRODUCT_OPENSTACK, VISO_CONFIDENCE_CERTAIN},
	{IN(PRODUCT_NAME), "SmartDC HVM", PRODUCT_SMARTOS, VISO_CONFIDENCE_CERTAIN},
	{IN(CHASSIS_ASSET_TAG), "*.zstack.io", PRODUCT_ZSTACK, VISO_CONFIDENCE_CERTAIN},
	{IN_NAMES, "KubeVirt", PRODUCT_KUBEVIRT, VISO_CONFIDENCE_CERTAIN},
	{IN(SYS_VENDOR), "Nutanix", PRODUCT_NUTANIX, VISO_CONFIDENCE_CERTAIN},
	{IN(SYS_VENDOR), "oVirt", PRODUCT_OVIRT, VISO_CONFIDENCE_CERTAIN},
	{IN(PRODUCT_NAME), "RHEV Hypervisor", PRODUCT_RHEV, VISO_CONFIDENCE_CERTAIN},
	/* Nested, and before it was called RHEV. */
	{IN(SYS_VENDOR), "Red Hat", PRODUCT_REDHAT, VISO_CONFIDENCE_LIKELY},
};

static bool matches(const char *field, const char *text)
{
	if (text[0] == '*')
		return strstr(field, text + 1);
	return !strncmp(field, text, strlen(text));
}

static void read_fields(struct detection *detection)
{
	/* One question instead of eight, where the answer is no. */
	if (provider_exists(detection->provider, "/sys/class/dmi/id") == 0)
		return;
	for (int i = 0; i < DMI_FIELDS; i++) {
		int r = provider_read_line(detection->provider, files[i], detection->dmi[i], DMI_TEXT_MAX);
		if (r == 0) {
			detection->dmi_read = true;
			continue;
		}
		detection->dmi[i][0] = '\0';
		if (is_absent(r))
			continue;
		say_unread(detection, VISO_LAYER_HYPERVISOR, true, files[i], r);
		say_unread(detection, VISO_LAYER_MONITOR, true, files[i], r);
		say_unread(detection, VISO_LAYER_CLOUD, true, files[i], r);
	}
}

static bool is(const struct detection *detection, enum dmi_field field, const char *text)
{
	return matches(detection->dmi[field], text);
}

static void look_at_text(struct detection *detection, size_t text)
{
	for (int i = 0; i < DMI_FIELDS; i++)
		if ((texts[text].fields >> i & 1) && matches(detection->dmi[i], texts[text].text))
			say_for(detection, texts[text].product, texts[text].weight, files[i], detection->dmi[i]);
}

/* What takes two fields to tell. */
static void look_at_pairs(struct detection *detection)
{
	if (is(detection, DMI_SYS_VENDOR, "Microsoft Corporation") &&
	    is(detection, DMI_PRODUCT_NAME, "Virtual Machine")) {
		/* Virtual PC sets no bit in CPUID; Hyper-V on Arm has no CPUID. */
		bool is_old = detection->cpuid_read && !detection->hypervisor_bit;
		say_for(detection, is_old ? PRODUCT_VIRTUAL_PC : PRODUCT_MICROSOFT, VISO_CONFIDENCE_LIKELY,
			files[DMI_PRODUCT_NAME], "Microsoft Corporation Virtual Machine");
	}
	if (is(detection, DMI_SYS_VENDOR, "HITACHI") && is(detection, DMI_PRODUCT_NAME, "* LPAR"))
		say_for(detection, PRODUCT_VIRTAGE, VISO_CONFIDENCE_CERTAIN, files[DMI_PRODUCT_NAME],
			detection->dmi[DMI_PRODUCT_NAME]);
}

static bool is_whole_machine(const char *product_name)
{
	const char *metal = strstr(product_name, ".metal");
	return metal && (metal[6] == '\0' || metal[6] == '-');
}

/*
 * Bit 4 of the second extension byte of the BIOS characteristics (DMTF DSP0134, 7.1.2.2), which root may read. 1, 0, or
 * -1 where it is not known.
 */
static int read_machine_bit(struct detection *detection)
{
	static const char path[] = "/sys/firmware/dmi/entries/0-0/raw";
	enum { LENGTH = 1, EXTENSION = 19, MACHINE_BIT = 1 << 4 };
	unsigned char raw[64];
	ssize_t n = provider_read(detection->provider, path, (char *)raw, sizeof(raw));
	/* On x86 CPUID has said it already. */
	if (n < 0 && !is_absent((int)n))
		say_unread(detection, VISO_LAYER_HYPERVISOR, !detection->cpuid_read, path, (int)n);
	if (n <= EXTENSION || raw[LENGTH] <= EXTENSION)
		return -1;
	if (raw[EXTENSION] & MACHINE_BIT)
		say_for(detection, PRODUCT_VM_OTHER, VISO_CONFIDENCE_LIKELY, path, "virtual machine bit set");
	return raw[EXTENSION] & MACHINE_BIT ? 1 : 0;
}

/*
 * Amazon's and Google's machines on Arm say nothing of KVM, and Amazon's whole machines have the same vendor as its
 * virtual ones. Without CPUID all of them but the whole ones are taken to be guests of KVM, which they are.
 */
static void look_at_clouds(struct detection *detection, int machine_bit)
{
	const char *name = detection->dmi[DMI_PRODUCT_NAME];
	bool is_amazon = is(detection, DMI_SYS_VENDOR, "Amazon EC2");
	bool is_google = is(detection, DMI_PRODUCT_NAME, "Google Compute Engine");
	if (is_amazon && is_whole_machine(name))
		say_against_kind(detection, VISO_LAYER_HYPERVISOR, files[DMI_PRODUCT_NAME], name);
	else if ((is_amazon || is_google) && !detection->cpuid_read && machine_bit != 0)
		say_for(detection, PRODUCT_KVM,
			detection->processor == PROCESSOR_X86 ? VISO_CONFIDENCE_POSSIBLE : VISO_CONFIDENCE_LIKELY,
			files[DMI_PRODUCT_NAME], name);
}

void detect_by_dmi(struct detection *detection)
{
	if (detection->processor == PROCESSOR_S390 || detection->processor == PROCESSOR_SPARC)
		return;
	/* Without sysfs nothing of it is absent. */
	int r = provider_exists(detection->provider, "/sys/class");
	if (r <= 0) {
		const int error = r < 0 ? r : -ENOENT;
		say_unread(detection, VISO_LAYER_HYPERVISOR, true, "/sys/class", error);
		say_unread(detection, VISO_LAYER_MONITOR, true, "/sys/class", error);
		say_unread(detection, VISO_LAYER_CLOUD, true, "/sys/class", error);
	}
	read_fields(detection);
	if (!detection->dmi_read)
		return;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		look_at_text(detection, i);
	look_at_pairs(detection);
	look_at_clouds(detection, read_machine_bit(detection));
}
