/* SPDX-License-Identifier: MIT */
/*
 * What hypervisors on x86 say of themselves: leaf 1 ECX bit 31, and signatures at 0x40000000 and each 0x100 above it,
 * since one that speaks the language of another puts its own signature behind that (lwn.net/Articles/301888, and
 * Documentation/virt/kvm/x86/cpuid.rst).
 */
#include <stdio.h>
#include <string.h>

#include "machine/layers/detection.h"

enum {
	BASES = 256,
	STEP = 0x100,
	GAPS_MAX = 2, /* bases without anything after which no further one is asked: each question costs microseconds */
	SIGNATURE_SIZE = 12,
	PVM_MARK = 0x4d5650,
	/* Hyper-V, Top Level Functional Specification, 2.4.3: EBX of base + 3, and EBX of base + 12. */
	HV_FEATURES = 3,
	HV_CREATE_PARTITIONS = 1 << 0,
	HV_CPU_MANAGEMENT = 1 << 12,
	HV_ISOLATION = 1 << 22,
	HV_ISOLATION_CONFIGURATION = 12,
	HV_ISOLATION_SNP = 2,
	HV_ISOLATION_TDX = 3,
};

static const uint32_t first_base = 0x40000000;

/* Compared without spaces and NULs around them. */
static const struct {
	const char *text;
	enum product product;
} signatures[] = {
	{"KVMKVMKVM", PRODUCT_KVM},         {"Linux KVM Hv", PRODUCT_KVM}, /* with the enlightenments of Hyper-V */
	{"LKVMLKVMLKVM", PRODUCT_KVM},                                     /* kvmtool's */
	{"libvirtiso", PRODUCT_KVM}, /* this library's guests: <virtiso/hypercall.h> */
	{"TCGTCGTCGTCG", PRODUCT_QEMU_TCG}, {"Microsoft Hv", PRODUCT_MICROSOFT}, {"VMwareVMware", PRODUCT_VMWARE},
	{"VBoxVBoxVBox", PRODUCT_ORACLE},   {"XenVMMXenVMM", PRODUCT_XEN},       {"bhyve bhyve", PRODUCT_BHYVE},
	{"BHyVE BHyVE", PRODUCT_BHYVE},     {"ACRNACRNACRN", PRODUCT_ACRN},      {"OpenBSDVMM58", PRODUCT_OPENBSD_VMM},
	{"SRESRESRESRE", PRODUCT_SRE},      {"QNXQVMBSQG", PRODUCT_QNX},         {"QXNQSBMV", PRODUCT_QNX},
	{"Apple VZ", PRODUCT_APPLE},        {"___ NVMM ___", PRODUCT_NVMM},      {"HAXMHAXMHAXM", PRODUCT_HAXM},
	{"UnisysSpar64", PRODUCT_UNISYS},   {"Jailhouse", PRODUCT_JAILHOUSE},    {"EVMMEVMMEVMM", PRODUCT_EVMM},
	{"lrpepyh vr", PRODUCT_PARALLELS}, /* "prl hyperv" with each word the wrong way round */
	{"lrpepyh  vr", PRODUCT_PARALLELS}, {"prl hyperv", PRODUCT_PARALLELS},
};

static void take_signature(const struct cpuid_answer *answer, char *signature)
{
	char raw[SIGNATURE_SIZE];
	memcpy(raw, &answer->ebx, 4);
	memcpy(raw + 4, &answer->ecx, 4);
	memcpy(raw + 8, &answer->edx, 4);
	size_t begin = 0, end = SIGNATURE_SIZE;
	while (begin < end && (raw[begin] == ' ' || !raw[begin]))
		begin++;
	while (end > begin && (raw[end - 1] == ' ' || !raw[end - 1]))
		end--;
	memset(signature, 0, SIGNATURE_SIZE + 1);
	for (size_t i = begin; i < end; i++)
		signature[i - begin] = raw[i] ? raw[i] : '?';
}

static void say_signature(struct detection *detection, const char *source, const char *signature, uint32_t base)
{
	for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++)
		if (!strcmp(signatures[i].text, signature)) {
			say_for(detection, signatures[i].product, VISO_CONFIDENCE_CERTAIN, source, signature);
			detection->has_signature[signatures[i].product] = true;
			if (signatures[i].product == PRODUCT_MICROSOFT && !detection->microsoft_base)
				detection->microsoft_base = base;
			if (!strcmp(signature, "LKVMLKVMLKVM"))
				say_for(detection, PRODUCT_KVMTOOL, VISO_CONFIDENCE_CERTAIN, source, signature);
			if (!strcmp(signature, "libvirtiso"))
				say_for(detection, PRODUCT_LIBVIRTISO, VISO_CONFIDENCE_CERTAIN, source, signature);
			return;
		}
	say_for(detection, PRODUCT_VM_OTHER, VISO_CONFIDENCE_CERTAIN, source, signature);
}

/* PVM is KVM without the processor's help; it says so behind KVM's own leaves. */
static void find_pvm(struct detection *detection, uint32_t base)
{
	struct cpuid_answer answer;
	char source[32];
	if (provider_cpuid(detection->provider, base + 2, 0, &answer) < 0 || answer.ebx != PVM_MARK)
		return;
	snprintf(source, sizeof(source), "cpuid %#x", base + 2);
	say_for(detection, PRODUCT_KVM, VISO_CONFIDENCE_CERTAIN, source, "PVM");
	detection->layers->names[PRODUCT_KVM] = "KVM by PVM";
}

/*
 * Whether a base is one: its EAX is the last leaf of those behind it. What is not there is answered with the
 * processor's last leaf by Intel's processors, and by KVM upon them (get_out_of_range_cpuid_entry() of
 * arch/x86/kvm/cpuid.c).
 */
static bool is_base(const struct cpuid_answer *answer, uint32_t base)
{
	return answer->eax >= base && answer->eax - base < BASES * STEP;
}

static bool is_known_signature(const char *signature)
{
	for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++)
		if (!strcmp(signatures[i].text, signature))
			return true;
	return false;
}

/* Whether there is any. */
static bool scan(struct detection *detection)
{
	char source[32], signature[SIGNATURE_SIZE + 1];
	struct cpuid_answer answer;
	bool found = false;
	int gaps = 0;
	for (uint32_t n = 0; n < BASES && gaps < GAPS_MAX; n++) {
		const uint32_t base = first_base + n * STEP;
		bool kvm_before = detection->has_signature[PRODUCT_KVM];
		if (provider_cpuid(detection->provider, base, 0, &answer) < 0)
			memset(&answer, 0, sizeof(answer));
		take_signature(&answer, signature);
		/* Old ones have 0 in EAX (Documentation/virt/kvm/x86/cpuid.rst), but a signature that is known. */
		if (!signature[0] || (!is_base(&answer, base) && !is_known_signature(signature))) {
			gaps++;
			continue;
		}
		gaps = 0;
		found = true;
		snprintf(source, sizeof(source), "cpuid %#x", base);
		say_signature(detection, source, signature, base);
		if (!kvm_before && detection->has_signature[PRODUCT_KVM])
			find_pvm(detection, base);
	}
	return found;
}

/* What Linux takes the parent partition by: hv_identify_partition_type() of drivers/hv/hv_common.c. */
static void look_at_microsoft(struct detection *detection)
{
	struct cpuid_answer features, isolation;
	char source[32];
	const uint32_t leaf = detection->microsoft_base + HV_FEATURES;
	if (provider_cpuid(detection->provider, leaf, 0, &features) < 0)
		return;
	snprintf(source, sizeof(source), "cpuid %#x", leaf);
	if ((features.ebx & HV_CREATE_PARTITIONS) && (features.ebx & HV_CPU_MANAGEMENT) &&
	    !(features.ebx & HV_ISOLATION)) {
		say_for(detection, PRODUCT_MICROSOFT, VISO_CONFIDENCE_CERTAIN, source, "may create partitions");
		detection->layers->roles[PRODUCT_MICROSOFT] = VISO_ROLE_ROOT_PARTITION;
	}
	if (!(features.ebx & HV_ISOLATION) ||
	    provider_cpuid(detection->provider, detection->microsoft_base + HV_ISOLATION_CONFIGURATION, 0, &isolation) <
		    0)
		return;
	snprintf(source, sizeof(source), "cpuid %#x", detection->microsoft_base + HV_ISOLATION_CONFIGURATION);
	if ((isolation.ebx & 15) == HV_ISOLATION_SNP)
		say_for(detection, PRODUCT_SEV_SNP, VISO_CONFIDENCE_CERTAIN, source, "isolated by SNP");
	if ((isolation.ebx & 15) == HV_ISOLATION_TDX)
		say_for(detection, PRODUCT_TDX, VISO_CONFIDENCE_CERTAIN, source, "isolated by TDX");
}

void detect_by_cpuid(struct detection *detection)
{
	struct cpuid_answer answer;
	if (detection->processor != PROCESSOR_X86)
		return;
	int r = provider_cpuid(detection->provider, 1, 0, &answer);
	if (r < 0) {
		say_unread(detection, VISO_LAYER_HYPERVISOR, true, "cpuid 0x1", r);
		return;
	}
	detection->cpuid_read = true;
	detection->hypervisor_bit = answer.ecx >> 31;
	if (!detection->hypervisor_bit) {
		say_against_kind(detection, VISO_LAYER_HYPERVISOR, "cpuid 0x1", "no hypervisor");
		return;
	}
	if (!scan(detection))
		say_for(detection, PRODUCT_VM_OTHER, VISO_CONFIDENCE_CERTAIN, "cpuid 0x1", "a hypervisor");
	if (detection->microsoft_base)
		look_at_microsoft(detection);
}
