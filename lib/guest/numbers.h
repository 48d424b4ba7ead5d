/* SPDX-License-Identifier: MIT */
/* The numbers of hypercalls, without what programs in the guest do with them: a viso_hypercall is a handle here. */
#ifndef GUEST_NUMBERS_H
#define GUEST_NUMBERS_H

#define VISO_HYPERCALL_NUMBERS_ONLY
#include <virtiso/hypercall.h>

#endif
