/* SPDX-License-Identifier: MIT */
/*
 * pasta(1) of the package passt, of the version of 2023 that Debian 12 has, or later. The launcher gives it its network
 * namespace as fd 0, a pipe for its "pid file" as fd 1, which it writes when it is ready, and one for complaints as
 * fd 2; later versions close all others.
 */
#include "container/network/pasta.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/error.h"
#include "core/strings.h"

static const char *find(void)
{
	static const char *const paths[] = {"/usr/bin/pasta", "/usr/local/bin/pasta", "/bin/pasta"};
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (access(paths[i], X_OK) == 0)
			return paths[i];
	return NULL;
}

static int add_two(struct strings *argv, const char *option, const char *value)
{
	int r = strings_add(argv, option);
	return r < 0 ? r : strings_add(argv, value);
}

/* One option for each port, or "none": what is not said, pasta chooses. */
static int add_forwards(struct strings *argv, const struct container_network *network, viso_protocol protocol,
			const char *option)
{
	bool any = false;
	int r = 0;
	for (size_t i = 0; i < network->forward_count && r == 0; i++) {
		const struct forward *forward = &network->forwards[i];
		char address[ADDRESS_TEXT_MAX] = "", value[ADDRESS_TEXT_MAX + 32];
		if (forward->protocol != protocol)
			continue;
		if (forward->host.family)
			address_format(&forward->host, false, address);
		snprintf(value, sizeof(value), "%s%s%u:%u", address, *address ? "/" : "", forward->host_port,
			 forward->port);
		r = add_two(argv, option, value);
		any = true;
	}
	return any || r < 0 ? r : add_two(argv, option, "none");
}

static int add_addresses(struct strings *argv, const struct container_network *network)
{
	char text[ADDRESS_TEXT_MAX], prefix[16];
	int r = 0;
	for (size_t i = 0; i < network->address_count && r == 0; i++) {
		const struct address *address = &network->addresses[i];
		r = add_two(argv, "--address", address_format(address, false, text));
		snprintf(prefix, sizeof(prefix), "%u", address->prefix);
		if (r == 0 && address->family == AF_INET)
			r = add_two(argv, "--netmask", prefix);
	}
	for (int i = 0; i < 2 && r == 0; i++)
		if (network->gateways[i].family)
			r = add_two(argv, "--gateway", address_format(&network->gateways[i], false, text));
	return r;
}

static int make_argv(struct strings *argv, const char *path, const struct container_network *network)
{
	/* Neither the host's loopback, by the gateway's address, nor ports of it are the container's to reach. */
	static const char *const fixed[] = {
		"--foreground", "--quiet",
		"--config-net", "--no-map-gw",
		"--netns-only", "--no-netns-quit",
		"--netns",      "/proc/self/fd/0",
		"--pid",        "/proc/self/fd/1",
		"--ns-ifname",  "eth0",
		"--tcp-ns",     "none",
		"--udp-ns",     "none",
	};
	int r = strings_add(argv, path);
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]) && r == 0; i++)
		r = strings_add(argv, fixed[i]);
	if (r == 0)
		r = add_addresses(argv, network);
	if (r == 0)
		r = add_forwards(argv, network, VISO_PROTOCOL_TCP, "--tcp-ports");
	if (r == 0)
		r = add_forwards(argv, network, VISO_PROTOCOL_UDP, "--udp-ports");
	return r;
}

static int check_addresses(const struct container_network *network)
{
	int count[2] = {0, 0};
	for (size_t i = 0; i < network->address_count; i++)
		if (++count[network->addresses[i].family == AF_INET6] > 1)
			return error_fail(VISO_STAGE_ARGUMENT, EINVAL, "viso_container_add_address",
					  "VISO_NETWORK_USER has one address of IPv4 and one of IPv6");
	return 0;
}

int pasta_add(struct launch_request *request, const struct container_network *network)
{
	struct strings argv = {0};
	const char *path = find();
	if (!path)
		return error_fail(VISO_STAGE_NETWORK, EOPNOTSUPP, "pasta",
				  "VISO_NETWORK_USER needs pasta; install the package passt");
	int r = check_addresses(network);
	if (r < 0)
		return r;
	if (make_argv(&argv, path, network) < 0) {
		strings_clear(&argv);
		return error_memory();
	}
	struct plan_strings companion = {.count = (uint32_t)argv.count};
	for (size_t i = 0; i < argv.count; i++) {
		plan_offset offset = request_add_string(request, argv.items[i]);
		if (i == 0)
			companion.first = offset;
	}
	strings_clear(&argv);
	request->plan->network.companion = companion;
	return request->error;
}
