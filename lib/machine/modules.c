/* SPDX-License-Identifier: MIT */
/* What the kernel itself must bring: its version, and what may be a module of it. None is loaded here. */
#include <linux/capability.h>
#include <stdio.h>
#include <sys/utsname.h>

#include "core/cleanup.h"
#include "launch/owns_ids.h"
#include "machine/build.h"
#include "machine/drivers/drivers.h"
#include "machine/machine.h"

enum { OLDEST_MAJOR = 5, OLDEST_MINOR = 10, OVERLAY_MINOR = 11 };

static bool is_at_least(int major, int minor, char release[65])
{
	struct utsname name;
	int own_major = 0, own_minor = 0;
	if (uname(&name) == 0) {
		snprintf(release, 65, "%s", name.release);
		sscanf(name.release, "%d.%d", &own_major, &own_minor);
	}
	return own_major > major || (own_major == major && own_minor >= minor);
}

void probe_kernel(const struct finding *features, struct finding *finding)
{
	char release[65] = "not known";
	if (is_at_least(OLDEST_MAJOR, OLDEST_MINOR, release))
		finding_works(finding, "Linux %s.", release);
	else
		finding_fails(finding,
			      "Linux is %s here; the library is made for %d.%d and newer ones: update the kernel.",
			      release, OLDEST_MAJOR, OLDEST_MINOR);
}

/* Whether the kernel has something, or can load it; else the finding says why not. What is not known counts as there.
 */
static bool has_module(struct finding *finding, const char *name, const char *option)
{
	const struct module module = {.name = name, .option = option};
	_cleanup_(strings_clear) struct strings evidence = {0};
	struct kernel_files files;
	struct provider provider;
	provider_init(&provider);
	kernel_files_init(&files, &provider);
	int state = module_state(&files, &module, &evidence);
	bool takes_modules = files.loaded.error == 0;
	kernel_files_clear(&files);
	provider_release(&provider);
	if (state != VISO_DRIVER_MISSING)
		return true;
	finding_fails(finding, "The kernel has no %s: it needs CONFIG_%s%s.", name, option,
		      takes_modules ? ", or the module from the kernel's own package" : ", and takes no modules");
	return false;
}

void probe_overlay(const struct finding *features, struct finding *finding)
{
	char release[65] = "not known";
	if (!has_module(finding, "overlay", "OVERLAY_FS"))
		return;
	if (!owns_all_ids() && !is_at_least(OLDEST_MAJOR, OVERLAY_MINOR, release))
		finding_fails(finding, "Linux %s has overlays for root only; for ordinary users 5.11 brings them.",
			      release);
	else
		finding_works(finding, "Layers and uppers by overlayfs.");
}

/* As root: an ordinary user has the network of pasta. */
void probe_bridge(const struct finding *features, struct finding *finding)
{
	static const struct {
		const char *name, *option;
	} needed[] = {{"veth", "VETH"}, {"bridge", "BRIDGE"}, {"nf_tables", "NF_TABLES"}};
	if (!HAVE_NETWORK) {
		finding_fails(finding,
			      "This build of the library has no bridges: build it with libmnl and -Dnetwork=enabled.");
		return;
	}
	if (!has_capability(CAP_NET_ADMIN) || !owns_all_ids()) {
		finding_fails(finding, "Interfaces of the host need root with CAP_NET_ADMIN; without it take "
				       "VISO_NETWORK_USER.");
		return;
	}
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!has_module(finding, needed[i].name, needed[i].option))
			return;
	finding_works(finding, "This process may make interfaces of the host.");
}
