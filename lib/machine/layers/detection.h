/* SPDX-License-Identifier: MIT */
/*
 * What the subjects of detection share. Each subject is a file that reads its sources by the provider and says what
 * they speak for and against; stack.c weighs that when all have spoken.
 */
#ifndef MACHINE_LAYERS_DETECTION_H
#define MACHINE_LAYERS_DETECTION_H

#include "machine/layers/layers.h"
#include "machine/layers/products.h"
#include "machine/provider.h"

enum processor { PROCESSOR_X86, PROCESSOR_ARM, PROCESSOR_POWER, PROCESSOR_S390, PROCESSOR_SPARC, PROCESSOR_OTHER };

/* The fields of /sys/class/dmi/id that are of interest. */
enum dmi_field {
	DMI_PRODUCT_NAME,
	DMI_SYS_VENDOR,
	DMI_BOARD_VENDOR,
	DMI_BIOS_VENDOR,
	DMI_PRODUCT_VERSION,
	DMI_BIOS_VERSION,
	DMI_BOARD_NAME,
	DMI_CHASSIS_ASSET_TAG,
	DMI_FIELDS,
};

enum { DMI_TEXT_MAX = 128, MOUNTS_TEXT_MAX = 32 * 1024 };

struct detection {
	struct provider *provider;
	struct layers *layers;
	int error; /* -ENOMEM, once */

	/* Of the subjects before, for those after them. */
	struct utsname uname;
	enum processor processor;
	bool cpuid_read;
	bool hypervisor_bit; /* of CPUID; with cpuid_read only */
	bool has_signature[PRODUCTS];
	uint32_t microsoft_base; /* CPUID leaf, or 0 */
	bool dmi_read;           /* there is DMI */
	char dmi[DMI_FIELDS][DMI_TEXT_MAX];
	char *mounts;            /* the beginning of /proc/self/mountinfo, or NULL */
	bool namespaces_initial; /* there is no container that is made of them */
	bool namespaces_own;     /* at least that of processes */
};

/* The best that speaks for a product so far; VISO_CONFIDENCE_UNKNOWN for nothing. */
viso_confidence best_for(const struct detection *detection, enum product product);

/* Evidence. Source and value are copied. */
void say_for(struct detection *detection, enum product product, viso_confidence weight, const char *source,
	     const char *value);
void say_against(struct detection *detection, enum product product, viso_confidence weight, const char *source,
		 const char *value);
/* Against whatever of that kind is not proved. */
void say_against_kind(struct detection *detection, viso_layer_kind kind, const char *source, const char *value);
/*
 * A source could not be read; `error` is negative. With `decides`, a kind for which nothing speaks is then unknown, not
 * absent.
 */
void say_unread(struct detection *detection, viso_layer_kind kind, bool decides, const char *source, int error);

/* Whether an error says that the machine does not have something. */
bool is_absent(int error);

/*
 * The first line of a file for the sake of a kind: 0, or a negative errno that is noted where the file is there and
 * cannot be read.
 */
int look_at_line(struct detection *detection, viso_layer_kind kind, bool decides, const char *path, char *line,
		 size_t size);

/* Whether a file is there; false where that cannot be known, which is noted. */
bool look_for(struct detection *detection, viso_layer_kind kind, bool decides, const char *path);

/* The subjects, in the order in which they speak. */
void detect_kernel_name(struct detection *detection);
void detect_by_cpuid(struct detection *detection);
void detect_by_dmi(struct detection *detection);
void detect_by_acpi(struct detection *detection);
void detect_by_device_tree(struct detection *detection);
void detect_by_processor_text(struct detection *detection);
void detect_xen(struct detection *detection);
void detect_partitions(struct detection *detection);
void detect_confidential(struct detection *detection);
void detect_disguises(struct detection *detection);
void detect_namespaces(struct detection *detection);
void detect_by_status(struct detection *detection);
void detect_container_markers(struct detection *detection);
void detect_by_control_groups(struct detection *detection);
void detect_by_mounts(struct detection *detection);
void detect_chroot(struct detection *detection);

/*
 * A mark that a container leaves, but that may also be left over from an image: with namespaces of its own it counts
 * for more, and the initial ones refute it.
 */
void say_mark(struct detection *detection, enum product product, viso_confidence weight, const char *source,
	      const char *value);

/* The product that a container manager means by the name that it gives itself; PRODUCT_CONTAINER_OTHER for others. */
enum product container_by_name(const char *name);

/* Makes the stack of what was said. */
void weigh(struct detection *detection);

#endif
