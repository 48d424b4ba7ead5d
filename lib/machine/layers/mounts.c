/* SPDX-License-Identifier: MIT */
/*
 * What is mounted at / and over the files that every container gets of its own: where it comes from names the manager,
 * also where there is no marker and nothing in the environment.
 */
#include "machine/layers/mounts.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "machine/layers/detection.h"

/* Parts of the root of a bind mount, or of the options of an overlay. */
static const struct {
	const char *part;
	enum product product;
} places[] = {
	{"/docker/containers/", PRODUCT_DOCKER},
	{"/docker/overlay2/", PRODUCT_DOCKER},
	{"/docker/aufs/", PRODUCT_DOCKER},
	{"/containers/overlay-containers/", PRODUCT_PODMAN},
	{"/containers/storage/overlay", PRODUCT_PODMAN},
	{"/libpod/", PRODUCT_PODMAN},
	{"/io.containerd.grpc.v1.cri/", PRODUCT_CONTAINERD},
	{"/io.containerd.snapshotter.v1.", PRODUCT_CONTAINERD},
	{"/kubelet/pods/", PRODUCT_KUBERNETES},
	{"/rkt/pods/", PRODUCT_RKT},
	{"/lxc/", PRODUCT_LXC},
	{"/lxd/", PRODUCT_LXC},
};

static const char *const points[] = {"/", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/run/.containerenv"};

static const char *take_field(const char **at, const char *end, size_t *out_length)
{
	const char *begin = *at;
	const char *space = memchr(begin, ' ', (size_t)(end - begin));
	*out_length = (size_t)((space ? space : end) - begin);
	*at = space ? space + 1 : end;
	return begin;
}

bool mount_line_next(const char **text, struct mount_line *out_line)
{
	if (!**text)
		return false;
	const char *at = *text, *end = strchrnul(at, '\n');
	size_t length;
	*text = *end ? end + 1 : end;
	const char *id = take_field(&at, end, &length);
	out_line->id = length && isdigit((unsigned char)*id) ? strtoul(id, NULL, 10) : 0;
	take_field(&at, end, &length); /* the parent's */
	take_field(&at, end, &length); /* device */
	out_line->root = take_field(&at, end, &out_line->root_length);
	out_line->point = take_field(&at, end, &out_line->point_length);
	out_line->rest = at;
	out_line->rest_length = (size_t)(end - at);
	if (!out_line->point_length || *out_line->point != '/')
		out_line->id = 0;
	return true;
}

static bool is_of_containers(const struct mount_line *line)
{
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
		if (line->point_length == strlen(points[i]) && !memcmp(line->point, points[i], line->point_length))
			return true;
	return false;
}

/*
 * Who has a root that a container manager made is in its container, whichever namespaces that one shares with the host:
 * a pod may have its processes, its network with its name, and on control groups of version 1 no such namespace.
 */
static void look_at(struct detection *detection, const struct mount_line *line)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		const char *found = memmem(line->root, line->root_length, places[i].part, strlen(places[i].part));
		if (!found)
			found = memmem(line->rest, line->rest_length, places[i].part, strlen(places[i].part));
		if (!found)
			continue;
		char value[128] = "";
		size_t length = strcspn(found, " \n");
		if (line->point_length == 1)
			detection->namespaces_initial = false;
		memcpy(value, found, length < sizeof(value) ? length : sizeof(value) - 1);
		say_mark(detection, places[i].product, VISO_CONFIDENCE_LIKELY, "/proc/self/mountinfo", value);
		return;
	}
}

/* The end may be missing where a host has thousands: what is looked for was mounted early. */
static char *read_mounts(struct detection *detection)
{
	static const char path[] = "/proc/self/mountinfo";
	char *text = malloc(MOUNTS_TEXT_MAX);
	if (!text) {
		detection->error = -ENOMEM;
		return NULL;
	}
	ssize_t n = provider_read(detection->provider, path, text, MOUNTS_TEXT_MAX);
	if (n >= 0)
		return text;
	/* Without it the initial namespaces do not tell for certain. */
	if (detection->namespaces_initial || !is_absent((int)n))
		say_unread(detection, VISO_LAYER_CONTAINER, detection->namespaces_initial, path, (int)n);
	say_unread(detection, VISO_LAYER_CHROOT, true, path, (int)n);
	free(text);
	return NULL;
}

void detect_by_mounts(struct detection *detection)
{
	struct mount_line line;
	detection->mounts = read_mounts(detection);
	const char *rest = detection->mounts ? detection->mounts : "";
	while (mount_line_next(&rest, &line))
		if (line.id && is_of_containers(&line))
			look_at(detection, &line);
}
