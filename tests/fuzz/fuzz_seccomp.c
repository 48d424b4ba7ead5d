/* SPDX-License-Identifier: MIT */
/* A seccomp profile that somebody else wrote: whatever is taken from it is a rule that a filter can be made of. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <virtiso/error.h>

#include "launch/seccomp/oci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the run; libFuzzer keeps the input. */
static void expect(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fuzz_seccomp: %s\n", what);
	abort();
}

static void look_at(const struct seccomp_rule *rule)
{
	unsigned seen = 0;
	expect(rule->number >= 0, "no system call of this processor");
	expect(rule->action <= VISO_SYSCALL_KILL, "no action");
	expect(rule->error <= 4095 && (!rule->error || rule->action == VISO_SYSCALL_ERROR), "no errno");
	expect(rule->condition_count <= SECCOMP_ARGUMENTS, "too many conditions");
	for (uint32_t i = 0; i < rule->condition_count; i++) {
		expect(rule->conditions[i].argument < SECCOMP_ARGUMENTS, "no argument");
		expect(rule->conditions[i].compare <= COMPARE_MASKED, "no comparison");
		expect(!(seen >> rule->conditions[i].argument & 1), "two conditions on one argument");
		seen |= 1u << rule->conditions[i].argument;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t capabilities[] = {0, ~UINT64_C(0)};
	struct oci_profile profile;
	char *text = malloc(size + 1);
	memcpy(text, data, size);
	text[size] = '\0';
	int r = oci_profile_parse(text, size, "fuzz", &profile);
	free(text);
	if (r < 0) {
		expect(r == -viso_error_number() && viso_error_message()[0], "a failure without its error");
		return 0;
	}
	expect(profile.action <= VISO_SYSCALL_KILL && profile.action != VISO_SYSCALL_NOTIFY, "no default");
	for (int i = 0; i < 2; i++) {
		struct seccomp_rules rules = {0};
		expect(oci_profile_rules(&profile, capabilities[i], &rules) == 0, "rules that do not fit");
		for (size_t j = 0; j < rules.count; j++)
			look_at(&rules.items[j]);
		seccomp_rules_release(&rules);
	}
	oci_profile_release(&profile);
	return 0;
}
