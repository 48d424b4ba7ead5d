/* SPDX-License-Identifier: MIT */
/* A program whose functions the host calls, and which misbehaves where it is told to. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <virtiso/hypercall.h>

#define KEEP __attribute__((used, noinline))

static uint64_t counter;
int some_data = 7;
static jmp_buf before;

KEEP uint64_t add(uint64_t a, uint64_t b)
{
	return a + b;
}

KEEP uint64_t weigh(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
	return a + 10 * b + 100 * c + 1000 * d + 10000 * e + 100000 * f;
}

KEEP uint64_t count(void)
{
	return ++counter;
}

static KEEP uint64_t local_function(void)
{
	return 99;
}

/* Aligned loads on the stack, formatting of floating point, allocation: what a wrong entry would break. */
KEEP uint64_t floating(uint64_t n)
{
	char text[64];
	volatile double root = sqrt((double)n);
	snprintf(text, sizeof(text), "%.3f", root);
	char *copy = strdup(text);
	double again = strtod(copy, NULL);
	free(copy);
	return (uint64_t)(again * 1000 + 0.5);
}

KEEP uint64_t stack_is_aligned(void)
{
	return ((uintptr_t)__builtin_frame_address(0) & 15) == 0;
}

KEEP uint64_t direction_flag(void)
{
	uint64_t flags;
	__asm__ volatile("pushfq; pop %0" : "=r"(flags));
	return flags >> 10 & 1;
}

KEEP uint64_t set_direction(void)
{
	__asm__ volatile("std");
	return 1;
}

KEEP uint64_t system_calls(void)
{
	char byte;
	int fd = open("/fruit", O_RDONLY);
	ssize_t n = fd >= 0 ? read(fd, &byte, 1) : -1;
	close(fd);
	return n == 1 ? (uint64_t)byte : 0;
}

static void *count_always(void *data)
{
	for (;;)
		__atomic_fetch_add((uint64_t *)data, 1, __ATOMIC_RELAXED);
	return NULL;
}

/* What a second thread does while a call waits, until it has done something. */
KEEP uint64_t thread_counts(void)
{
	static uint64_t counted;
	static pthread_t thread;
	if (!thread && pthread_create(&thread, NULL, count_always, &counted) != 0)
		return 0;
	uint64_t before = counted, now = before;
	for (int i = 0; now == before && i < 1000; i++) {
		usleep(20000);
		now = __atomic_load_n(&counted, __ATOMIC_RELAXED);
	}
	return now - before;
}

KEEP uint64_t crash(void)
{
	*(volatile int *)16 = 1;
	return 0;
}

KEEP uint64_t spin(void)
{
	for (;;)
		__asm__ volatile("");
}

KEEP uint64_t sleep_long(void)
{
	sleep(100);
	return 0;
}

KEEP uint64_t leave(uint64_t code)
{
	exit((int)code);
}

KEEP uint64_t use_stack(uint64_t depth)
{
	volatile char block[4096];
	block[0] = (char)depth;
	return depth ? use_stack(depth - 1) + (uint64_t)block[0] : 0;
}

KEEP uint64_t eat_memory(void)
{
	for (;;)
		memset(malloc(1 << 20), 1, 1 << 20);
}

KEEP uint64_t ready_again(void)
{
	return (uint64_t)viso_ready();
}

KEEP uint64_t receive_in_call(void)
{
	char byte;
	return (uint64_t)viso_receive(&byte, 1);
}

KEEP uint64_t reply_in_call(void)
{
	return (uint64_t)viso_reply("x", 1);
}

KEEP uint64_t return_early(uint64_t value)
{
	viso_hypercall(VISO_HYPERCALL_RETURN, value, 0, 0);
	return 0;
}

KEEP uint64_t jump_out(void)
{
	longjmp(before, 1);
}

KEEP uint64_t change_base(void)
{
	static uint64_t elsewhere[64];
	uint64_t result;
	/* By a function of the library it would notice. */
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(SYS_arch_prctl), "D"(0x1002), "S"(elsewhere)
			 : "rcx", "r11", "memory");
	return result + 5;
}

KEEP int64_t reverse(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_max)
{
	if (in_size > out_max)
		return -1;
	for (size_t i = 0; i < in_size; i++)
		out[i] = in[in_size - 1 - i];
	return (int64_t)in_size;
}

KEEP int64_t large_answer(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_max)
{
	return (int64_t)out_max;
}

KEEP int64_t too_much(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_max)
{
	return (int64_t)out_max + 1;
}

KEEP int64_t unmap_answer(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_max)
{
	munmap(out, 4096);
	return (int64_t)out_max;
}

KEEP int64_t unmap_stack(void)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0) & ~4095ul;
	syscall(SYS_munmap, here - 65536, 131072);
	return 1;
}

/* A file of nothing but symbol tables as large as can be, which it does not even have to have. */
KEEP uint64_t map_tables(void)
{
	enum { COUNT = 4000 };
	static Elf64_Shdr sections[COUNT];
	const Elf64_Ehdr head = {
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_phoff = sizeof(head),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 1,
		.e_shoff = 4096,
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = COUNT,
	};
	const Elf64_Phdr segment = {.p_type = PT_LOAD, .p_flags = PF_X, .p_filesz = 4096};
	for (int i = 0; i < COUNT; i++)
		sections[i] = (Elf64_Shdr){.sh_type = i ? SHT_SYMTAB : SHT_STRTAB,
					   .sh_offset = 1 << 20,
					   .sh_size = i ? 24ull * (4 << 20) : 64 << 20,
					   .sh_entsize = 24};
	int file = open("/tmp/tables", O_RDWR | O_CREAT, 0700);
	bool written = pwrite(file, &head, sizeof(head), 0) == sizeof(head) &&
		       pwrite(file, &segment, sizeof(segment), sizeof(head)) == sizeof(segment) &&
		       pwrite(file, sections, sizeof(sections), 4096) == sizeof(sections) &&
		       ftruncate(file, 1l << 40) == 0;
	return written && mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0) != MAP_FAILED;
}

static int serve(void)
{
	static char buffer[1 << 20];
	int64_t n;
	while ((n = viso_receive(buffer, sizeof(buffer))) >= 0) {
		if (!strcmp(buffer, "exit"))
			return 3;
		if (!strcmp(buffer, "crash"))
			crash();
		if (!strcmp(buffer, "spin"))
			spin();
		if (!strcmp(buffer, "nothing"))
			continue;
		if (!strcmp(buffer, "wild")) {
			int64_t r = viso_reply((void *)0x123456789000, 100);
			viso_reply(&r, sizeof(r));
			continue;
		}
		if (!strcmp(buffer, "huge")) {
			int64_t r = viso_reply(buffer, (size_t)1 << 62);
			viso_reply(&r, sizeof(r));
			continue;
		}
		if (!strcmp(buffer, "twice")) {
			viso_reply("one", 3);
			counter = (uint64_t)viso_reply("two", 3);
			continue;
		}
		if (!strcmp(buffer, "counter")) {
			viso_reply(&counter, sizeof(counter));
			continue;
		}
		for (int64_t i = 0; i < n / 2; i++) {
			char c = buffer[i];
			buffer[i] = buffer[n - 1 - i];
			buffer[n - 1 - i] = c;
		}
		viso_reply(buffer, (size_t)n);
		memset(buffer, 0, (size_t)n);
	}
	return 1;
}

/* Answers by the device, reading byte by byte up to a new line. */
static int device(void)
{
	int fd = open("/dev/virtiso", O_RDWR);
	if (fd < 0)
		return 1;
	for (;;) {
		char line[4096];
		size_t size = 0;
		ssize_t n;
		while ((n = read(fd, line + size, 1)) == 1 && line[size] != '\n')
			size++;
		if (n < 0)
			return 2;
		if (write(fd, line, size) < 0)
			return 3;
	}
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "ready";
	if (local_function() != 99)
		return 9;
	if (!strcmp(how, "exit"))
		return 4;
	if (!strcmp(how, "crash"))
		return (int)crash();
	if (!strcmp(how, "spin"))
		spin();
	if (!strcmp(how, "serve"))
		return serve();
	if (!strcmp(how, "device"))
		return device();
	if (!strcmp(how, "early")) {
		/* What cannot be before there is a call or request. */
		if (viso_hypercall(VISO_HYPERCALL_RETURN, 1, 0, 0) != -EINVAL || viso_reply("x", 1) != -EINVAL)
			return 5;
		if (viso_receive((void *)~0ull, ~0ull) != -EFAULT || viso_hypercall(0x4ff, 0, 0, 0) != -ENOSYS)
			return 6;
	}
	if (!strcmp(how, "status"))
		return viso_ready() == -EINVAL && viso_receive(&how, 1) == -EINVAL ? 0 : 1;
	if (setjmp(before))
		counter = (uint64_t)-viso_ready();
	else if (!strcmp(how, "nothing"))
		return 0;
	else
		viso_ready();
	return (int)counter;
}
