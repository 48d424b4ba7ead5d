/* SPDX-License-Identifier: MIT */
/* The inside of a viso_machine, and how a probe says what it found. */
#ifndef MACHINE_MACHINE_H
#define MACHINE_MACHINE_H

#include <stdbool.h>
#include <virtiso/machine.h>

#include "core/handle.h"

enum { MACHINE_FEATURES = VISO_FEATURE_KVM_RING0 + 1, FINDING_DETAIL_MAX = 512 };

/* What is known about one feature. Of fixed size, so that no probe can fail for want of memory. */
struct finding {
	bool works;
	char detail[FINDING_DETAIL_MAX];
};

struct viso_machine {
	struct handle handle;
	struct finding features[MACHINE_FEATURES];
};

/* Each takes a sentence: how it works here, or why it does not and what would help. */
void finding_works(struct finding *finding, const char *format, ...) __attribute__((format(printf, 2, 3)));
void finding_fails(struct finding *finding, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The number in a file of /proc/sys, or -1 where there is none. */
long read_sysctl(const char *path);

/* Whether this thread has a capability (a CAP_ number) in effect. */
bool has_capability(int capability);

/*
 * The probes. Each fills the finding of its feature and may look at those that come before it in the table of
 * machine.c. They execute nothing, change nothing and do not set the error of the thread.
 */
void probe_user_namespaces(struct viso_machine *machine, struct finding *finding);
void probe_landlock(struct viso_machine *machine, struct finding *finding);
void probe_landlock_scope(struct viso_machine *machine, struct finding *finding);
void probe_seccomp(struct viso_machine *machine, struct finding *finding);
void probe_new_mount_api(struct viso_machine *machine, struct finding *finding);
void probe_memory_limit(struct viso_machine *machine, struct finding *finding);
void probe_process_limit(struct viso_machine *machine, struct finding *finding);
void probe_kvm(struct viso_machine *machine, struct finding *finding);
void probe_kvm_ring0(struct viso_machine *machine, struct finding *finding);
void probe_jail(struct viso_machine *machine, struct finding *finding);
void probe_container(struct viso_machine *machine, struct finding *finding);
void probe_guest(struct viso_machine *machine, struct finding *finding);

#endif
