/* SPDX-License-Identifier: MIT */
/*
 * KVM's paravirtual features: what the leaf behind its signature offers (Documentation/virt/kvm/x86/cpuid.rst), and
 * what a guest's kernel lets others see of its use (arch/x86/kernel/kvm.c, kvmclock.c).
 */
#include "machine/drivers/paravirtual.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"

enum { FILE_MAX = 256 * 1024, LINE_SIZE = 4096 };

/* How its use is seen: a file that has (or lacks) a word. */
static const struct {
	unsigned bit;
	const char *name;
	const char *refused_by; /* a word of the kernel's command line that turns it off */
	const char *file;
	const char *word;
	bool absence_tells; /* the file without the word says that it is not used */
} features[] = {
	{0, "clock", "no-kvmclock", "/sys/devices/system/clocksource/clocksource0/current_clocksource", "kvm-clock",
	 true},
	{1, "no delay of I/O", NULL, NULL, NULL, false},
	{3, "clock 2", "no-kvmclock", "/sys/devices/system/clocksource/clocksource0/current_clocksource", "kvm-clock",
	 true},
	{4, "asynchronous page faults", "no-kvmapf", "/proc/interrupts", "HYP:", true},
	{5, "steal time", "no-steal-acc", "/proc/stat", "steal", false},
	{6, "end of interrupt", NULL, NULL, NULL, false},
	{7, "waking of spinning processors", "nopvspin", NULL, NULL, false},
	{9, "flush of TLBs", NULL, NULL, NULL, false},
	{10, "asynchronous page faults of nested guests", "no-kvmapf", NULL, NULL, false},
	{11, "interrupts to other processors", NULL, NULL, NULL, false},
	{12, "polling before halt", NULL, "/sys/devices/system/cpu/cpuidle/current_driver", "haltpoll", true},
	{13, "yielding to a processor", NULL, NULL, NULL, false},
	{14, "asynchronous page faults by interrupt", "no-kvmapf", "/proc/interrupts", "HYP:", true},
	{15, "interrupts to many processors", NULL, NULL, NULL, false},
	{16, "map of encrypted memory", NULL, NULL, NULL, false},
	{17, "control of migration", NULL, NULL, NULL, false},
	{24, "clock that is the same on all processors", NULL, NULL, NULL, false},
};
enum { FEATURES = sizeof(features) / sizeof(features[0]) };

const char *paravirtual_name(int feature)
{
	return (unsigned)feature < FEATURES ? features[feature].name : NULL;
}

/* Time that was stolen: the eighth number of the first line (proc_stat(5)). More than none shows that it is counted. */
static bool has_stolen(const char *text)
{
	unsigned long long steal;
	return sscanf(text, "cpu %*u %*u %*u %*u %*u %*u %*u %llu", &steal) == 1 && steal > 0;
}

/* As a word by itself. */
static bool has_word(const char *text, const char *word)
{
	size_t length = strlen(word);
	for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
		if ((at == text || strchr(" \t\n", at[-1])) && (!at[length] || strchr(" \t\n", at[length])))
			return true;
	return false;
}

/* 0 or -ENOMEM. */
static int find_use(struct provider *provider, const char *command_line, unsigned number, struct feature *out)
{
	_cleanup_free_ char *text = NULL;
	const char *file = features[number].file, *word = features[number].word;
	char what[64];
	size_t size;
	if (features[number].refused_by && has_word(command_line, features[number].refused_by)) {
		out->used = VISO_ANSWER_NO;
		snprintf(out->detail, sizeof(out->detail), "The kernel was told not to: %s in /proc/cmdline.",
			 features[number].refused_by);
		return 0;
	}
	out->used = VISO_ANSWER_UNKNOWN;
	snprintf(out->detail, sizeof(out->detail), "Whether it is used is not seen from outside the kernel.");
	if (!file)
		return 0;
	int r = provider_read_all(provider, file, FILE_MAX, &text, &size);
	if (r < 0) {
		snprintf(out->detail, sizeof(out->detail), "Whether it is used is not known: %s: %s.", file,
			 strerrorname_np(-r) ?: "EIO");
		return r == -ENOMEM ? r : 0;
	}
	bool stolen = !strcmp(word, "steal"), there = stolen ? has_stolen(text) : has_word(text, word);
	if (there || features[number].absence_tells)
		out->used = there ? VISO_ANSWER_YES : VISO_ANSWER_NO;
	snprintf(what, sizeof(what), there || !stolen ? "%s" : "no stolen time so far, or none is told", word);
	snprintf(out->detail, sizeof(out->detail), "%s: %s%s.", file, there || stolen ? "" : "no ", what);
	return 0;
}

static int find_features(struct provider *provider, struct paravirtual *out)
{
	char command_line[LINE_SIZE] = "", why[128];
	struct cpuid_answer answer = {0};
	uint32_t leaf = 0;
	int r = hypervisor_leaf(provider, "KVMKVMKVM\0\0\0", &leaf);
	if (r == 0)
		r = provider_cpuid(provider, leaf + 1, 0, &answer);
	if (r == -ENOMEM || provider_read(provider, "/proc/cmdline", command_line, sizeof(command_line)) == -ENOMEM)
		return -ENOMEM;
	snprintf(why, sizeof(why), r == -ENOENT ? "There is no KVM around this machine" : "cpuid: %s",
		 r < 0 ? strerrorname_np(-r) ?: "EIO" : "");
	for (unsigned i = 0; i < FEATURES; i++) {
		struct feature *feature = &out->features[i];
		feature->offered = r == -ENOENT                         ? VISO_ANSWER_NO
				   : r < 0                              ? VISO_ANSWER_UNKNOWN
				   : answer.eax >> features[i].bit & 1u ? VISO_ANSWER_YES
									: VISO_ANSWER_NO;
		if (feature->offered == VISO_ANSWER_YES && find_use(provider, command_line, i, feature) < 0)
			return -ENOMEM;
		if (feature->offered == VISO_ANSWER_YES)
			continue;
		feature->used = feature->offered;
		if (r < 0)
			snprintf(feature->detail, sizeof(feature->detail), "%s.", why);
		else
			snprintf(feature->detail, sizeof(feature->detail), "Not in CPUID leaf %#x: EAX is %#x.",
				 leaf + 1, answer.eax);
	}
	return 0;
}

struct paravirtual *paravirtual_new(struct provider *provider)
{
	struct paravirtual *out = calloc(1, sizeof(*out) + FEATURES * sizeof(out->features[0]));
	if (!out)
		return NULL;
	if (find_features(provider, out) == 0 &&
	    find_hypercall(provider, &out->way, out->way_detail, sizeof(out->way_detail)) == 0)
		return out;
	free(out);
	return NULL;
}
