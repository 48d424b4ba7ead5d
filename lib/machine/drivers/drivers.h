/* SPDX-License-Identifier: MIT */
/*
 * Drivers and tools of guests: tables of what there may be, and what of it is here.
 *
 * Everything comes from the machine's provider. What is given back is NULL or -ENOMEM for want of memory only; that a
 * source cannot be read is an answer like any other.
 */
#ifndef MACHINE_DRIVERS_DRIVERS_H
#define MACHINE_DRIVERS_DRIVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <virtiso/machine_drivers.h>

#include "core/strings.h"
#include "machine/provider.h"

enum { FAMILIES = VISO_FAMILY_XEN + 1, ALIASES_MAX = 7, DRIVERS_MAX = 3, DETAIL_MAX = 512 };

/* A kernel module, as the kernel's sources have it. */
struct module {
	const char *name;
	viso_family family;
	const char *purpose; /* "network devices" */
	const char *option;  /* of the kernel's build, without CONFIG_ */
	/* Patterns of modalias, as the module itself has them. */
	const char *aliases[ALIASES_MAX];
	/* Its drivers, where they are not called as the module is: BUS/NAME. */
	const char *drivers[DRIVERS_MAX];
	/* Of use with no device of its own: where that of another module is, or the hypervisor alone. */
	const char *follows;
	bool by_hypervisor;
	const char *sign; /* a file that is there where it works */
};
extern const struct module modules[];
extern const size_t module_count;

/* A device that one of the modules is for. */
struct device {
	char *name; /* BUS/NAME */
	char *alias;
	char *bound; /* the driver; "" none, "?" not known */
};

struct devices {
	struct device *items;
	size_t count;
	char *unread; /* a bus that could not be looked at, and why, as evidence; or NULL */
};

/* 0 or -ENOMEM. To be cleared in either case. */
int devices_find(struct devices *devices, struct provider *provider);
void devices_clear(struct devices *devices);

/* A modalias against a pattern with * and [0-9]. */
bool alias_matches(const char *pattern, const char *alias);

/* Files of the kernel, read when they are needed. */
struct text {
	bool tried;
	int error; /* negative, where there is no text */
	char *text;
};
struct kernel_files {
	struct provider *provider;
	char release[65];      /* "" where it is not known */
	viso_answer container; /* then the files of modules are not the kernel's own */
	struct text loaded, built_in, available, options;
};

void kernel_files_init(struct kernel_files *files, struct provider *provider);
void kernel_files_clear(struct kernel_files *files);

/* How it stands with a module that is of use here. A viso_driver_state or -ENOMEM. */
int module_state(struct kernel_files *files, const struct module *module, struct strings *evidence);

/* One line of evidence: the value, or the name of the errno where `error` is negative. 0 or -ENOMEM. */
int evidence_add(struct strings *evidence, int error, const char *source, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Whether this is a guest of the family's hypervisor, and the evidence for it or against it. A viso_answer or -ENOMEM.
 */
int family_hypervisor(struct provider *provider, viso_family family, struct strings *evidence);

/* The leaf of CPUID from 0x40000000 on with this signature of 12 bytes. 0, -ENOENT there is none, or another errno. */
int hypervisor_leaf(struct provider *provider, const char *signature, uint32_t *out_leaf);

/* Whether this process is in a container: its namespaces of processes and users are not the first ones. */
viso_answer provider_in_container(struct provider *provider);

/* What brings things in a distribution. */
enum distribution {
	DISTRIBUTION_DEBIAN,
	DISTRIBUTION_FEDORA,
	DISTRIBUTION_OPENSUSE,
	DISTRIBUTION_ALPINE,
	DISTRIBUTION_UNKNOWN
};
enum brought {
	BROUGHT_KERNEL,
	BROUGHT_QEMU_AGENT,
	BROUGHT_SPICE,
	BROUGHT_VIRTISO,
	BROUGHT_VIRTUALBOX,
	BROUGHT_HYPERV,
	BROUGHT_VMWARE,
	BROUGHT_XEN
};
enum distribution distribution_find(struct provider *provider);
const char *distribution_package(enum distribution distribution, enum brought brought);

/* What is known of one module, and of all. */
struct driver {
	viso_driver_state state;
	char detail[DETAIL_MAX];
	const char *package;
	struct strings evidence;
	size_t *devices; /* numbers in struct machine_drivers */
	size_t device_count;
};
struct machine_drivers {
	viso_answer families[FAMILIES];
	struct devices devices;
	struct driver drivers[]; /* as many as modules */
};
struct machine_drivers *machine_drivers_new(struct provider *provider);
void machine_drivers_free(struct machine_drivers *drivers);

#endif
