/* SPDX-License-Identifier: MIT */
/* The options of a container: each is a setter of viso_container. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "run.h"

static int status_of(int result)
{
	return result < 0 ? fail() : 0;
}

/* SOURCE[:PATH[:ro]] */
static int add_bind(viso_container *container, const char *source, const char *path, const char *mode)
{
	unsigned flags = VISO_MOUNT_DEFAULT;
	if (mode && strcmp(mode, "ro"))
		return fail_option("bind", mode, "ro, or nothing,");
	if (mode)
		flags |= VISO_MOUNT_READ_ONLY;
	return status_of(viso_container_add_bind(container, source, path ? path : source, flags));
}

/* PATH[:SIZE] */
static int add_tmpfs(viso_container *container, const char *path, const char *size)
{
	uint64_t bytes = 0;
	if (size && parse_size("tmpfs", size, &bytes) < 0)
		return -1;
	return status_of(viso_container_add_tmpfs(container, path, bytes, 01777, VISO_MOUNT_DEFAULT));
}

/* HOSTPORT:PORT[:udp] */
static int forward_port(viso_container *container, const char *host_port, const char *port, const char *protocol)
{
	uint64_t from, to;
	if (!port || (protocol && strcmp(protocol, "udp") && strcmp(protocol, "tcp")))
		return fail_option("publish", host_port, "HOSTPORT:PORT or HOSTPORT:PORT:udp");
	if (parse_number("publish", host_port, 65535, &from) < 0 || parse_number("publish", port, 65535, &to) < 0)
		return -1;
	return status_of(viso_container_forward_port(
		container, protocol && protocol[0] == 'u' ? VISO_PROTOCOL_UDP : VISO_PROTOCOL_TCP, NULL, (unsigned)from,
		(unsigned)to));
}

/* The file of an OCI profile, or the name of a profile. */
static int set_seccomp(viso_container *container, const char *text)
{
	static const char *const names[] = {"default", "allow", "deny", "kill", "none"};
	for (int i = 0; i < 5; i++)
		if (!strcmp(text, names[i]))
			return status_of(viso_container_set_seccomp_profile(container, (viso_seccomp_profile)i));
	return status_of(viso_container_load_seccomp(container, text));
}

static int share(viso_container *container, const char *text)
{
	static const char *const names[] = {"mount", "pid", "network", "ipc", "uts", "user", "cgroup", "time"};
	for (int i = 0; i < 8; i++)
		if (!strcmp(text, names[i]))
			return status_of(viso_container_share_namespace(container, (viso_namespace)i));
	return fail_option("share", text, "network, ipc, uts or cgroup");
}

/* The share of the CPUs that all processes have together, such as 0.5 or 2. */
static int set_cpu_max(viso_container *container, const char *text)
{
	char *end;
	double cpus = strtod(text, &end);
	if (end == text || *end || !(cpus >= 0.01 && cpus <= 10000))
		return fail_option("cpus", text, "a number of CPUs such as 0.5");
	return status_of(viso_container_set_cpu_max(container, (uint64_t)(cpus * 100000), 100000));
}

/* Nothing, a size, or a directory that keeps what is written. */
static int set_writable(viso_container *container, const char *text)
{
	uint64_t bytes = 0;
	if (text && strchr(text, '/'))
		return status_of(viso_container_set_upper_directory(container, text));
	if (text && parse_size("write", text, &bytes) < 0)
		return -1;
	return status_of(viso_container_set_upper_discarded(container, bytes));
}

static int set_swap(viso_container *container, const char *text)
{
	uint64_t bytes;
	return parse_size("swap", text, &bytes) < 0 ? -1 : status_of(viso_container_set_swap_max(container, bytes));
}

static int add_interface_option(viso_container *container, int option, const char *value)
{
	switch (option) {
	case OPTION_INTERFACE:
		return status_of(viso_container_set_parent_interface(container, value));
	case OPTION_ADDRESS:
		return status_of(viso_container_add_address(container, value));
	case OPTION_GATEWAY:
		return status_of(viso_container_set_gateway(container, value));
	case OPTION_DNS:
		return status_of(viso_container_add_dns_server(container, value));
	default:
		return status_of(viso_container_set_nat(container, 1));
	}
}

static int add_path_option(viso_container *container, int option, const char *value)
{
	switch (option) {
	case OPTION_READ_ONLY:
		return status_of(viso_container_add_read_only(container, value));
	case OPTION_MASK:
		return status_of(viso_container_add_mask(container, value));
	case OPTION_DEVICE:
		return status_of(viso_container_add_device(container, value));
	default:
		return status_of(viso_container_add_landlock_path(
			container, value, VISO_LANDLOCK_READ | VISO_LANDLOCK_WRITE | VISO_LANDLOCK_EXECUTE));
	}
}

/* Those whose value has parts. */
static int add_parts_option(viso_container *container, int option, char *parts[3])
{
	switch (option) {
	case OPTION_BIND:
		return add_bind(container, parts[0], parts[1], parts[2]);
	case OPTION_TMPFS:
		return add_tmpfs(container, parts[0], parts[1]);
	case OPTION_PUBLISH:
		return forward_port(container, parts[0], parts[1], parts[2]);
	default:
		if (!parts[1])
			return fail_option("sysctl", parts[0], "NAME=VALUE");
		return status_of(viso_container_set_sysctl(container, parts[0], parts[1]));
	}
}

int set_container_option(struct options *options, int option, const char *value)
{
	viso_container *container = options->container;
	char text[4096], *parts[3];

	switch (option) {
	case OPTION_BIND:
	case OPTION_TMPFS:
	case OPTION_PUBLISH:
	case OPTION_SYSCTL:
		snprintf(text, sizeof(text), "%s", value);
		cut(text, option == OPTION_SYSCTL ? '=' : ':', parts);
		return add_parts_option(container, option, parts);
	case OPTION_WRITE:
		return set_writable(container, value);
	case OPTION_SWAP:
		return set_swap(container, value);
	case OPTION_CPUS:
		return set_cpu_max(container, value);
	case OPTION_CPU_SET:
		return status_of(viso_container_set_cpus(container, value));
	case OPTION_HOSTNAME:
		return status_of(viso_container_set_hostname(container, value));
	case OPTION_CAPABILITY:
		return status_of(viso_container_add_capability(container, value));
	case OPTION_SECCOMP:
		return set_seccomp(container, value);
	case OPTION_SHARE:
		return share(container, value);
	case OPTION_READ_ONLY:
	case OPTION_MASK:
	case OPTION_DEVICE:
	case OPTION_LANDLOCK:
		return add_path_option(container, option, value);
	default:
		return add_interface_option(container, option, value);
	}
}
