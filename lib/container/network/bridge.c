/* SPDX-License-Identifier: MIT */
#include "container/network/bridge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <time.h>

#include "container/network/host.h"
#include "container/network/link.h"
#include "core/cleanup.h"
#include "core/error.h"
#include "launch/launcher.h"

enum { NETWORKS = 16, LOCK_MS = 1000 };

/*
 * The beginning of the Ethernet addresses of the library's bridges, by which any host program knows them; the launcher
 * too (program/interfaces.c). A given address also does not change with the ports, as a bridge's does otherwise.
 */
static const uint8_t mark[6] = {0x02, 0x76, 0x69, 0x73, 0x6f, 0x00};

/*
 * Keeps other host programs of this network namespace from removing the bridge while one attaches to it. It is given
 * back by closing, also that of a killed program. Who holds it for no reason gains a second of delay.
 */
static int bridge_lock(void)
{
	const struct timespec millisecond = {.tv_nsec = 1000000};
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	for (int i = 0; fd >= 0 && i < LOCK_MS && flock(fd, LOCK_EX | LOCK_NB) < 0; i++)
		nanosleep(&millisecond, NULL);
	return fd;
}

/* Not by closing alone, which a fork of this process would delay. */
static void bridge_unlock(int *lock)
{
	if (*lock >= 0)
		flock(*lock, LOCK_UN);
	close_fd(*lock);
}

static int fail_link(const struct netlink *netlink, int error, const char *object)
{
	if (error == -EPERM)
		return error_fail(VISO_STAGE_NETWORK, EPERM, object,
				  "%s: interfaces of the host need CAP_NET_ADMIN; without it take VISO_NETWORK_USER",
				  object);
	return error_fail(VISO_STAGE_NETWORK, -error, object, "the network cannot be made: %s: %s%s%s", object,
			  strerrordesc_np(-error), netlink->reason[0] ? ": " : "", netlink->reason);
}

static int overlaps(void *data, int index, const struct address *address)
{
	return address_contains(data, address) || address_contains(address, data);
}

/* 10.88.0.1/16, or the next network that the host does not have. */
static int choose_network(struct netlink *netlink, struct address *out)
{
	for (unsigned i = 0; i < NETWORKS; i++) {
		struct address address = {.family = AF_INET, .prefix = 16, .bytes = {10, (uint8_t)(88 + i), 0, 1}};
		int r = link_each_address(netlink, 0, overlaps, &address);
		if (r < 0)
			return fail_link(netlink, r, "RTM_GETADDR");
		if (r == 0) {
			*out = address;
			return 0;
		}
	}
	return error_fail(VISO_STAGE_NETWORK, EADDRNOTAVAIL, "10.88.0.0/16",
			  "the host has all networks from 10.88.0.0/16 to 10.103.0.0/16; give an address with "
			  "viso_container_add_address()");
}

/* The gateway, if it is in there, or the first that is not the container's. */
static struct address address_of_bridge(const struct container_network *settings, const struct address *container)
{
	for (int i = 0; i < 2; i++)
		if (settings->gateways[i].family && address_contains(container, &settings->gateways[i])) {
			struct address gateway = settings->gateways[i];
			gateway.prefix = container->prefix;
			return gateway;
		}
	struct address address = address_in(container, 1);
	return address_equal(&address, container) ? address_in(container, 2) : address;
}

/* Gives the library's bridge an address in each network of the container. */
static int complete_addresses(struct netlink *netlink, const struct container_network *settings, int bridge)
{
	for (size_t i = 0; i < settings->address_count; i++) {
		if (!address_hosts(&settings->addresses[i]))
			continue;
		struct address address = address_of_bridge(settings, &settings->addresses[i]);
		int r = link_each_address(netlink, bridge, overlaps, &address);
		if (r == 0)
			r = link_add_address(netlink, bridge, &address);
		if (r < 0 && r != -EEXIST)
			return fail_link(netlink, r, "RTM_NEWADDR");
	}
	return 0;
}

static int make_bridge(struct netlink *netlink, const struct container_network *settings, const char *name,
		       struct link *out)
{
	struct address address;
	int r = settings->address_count ? 0 : choose_network(netlink, &address);
	if (r == 0)
		r = launcher_guard_bridge(name, host_group());
	if (r < 0)
		return r;
	r = link_make_bridge(netlink, name, mark);
	if (r == 0)
		r = link_find(netlink, name, out);
	if (r < 0)
		return fail_link(netlink, r, name);
	r = settings->address_count ? 0 : link_add_address(netlink, out->index, &address);
	if (r < 0) {
		fail_link(netlink, r, name);
		link_delete(netlink, out->index);
	}
	return r;
}

static int find_or_make(struct netlink *netlink, const struct container_network *settings, const char *name,
			struct attachment *out)
{
	struct link link;
	int r = link_find(netlink, name, &link);
	if (r == -ENODEV)
		r = make_bridge(netlink, settings, name, &link);
	else if (r < 0)
		return fail_link(netlink, r, name);
	if (r < 0)
		return r;
	if (strcmp(link.kind, "bridge"))
		return error_fail(
			VISO_STAGE_NETWORK, ENOTSUP, name,
			"%s is no bridge; name another one with viso_container_set_parent_interface(), or take "
			"VISO_NETWORK_MACVLAN",
			name);
	out->bridge = link.index;
	out->own = !memcmp(link.address, mark, sizeof(mark) - 1);
	if (!out->own)
		return 0;
	r = launcher_guard_bridge(name, host_group());
	return r < 0 ? r : complete_addresses(netlink, settings, link.index);
}

static int take_bridge_address(void *data, int index, const struct address *address)
{
	struct attachment *attachment = data;
	struct address *own = &attachment->addresses[address->family == AF_INET6];
	if (!own->family)
		*own = *address;
	return 0;
}

/*
 * The name of the bridge's port says which address the container has, so that two cannot have the same: the kernel
 * sees to it, for all host programs of this network namespace, and frees the name with the interface.
 */
static void name_port(const struct address *address, int bridge, char name[16])
{
	uint32_t number = 0;
	for (size_t i = 0; i < address_size(address); i++)
		number = number * (address->family == AF_INET ? 256 : 16777619) + address->bytes[i];
	snprintf(name, 16, "v%08x-%x", number, (unsigned)bridge & 0xfffff);
}

static int make_port(struct netlink *netlink, const struct address *address, int namespace, struct attachment *out)
{
	char name[16];
	struct link link;
	name_port(address, out->bridge, name);
	int r = link_make_veth(netlink, name, out->bridge, host_group(), namespace);
	if (r == 0)
		r = link_find(netlink, name, &link);
	if (r == 0)
		out->port = link.index;
	return r;
}

static int attach_with_next_address(struct netlink *netlink, int namespace, struct address *chosen,
				    struct attachment *out)
{
	const struct address *bridge = &out->addresses[0];
	uint32_t hosts = bridge->family ? address_hosts(bridge) : 0;
	for (uint32_t i = 0; i < hosts; i++) {
		struct address address = address_in(bridge, 1 + host_next_address() % hosts);
		if (address_equal(&address, bridge))
			continue;
		int r = make_port(netlink, &address, namespace, out);
		if (r == -EEXIST)
			continue;
		if (r < 0)
			return fail_link(netlink, r, "veth");
		*chosen = address;
		return 0;
	}
	return error_fail(VISO_STAGE_NETWORK, EADDRNOTAVAIL, "bridge",
			  hosts ? "all addresses of the bridge are taken"
				: "the bridge has no IPv4 network to take an address from; give one with "
				  "viso_container_add_address()");
}

static int attach(struct netlink *netlink, const struct container_network *settings, int namespace,
		  struct address *chosen, struct attachment *out)
{
	char text[ADDRESS_TEXT_MAX];
	int r = link_each_address(netlink, out->bridge, take_bridge_address, out);
	if (r < 0)
		return fail_link(netlink, r, "RTM_GETADDR");
	if (!settings->address_count)
		return attach_with_next_address(netlink, namespace, chosen, out);
	r = make_port(netlink, &settings->addresses[0], namespace, out);
	if (r == -EEXIST)
		return error_fail(VISO_STAGE_NETWORK, EADDRINUSE, address_format(&settings->addresses[0], false, text),
				  "another container of the bridge has the address %s", text);
	return r < 0 ? fail_link(netlink, r, "veth") : 0;
}

/* With the lock held. */
static void remove_if_last(struct netlink *netlink, const struct attachment *attachment)
{
	if (attachment->bridge && attachment->own && link_has_ports(netlink, attachment->bridge) == 0)
		link_delete(netlink, attachment->bridge);
}

int bridge_attach(struct netlink *netlink, const struct container_network *settings, int namespace,
		  struct address *chosen, struct attachment *out)
{
	_cleanup_(bridge_unlock) int lock = bridge_lock();
	int r = find_or_make(netlink, settings, settings->parent ? settings->parent : BRIDGE_DEFAULT, out);
	if (r == 0)
		r = attach(netlink, settings, namespace, chosen, out);
	if (r < 0) {
		remove_if_last(netlink, out);
		*out = (struct attachment){0};
	}
	return r;
}

void bridge_detach(struct netlink *netlink, const struct attachment *attachment)
{
	_cleanup_(bridge_unlock) int lock = bridge_lock();
	if (attachment->port)
		link_delete(netlink, attachment->port);
	remove_if_last(netlink, attachment);
}
