/* SPDX-License-Identifier: MIT */
/* NAT for the containers on a bridge, by nf_tables. */
#ifndef NETWORK_NAT_H
#define NETWORK_NAT_H

#include "container/network.h"
#include "container/network/address.h"

/* What a container has of it. */
struct nat {
	bool counted;                  /* it is a user of the table */
	uint64_t rules[NAT_RULES_MAX]; /* handles */
	uint8_t chains[NAT_RULES_MAX];
	size_t rule_count;
	int ports[FORWARDS_MAX]; /* sockets that keep the ports */
	size_t port_count;
};

/*
 * Makes the rules that the settings ask for, for a container with these addresses on that bridge. 0 or a negative errno
 * with the error set; to be given back in any case.
 */
int nat_add(struct nat *nat, const struct container_network *settings, const char *bridge,
	    const struct address *addresses, size_t count);

/* Leaves the error alone. */
void nat_remove(struct nat *nat);

#endif
