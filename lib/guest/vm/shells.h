/* SPDX-License-Identifier: MIT */
/* Virtual machines without memory, whose processor is set up: what all guests begin with. Some can be kept ready. */
#ifndef GUEST_VM_SHELLS_H
#define GUEST_VM_SHELLS_H

#include "guest/vm/vm.h"
#include "guest/x86_64/cpuid.h"

/* One that is ready, or a new one. Never used before. 0 or a negative errno with the error set. */
int shells_take(struct vm *vm, const struct processor **out_processor);

#endif
