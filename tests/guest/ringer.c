/* SPDX-License-Identifier: MIT */
/* A program that gets its requests through the ring, and misbehaves where it is told to. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <virtiso/hypercall.h>

enum { ADD = 1, LATE = 2 };

static struct viso_ring *ring;
static uint64_t counted;

static void *count_always(void *data)
{
	for (;;)
		__atomic_fetch_add(&counted, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void pause_for(uint64_t loops)
{
	for (volatile uint64_t left = loops; left > 0; left--)
		;
}

static int64_t reply_value(int64_t value)
{
	memcpy(ring->reply.bytes, &value, sizeof(value));
	return viso_ring_reply(ring, sizeof(value));
}

/* What an honest program does not write. */
static void write_wildly(uint64_t rounds)
{
	volatile struct viso_ring *wild = ring;
	for (uint64_t i = 0; i < rounds; i++) {
		uint32_t random = (uint32_t)(i * 0x9e3779b97f4a7c15ull >> 32);
		wild->reply.size = random;
		wild->reply.sequence = random % 3 ? ring->received - 1 + random % 3 : random;
		wild->request.sequence = wild->request.size = random;
		wild->host_sleeps = wild->asker_sleeps = random % 2;
		wild->asks[random % VISO_RING_SLOTS].sequence = random % 64;
		wild->answers[random % VISO_RING_SLOTS].sequence = random;
		if (i % 1024 == 0)
			viso_hypercall(VISO_HYPERCALL_RING_RECEIVE, random % 2 ? ring->received : random, 0, 0);
		if (i % 1024 == 512)
			viso_hypercall(VISO_HYPERCALL_RING_REPLY, 0, 0, 0);
	}
}

static void answer_oddly(char kind)
{
	char byte;
	switch (kind) {
	case 'E':
		exit(3);
	case 'C':
		*(volatile int *)16 = 1;
		break;
	case 'S':
		for (;;)
			__asm__ volatile("");
	case 'L':
		sleep(100);
		break;
	case 'H':
		/* That it has the request is not that it has answered it: it runs on, and can be cancelled. */
		for (;;)
			viso_hypercall(VISO_HYPERCALL_RING_RECEIVE, ring->received, 0, 0);
	case 'T':
		ring->reply.size = UINT32_MAX;
		__atomic_store_n(&ring->reply.sequence, ring->received, __ATOMIC_RELEASE);
		break;
	case 'M':
		reply_value(viso_ring_reply(ring, VISO_RING_BYTES + 1));
		break;
	case 'W':
		write_wildly(1000000);
		break;
	case 'X':
		reply_value(viso_receive(&byte, 1));
		break;
	case 'R':
		reply_value(viso_reply("x", 1));
		break;
	case 'A':
		reply_value(viso_ring_hypercall(ring, ADD, 1, 2, 3, 4, 5, 6));
		break;
	case 'B':
		reply_value(0);
		viso_ring_hypercall(ring, LATE, 0, 0, 0, 0, 0, 0);
		break;
	case 'D':
		reply_value(0);
		viso_hypercall(LATE, 0, 0, 0);
		break;
	case 'K':
		reply_value((int64_t)__atomic_load_n(&counted, __ATOMIC_RELAXED));
		break;
	case 'F':
		/* Looks for no more requests, and does not say so. */
		viso_ring_reply(ring, 0);
		for (;;)
			__asm__ volatile("");
	case 'Z':
		reply_value(0);
		exit(3);
	default:
		break;
	}
}

/* What begins with a digit comes back, after a while; what begins with a small letter is reversed. */
static void answer(size_t size)
{
	const uint8_t *request = ring->request.bytes;
	static uint64_t random = 1;
	if (size && request[0] >= 'A' && request[0] <= 'Z') {
		answer_oddly((char)request[0]);
		return;
	}
	if (size && request[0] >= '0' && request[0] <= '9') {
		random = random * 6364136223846793005ull + 1442695040888963407ull;
		if (random >> 33 & 1)
			pause_for((random >> 40) % (random >> 34 & 63 ? 50 : 20000));
		memcpy(ring->reply.bytes, request, size);
	} else {
		for (size_t i = 0; i < size; i++)
			ring->reply.bytes[i] = request[size - 1 - i];
	}
	viso_ring_reply(ring, size);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	pthread_t thread;
	char byte;
	int64_t n;
	if (!strcmp(how, "later") && (viso_receive(&byte, 1) != 1 || viso_reply(&byte, 1) != 0))
		return 4;
	if (!strcmp(how, "asked") && viso_receive(&byte, 1) != 1)
		return 5;
	ring = viso_ring_open();
	if (!ring)
		return 2;
	if (!strcmp(how, "command"))
		return viso_ring_receive(ring) == -EINVAL && viso_ring_reply(ring, 0) == -EINVAL &&
				       viso_hypercall(VISO_HYPERCALL_RING_REPLY, 0, 0, 0) == 0
			       ? 0
			       : 6;
	if (!strcmp(how, "asked") && (viso_ring_receive(ring) != -EBUSY || viso_reply("busy", 4) != 0))
		return 7;
	if (!strcmp(how, "threads") && pthread_create(&thread, NULL, count_always, NULL) != 0)
		return 8;
	while ((n = viso_ring_receive(ring)) >= 0)
		answer((size_t)n);
	return 1;
}
