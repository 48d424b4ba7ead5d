/* SPDX-License-Identifier: MIT */
/* A program that asks the host, as `argv[1]` tells. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <virtiso/hypercall.h>

enum { ADD = 1, FILL = 2, LENGTH = 3, WILD = 4, DEFERRED = 5, QUEUED = 6, OTHER = 7, SLOW = 9 };

__attribute__((used)) uint64_t ask_in_call(uint64_t number, uint64_t a)
{
	return (uint64_t)viso_hypercall((unsigned)number, a, 0, 0);
}

static int fail(const char *what, int64_t value)
{
	printf("%s gave %lld\n", what, (long long)value);
	return 1;
}

#define EXPECT(call, value)                                                                                            \
	do {                                                                                                           \
		int64_t result_ = (call);                                                                              \
		if (result_ != (value))                                                                                \
			return fail(#call, result_);                                                                   \
	} while (0)

static int plain(void)
{
	char text[20000] = "";
	EXPECT(viso_hypercall6(ADD, 1, 2, 3, 4, 5, 6), 21);
	EXPECT(viso_hypercall(FILL, (uintptr_t)text, 19999, 'x'), 0);
	EXPECT((int64_t)strlen(text), 19999);
	EXPECT(viso_hypercall(LENGTH, (uintptr_t) "twelve bytes", 12, 0), 12);
	for (int i = 0; i < 500; i++)
		EXPECT(viso_hypercall(ADD, (uint64_t)i, 1, 0), i + 1);
	EXPECT(viso_hypercall(999, 0, 0, 0), -ENOSYS);
	EXPECT(viso_hypercall(0x7fffffff, 0, 0, 0), -ENOSYS);
	EXPECT(viso_generation(), 0);
	return 0;
}

/* Memory that it has not, that it may not write, and that wraps around. */
static int wild(void)
{
	char *read_only = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT(viso_hypercall(FILL, (uintptr_t)read_only, 10, 'x'), -EFAULT);
	EXPECT(viso_hypercall(FILL, 0, 10, 'x'), -EFAULT);
	EXPECT(viso_hypercall(FILL, ~0ull - 5, 10, 'x'), -EFAULT);
	EXPECT(viso_hypercall(FILL, 0xffff800000000000ull, 10, 'x'), -EFAULT);
	EXPECT(viso_hypercall(FILL, 0x2000, 10, 'x'), -EFAULT);
	EXPECT(viso_hypercall(LENGTH, 0x1000, 10, 0), -EFAULT);
	munmap(read_only + 4096, 4096);
	EXPECT(viso_hypercall(LENGTH, (uintptr_t)read_only + 4090, 12, 0), -EFAULT);
	EXPECT(viso_hypercall(LENGTH, (uintptr_t)read_only, 1ull << 40, 0), -EMSGSIZE);
	return 0;
}

static int refused;

static void *ask_in_vain(void *data)
{
	if (viso_hypercall(QUEUED, 0, 0, 0) == -ENFILE)
		__atomic_fetch_add(&refused, 1, __ATOMIC_RELAXED);
	return NULL;
}

/* More at once than the host has fds to spare for. */
static int many(void)
{
	enum { THREADS = 150 };
	pthread_attr_t attributes;
	pthread_t thread;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 64 << 10);
	for (int i = 0; i < THREADS; i++)
		EXPECT(pthread_create(&thread, &attributes, ask_in_vain, NULL), 0);
	for (int i = 0; i < 500 && refused < THREADS / 2; i++)
		usleep(10000);
	puts(refused >= THREADS / 2 && refused < THREADS ? "some" : refused ? "all" : "none");
	return 0;
}

static void *ask_often(void *data)
{
	uint64_t wrong = 0;
	for (uint64_t i = 0; i < 200; i++)
		wrong += viso_hypercall(i % 4 ? ADD : SLOW, i, 1, 0) != (int64_t)i + 1;
	return (void *)wrong;
}

/* Several threads at once, some of whose hypercalls are answered later. */
static int threads(void)
{
	pthread_t all[6];
	void *wrong;
	for (int i = 0; i < 6; i++)
		EXPECT(pthread_create(&all[i], NULL, ask_often, NULL), 0);
	for (int i = 0; i < 6; i++) {
		pthread_join(all[i], &wrong);
		EXPECT((int64_t)(uintptr_t)wrong, 0);
	}
	return 0;
}

/* Many messages with pauses now and then, so that each side sleeps at times. */
static int ring_many(struct viso_ring *ring, unsigned count)
{
	uint64_t random = 1;
	for (unsigned i = 0; i < count; i++) {
		EXPECT(viso_ring_hypercall(ring, ADD, i, 2 * i, 3, 0, 0, 1), 3ll * i + 4);
		random = random * 6364136223846793005ull + 1442695040888963407ull;
		if (random >> 33 & 1)
			continue;
		for (volatile uint64_t wait = (random >> 40) % (i % 64 ? 50 : 20000); wait > 0; wait--)
			;
	}
	return 0;
}

static int ring_wild(struct viso_ring *ring)
{
	EXPECT(viso_hypercall(VISO_HYPERCALL_RING, 0, 0, 0), -EBUSY);
	EXPECT(viso_ring_hypercall(ring, FILL, 0x5000, 100, 'x', 0, 0, 0), -EFAULT);
	EXPECT(viso_ring_hypercall(ring, FILL, 0x1000, 100, 'x', 0, 0, 0), -EFAULT);
	EXPECT(viso_ring_hypercall(ring, LENGTH, ~0ull - 3, 100, 0, 0, 0, 0), -EFAULT);
	EXPECT(viso_ring_hypercall(ring, DEFERRED, 0, 0, 0, 0, 0, 0), -EOPNOTSUPP);
	EXPECT(viso_ring_hypercall(ring, 0xffffffff, 0, 0, 0, 0, 0, 0), -ENOSYS);
	EXPECT(viso_ring_hypercall(ring, 1000, 0, 0, 0, 0, 0, 0), -ENOSYS);
	EXPECT(mmap(ring, 4096, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED, 1);
	/* Its page stays its page, also where the range begins below what a program may map. */
	EXPECT((int64_t)mmap((void *)0x10000, 8192, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1,
			     0),
	       0x10000);
	madvise(NULL, 0x12000, MADV_DONTNEED);
	mprotect(NULL, 0x12000, PROT_READ);
	EXPECT(munmap(NULL, 0x12000), 0);
	char *others = mmap(NULL, 64 << 12, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(others, 1, 64 << 12);
	EXPECT(viso_ring_hypercall(ring, ADD, 1, 2, 3, 0, 0, 0), 6);
	munmap(ring, 4096);
	/* What the library keeps for itself does not change with the page. */
	uint32_t next = ++ring->asked;
	ring->host_sleeps = 77;
	ring->spins = 0;
	for (uint32_t i = 0; i < VISO_RING_SLOTS; i++) {
		ring->answers[i].sequence = 12345;
		ring->asks[i].number = UINT32_MAX;
		ring->asks[i].sequence = i == next % VISO_RING_SLOTS ? next - 1 : next + 1000000;
	}
	EXPECT(viso_hypercall(VISO_HYPERCALL_DOORBELL, 0, 0, 0), 0);
	EXPECT(ring->answers[next % VISO_RING_SLOTS].sequence, 12345);
	__atomic_store_n(&ring->asks[next % VISO_RING_SLOTS].sequence, next, __ATOMIC_RELEASE);
	EXPECT(viso_hypercall(VISO_HYPERCALL_DOORBELL, 0, 0, 0), 0);
	EXPECT(ring->answers[next % VISO_RING_SLOTS].sequence, next);
	EXPECT(ring->answers[next % VISO_RING_SLOTS].value, -ENOSYS);
	EXPECT(viso_ring_hypercall(ring, ADD, 1, 2, 3, 0, 0, 0), 6);
	return 0;
}

/* With everything changed while the library looks at it. */
static int ring_torn(struct viso_ring *ring)
{
	for (uint32_t i = 0; i < 2000000; i++) {
		struct viso_ring_ask *ask = &ring->asks[i % VISO_RING_SLOTS];
		ask->number = i % 5;
		ask->args[0] = i * 0x9e3779b97f4a7c15ull;
		__atomic_store_n(&ask->sequence, i / 4, __ATOMIC_RELEASE);
		ring->answers[i % VISO_RING_SLOTS].sequence = ~i;
	}
	viso_hypercall(VISO_HYPERCALL_DOORBELL, 0, 0, 0);
	return 0;
}

static int with_ring(const char *how, unsigned count)
{
	struct viso_ring *ring = viso_ring_open();
	if (!strcmp(how, "none")) {
		EXPECT(viso_hypercall(VISO_HYPERCALL_DOORBELL, 0, 0, 0), -EINVAL);
		return ring ? 1 : 0;
	}
	if (!ring)
		return 2;
	if (!strcmp(how, "queued"))
		EXPECT(viso_ring_hypercall(ring, QUEUED, 0, 0, 0, 0, 0, 0), 8);
	else if (!strcmp(how, "wild"))
		return ring_wild(ring);
	else if (!strcmp(how, "torn"))
		return ring_torn(ring);
	else
		return ring_many(ring, count);
	return 0;
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	unsigned number = argc > 2 ? (unsigned)atoi(argv[2]) : 0;
	if (!strcmp(how, "plain"))
		return plain();
	if (!strcmp(how, "wild"))
		return wild();
	if (!strcmp(how, "threads"))
		return threads();
	if (!strcmp(how, "many"))
		return many();
	if (!strcmp(how, "ready"))
		return (int)viso_ready();
	if (!strcmp(how, "ring"))
		return with_ring(argv[2], argc > 3 ? (unsigned)atoi(argv[3]) : 0);
	if (!strcmp(how, "ask")) {
		int64_t value = viso_hypercall(number, (uintptr_t) "question", 8, 0);
		printf("%lld\n", (long long)value);
		return 0;
	}
	return 9;
}
