/* SPDX-License-Identifier: MIT */
/* The options of a guest: each is a setter of viso_guest. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "options.h"
#include "run.h"

enum { SYSCALLS_MAX = 512 };

/* SOURCE[:PATH[:ro]] */
static int add_bind(viso_guest *guest, const char *value)
{
	char text[4096], *parts[3];
	snprintf(text, sizeof(text), "%s", value);
	cut(text, ':', parts);
	return viso_guest_add_bind(guest, parts[0], parts[1] ? parts[1] : parts[0], !parts[2]);
}

/* Nothing, a size, or a directory that keeps what is written. */
static int set_writable(viso_guest *guest, const char *text)
{
	uint64_t bytes = 0;
	if (text && strchr(text, '/'))
		return viso_guest_set_upper_directory(guest, text);
	if (text)
		parse_size("write", text, &bytes); /* it was read for the container before */
	return viso_guest_set_upper_discarded(guest, bytes);
}

int set_guest_option(struct options *options, int option, const char *value)
{
	int r = 0;
	switch (option) {
	case OPTION_BIND:
		r = add_bind(options->guest, value);
		break;
	case OPTION_WRITE:
		r = set_writable(options->guest, value);
		break;
	case OPTION_CONTAINED:
		r = viso_guest_set_placement(options->guest, VISO_PLACEMENT_CONTAINED);
		break;
	case OPTION_CORE:
		r = viso_guest_set_core_path(options->guest, value);
		break;
	case OPTION_KERNEL:
		r = viso_guest_set_kernel(options->guest, value);
		break;
	default:
		options->syscalls = true;
		break;
	}
	return r < 0 ? fail() : 0;
}

void print_syscalls_of(viso_guest *guest)
{
	int numbers[SYSCALLS_MAX];
	uint64_t counts[SYSCALLS_MAX];
	int found = viso_guest_syscalls(guest, 1, numbers, counts, SYSCALLS_MAX);
	for (int i = 0; i < found && i < SYSCALLS_MAX; i++)
		fprintf(stderr, "not served: %s, %" PRIu64 " times\n", viso_syscall_name(numbers[i]), counts[i]);
}
