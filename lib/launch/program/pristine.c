/* SPDX-License-Identifier: MIT */
/*
 * An empty network namespace for the next container of a pool: it takes longer to make, and the kernel longer to clear
 * away, than everything else about a container.
 *
 * It belongs to the launcher's user namespace, so that no program in it, nor in a user namespace of a program, has a
 * capability over it: there is nothing that could be configured. What is left to do in it is to make sockets. It is
 * used again where all of these are gone, and all counters are what they were when it was new: no packet has been sent,
 * so there are no connections that linger, nor routes, neighbours or metrics that were learnt. The filter of such a
 * container lets sockets be made of the usual families and protocols only, since others may keep what does not show
 * here. Any doubt means a new one.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "launcher.h"

/*
 * What shows every trace: the packets of lo; the sockets that there are; flow labels, which outlive their sockets
 * (ip6_flowlabel.c); routes; the counters of the protocols, of which one counts where a packet was refused before it
 * came to lo. What else there is, such as netstat, counts with packets and costs as much as all of these. Cheap ones
 * come first. A kernel without IPv6 has not all of them.
 */
static const char *const names[] = {"dev", "sockstat", "ip6_flowlabel", "rt6_stats", "snmp", "snmp6"};
enum { FILES = sizeof(names) / sizeof(names[0]), TEXT_MAX = 8192 };

static struct {
	int namespace; /* -1 where there is none */
	int files[FILES];
	size_t sizes[FILES];
	char texts[FILES][TEXT_MAX]; /* as they were when it was new */
} network = {.namespace = -1};

static int home = -1;

/* Of how sockets are used, the first line is that of this namespace; the rest has memory that all share. */
static size_t read_text(int which, char *text)
{
	ssize_t n = pread(network.files[which], text, TEXT_MAX, 0);
	const char *line_end = n > 0 && !strcmp(names[which], "sockstat") ? memchr(text, '\n', (size_t)n) : NULL;
	return n < 0 ? 0 : line_end ? (size_t)(line_end - text) : (size_t)n;
}

static void open_files(void)
{
	char path[64];
	for (int i = 0; i < FILES; i++) {
		snprintf(path, sizeof(path), "/proc/self/net/%s", names[i]);
		network.files[i] = open(path, O_RDONLY | O_CLOEXEC);
		network.sizes[i] = network.files[i] < 0 ? 0 : read_text(i, network.texts[i]);
	}
}

void pristine_make(void)
{
	if (network.namespace >= 0)
		return;
	if (home < 0 && (home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) < 0)
		return;
	if (unshare(CLONE_NEWNET) < 0)
		return;
	if (network_bring_loopback_up() == 0) {
		network.namespace = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		open_files();
	}
	pristine_leave();
	/* Without one, or without the means to tell whether it is as new, each container makes its own. */
	if (network.namespace >= 0 && (!network.sizes[0] || !network.sizes[1]))
		pristine_drop();
}

void pristine_drop(void)
{
	if (network.namespace < 0)
		return;
	for (int i = 0; i < FILES; i++)
		close_quietly(network.files[i]);
	network.namespace = close_quietly(network.namespace);
}

bool pristine_is(void)
{
	static char text[TEXT_MAX];
	for (int i = 0; i < FILES; i++) {
		if (network.files[i] < 0)
			continue;
		size_t size = read_text(i, text);
		if (size == TEXT_MAX || size != network.sizes[i] || memcmp(text, network.texts[i], size) != 0)
			return false;
	}
	return true;
}

bool pristine_enter(void)
{
	return network.namespace >= 0 && setns(network.namespace, CLONE_NEWNET) == 0;
}

void pristine_leave(void)
{
	if (setns(home, CLONE_NEWNET) < 0)
		_exit(1);
}
