/* SPDX-License-Identifier: MIT */
/*
 * What container managers leave for those inside: the interface of systemd (systemd.io/CONTAINER_INTERFACE), the
 * variable `container` of the first process, files.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "machine/layers/detection.h"

enum { ENVIRONMENT_SIZE = 32 * 1024 };

static const struct {
	const char *name;
	enum product product;
} managers[] = {
	{"docker", PRODUCT_DOCKER},
	{"podman", PRODUCT_PODMAN},
	{"lxc", PRODUCT_LXC},
	{"lxc-libvirt", PRODUCT_LXC_LIBVIRT},
	{"systemd-nspawn", PRODUCT_NSPAWN},
	{"rkt", PRODUCT_RKT},
	{"wsl", PRODUCT_WSL},
	{"proot", PRODUCT_PROOT},
	{"pouch", PRODUCT_POUCH},
	{"flatpak", PRODUCT_FLATPAK},
	{"firejail", PRODUCT_FIREJAIL},
	{"cri-o", PRODUCT_CRIO},
	{"containerd", PRODUCT_CONTAINERD},
	{"garden", PRODUCT_GARDEN},
	{"zone", PRODUCT_ILLUMOS_LX},
};

static const struct {
	const char *path;
	enum product product;
	viso_confidence weight;
} files[] = {
	{"/.dockerenv", PRODUCT_DOCKER, VISO_CONFIDENCE_POSSIBLE},
	{"/.dockerinit", PRODUCT_DOCKER, VISO_CONFIDENCE_POSSIBLE},
	{"/.flatpak-info", PRODUCT_FLATPAK, VISO_CONFIDENCE_LIKELY},
	{"/.singularity.d", PRODUCT_APPTAINER, VISO_CONFIDENCE_POSSIBLE},
	{"/dev/lxd/sock", PRODUCT_LXC, VISO_CONFIDENCE_LIKELY},
	{"/dev/incus/sock", PRODUCT_LXC, VISO_CONFIDENCE_LIKELY},
	{"/run/firejail/mnt", PRODUCT_FIREJAIL, VISO_CONFIDENCE_POSSIBLE},
	{"/run/secrets/kubernetes.io", PRODUCT_KUBERNETES, VISO_CONFIDENCE_LIKELY},
	/* Not /proc/sys/fs/binfmt_misc/WSLInterop: looking there mounts it on other machines (systemd's automount). */
	{"/usr/lib/wsl", PRODUCT_WSL, VISO_CONFIDENCE_LIKELY},
	{"/run/WSL", PRODUCT_WSL, VISO_CONFIDENCE_LIKELY},
};

enum product container_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof(managers) / sizeof(managers[0]); i++)
		if (!strcmp(managers[i].name, name))
			return managers[i].product;
	return PRODUCT_CONTAINER_OTHER;
}

/* Bounded, since the name goes on as evidence; "oci" and the empty name stand for nobody. */
static void say_manager(struct detection *detection, viso_confidence weight, const char *source, const char *name)
{
	if (*name)
		say_mark(detection, container_by_name(name), weight, source, name);
}

static void look_at_files_of_systemd(struct detection *detection)
{
	static const char *const names[] = {"/run/host/container-manager", "/run/systemd/container"};
	char line[64];
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (look_at_line(detection, VISO_LAYER_CONTAINER, !detection->namespaces_initial, names[i], line,
				 sizeof(line)) == 0)
			say_manager(detection, VISO_CONFIDENCE_LIKELY, names[i], line);
}

/*
 * Ours tells less than the first process's, which only root may read: anybody may have set it. Where the initial
 * namespaces refute containers it does not matter that it cannot be read.
 */
static void look_at_environment(struct detection *detection, const char *path, viso_confidence weight)
{
	static const char manager[] = "container=", kubernetes[] = "KUBERNETES_SERVICE_HOST=";
	_cleanup_free_ char *text = malloc(ENVIRONMENT_SIZE); /* the stack of a thread may be small */
	if (!text) {
		detection->error = -ENOMEM;
		return;
	}
	ssize_t n = provider_read(detection->provider, path, text, ENVIRONMENT_SIZE);
	if (n < 0 && !is_absent((int)n))
		say_unread(detection, VISO_LAYER_CONTAINER, !detection->namespaces_initial, path, (int)n);
	for (const char *at = text; at < text + n; at += strlen(at) + 1)
		if (!strncmp(at, manager, sizeof(manager) - 1))
			say_manager(detection, weight, path, at + sizeof(manager) - 1);
		else if (!strncmp(at, kubernetes, sizeof(kubernetes) - 1))
			say_mark(detection, PRODUCT_KUBERNETES, VISO_CONFIDENCE_POSSIBLE, path,
				 "KUBERNETES_SERVICE_HOST");
}

/*
 * Podman and CRI-O both make it, Podman with the engine's name in it where the container is privileged. An image may
 * have Docker's file besides.
 */
static void look_at_containerenv(struct detection *detection)
{
	static const char path[] = "/run/.containerenv";
	char text[1024];
	ssize_t n = provider_read(detection->provider, path, text, sizeof(text));
	if (n < 0) {
		if (!is_absent((int)n))
			say_unread(detection, VISO_LAYER_CONTAINER, !detection->namespaces_initial, path, (int)n);
		return;
	}
	bool is_crio = best_for(detection, PRODUCT_CRIO) || best_for(detection, PRODUCT_KUBERNETES);
	say_mark(detection, is_crio ? PRODUCT_CRIO : PRODUCT_PODMAN, VISO_CONFIDENCE_LIKELY, path,
		 strstr(text, "engine=\"podman") ? "engine podman" : "");
	if (best_for(detection, PRODUCT_DOCKER))
		say_against(detection, PRODUCT_DOCKER, VISO_CONFIDENCE_LIKELY, path, "");
}

void detect_container_markers(struct detection *detection)
{
	look_at_files_of_systemd(detection);
	look_at_environment(detection, "/proc/1/environ", VISO_CONFIDENCE_LIKELY);
	look_at_environment(detection, "/proc/self/environ", VISO_CONFIDENCE_POSSIBLE);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (look_for(detection, VISO_LAYER_CONTAINER, !detection->namespaces_initial, files[i].path))
			say_mark(detection, files[i].product, files[i].weight, files[i].path, "");
	look_at_containerenv(detection);
}
