/* SPDX-License-Identifier: MIT */
/*
 * May this caller limit memory and process numbers by a control group? lib/launch is asked where it would make one;
 * none is made.
 */
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "launch/cgroup/cgroup.h"
#include "machine/machine.h"

/* As cgroup_find(), but a refusal is a finding here, not an error of this thread: the one it had comes back. */
static bool find_place(const char *controller, struct cgroup_place *out_place)
{
	char object[512], message[1280];
	int number = viso_error_number();
	viso_stage stage = viso_error_stage();
	snprintf(object, sizeof(object), "%s", viso_error_object());
	snprintf(message, sizeof(message), "%s", viso_error_message());

	if (cgroup_find(controller, out_place) == 0)
		return true;
	if (number)
		error_fail(stage, number, object, "%s", message);
	else
		viso_error_clear();
	return false;
}

/* By a boot parameter. /proc/cgroups: name, hierarchy, number of groups, enabled; not all controllers need be listed.
 */
static bool is_switched_off(const char *controller)
{
	char line[256], name[64];
	int enabled = 1;
	bool found = false;
	FILE *file = fopen("/proc/cgroups", "re");
	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%63s %*d %*d %d", name, &enabled) == 2 && !strcmp(name, controller);
	if (file)
		fclose(file);
	return found && !enabled;
}

static void probe_controller(struct finding *finding, const char *controller)
{
	struct cgroup_place place;
	if (find_place(controller, &place))
		finding_works(finding, "By control groups v%d, below %.400s.", place.version, place.directory);
	else if (is_switched_off(controller))
		finding_fails(finding,
			      "The %s controller is switched off: take cgroup_disable=%s away from the boot "
			      "parameters, or add "
			      "cgroup_enable=%s.",
			      controller, controller, controller);
	else
		finding_fails(finding,
			      "No control group with the %s controller is open to this process, neither v2 nor v1: run "
			      "as root, or "
			      "where one is delegated (systemd-run --user --scope -p Delegate=yes PROGRAM, or "
			      "Delegate=yes in the "
			      "unit).",
			      controller);
}

void probe_memory_limit(const struct finding *features, struct finding *finding)
{
	probe_controller(finding, "memory");
}

void probe_process_limit(const struct finding *features, struct finding *finding)
{
	probe_controller(finding, "pids");
}

void probe_cpu_limit(const struct finding *features, struct finding *finding)
{
	probe_controller(finding, "cpu");
}

void probe_io_limit(const struct finding *features, struct finding *finding)
{
	/* Version 1 calls it otherwise. */
	probe_controller(finding, "io");
	if (!finding->works)
		probe_controller(finding, "blkio");
}
