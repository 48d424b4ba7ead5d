/* SPDX-License-Identifier: MIT */
/*
 * For programs that run in a guest of libvirtiso, freestanding, without a library: how they contact the host program. On Linux, or in a jail or
 * container, all of this gives -ENOSYS, so that a program can tell where it is.
 */
#ifndef VIRTISO_HYPERCALL_H
#define VIRTISO_HYPERCALL_H

#include <stddef.h>
#include <stdint.h>

#ifndef __x86_64__
#error "guests are for x86-64"
#endif

/** A hypercall is a system call of this number, plus that of the hypercall. */
#define VISO_HYPERCALL_BASE 0x56530000

/** The library's own hypercalls lie above those of the host program. */
enum {
	VISO_HYPERCALL_MAX = 0x3ff,
	VISO_HYPERCALL_READY = 0x400,
	VISO_HYPERCALL_RECEIVE = 0x401,
	VISO_HYPERCALL_REPLY = 0x402,
	VISO_HYPERCALL_GENERATION = 0x403,
	VISO_HYPERCALL_RETURN = 0x404,
	VISO_HYPERCALL_RING = 0x405,
	VISO_HYPERCALL_DOORBELL = 0x406
};

/** A hypercall with all six arguments. What the host program's handler answers; -4095 to -1 is an errno. */
static inline int64_t viso_hypercall6(unsigned number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	int64_t value = VISO_HYPERCALL_BASE + (int64_t)number;
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	register uint64_t r9 __asm__("r9") = f;
	__asm__ volatile("syscall" : "+a"(value) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
	return value;
}

/** A hypercall with up to three arguments. */
static inline int64_t viso_hypercall(unsigned number, uint64_t a, uint64_t b, uint64_t c)
{
	return viso_hypercall6(number, a, b, c, 0, 0, 0);
}

/** The program is initialised. Its functions are called in the place of this; it returns where the guest is not one that stays (-EINVAL). */
static inline int64_t viso_ready(void)
{
	return viso_hypercall(VISO_HYPERCALL_READY, 0, 0, 0);
}

/** Waits for a request of the host program; the first one says that the program is initialised. Its length, or a negative errno. */
static inline int64_t viso_receive(void *buffer, size_t size)
{
	return viso_hypercall(VISO_HYPERCALL_RECEIVE, (uint64_t)(uintptr_t)buffer, size, 0);
}

/** Answers the request. 0 or a negative errno. */
static inline int64_t viso_reply(const void *data, size_t size)
{
	return viso_hypercall(VISO_HYPERCALL_REPLY, (uint64_t)(uintptr_t)data, size, 0);
}

/** Another number in each clone and after each reset; 0 in a guest that is none. For random seeds. */
static inline int64_t viso_generation(void)
{
	return viso_hypercall(VISO_HYPERCALL_GENERATION, 0, 0, 0);
}

#endif
