/* SPDX-License-Identifier: MIT */
/*
 * One table for all containers of the host process, which belongs to its netlink socket (NFT_TABLE_F_OWNER,
 * Linux 5.12): the kernel removes it with the socket, so also where the process is killed.
 *
 * By libmnl, as all else here, not by libnftables: that ends the process by exit() where memory is short, and its
 * socket would be inherited by what the host executes.
 */
#include "container/network/nat.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "container/network/host.h"
#include "core/cleanup.h"
#include "core/error.h"

#ifndef NFT_TABLE_F_OWNER
#define NFT_TABLE_F_OWNER 0x2
#endif

enum { BATCH_MAX = 65536, MESSAGE_ROOM = 2048 };

static const struct {
	const char *name;
	uint32_t hook;
	int32_t priority; /* as dstnat and srcnat of nft(8) */
} chains[] = {
	{"prerouting", NF_INET_PRE_ROUTING, -100},
	{"output", NF_INET_LOCAL_OUT, -100},
	{"postrouting", NF_INET_POST_ROUTING, 100},
};
enum { PREROUTING, OUTPUT, POSTROUTING, CHAINS };

struct batch {
	struct mnl_nlmsg_batch *messages;
	char *bytes;
	char table[24];
	unsigned first; /* sequence number */
	unsigned count; /* of messages that are answered */
};

static void release_batch(struct batch *batch)
{
	if (batch->messages)
		mnl_nlmsg_batch_stop(batch->messages);
	free(batch->bytes);
}

static struct nlmsghdr *add_message(struct batch *batch, struct netlink *netlink, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(mnl_nlmsg_batch_current(batch->messages));
	bool frame = type == NFNL_MSG_BATCH_BEGIN || type == NFNL_MSG_BATCH_END;
	header->nlmsg_type = frame ? type : (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
	header->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags | (frame ? 0 : NLM_F_ACK));
	header->nlmsg_seq = ++netlink->sequence;
	struct nfgenmsg *message = mnl_nlmsg_put_extra_header(header, sizeof(*message));
	message->nfgen_family = frame ? AF_UNSPEC : NFPROTO_INET;
	message->version = NFNETLINK_V0;
	message->res_id = frame ? htons(NFNL_SUBSYS_NFTABLES) : 0;
	batch->count += !frame;
	return header;
}

static int begin_batch(struct batch *batch, struct network_host *host)
{
	*batch = (struct batch){.bytes = malloc(BATCH_MAX + MESSAGE_ROOM)};
	if (batch->bytes)
		batch->messages = mnl_nlmsg_batch_start(batch->bytes, BATCH_MAX);
	if (!batch->messages)
		return -ENOMEM;
	snprintf(batch->table, sizeof(batch->table), "virtiso-%08x", host->group);
	batch->first = host->nftables.sequence + 1;
	add_message(batch, &host->nftables, NFNL_MSG_BATCH_BEGIN, 0);
	mnl_nlmsg_batch_next(batch->messages);
	return 0;
}

static void end_message(struct batch *batch)
{
	mnl_nlmsg_batch_next(batch->messages);
}

static void put_u32(struct nlmsghdr *header, uint16_t type, uint32_t value)
{
	mnl_attr_put_u32(header, type, htonl(value));
}

static void add_table(struct batch *batch, struct netlink *netlink)
{
	struct nlmsghdr *header = add_message(batch, netlink, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
	mnl_attr_put_strz(header, NFTA_TABLE_NAME, batch->table);
	put_u32(header, NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
	end_message(batch);
	for (int i = 0; i < CHAINS; i++) {
		header = add_message(batch, netlink, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL);
		mnl_attr_put_strz(header, NFTA_CHAIN_TABLE, batch->table);
		mnl_attr_put_strz(header, NFTA_CHAIN_NAME, chains[i].name);
		mnl_attr_put_strz(header, NFTA_CHAIN_TYPE, "nat");
		struct nlattr *hook = mnl_attr_nest_start(header, NFTA_CHAIN_HOOK);
		put_u32(header, NFTA_HOOK_HOOKNUM, chains[i].hook);
		put_u32(header, NFTA_HOOK_PRIORITY, (uint32_t)chains[i].priority);
		mnl_attr_nest_end(header, hook);
		end_message(batch);
	}
}

/* A rule in the making. */
struct rule {
	struct batch *batch;
	struct nlmsghdr *header;
	struct nlattr *expressions;
	struct nlattr *element, *data;
};

static struct rule begin_rule(struct batch *batch, struct netlink *netlink, struct nat *nat, unsigned chain)
{
	struct rule rule = {.batch = batch};
	rule.header = add_message(batch, netlink, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND | NLM_F_ECHO);
	mnl_attr_put_strz(rule.header, NFTA_RULE_TABLE, batch->table);
	mnl_attr_put_strz(rule.header, NFTA_RULE_CHAIN, chains[chain].name);
	rule.expressions = mnl_attr_nest_start(rule.header, NFTA_RULE_EXPRESSIONS);
	nat->chains[nat->rule_count++] = (uint8_t)chain;
	return rule;
}

static void end_rule(struct rule *rule)
{
	mnl_attr_nest_end(rule->header, rule->expressions);
	end_message(rule->batch);
}

static void begin_expression(struct rule *rule, const char *name)
{
	rule->element = mnl_attr_nest_start(rule->header, NFTA_LIST_ELEM);
	mnl_attr_put_strz(rule->header, NFTA_EXPR_NAME, name);
	rule->data = mnl_attr_nest_start(rule->header, NFTA_EXPR_DATA);
}

static void end_expression(struct rule *rule)
{
	mnl_attr_nest_end(rule->header, rule->data);
	mnl_attr_nest_end(rule->header, rule->element);
}

static void put_data(struct rule *rule, uint16_t type, const void *bytes, size_t size)
{
	struct nlattr *data = mnl_attr_nest_start(rule->header, type);
	mnl_attr_put(rule->header, NFTA_DATA_VALUE, size, bytes);
	mnl_attr_nest_end(rule->header, data);
}

static void compare(struct rule *rule, uint32_t operation, const void *bytes, size_t size)
{
	begin_expression(rule, "cmp");
	put_u32(rule->header, NFTA_CMP_SREG, NFT_REG_1);
	put_u32(rule->header, NFTA_CMP_OP, operation);
	put_data(rule, NFTA_CMP_DATA, bytes, size);
	end_expression(rule);
}

static void load_meta(struct rule *rule, uint32_t key)
{
	begin_expression(rule, "meta");
	put_u32(rule->header, NFTA_META_DREG, NFT_REG_1);
	put_u32(rule->header, NFTA_META_KEY, key);
	end_expression(rule);
}

static void load_payload(struct rule *rule, uint32_t base, uint32_t offset, size_t size)
{
	begin_expression(rule, "payload");
	put_u32(rule->header, NFTA_PAYLOAD_DREG, NFT_REG_1);
	put_u32(rule->header, NFTA_PAYLOAD_BASE, base);
	put_u32(rule->header, NFTA_PAYLOAD_OFFSET, offset);
	put_u32(rule->header, NFTA_PAYLOAD_LEN, (uint32_t)size);
	end_expression(rule);
}

static void load_constant(struct rule *rule, uint32_t reg, const void *bytes, size_t size)
{
	begin_expression(rule, "immediate");
	put_u32(rule->header, NFTA_IMMEDIATE_DREG, reg);
	put_data(rule, NFTA_IMMEDIATE_DATA, bytes, size);
	end_expression(rule);
}

static void match_family(struct rule *rule, int family)
{
	const uint8_t protocol = family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6;
	load_meta(rule, NFT_META_NFPROTO);
	compare(rule, NFT_CMP_EQ, &protocol, sizeof(protocol));
}

/* What the container sends out of the bridge. */
static void add_masquerade(struct batch *batch, struct netlink *netlink, struct nat *nat, const char *bridge,
			   const struct address *address)
{
	char name[IFNAMSIZ] = "";
	struct rule rule = begin_rule(batch, netlink, nat, POSTROUTING);
	match_family(&rule, address->family);
	load_payload(&rule, NFT_PAYLOAD_NETWORK_HEADER, address->family == AF_INET ? 12 : 8, address_size(address));
	compare(&rule, NFT_CMP_EQ, address->bytes, address_size(address));
	snprintf(name, sizeof(name), "%s", bridge);
	load_meta(&rule, NFT_META_OIFNAME);
	compare(&rule, NFT_CMP_NEQ, name, sizeof(name));
	begin_expression(&rule, "masq");
	end_expression(&rule);
	end_rule(&rule);
}

/* To an address of the host; to the given one, where there is one. */
static void match_host_address(struct rule *rule, const struct address *host, int family)
{
	const uint32_t local = RTN_LOCAL;
	if (host->family) {
		load_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, family == AF_INET ? 16 : 24, address_size(host));
		compare(rule, NFT_CMP_EQ, host->bytes, address_size(host));
		return;
	}
	begin_expression(rule, "fib");
	put_u32(rule->header, NFTA_FIB_DREG, NFT_REG_1);
	put_u32(rule->header, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	put_u32(rule->header, NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
	end_expression(rule);
	compare(rule, NFT_CMP_EQ, &local, sizeof(local));
}

static void add_forward(struct batch *batch, struct netlink *netlink, struct nat *nat, unsigned chain,
			const struct forward *forward, const struct address *address)
{
	const uint8_t protocol = forward->protocol;
	const uint16_t host_port = htons(forward->host_port), port = htons(forward->port);
	struct rule rule = begin_rule(batch, netlink, nat, chain);
	match_family(&rule, address->family);
	match_host_address(&rule, &forward->host, address->family);
	load_meta(&rule, NFT_META_L4PROTO);
	compare(&rule, NFT_CMP_EQ, &protocol, sizeof(protocol));
	load_payload(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 2, sizeof(host_port));
	compare(&rule, NFT_CMP_EQ, &host_port, sizeof(host_port));
	load_constant(&rule, NFT_REG_1, address->bytes, address_size(address));
	load_constant(&rule, NFT_REG_2, &port, sizeof(port));
	begin_expression(&rule, "nat");
	put_u32(rule.header, NFTA_NAT_TYPE, NFT_NAT_DNAT);
	put_u32(rule.header, NFTA_NAT_FAMILY, address->family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6);
	put_u32(rule.header, NFTA_NAT_REG_ADDR_MIN, NFT_REG_1);
	put_u32(rule.header, NFTA_NAT_REG_PROTO_MIN, NFT_REG_2);
	end_expression(&rule);
	end_rule(&rule);
}

static int take_handle(const struct nlmsghdr *header, uint64_t *out)
{
	const struct nlattr *attribute;
	mnl_attr_for_each(attribute, header,
			  sizeof(struct nfgenmsg)) if (mnl_attr_get_type(attribute) == NFTA_RULE_HANDLE) *out =
		be64toh(mnl_attr_get_u64(attribute));
	return 0;
}

/* Sends all and takes the answers; the first error counts. `nat`, where it is not NULL, gets the handles in order. */
static int send_batch(struct batch *batch, struct netlink *netlink, struct nat *nat)
{
	size_t handles = 0;
	unsigned answers = 0;
	int r = 0;
	netlink->reason[0] = '\0';
	add_message(batch, netlink, NFNL_MSG_BATCH_END, 0);
	end_message(batch);
	while (mnl_socket_sendto(netlink->socket, mnl_nlmsg_batch_head(batch->messages),
				 mnl_nlmsg_batch_size(batch->messages)) < 0)
		if (errno != EINTR)
			return -errno;
	while (answers < batch->count) {
		ssize_t n = netlink_receive(netlink);
		if (n < 0)
			return (int)n;
		int left = (int)n;
		const struct nlmsghdr *header = (const struct nlmsghdr *)netlink->buffer;
		for (; mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
			if (header->nlmsg_seq < batch->first)
				continue;
			if (header->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE) && nat &&
			    handles < nat->rule_count)
				take_handle(header, &nat->rules[handles++]);
			if (header->nlmsg_type != NLMSG_ERROR)
				continue;
			answers++;
			int error = netlink_error_of(netlink, header);
			/* Of the whole batch: there is no other answer. */
			if (error && header->nlmsg_seq == batch->first)
				return -error;
			r = r ? r : -error;
		}
	}
	return r;
}

static void add_rules(struct batch *batch, struct netlink *netlink, struct nat *nat,
		      const struct container_network *settings, const char *bridge, const struct address *addresses,
		      size_t count)
{
	bool done[FORWARDS_MAX][2] = {0};
	for (size_t i = 0; i < count; i++) {
		const struct address *address = &addresses[i];
		if (settings->nat)
			add_masquerade(batch, netlink, nat, bridge, address);
		for (size_t k = 0; k < settings->forward_count; k++) {
			const struct forward *forward = &settings->forwards[k];
			bool *seen = &done[k][address->family == AF_INET6];
			if (*seen || (forward->host.family && forward->host.family != address->family))
				continue;
			*seen = true;
			add_forward(batch, netlink, nat, PREROUTING, forward, address);
			add_forward(batch, netlink, nat, OUTPUT, forward, address);
		}
	}
}

static bool is_ours(const struct network_host *host)
{
	struct stat st;
	return host->nftables.socket && fstat(mnl_socket_get_fd(host->nftables.socket), &st) == 0 &&
	       S_ISSOCK(st.st_mode) && st.st_ino == host->inode;
}

/* With the lock held. */
static int open_socket(struct network_host *host)
{
	struct stat st;
	int r = netlink_open(&host->nftables, NETLINK_NETFILTER);
	if (r == 0 && fstat(mnl_socket_get_fd(host->nftables.socket), &st) < 0)
		r = -errno;
	host->inode = r == 0 ? st.st_ino : 0;
	return r;
}

/* Where the host has put something of its own in its place, the table is gone; that fd is not ours to close. */
static void close_socket(struct network_host *host)
{
	if (is_ours(host) || !host->inode)
		netlink_close(&host->nftables);
	else
		free(host->nftables.buffer);
	host->nftables = (struct netlink){0};
	host->table_users = 0;
}

/* With the lock held. */
static int make_rules(struct network_host *host, struct nat *nat, const struct container_network *settings,
		      const char *bridge, const struct address *addresses, size_t count)
{
	_cleanup_(release_batch) struct batch batch = {0};
	if (host->table_users && !is_ours(host))
		close_socket(host);
	int r = host->table_users ? 0 : open_socket(host);
	if (r == 0)
		r = begin_batch(&batch, host);
	if (r == 0) {
		if (!host->table_users)
			add_table(&batch, &host->nftables);
		add_rules(&batch, &host->nftables, nat, settings, bridge, addresses, count);
		r = send_batch(&batch, &host->nftables, nat);
	}
	if (r == 0) {
		host->table_users++;
		nat->counted = true;
		return 0;
	}
	nat->rule_count = 0;
	error_fail(VISO_STAGE_NETWORK, -r, "nftables", "the rules for NAT cannot be made: %s%s%s%s",
		   strerrordesc_np(-r), host->nftables.reason[0] ? ": " : "", host->nftables.reason,
		   r == -EOPNOTSUPP || r == -EINVAL || r == -EPROTONOSUPPORT
			   ? "; they take nf_tables with NAT and Linux 5.12"
			   : "");
	if (!host->table_users)
		close_socket(host);
	return r;
}

/* With the lock held. The last one closes the socket, and with it goes the table. */
static void delete_rules(struct network_host *host, const struct nat *nat)
{
	_cleanup_(release_batch) struct batch batch = {0};
	if (!is_ours(host))
		return;
	if (begin_batch(&batch, host) == 0) {
		bool last = host->table_users == 1;
		for (size_t i = 0; i < (last ? 1 : nat->rule_count); i++) {
			struct nlmsghdr *header =
				add_message(&batch, &host->nftables, last ? NFT_MSG_DELTABLE : NFT_MSG_DELRULE, 0);
			mnl_attr_put_strz(header, last ? NFTA_TABLE_NAME : NFTA_RULE_TABLE, batch.table);
			if (!last) {
				mnl_attr_put_strz(header, NFTA_RULE_CHAIN, chains[nat->chains[i]].name);
				mnl_attr_put_u64(header, NFTA_RULE_HANDLE, htobe64(nat->rules[i]));
			}
			end_message(&batch);
		}
		send_batch(&batch, &host->nftables, NULL);
	}
	if (--host->table_users == 0)
		close_socket(host);
}

/* A socket at the port keeps other programs, and other containers, from it; the packets do not come to it. */
static int reserve_port(struct nat *nat, const struct forward *forward)
{
	const struct address *host = &forward->host;
	int type = forward->protocol == VISO_PROTOCOL_TCP ? SOCK_STREAM : SOCK_DGRAM, off = 0, fd = -1;
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(forward->host_port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(forward->host_port)};
	memcpy(&in.sin_addr, host->bytes, sizeof(in.sin_addr));
	memcpy(&in6.sin6_addr, host->bytes, sizeof(in6.sin6_addr));
	int r = -1;
	if (host->family != AF_INET && (fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0)) >= 0) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
		r = bind(fd, (struct sockaddr *)&in6, sizeof(in6));
	} else if (host->family != AF_INET6 && (fd = socket(AF_INET, type | SOCK_CLOEXEC, 0)) >= 0) {
		r = bind(fd, (struct sockaddr *)&in, sizeof(in));
	}
	if (r < 0) {
		char text[ADDRESS_TEXT_MAX] = "any address", object[96];
		int error = errno;
		close_fd(fd);
		if (host->family)
			address_format(host, false, text);
		snprintf(object, sizeof(object), "port %u", forward->host_port);
		return error_fail(VISO_STAGE_NETWORK, error, object, "port %u of the host (%s) cannot be forwarded: %s",
				  forward->host_port, text, strerrordesc_np(error));
	}
	nat->ports[nat->port_count++] = fd;
	return 0;
}

static int check_forwarding(const char *path, const char *name)
{
	char byte = '1';
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, &byte, 1) != 1 || byte != '0')
		return 0;
	return error_fail(VISO_STAGE_NETWORK, EOPNOTSUPP, name,
			  "the host does not pass packets on, which NAT and forwarded ports need; set sysctl %s=1",
			  name);
}

static int check(const struct container_network *settings, const struct address *addresses, size_t count)
{
	bool has[2] = {false, false};
	for (size_t i = 0; i < count; i++)
		has[addresses[i].family == AF_INET6] = true;
	int r = has[0] ? check_forwarding("/proc/sys/net/ipv4/ip_forward", "net.ipv4.ip_forward") : 0;
	if (r == 0 && has[1])
		r = check_forwarding("/proc/sys/net/ipv6/conf/all/forwarding", "net.ipv6.conf.all.forwarding");
	for (size_t i = 0; r == 0 && i < settings->forward_count; i++) {
		const struct address *host = &settings->forwards[i].host;
		char text[ADDRESS_TEXT_MAX];
		if (host->family && !has[host->family == AF_INET6])
			r = error_fail(VISO_STAGE_NETWORK, EADDRNOTAVAIL, address_format(host, false, text),
				       "a port of %s cannot be forwarded: the container has no address of that kind",
				       text);
	}
	return r;
}

int nat_add(struct nat *nat, const struct container_network *settings, const char *bridge,
	    const struct address *addresses, size_t count)
{
	if (!settings->nat && !settings->forward_count)
		return 0;
	struct network_host *host = network_host();
	if (!host)
		return error_memory();
	int r = check(settings, addresses, count);
	for (size_t i = 0; r == 0 && i < settings->forward_count; i++)
		r = reserve_port(nat, &settings->forwards[i]);
	if (r < 0)
		return r;
	pthread_mutex_lock(&host->lock);
	r = make_rules(host, nat, settings, bridge, addresses, count);
	pthread_mutex_unlock(&host->lock);
	return r;
}

void nat_remove(struct nat *nat)
{
	struct network_host *host = nat->counted ? network_host() : NULL;
	if (host) {
		pthread_mutex_lock(&host->lock);
		delete_rules(host, nat);
		pthread_mutex_unlock(&host->lock);
	}
	for (size_t i = 0; i < nat->port_count; i++)
		close_fd(nat->ports[i]);
	*nat = (struct nat){0};
}
