/* SPDX-License-Identifier: MIT */
#include "container/network/netlink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/cleanup.h"

enum { BUFFER_SIZE = 65536, TRIES = 8 };

static int begin(struct netlink *netlink)
{
	int on = 1;
	netlink->buffer = malloc(BUFFER_SIZE);
	if (!netlink->buffer)
		return -ENOMEM;
	if (mnl_socket_bind(netlink->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	/* Reasons in words, since Linux 4.12. */
	mnl_socket_setsockopt(netlink->socket, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(netlink->socket, NETLINK_CAP_ACK, &on, sizeof(on));
	return 0;
}

int netlink_open(struct netlink *netlink, int protocol)
{
	*netlink = (struct netlink){.socket = mnl_socket_open2(protocol, SOCK_CLOEXEC)};
	return netlink->socket ? begin(netlink) : -errno;
}

int netlink_adopt(struct netlink *netlink, int fd)
{
	*netlink = (struct netlink){.socket = mnl_socket_fdopen(fd)};
	if (!netlink->socket) {
		close_fd(fd);
		return -errno;
	}
	return begin(netlink);
}

void netlink_close(struct netlink *netlink)
{
	int saved = errno;
	if (netlink->socket)
		mnl_socket_close(netlink->socket);
	netlink->socket = NULL;
	free(netlink->buffer);
	netlink->buffer = NULL;
	errno = saved;
}

void *netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags, size_t size)
{
	request->header = mnl_nlmsg_put_header(request->bytes);
	request->header->nlmsg_type = type;
	request->header->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	return mnl_nlmsg_put_extra_header(request->header, size);
}

ssize_t netlink_receive(struct netlink *netlink)
{
	ssize_t n;
	while ((n = mnl_socket_recvfrom(netlink->socket, netlink->buffer, BUFFER_SIZE)) < 0 && errno == EINTR)
		;
	return n < 0 ? -errno : n;
}

/* The attributes lie behind the error number and the header of the request, with NETLINK_CAP_ACK without its payload.
 */
static void keep_reason(struct netlink *netlink, const struct nlmsghdr *header)
{
	const struct nlattr *attribute;
	if (!(header->nlmsg_flags & NLM_F_ACK_TLVS) || !(header->nlmsg_flags & NLM_F_CAPPED))
		return;
	mnl_attr_for_each(attribute, header,
			  sizeof(struct nlmsgerr)) if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG &&
						       mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0)
		snprintf(netlink->reason, sizeof(netlink->reason), "%s", mnl_attr_get_str(attribute));
}

int netlink_error_of(struct netlink *netlink, const struct nlmsghdr *header)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(header);
	if (header->nlmsg_len < mnl_nlmsg_size(sizeof(*error)))
		return EBADMSG;
	if (error->error)
		keep_reason(netlink, header);
	return -error->error;
}

/* One datagram: 1 where more is to come, 0 at the end, or a negative errno. */
static int take_answer(struct netlink *netlink, size_t size, mnl_cb_t callback, void *data, bool *interrupted)
{
	const struct nlmsghdr *header = (const struct nlmsghdr *)netlink->buffer;
	int left = (int)size;
	for (; mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
		/* What is left of a request that was given up. */
		if (header->nlmsg_seq != netlink->sequence)
			continue;
		*interrupted = *interrupted || header->nlmsg_flags & NLM_F_DUMP_INTR;
		if (header->nlmsg_type == NLMSG_DONE)
			return *interrupted ? -EINTR : 0;
		if (header->nlmsg_type == NLMSG_ERROR)
			return -netlink_error_of(netlink, header);
		if (callback && callback(header, data) < MNL_CB_STOP)
			return -errno;
	}
	return 1;
}

int netlink_ask(struct netlink *netlink, struct netlink_request *request, mnl_cb_t callback, void *data)
{
	int r = -EINTR;
	netlink->reason[0] = '\0';
	if ((request->header->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		request->header->nlmsg_flags |= NLM_F_ACK;
	/* A listing during which something has changed is asked for again. */
	for (int i = 0; i < TRIES && r == -EINTR; i++) {
		bool interrupted = false;
		request->header->nlmsg_seq = ++netlink->sequence;
		while (mnl_socket_sendto(netlink->socket, request->header, request->header->nlmsg_len) < 0)
			if (errno != EINTR)
				return -errno;
		do {
			ssize_t n = netlink_receive(netlink);
			r = n < 0 ? (int)n : take_answer(netlink, (size_t)n, callback, data, &interrupted);
		} while (r > 0);
	}
	return r;
}
