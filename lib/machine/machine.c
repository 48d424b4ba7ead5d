/* SPDX-License-Identifier: MIT */
/* viso_machine: where its facts come from, and what the probes of features found. */
#include "machine/machine.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"

/* In the order in which they run: the strengths come last, since they build on the others. */
static const struct {
	viso_feature feature;
	void (*probe)(const struct finding *features, struct finding *finding);
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
	{VISO_FEATURE_KERNEL_GUEST, probe_kernel_guest},
	{VISO_FEATURE_KERNEL, probe_kernel},
	{VISO_FEATURE_CPU_LIMIT, probe_cpu_limit},
	{VISO_FEATURE_IO_LIMIT, probe_io_limit},
	{VISO_FEATURE_ID_RANGES, probe_id_ranges},
	{VISO_FEATURE_OVERLAY, probe_overlay},
	{VISO_FEATURE_NETWORK_BRIDGE, probe_bridge},
	{VISO_FEATURE_NETWORK_USER, probe_user_network},
	{VISO_FEATURE_CHECKPOINT, probe_checkpoint},
	{VISO_FEATURE_EROFS, probe_erofs},
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
	[VISO_FEATURE_KERNEL] = "kernel",
	[VISO_FEATURE_CPU_LIMIT] = "CPU limit",
	[VISO_FEATURE_IO_LIMIT] = "I/O limit",
	[VISO_FEATURE_ID_RANGES] = "ranges of ids",
	[VISO_FEATURE_OVERLAY] = "overlays",
	[VISO_FEATURE_NETWORK_BRIDGE] = "bridges and NAT",
	[VISO_FEATURE_NETWORK_USER] = "user's network",
	[VISO_FEATURE_CHECKPOINT] = "checkpoints",
	[VISO_FEATURE_EROFS] = "EROFS images",
	[VISO_FEATURE_KERNEL_GUEST] = "kernel guest",
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

static viso_machine *allocate(void)
{
	viso_machine *machine = calloc(1, sizeof(*machine));
	if (machine) {
		handle_init(&machine->handle);
		provider_init(&machine->provider);
	}
	return machine;
}

/* Takes the machine, whose provider is set; NULL with ENOMEM. */
static viso_machine *examine(viso_machine *machine)
{
	int saved = errno;
	if (layers_detect(&machine->layers, &machine->provider) < 0) {
		viso_machine_unref(machine);
		error_memory();
		return NULL;
	}
	errno = saved;
	return machine;
}

viso_machine *viso_machine_new(void)
{
	viso_machine *machine = allocate();
	if (!machine) {
		error_memory();
		return NULL;
	}
	return examine(machine);
}

viso_machine *viso_machine_new_from(const char *directory)
{
	if (!directory) {
		error_argument(__func__, "the directory is NULL");
		return NULL;
	}
	viso_machine *machine = allocate();
	if (!machine) {
		error_memory();
		return NULL;
	}
	int saved = errno;
	int r = provider_init_captured(&machine->provider, directory);
	if (r < 0) {
		viso_machine_unref(machine);
		error_fail(VISO_STAGE_MACHINE, -r, directory, "\"%s\" cannot be opened as a captured machine: %s",
			   directory, strerrordesc_np(-r));
		return NULL;
	}
	errno = saved;
	return examine(machine);
}

viso_machine *viso_machine_ref(viso_machine *machine)
{
	if (machine)
		handle_ref(&machine->handle);
	return machine;
}

viso_machine *viso_machine_unref(viso_machine *machine)
{
	if (machine && handle_unref(&machine->handle)) {
		provider_release(&machine->provider);
		layers_release(&machine->layers);
		free(machine->features);
		machine_release_drivers(machine);
		free(machine);
	}
	return NULL;
}

static const struct finding *probe_features(viso_machine *machine)
{
	struct finding *features = calloc(MACHINE_FEATURES, sizeof(*features)), *others = NULL;
	int saved = errno;
	if (!features) {
		error_memory();
		return NULL;
	}
	for (size_t i = 0; i < MACHINE_FEATURES; i++)
		probes[i].probe(features, &features[probes[i].feature]);
	errno = saved;
	if (atomic_compare_exchange_strong(&machine->features, &others, features))
		return features;
	free(features);
	return others;
}

/* 0 or the errno that is set. */
static int find(const viso_machine *machine, viso_feature feature, const char *function,
		const struct finding **out_finding)
{
	if (!machine)
		return error_argument(function, "the machine is NULL");
	if ((unsigned)feature >= MACHINE_FEATURES)
		return error_argument(function, "no such feature");
	if (!provider_is_live(&machine->provider))
		return error_fail(VISO_STAGE_MACHINE, EOPNOTSUPP, viso_feature_name(feature),
				  "%s: what works can only be tried on the machine itself: use viso_machine_new()",
				  function);
	const struct finding *features = atomic_load(&machine->features);
	/* To be seen from outside it never changes. */
	if (!features)
		features = probe_features((viso_machine *)machine);
	if (!features)
		return -ENOMEM;
	*out_finding = &features[feature];
	return 0;
}

int viso_machine_feature(const viso_machine *machine, viso_feature feature)
{
	const struct finding *finding;
	int r = find(machine, feature, __func__, &finding);
	return r < 0 ? r : finding->works;
}

const char *viso_machine_detail(const viso_machine *machine, viso_feature feature)
{
	const struct finding *finding;
	return find(machine, feature, __func__, &finding) < 0 ? NULL : finding->detail;
}

const char *viso_feature_name(viso_feature feature)
{
	return (unsigned)feature < MACHINE_FEATURES ? names[feature] : NULL;
}
