/* SPDX-License-Identifier: MIT */
/* Requests to the kernel by netlink(7), through libmnl. None of these functions sets the error. */
#ifndef NETWORK_NETLINK_H
#define NETWORK_NETLINK_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

enum { NETLINK_REASON_MAX = 96 };

struct netlink {
	struct mnl_socket *socket; /* NULL: none */
	uint32_t sequence;
	char *buffer;                    /* for answers */
	char reason[NETLINK_REASON_MAX]; /* what the kernel says about its last refusal; may be "" */
};

/* A message in the making. */
struct netlink_request {
	_Alignas(8) char bytes[2048];
	struct nlmsghdr *header;
};

/* 0 or a negative errno; to be closed in any case. */
int netlink_open(struct netlink *netlink, int protocol);
/* Takes a socket over, which may be one of another network namespace. */
int netlink_adopt(struct netlink *netlink, int fd);
void netlink_close(struct netlink *netlink);
#define _cleanup_netlink_ __attribute__((cleanup(netlink_close)))

/* Begins a message of `type` with a fixed part of `size` bytes, which is returned, zeroed. */
void *netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags, size_t size);

/* Sends it and awaits the answers, which go to the callback, up to the acknowledgement. 0 or a negative errno. */
int netlink_ask(struct netlink *netlink, struct netlink_request *request, mnl_cb_t callback, void *data);

/* Receives the next datagram into the buffer: its length, or a negative errno. */
ssize_t netlink_receive(struct netlink *netlink);

/* The errno of an error message, 0 for an acknowledgement; keeps its reason. */
int netlink_error_of(struct netlink *netlink, const struct nlmsghdr *header);

#endif
