/* SPDX-License-Identifier: MIT */
/* See: Documentation/virt/kvm/api.rst; Intel SDM volume 3, "Paging" and "Interrupt and Exception Handling". */
#include "fake_kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "guest/vm/vm.h"
#include "guest/x86_64/system.h"

enum { VMS = 8, SLOTS = 32, PAGE = 4096, RUN_SIZE = 3 * PAGE, ERROR_WRITE = 2, ERROR_USER = 4 };

struct fake_vm {
	int vm_fd;
	int vcpu_fd;
	struct kvm_run *run;
	struct kvm_userspace_memory_region slots[SLOTS];
	struct kvm_xsave xsave;
};

/* What the library calls in place of these. */
int fake_ioctl(int fd, unsigned long request, ...);
int fake_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask);
int fake_clock_gettime(clockid_t clock, struct timespec *out);
int fake_timer_create(clockid_t clock, struct sigevent *event, timer_t *out);
int fake_timer_settime(timer_t timer, int flags, const struct itimerspec *setting, struct itimerspec *old);
int fake_timer_delete(timer_t timer);

static struct fake_vm vms[VMS];
static fake_run_fn *run_program;
static unsigned calls_until_failure, waits;
static int failure;
static bool is_given;

static const int64_t second_ns = 1000000000, least_wait_ns = 10 * 1000000;
static int64_t now_ns;

static void give_up(const char *why)
{
	fprintf(stderr, "fake_kvm: %s\n", why);
	abort();
}

/* What the library opens next; the device itself is not asked for. Beyond the fds among which one is missed. */
static void give_device(void)
{
	static int zero = -1;
	if (zero < 0)
		zero = open("/dev/zero", O_RDWR | O_CLOEXEC);
	int fd = fcntl(zero, F_DUPFD_CLOEXEC, 500);
	if (fd < 0)
		give_up("no fd for the device");
	vm_give_kvm(fd);
}

void fake_kvm_begin(fake_run_fn *run)
{
	run_program = run;
	failure = 0;
	waits = 0;
	now_ns = 1000 * second_ns;
	if (!is_given)
		give_device();
	is_given = true;
	for (int i = 0; i < VMS; i++)
		if (vms[i].run)
			munmap(vms[i].run, RUN_SIZE);
	memset(vms, 0, sizeof(vms));
}

void fake_kvm_fail(unsigned count, int error)
{
	calls_until_failure = count;
	failure = error;
}

unsigned fake_waits(void)
{
	return waits;
}

struct kvm_regs *fake_regs(struct fake_vm *vm)
{
	return &vm->run->s.regs.regs;
}

/* By the fd of it or of its processor; the last one, since fds are used again. */
static struct fake_vm *find(int fd)
{
	for (int i = VMS - 1; i >= 0; i--)
		if (vms[i].vm_fd == fd || (vms[i].run && vms[i].vcpu_fd == fd))
			return &vms[i];
	give_up("a call for no VM");
	return NULL;
}

static int create_vm(void)
{
	for (int i = 0; i < VMS; i++)
		if (!vms[i].vm_fd)
			return vms[i].vm_fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
	errno = ENOMEM;
	return -1;
}

static int create_vcpu(struct fake_vm *vm)
{
	int fd = memfd_create("vcpu", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, RUN_SIZE) < 0)
		give_up("no memory for a processor");
	void *run = mmap(NULL, RUN_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (run == MAP_FAILED)
		give_up("no memory for a processor");
	vm->run = run;
	return vm->vcpu_fd = fd;
}

static int get_cpuid(struct kvm_cpuid2 *cpuid)
{
	static const struct kvm_cpuid_entry2 entries[] = {
		{.function = 1, .ecx = 1u << 26 | 1u << 28, .edx = 0x078bfbff}, /* XSAVE AVX */
		{.function = 7, .ebx = 1},                                      /* FSGSBASE */
		{.function = 0xd, .eax = 7},
		{.function = 0xd, .index = 2, .eax = 256, .ebx = 576},
	};
	cpuid->nent = sizeof(entries) / sizeof(entries[0]);
	memcpy(cpuid->entries, entries, sizeof(entries));
	return 0;
}

static int set_slot(struct fake_vm *vm, const struct kvm_userspace_memory_region *region)
{
	if (region->slot >= SLOTS)
		give_up("too many slots");
	vm->slots[region->slot] = *region;
	return 0;
}

static int serve(int fd, unsigned long request, void *argument)
{
	switch (request) {
	case KVM_GET_API_VERSION:
		return KVM_API_VERSION;
	case KVM_CHECK_EXTENSION:
		return 1;
	case KVM_GET_VCPU_MMAP_SIZE:
		return RUN_SIZE;
	case KVM_GET_SUPPORTED_CPUID:
		return get_cpuid(argument);
	case KVM_CREATE_VM:
		return create_vm();
	case KVM_CREATE_VCPU:
		return create_vcpu(find(fd));
	case KVM_SET_USER_MEMORY_REGION:
		return set_slot(find(fd), argument);
	case KVM_GET_XSAVE:
		memcpy(argument, &find(fd)->xsave, sizeof(struct kvm_xsave));
		return 0;
	case KVM_SET_XSAVE:
		memcpy(&find(fd)->xsave, argument, sizeof(struct kvm_xsave));
		return 0;
	case KVM_GET_VCPU_EVENTS:
		memset(argument, 0, sizeof(struct kvm_vcpu_events));
		return 0;
	case KVM_SET_MSRS:
		return (int)((struct kvm_msrs *)argument)->nmsrs;
	case KVM_SET_CPUID2:
	case KVM_SET_XCRS:
	case KVM_SET_FPU:
	case KVM_SET_SIGNAL_MASK:
	case KVM_SET_VCPU_EVENTS:
		return 0;
	default:
		give_up("an unknown KVM call");
		return -1;
	}
}

int fake_ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	va_start(args, request);
	void *argument = va_arg(args, void *);
	va_end(args);
	if (_IOC_TYPE(request) != KVMIO)
		return ioctl(fd, request, argument);
	/* The first one of each use of it. */
	if (request == KVM_GET_API_VERSION)
		give_device();
	if (request == KVM_RUN && find(fd)->run->immediate_exit) {
		errno = EINTR;
		return -1;
	}
	if (request == KVM_RUN)
		return run_program(find(fd));
	if (failure && calls_until_failure-- == 0) {
		errno = failure;
		failure = 0;
		return -1;
	}
	return serve(fd, request, argument);
}

/* Time stands still but for waits, which are over at once: so an input does the same each time. */
int fake_clock_gettime(clockid_t clock, struct timespec *out)
{
	if (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME && clock != CLOCK_BOOTTIME)
		return clock_gettime(clock, out);
	*out = (struct timespec){.tv_sec = now_ns / second_ns, .tv_nsec = now_ns % second_ns};
	return 0;
}

int fake_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
	int n = poll(fds, count, 0);
	if (n != 0)
		return n;
	if (!timeout)
		give_up("a wait without end, beyond the command's time limit");
	/* Not less, so that a timer of a nanosecond does not take for ever to the end of all time limits. */
	int64_t wait = timeout->tv_sec * second_ns + timeout->tv_nsec;
	now_ns += wait > least_wait_ns ? wait : least_wait_ns;
	waits++;
	return 0;
}

int fake_timer_create(clockid_t clock, struct sigevent *event, timer_t *out)
{
	*out = NULL;
	return 0;
}

int fake_timer_settime(timer_t timer, int flags, const struct itimerspec *setting, struct itimerspec *old)
{
	return 0;
}

int fake_timer_delete(timer_t timer)
{
	return 0;
}

static uint8_t *physical(struct fake_vm *vm, uint64_t address)
{
	for (int i = 0; i < SLOTS; i++) {
		const struct kvm_userspace_memory_region *slot = &vm->slots[i];
		if (address - slot->guest_phys_addr < slot->memory_size)
			return (uint8_t *)(uintptr_t)slot->userspace_addr + (address - slot->guest_phys_addr);
	}
	give_up("a page table leads out of the memory");
	return NULL;
}

/* The host's address of a byte of the guest's; NULL with the error code of the page fault. */
static uint8_t *walk(struct fake_vm *vm, uint64_t address, bool user, bool write, uint64_t *error_code)
{
	enum { PRESENT = 1, WRITABLE = 2, USER = 4 };
	const uint64_t frame = 0xffffffffff000ull;
	const uint64_t needed = PRESENT | (user ? USER : 0) | (write ? WRITABLE : 0);
	uint64_t entry = vm->run->s.regs.sregs.cr3 | needed;
	*error_code = (user ? ERROR_USER : 0) | (write ? ERROR_WRITE : 0);
	for (int shift = 39; shift >= 12; shift -= 9) {
		const uint8_t *table = physical(vm, entry & frame);
		memcpy(&entry, table + (address >> shift & 511) * 8, sizeof(entry));
		*error_code |= entry & PRESENT;
		if ((entry & needed) != needed)
			return NULL;
	}
	return physical(vm, entry & frame) + address % PAGE;
}

int fake_exit(struct fake_vm *vm, uint32_t reason)
{
	vm->run->exit_reason = reason;
	return 0;
}

static int leave_by_port(struct fake_vm *vm, int port)
{
	vm->run->io.direction = KVM_EXIT_IO_OUT;
	vm->run->io.size = 1;
	vm->run->io.port = (uint16_t)port;
	return fake_exit(vm, KVM_EXIT_IO);
}

int fake_exception(struct fake_vm *vm, int vector, uint64_t error_code, uint64_t cr2)
{
	struct kvm_regs *regs = fake_regs(vm);
	const uint64_t pushed[] = {error_code,   regs->rip, SELECTOR_USER_CODE,
				   regs->rflags, regs->rsp, SELECTOR_USER_DATA};
	bool has_code = vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21;
	size_t skip = has_code ? 0 : 1, size = sizeof(pushed) - skip * sizeof(pushed[0]);
	uint64_t error;
	uint8_t *stack = walk(vm, SYSTEM_STACK, false, true, &error);
	if (!stack)
		give_up("no stack for exceptions");
	memcpy(stack + PAGE - size, pushed + skip, size);
	regs->rsp = SYSTEM_STACK_TOP - size;
	regs->rip = SYSTEM_STUBS;
	vm->run->s.regs.sregs.cr2 = cr2;
	return leave_by_port(vm, PORT_EXCEPTION + vector);
}

bool fake_access(struct fake_vm *vm, uint64_t address, void *data, size_t size, bool write)
{
	enum { VECTOR_PAGE_FAULT = 14, VECTOR_GENERAL = 13 };
	uint8_t *bytes = data;
	uint64_t error;
	for (size_t i = 0; i < size; i++) {
		if ((int64_t)((address + i) << 16) >> 16 != (int64_t)(address + i)) {
			fake_exception(vm, VECTOR_GENERAL, 0, 0);
			return false;
		}
		uint8_t *host = walk(vm, address + i, true, write, &error);
		if (!host) {
			fake_exception(vm, VECTOR_PAGE_FAULT, error, address + i);
			return false;
		}
		if (write)
			*host = bytes[i];
		else
			bytes[i] = *host;
	}
	return true;
}

int fake_syscall(struct fake_vm *vm)
{
	struct kvm_regs *regs = fake_regs(vm);
	regs->rcx = regs->rip;
	regs->r11 = regs->rflags;
	return fake_jump_to_stub(vm);
}

int fake_jump_to_stub(struct fake_vm *vm)
{
	return leave_by_port(vm, PORT_SYSCALL);
}
