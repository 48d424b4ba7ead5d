/* SPDX-License-Identifier: MIT */
/*
 * A whole operating system, if a small one: it asks its host what things cost, by hypercall 1, and then does what the
 * host asks of it, asleep in between, until it is told "off". Of the doorbell it knows by <virtiso/doorbell.h> alone.
 *
 *   cc -m32 -march=i486 -ffreestanding -fno-pic -nostdlib -static -Wl,-N,-Ttext=0x100000 bell.c -o bell
 */
void sleep_until_interrupt(void);
#define VISO_DOORBELL_RELAX() sleep_until_interrupt()
#include <virtiso/doorbell.h>

enum { HYPERCALL_PRICE = 1, SERIAL = 0x3f8, POWER = 0x600, NO_FUNCTION = 2 /* ENOENT */, NO_REQUEST = 22 /* EINVAL */ };
enum { MULTIBOOT_MAGIC = 0x1badb002, STACK_SIZE = 16384 };

/* Multiboot Specification 0.6.96, 3.1.1. */
__attribute__((section(".text.header"), used, aligned(4))) static const uint32_t header[3] = {MULTIBOOT_MAGIC, 0,
											      -MULTIBOOT_MAGIC};

static uint8_t stack[STACK_SIZE] __attribute__((aligned(16), used));
static struct viso_doorbell bell;

static void out(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "d"(port));
}

static void say(const char *text)
{
	while (*text)
		out(SERIAL, (uint8_t)*text++);
}

static void say_number(uint32_t value)
{
	if (value > 9)
		say_number(value / 10);
	out(SERIAL, (uint8_t)('0' + value % 10));
}

static size_t length_of(const char *text)
{
	size_t length = 0;
	while (text[length])
		length++;
	return length;
}

static int is_same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

/* Interrupts. The old controllers will do: lines 0 to 7 become vectors 0x20 to 0x27. */

enum { VECTORS = 0x20, PIC = 0x20, PIC_DATA = 0x21, CODE = 0x10, DATA = 0x18 };

struct gate {
	uint16_t low, selector, kind, high;
} __attribute__((packed));

struct table {
	uint16_t limit;
	uint32_t base;
} __attribute__((packed));

/*
 * Interrupts come nowhere else than in here, so the way back from one is that of the function, with interrupts off: one
 * that comes early, between sti and hlt, is not slept over, and there is no iret, which kvm_pvm does not emulate.
 */
void on_interrupt(void);
__asm__("sleep_until_interrupt:\n\tsti\n1:\thlt\n\tjmp 1b\n"
	"on_interrupt:\n\tmovb $0x20, %al\n\toutb %al, $0x20\n\taddl $12, %esp\n\tret");

static struct gate gates[VECTORS + 8];
static const uint64_t segments[4] = {0, 0, 0x00cf9a000000ffff, 0x00cf92000000ffff};

static void set_up_interrupts(void)
{
	const uint32_t address = (uint32_t)on_interrupt;
	const struct table idt = {sizeof(gates) - 1, (uint32_t)gates}, gdt = {sizeof(segments) - 1, (uint32_t)segments};
	for (int i = VECTORS; i < VECTORS + 8; i++)
		gates[i] = (struct gate){(uint16_t)address, CODE, 0x8e00, (uint16_t)(address >> 16)};
	__asm__ volatile("lgdt %0\n\tlidt %1\n\tljmp %2, $1f\n1:\tmovw %w3, %%ds\n\tmovw %w3, %%es\n\tmovw %w3, %%ss"
			 :
			 : "m"(gdt), "m"(idt), "i"(CODE), "r"(DATA)
			 : "memory");
	out(PIC, 0x11);
	out(PIC_DATA, VECTORS);
	out(PIC_DATA, 4);
	out(PIC_DATA, 1);
	out(PIC_DATA, (uint8_t) ~(1u << bell.line));
}

static void ask_price(const char *thing)
{
	int64_t price = viso_doorbell_call6(&bell, HYPERCALL_PRICE, (uint32_t)thing, length_of(thing), 0, 0, 0, 0);
	say(thing);
	say(price < 0 ? ": errno " : ": ");
	say_number((uint32_t)(price < 0 ? -price : price));
	say("\n");
}

static void call_function(struct viso_doorbell_request *request)
{
	if (is_same(request->name, "add"))
		viso_doorbell_answer(&bell, request, (int64_t)(request->args[0] + request->args[1]), 0, 0);
	else
		viso_doorbell_answer(&bell, request, 0, 0, NO_FUNCTION);
}

static void call_with_bytes(struct viso_doorbell_request *request)
{
	uint32_t size = request->request_size < request->answer_max ? request->request_size : request->answer_max;
	for (uint32_t i = 0; i < size; i++)
		request->answer[i] = request->request[i] & (uint8_t)~0x20;
	if (is_same(request->name, "upper"))
		viso_doorbell_answer(&bell, request, 0, size, 0);
	else
		viso_doorbell_answer(&bell, request, 0, 0, NO_FUNCTION);
}

/* Whether to go on. */
static int serve(struct viso_doorbell_request *request)
{
	if (request->kind == VISO_REQUEST_CALL) {
		call_function(request);
	} else if (request->kind == VISO_REQUEST_CALL_BYTES) {
		call_with_bytes(request);
	} else if (request->request_size == 3 && request->request[0] == 'o') {
		request->answer[0] = 'b', request->answer[1] = 'y', request->answer[2] = 'e';
		viso_doorbell_answer(&bell, request, 0, 3, 0);
		return 0;
	} else {
		viso_doorbell_answer(&bell, request, 0, 0, NO_REQUEST);
	}
	return 1;
}

/* Looks for a while before it sleeps: a host that is quick with the next one need not make an interrupt. */
static struct viso_doorbell_request *await_request(void)
{
	enum { LOOKS = 100 };
	struct viso_doorbell_request *request = 0;
	viso_doorbell_poll(&bell, 1);
	for (int i = 0; i < LOOKS && !request; i++)
		request = viso_doorbell_receive(&bell);
	viso_doorbell_poll(&bell, 0);
	while (!request && !(request = viso_doorbell_receive(&bell)))
		sleep_until_interrupt();
	return request;
}

__attribute__((used)) static void run(void)
{
	/* There is no paging: the pages are where they are. */
	if (!viso_doorbell_detect(&bell) || viso_doorbell_attach(&bell, (void *)(uint32_t)bell.address) < 0) {
		say("no doorbell\n");
		return;
	}
	set_up_interrupts();
	ask_price("apples");
	ask_price("gold");
	while (serve(await_request()))
		;
}

__asm__(".globl _start\n_start:\n\tcli\n\tmovl $stack + 16384, %esp\n\tcall run\n"
	"\tmovw $0x600, %dx\n\tmovb $0x34, %al\n\toutb %al, %dx\n1:\thlt\n\tjmp 1b");
