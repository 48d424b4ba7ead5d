/* SPDX-License-Identifier: MIT */
/* The programs of guest tools, and what of them is here. */
#ifndef MACHINE_DRIVERS_TOOLS_H
#define MACHINE_DRIVERS_TOOLS_H

#include "machine/drivers/drivers.h"

enum { TOOL_ASPECTS = VISO_TOOL_CHANNEL + 1 };

struct tool_kind {
	const char *name;
	viso_family family;
	enum brought brought;
	bool service; /* goes on running */
	const char *other_name;
	/* Its channel: a port of a virtio console, a file, or whatever the hypervisor always has. */
	const char *port;
	const char *file;
	bool by_hypervisor;
};
extern const struct tool_kind tool_kinds[];
extern const size_t tool_kind_count;

struct tool_answer {
	viso_answer answer;
	char *evidence;
};
struct tool {
	struct tool_answer aspects[TOOL_ASPECTS];
	const char *package;
};

/* As many as kinds; NULL for want of memory. */
struct tool *tools_new(struct provider *provider, const struct machine_drivers *drivers);
void tools_free(struct tool *tools);

#endif
