/* SPDX-License-Identifier: MIT */
/*
 * For the functions that every call of a guest goes through: they lie together. When the processor comes back from a
 * guest its caches and TLB are the guest's and the kernel's, and each page that code is spread over costs a call some
 * 30 ns; together they took an eighth of what the library adds to KVM_RUN.
 */
#ifndef CORE_HOT_H
#define CORE_HOT_H

#define HOT __attribute__((hot))

#endif
