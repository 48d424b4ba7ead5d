/* SPDX-License-Identifier: MIT */
/* The three strengths: the same calls, and a word that differs. */
#include <stddef.h>

#include "run.h"

static viso_jail *jail;

static viso_sandbox *make_jail(const struct options *options)
{
	jail = viso_jail_new();
	int r = viso_jail_set_root(jail, options->root);
	if (r == 0 && options->memory)
		r = viso_jail_set_memory_max(jail, options->memory);
	if (r == 0)
		r = viso_jail_set_processes_max(jail, options->processes);
	if (r == 0)
		r = viso_jail_set_network(jail, options->network);
	return r < 0 ? NULL : viso_jail_sandbox(jail);
}

static viso_sandbox *make_container(const struct options *options)
{
	viso_container *container = options->container;
	int r = options->bundle ? 0 : viso_container_set_root(container, options->root);
	if (r == 0 && options->memory)
		r = viso_container_set_memory_max(container, options->memory);
	if (r == 0 && options->processes)
		r = viso_container_set_processes_max(container, options->processes);
	if (r == 0 && options->network != VISO_NETWORK_NONE)
		r = viso_container_set_network(container, options->network);
	return r < 0 ? NULL : viso_container_sandbox(container);
}

static viso_sandbox *make_guest(const struct options *options)
{
	/* NULL where the library was built without guests: making one anew says so. */
	viso_guest *guest = options->guest ? options->guest : viso_guest_new();
	int r = guest ? viso_guest_set_root(guest, options->root) : -1;
	if (r == 0 && options->memory)
		r = viso_guest_set_memory_max(guest, options->memory);
	if (r == 0 && options->processes)
		r = viso_guest_set_processes_max(guest, options->processes);
	return r < 0 ? NULL : viso_guest_sandbox(guest);
}

viso_sandbox *make_sandbox(const struct options *options)
{
	static viso_sandbox *(*const make[])(const struct options *) = {
		[VISO_ISOLATION_JAIL] = make_jail,
		[VISO_ISOLATION_CONTAINER] = make_container,
		[VISO_ISOLATION_GUEST] = make_guest,
	};
	viso_sandbox *sandbox = make[options->isolation](options);
	if (!sandbox)
		fail();
	return sandbox;
}

void release_sandbox(void)
{
	jail = viso_jail_unref(jail);
}
