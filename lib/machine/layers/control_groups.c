/* SPDX-License-Identifier: MIT */
/* The names of control groups, which container managers make of their own; where the cgroup namespace does not hide
 * them. */
#include <string.h>

#include "machine/layers/detection.h"

static const struct {
	const char *part;
	enum product product;
} parts[] = {
	{"/docker/", PRODUCT_DOCKER},        {"/docker-", PRODUCT_DOCKER},  {"/libpod-", PRODUCT_PODMAN},
	{"/libpod_parent/", PRODUCT_PODMAN}, {"/crio-", PRODUCT_CRIO},      {"cri-containerd", PRODUCT_CONTAINERD},
	{"/kubepods", PRODUCT_KUBERNETES},   {"/lxc.payload", PRODUCT_LXC}, {"/lxc/", PRODUCT_LXC},
	{"/garden/", PRODUCT_GARDEN},        {"/ecs/", PRODUCT_DOCKER},     {"-lxc\\x2d", PRODUCT_LXC_LIBVIRT},
};

void detect_by_control_groups(struct detection *detection)
{
	static const char path[] = "/proc/self/cgroup";
	char text[8192];
	ssize_t n = provider_read(detection->provider, path, text, sizeof(text));
	if (n < 0) {
		if (!is_absent((int)n))
			say_unread(detection, VISO_LAYER_CONTAINER, false, path, (int)n);
		return;
	}
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const char *found = strstr(text, parts[i].part);
		if (!found)
			continue;
		char value[128] = "";
		size_t length = strcspn(found, "\n");
		memcpy(value, found, length < sizeof(value) ? length : sizeof(value) - 1);
		say_mark(detection, parts[i].product, VISO_CONFIDENCE_LIKELY, path, value);
	}
}
