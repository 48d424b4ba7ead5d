/* SPDX-License-Identifier: MIT */
/* The drivers of this machine, put together from devices and modules. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "machine/drivers/drivers.h"
#include "machine/machine.h"

static const char *const state_names[] = {
	[VISO_DRIVER_NOT_APPLICABLE] = "not applicable",
	[VISO_DRIVER_LOADED] = "loaded",
	[VISO_DRIVER_BUILT_IN] = "built in",
	[VISO_DRIVER_AVAILABLE] = "available",
	[VISO_DRIVER_MISSING] = "missing",
	[VISO_DRIVER_UNKNOWN] = "unknown",
};

static const char *const answer_names[] = {
	[VISO_ANSWER_NO] = "no",
	[VISO_ANSWER_YES] = "yes",
	[VISO_ANSWER_UNKNOWN] = "unknown",
};

const char *viso_driver_state_name(viso_driver_state state)
{
	return (unsigned)state < sizeof(state_names) / sizeof(state_names[0]) ? state_names[state] : NULL;
}

const char *viso_answer_name(viso_answer answer)
{
	return (unsigned)answer < sizeof(answer_names) / sizeof(answer_names[0]) ? answer_names[answer] : NULL;
}

/* While they are found out. */
struct finding_out {
	struct provider *provider;
	struct kernel_files files;
	struct machine_drivers *drivers;
	viso_answer hypervisors[FAMILIES];
	struct strings by_hypervisor[FAMILIES]; /* the evidence for it */
	enum distribution distribution;
};

static const struct module *find_module(const char *name)
{
	for (size_t i = 0; i < module_count; i++)
		if (!strcmp(modules[i].name, name))
			return &modules[i];
	return NULL;
}

static bool is_for(const struct module *module, const struct device *device)
{
	for (size_t i = 0; i < ALIASES_MAX && module->aliases[i]; i++)
		if (alias_matches(module->aliases[i], device->alias))
			return true;
	return false;
}

/* Whether a driver that a device is bound to is the module's. */
static bool is_its_driver(const struct module *module, const char *bound)
{
	for (size_t i = 0; i < DRIVERS_MAX && module->drivers[i]; i++)
		if (!strcmp(strchr(module->drivers[i], '/') + 1, bound))
			return true;
	return !strcmp(module->name, bound);
}

static int find_devices(const struct devices *devices, const struct module *module, struct driver *driver)
{
	for (size_t i = 0; i < devices->count; i++) {
		const struct device *device = &devices->items[i];
		if (!is_for(module, device))
			continue;
		size_t *numbers = realloc(driver->devices, (driver->device_count + 1) * sizeof(*numbers));
		if (!numbers)
			return -ENOMEM;
		driver->devices = numbers;
		numbers[driver->device_count++] = i;
		if (evidence_add(&driver->evidence, 0, device->name, "%s, %s%s", device->alias,
				 *device->bound ? "bound to " : "bound to none", device->bound) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* A device without a driver may be the bus of others. */
static bool has_free_device(const struct finding_out *out, const struct driver *driver)
{
	for (size_t i = 0; i < driver->device_count; i++)
		if (!*out->drivers->devices.items[driver->devices[i]].bound)
			return true;
	return false;
}

/* Devices on a bus whose own driver is not there are not seen. 1 where that may be so here, 0, or -ENOMEM. */
static int may_be_hidden(struct finding_out *out, const struct module *module, struct driver *driver)
{
	static const char *const carried[] = {"virtio", "vmbus", "xen"};
	char path[32];
	bool here = out->hypervisors[module->family] == VISO_ANSWER_YES && module->family != VISO_FAMILY_VIRTIO;
	for (size_t i = 0; i < module_count; i++)
		here |= modules[i].family == module->family && has_free_device(out, &out->drivers->drivers[i]);
	for (size_t i = 0; here && i < sizeof(carried) / sizeof(carried[0]); i++) {
		size_t length = strlen(carried[i]);
		if (strncmp(module->aliases[0], carried[i], length) || module->aliases[0][length] != ':')
			continue;
		snprintf(path, sizeof(path), "/sys/bus/%s", carried[i]);
		if (provider_exists(out->provider, path) == 1)
			return 0;
		return evidence_add(&driver->evidence, -ENOENT, path, " ") < 0 ? -ENOMEM : 1;
	}
	return 0;
}

/* Is it of use here? A viso_answer or -ENOMEM. */
static int is_applicable(struct finding_out *out, const struct module *module, struct driver *driver)
{
	struct machine_drivers *drivers = out->drivers;
	if (module->follows) {
		const struct module *other = find_module(module->follows);
		viso_driver_state state = drivers->drivers[other - modules].state;
		if (evidence_add(&driver->evidence, 0, module->follows, "%s", state_names[state]) < 0)
			return -ENOMEM;
		return state == VISO_DRIVER_NOT_APPLICABLE              ? VISO_ANSWER_NO
		       : drivers->drivers[other - modules].device_count ? VISO_ANSWER_YES
									: VISO_ANSWER_UNKNOWN;
	}
	if (module->by_hypervisor) {
		const struct strings *evidence = &out->by_hypervisor[module->family];
		for (size_t i = 0; i < evidence->count; i++)
			if (strings_add(&driver->evidence, evidence->items[i]) < 0)
				return -ENOMEM;
		return out->hypervisors[module->family];
	}
	if (find_devices(&drivers->devices, module, driver) < 0)
		return -ENOMEM;
	if (driver->device_count)
		return VISO_ANSWER_YES;
	int hidden = may_be_hidden(out, module, driver);
	if (hidden < 0 || !drivers->devices.unread)
		return hidden == 1 ? VISO_ANSWER_UNKNOWN : hidden < 0 ? hidden : VISO_ANSWER_NO;
	return strings_add(&driver->evidence, drivers->devices.unread) < 0 ? -ENOMEM : VISO_ANSWER_UNKNOWN;
}

/* A device that is bound to the module's driver is not without it, whatever could be found. */
static viso_driver_state amend(const struct finding_out *out, const struct module *module, const struct driver *driver,
			       viso_driver_state state)
{
	const struct devices *devices = &out->drivers->devices;
	if (state == VISO_DRIVER_LOADED || state == VISO_DRIVER_BUILT_IN)
		return state;
	for (size_t i = 0; i < driver->device_count; i++)
		if (is_its_driver(module, devices->items[driver->devices[i]].bound))
			return out->files.loaded.error == 0 || out->files.loaded.error == -ENOENT ? VISO_DRIVER_BUILT_IN
												  : VISO_DRIVER_UNKNOWN;
	return state;
}

static void describe(const struct finding_out *out, const struct module *module, struct driver *driver)
{
	static const char *const sentences[] = {
		[VISO_DRIVER_NOT_APPLICABLE] = "nothing here needs it",
		[VISO_DRIVER_LOADED] = "loaded",
		[VISO_DRIVER_BUILT_IN] = "a part of the kernel",
		[VISO_DRIVER_AVAILABLE] = "it is there, but not loaded: as root, modprobe ",
		[VISO_DRIVER_MISSING] = "it is missing",
		[VISO_DRIVER_UNKNOWN] = "it could not be found out",
	};
	const char *remedy = "", *where = "";
	bool needed = driver->state == VISO_DRIVER_MISSING || driver->state == VISO_DRIVER_UNKNOWN;
	if (driver->state == VISO_DRIVER_AVAILABLE)
		remedy = module->name;
	else if (driver->state == VISO_DRIVER_MISSING && out->files.loaded.error == -ENOENT)
		remedy = ", and the kernel takes no modules: it needs the option named here";
	else if (driver->state == VISO_DRIVER_MISSING && out->files.available.error == -ENOENT)
		remedy = ", as are all modules of the kernel that runs: after an update of the kernel, restart";
	else if (driver->state == VISO_DRIVER_MISSING)
		remedy = ": install a kernel that has it";
	if (out->files.container == VISO_ANSWER_YES && (needed || driver->state == VISO_DRIVER_AVAILABLE))
		where = ". This is a container: modules are those of the host's kernel";
	snprintf(driver->detail, sizeof(driver->detail), "For %s (CONFIG_%s): %s%s%s.", module->purpose, module->option,
		 sentences[driver->state], remedy, where);
}

static int find_driver(struct finding_out *out, size_t number)
{
	const struct module *module = &modules[number];
	struct driver *driver = &out->drivers->drivers[number];
	int applicable = is_applicable(out, module, driver);
	int state = VISO_DRIVER_NOT_APPLICABLE;
	if (applicable < 0)
		return applicable;
	if (applicable != VISO_ANSWER_NO) {
		state = module_state(&out->files, module, &driver->evidence);
		if (state < 0)
			return state;
		state = amend(out, module, driver, state);
	}
	/* What nobody is known to need is not known to be missing. */
	if (applicable == VISO_ANSWER_UNKNOWN && state != VISO_DRIVER_LOADED && state != VISO_DRIVER_BUILT_IN)
		state = VISO_DRIVER_UNKNOWN;
	driver->state = state;
	driver->package = "";
	if (state == VISO_DRIVER_MISSING && out->files.loaded.error != -ENOENT)
		driver->package = distribution_package(out->distribution, BROUGHT_KERNEL);
	describe(out, module, driver);
	return 0;
}

/* A family is here with its hypervisor, or with a device of its own. */
static void find_families(struct finding_out *out)
{
	struct machine_drivers *drivers = out->drivers;
	memcpy(drivers->families, out->hypervisors, sizeof(drivers->families));
	for (size_t i = 0; i < module_count; i++)
		if (drivers->drivers[i].device_count)
			drivers->families[modules[i].family] = VISO_ANSWER_YES;
	for (size_t i = 0; i < FAMILIES; i++)
		if (drivers->families[i] == VISO_ANSWER_NO && drivers->devices.unread)
			drivers->families[i] = VISO_ANSWER_UNKNOWN;
}

static int find_out(struct finding_out *out)
{
	int r = 0;
	for (size_t i = 0; i < FAMILIES; i++) {
		int answer = family_hypervisor(out->provider, (viso_family)i, &out->by_hypervisor[i]);
		if (answer < 0)
			return answer;
		out->hypervisors[i] = (viso_answer)answer;
	}
	r = devices_find(&out->drivers->devices, out->provider);
	for (size_t i = 0; r == 0 && i < module_count; i++)
		r = find_driver(out, i);
	if (r == 0)
		find_families(out);
	return r;
}

struct machine_drivers *machine_drivers_new(struct provider *provider)
{
	struct machine_drivers *drivers = calloc(1, sizeof(*drivers) + module_count * sizeof(drivers->drivers[0]));
	if (!drivers)
		return NULL;
	struct finding_out out = {
		.provider = provider,
		.drivers = drivers,
		.distribution = distribution_find(provider),
	};
	kernel_files_init(&out.files, provider);
	int r = find_out(&out);
	kernel_files_clear(&out.files);
	for (size_t i = 0; i < FAMILIES; i++)
		strings_clear(&out.by_hypervisor[i]);
	if (r == 0)
		return drivers;
	machine_drivers_free(drivers);
	return NULL;
}

void machine_drivers_free(struct machine_drivers *drivers)
{
	if (!drivers)
		return;
	for (size_t i = 0; i < module_count; i++) {
		strings_clear(&drivers->drivers[i].evidence);
		free(drivers->drivers[i].devices);
	}
	devices_clear(&drivers->devices);
	free(drivers);
}
