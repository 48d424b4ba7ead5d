/* SPDX-License-Identifier: MIT */
/* Which distribution runs here, and which of its packages bring what. See os-release(5). */
#include <string.h>

#include "machine/drivers/drivers.h"

enum { OS_RELEASE_MAX = 16 * 1024 };

/* The value of a field, without quotes; cut to the room. */
static void find_field(const char *text, const char *name, char *value, size_t size)
{
	size_t length = strlen(name);
	value[0] = '\0';
	for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		if (strncmp(line, name, length) || line[length] != '=')
			continue;
		const char *begin = line + length + 1;
		begin += *begin == '"' || *begin == '\'';
		size_t n = strcspn(begin, "\"'\n");
		if (n >= size)
			n = size - 1;
		memcpy(value, begin, n);
		value[n] = '\0';
	}
}

static enum distribution by_word(const char *word)
{
	static const struct {
		const char *id;
		enum distribution distribution;
	} known[] = {
		{"debian", DISTRIBUTION_DEBIAN}, {"fedora", DISTRIBUTION_FEDORA}, {"rhel", DISTRIBUTION_FEDORA},
		{"suse", DISTRIBUTION_OPENSUSE}, {"sles", DISTRIBUTION_OPENSUSE}, {"alpine", DISTRIBUTION_ALPINE},
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(word, known[i].id))
			return known[i].distribution;
	return strncmp(word, "opensuse", 8) ? DISTRIBUTION_UNKNOWN : DISTRIBUTION_OPENSUSE;
}

enum distribution distribution_find(struct provider *provider)
{
	char text[OS_RELEASE_MAX], words[256], *rest = NULL;
	if (provider_read(provider, "/etc/os-release", text, sizeof(text)) < 0 &&
	    provider_read(provider, "/usr/lib/os-release", text, sizeof(text)) < 0)
		return DISTRIBUTION_UNKNOWN;
	find_field(text, "ID", words, sizeof(words));
	enum distribution found = by_word(words);
	if (found != DISTRIBUTION_UNKNOWN)
		return found;
	find_field(text, "ID_LIKE", words, sizeof(words));
	for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		if ((found = by_word(word)) != DISTRIBUTION_UNKNOWN)
			return found;
	return DISTRIBUTION_UNKNOWN;
}

/* Of those that know their distribution: "" where it has no package of it. */
const char *distribution_package(enum distribution distribution, enum brought brought)
{
	static const char *const packages[][DISTRIBUTION_UNKNOWN] = {
		/* The kernels for clouds leave much out. */
		[BROUGHT_KERNEL] = {"linux-image-amd64, in the place of linux-image-cloud-amd64",
				    "kernel-modules and kernel-modules-extra",
				    "kernel-default, in the place of kernel-default-base",
				    "linux-lts, in the place of linux-virt"},
		[BROUGHT_QEMU_AGENT] = {"qemu-guest-agent", "qemu-guest-agent", "qemu-guest-agent", "qemu-guest-agent"},
		[BROUGHT_SPICE] = {"spice-vdagent", "spice-vdagent", "spice-vdagent", "spice-vdagent"},
		[BROUGHT_VIRTISO] = {"", "", "", ""},
		[BROUGHT_VIRTUALBOX] = {"virtualbox-guest-utils", "virtualbox-guest-additions",
					"virtualbox-guest-tools", "virtualbox-guest-additions"},
		[BROUGHT_HYPERV] = {"hyperv-daemons", "hyperv-daemons", "hyper-v", "hvtools"},
		[BROUGHT_VMWARE] = {"open-vm-tools", "open-vm-tools", "open-vm-tools", "open-vm-tools"},
		[BROUGHT_XEN] = {"", "xe-guest-utilities-latest", "", "xe-guest-utilities"},
	};
	return distribution == DISTRIBUTION_UNKNOWN ? "" : packages[brought][distribution];
}
