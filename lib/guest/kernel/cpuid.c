/* SPDX-License-Identifier: MIT */
/*
 * What KVM supports on this host, less nested virtualisation and what nobody serves; the topology is one socket of
 * cores with one thread each. A PC does not tell that it is virtual: it has neither the bit nor the leaves that
 * Documentation/virt/kvm/x86/cpuid.rst describes, and nothing behind them.
 *
 * See: Intel SDM volume 2, CPUID; AMD64 APM volume 3, appendix E.
 */
#include "guest/kernel/cpuid.h"

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define VISO_DOORBELL_LAYOUT_ONLY
#include <virtiso/doorbell.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/kernel/layout.h"
#include "guest/vm/vm.h"

#define BIT(n) (1u << (n))
#define LEAF1_ECX_VMX BIT(5)
#define LEAF1_ECX_PDCM BIT(15)
#define LEAF1_ECX_X2APIC BIT(21)
#define LEAF1_ECX_DEADLINE BIT(24)
#define LEAF1_ECX_HYPERVISOR BIT(31)
#define LEAF1_EDX_HTT BIT(28)
#define LEAF7_EBX_SGX BIT(2)
#define LEAF7_ECX_SGX_LC BIT(30)
#define EXTENDED1_ECX_CMP_LEGACY BIT(1)
#define EXTENDED1_ECX_SVM BIT(2)
#define EXTENDED1_ECX_TOPOLOGY BIT(22)

struct topology {
	unsigned index, count, shift; /* of the APIC id */
};

/* Bits that number `count` things. */
static unsigned bits_for(unsigned count)
{
	unsigned bits = 0;
	while (1u << bits < count)
		bits++;
	return bits;
}

static void set_leaf1(struct kvm_cpuid_entry2 *entry, viso_platform platform, const struct topology *topology)
{
	entry->ebx = (entry->ebx & 0xffff) | (1u << topology->shift) << 16 | topology->index << 24;
	entry->edx &= ~LEAF1_EDX_HTT;
	entry->edx |= topology->count > 1 ? LEAF1_EDX_HTT : 0;
	entry->ecx &= ~(LEAF1_ECX_VMX | LEAF1_ECX_PDCM | LEAF1_ECX_HYPERVISOR);
	entry->ecx |= platform == VISO_PLATFORM_PC ? 0 : LEAF1_ECX_HYPERVISOR;
}

/* Caches: the first two levels are a core's own, the others are everybody's. */
static void set_caches(struct kvm_cpuid_entry2 *entry, const struct topology *topology)
{
	enum { LEVEL_SHIFT = 5, LEVEL_MASK = 7, SHARED_SHIFT = 14, CORES_SHIFT = 26 };
	bool is_shared = (entry->eax >> LEVEL_SHIFT & LEVEL_MASK) > 2;
	entry->eax &= 0x3fff;
	entry->eax |= is_shared ? ((1u << topology->shift) - 1) << SHARED_SHIFT : 0;
	entry->eax |= ((1u << topology->shift) - 1) << CORES_SHIFT;
}

/* Leaf 0xb: a level of threads, one of cores, and the end. */
static void set_levels(struct kvm_cpuid_entry2 *entry, const struct topology *topology)
{
	enum { LEVEL_THREAD = 1, LEVEL_CORE = 2, KIND_SHIFT = 8 };
	const uint32_t level = entry->index;
	entry->eax = level == 0 ? 0 : level == 1 ? topology->shift : 0;
	entry->ebx = level == 0 ? 1 : level == 1 ? topology->count : 0;
	entry->ecx = level;
	entry->ecx |= level == 0 ? LEVEL_THREAD << KIND_SHIFT : level == 1 ? LEVEL_CORE << KIND_SHIFT : 0;
	entry->edx = topology->index;
}

static void set_extended1(struct kvm_cpuid_entry2 *entry, const struct topology *topology)
{
	/* Without it AMD's cores are counted by leaf 0x80000008. */
	entry->ecx &= ~(EXTENDED1_ECX_SVM | EXTENDED1_ECX_TOPOLOGY | EXTENDED1_ECX_CMP_LEGACY);
	entry->ecx |= topology->count > 1 ? EXTENDED1_ECX_CMP_LEGACY : 0;
}

static void clear(struct kvm_cpuid_entry2 *entry)
{
	entry->eax = entry->ebx = entry->ecx = entry->edx = 0;
}

static void set_entry(struct kvm_cpuid_entry2 *entry, viso_platform platform, const struct topology *topology)
{
	switch (entry->function) {
	case 1:
		set_leaf1(entry, platform, topology);
		break;
	case 4:
		set_caches(entry, topology);
		break;
	case 7:
		if (entry->index == 0) {
			entry->ebx &= ~LEAF7_EBX_SGX;
			entry->ecx &= ~LEAF7_ECX_SGX_LC;
		}
		break;
	case 0xb:
		set_levels(entry, topology);
		break;
	case 0x80000001:
		set_extended1(entry, topology);
		break;
	case 0x80000008:
		entry->ecx = (topology->count - 1) | topology->shift << 12;
		break;
	case 0xa:        /* counters */
	case 0x12:       /* SGX */
	case 0x14:       /* PT */
	case 0x1f:       /* as leaf 0xb, for what this topology does not have */
	case 0x8000000a: /* SVM */
	case 0x8000001e: /* threads, cores and nodes */
	case 0x8000001f: /* SEV */
	case 0x80000022: /* counters */
		clear(entry);
		break;
	default:
		break;
	}
}

static bool is_left_out(const struct kvm_cpuid_entry2 *entry, viso_platform platform)
{
	return platform == VISO_PLATFORM_PC && entry->function >= 0x40000000 && entry->function < 0x80000000;
}

/* Newer kernels give the first level of leaf 0xb alone. */
static void add_cores(struct kvm_cpuid2 *cpuid, const struct topology *topology)
{
	bool has_leaf = false, has_cores = false;
	for (uint32_t i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 0xb) {
			has_leaf = true;
			has_cores |= cpuid->entries[i].index == 1;
		}
	if (!has_leaf || has_cores || cpuid->nent >= KERNEL_CPUID_MAX)
		return;
	struct kvm_cpuid_entry2 *entry = &cpuid->entries[cpuid->nent++];
	*entry = (struct kvm_cpuid_entry2){.function = 0xb, .index = 1, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX};
	set_levels(entry, topology);
}

/*
 * Our own leaves, after those of KVM, as those who put several interfaces side by side do: by their name, guests find
 * out where they run, and the doorbell (virtiso/doorbell.h).
 */
static void add_signature(struct kvm_cpuid2 *cpuid)
{
	enum {
		FIRST = VISO_DOORBELL_LEAF_NAME,
		VERSIONS = 0x40000101,
		LAST = VISO_DOORBELL_LEAF,
		VERSION = 1,
		COUNT = 3
	};
	const struct kvm_cpuid_entry2 leaves[] = {
		{.function = FIRST,
		 .eax = LAST,
		 .ebx = 0x7662696c,
		 .ecx = 0x69747269,
		 .edx = 0x6f73}, /* "libvirtiso" */
		{.function = VERSIONS, .ebx = VERSION},
		{.function = LAST,
		 .eax = LAYOUT_DOORBELL_PORT | LAYOUT_DOORBELL_LINE << 16 | VISO_DOORBELL_VERSION << 24,
		 .ebx = (uint32_t)LAYOUT_DOORBELL,
		 .ecx = sizeof(struct viso_doorbell_pages),
		 .edx = VISO_DOORBELL_CALLS | VISO_DOORBELL_REQUESTS | VISO_DOORBELL_POLLING},
	};
	_Static_assert(sizeof(leaves) == COUNT * sizeof(leaves[0]), "leaves");
	if (cpuid->nent > KERNEL_CPUID_MAX - COUNT)
		return;
	memcpy(cpuid->entries + cpuid->nent, leaves, sizeof(leaves));
	cpuid->nent += COUNT;
}

void kernel_cpuid_filter(struct kvm_cpuid2 *cpuid, viso_platform platform, unsigned index, unsigned count)
{
	const struct topology topology = {.index = index, .count = count, .shift = bits_for(count)};
	uint32_t left = 0;
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		if (is_left_out(&cpuid->entries[i], platform))
			continue;
		cpuid->entries[left] = cpuid->entries[i];
		set_entry(&cpuid->entries[left++], platform, &topology);
	}
	cpuid->nent = left;
	add_cores(cpuid, &topology);
	if (platform == VISO_PLATFORM_MICROVM)
		add_signature(cpuid);
}

/* KVM serves it wherever it has the local APIC, but tells of it apart (api.rst, KVM_GET_SUPPORTED_CPUID). */
static void add_deadline(int kvm, struct kvm_cpuid2 *cpuid)
{
	if (ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) <= 0)
		return;
	for (uint32_t i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 1)
			cpuid->entries[i].ecx |= LEAF1_ECX_DEADLINE | LEAF1_ECX_X2APIC;
}

int kernel_cpuid_set(int kvm, int vcpu, viso_platform platform, unsigned index, unsigned count)
{
	_cleanup_free_ struct kvm_cpuid2 *cpuid =
		calloc(1, sizeof(*cpuid) + KERNEL_CPUID_MAX * sizeof(cpuid->entries[0]));
	if (!cpuid)
		return error_memory();
	cpuid->nent = KERNEL_CPUID_MAX;
	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid) < 0)
		return vm_fail("KVM_GET_SUPPORTED_CPUID");
	add_deadline(kvm, cpuid);
	kernel_cpuid_filter(cpuid, platform, index, count);
	if (ioctl(vcpu, KVM_SET_CPUID2, cpuid) < 0)
		return vm_fail("KVM_SET_CPUID2");
	const struct kvm_enable_cap enforce = {.cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .args = {1}};
	/* Without it MSRs are there that no leaf tells of: nothing that anybody looks for. */
	if (platform == VISO_PLATFORM_PC)
		(void)ioctl(vcpu, KVM_ENABLE_CAP, &enforce);
	return 0;
}
