/* SPDX-License-Identifier: MIT */
/* viso_machine: runs the probes once and keeps what they found. */
#include "machine/machine.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/error.h"

/* In the order in which they run: the strengths come last, since they build on the others. */
static const struct {
	viso_feature feature;
	void (*probe)(struct viso_machine *machine, struct finding *finding);
} probes[] = {
	{VISO_FEATURE_USER_NAMESPACES, probe_user_namespaces},
	{VISO_FEATURE_LANDLOCK, probe_landlock},
	{VISO_FEATURE_LANDLOCK_SCOPE, probe_landlock_scope},
	{VISO_FEATURE_SECCOMP, probe_seccomp},
	{VISO_FEATURE_MEMORY_LIMIT, probe_memory_limit},
	{VISO_FEATURE_PROCESS_LIMIT, probe_process_limit},
	{VISO_FEATURE_NEW_MOUNT_API, probe_new_mount_api},
	{VISO_FEATURE_KVM, probe_kvm},
	{VISO_FEATURE_KVM_RING0, probe_kvm_ring0},
	{VISO_FEATURE_JAIL, probe_jail},
	{VISO_FEATURE_CONTAINER, probe_container},
	{VISO_FEATURE_GUEST, probe_guest},
};
_Static_assert(sizeof(probes) / sizeof(probes[0]) == MACHINE_FEATURES, "every feature has a probe");

static const char *const names[MACHINE_FEATURES] = {
	[VISO_FEATURE_JAIL] = "jail",
	[VISO_FEATURE_CONTAINER] = "container",
	[VISO_FEATURE_GUEST] = "guest",
	[VISO_FEATURE_USER_NAMESPACES] = "user namespaces",
	[VISO_FEATURE_LANDLOCK] = "Landlock",
	[VISO_FEATURE_LANDLOCK_SCOPE] = "Landlock scopes",
	[VISO_FEATURE_SECCOMP] = "seccomp",
	[VISO_FEATURE_MEMORY_LIMIT] = "memory limit",
	[VISO_FEATURE_PROCESS_LIMIT] = "process limit",
	[VISO_FEATURE_NEW_MOUNT_API] = "new mount API",
	[VISO_FEATURE_KVM] = "KVM",
	[VISO_FEATURE_KVM_RING0] = "KVM ring 0",
};

static void finding_set(struct finding *finding, bool works, const char *format, va_list args)
{
	finding->works = works;
	vsnprintf(finding->detail, sizeof(finding->detail), format, args);
}

void finding_works(struct finding *finding, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	finding_set(finding, true, format, args);
	va_end(args);
}

void finding_fails(struct finding *finding, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	finding_set(finding, false, format, args);
	va_end(args);
}

viso_machine *viso_machine_new(void)
{
	viso_machine *machine = calloc(1, sizeof(*machine));
	if (!machine) {
		error_memory();
		return NULL;
	}
	handle_init(&machine->handle);
	int saved = errno;
	for (size_t i = 0; i < MACHINE_FEATURES; i++)
		probes[i].probe(machine, &machine->features[probes[i].feature]);
	errno = saved;
	return machine;
}

viso_machine *viso_machine_ref(viso_machine *machine)
{
	if (machine)
		handle_ref(&machine->handle);
	return machine;
}

viso_machine *viso_machine_unref(viso_machine *machine)
{
	if (machine && handle_unref(&machine->handle))
		free(machine);
	return NULL;
}

/* A machine never changes and holds nothing of the kernel, so that a forked child may go on reading it. */
static const struct finding *find(const viso_machine *machine, viso_feature feature, const char *function)
{
	if (!machine) {
		error_argument(function, "the machine is NULL");
		return NULL;
	}
	if ((unsigned)feature >= MACHINE_FEATURES) {
		error_argument(function, "no such feature");
		return NULL;
	}
	return &machine->features[feature];
}

int viso_machine_feature(const viso_machine *machine, viso_feature feature)
{
	const struct finding *finding = find(machine, feature, __func__);
	return finding ? finding->works : -EINVAL;
}

const char *viso_machine_detail(const viso_machine *machine, viso_feature feature)
{
	const struct finding *finding = find(machine, feature, __func__);
	return finding ? finding->detail : NULL;
}

const char *viso_feature_name(viso_feature feature)
{
	return (unsigned)feature < MACHINE_FEATURES ? names[feature] : NULL;
}
