/* SPDX-License-Identifier: MIT */
/* See: Intel SDM volume 2, CPUID; AMD64 APM volume 3, appendix E; Documentation/virt/kvm/api.rst,
 * KVM_GET_SUPPORTED_CPUID. */
#include "guest/x86_64/cpuid.h"

#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/error.h"
#include "guest/vm.h"

enum { ENTRIES_MAX = 256 };

/* x87, SSE, AVX and the three parts of AVX-512. Protection keys and AMX are not offered. */
#define XCR0_OFFERED 0xe7ull
#define XCR0_AVX512 0xe0ull

#define BIT(n) (1u << (n))
#define LEAF1_ECX_REMOVED                                                                                              \
	(BIT(3) | BIT(5) | BIT(21) | BIT(24) | BIT(31)) /* MONITOR VMX x2APIC TSC-deadline hypervisor */
#define LEAF1_ECX_XSAVE BIT(26)
#define LEAF7_EBX_FSGSBASE BIT(0)
#define LEAF7_EBX_SMEP BIT(7)
#define LEAF7_ECX_UMIP BIT(2)
#define LEAF7_ECX_REMOVED (BIT(3) | BIT(4) | BIT(5) | BIT(7))     /* PKU OSPKE WAITPKG shadow stacks */
#define LEAF7_EDX_REMOVED (BIT(20) | BIT(22) | BIT(24) | BIT(25)) /* IBT AMX-BF16 AMX-TILE AMX-INT8 */
#define LEAF_D1_EAX_XSAVES BIT(3)
#define EXTENDED1_ECX_REMOVED (BIT(2) | BIT(3)) /* SVM ExtApicSpace */

#define CR4_OSFXSR 0x200ull
#define CR4_OSXMMEXCPT 0x400ull
#define CR4_UMIP 0x800ull
#define CR4_FSGSBASE 0x10000ull
#define CR4_OSXSAVE 0x40000ull
#define CR4_SMEP 0x100000ull

static struct processor processor;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct kvm_cpuid_entry2 *find(struct kvm_cpuid2 *cpuid, uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == function && cpuid->entries[i].index == index)
			return &cpuid->entries[i];
	return NULL;
}

/* The leaves of paravirtualisation, of nested virtualisation and of AMX. */
static bool is_removed(const struct kvm_cpuid_entry2 *entry)
{
	return (entry->function >= 0x40000000u && entry->function < 0x80000000u) || entry->function == 0x8000000au ||
	       entry->function == 0x1du || entry->function == 0x1eu ||
	       (entry->function == 0xdu && entry->index > 1 &&
		(entry->index > 63 || !(XCR0_OFFERED >> entry->index & 1)));
}

static void filter_entry(struct kvm_cpuid_entry2 *entry)
{
	switch (entry->function) {
	case 0x1:
		entry->ecx &= ~LEAF1_ECX_REMOVED;
		entry->ebx = (entry->ebx & 0xff00) | 1 << 16; /* one processor, APIC id 0 */
		break;
	case 0x7:
		if (entry->index == 0) {
			entry->ecx &= ~LEAF7_ECX_REMOVED;
			entry->edx &= ~LEAF7_EDX_REMOVED;
		}
		break;
	case 0xb:
	case 0x1f:
		entry->edx = 0;
		break;
	case 0xd:
		if (entry->index == 0) {
			entry->eax &= XCR0_OFFERED;
			entry->edx = 0;
		} else if (entry->index == 1) {
			entry->eax &= ~LEAF_D1_EAX_XSAVES;
			entry->ecx = entry->edx = 0;
		}
		break;
	case 0x80000001:
		entry->ecx &= ~EXTENDED1_ECX_REMOVED;
		break;
	default:
		break;
	}
}

static void filter(struct kvm_cpuid2 *cpuid)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		if (is_removed(&cpuid->entries[i]))
			continue;
		cpuid->entries[kept] = cpuid->entries[i];
		filter_entry(&cpuid->entries[kept++]);
	}
	cpuid->nent = kept;
}

/* The components lie where the host's processor has them: leaf 0xd tells of each its size in EAX and its offset in EBX.
 */
static uint32_t xstate_size(struct kvm_cpuid2 *cpuid, uint64_t xcr0)
{
	uint32_t size = 576; /* the legacy part and the header */
	for (uint32_t component = 2; component < 63; component++) {
		const struct kvm_cpuid_entry2 *leaf = find(cpuid, 0xd, component);
		if ((xcr0 >> component & 1) && leaf && leaf->eax + leaf->ebx > size)
			size = leaf->eax + leaf->ebx;
	}
	return size;
}

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

static void choose_state(struct processor *out, struct kvm_cpuid2 *cpuid)
{
	const struct kvm_cpuid_entry2 none = {0};
	const struct kvm_cpuid_entry2 *leaf1 = find(cpuid, 1, 0), *leaf7 = find(cpuid, 7, 0),
				      *leafd = find(cpuid, 0xd, 0);
	leaf1 = leaf1 ? leaf1 : &none;
	leaf7 = leaf7 ? leaf7 : &none;

	out->cpuid = cpuid;
	out->hwcap = leaf1->edx;
	out->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT;
	if ((leaf1->ecx & LEAF1_ECX_XSAVE) && leafd) {
		out->cr4 |= CR4_OSXSAVE;
		out->xcr0 = without_half_avx512(leafd->eax & XCR0_OFFERED);
	}
	if (leafd)
		out->xstate_features = without_half_avx512(leafd->eax & XCR0_OFFERED);
	if (out->xstate_features)
		out->xstate_size = xstate_size(cpuid, out->xstate_features);
	out->mxcsr_mask = mxcsr_mask();
	if (leaf7->ebx & LEAF7_EBX_FSGSBASE) {
		out->cr4 |= CR4_FSGSBASE;
		out->hwcap2 |= 2; /* HWCAP2_FSGSBASE */
	}
	out->cr4 |= (leaf7->ebx & LEAF7_EBX_SMEP ? CR4_SMEP : 0) | (leaf7->ecx & LEAF7_ECX_UMIP ? CR4_UMIP : 0);
}

static int make(int kvm_fd)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + ENTRIES_MAX * sizeof(cpuid->entries[0]));
	if (!cpuid)
		return error_memory();
	cpuid->nent = ENTRIES_MAX;
	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid) < 0) {
		int r = vm_fail("KVM_GET_SUPPORTED_CPUID");
		free(cpuid);
		return r;
	}
	filter(cpuid);
	choose_state(&processor, cpuid);
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
