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

/** What viso_ring_open() gives: memory that the program and the library share. */
enum { VISO_RING_SLOTS = 32 };
struct viso_ring_slot {
	uint64_t number;
	uint64_t args[6];
	int64_t value;
	uint64_t by_exit;
};
struct viso_ring {
	uint32_t head; /* what the program has put in */
	uint32_t unused1[15];
	uint32_t tail; /* what the library has answered */
	uint32_t host_sleeps;
	uint32_t spins; /* how often to look for an answer before the doorbell */
	uint32_t unused2[13];
	struct viso_ring_slot slots[VISO_RING_SLOTS];
};

/* The library itself needs the numbers only. */
#ifndef VISO_HYPERCALL_NUMBERS_ONLY

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

/** The ring, where the host program has turned it on; else NULL. Once in a program. */
static inline struct viso_ring *viso_ring_open(void)
{
	int64_t address = viso_hypercall(VISO_HYPERCALL_RING, 0, 0, 0);
	return address > 0 ? (struct viso_ring *)(uintptr_t)address : NULL;
}

/**
 * A hypercall through the ring: as viso_hypercall6(), but mostly without an exit of the virtual machine. One thread of the program at a
 * time. The handler cannot defer it; hypercalls that are queued are made as always.
 */
static inline int64_t viso_ring_hypercall(struct viso_ring *ring, unsigned number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
					  uint64_t f)
{
	uint32_t head = __atomic_load_n(&ring->head, __ATOMIC_RELAXED);
	struct viso_ring_slot *slot = &ring->slots[head % VISO_RING_SLOTS];
	slot->number = number;
	slot->args[0] = a;
	slot->args[1] = b;
	slot->args[2] = c;
	slot->args[3] = d;
	slot->args[4] = e;
	slot->args[5] = f;
	__atomic_store_n(&ring->head, ++head, __ATOMIC_RELEASE);
	/* Either this sees that the other side sleeps, or that sees the new index before it does. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	uint32_t left = __atomic_load_n(&ring->host_sleeps, __ATOMIC_RELAXED) ? 0 : ring->spins;
	while (__atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) != head) {
		if (left-- == 0) {
			int64_t r = viso_hypercall(VISO_HYPERCALL_DOORBELL, 0, 0, 0);
			if (r < 0)
				return r;
			left = ring->spins;
		}
		__builtin_ia32_pause();
	}
	return slot->by_exit ? viso_hypercall6(number, a, b, c, d, e, f) : slot->value;
}

#endif

#endif
