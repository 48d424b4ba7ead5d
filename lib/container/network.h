/* SPDX-License-Identifier: MIT */
/* The settings of a container by subject: the network. */
#ifndef CONTAINER_NETWORK_H
#define CONTAINER_NETWORK_H

#include <virtiso/container.h>
#include <virtiso/container_network.h>

#include "container/network/address.h"
#include "launch/request.h"

enum {
	ADDRESSES_MAX = 16,
	FORWARDS_MAX = 128,
	DNS_SERVERS_MAX = 3,                              /* resolv.conf(5) */
	NAT_RULES_MAX = ADDRESSES_MAX + 4 * FORWARDS_MAX, /* two chains, two families */
};

struct forward {
	viso_protocol protocol;
	struct address host; /* family 0: any */
	uint16_t host_port;
	uint16_t port;
};

struct container_network {
	char *parent; /* NULL for the default */
	struct address addresses[ADDRESSES_MAX];
	size_t address_count;
	struct address gateways[2]; /* IPv4 and IPv6; family 0: none */
	struct address dns_servers[DNS_SERVERS_MAX];
	size_t dns_server_count;
	struct forward *forwards;
	size_t forward_count;
	bool nat;
};

/* Writes them into the plan of a start. 0 or a negative errno with the error set. */
int network_add(struct launch_request *request, const viso_container *container);

/* Gives the process of a start what makes its network from outside. 0 or a negative errno with the error set. */
int network_prepare(const viso_container *container, viso_process *process);

/* The same, by itself, for an instance. */
int network_new(const viso_container *container, struct process_network **out_network);

/* Gives a command in the container's instance a view of that one's. */
int network_share(const viso_container *container, viso_process *process);

void network_release(struct container_network *network);

#endif
