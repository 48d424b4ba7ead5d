/* SPDX-License-Identifier: MIT */
/* Machines whose memory the hypervisor cannot read. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "machine/layers/detection.h"

enum {
	LEAF_TDX = 0x21, /* exists in such machines only: Intel TDX Module ABI, 11.2 */
	SEV_SUPPORTED = 1 << 1,
	SEV_ENABLED = 1 << 0,
	SEV_ES_ENABLED = 1 << 1,
	SEV_SNP_ENABLED = 1 << 2,
};
static const uint32_t leaf_extended = 0x80000000, leaf_sev = 0x8000001f, msr_sev = 0xc0010131;

static const struct {
	const char *path;
	enum product product;
} marks[] = {
	{"/sys/devices/system/cpu/sev/vmpl", PRODUCT_SEV_SNP}, /* since Linux 6.11 */
	{"/dev/sev-guest", PRODUCT_SEV_SNP},
	{"/dev/tdx_guest", PRODUCT_TDX},
};

static void look_for_tdx(struct detection *detection)
{
	struct cpuid_answer answer;
	if (provider_cpuid(detection->provider, LEAF_TDX, 0, &answer) == 0 && !memcmp(&answer.ebx, "Inte", 4) &&
	    !memcmp(&answer.edx, "lTDX", 4) && !memcmp(&answer.ecx, "    ", 4))
		say_for(detection, PRODUCT_TDX, VISO_CONFIDENCE_CERTAIN, "cpuid 0x21", "IntelTDX");
}

/* AMD64 Architecture Programmer's Manual, volume 2, 15.34.10: the processor may have it, an MSR says whether it is on.
 */
static void look_for_sev(struct detection *detection)
{
	struct cpuid_answer answer;
	uint64_t status;
	char value[32];
	if (provider_cpuid(detection->provider, leaf_extended, 0, &answer) < 0 || answer.eax < leaf_sev ||
	    provider_cpuid(detection->provider, leaf_sev, 0, &answer) < 0 || !(answer.eax & SEV_SUPPORTED))
		return;
	int r = provider_msr(detection->provider, msr_sev, &status);
	if (r < 0) {
		say_unread(detection, VISO_LAYER_CONFIDENTIAL, true, "msr 0xc0010131", r);
		return;
	}
	if (!(status & SEV_ENABLED))
		return;
	snprintf(value, sizeof(value), "%#llx", (unsigned long long)status);
	say_for(detection,
		status & SEV_SNP_ENABLED  ? PRODUCT_SEV_SNP
		: status & SEV_ES_ENABLED ? PRODUCT_SEV_ES
					  : PRODUCT_SEV,
		VISO_CONFIDENCE_CERTAIN, "msr 0xc0010131", value);
}

static void look_at_x86(struct detection *detection)
{
	if (!detection->cpuid_read)
		say_unread(detection, VISO_LAYER_CONFIDENTIAL, true, "cpuid 0x21", -EACCES);
	else if (!detection->hypervisor_bit)
		return;
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (look_for(detection, VISO_LAYER_CONFIDENTIAL, true, marks[i].path))
			say_for(detection, marks[i].product, VISO_CONFIDENCE_CERTAIN, marks[i].path, "");
	look_for_tdx(detection);
	look_for_sev(detection);
}

void detect_confidential(struct detection *detection)
{
	static const char protvirt[] = "/sys/firmware/uv/prot_virt_guest";
	static const char cca[] = "/sys/devices/platform/arm-cca-dev";
	char line[16];
	if (detection->processor == PROCESSOR_X86)
		look_at_x86(detection);
	else if (detection->processor == PROCESSOR_S390 &&
		 look_at_line(detection, VISO_LAYER_CONFIDENTIAL, true, protvirt, line, sizeof(line)) == 0 &&
		 !strcmp(line, "1"))
		say_for(detection, PRODUCT_PROTVIRT, VISO_CONFIDENCE_CERTAIN, protvirt, line);
	else if (detection->processor == PROCESSOR_ARM && look_for(detection, VISO_LAYER_CONFIDENTIAL, true, cca))
		say_for(detection, PRODUCT_CCA, VISO_CONFIDENCE_CERTAIN, cca, "");
}
