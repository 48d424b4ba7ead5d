/* SPDX-License-Identifier: MIT */
/* What of the KVM probe others use. */
#ifndef MACHINE_KVM_H
#define MACHINE_KVM_H

#include "machine/machine.h"

/* The name of the module behind /dev/kvm, or words that say that it is not known. */
const char *kvm_driver(void);

#endif
