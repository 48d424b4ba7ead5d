/* SPDX-License-Identifier: MIT */
/*
 * Does KVM run ring 0 on the processor, or only emulate it as kvm_pvm does? A virtual machine of one page executes DAA,
 * which every processor has in 32-bit mode and KVM's emulator does not know (arch/x86/kvm/emulate.c, opcode 0x27), and
 * reports the outcome by OUT. The mode is protected mode without paging: processors that cannot run real mode
 * ("unrestricted guest") run this one.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "core/kvm.h"
#include "machine/child.h"
#include "machine/kvm.h"

enum { TIMEOUT_MS = 5000, PAGE = 4096, RUN_SIZE = 16 * PAGE, PORT = 0x10, DECIMAL = 0x10 };

static const unsigned char program[] = {
	0xb0, 0x0a, /* mov $10, %al */
	0x27,       /* daa: al = 0x10 */
	0xe6, PORT, /* out %al, $PORT */
	0xf4,       /* hlt */
};

struct ring0_try {
	unsigned char *page; /* guest memory */
	void *run_area;      /* where the run structure is mapped: address space that the caller gives back */
	const char *failed;  /* the call that failed, or NULL */
	int error;
	bool returned;
	unsigned exit_reason;
	unsigned suberror;
	unsigned value;
};

static void set_flat(struct kvm_sregs *sregs)
{
	struct kvm_segment segment = {
		.limit = 0xffffffff,
		.selector = 0x10,
		.type = 3,
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1,
	};
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = segment;
	segment.selector = 8;
	segment.type = 11;
	sregs->cs = segment;
	sregs->cr0 |= 1; /* PE */
}

static bool failed(struct ring0_try *try, const char *call, int result)
{
	if (result >= 0)
		return false;
	try->failed = call;
	try->error = errno;
	return true;
}

static struct kvm_run *make_vcpu(struct ring0_try *try, int kvm, int *out_vcpu)
{
	int vm = kvm_create_vm(kvm);
	if (failed(try, "KVM_CREATE_VM", vm))
		return NULL;
	struct kvm_userspace_memory_region region = {.memory_size = PAGE, .userspace_addr = (uintptr_t)try->page};
	if (failed(try, "KVM_SET_USER_MEMORY_REGION", ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region)))
		return NULL;
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (failed(try, "KVM_CREATE_VCPU", vcpu))
		return NULL;
	int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (failed(try, "KVM_GET_VCPU_MMAP_SIZE", size <= RUN_SIZE ? size : -1))
		return NULL;
	void *run = mmap(try->run_area, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, vcpu, 0);
	if (failed(try, "mmap", run == MAP_FAILED ? -1 : 0))
		return NULL;
	*out_vcpu = vcpu;
	return run;
}

/* Who is frozen with a control group and thawed comes back as by a signal, though all of them are blocked. */
static int run_on(int vcpu)
{
	int r;
	while ((r = ioctl(vcpu, KVM_RUN, 0)) < 0 && errno == EINTR)
		;
	return r;
}

static void try_ring0(void *data)
{
	struct ring0_try *try = data;
	struct kvm_sregs sregs;
	struct kvm_regs regs = {.rflags = 2};
	int vcpu;

	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (failed(try, "open", kvm))
		return;
	struct kvm_run *run = make_vcpu(try, kvm, &vcpu);
	if (!run || failed(try, "KVM_GET_SREGS", ioctl(vcpu, KVM_GET_SREGS, &sregs)))
		return;
	set_flat(&sregs);
	if (failed(try, "KVM_SET_SREGS", ioctl(vcpu, KVM_SET_SREGS, &sregs)) ||
	    failed(try, "KVM_SET_REGS", ioctl(vcpu, KVM_SET_REGS, &regs)) || failed(try, "KVM_RUN", run_on(vcpu)))
		return;
	try->exit_reason = run->exit_reason;
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		try->suberror = run->internal.suberror;
	if (run->exit_reason == KVM_EXIT_IO && run->io.port == PORT)
		try->value = ((unsigned char *)run)[run->io.data_offset];
	try->returned = true;
}

static void conclude(const struct ring0_try *try, struct finding *finding)
{
	if (try->failed)
		finding_fails(finding, "Not certain: the virtual machine that was to show it failed: %s: %s.",
			      try->failed, strerrordesc_np(try->error));
	else if (!try->returned)
		finding_fails(finding, "Ring 0 did not come back within %d ms (%s): kernels cannot boot.", TIMEOUT_MS,
			      kvm_driver());
	else if (try->exit_reason == KVM_EXIT_IO && try->value == DECIMAL)
		finding_works(finding, "Ring 0 of a guest runs on the processor itself (%s).", kvm_driver());
	else if (try->exit_reason == KVM_EXIT_INTERNAL_ERROR && try->suberror == KVM_INTERNAL_ERROR_EMULATION)
		finding_fails(finding,
			      "Ring 0 of a guest is only emulated here (%s), so that kernels cannot boot; program "
			      "guests run. "
			      "Kernels need a host with VMX or SVM.",
			      kvm_driver());
	else
		finding_fails(
			finding,
			"Not certain: the virtual machine that was to show it ended with KVM exit %u, value %#x (%s).",
			try->exit_reason, try->value, kvm_driver());
}

void probe_kvm_ring0(const struct finding *features, struct finding *finding)
{
	if (!features[VISO_FEATURE_KVM].works) {
		finding_fails(finding, "There is no KVM: %s", features[VISO_FEATURE_KVM].detail);
		return;
	}

	/* One reservation for both, so that a child that was killed leaves nothing mapped. */
	char *area = mmap(NULL, PAGE + RUN_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED) {
		finding_fails(finding, "Not certain: it could not be tried for want of memory.");
		return;
	}
	memcpy(area, program, sizeof(program));
	struct ring0_try try = {.page = (unsigned char *)area, .run_area = area + PAGE};
	int r = child_run(&(struct child){.work = try_ring0, .data = &try, .timeout_ms = TIMEOUT_MS}, 0);
	munmap(area, PAGE + RUN_SIZE);
	if (r < 0)
		finding_fails(finding, "Not certain: it could not be tried: clone: %s.", strerrordesc_np(-r));
	else
		conclude(&try, finding);
}
