/* SPDX-License-Identifier: MIT */
/*
 * The namespaces of this process. The initial ones have fixed inodes (PROC_IPC_INIT_INO and so on of
 * include/linux/proc_ns.h): who is in them is in no container that is made of namespaces, whatever files say.
 */
#include <stdio.h>

#include "machine/layers/detection.h"

/*
 * The first three decide. Who is in these, but in an own one of both others, may be in a container that shares the
 * host's processes; a single one of them is what services have (ProtectHostname= and PrivateIPC= of systemd.exec(5)).
 */
static const struct {
	const char *name;
	uint64_t initial;
} namespaces[] = {
	{"pid", 0xeffffffc}, {"user", 0xeffffffd}, {"cgroup", 0xeffffffb}, {"ipc", 0xefffffff}, {"uts", 0xeffffffe},
};
enum { NAMESPACES = sizeof(namespaces) / sizeof(namespaces[0]), DECISIVE = 3, PID = 0 };

static void say_all_initial(struct detection *detection)
{
	char source[32], value[64];
	detection->namespaces_initial = true;
	for (int i = 0; i < DECISIVE; i++) {
		snprintf(source, sizeof(source), "ns %s", namespaces[i].name);
		snprintf(value, sizeof(value), "%llu, the initial one", (unsigned long long)namespaces[i].initial);
		say_against_kind(detection, VISO_LAYER_CONTAINER, source, value);
	}
}

/* A process namespace of one's own is hardly ever for anything else; the others are, for single services. */
static void say_own(struct detection *detection, int i, uint64_t inode)
{
	char source[32], value[64];
	snprintf(source, sizeof(source), "ns %s", namespaces[i].name);
	snprintf(value, sizeof(value), "%llu, not the initial one", (unsigned long long)inode);
	say_for(detection, PRODUCT_CONTAINER_OTHER, i == PID ? VISO_CONFIDENCE_LIKELY : VISO_CONFIDENCE_POSSIBLE,
		source, value);
}

void detect_namespaces(struct detection *detection)
{
	int initial = 0, lesser_own = 0;
	for (int i = 0; i < NAMESPACES; i++) {
		char source[32];
		uint64_t inode = 0;
		int r = provider_namespace(detection->provider, namespaces[i].name, &inode);
		if (r < 0) {
			snprintf(source, sizeof(source), "ns %s", namespaces[i].name);
			say_unread(detection, VISO_LAYER_CONTAINER, i < DECISIVE, source, r);
			lesser_own += i >= DECISIVE;
		} else if (inode == namespaces[i].initial) {
			initial += i < DECISIVE;
		} else if (i < DECISIVE) {
			say_own(detection, i, inode);
			detection->namespaces_own |= i == PID;
		} else {
			lesser_own++;
		}
	}
	if (initial == DECISIVE && lesser_own < NAMESPACES - DECISIVE)
		say_all_initial(detection);
}

void say_mark(struct detection *detection, enum product product, viso_confidence weight, const char *source,
	      const char *value)
{
	if (detection->namespaces_own && weight < VISO_CONFIDENCE_CERTAIN)
		weight++;
	say_for(detection, product, weight, source, value);
	if (detection->namespaces_initial)
		say_against(detection, product, VISO_CONFIDENCE_CERTAIN, "ns pid, user, cgroup", "the initial ones");
}
