/* SPDX-License-Identifier: MIT */
/*
 * Interfaces, their addresses and routes, by rtnetlink(7). All return 0 or a negative errno and leave the error alone;
 * why the kernel refused is in netlink->reason.
 */
#ifndef NETWORK_LINK_H
#define NETWORK_LINK_H

#include "container/network/address.h"
#include "container/network/netlink.h"

/* The name of a container's interface, inside. */
#define LINK_INSIDE "eth0"

struct link {
	int index;
	uint32_t group;
	char kind[16];      /* "bridge", …; "" of a device */
	uint8_t address[6]; /* of Ethernet */
};

/* -ENODEV where there is none. */
int link_find(struct netlink *netlink, const char *name, struct link *out);

/* A bridge with that Ethernet address, up. -EEXIST. */
int link_make_bridge(struct netlink *netlink, const char *name, const uint8_t address[6]);

/*
 * A pair of interfaces, one on the bridge, up, with the group, the other one as LINK_INSIDE in the network namespace.
 * -EEXIST where the name is taken.
 */
int link_make_veth(struct netlink *netlink, const char *name, int bridge, uint32_t group, int namespace);

/* "macvlan" or "ipvlan" on an interface, as LINK_INSIDE in the namespace. */
int link_make_on_parent(struct netlink *netlink, const char *kind, int parent, int namespace);

int link_set_up(struct netlink *netlink, int index);
int link_delete(struct netlink *netlink, int index);

/* 1 where an interface is on the bridge, 0 where none is. */
int link_has_ports(struct netlink *netlink, int bridge);

int link_add_address(struct netlink *netlink, int index, const struct address *address);
/* The default route of the gateway's family. */
int link_add_gateway(struct netlink *netlink, int index, const struct address *gateway);

/*
 * Calls back for each address of an interface, of all where `index` is 0, but for those that the kernel made of link
 * local scope; until that returns other than 0, which is then returned.
 */
int link_each_address(struct netlink *netlink, int index,
		      int (*callback)(void *data, int index, const struct address *address), void *data);

#endif
