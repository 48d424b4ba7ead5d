/* SPDX-License-Identifier: MIT */
/* /proc/self/status, for what is not made of namespaces: PRoot, OpenVZ, Linux-VServer; and OpenVZ's own files. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine/layers/detection.h"

static const char path[] = "/proc/self/status";

/* The number in the line of a key, or -1. */
static long find_number(const char *text, const char *key)
{
	size_t length = strlen(key);
	for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (!strncmp(line, key, length) && line[length] == ':')
			return strtol(line + length + 1, NULL, 10);
	return -1;
}

/* PRoot follows every system call of the program as its tracer. */
static void look_at_tracer(struct detection *detection, long tracer)
{
	char source[64], name[64];
	if (tracer <= 0)
		return;
	snprintf(source, sizeof(source), "/proc/%ld/comm", tracer);
	int r = provider_read_line(detection->provider, source, name, sizeof(name));
	if (r < 0)
		/* Whoever it is, we cannot say that it is no PRoot. */
		say_unread(detection, VISO_LAYER_CONTAINER, true, source, r);
	else if (!strncmp(name, "proot", 5))
		say_for(detection, PRODUCT_PROOT, VISO_CONFIDENCE_CERTAIN, source, name);
}

static void look_at_context(struct detection *detection, enum product product, const char *key, long context)
{
	char value[64];
	if (context < 0)
		return;
	snprintf(value, sizeof(value), "%s: %ld", key, context);
	say_for(detection, product, VISO_CONFIDENCE_CERTAIN, path, value);
	if (context == 0)
		detection->layers->roles[product] = VISO_ROLE_HOST;
}

/* Both exist on a host of OpenVZ, /proc/vz alone in its containers. */
static void look_at_openvz(struct detection *detection)
{
	if (!look_for(detection, VISO_LAYER_CONTAINER, true, "/proc/vz"))
		return;
	int host = provider_exists(detection->provider, "/proc/bc");
	if (host < 0)
		say_unread(detection, VISO_LAYER_CONTAINER, true, "/proc/bc", host);
	say_for(detection, PRODUCT_OPENVZ, host < 0 ? VISO_CONFIDENCE_LIKELY : VISO_CONFIDENCE_CERTAIN, "/proc/vz",
		host == 0 ? "without /proc/bc" : "");
	if (host > 0)
		detection->layers->roles[PRODUCT_OPENVZ] = VISO_ROLE_HOST;
}

void detect_by_status(struct detection *detection)
{
	char text[4096];
	look_at_openvz(detection);
	ssize_t n = provider_read(detection->provider, path, text, sizeof(text));
	if (n < 0) {
		/* Absent where /proc is not mounted, and then nothing is known. */
		say_unread(detection, VISO_LAYER_CONTAINER, true, path, (int)n);
		return;
	}
	look_at_tracer(detection, find_number(text, "TracerPid"));
	look_at_context(detection, PRODUCT_OPENVZ, "envID", find_number(text, "envID"));
	look_at_context(detection, PRODUCT_VSERVER, "VxID", find_number(text, "VxID"));
}
