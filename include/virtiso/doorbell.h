/* SPDX-License-Identifier: MIT */
/*
 * For what runs in a computer of libvirtiso (VISO_PLATFORM_MICROVM), of whatever operating system, in its kernel, in its user space, or
 * without any: how it calls the host program, and is called by it. Freestanding, for C89 with <stdint.h> and GNU's extensions, and for C++.
 *
 * There are pages that host and guest share, at a fixed physical address that is no memory of the guest's own; a port, the doorbell; and an
 * interrupt line, edge-triggered, active high. CPUID tells where, as viso_doorbell_detect() finds it, and the DSDT has a device VISO0001
 * with the same. All numbers are little-endian, and lie where this header says in 32 and 64 bits alike.
 *
 * The guest calls: it claims a call block, fills it in, makes its state VISO_CALL_SUBMITTED, and writes the block's number to the port. The
 * host program's handler (viso_guest_set_hypercall_handler()) has run when that instruction is done, and the state is VISO_CALL_DONE; or
 * the answer comes later, since the handler has put it off or the computer is in a container: the state is still VISO_CALL_SUBMITTED or
 * VISO_CALL_TAKEN then, and an interrupt comes once it is VISO_CALL_DONE. Each processor,
 * and each thread, uses a block of its own, as many as there are at once. Addresses that are handed to the host program are physical ones:
 * of the guest's memory, or of the bytes in a block.
 *
 * The host calls (viso_guest_request(), viso_guest_call(), viso_guest_call_bytes()): it fills a request slot in, makes its state
 * VISO_REQUEST_POSTED, counts `posted` up, and makes an interrupt. The guest takes it, by an atomic exchange to VISO_REQUEST_TAKEN, fills
 * the answer in, makes the state VISO_REQUEST_ANSWERED, and writes VISO_DOORBELL_REQUEST + the slot's number to the port. Whoever has no
 * interrupts looks at the slots now and then. A slot that was taken stays the guest's until it is answered, also when the host waits no
 * longer: a late answer must not be taken for that to another request. The host is short of slots by each that is never answered, and
 * refuses with -EBUSY what there is none for. So a driver that begins where another one has died answers, with an errno, each slot that it
 * finds in VISO_REQUEST_TAKEN.
 *
 * With VISO_DOORBELL_POLLING neither interrupt nor exit is needed for requests where both sides are at it: while `guest_polls` is not 0 a
 * processor of the guest looks at the slots all the time, and the host makes no interrupt; while a slot's bit is set in `host_polls`
 * (viso_guest_set_ring()) the host looks at that slot, and the guest does not ring. Each side looks once more after it has taken its mark
 * back, and each looks at the other's mark after it has changed a state, with a full barrier between the two.
 *
 * A computer in a container that rings again and again for nothing, without a call that was submitted or an answer to a request, is heard a
 * few milliseconds later each time.
 *
 * The host program looks at nothing here but what is a guest's to say, and what is damaged harms the guest alone.
 *
 * User space of Linux maps the pages by /dev/mem, and reaches the port by ioperm(2), or a pwrite(2) of one byte to /dev/port where its
 * kernel has that, as root:
 *
 *     #define VISO_DOORBELL_LINUX
 *     #include <virtiso/doorbell.h>
 *     struct viso_doorbell bell;
 *     if (viso_doorbell_open(&bell) == 0)
 *             answer = viso_doorbell_call6(&bell, 1, 2, 3, 0, 0, 0, 0);
 */
#ifndef VIRTISO_DOORBELL_H
#define VIRTISO_DOORBELL_H

#include <stddef.h>
#include <stdint.h>

/** CPUID: the leaf after VISO_DOORBELL_LEAF_NAME ("libvirtiso" in EBX, ECX, EDX; EAX is the last leaf) and one more. */
#define VISO_DOORBELL_LEAF_NAME 0x40000100u
/** EAX: the port in bits 0 to 15, the line in 16 to 23, the version in 24 to 31; EBX: the address; ECX: how many bytes; EDX: features. */
#define VISO_DOORBELL_LEAF 0x40000102u

/** The first bytes of the pages. */
#define VISO_DOORBELL_MAGIC "visobell"

enum {
	VISO_DOORBELL_VERSION = 1,

	/* Features; bits that are not known mean more, and change nothing of what is here. */
	VISO_DOORBELL_CALLS = 1,
	VISO_DOORBELL_REQUESTS = 2,
	VISO_DOORBELL_POLLING = 4,

	/* What is written to the port, a byte: the number of a call block, of a slot plus this, or to have the host look at all. A byte that
	 * is read there is the version. */
	VISO_DOORBELL_REQUEST = 0x80,
	VISO_DOORBELL_ALL = 0xff,

	VISO_DOORBELL_CALL_COUNT = 64,
	VISO_DOORBELL_REQUEST_COUNT = 16,
	VISO_DOORBELL_CALL_BYTES = 3968,
	VISO_DOORBELL_REQUEST_BYTES = 8064,
	VISO_DOORBELL_NAME_SIZE = 128
};

/** States of a call block. The guest makes all but VISO_CALL_TAKEN and VISO_CALL_DONE. */
enum {
	VISO_CALL_FREE = 0,
	VISO_CALL_CLAIMED = 1,
	VISO_CALL_SUBMITTED = 2,
	VISO_CALL_TAKEN = 3,
	VISO_CALL_DONE = 4
};

/** States of a request slot. The host makes the first two. */
enum { VISO_REQUEST_FREE = 0, VISO_REQUEST_POSTED = 1, VISO_REQUEST_TAKEN = 2, VISO_REQUEST_ANSWERED = 3 };

/** What a request is: bytes, a function with numbers, a function with bytes. */
enum { VISO_REQUEST_BYTES = 0, VISO_REQUEST_CALL = 1, VISO_REQUEST_CALL_BYTES = 2 };

/** The first page. */
struct viso_doorbell_head {
	char magic[8];
	uint32_t version;
	uint32_t size; /* of all pages, bytes */
	uint64_t address;
	uint32_t port;
	uint32_t line;
	uint32_t features;
	uint32_t calls; /* where the call blocks begin; each is so large, and there are so many */
	uint32_t call_size;
	uint32_t call_count;
	uint32_t requests; /* and the request slots */
	uint32_t request_size;
	uint32_t request_count;
	uint32_t unused1;
	uint32_t posted;      /* counts the requests */
	uint32_t guest_polls; /* the guest's: not 0 while it looks for requests by itself */
	uint32_t host_polls;  /* bits of the slots that the host looks at */
	uint32_t unused2[1005];
};

/** A call of the guest's. */
struct viso_doorbell_call {
	uint32_t state;
	uint32_t number; /* 0 to 1023 */
	uint64_t args[6];
	int64_t value;   /* what the handler answers; -4095 to -1 is an errno of Linux */
	uint64_t own[8]; /* for the guest; the host leaves it alone */
	uint8_t bytes[VISO_DOORBELL_CALL_BYTES];
};

/** A request of the host's. */
struct viso_doorbell_request {
	uint32_t state;
	uint32_t kind;
	uint64_t args[6]; /* VISO_REQUEST_CALL */
	int64_t value;    /* the answer to VISO_REQUEST_CALL */
	uint32_t request_size;
	uint32_t answer_size; /* the answer to the others */
	uint32_t answer_max;  /* at most so many bytes */
	uint32_t error;       /* 0; or an errno of Linux: 2 (ENOENT) for a function that there is not */
	uint32_t timeout_ms;  /* until the host waits no longer, from when it was posted; all ones: no limit */
	uint32_t serial;
	uint64_t own[5];
	char name[VISO_DOORBELL_NAME_SIZE]; /* of the function, with a NUL */
	uint8_t request[VISO_DOORBELL_REQUEST_BYTES];
	uint8_t answer[VISO_DOORBELL_REQUEST_BYTES];
};

/** All pages. */
struct viso_doorbell_pages {
	struct viso_doorbell_head head;
	struct viso_doorbell_call calls[VISO_DOORBELL_CALL_COUNT];
	struct viso_doorbell_request requests[VISO_DOORBELL_REQUEST_COUNT];
};

#if defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
_Static_assert(sizeof(struct viso_doorbell_head) == 4096 && offsetof(struct viso_doorbell_head, posted) == 64 &&
		       offsetof(struct viso_doorbell_head, host_polls) == 72,
	       "the first page");
_Static_assert(sizeof(struct viso_doorbell_call) == 4096, "a call block");
_Static_assert(offsetof(struct viso_doorbell_call, args) == 8 && offsetof(struct viso_doorbell_call, value) == 56, "a call block");
_Static_assert(offsetof(struct viso_doorbell_call, bytes) == 128, "a call block");
_Static_assert(sizeof(struct viso_doorbell_request) == 16384, "a request slot");
_Static_assert(offsetof(struct viso_doorbell_request, value) == 56 && offsetof(struct viso_doorbell_request, error) == 76, "a request slot");
_Static_assert(offsetof(struct viso_doorbell_request, name) == 128, "a request slot");
_Static_assert(offsetof(struct viso_doorbell_request, request) == 256 && offsetof(struct viso_doorbell_request, answer) == 8320,
	       "a request slot");
_Static_assert(sizeof(struct viso_doorbell_pages) == 528384, "all pages");
#endif

/* The library itself needs the layout only. */
#ifndef VISO_DOORBELL_LAYOUT_ONLY

/** What the guest keeps of it. */
struct viso_doorbell {
	struct viso_doorbell_pages *pages; /* where it has mapped them */
	uint64_t address;                  /* where they are */
	uint32_t size;
	uint32_t port;
	uint32_t line;
	uint32_t features;
};

/** While a call waits for an answer that was put off; a kernel would rather sleep until the interrupt. */
#ifndef VISO_DOORBELL_RELAX
#ifdef VISO_DOORBELL_LINUX
#define VISO_DOORBELL_RELAX() viso_doorbell_nap(100)
#else
#define VISO_DOORBELL_RELAX() __asm__ __volatile__("pause" : : : "memory")
#endif
#endif

#ifdef VISO_DOORBELL_LINUX
#include <errno.h>
#include <fcntl.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static __inline__ void viso_doorbell_nap(long microseconds)
{
	struct timespec nap;
	nap.tv_sec = 0;
	nap.tv_nsec = microseconds * 1000;
	nanosleep(&nap, NULL);
}
#endif

static __inline__ void viso_doorbell_cpuid(uint32_t leaf, uint32_t out[4])
{
	__asm__ __volatile__("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "0"(leaf), "2"(0));
}

/** Whether the processor tells of a doorbell, 1 or 0; then all is filled in but `pages`. Any program can ask. */
static __inline__ int viso_doorbell_detect(struct viso_doorbell *bell)
{
	uint32_t r[4];
	viso_doorbell_cpuid(1, r);
	if (!(r[2] & 0x80000000u)) /* no hypervisor */
		return 0;
	viso_doorbell_cpuid(VISO_DOORBELL_LEAF_NAME, r);
	/* "libvirtiso" */
	if (r[0] < VISO_DOORBELL_LEAF || r[1] != 0x7662696cu || r[2] != 0x69747269u || r[3] != 0x6f73u)
		return 0;
	viso_doorbell_cpuid(VISO_DOORBELL_LEAF, r);
	if (r[0] >> 24 != VISO_DOORBELL_VERSION || r[2] < sizeof(struct viso_doorbell_pages))
		return 0;
	bell->pages = NULL;
	bell->address = r[1];
	bell->size = r[2];
	bell->port = r[0] & 0xffff;
	bell->line = r[0] >> 16 & 0xff;
	bell->features = r[3];
	return 1;
}

/** The pages are mapped there. 0, or -19 (ENODEV) where they are none. */
static __inline__ int viso_doorbell_attach(struct viso_doorbell *bell, void *pages)
{
	static const char magic[8] = {'v', 'i', 's', 'o', 'b', 'e', 'l', 'l'};
	struct viso_doorbell_pages *all = (struct viso_doorbell_pages *)pages;
	int i;
	for (i = 0; i < 8; i++)
		if (all->head.magic[i] != magic[i])
			return -19;
	if (all->head.version != VISO_DOORBELL_VERSION)
		return -19;
	bell->pages = all;
	return 0;
}

/** Rings: see VISO_DOORBELL_REQUEST. */
static __inline__ void viso_doorbell_ring(const struct viso_doorbell *bell, unsigned value)
{
	__asm__ __volatile__("outb %b0, %w1" : : "a"(value), "d"(bell->port) : "memory");
}

/** The physical address of bytes in the pages, for an argument. */
static __inline__ uint64_t viso_doorbell_address(const struct viso_doorbell *bell, const void *bytes)
{
	return bell->address + (uint64_t)((const char *)bytes - (const char *)bell->pages);
}

static __inline__ int viso_doorbell_change(uint32_t *state, uint32_t from, uint32_t to)
{
	return __atomic_compare_exchange_n(state, &from, to, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/** A call block that nobody uses; NULL where all are in use. */
static __inline__ struct viso_doorbell_call *viso_doorbell_claim(const struct viso_doorbell *bell)
{
	unsigned i;
	for (i = 0; i < VISO_DOORBELL_CALL_COUNT; i++)
		if (viso_doorbell_change(&bell->pages->calls[i].state, VISO_CALL_FREE, VISO_CALL_CLAIMED))
			return &bell->pages->calls[i];
	return NULL;
}

/** Makes the call that was filled in. Mostly it is done when this returns. */
static __inline__ void viso_doorbell_submit(const struct viso_doorbell *bell, struct viso_doorbell_call *call)
{
	__atomic_store_n(&call->state, (uint32_t)VISO_CALL_SUBMITTED, __ATOMIC_RELEASE);
	viso_doorbell_ring(bell, (unsigned)(call - bell->pages->calls));
}

static __inline__ int viso_doorbell_is_done(const struct viso_doorbell_call *call)
{
	return __atomic_load_n(&call->state, __ATOMIC_ACQUIRE) == VISO_CALL_DONE;
}

/** Of a call that is done: its value. The block is free for others. */
static __inline__ int64_t viso_doorbell_finish(struct viso_doorbell_call *call)
{
	int64_t value = call->value;
	__atomic_store_n(&call->state, (uint32_t)VISO_CALL_FREE, __ATOMIC_RELEASE);
	return value;
}

/** A call with six numbers. What the handler answers; -11 (EAGAIN) where all call blocks are in use. */
static __inline__ int64_t viso_doorbell_call6(const struct viso_doorbell *bell, unsigned number, uint64_t a, uint64_t b, uint64_t c,
					      uint64_t d, uint64_t e, uint64_t f)
{
	struct viso_doorbell_call *call = viso_doorbell_claim(bell);
	if (!call)
		return -11;
	call->number = number;
	call->args[0] = a;
	call->args[1] = b;
	call->args[2] = c;
	call->args[3] = d;
	call->args[4] = e;
	call->args[5] = f;
	viso_doorbell_submit(bell, call);
	while (!viso_doorbell_is_done(call))
		VISO_DOORBELL_RELAX();
	return viso_doorbell_finish(call);
}

/**
 * A call with bytes in and out, for whoever has no physical addresses: the handler's arguments are address and size of what it may read,
 * then address and size of the room that it may write to, the same bytes, and it answers how many it has written. So many are put to `out`;
 * or a negative errno, -90 (EMSGSIZE) for what does not fit into a block, -11 (EAGAIN).
 */
static __inline__ int64_t viso_doorbell_call_bytes(const struct viso_doorbell *bell, unsigned number, const void *in, size_t in_size,
						   void *out, size_t out_max)
{
	struct viso_doorbell_call *call;
	int64_t value;
	size_t i;
	if (in_size > VISO_DOORBELL_CALL_BYTES)
		return -90;
	call = viso_doorbell_claim(bell);
	if (!call)
		return -11;
	for (i = 0; i < in_size; i++)
		call->bytes[i] = ((const uint8_t *)in)[i];
	call->number = number;
	call->args[0] = call->args[2] = viso_doorbell_address(bell, call->bytes);
	call->args[1] = in_size;
	call->args[3] = out_max < sizeof(call->bytes) ? out_max : sizeof(call->bytes);
	call->args[4] = call->args[5] = 0;
	viso_doorbell_submit(bell, call);
	while (!viso_doorbell_is_done(call))
		VISO_DOORBELL_RELAX();
	value = call->value;
	if (value > (int64_t)VISO_DOORBELL_CALL_BYTES || (value > 0 && (size_t)value > out_max))
		value = -90;
	for (i = 0; value > 0 && i < (size_t)value; i++)
		((uint8_t *)out)[i] = call->bytes[i];
	viso_doorbell_finish(call);
	return value;
}

/** Takes a request of the host's; NULL where there is none. */
static __inline__ struct viso_doorbell_request *viso_doorbell_receive(const struct viso_doorbell *bell)
{
	unsigned i;
	for (i = 0; i < VISO_DOORBELL_REQUEST_COUNT; i++)
		if (viso_doorbell_change(&bell->pages->requests[i].state, VISO_REQUEST_POSTED, VISO_REQUEST_TAKEN))
			return &bell->pages->requests[i];
	return NULL;
}

/**
 * From now on this processor looks for requests by itself, and so needs no interrupt for them: 1; or no longer: 0, after which it looks
 * once more before it sleeps. For one processor at a time; hosts that know nothing of it make the interrupt all the same.
 */
static __inline__ void viso_doorbell_poll(const struct viso_doorbell *bell, int polls)
{
	__atomic_store_n(&bell->pages->head.guest_polls, (uint32_t)polls, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/**
 * Answers it: with a number where it is VISO_REQUEST_CALL, else with `size` bytes that were put to `answer`; or with an errno. From then on
 * the slot is the host's, and may have the next request.
 */
static __inline__ void viso_doorbell_answer(const struct viso_doorbell *bell, struct viso_doorbell_request *request, int64_t value,
					    size_t size, unsigned error)
{
	const unsigned slot = (unsigned)(request - bell->pages->requests);
	request->value = value;
	request->answer_size = (uint32_t)size;
	request->error = error;
	__atomic_store_n(&request->state, (uint32_t)VISO_REQUEST_ANSWERED, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!(bell->features & VISO_DOORBELL_POLLING) ||
	    !(__atomic_load_n(&bell->pages->head.host_polls, __ATOMIC_SEQ_CST) >> slot & 1))
		viso_doorbell_ring(bell, VISO_DOORBELL_REQUEST + slot);
}

#ifdef VISO_DOORBELL_LINUX

/**
 * Finds and maps all of it, for the calling thread (ioperm(2) is one's own). 0 or a negative errno: -ENODEV there is none; -EPERM, -EACCES,
 * -ENOENT and others of /dev/mem and ioperm(2).
 */
static __inline__ int viso_doorbell_open(struct viso_doorbell *bell)
{
	void *pages;
	int fd, error;
	if (!viso_doorbell_detect(bell))
		return -ENODEV;
	if (ioperm(bell->port, 1, 1) < 0)
		return -errno;
	fd = open("/dev/mem", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	pages = mmap(NULL, bell->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)bell->address);
	error = errno;
	close(fd);
	if (pages == MAP_FAILED)
		return -error;
	error = viso_doorbell_attach(bell, pages);
	if (error < 0)
		munmap(pages, bell->size);
	return error;
}

static __inline__ void viso_doorbell_close(struct viso_doorbell *bell)
{
	munmap(bell->pages, bell->size);
	bell->pages = NULL;
}

/** Waits for a request of the host's, by short sleeps; NULL where none came within `timeout_ms` (-1: no limit). */
static __inline__ struct viso_doorbell_request *viso_doorbell_wait(const struct viso_doorbell *bell, int timeout_ms)
{
	struct timespec begin, now;
	struct viso_doorbell_request *request;
	long nap = 20;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (;;) {
		request = viso_doorbell_receive(bell);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (request ||
		    (timeout_ms >= 0 && (now.tv_sec - begin.tv_sec) * 1000L + (now.tv_nsec - begin.tv_nsec) / 1000000L >= timeout_ms))
			return request;
		viso_doorbell_nap(nap);
		if (nap < 1000)
			nap *= 2;
	}
}

#endif
#endif

#endif
