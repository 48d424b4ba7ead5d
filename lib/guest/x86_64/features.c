/* SPDX-License-Identifier: MIT */
/*
 * A list of what is allowed, so that what KVM comes to support later stays away until its state is known to be right
 * across threads, signals and snapshots. What a program cannot use in ring 3 is left out, unless every 64-bit processor
 * has it. On kvm_pvm programs see the host's processor itself, whatever is said here.
 *
 * See: Intel SDM volume 2, CPUID; AMD64 APM volume 3, appendix E; Documentation/virt/kvm/api.rst,
 * KVM_GET_SUPPORTED_CPUID.
 */
#include "guest/x86_64/features.h"

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>

enum { FUNCTION_MAX = 0xd, EXTENDED_MAX = 0x80000021, SUBLEAF7_MAX = 1, LEGACY_AND_HEADER = 576 };

#define ALL 0xffffffffu
#define BIT(n) (1u << (n))

/* Bits of a leaf's EAX, EBX, ECX and EDX, and the components of XCR0 without which they mean nothing. */
struct rule {
	uint32_t function;
	uint32_t index;
	uint32_t xcr0;
	uint32_t bits[4];
};

/* clang-format off */
#define LEAF1_ECX (BIT(0) | BIT(1) | BIT(9) | BIT(13) | /* SSE3 PCLMULQDQ SSSE3 CX16 */ \
		   BIT(19) | BIT(20) | BIT(22) | BIT(23) | /* SSE4.1 SSE4.2 MOVBE POPCNT */ \
		   BIT(25) | BIT(26) | BIT(30)) /* AES XSAVE RDRAND; KVM adds OSXSAVE by CR4 */
#define LEAF1_ECX_AVX (BIT(12) | BIT(28) | BIT(29)) /* FMA AVX F16C */
#define LEAF1_EDX 0x078bfbff /* what every 64-bit processor has; less PSN DS ACPI HTT TM PBE */

#define LEAF7_EBX (BIT(0) | BIT(7) | /* FSGSBASE SMEP: as CR4 has them */ \
		   BIT(3) | BIT(8) | BIT(19) | BIT(29) | /* BMI1 BMI2 ADX SHA */ \
		   BIT(4) | BIT(11) | BIT(9) | BIT(18) | /* HLE RTM ERMS RDSEED */ \
		   BIT(6) | BIT(13) | BIT(23) | BIT(24)) /* of x87: FDP FCS; CLFLUSHOPT CLWB */
#define LEAF7_EBX_AVX BIT(5) /* AVX2 */
#define LEAF7_EBX_AVX512 (BIT(16) | BIT(17) | BIT(21) | BIT(26) | /* F DQ IFMA PF */ \
			  BIT(27) | BIT(28) | BIT(30) | BIT(31)) /* ER CD BW VL */
#define LEAF7_ECX (BIT(0) | BIT(2) | BIT(8) | /* PREFETCHWT1 UMIP GFNI */ \
		   BIT(22) | /* RDPID: TSC_AUX is 0, as is the only processor */ \
		   BIT(25) | BIT(27) | BIT(28)) /* CLDEMOTE MOVDIRI MOVDIR64B */
#define LEAF7_ECX_AVX (BIT(9) | BIT(10)) /* VAES VPCLMULQDQ */
#define LEAF7_ECX_AVX512 (BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14)) /* VBMI VBMI2 VNNI BITALG VPOPCNTDQ */
#define LEAF7_EDX (BIT(4) | BIT(14) | BIT(16)) /* FSRM SERIALIZE TSXLDTRK */
#define LEAF7_EDX_AVX512 (BIT(2) | BIT(3) | BIT(8) | BIT(23)) /* 4VNNIW 4FMAPS VP2INTERSECT FP16 */

#define LEAF7_1_EAX (BIT(3) | BIT(7) | BIT(10) | BIT(11) | BIT(12)) /* RAO-INT CMPCCXADD, fast strings */
#define LEAF7_1_EAX_AVX (BIT(0) | BIT(1) | BIT(2) | BIT(4) | BIT(23)) /* SHA512 SM3 SM4 AVX-VNNI AVX-IFMA */
#define LEAF7_1_EAX_AVX512 BIT(5) /* BF16 */
#define LEAF7_1_EDX BIT(14) /* PREFETCHI */
#define LEAF7_1_EDX_AVX (BIT(4) | BIT(5) | BIT(10)) /* AVX-VNNI-INT8 AVX-NE-CONVERT AVX-VNNI-INT16 */

#define LEAFD_1_EAX (BIT(0) | BIT(1) | BIT(2)) /* XSAVEOPT XSAVEC XGETBV with 1; not XSAVES and XFD */

#define EXTENDED1_ECX (BIT(0) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | /* LAHF ABM SSE4A MisAlignSse 3DNowPrefetch */ \
		       BIT(21) | BIT(22)) /* TBM; TopologyExtensions, for the caches of 0x8000001d */
#define EXTENDED1_ECX_AVX (BIT(11) | BIT(16)) /* XOP FMA4 */
#define EXTENDED1_EDX (0x0183fbff | BIT(11) | BIT(20) | BIT(22) | /* as LEAF1_EDX; SYSCALL NX MMXEXT */ \
		       BIT(27) | BIT(29) | BIT(30) | BIT(31)) /* RDTSCP LM 3DNowExt 3DNow */
#define EXTENDED8_EBX (BIT(0) | BIT(2)) /* CLZERO XSaveErPtr; not RDPRU, which reads MSRs in ring 3 */
#define EXTENDED21_EAX (BIT(2) | BIT(6)) /* LFENCE serialises; a null selector clears the base */

/* Of a cache its kind and size, not how many processors share it. */
#define CACHE {0x3fff, ALL, ALL, ALL}
#define WHOLE {ALL, ALL, ALL, ALL}
/* clang-format on */

/*
 * Not there, of what KVM may offer: in leaf 1 PCID, PDCM, MONITOR, VMX, x2APIC, the deadline timer and the hypervisor
 * bit, nor KVM's leaves at 0x40000000 (there is no paravirtualisation; cpuid.c puts our own signature there); in leaf 7
 * SGX, MPX, INVPCID, PT, PKU, CET, WAITPKG, LA57, key locker, ENQCMD, UINTR, AMX, LAM, FRED, APX, and what controls
 * speculation by MSRs; in 0x80000001 SVM, IBS, counters and MWAITX. The leaves of counters (0xa), topology (0xb, 0x1f,
 * 0x8000001e), SGX (0x12), PT (0x14), key locker (0x19), AMX (0x1d, 0x1e), SVM (0x8000000a) and SEV (0x8000001f) are
 * empty.
 */
static const struct rule rules[] = {
	{0x0, 0, 0, WHOLE},
	{0x1, 0, 0, {ALL, 0xff00, LEAF1_ECX, LEAF1_EDX}}, /* of EBX the size that CLFLUSH flushes */
	{0x1, 0, XCR0_AVX, {0, 0, LEAF1_ECX_AVX, 0}},
	{0x2, 0, 0, WHOLE},
	{0x4, ALL, 0, CACHE},
	{0x7, 0, 0, {ALL, LEAF7_EBX, LEAF7_ECX, LEAF7_EDX}},
	{0x7, 0, XCR0_AVX, {0, LEAF7_EBX_AVX, LEAF7_ECX_AVX, 0}},
	{0x7, 0, XCR0_AVX512, {0, LEAF7_EBX_AVX512, LEAF7_ECX_AVX512, LEAF7_EDX_AVX512}},
	{0x7, 1, 0, {LEAF7_1_EAX, 0, 0, LEAF7_1_EDX}},
	{0x7, 1, XCR0_AVX, {LEAF7_1_EAX_AVX, 0, 0, LEAF7_1_EDX_AVX}},
	{0x7, 1, XCR0_AVX512, {LEAF7_1_EAX_AVX512, 0, 0, 0}},
	/* The sizes follow below; KVM keeps those in step that depend on XCR0. */
	{0xd, 0, 0, {XCR0_OFFERED, ALL, ALL, 0}},
	{0xd, 1, 0, {LEAFD_1_EAX, ALL, 0, 0}},
	{0xd, 2, XCR0_AVX, {ALL, ALL, 0, 0}},
	{0xd, 5, XCR0_AVX512, {ALL, ALL, 0, 0}},
	{0xd, 6, XCR0_AVX512, {ALL, ALL, 0, 0}},
	{0xd, 7, XCR0_AVX512, {ALL, ALL, 0, 0}},
	{0x80000000, 0, 0, WHOLE},
	{0x80000001, 0, 0, {ALL, 0, EXTENDED1_ECX, EXTENDED1_EDX}},
	{0x80000001, 0, XCR0_AVX, {0, 0, EXTENDED1_ECX_AVX, 0}},
	{0x80000002, 0, 0, WHOLE}, /* the processor's name */
	{0x80000003, 0, 0, WHOLE},
	{0x80000004, 0, 0, WHOLE},
	{0x80000005, 0, 0, WHOLE}, /* caches and TLBs */
	{0x80000006, 0, 0, WHOLE},
	{0x80000007, 0, 0, {0, 0, 0, BIT(8)}},             /* the TSC neither stops nor changes its pace */
	{0x80000008, 0, 0, {0xffff, EXTENDED8_EBX, 0, 0}}, /* bits of addresses */
	{0x8000001a, 0, 0, {0x7, 0, 0, 0}},                /* how wide SSE and AVX are inside */
	{0x8000001d, ALL, 0, CACHE},
	{0x80000021, 0, 0, {EXTENDED21_EAX, 0, 0, 0}},
};

struct kvm_cpuid_entry2 *features_find(struct kvm_cpuid2 *cpuid, uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == function && cpuid->entries[i].index == index)
			return &cpuid->entries[i];
	return NULL;
}

uint32_t features_xsave_size(struct kvm_cpuid2 *cpuid, uint64_t xcr0)
{
	uint32_t size = LEGACY_AND_HEADER;
	/* The components lie where the host's processor has them: EAX has the size and EBX the offset. */
	for (uint32_t component = 2; component < 63; component++) {
		const struct kvm_cpuid_entry2 *leaf = features_find(cpuid, 0xd, component);
		if ((xcr0 >> component & 1) && leaf && leaf->eax + leaf->ebx > size)
			size = leaf->eax + leaf->ebx;
	}
	return size;
}

/* The bits that stay. */
static void find_bits(const struct kvm_cpuid_entry2 *entry, uint64_t xcr0, uint32_t out[4])
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const struct rule *rule = &rules[i];
		if (rule->function != entry->function || (rule->index != ALL && rule->index != entry->index) ||
		    (rule->xcr0 & ~xcr0))
			continue;
		for (int reg = 0; reg < 4; reg++)
			out[reg] |= rule->bits[reg];
	}
}

/* False where nothing is left of it: a leaf that is not there reads as zeros. */
static bool filter_entry(struct kvm_cpuid_entry2 *entry, uint64_t xcr0)
{
	uint32_t bits[4] = {0};
	find_bits(entry, xcr0, bits);
	entry->eax &= bits[0];
	entry->ebx &= bits[1];
	entry->ecx &= bits[2];
	entry->edx &= bits[3];
	return entry->eax | entry->ebx | entry->ecx | entry->edx;
}

static void limit(uint32_t *value, uint32_t max)
{
	if (*value > max)
		*value = max;
}

/* What follows from the rest. */
static void put_in_step(struct kvm_cpuid2 *cpuid, uint64_t xcr0)
{
	struct kvm_cpuid_entry2 *leaf;
	if ((leaf = features_find(cpuid, 0, 0)))
		limit(&leaf->eax, FUNCTION_MAX);
	if ((leaf = features_find(cpuid, 0x80000000, 0)))
		limit(&leaf->eax, EXTENDED_MAX);
	if ((leaf = features_find(cpuid, 1, 0)))
		leaf->ebx |= BIT(16); /* one logical processor, whose APIC has the id 0 */
	if ((leaf = features_find(cpuid, 7, 0)))
		limit(&leaf->eax, SUBLEAF7_MAX);
	if ((leaf = features_find(cpuid, 0xd, 0))) {
		leaf->eax &= (uint32_t)xcr0;
		leaf->ebx = leaf->ecx = features_xsave_size(cpuid, xcr0);
	}
}

void features_filter(struct kvm_cpuid2 *cpuid, uint64_t xcr0)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < cpuid->nent; i++) {
		if (filter_entry(&cpuid->entries[i], xcr0))
			cpuid->entries[kept++] = cpuid->entries[i];
	}
	cpuid->nent = kept;
	put_in_step(cpuid, xcr0);
}
