/* SPDX-License-Identifier: MIT */
#include "guest/x86_64/cpuid.h"

#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define VISO_HYPERCALL_NUMBERS_ONLY
#include <virtiso/hypercall.h>

#include "core/error.h"
#include "guest/vm/vm.h"
#include "guest/x86_64/features.h"

enum { ENTRIES_MAX = 256, OWN_ENTRIES = 2, INTERFACE_VERSION = 1 };

#define BIT(n) (1u << (n))
#define LEAF1_ECX_XSAVE BIT(26)
#define LEAF1_ECX_HYPERVISOR BIT(31)
#define LEAF7_EBX_FSGSBASE BIT(0)
#define LEAF7_EBX_SMEP BIT(7)
#define LEAF7_ECX_UMIP BIT(2)

#define CR4_OSFXSR 0x200ull
#define CR4_OSXMMEXCPT 0x400ull
#define CR4_UMIP 0x800ull
#define CR4_FSGSBASE 0x10000ull
#define CR4_OSXSAVE 0x40000ull
#define CR4_SMEP 0x100000ull

static struct processor processor;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* FXSAVE tells which bits of MXCSR there are (Intel SDM volume 1, 11.6.6). */
static uint32_t mxcsr_mask(void)
{
	uint8_t area[512] __attribute__((aligned(16))) = {0};
	uint32_t mask;
	__asm__ volatile("fxsave64 %0" : "=m"(area));
	memcpy(&mask, area + 28, sizeof(mask));
	return mask;
}

/* The three parts are valid together only. */
static uint64_t without_half_avx512(uint64_t features)
{
	return (features & XCR0_AVX512) == XCR0_AVX512 ? features : features & ~XCR0_AVX512;
}

/* By what KVM says of itself. */
static void choose_state(struct processor *out, struct kvm_cpuid2 *cpuid)
{
	const struct kvm_cpuid_entry2 *leaf1 = features_find(cpuid, 1, 0), *leafd = features_find(cpuid, 0xd, 0);
	if (!leafd)
		return;
	out->xstate_features = without_half_avx512(leafd->eax & XCR0_OFFERED);
	if (out->xstate_features)
		out->xstate_size = features_xsave_size(cpuid, out->xstate_features);
	if (leaf1 && (leaf1->ecx & LEAF1_ECX_XSAVE))
		out->xcr0 = out->xstate_features;
}

/* By what is left of it. */
static void choose_control(struct processor *out, struct kvm_cpuid2 *cpuid)
{
	const struct kvm_cpuid_entry2 none = {0};
	const struct kvm_cpuid_entry2 *leaf1 = features_find(cpuid, 1, 0), *leaf7 = features_find(cpuid, 7, 0);
	leaf7 = leaf7 ? leaf7 : &none;
	out->hwcap = leaf1 ? leaf1->edx : 0;
	out->mxcsr_mask = mxcsr_mask();
	out->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT | (out->xcr0 ? CR4_OSXSAVE : 0) |
		   (leaf7->ebx & LEAF7_EBX_SMEP ? CR4_SMEP : 0) | (leaf7->ecx & LEAF7_ECX_UMIP ? CR4_UMIP : 0);
	if (leaf7->ebx & LEAF7_EBX_FSGSBASE) {
		out->cr4 |= CR4_FSGSBASE;
		out->hwcap2 |= 2; /* HWCAP2_FSGSBASE */
	}
}

/* Whose guest it is: <virtiso/hypercall.h>. KVM's own leaves were filtered out. */
static void add_signature(struct kvm_cpuid2 *cpuid)
{
	struct kvm_cpuid_entry2 *leaf1 = features_find(cpuid, 1, 0);
	struct kvm_cpuid_entry2 signature = {.function = 0x40000000, .eax = 0x40000001};
	_Static_assert(sizeof(VISO_CPUID_SIGNATURE) == 12, "EBX, ECX and EDX");
	memcpy(&signature.ebx, VISO_CPUID_SIGNATURE, 4);
	memcpy(&signature.ecx, &VISO_CPUID_SIGNATURE[4], 4);
	memcpy(&signature.edx, &VISO_CPUID_SIGNATURE[8], 4);
	if (leaf1)
		leaf1->ecx |= LEAF1_ECX_HYPERVISOR;
	cpuid->entries[cpuid->nent++] = signature;
	cpuid->entries[cpuid->nent++] = (struct kvm_cpuid_entry2){
		.function = 0x40000001,
		.eax = VISO_HYPERCALL_BASE,
		.ebx = INTERFACE_VERSION,
	};
}

static int make(int kvm_fd)
{
	const size_t entries = ENTRIES_MAX + OWN_ENTRIES;
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + entries * sizeof(cpuid->entries[0]));
	if (!cpuid)
		return error_memory();
	cpuid->nent = ENTRIES_MAX;
	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid) < 0) {
		int r = vm_fail("KVM_GET_SUPPORTED_CPUID");
		free(cpuid);
		return r;
	}
	choose_state(&processor, cpuid);
	/* KVM saves and restores the components alone that leaf 0xd tells of, so these stay even where kvm_pvm says
	 * that there is no XSAVE. */
	features_filter(cpuid, processor.xstate_features);
	choose_control(&processor, cpuid);
	add_signature(cpuid);
	processor.cpuid = cpuid;
	return 0;
}

int processor_get(int kvm_fd, const struct processor **out_processor)
{
	pthread_mutex_lock(&lock);
	int r = processor.cpuid ? 0 : make(kvm_fd);
	pthread_mutex_unlock(&lock);
	*out_processor = &processor;
	return r;
}
