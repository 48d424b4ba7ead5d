/* SPDX-License-Identifier: MIT */
/*
 * A hostile guest at its doorbell, without KVM. The input is a program: what the guest puts into the shared pages, also
 * while a handler runs or a request is being posted, how it rings, and what the host program does meanwhile. It may be
 * apart, in a process that brings its memory, and is as hostile.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <virtiso.h>

#define VISO_DOORBELL_LAYOUT_ONLY
#include <virtiso/doorbell.h>

#include "guest/device/doorbell.h"
#include "guest/device/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ADDRESS = 0xd0100000, REGION = 8192, HIGH = 1 << 20, STEPS_MAX = 300, KEPT = 8, ROOM = 9000 };
enum { NUMBER_COPY, NUMBER_DEFER, NUMBER_DROP, NUMBER_QUEUE, NUMBERS };

static struct world {
	const uint8_t *program;
	size_t left;
	uint8_t low[REGION], high[REGION];
	viso_guest *guest;
	struct doorbell *doorbell;
	struct bus ports;
	viso_hypercall *kept[KEPT];
	int outside;
	bool is_paused, is_closed, is_apart;
} * world;

static void expect(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fuzz_doorbell: %s\n", what);
	abort();
}

static uint64_t take(unsigned bytes)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < bytes && world->left > 0; i++, world->left--)
		value |= (uint64_t)*world->program++ << (8 * i);
	return value;
}

static struct viso_doorbell_pages *pages(void)
{
	return doorbell_pages(world->doorbell);
}

/* Anything anywhere, or what matters most. */
static void change_pages(void)
{
	uint8_t *bytes = (uint8_t *)pages();
	uint64_t what = take(1);
	struct viso_doorbell_call *call = &pages()->calls[what % VISO_DOORBELL_CALL_COUNT];
	struct viso_doorbell_request *request = &pages()->requests[what % VISO_DOORBELL_REQUEST_COUNT];
	switch (what >> 6) {
	case 0:
		call->state = take(1) % 6;
		call->number = (uint32_t)take(1) % (NUMBERS + 1);
		break;
	case 1:
		call->args[take(1) % 6] = take(1) & 1 ? ADDRESS + take(3) : take(8);
		break;
	case 2:
		request->state = take(1) % 5;
		request->answer_size = (uint32_t)take(2);
		request->error = (uint32_t)take(1);
		break;
	default:
		bytes[take(3) % DOORBELL_SIZE] = (uint8_t)take(1);
		break;
	}
}

/* The device has changed a line of another processor's, which does its worst: the lock is held. */
static void on_interrupt(void *data, unsigned line, bool level)
{
	expect(!world->is_paused || world->is_closed, "an interrupt amid a pause");
	if (level)
		change_pages();
}

static void leave(void)
{
	world->outside++;
	change_pages();
}

static void back(void)
{
	world->outside--;
}

/* Of one that is apart. */
static int access_memory(void *data, uint64_t address, void *buffer, size_t size, bool writes)
{
	static const int errors[] = {0, -EFAULT, -ESRCH};
	change_pages();
	expect(size <= ROOM, "more than was asked for");
	memset(buffer, 0x55, writes ? 0 : size);
	return errors[take(1) % 3];
}

static void copy(viso_hypercall *hypercall)
{
	static uint8_t room[ROOM];
	uint64_t address, size;
	expect(viso_hypercall_argument(hypercall, 0, &address) == 0 &&
		       viso_hypercall_argument(hypercall, 1, &size) == 0,
	       "no arguments");
	size %= ROOM;
	int r = viso_hypercall_read(hypercall, address, room, size);
	expect(r == 0 || r == -EFAULT || r == -EALREADY || r == -ESRCH, "another error of reading");
	r = viso_hypercall_write(hypercall, address, room, size);
	expect(r == 0 || r == -EFAULT || r == -EALREADY || r == -ESRCH || r == -EAGAIN, "another error of writing");
}

static int64_t handle(viso_hypercall *hypercall, void *data)
{
	unsigned place = (unsigned)take(1) % KEPT;
	expect(world->outside == 1, "a handler inside of the guest");
	expect(!world->is_closed, "a call after the end");
	copy(hypercall);
	if (viso_hypercall_number(hypercall) == NUMBER_COPY)
		return (int64_t)take(1);
	expect(viso_hypercall_defer(hypercall) == 0, "a call that cannot be put off");
	if (viso_hypercall_number(hypercall) == NUMBER_DROP || world->kept[place])
		return 0;
	world->kept[place] = viso_hypercall_ref(hypercall);
	if (take(1) & 1)
		expect(viso_hypercall_answer(hypercall, 1) == 0, "no answer from within");
	return 0;
}

static void use_kept(void)
{
	viso_hypercall **kept = &world->kept[take(1) % KEPT];
	viso_hypercall *next;
	if (!*kept && viso_guest_next_hypercall(world->guest, 0, &next) == 0)
		*kept = next;
	if (!*kept)
		return;
	switch (take(1) % 4) {
	case 0:
		(void)!viso_hypercall_answer(*kept, (int64_t)take(1));
		break;
	case 1:
		(void)!viso_hypercall_refuse(*kept, 1 + (int)take(1));
		break;
	case 2:
		copy(*kept);
		break;
	default:
		*kept = viso_hypercall_unref(*kept);
		break;
	}
}

static void ask(void)
{
	static uint8_t room[ROOM];
	uint64_t number = 0;
	const size_t size = take(2) % ROOM, max = take(2) % ROOM;
	const struct doorbell_request request = {.kind = (unsigned)take(1) % 3,
						 .name = "name",
						 .in = room,
						 .in_size = size,
						 .out = room,
						 .out_max = max,
						 .number = &number};
	int64_t n = doorbell_ask(world->doorbell, &request, "fuzz");
	expect(n <= (int64_t)max && n <= VISO_DOORBELL_REQUEST_BYTES, "more bytes than there is room for");
	if (size > VISO_DOORBELL_REQUEST_BYTES)
		expect(n == -EMSGSIZE, "a request that does not fit");
}

static void ring(void)
{
	uint64_t value = take(1);
	const unsigned size = 1 + (unsigned)take(1) % BUS_ACCESS_MAX;
	const uint64_t high = take(4) << 8;
	if (world->is_apart) {
		doorbell_hear_answers(world->doorbell);
		expect(doorbell_count_calls(world->doorbell) <= VISO_DOORBELL_CALL_COUNT, "more calls than there are");
		doorbell_make_calls(world->doorbell);
		return;
	}
	bus_write(&world->ports, 0, &value, 1);
	value |= high;
	bus_write(&world->ports, 0, &value, size);
	bus_read(&world->ports, 0, &value, size);
}

static void change_state(void)
{
	switch (take(1) % 8) {
	case 0:
		doorbell_close(world->doorbell);
		world->is_closed = true;
		break;
	case 1:
	case 2:
		/* The processors stand still then: no handler waits. */
		world->is_paused = true;
		doorbell_pause(world->doorbell);
		break;
	case 3:
		expect(!doorbell_cancel(world->doorbell), "something to cancel");
		break;
	default:
		world->is_paused = false;
		doorbell_resume(world->doorbell);
		break;
	}
}

static void step(void)
{
	switch (take(1) % 8) {
	case 0:
	case 1:
	case 2:
		change_pages();
		break;
	case 3:
	case 4:
		/* A guest that is paused does not ring. */
		if (!world->is_paused)
			ring();
		break;
	case 5:
		use_kept();
		break;
	case 6:
		ask();
		break;
	default:
		change_state();
		break;
	}
}

/* Empty, for each anew. */
static int open_pages(void)
{
	static int fd = -1;
	if (fd < 0)
		fd = memfd_create("fuzz_doorbell", MFD_CLOEXEC);
	expect(ftruncate(fd, 0) == 0 && ftruncate(fd, DOORBELL_SIZE) == 0, "no pages");
	return fd;
}

static void set_up(void)
{
	const struct doorbell_apart apart = {.pages = open_pages(), .access = access_memory};
	const struct ram ram = {.count = 2, .regions = {{0, REGION, world->low}, {HIGH, REGION, world->high}}};
	world->guest = viso_guest_new();
	for (unsigned i = 0; i < NUMBER_QUEUE; i++)
		expect(viso_guest_set_hypercall_handler(world->guest, i, handle, NULL, NULL) == 0, "no handler");
	expect(viso_guest_queue_hypercall(world->guest, NUMBER_QUEUE) == 0, "no queue");
	const struct doorbell_setting setting = {.ram = &ram,
						 .address = ADDRESS,
						 .interrupt = {.set = on_interrupt},
						 .processor = {leave, back},
						 .poll_us = 100,
						 .apart = world->is_apart ? &apart : NULL,
						 .guest = world->guest};
	world->doorbell = doorbell_new(&setting);
	expect(world->doorbell && bus_add(&world->ports, 0, BUS_ACCESS_MAX, &doorbell_ops, world->doorbell),
	       "no doorbell");
}

/* It is a clone's: of a snapshot that may be anything, or of what this one is. */
static void restore(void)
{
	struct state_writer own = {0};
	const size_t size = take(2);
	struct state_reader foreign = {world->program, size < world->left ? size : world->left};
	if (size == 0) {
		doorbell_save(world->doorbell, &own);
		foreign = (struct state_reader){own.data, own.size};
	} else {
		world->program += foreign.left;
		world->left -= foreign.left;
	}
	int r = doorbell_load(world->doorbell, &foreign);
	expect(r == 0 || r == -EINVAL, "another error of a snapshot");
	expect(r == 0 || size > 0, "its own snapshot is refused");
	doorbell_ring_again(world->doorbell);
	state_release(&own);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	world = calloc(1, sizeof(*world));
	expect(world != NULL, "no memory");
	world->program = data;
	world->left = size;
	const uint64_t how = take(1);
	world->is_apart = how & 2;
	set_up();
	if (how & 1)
		restore();
	for (int i = 0; i < STEPS_MAX && world->left > 0; i++)
		step();
	doorbell_close(world->doorbell);
	world->is_closed = true;
	for (int i = 0; i < KEPT; i++)
		viso_hypercall_unref(world->kept[i]);
	doorbell_unref(world->doorbell);
	viso_guest_unref(world->guest);
	free(world);
	return 0;
}
