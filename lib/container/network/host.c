/* SPDX-License-Identifier: MIT */
#include "container/network/host.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static _Atomic(struct network_host *) current;

static struct network_host *make(void)
{
	struct network_host *host = calloc(1, sizeof(*host));
	if (!host)
		return NULL;
	host->owner = getpid();
	/* Early in the life of a machine there is no randomness yet; nobody is to guess this. */
	if (getrandom(&host->group, sizeof(host->group), GRND_NONBLOCK) < 0)
		host->group = (uint32_t)getpid() * 2654435761u;
	/* Out of the way of those that people give. */
	host->group |= 0x80000000;
	pthread_mutex_init(&host->lock, NULL);
	return host;
}

/* A forked child's copy of the parent's socket would keep its table. */
static void let_go(struct network_host *host)
{
	struct stat st;
	if (host->nftables.socket && fstat(mnl_socket_get_fd(host->nftables.socket), &st) == 0 &&
	    st.st_ino == host->inode)
		close(mnl_socket_get_fd(host->nftables.socket));
}

struct network_host *network_host(void)
{
	struct network_host *found = atomic_load(&current);
	while (!found || found->owner != getpid()) {
		struct network_host *fresh = make(), *parents = found;
		if (!fresh)
			return NULL;
		if (atomic_compare_exchange_strong(&current, &found, fresh)) {
			/* It is not freed: another thread of this process may just be looking whose it is. */
			if (parents)
				let_go(parents);
			return fresh;
		}
		pthread_mutex_destroy(&fresh->lock);
		free(fresh);
	}
	return found;
}

uint32_t host_group(void)
{
	struct network_host *host = network_host();
	return host ? host->group : 0;
}

uint32_t host_next_address(void)
{
	struct network_host *host = network_host();
	return host ? atomic_fetch_add(&host->next, 1) : 0;
}
