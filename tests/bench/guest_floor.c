/* SPDX-License-Identifier: MIT */
/*
 * guest_floor [start|exit|reset|machine] N: what KVM itself takes, N times, each in nanoseconds on a line of its own.
 * The same calls to KVM as the library makes, with everything else left out: no file is opened or parsed, and no limit
 * is set.
 *
 *   start    to make a machine, run a program in ring 3 to its first system call, and take the machine away
 *   exit     to leave a machine by a system call and enter it again, on the average of EXITS
 *   reset    the same, where the program has written to 16 pages and these are copied back
 *   machine  to make a machine of 64 MiB, and take it away
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { EXITS = 200, DIRTY_PAGES = 16 };
enum {
	MEMORY = 16 << 20,
	LARGE_MEMORY = 64 << 20,
	CPUID_MAX = 256,
	PAGE = 4096,
	VECTORS = 32,
	PORT_SYSCALL = 0x10,
	PORT_EXCEPTION = 0x20
};
enum { GDT = 0x1000, TSS = 0x1100, IDT = 0x1200, STUBS = 0x2000, STACK_TOP = 0x4000, ROOT = 0x8000, TABLES = 0x9000 };
enum { CODE = 0x20000, USER_STACK = 0x21000, DATA = 0x100000, SAVED = 0x200000 };

#define USER 7ull
#define NO_EXECUTE (1ull << 63)

static const uint64_t code_address = 0x400000, data_address = 0x600000, stack_address = 0x7fffffff0000;
static struct kvm_cpuid2 *cpuid;

static long check(long result, const char *call)
{
	if (result < 0) {
		fprintf(stderr, "guest_floor: %s: %s\n", call, strerror(errno));
		exit(1);
	}
	return result;
}

#define CHECK(call) check((call), #call)

static void map(uint8_t *memory, uint64_t *next, uint64_t address, uint64_t page, uint64_t flags)
{
	uint64_t table = ROOT;
	for (int shift = 39; shift > 12; shift -= 9) {
		uint64_t *entry = (uint64_t *)(memory + table) + (address >> shift) % 512;
		if (!*entry) {
			*entry = *next | USER;
			*next += PAGE;
		}
		table = *entry & ~(uint64_t)(PAGE - 1);
	}
	((uint64_t *)(memory + table))[(address >> 12) % 512] = page | flags | 0x61;
}

static void put_stub(uint8_t *stub, int port)
{
	const uint8_t code[] = {0xe6, (uint8_t)port, 0xf4, 0xeb, 0xfd}; /* out; hlt; jmp */
	memcpy(stub, code, sizeof(code));
}

static void fill(uint8_t *memory)
{
	const uint64_t gdt[] = {0,
				0,
				0x00af9b000000ffff,
				0x00cf93000000ffff,
				0,
				0x00cff3000000ffff,
				0x00affb000000ffff,
				0x0000890000000067 | TSS << 16,
				0};
	const uint64_t stack_top = STACK_TOP;
	const uint16_t io_map = 104;
	memcpy(memory + GDT, gdt, sizeof(gdt));
	memcpy(memory + TSS + 4, &stack_top, sizeof(stack_top));
	memcpy(memory + TSS + 102, &io_map, sizeof(io_map));
	put_stub(memory + STUBS, PORT_SYSCALL);
	for (uint64_t i = 0; i < VECTORS; i++) {
		uint64_t stub = STUBS + 0x100 + i * 16;
		((uint64_t *)(memory + IDT))[2 * i] = stub | 0x10 << 16 | 0x8eull << 40;
		put_stub(memory + stub, PORT_EXCEPTION + (int)i);
	}
	/* 16 times: movb %cl, (%rdi); add $4096, %rdi. Then mov $231, %eax; syscall; and again. */
	const uint8_t code[] = {0xbf, 0x00, 0x00, 0x60, 0x00, 0xb9, DIRTY_PAGES, 0,    0,    0,    0x88,
				0x0f, 0x48, 0x81, 0xc7, 0x00, 0x10, 0x00,        0x00, 0xff, 0xc9, 0x75,
				0xf3, 0xb8, 0xe7, 0,    0,    0,    0x0f,        0x05, 0xeb, 0xe0};
	memcpy(memory + CODE, code, sizeof(code));
	memset(memory + USER_STACK, 0, PAGE);

	uint64_t next = TABLES;
	map(memory, &next, 0x1000, 0x1000, 2 | NO_EXECUTE);
	map(memory, &next, 0x2000, 0x2000, 0);
	map(memory, &next, 0x3000, 0x3000, 2 | NO_EXECUTE);
	map(memory, &next, code_address, CODE, 4);
	map(memory, &next, stack_address, USER_STACK, 6 | NO_EXECUTE);
	for (uint64_t at = 0; at < DIRTY_PAGES * PAGE; at += PAGE)
		map(memory, &next, data_address + at, DATA + at, 6 | NO_EXECUTE);
}

static void set_registers(int vcpu, struct kvm_run *run)
{
	const struct kvm_segment code = {
		.limit = ~0u, .selector = 0x33, .type = 11, .present = 1, .dpl = 3, .s = 1, .l = 1, .g = 1};
	const struct kvm_segment data = {
		.limit = ~0u, .selector = 0x2b, .type = 3, .present = 1, .dpl = 3, .db = 1, .s = 1, .g = 1};
	struct {
		struct kvm_msrs header;
		struct kvm_msr_entry entries[4];
	} msrs = {{.nmsrs = 4},
		  {{.index = 0xc0000081, .data = 0x23001000000000},
		   {.index = 0xc0000082, .data = STUBS},
		   {.index = 0xc0000083, .data = STUBS},
		   {.index = 0xc0000084, .data = 0x47700}}};
	struct kvm_xcrs xcrs = {.nr_xcrs = 1, .xcrs[0].value = 3};
	struct kvm_fpu fpu = {.fcw = 0x37f, .mxcsr = 0x1f80};
	CHECK(ioctl(vcpu, KVM_SET_XCRS, &xcrs));
	CHECK(ioctl(vcpu, KVM_SET_FPU, &fpu));
	CHECK(ioctl(vcpu, KVM_SET_MSRS, &msrs));
	run->s.regs.regs = (struct kvm_regs){.rip = code_address, .rsp = stack_address + PAGE - 64, .rflags = 0x202};
	run->s.regs.sregs = (struct kvm_sregs){
		.cs = code,
		.ss = data,
		.ds = data,
		.es = data,
		.fs = data,
		.gs = data,
		.tr = {.base = TSS, .limit = 103, .selector = 0x38, .type = 11, .present = 1},
		.ldt = {.unusable = 1, .type = 2},
		.gdt = {.base = GDT, .limit = 0x47},
		.idt = {.base = IDT, .limit = VECTORS * 16 - 1},
		.cr0 = 0x80050033,
		.cr3 = ROOT,
		.cr4 = 0x40620,
		.efer = 0xd01,
		.apic_base = 0xfee00900,
	};
	run->kvm_valid_regs = run->kvm_dirty_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
}

/* A system call shows at its port, or as the page fault at the stub that kvm_pvm makes of it. */
static void check_exit(const struct kvm_run *run)
{
	int is_call =
		run->io.port == PORT_SYSCALL || (run->io.port == PORT_EXCEPTION + 14 && run->s.regs.sregs.cr2 == STUBS);
	if (run->exit_reason != KVM_EXIT_IO || !is_call || run->s.regs.regs.rax != 231) {
		fprintf(stderr, "guest_floor: unexpected exit %u\n", run->exit_reason);
		exit(1);
	}
}

struct machine {
	int kvm, vm, vcpu;
	struct kvm_run *run;
	size_t run_size, size;
	uint8_t *memory;
};

static struct machine machine_make(size_t size)
{
	struct machine machine = {.size = size};
	machine.kvm = (int)CHECK(open("/dev/kvm", O_RDWR | O_CLOEXEC));
	machine.vm = (int)CHECK(ioctl(machine.kvm, KVM_CREATE_VM, 0));
	machine.vcpu = (int)CHECK(ioctl(machine.vm, KVM_CREATE_VCPU, 0));
	machine.run_size = (size_t)CHECK(ioctl(machine.kvm, KVM_GET_VCPU_MMAP_SIZE, 0));
	machine.run = mmap(NULL, machine.run_size, PROT_READ | PROT_WRITE, MAP_SHARED, machine.vcpu, 0);
	machine.memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	check(machine.run == MAP_FAILED || machine.memory == MAP_FAILED ? -1 : 0, "mmap");

	struct kvm_userspace_memory_region region = {.memory_size = size, .userspace_addr = (uintptr_t)machine.memory};
	CHECK(ioctl(machine.vm, KVM_SET_USER_MEMORY_REGION, &region));
	fill(machine.memory);
	CHECK(ioctl(machine.vcpu, KVM_SET_CPUID2, cpuid));
	set_registers(machine.vcpu, machine.run);
	return machine;
}

static void machine_release(struct machine *machine)
{
	munmap(machine->run, machine->run_size);
	close(machine->vcpu);
	close(machine->vm);
	close(machine->kvm);
	munmap(machine->memory, machine->size);
}

static void machine_run(struct machine *machine)
{
	CHECK(ioctl(machine->vcpu, KVM_RUN, 0));
	check_exit(machine->run);
}

/* Back behind the system call, as SYSRET would. */
static void machine_return(struct machine *machine)
{
	struct kvm_sync_regs *regs = &machine->run->s.regs;
	regs->regs.rip = regs->regs.rcx;
	regs->regs.rflags = regs->regs.r11;
	regs->sregs.cs.selector = 0x33;
	regs->sregs.cs.dpl = regs->sregs.ss.dpl = 3;
	regs->sregs.ss.selector = 0x2b;
	machine->run->kvm_dirty_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
}

static long long now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ll + time.tv_nsec;
}

static long long measure_start(void)
{
	long long begin = now();
	struct machine machine = machine_make(MEMORY);
	machine_run(&machine);
	machine_release(&machine);
	return now() - begin;
}

static long long measure_machine(void)
{
	long long begin = now();
	struct machine machine = machine_make(LARGE_MEMORY);
	machine_release(&machine);
	return now() - begin;
}

static long long measure_exits(int resets)
{
	struct machine machine = machine_make(MEMORY);
	machine_run(&machine);
	long long begin = now();
	for (int i = 0; i < EXITS; i++) {
		machine_return(&machine);
		machine_run(&machine);
		if (resets)
			memcpy(machine.memory + DATA, machine.memory + SAVED, DIRTY_PAGES * PAGE);
	}
	long long each = (now() - begin) / EXITS;
	machine_release(&machine);
	return each;
}

static long long measure(const char *mode)
{
	if (!strcmp(mode, "exit") || !strcmp(mode, "reset"))
		return measure_exits(mode[0] == 'r');
	return strcmp(mode, "machine") ? measure_start() : measure_machine();
}

/* Once for all machines, as in the library. */
static void get_cpuid(void)
{
	int kvm = (int)CHECK(open("/dev/kvm", O_RDWR | O_CLOEXEC));
	cpuid = calloc(1, sizeof(*cpuid) + CPUID_MAX * sizeof(cpuid->entries[0]));
	check(cpuid ? 0 : -1, "calloc");
	cpuid->nent = CPUID_MAX;
	CHECK(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid));
	close(kvm);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[1] : "start";
	long repetitions = argc > 1 ? strtol(argv[argc - 1], NULL, 10) : 1;
	get_cpuid();
	for (long i = 0; i < repetitions; i++)
		printf("%lld\n", measure(mode));
	return 0;
}
