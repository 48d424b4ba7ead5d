/* SPDX-License-Identifier: MIT */
/*
 * A guest without an operating system that drives the virtio devices of its computer, and says on the serial port what
 * came of it. It polls, so it needs no interrupts; that the devices have asked for them is in their registers.
 */
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

enum { BASE = 0xd0000000, PLACE = 0x1000, PLACES = 18, QUEUE_SIZE = 8, QUEUES = 6, PATIENCE = 2000000 };
enum {
	MAGIC = 0,
	ID = 8,
	FEATURES = 0x20,
	FEATURES_WORD = 0x24,
	QUEUE = 0x30,
	SIZE = 0x38,
	READY = 0x44,
	NOTIFY = 0x50
};
enum {
	INTERRUPTS = 0x60,
	ACKNOWLEDGE = 0x64,
	STATUS = 0x70,
	TABLE = 0x80,
	AVAILABLE = 0x90,
	USED = 0xa0,
	CONFIG = 0x100
};
enum { NEXT = 1, WRITABLE = 2 };

struct descriptor {
	u64 address;
	u32 length;
	u16 flags, next;
};

struct queue {
	struct descriptor table[QUEUE_SIZE] __attribute__((aligned(16)));
	struct {
		u16 flags, index, ring[QUEUE_SIZE], event;
	} available __attribute__((aligned(4)));
	struct {
		u16 flags, index;
		struct {
			u32 id, length;
		} ring[QUEUE_SIZE];
		u16 event;
	} used __attribute__((aligned(4)));
	u16 seen, next;
};

static struct queue queues[QUEUES];
static u8 buffers[4][2048] __attribute__((aligned(16)));
static u32 device;

static void put(char c)
{
	__asm__ volatile("outb %0, %1" : : "a"(c), "d"((u16)0x3f8));
}

static void say(const char *text)
{
	while (*text)
		put(*text++);
}

static void say_number(u32 value)
{
	for (int shift = 28; shift >= 0; shift -= 4)
		put("0123456789abcdef"[value >> shift & 15]);
}

static u32 get(u32 offset)
{
	return *(volatile u32 *)(device + offset);
}

static void set(u32 offset, u32 value)
{
	*(volatile u32 *)(device + offset) = value;
}

static void fill(void *at, u8 value, u32 size)
{
	for (u8 *byte = at; size > 0; size--)
		*byte++ = value;
}

static void begin(u32 features, u32 count)
{
	fill(queues, 0, sizeof(queues));
	set(STATUS, 0);
	set(STATUS, 3);
	set(FEATURES_WORD, 0);
	set(FEATURES, features);
	set(FEATURES_WORD, 1);
	set(FEATURES, 1);
	set(STATUS, 11);
	for (u32 i = 0; i < count; i++) {
		set(QUEUE, i);
		set(SIZE, QUEUE_SIZE);
		set(TABLE, (u32)queues[i].table);
		set(AVAILABLE, (u32)&queues[i].available);
		set(USED, (u32)&queues[i].used);
		set(READY, 1);
	}
	set(STATUS, 15);
}

static void add(u32 queue, void *buffer, u32 length, u16 flags)
{
	struct queue *q = &queues[queue];
	u16 place = q->next++ % QUEUE_SIZE;
	q->table[place] = (struct descriptor){(u32)buffer, length, flags, q->next % QUEUE_SIZE};
	if (flags & NEXT)
		return;
	/* The head of this chain: where the last one ended. */
	u16 head = place;
	while (q->table[(head + QUEUE_SIZE - 1) % QUEUE_SIZE].flags & NEXT)
		head = (head + QUEUE_SIZE - 1) % QUEUE_SIZE;
	q->available.ring[q->available.index % QUEUE_SIZE] = head;
	__asm__ volatile("" : : : "memory");
	q->available.index++;
	__asm__ volatile("" : : : "memory");
	set(NOTIFY, queue);
}

/* How many bytes the device wrote; -1 where nothing comes. */
static int wait_for(u32 queue)
{
	struct queue *q = &queues[queue];
	for (u32 i = 0; i < PATIENCE; i++) {
		if (*(volatile u16 *)&q->used.index != q->seen)
			return (int)q->used.ring[q->seen++ % QUEUE_SIZE].length;
		/* It leaves the guest, so that others have the processor. */
		get(STATUS);
	}
	return -1;
}

static void try_rng(void)
{
	u32 bits = 0;
	begin(0, 1);
	add(0, buffers[0], 32, WRITABLE);
	int got = wait_for(0);
	for (int i = 0; i < 32; i++)
		bits |= buffers[0][i];
	say("rng ");
	say_number((u32)got);
	say(bits ? " random" : " zeroes");
	say(get(INTERRUPTS) == 1 ? " interrupt" : " silence");
	set(ACKNOWLEDGE, 1);
	say(get(INTERRUPTS) ? " stays\n" : "\n");
}

static u8 request(u32 type, u32 sector, u16 direction)
{
	u32 *header = (u32 *)buffers[0];
	header[0] = type;
	header[1] = 0;
	header[2] = sector;
	header[3] = 0;
	buffers[2][0] = 0xee;
	/* A chain must not be followed by the rest of an older one. */
	fill(queues[0].table, 0, sizeof(queues[0].table));
	queues[0].next = 0;
	add(0, header, 16, NEXT);
	if (direction != 0xffff)
		add(0, buffers[1], 512, NEXT | direction);
	add(0, buffers[2], 1, WRITABLE);
	return wait_for(0) < 0 ? 0xff : buffers[2][0];
}

static void try_block(void)
{
	begin(get(0x10) & (1 << 5), 1);
	say("block ");
	say_number(get(CONFIG));
	say(" read ");
	say_number(request(0, 1, WRITABLE));
	say(" ");
	say_number(*(u32 *)buffers[1]);
	fill(buffers[1], 'w', 512);
	say(" write ");
	say_number(request(1, 2, 0));
	say(" flush ");
	say_number(request(4, 0, 0xffff));
	say("\n");
}

static void control(u32 port, u16 event, u16 value)
{
	u32 *message = (u32 *)buffers[3];
	message[0] = port;
	message[1] = event | (u32)value << 16;
	add(3, message, 8, 0);
	wait_for(3);
}

/* By itself, without messages of control. */
static void try_console(void)
{
	static char text[] = "console speaks\n";
	begin(0, 2);
	add(1, text, sizeof(text) - 1, 0);
	wait_for(1);
	add(0, buffers[0], 64, WRITABLE);
	int got = wait_for(0);
	/* More than waits for a reader. */
	for (int i = 0; got > 0 && buffers[0][0] == 'F' && i < 40; i++) {
		add(1, buffers[1], 2048, 0);
		wait_for(1);
	}
	say("console ");
	say_number((u32)got);
	say(" ");
	for (int i = 0; i < got; i++)
		buffers[0][i] ^= 0x20;
	if (got > 0)
		add(1, buffers[0], (u32)got, 0);
	say(wait_for(1) == 0 ? " echoed\n" : " kept\n");
}

static void try_port(void)
{
	begin(1 << 1, 6);
	for (int i = 0; i < 4; i++)
		add(2, buffers[1] + 128 * i, 128, WRITABLE);
	control(0xffffffff, 0, 1);
	wait_for(2);
	/* The first one is port 0 where there is a console. */
	if (*(u32 *)buffers[1] == 0) {
		try_console();
		return;
	}
	control(1, 3, 1);
	for (int i = 0; i < 2; i++)
		wait_for(2);
	say("port ");
	say((char *)buffers[1] + 128 + 8);
	control(1, 6, 1);
	add(4, buffers[0], 64, WRITABLE);
	int got = wait_for(4);
	say(" ");
	say_number((u32)got);
	for (int i = 0; i < got; i++)
		buffers[0][i] ^= 0x20;
	if (got > 0)
		add(5, buffers[0], (u32)got, 0);
	say(wait_for(5) == 0 ? " echoed\n" : " kept\n");
}

static void try_net(void)
{
	begin(1 << 5, 2);
	add(0, buffers[1], 2048, WRITABLE);
	fill(buffers[0], 0, 12);
	fill(buffers[0] + 12, 'n', 60);
	add(1, buffers[0], 72, 0);
	say(wait_for(1) == 0 ? "net sent " : "net kept ");
	say_number((u32)wait_for(0));
	say(" ");
	put((char)buffers[1][12]);
	say("\n");
}

void run(void);

void run(void)
{
	for (device = BASE; device < BASE + PLACES * PLACE; device += PLACE) {
		if (get(MAGIC) != 0x74726976)
			continue;
		switch (get(ID)) {
		case 1:
			try_net();
			break;
		case 2:
			try_block();
			break;
		case 3:
			try_port();
			break;
		case 4:
			try_rng();
			break;
		case 5: /* the balloon, which needs an operating system */
			break;
		default:
			say("?\n");
			break;
		}
		/* The rings are the next one's: this one must not look at them any more, say after a pause. */
		set(STATUS, 0);
	}
	say("end\n");
}
