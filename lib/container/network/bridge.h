/* SPDX-License-Identifier: MIT */
/* The bridge to which containers are attached: made with the first, removed with the last. */
#ifndef NETWORK_BRIDGE_H
#define NETWORK_BRIDGE_H

#include "container/network.h"
#include "container/network/netlink.h"

#define BRIDGE_DEFAULT "viso0"

/* What a container has of it. */
struct attachment {
	int bridge; /* index of the interface; 0: none */
	int port;
	bool own;                    /* the bridge is one that the library made */
	struct address addresses[2]; /* of the bridge, by IPv4 and IPv6; family 0: none */
};

/*
 * Makes the bridge where it is missing, and a pair of interfaces with one end in the namespace. `addresses` are those
 * that the container is to have; where there are none, one is chosen and put into `chosen`. 0 or a negative errno with
 * the error set.
 */
int bridge_attach(struct netlink *netlink, const struct container_network *settings, int namespace,
		  struct address *chosen, struct attachment *out);

/* Removes them again, and the bridge with the last; leaves the error alone. */
void bridge_detach(struct netlink *netlink, const struct attachment *attachment);

#endif
