/* SPDX-License-Identifier: MIT */
/* The kernel's texts about the processor: /proc/cpuinfo, and /proc/sysinfo of IBM Z. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine/layers/detection.h"

enum { TEXT_SIZE = 4096, VENDOR_SIZE = 128, SYSINFO_SIZE = 16 * 1024 };

/* What stands behind the colon of the first line that begins so: whether there is one. */
static bool find_value(const char *text, const char *key, char *value, size_t size)
{
	for (const char *line = text; *line;) {
		size_t length = strcspn(line, "\n");
		const char *colon = memchr(line, ':', length);
		if (colon && !strncmp(line, key, strlen(key))) {
			colon += 1 + strspn(colon + 1, " \t");
			size_t rest = colon < line + length ? (size_t)(line + length - colon) : 0;
			snprintf(value, size, "%.*s", (int)(rest < size ? rest : size - 1), colon);
			return true;
		}
		line += length + (line[length] == '\n');
	}
	return false;
}

static bool has_word(const char *text, const char *word)
{
	size_t length = strlen(word);
	for (const char *at = text; (at = strstr(at, word)); at += length)
		if ((at == text || at[-1] == ' ') && (at[length] == ' ' || !at[length]))
			return true;
	return false;
}

/* Only the first processor: the file is as long as the machine is large. */
static void look_at_cpuinfo(struct detection *detection)
{
	static const char path[] = "/proc/cpuinfo";
	char text[TEXT_SIZE];
	/* The vendor is in the second line; the kernel writes no processor that is not read. */
	const size_t size = detection->cpuid_read ? VENDOR_SIZE : sizeof(text);
	ssize_t n = provider_read(detection->provider, path, text, size);
	if (n < 0) {
		/* The kernel always has it. */
		say_unread(detection, VISO_LAYER_HYPERVISOR, true, path, (int)n);
		return;
	}
	char value[TEXT_SIZE];
	if (!detection->cpuid_read && find_value(text, "flags", value, sizeof(value)) && has_word(value, "hypervisor"))
		say_for(detection, PRODUCT_VM_OTHER, VISO_CONFIDENCE_CERTAIN, path, "flag hypervisor");
	if (!find_value(text, "vendor_id", value, sizeof(value)))
		return;
	if (strstr(value, "User Mode Linux"))
		say_for(detection, PRODUCT_UML, VISO_CONFIDENCE_CERTAIN, path, value);
	if (strstr(value, "PowerVM Lx86"))
		say_for(detection, PRODUCT_POWERVM_LX86, VISO_CONFIDENCE_CERTAIN, path, value);
}

/*
 * VM00 is the hypervisor next to us, VM01 the one around it; they all are in a partition (arch/s390/kernel/sysinfo.c).
 */
static void look_at_sysinfo(struct detection *detection)
{
	static const char path[] = "/proc/sysinfo";
	char value[128];
	char *text = malloc(SYSINFO_SIZE);
	if (!text) {
		detection->error = -ENOMEM;
		return;
	}
	ssize_t n = provider_read(detection->provider, path, text, SYSINFO_SIZE);
	if (n < 0) {
		say_unread(detection, VISO_LAYER_HYPERVISOR, true, path, (int)n);
		free(text);
		return;
	}
	for (char level = '0'; level <= '7'; level++) {
		char key[] = "VM00 Control Program";
		key[3] = level;
		if (!find_value(text, key, value, sizeof(value)))
			continue;
		say_for(detection,
			strstr(value, "KVM/Linux") ? PRODUCT_KVM
			: strstr(value, "z/VM")    ? PRODUCT_ZVM
						   : PRODUCT_VM_OTHER,
			VISO_CONFIDENCE_CERTAIN, path, value);
	}
	if (find_value(text, "LPAR Number", value, sizeof(value)))
		say_for(detection, PRODUCT_LPAR, VISO_CONFIDENCE_CERTAIN, path, value);
	free(text);
}

void detect_by_processor_text(struct detection *detection)
{
	if (detection->processor == PROCESSOR_S390)
		look_at_sysinfo(detection);
	else
		look_at_cpuinfo(detection);
}
