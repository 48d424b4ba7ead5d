/* SPDX-License-Identifier: MIT */
/* What the containers of this host process have in common on its network; a forked child has its own. */
#ifndef NETWORK_HOST_H
#define NETWORK_HOST_H

#include <pthread.h>
#include <stdint.h>
#include <sys/types.h>

#include "container/network/netlink.h"

struct network_host {
	pid_t owner;
	uint32_t group;          /* of its interfaces, by chance (IFLA_GROUP) */
	_Atomic uint32_t next;   /* where the search for a free address goes on */
	pthread_mutex_t lock;    /* guards all below */
	struct netlink nftables; /* owns the table */
	ino_t inode;             /* of its socket: a host that closes all fds may have put one of its own there */
	unsigned table_users;
};

/* NULL without memory. */
struct network_host *network_host(void);

/* 0 without memory: then it is no group of ours. */
uint32_t host_group(void);
uint32_t host_next_address(void);

#endif
