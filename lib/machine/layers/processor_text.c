/* SPDX-License-Identifier: MIT */
/* The kernel's texts about the processor: /proc/cpuinfo, and /proc/sysinfo of IBM Z. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "machine/layers/detection.h"

enum { TEXT_SIZE = 4096, SYSINFO_SIZE = 16 * 1024 };

/* What stands behind the colon of the first line that begins so, ended at its end; NULL where there is none. */
static char *find_value(char *text, const char *key)
{
	for (char *line = text; *line;) {
		size_t length = strcspn(line, "\n");
		char *colon = memchr(line, ':', length);
		if (colon && !strncmp(line, key, strlen(key))) {
			if (line[length])
				line[length] = '\0';
			return colon + 1 + strspn(colon + 1, " \t");
		}
		line += length + (line[length] == '\n');
	}
	return NULL;
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
	ssize_t n = provider_read(detection->provider, path, text, sizeof(text));
	if (n < 0) {
		/* The kernel always has it. */
		say_unread(detection, VISO_LAYER_HYPERVISOR, true, path, (int)n);
		return;
	}
	const char *flags = detection->cpuid_read ? NULL : find_value(text, "flags");
	if (flags && has_word(flags, "hypervisor"))
		say_for(detection, PRODUCT_VM_OTHER, VISO_CONFIDENCE_CERTAIN, path, "flag hypervisor");
	const char *vendor = find_value(text, "vendor_id");
	if (vendor && strstr(vendor, "User Mode Linux"))
		say_for(detection, PRODUCT_UML, VISO_CONFIDENCE_CERTAIN, path, vendor);
	if (vendor && strstr(vendor, "PowerVM Lx86"))
		say_for(detection, PRODUCT_POWERVM_LX86, VISO_CONFIDENCE_CERTAIN, path, vendor);
}

/*
 * VM00 is the hypervisor next to us, VM01 the one around it; they all are in a partition (arch/s390/kernel/sysinfo.c).
 */
static void look_at_sysinfo(struct detection *detection)
{
	static const char path[] = "/proc/sysinfo";
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
		const char *program = find_value(text, key);
		if (program && strstr(program, "KVM/Linux"))
			say_for(detection, PRODUCT_KVM, VISO_CONFIDENCE_CERTAIN, path, program);
		else if (program && strstr(program, "z/VM"))
			say_for(detection, PRODUCT_ZVM, VISO_CONFIDENCE_CERTAIN, path, program);
		else if (program)
			say_for(detection, PRODUCT_VM_OTHER, VISO_CONFIDENCE_CERTAIN, path, program);
	}
	const char *partition = find_value(text, "LPAR Number");
	if (partition)
		say_for(detection, PRODUCT_LPAR, VISO_CONFIDENCE_CERTAIN, path, partition);
	free(text);
}

void detect_by_processor_text(struct detection *detection)
{
	if (detection->processor == PROCESSOR_S390)
		look_at_sysinfo(detection);
	else
		look_at_cpuinfo(detection);
}
