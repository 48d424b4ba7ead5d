/* SPDX-License-Identifier: MIT */
/*
 * For programs that run in a guest of libvirtiso, freestanding, without a library: how they contact the host program. On Linux, or in a
 * jail or container, all of this gives -ENOSYS, so that a program can tell where it is. A program that uses the library itself, too,
 * includes the library's headers one by one: <virtiso.h> has a type that is called viso_hypercall.
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

/**
 * A guest's processor says whose it is: the 12 bytes of this, in EBX, ECX and EDX of CPUID's leaf 0x40000000 of a program guest. EAX is the
 * last such leaf; the next one, 0x40000001, has VISO_HYPERCALL_BASE in EAX and the version of this interface, 1, in EBX. Where KVM cannot
 * keep the host's processor from programs (kvm_pvm) they see that, and know the guest by /dev/virtiso.
 */
#define VISO_CPUID_SIGNATURE "libvirtiso\0"

/** The library's own hypercalls lie above those of the host program. */
enum {
	VISO_HYPERCALL_MAX = 0x3ff,
	VISO_HYPERCALL_READY = 0x400,
	VISO_HYPERCALL_RECEIVE = 0x401,
	VISO_HYPERCALL_REPLY = 0x402,
	VISO_HYPERCALL_GENERATION = 0x403,
	VISO_HYPERCALL_RETURN = 0x404,
	VISO_HYPERCALL_RING = 0x405,
	VISO_HYPERCALL_DOORBELL = 0x406,
	VISO_HYPERCALL_RING_RECEIVE = 0x407,
	VISO_HYPERCALL_RING_REPLY = 0x408
};

/**
 * What viso_ring_open() gives: memory that the program and the library share. Whatever goes to the other side has a number that is one more
 * than that of the last, and is put down last; it lies in one cache line together with the first bytes that it announces.
 */
enum { VISO_RING_SLOTS = 16, VISO_RING_BYTES = 16376 };
struct viso_ring_ask {
	uint32_t sequence;
	uint32_t number;
	uint64_t args[6];
	uint64_t unused;
};
struct viso_ring_answer {
	uint32_t sequence;
	uint32_t by_exit;
	int64_t value;
	uint64_t unused[6];
};
struct viso_ring_message {
	uint32_t sequence;
	uint32_t size;
	uint8_t bytes[VISO_RING_BYTES];
};
struct viso_ring {
	uint32_t asked;    /* the program's own: the last hypercall that it has put in */
	uint32_t received; /* the last request that it has taken */
	uint32_t unused1[30];
	uint32_t host_sleeps;  /* does not look for hypercalls */
	uint32_t asker_sleeps; /* does not look for the answer to its request */
	uint32_t spins;        /* how often to look for an answer before the doorbell */
	uint32_t receive_spins;
	uint32_t unused2[28];
	struct viso_ring_ask asks[VISO_RING_SLOTS];
	struct viso_ring_answer answers[VISO_RING_SLOTS];
	uint8_t unused3[4096 - 256 - VISO_RING_SLOTS * 128];
	struct viso_ring_message request;
	struct viso_ring_message reply;
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

/**
 * The ring, where the host program has turned it on; else NULL. Once in a program. System calls and hypercalls cannot reach its memory
 * (EFAULT): the program copies what they shall read or write.
 */
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
	uint32_t sequence = ++ring->asked;
	struct viso_ring_ask *ask = &ring->asks[sequence % VISO_RING_SLOTS];
	struct viso_ring_answer *answer = &ring->answers[sequence % VISO_RING_SLOTS];
	ask->number = number;
	ask->args[0] = a;
	ask->args[1] = b;
	ask->args[2] = c;
	ask->args[3] = d;
	ask->args[4] = e;
	ask->args[5] = f;
	__atomic_store_n(&ask->sequence, sequence, __ATOMIC_RELEASE);
	/* Either this sees that the other side sleeps, or that sees the new number before it does. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	uint32_t left = __atomic_load_n(&ring->host_sleeps, __ATOMIC_RELAXED) ? 0 : ring->spins;
	while (__atomic_load_n(&answer->sequence, __ATOMIC_ACQUIRE) != sequence) {
		if (left-- == 0) {
			int64_t r = viso_hypercall(VISO_HYPERCALL_DOORBELL, 0, 0, 0);
			if (r < 0)
				return r;
			left = ring->spins;
		}
		__builtin_ia32_pause();
	}
	return answer->by_exit ? viso_hypercall6(number, a, b, c, d, e, f) : answer->value;
}

/**
 * Answers the request that came through the ring with so many bytes, which lie in `ring->reply.bytes`. 0 or a negative errno, -90
 * (EMSGSIZE) for more than there is room for, -22 (EINVAL) where no request is to be answered.
 */
static inline int64_t viso_ring_reply(struct viso_ring *ring, size_t size)
{
	if (size > VISO_RING_BYTES)
		return -90;
	if (ring->reply.sequence == ring->received)
		return -22;
	ring->reply.size = (uint32_t)size;
	__atomic_store_n(&ring->reply.sequence, ring->received, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&ring->asker_sleeps, __ATOMIC_RELAXED))
		return 0;
	return viso_hypercall(VISO_HYPERCALL_RING_REPLY, 0, 0, 0);
}

/**
 * Waits for a request of the host program, as viso_receive(), but mostly without an exit of the virtual machine. Its length, or a negative
 * errno, -16 (EBUSY) also where there is a request of viso_receive() to be answered first; its bytes lie in `ring->request.bytes` until it
 * is answered. Whoever has begun with this goes on with it: viso_receive() gives -EBUSY afterwards. The first thread of the program only.
 */
static inline int64_t viso_ring_receive(struct viso_ring *ring)
{
	uint32_t next = ring->received + 1, left = ring->received ? ring->receive_spins : 0;
	/* Whoever asks for the next request without an answer had none to give. */
	if (ring->reply.sequence != ring->received)
		viso_ring_reply(ring, 0);
	while (__atomic_load_n(&ring->request.sequence, __ATOMIC_ACQUIRE) != next) {
		if (left-- == 0) {
			int64_t r = viso_hypercall(VISO_HYPERCALL_RING_RECEIVE, ring->received, 0, 0);
			if (r < 0)
				return r;
			left = ring->receive_spins;
		}
		__builtin_ia32_pause();
	}
	ring->received = next;
	return ring->request.size;
}

#endif

#endif
