/* SPDX-License-Identifier: MIT */
#include "container/network/link.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { CREATE = NLM_F_CREATE | NLM_F_EXCL };

static int take_info(const struct nlattr *attribute, void *data)
{
	struct link *link = data;
	if (mnl_attr_get_type(attribute) == IFLA_INFO_KIND)
		snprintf(link->kind, sizeof(link->kind), "%s", mnl_attr_get_str(attribute));
	return MNL_CB_OK;
}

static int take_link(const struct nlmsghdr *header, void *data)
{
	struct link *link = data;
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(header);
	const struct nlattr *attribute;
	if (header->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_OK;
	link->index = info->ifi_index;
	mnl_attr_for_each(attribute, header, sizeof(*info)) switch (mnl_attr_get_type(attribute))
	{
	case IFLA_GROUP:
		link->group = mnl_attr_get_u32(attribute);
		break;
	case IFLA_ADDRESS:
		if (mnl_attr_get_payload_len(attribute) == sizeof(link->address))
			memcpy(link->address, mnl_attr_get_payload(attribute), sizeof(link->address));
		break;
	case IFLA_LINKINFO:
		mnl_attr_parse_nested(attribute, take_info, link);
		break;
	}
	return MNL_CB_OK;
}

int link_find(struct netlink *netlink, const char *name, struct link *out)
{
	struct netlink_request request;
	struct link link = {0};
	netlink_begin(&request, RTM_GETLINK, 0, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(request.header, IFLA_IFNAME, name);
	int r = netlink_ask(netlink, &request, take_link, &link);
	if (r == 0 && !link.index)
		r = -ENODEV;
	if (r == 0)
		*out = link;
	return r;
}

static void begin_up(struct netlink_request *request)
{
	struct ifinfomsg *info = netlink_begin(request, RTM_NEWLINK, CREATE, sizeof(*info));
	info->ifi_flags = info->ifi_change = IFF_UP;
}

int link_make_bridge(struct netlink *netlink, const char *name, const uint8_t address[6])
{
	struct netlink_request request;
	begin_up(&request);
	mnl_attr_put_strz(request.header, IFLA_IFNAME, name);
	mnl_attr_put(request.header, IFLA_ADDRESS, 6, address);
	struct nlattr *info = mnl_attr_nest_start(request.header, IFLA_LINKINFO);
	mnl_attr_put_strz(request.header, IFLA_INFO_KIND, "bridge");
	mnl_attr_nest_end(request.header, info);
	return netlink_ask(netlink, &request, NULL, NULL);
}

int link_make_veth(struct netlink *netlink, const char *name, int bridge, uint32_t group, int namespace)
{
	struct netlink_request request;
	begin_up(&request);
	mnl_attr_put_strz(request.header, IFLA_IFNAME, name);
	mnl_attr_put_u32(request.header, IFLA_GROUP, group);
	mnl_attr_put_u32(request.header, IFLA_MASTER, (uint32_t)bridge);
	struct nlattr *info = mnl_attr_nest_start(request.header, IFLA_LINKINFO);
	mnl_attr_put_strz(request.header, IFLA_INFO_KIND, "veth");
	struct nlattr *data = mnl_attr_nest_start(request.header, IFLA_INFO_DATA);
	struct nlattr *peer = mnl_attr_nest_start(request.header, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(request.header, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(request.header, IFLA_IFNAME, LINK_INSIDE);
	mnl_attr_put_u32(request.header, IFLA_NET_NS_FD, (uint32_t) namespace);
	mnl_attr_nest_end(request.header, peer);
	mnl_attr_nest_end(request.header, data);
	mnl_attr_nest_end(request.header, info);
	return netlink_ask(netlink, &request, NULL, NULL);
}

int link_make_on_parent(struct netlink *netlink, const char *kind, int parent, int namespace)
{
	struct netlink_request request;
	netlink_begin(&request, RTM_NEWLINK, CREATE, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(request.header, IFLA_IFNAME, LINK_INSIDE);
	mnl_attr_put_u32(request.header, IFLA_LINK, (uint32_t)parent);
	mnl_attr_put_u32(request.header, IFLA_NET_NS_FD, (uint32_t) namespace);
	struct nlattr *info = mnl_attr_nest_start(request.header, IFLA_LINKINFO);
	mnl_attr_put_strz(request.header, IFLA_INFO_KIND, kind);
	/* So that several on one parent reach each other; that is ipvlan's own default (layer 2). */
	if (!strcmp(kind, "macvlan")) {
		struct nlattr *data = mnl_attr_nest_start(request.header, IFLA_INFO_DATA);
		mnl_attr_put_u32(request.header, IFLA_MACVLAN_MODE, MACVLAN_MODE_BRIDGE);
		mnl_attr_nest_end(request.header, data);
	} else {
		struct nlattr *data = mnl_attr_nest_start(request.header, IFLA_INFO_DATA);
		mnl_attr_put_u16(request.header, IFLA_IPVLAN_MODE, IPVLAN_MODE_L2);
		mnl_attr_nest_end(request.header, data);
	}
	mnl_attr_nest_end(request.header, info);
	return netlink_ask(netlink, &request, NULL, NULL);
}

int link_set_up(struct netlink *netlink, int index)
{
	struct netlink_request request;
	struct ifinfomsg *info = netlink_begin(&request, RTM_NEWLINK, 0, sizeof(*info));
	info->ifi_index = index;
	info->ifi_flags = info->ifi_change = IFF_UP;
	return netlink_ask(netlink, &request, NULL, NULL);
}

int link_delete(struct netlink *netlink, int index)
{
	struct netlink_request request;
	struct ifinfomsg *info = netlink_begin(&request, RTM_DELLINK, 0, sizeof(*info));
	info->ifi_index = index;
	return netlink_ask(netlink, &request, NULL, NULL);
}

struct ports {
	uint32_t bridge;
	int found;
};

static int take_port(const struct nlmsghdr *header, void *data)
{
	struct ports *ports = data;
	const struct nlattr *attribute;
	if (header->nlmsg_type == RTM_NEWLINK)
		mnl_attr_for_each(attribute, header,
				  sizeof(struct ifinfomsg)) if (mnl_attr_get_type(attribute) == IFLA_MASTER &&
								mnl_attr_get_u32(attribute) == ports->bridge)
			ports->found = 1;
	return MNL_CB_OK;
}

int link_has_ports(struct netlink *netlink, int bridge)
{
	struct netlink_request request;
	struct ports ports = {.bridge = (uint32_t)bridge};
	netlink_begin(&request, RTM_GETLINK, NLM_F_DUMP, sizeof(struct ifinfomsg));
	/* A newer kernel tells of these only. */
	mnl_attr_put_u32(request.header, IFLA_MASTER, ports.bridge);
	int r = netlink_ask(netlink, &request, take_port, &ports);
	return r < 0 ? r : ports.found;
}

int link_add_address(struct netlink *netlink, int index, const struct address *address)
{
	struct netlink_request request;
	struct ifaddrmsg *info = netlink_begin(&request, RTM_NEWADDR, CREATE, sizeof(*info));
	info->ifa_family = (uint8_t)address->family;
	info->ifa_prefixlen = (uint8_t)address->prefix;
	info->ifa_index = (uint32_t)index;
	/* Of use at once: nobody but the caller gives addresses here. */
	info->ifa_flags = address->family == AF_INET6 ? IFA_F_NODAD : 0;
	mnl_attr_put(request.header, IFA_LOCAL, address_size(address), address->bytes);
	mnl_attr_put(request.header, IFA_ADDRESS, address_size(address), address->bytes);
	return netlink_ask(netlink, &request, NULL, NULL);
}

int link_add_gateway(struct netlink *netlink, int index, const struct address *gateway)
{
	struct netlink_request request;
	struct rtmsg *info = netlink_begin(&request, RTM_NEWROUTE, CREATE, sizeof(*info));
	info->rtm_family = (uint8_t)gateway->family;
	info->rtm_table = RT_TABLE_MAIN;
	info->rtm_protocol = RTPROT_STATIC;
	info->rtm_scope = RT_SCOPE_UNIVERSE;
	info->rtm_type = RTN_UNICAST;
	mnl_attr_put(request.header, RTA_GATEWAY, address_size(gateway), gateway->bytes);
	mnl_attr_put_u32(request.header, RTA_OIF, (uint32_t)index);
	return netlink_ask(netlink, &request, NULL, NULL);
}

struct addresses {
	int index;
	int (*callback)(void *data, int index, const struct address *address);
	void *data;
	int answer;
};

static int take_address(const struct nlmsghdr *header, void *data)
{
	struct addresses *addresses = data;
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(header);
	const struct nlattr *attribute;
	struct address address = {.family = info->ifa_family, .prefix = info->ifa_prefixlen};
	if (header->nlmsg_type != RTM_NEWADDR || addresses->answer || info->ifa_scope == RT_SCOPE_LINK ||
	    (addresses->index && (int)info->ifa_index != addresses->index) ||
	    (address.family != AF_INET && address.family != AF_INET6))
		return MNL_CB_OK;
	bool local = false;
	mnl_attr_for_each(attribute, header, sizeof(*info))
	{
		uint16_t type = mnl_attr_get_type(attribute);
		if ((type == IFA_LOCAL || (type == IFA_ADDRESS && !local)) &&
		    mnl_attr_get_payload_len(attribute) == address_size(&address))
			memcpy(address.bytes, mnl_attr_get_payload(attribute), address_size(&address));
		local = local || type == IFA_LOCAL;
	}
	addresses->answer = addresses->callback(addresses->data, (int)info->ifa_index, &address);
	return MNL_CB_OK;
}

int link_each_address(struct netlink *netlink, int index,
		      int (*callback)(void *data, int index, const struct address *address), void *data)
{
	struct netlink_request request;
	struct addresses addresses = {.index = index, .callback = callback, .data = data};
	netlink_begin(&request, RTM_GETADDR, NLM_F_DUMP, sizeof(struct ifaddrmsg));
	int r = netlink_ask(netlink, &request, take_address, &addresses);
	return r < 0 ? r : addresses.answer;
}
