/* SPDX-License-Identifier: MIT */
/* What the interfaces of a host program leave behind when it dies, by rtnetlink(7). */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "launcher.h"

struct request {
	struct nlmsghdr header;
	struct ifinfomsg link;
	struct rtattr attribute;
	uint32_t value;
};

/* Sends a request about a link, with one attribute where `type` is not 0. 0 or a negative errno. */
static int send_request(int fd, uint16_t kind, uint16_t flags, int index, uint16_t type, uint32_t value)
{
	struct request request = {
		.header = {.nlmsg_len = sizeof(request), .nlmsg_type = kind, .nlmsg_flags = NLM_F_REQUEST | flags},
		.link = {.ifi_index = index},
		.attribute = {.rta_len = RTA_LENGTH(sizeof(value)), .rta_type = type},
		.value = value,
	};
	if (!type)
		request.header.nlmsg_len = NLMSG_LENGTH(sizeof(request.link));
	return send(fd, &request, request.header.nlmsg_len, 0) < 0 ? -errno : 0;
}

static void delete_links(int fd, int index, uint32_t group)
{
	char answer[1024];
	if (send_request(fd, RTM_DELLINK, NLM_F_ACK, index, group ? IFLA_GROUP : 0, group) == 0)
		(void)!recv(fd, answer, sizeof(answer), 0);
}

static bool is_port(const struct nlmsghdr *header, int bridge)
{
	const struct ifinfomsg *link = NLMSG_DATA(header);
	int left = (int)IFLA_PAYLOAD(header);
	if (header->nlmsg_type != RTM_NEWLINK)
		return false;
	for (const struct rtattr *a = IFLA_RTA(link); RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == IFLA_MASTER && *(const int *)RTA_DATA(a) == bridge)
			return true;
	return false;
}

/* Whether an interface is on the bridge; true where that is not known. */
static bool has_ports(int fd, int bridge)
{
	static char answer[65536];
	bool found = false;
	if (send_request(fd, RTM_GETLINK, NLM_F_DUMP, 0, 0, 0) < 0)
		return true;
	for (;;) {
		ssize_t n = recv(fd, answer, sizeof(answer), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return true;
		int left = (int)n;
		for (struct nlmsghdr *h = (void *)answer; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type == NLMSG_DONE)
				return found;
			if (h->nlmsg_type == NLMSG_ERROR)
				return true;
			found = found || is_port(h, bridge);
		}
	}
}

/* As bridge_lock() of the library (lib/container/network/bridge.c). */
static int lock(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	for (int i = 0; fd >= 0 && i < 1000 && flock(fd, LOCK_EX | LOCK_NB) < 0; i++)
		usleep(1000);
	return fd;
}

/* Whether the library has made it: by the beginning of its address (lib/container/network/link.h). */
static bool is_ours(const char *bridge)
{
	static const unsigned char mark[] = {0x02, 0x76, 0x69, 0x73, 0x6f};
	struct ifreq request = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	strncpy(request.ifr_name, bridge, sizeof(request.ifr_name) - 1);
	bool ours = fd >= 0 && ioctl(fd, SIOCGIFHWADDR, &request) == 0 &&
		    !memcmp(request.ifr_hwaddr.sa_data, mark, sizeof(mark));
	close_quietly(fd);
	return ours;
}

void interfaces_remove(const char *bridge, uint32_t group)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return;
	delete_links(fd, 0, group);
	int locked = lock();
	int index = (int)if_nametoindex(bridge);
	if (index > 0 && is_ours(bridge) && !has_ports(fd, index))
		delete_links(fd, index, 0);
	close_quietly(locked);
	close(fd);
}
