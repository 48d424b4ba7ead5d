/* SPDX-License-Identifier: MIT */
/* The inside of a viso_machine, and how a probe says what it found. */
#ifndef MACHINE_MACHINE_H
#define MACHINE_MACHINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <virtiso/machine.h>

#include "core/handle.h"
#include "machine/layers/layers.h"
#include "machine/provider.h"

enum { MACHINE_FEATURES = VISO_FEATURE_KERNEL_GUEST + 1, FINDING_DETAIL_MAX = 512 };

/* What is known about one feature. Of fixed size, so that no probe can fail for want of memory. */
struct finding {
	bool works;
	char detail[FINDING_DETAIL_MAX];
};

/*
 * The features are probed when the first of them is asked for: starting children and virtual machines takes longer than
 * all of the rest. Threads that ask at once each probe, and the first one publishes; so there is no lock that a fork
 * could leave locked.
 */
struct viso_machine {
	struct handle handle;
	struct provider provider; /* where all other facts come from */
	struct layers layers;
	struct finding *_Atomic features;
	/* As the features, each by itself: lib/machine/drivers. */
	struct machine_drivers *_Atomic drivers;
	struct tool *_Atomic tools;
	struct paravirtual *_Atomic paravirtual;
};

void machine_release_drivers(viso_machine *machine);

/* Each takes a sentence: how it works here, or why it does not and what would help. */
void finding_works(struct finding *finding, const char *format, ...) __attribute__((format(printf, 2, 3)));
void finding_fails(struct finding *finding, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The number in a file of /proc/sys, or -1 where there is none. */
long read_sysctl(const char *path);

/* Whether this thread has a capability (a CAP_ number) in effect. */
bool has_capability(int capability);

/*
 * The probes. Each fills the finding of its feature and may look at those that come before it in the table of
 * machine.c, by their numbers. They execute nothing, change nothing and do not set the error of the thread.
 */
void probe_user_namespaces(const struct finding *features, struct finding *finding);
void probe_landlock(const struct finding *features, struct finding *finding);
void probe_landlock_scope(const struct finding *features, struct finding *finding);
void probe_seccomp(const struct finding *features, struct finding *finding);
void probe_new_mount_api(const struct finding *features, struct finding *finding);
void probe_memory_limit(const struct finding *features, struct finding *finding);
void probe_process_limit(const struct finding *features, struct finding *finding);
void probe_kvm(const struct finding *features, struct finding *finding);
void probe_kvm_ring0(const struct finding *features, struct finding *finding);
void probe_jail(const struct finding *features, struct finding *finding);
void probe_container(const struct finding *features, struct finding *finding);
void probe_guest(const struct finding *features, struct finding *finding);
void probe_kernel_guest(const struct finding *features, struct finding *finding);
void probe_kernel(const struct finding *features, struct finding *finding);
void probe_cpu_limit(const struct finding *features, struct finding *finding);
void probe_io_limit(const struct finding *features, struct finding *finding);
void probe_id_ranges(const struct finding *features, struct finding *finding);
void probe_overlay(const struct finding *features, struct finding *finding);
void probe_bridge(const struct finding *features, struct finding *finding);
void probe_user_network(const struct finding *features, struct finding *finding);
void probe_checkpoint(const struct finding *features, struct finding *finding);
void probe_erofs(const struct finding *features, struct finding *finding);

#endif
