/* SPDX-License-Identifier: MIT */
/*
 * Without entering the container's network namespace: the init's rtnetlink socket configures what is in there, and
 * names it (SIOCGSKNS) when the interface is made in this one.
 */
#include "container/network/connect.h"

#include <errno.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "container/network/bridge.h"
#include "container/network/link.h"
#include "container/network/nat.h"
#include "core/cleanup.h"
#include "core/error.h"

struct connection {
	struct process_network network; /* first, so that the one is the other */
	const struct container_network *settings;
	viso_network kind;
	struct address addresses[ADDRESSES_MAX];
	size_t address_count;
	struct attachment attachment;
	struct nat nat;
	pthread_mutex_t lock;  /* of the commands of an instance, each may ask for the addresses; guards `inside` */
	struct netlink inside; /* VISO_NETWORK_USER: kept, since pasta chooses the addresses */
};

static int fail_with(const struct netlink *netlink, int error, const char *object, const char *what)
{
	return error_fail(VISO_STAGE_NETWORK, -error, object, "%s: %s: %s%s%s", what, object, strerrordesc_np(-error),
			  netlink->reason[0] ? ": " : "", netlink->reason);
}

static int attach_to_bridge(struct connection *connection, struct netlink *host, int namespace)
{
	const struct container_network *settings = connection->settings;
	struct address chosen;
	int r = bridge_attach(host, settings, namespace, &chosen, &connection->attachment);
	if (r == 0 && !settings->address_count)
		connection->addresses[connection->address_count++] = chosen;
	return r;
}

static int attach_to_parent(struct connection *connection, struct netlink *host, int namespace)
{
	const char *kind = connection->kind == VISO_NETWORK_MACVLAN ? "macvlan" : "ipvlan";
	const char *parent = connection->settings->parent;
	struct link link;
	int r = link_find(host, parent, &link);
	if (r == -ENODEV)
		return error_fail(VISO_STAGE_NETWORK, ENODEV, parent,
				  "the host has no interface %s; name one with viso_container_set_parent_interface()",
				  parent);
	if (r == 0)
		r = link_make_on_parent(host, kind, link.index, namespace);
	if (r == -EPERM)
		return error_fail(VISO_STAGE_NETWORK, EPERM, parent,
				  "%s: interfaces of the host need CAP_NET_ADMIN; without it take VISO_NETWORK_USER",
				  parent);
	if (r == -EOPNOTSUPP)
		return error_fail(VISO_STAGE_NETWORK, EOPNOTSUPP, kind,
				  "the kernel knows no %s; load its module %s, or take another network", kind, kind);
	return r < 0 ? fail_with(host, r, parent, kind) : 0;
}

/* The interface is there: in the namespace it gets its addresses and routes. */
static int configure(struct connection *connection, struct netlink *inside)
{
	const struct container_network *settings = connection->settings;
	char text[ADDRESS_TEXT_MAX];
	struct link link;
	int r = link_find(inside, LINK_INSIDE, &link);
	if (r < 0)
		return fail_with(inside, r, LINK_INSIDE, "the container's interface");
	for (size_t i = 0; i < connection->address_count; i++) {
		r = link_add_address(inside, link.index, &connection->addresses[i]);
		if (r < 0)
			return fail_with(inside, r, address_format(&connection->addresses[i], true, text),
					 "the container's address");
	}
	r = link_set_up(inside, link.index);
	if (r < 0)
		return fail_with(inside, r, LINK_INSIDE, "the container's interface");
	for (int i = 0; i < 2; i++) {
		const struct address *gateway = &settings->gateways[i];
		bool given = gateway->family != 0;
		if (!given && connection->attachment.own)
			gateway = &connection->attachment.addresses[i];
		bool reached = false;
		for (size_t k = 0; k < connection->address_count; k++)
			reached = reached || address_contains(&connection->addresses[k], gateway);
		if (!gateway->family || (!given && !reached))
			continue;
		r = link_add_gateway(inside, link.index, gateway);
		if (r < 0)
			return fail_with(inside, r, address_format(gateway, false, text), "the container's gateway");
	}
	return 0;
}

static int attach(struct connection *connection, struct netlink *inside)
{
	_cleanup_netlink_ struct netlink host = {0};
	_cleanup_close_ int namespace = ioctl(mnl_socket_get_fd(inside->socket), SIOCGSKNS);
	if (namespace < 0)
		return error_fail(VISO_STAGE_NETWORK, errno, "SIOCGSKNS", NULL);
	int r = netlink_open(&host, NETLINK_ROUTE);
	if (r < 0)
		return error_fail(VISO_STAGE_NETWORK, -r, "netlink", NULL);
	return connection->kind == VISO_NETWORK_BRIDGE ? attach_to_bridge(connection, &host, namespace)
						       : attach_to_parent(connection, &host, namespace);
}

static void disconnect(struct process_network *network)
{
	struct connection *connection = (struct connection *)network;
	_cleanup_netlink_ struct netlink host = {0};
	nat_remove(&connection->nat);
	if (connection->attachment.bridge && netlink_open(&host, NETLINK_ROUTE) == 0)
		bridge_detach(&host, &connection->attachment);
	connection->attachment = (struct attachment){0};
	pthread_mutex_lock(&connection->lock);
	netlink_close(&connection->inside);
	pthread_mutex_unlock(&connection->lock);
}

static int connect_container(struct process_network *network, int socket)
{
	struct connection *connection = (struct connection *)network;
	const struct container_network *settings = connection->settings;
	int r = netlink_adopt(&connection->inside, socket);
	if (r < 0)
		return error_fail(VISO_STAGE_NETWORK, -r, "netlink", NULL);
	/* The rest is pasta's. */
	if (connection->kind == VISO_NETWORK_USER)
		return 0;
	r = attach(connection, &connection->inside);
	if (r == 0)
		r = configure(connection, &connection->inside);
	if (r == 0)
		r = nat_add(&connection->nat, settings, settings->parent ? settings->parent : BRIDGE_DEFAULT,
			    connection->addresses, connection->address_count);
	/* It would keep the namespace, and with it the interface, after the container's end. */
	netlink_close(&connection->inside);
	return r;
}

struct text {
	char *buffer;
	size_t size, length;
};

static void append(struct text *text, const struct address *address)
{
	char line[ADDRESS_TEXT_MAX + 1], shown[ADDRESS_TEXT_MAX];
	address_format(address, true, shown);
	snprintf(line, sizeof(line), "%s\n", shown);
	for (const char *c = line; *c; c++, text->length++)
		if (text->length + 1 < text->size)
			text->buffer[text->length] = *c;
}

static int append_of_interface(void *data, int index, const struct address *address)
{
	append(data, address);
	return 0;
}

static int list_addresses(struct process_network *network, char *buffer, size_t size)
{
	struct connection *connection = (struct connection *)network;
	struct text text = {.buffer = buffer, .size = size};
	struct link link;
	int r = 0;
	for (size_t i = 0; i < connection->address_count; i++)
		append(&text, &connection->addresses[i]);
	pthread_mutex_lock(&connection->lock);
	if (connection->inside.socket) {
		r = link_find(&connection->inside, LINK_INSIDE, &link);
		if (r == 0)
			r = link_each_address(&connection->inside, link.index, append_of_interface, &text);
		if (r == -ENODEV)
			r = 0;
		if (r < 0)
			fail_with(&connection->inside, r, LINK_INSIDE, "the container's addresses");
	}
	pthread_mutex_unlock(&connection->lock);
	if (r < 0)
		return r;
	if (size)
		buffer[text.length < size ? text.length : size - 1] = '\0';
	return (int)text.length;
}

static void release(struct process_network *network)
{
	struct connection *connection = (struct connection *)network;
	/* In a forked copy: its own fds only, which are of no use to it. */
	netlink_close(&connection->inside);
	for (size_t i = 0; i < connection->nat.port_count; i++)
		close_fd(connection->nat.ports[i]);
	pthread_mutex_destroy(&connection->lock);
	free(connection);
}

static const struct process_network_ops ops = {
	.connect = connect_container,
	.addresses = list_addresses,
	.disconnect = disconnect,
	.release = release,
};

struct process_network *network_connection_new(const struct container_network *settings, viso_network kind)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	if (!connection) {
		error_memory();
		return NULL;
	}
	connection->network.ops = &ops;
	pthread_mutex_init(&connection->lock, NULL);
	connection->settings = settings;
	connection->kind = kind;
	connection->address_count = settings->address_count;
	memcpy(connection->addresses, settings->addresses, settings->address_count * sizeof(*settings->addresses));
	return &connection->network;
}
