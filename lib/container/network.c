/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "container/container.h"
#include "container/network/connect.h"
#include "container/network/pasta.h"
#include "core/error.h"

int viso_container_set_network(viso_container *container, viso_network network)
{
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	if ((unsigned)network > VISO_NETWORK_USER)
		return error_argument(__func__, "no such network");
	container->sandbox.network = network;
	return 0;
}

/*
 * As dev_valid_name() of the kernel (net/core/dev.c); and it takes a '%' for a template: of "br%d" it would make "br0",
 * which nobody would find again and remove.
 */
static bool is_interface_name(const char *name)
{
	size_t length = strlen(name);
	if (!length || length >= IFNAMSIZ || !strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	for (; *name; name++)
		if (*name == '/' || *name == ':' || *name == '%' || *name == ' ' || (*name >= '\t' && *name <= '\r'))
			return false;
	return true;
}

int viso_container_set_parent_interface(viso_container *container, const char *interface)
{
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	if (!interface || !is_interface_name(interface))
		return error_argument(__func__,
				      "an interface has a name of 1 to 15 bytes without '/', ':', '%' and spaces");
	char *copy = strdup(interface);
	if (!copy)
		return error_memory();
	free(container->network.parent);
	container->network.parent = copy;
	return 0;
}

static int fail_address(const char *function, const char *text, const char *what)
{
	return error_fail(VISO_STAGE_ARGUMENT, EINVAL, function, "%s: %s is not %s", function, text ? text : "NULL",
			  what);
}

int viso_container_add_address(viso_container *container, const char *address)
{
	struct address parsed;
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	struct container_network *network = &container->network;
	if (!address_parse(address, true, &parsed))
		return fail_address(__func__, address,
				    "an address of a host with a prefix length, such as 10.0.0.2/24");
	if (network->address_count == ADDRESSES_MAX)
		return error_argument(__func__, "more than 16 addresses");
	for (size_t i = 0; i < network->address_count; i++)
		if (address_equal(&network->addresses[i], &parsed))
			return error_argument(__func__, "the container has this address already");
	network->addresses[network->address_count++] = parsed;
	return 0;
}

int viso_container_set_gateway(viso_container *container, const char *gateway)
{
	struct address parsed;
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	if (!address_parse(gateway, false, &parsed))
		return fail_address(__func__, gateway, "an address of a host, such as 10.0.0.1");
	container->network.gateways[parsed.family == AF_INET6] = parsed;
	return 0;
}

int viso_container_add_dns_server(viso_container *container, const char *server)
{
	struct address parsed;
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	struct container_network *network = &container->network;
	if (!address_parse(server, false, &parsed))
		return fail_address(__func__, server, "an address of a name server, such as 10.0.0.53");
	if (network->dns_server_count == DNS_SERVERS_MAX)
		return error_fail(VISO_STAGE_ARGUMENT, E2BIG, server, "%s: %s: programs ask the first three only",
				  __func__, server);
	network->dns_servers[network->dns_server_count++] = parsed;
	return 0;
}

int viso_container_set_nat(viso_container *container, int enabled)
{
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	if (enabled != 0 && enabled != 1)
		return error_argument(__func__, "it is 0 or 1");
#ifndef VISO_WITH_NETWORK
	if (enabled)
		return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "%s: the library was built without libmnl",
				  __func__);
#endif
	container->network.nat = enabled;
	return 0;
}

static bool collides(const struct forward *one, const struct forward *other)
{
	return one->protocol == other->protocol && one->host_port == other->host_port &&
	       (!one->host.family || !other->host.family || address_equal(&one->host, &other->host));
}

int viso_container_forward_port(viso_container *container, viso_protocol protocol, const char *host_address,
				unsigned host_port, unsigned port)
{
	struct forward forward = {.protocol = protocol, .host_port = (uint16_t)host_port, .port = (uint16_t)port};
	char object[32];
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	struct container_network *network = &container->network;
	if (protocol != VISO_PROTOCOL_TCP && protocol != VISO_PROTOCOL_UDP)
		return error_argument(__func__, "no such protocol");
	if (host_port < 1 || host_port > 65535 || port < 1 || port > 65535)
		return error_argument(__func__, "a port is a number from 1 to 65535");
	if (host_address && !address_parse(host_address, false, &forward.host))
		return fail_address(__func__, host_address, "an address of the host");
	if (network->forward_count == FORWARDS_MAX)
		return error_argument(__func__, "more than 128 ports");
	snprintf(object, sizeof(object), "port %u", host_port);
	for (size_t i = 0; i < network->forward_count; i++)
		if (collides(&network->forwards[i], &forward))
			return error_fail(VISO_STAGE_ARGUMENT, EADDRINUSE, object,
					  "%s: port %u of the host is forwarded already", __func__, host_port);
	struct forward *forwards = realloc(network->forwards, (network->forward_count + 1) * sizeof(*forwards));
	if (!forwards)
		return error_memory();
	network->forwards = forwards;
	network->forwards[network->forward_count++] = forward;
	return 0;
}

static int fail_conflict(const char *setter, const char *needs)
{
	return error_fail(VISO_STAGE_ARGUMENT, EINVAL, setter,
			  "%s was called, but viso_container_set_network() has not "
			  "chosen %s",
			  setter, needs);
}

/* Settings that would do nothing. */
static int check(const struct container_network *network, viso_network kind)
{
	bool bridge = kind == VISO_NETWORK_BRIDGE, user = kind == VISO_NETWORK_USER;
	bool on_parent = kind == VISO_NETWORK_MACVLAN || kind == VISO_NETWORK_IPVLAN;
	static const char own_interface[] = "a network with an interface of its own";
	if (network->parent && !bridge && !on_parent)
		return fail_conflict("viso_container_set_parent_interface", "a bridge, macvlan or ipvlan");
	if (!network->parent && on_parent)
		return error_fail(VISO_STAGE_ARGUMENT, EINVAL, "viso_container_set_parent_interface",
				  "macvlan and ipvlan need an interface of the host; name it with "
				  "viso_container_set_parent_interface()");
	if (network->address_count && !bridge && !on_parent && !user)
		return fail_conflict("viso_container_add_address", own_interface);
	if ((network->gateways[0].family || network->gateways[1].family) && !bridge && !on_parent && !user)
		return fail_conflict("viso_container_set_gateway", own_interface);
	if (network->nat && !bridge)
		return fail_conflict("viso_container_set_nat", "a bridge");
	if (network->forward_count && !bridge && !user)
		return fail_conflict("viso_container_forward_port", "a bridge or VISO_NETWORK_USER");
	return 0;
}

/* One more file among what is mounted, the last. */
static void add_file(struct launch_request *request, const char *path, const char *text)
{
	size_t count = request->plan->mounts.count;
	struct plan_mount *mounts = calloc(count + 1, sizeof(*mounts));
	if (!mounts) {
		request->error = error_memory();
		return;
	}
	if (count)
		memcpy(mounts, (const char *)request->plan + request->plan->mounts.first, count * sizeof(*mounts));
	plan_offset target = request_add_string(request, path);
	plan_offset data = request_add_bytes(request, text, strlen(text));
	mounts[count] = (struct plan_mount){
		.kind = PLAN_MOUNT_FILE,
		.flags = VISO_MOUNT_READ_ONLY,
		.mode = 0644,
		.target = target,
		.data = data,
		.size = strlen(text),
	};
	plan_offset first = request_add_bytes(request, mounts, (count + 1) * sizeof(*mounts));
	request->plan->mounts.first = first;
	request->plan->mounts.count = (uint32_t)count + 1;
	free(mounts);
}

static void add_resolv_conf(struct launch_request *request, const struct container_network *network)
{
	char text[DNS_SERVERS_MAX * (ADDRESS_TEXT_MAX + 16)] = "", address[ADDRESS_TEXT_MAX];
	for (size_t i = 0; i < network->dns_server_count; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "nameserver %s\n",
			 address_format(&network->dns_servers[i], false, address));
	add_file(request, "/etc/resolv.conf", text);
}

int network_add(struct launch_request *request, const viso_container *container)
{
	const struct container_network *network = &container->network;
	viso_network kind = container->sandbox.network;
	int r = check(network, kind);
	if (r < 0)
		return r;
	request->plan->network.kind = (uint32_t)kind;
	if (network->dns_server_count)
		add_resolv_conf(request, network);
	if (kind == VISO_NETWORK_USER)
		r = pasta_add(request, network);
	return r < 0 ? r : request->error;
}

/* Without an interface of its own. */
static int no_addresses(struct process_network *network, char *buffer, size_t size)
{
	if (size)
		*buffer = '\0';
	return 0;
}

static void nothing(struct process_network *network)
{
}

static const struct process_network_ops no_ops = {.addresses = no_addresses, .disconnect = nothing, .release = nothing};
static struct process_network without = {&no_ops};

int network_new(const viso_container *container, struct process_network **out_network)
{
	viso_network kind = container->sandbox.network;
	*out_network = kind > VISO_NETWORK_HOST ? network_connection_new(&container->network, kind) : &without;
	return *out_network ? 0 : -viso_error_number();
}

int network_prepare(const viso_container *container, viso_process *process)
{
	return network_new(container, &process->network);
}

/* Of a command in an instance, with which its network goes. */
struct shared_network {
	struct process_network network; /* first, so that the one is the other */
	struct process_network *of_instance;
};

static int shared_addresses(struct process_network *network, char *buffer, size_t size)
{
	struct process_network *of_instance = ((struct shared_network *)network)->of_instance;
	return of_instance->ops->addresses(of_instance, buffer, size);
}

static void release_shared(struct process_network *network)
{
	free(network);
}

int network_share(const viso_container *container, viso_process *process)
{
	static const struct process_network_ops ops = {
		.addresses = shared_addresses, .disconnect = nothing, .release = release_shared};
	struct shared_network *shared = NULL;
	process->network = &without;
	if (!container->instance.network || container->instance.network == &without)
		return 0;
	shared = malloc(sizeof(*shared));
	if (!shared)
		return error_memory();
	*shared = (struct shared_network){{&ops}, container->instance.network};
	process->network = &shared->network;
	return 0;
}

void network_release(struct container_network *network)
{
	free(network->parent);
	free(network->forwards);
}
