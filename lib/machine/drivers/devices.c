/* SPDX-License-Identifier: MIT */
/* The devices that some module here is for: what they say that they are, and what they are bound to. */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "machine/drivers/drivers.h"

enum { ALIAS_SIZE = 512, DEVICES_MAX = 4096 };

/* A device of ACPI that has a place on another bus is known there: the platform bus comes first. */
static const char *const buses[] = {"pci", "virtio", "vmbus", "xen", "platform", "acpi"};

bool alias_matches(const char *pattern, const char *alias)
{
	return fnmatch(pattern, alias, FNM_NOESCAPE) == 0;
}

static bool is_for_a_module(const char *alias)
{
	for (size_t i = 0; i < module_count; i++)
		for (size_t j = 0; j < ALIASES_MAX && modules[i].aliases[j]; j++)
			if (alias_matches(modules[i].aliases[j], alias))
				return true;
	return false;
}

static bool is_known(const struct devices *devices, const char *name, const char *alias)
{
	for (size_t i = 0; i < devices->count; i++)
		if (!strcmp(strchr(devices->items[i].name, '/') + 1, name) && !strcmp(devices->items[i].alias, alias))
			return true;
	return false;
}

static char *read_bound(struct provider *provider, const char *bus, const char *name)
{
	char path[512], target[512];
	snprintf(path, sizeof(path), "/sys/bus/%s/devices/%s/driver", bus, name);
	int r = provider_read_link(provider, path, target, sizeof(target));
	if (r < 0)
		return strdup(r == -ENOENT ? "" : "?");
	const char *slash = strrchr(target, '/');
	return strdup(slash ? slash + 1 : target);
}

static int keep(struct devices *devices, struct provider *provider, const char *bus, const char *name,
		const char *alias)
{
	struct device *items = realloc(devices->items, (devices->count + 1) * sizeof(*items));
	if (!items)
		return -ENOMEM;
	devices->items = items;
	struct device *device = &items[devices->count++];
	*device = (struct device){.alias = strdup(alias), .bound = read_bound(provider, bus, name)};
	if (asprintf(&device->name, "%s/%s", bus, name) < 0)
		device->name = NULL;
	if (!device->name || !device->alias || !device->bound)
		return -ENOMEM;
	make_printable(device->name);
	make_printable(device->alias);
	make_printable(device->bound);
	return 0;
}

/* What could not be read is told once. */
static int note_unread(struct devices *devices, int error, const char *path)
{
	struct strings evidence = {0};
	if (devices->unread)
		return 0;
	if (evidence_add(&evidence, error, path, " ") < 0)
		return -ENOMEM;
	devices->unread = strdup(evidence.items[0]);
	strings_clear(&evidence);
	return devices->unread ? 0 : -ENOMEM;
}

static int look_at(struct devices *devices, struct provider *provider, const char *bus, const char *name)
{
	char path[512], alias[ALIAS_SIZE];
	snprintf(path, sizeof(path), "/sys/bus/%s/devices/%s/modalias", bus, name);
	int r = provider_read_line(provider, path, alias, sizeof(alias));
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return r == -ENOENT ? 0 : note_unread(devices, r, path);
	if (!is_for_a_module(alias) || is_known(devices, name, alias) || devices->count >= DEVICES_MAX)
		return 0;
	return keep(devices, provider, bus, name, alias);
}

static int look_through(struct devices *devices, struct provider *provider, const char *bus)
{
	_cleanup_(strings_clear) struct strings names = {0};
	char path[64];
	snprintf(path, sizeof(path), "/sys/bus/%s/devices", bus);
	int r = provider_list(provider, path, &names);
	if (r == -ENOMEM)
		return r;
	if (r < 0 && r != -ENOENT)
		return note_unread(devices, r, path);
	r = 0;
	for (size_t i = 0; r == 0 && i < names.count; i++)
		r = look_at(devices, provider, bus, names.items[i]);
	return r;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct device *)a)->name, ((const struct device *)b)->name);
}

int devices_find(struct devices *devices, struct provider *provider)
{
	int r = provider_exists(provider, "/sys/bus");
	if (r != 1)
		return note_unread(devices, r ? r : -ENOENT, "/sys/bus");
	r = 0;
	for (size_t i = 0; r == 0 && i < sizeof(buses) / sizeof(buses[0]); i++)
		r = look_through(devices, provider, buses[i]);
	if (r == 0 && devices->count)
		qsort(devices->items, devices->count, sizeof(*devices->items), compare);
	return r;
}

void devices_clear(struct devices *devices)
{
	for (size_t i = 0; i < devices->count; i++) {
		free(devices->items[i].name);
		free(devices->items[i].alias);
		free(devices->items[i].bound);
	}
	free(devices->items);
	free(devices->unread);
	*devices = (struct devices){0};
}
