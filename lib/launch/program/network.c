/* SPDX-License-Identifier: MIT */
/* The network of a container from within; the interface that leads out is made by the host. */
#include <errno.h>
#include <linux/futex.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <virtiso/container_namespaces.h>
#include <virtiso/sandbox.h>

#include "launcher.h"

int network_bring_loopback_up(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r = fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &request);
	int saved = errno;
	close_quietly(fd);
	errno = saved;
	return r < 0 ? fail(VISO_STAGE_NETWORK, 0, "lo") : 0;
}

/*
 * Through this socket the host sees and changes the network in here without entering it: the kernel asks for the rights
 * of both who opened it and who sends (netlink(7), netlink_ns_capable()).
 */
static int await_host(const struct job *job)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return fail(VISO_STAGE_NETWORK, 0, "netlink");
	int r = report_fd(job->channel, REPORT_FD_NETWORK, fd);
	close(fd);
	/* Where it cannot be made, the worker ends us. */
	while (r == 0 && !atomic_load(&worker.page->network_made))
		syscall(SYS_futex, &worker.page->network_made, FUTEX_WAIT, 0, NULL, NULL, 0);
	return r;
}

int network_make(const struct job *job)
{
	if ((job->plan->flags & PLAN_HOST_NETWORK) || !plan_owns_namespace(job->plan, VISO_NAMESPACE_NETWORK))
		return 0;
	if (unshare(CLONE_NEWNET) < 0)
		return fail(VISO_STAGE_NAMESPACE, 0, "network");
	if (network_bring_loopback_up() < 0)
		return -1;
	return job->plan->network.kind > VISO_NETWORK_HOST ? await_host(job) : 0;
}

void network_continue(void)
{
	atomic_store(&worker.page->network_made, 1);
	syscall(SYS_futex, &worker.page->network_made, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* 1 where the init goes on, 0 where there is more to come, or -1. */
static int take_word(struct job *job)
{
	struct order order;
	int pipe;
	ssize_t n = receive_order(job->channel, &order, &pipe);
	close_quietly(pipe);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n != sizeof(order) || order.kind != ORDER_CONTINUE)
		return fail(VISO_STAGE_LAUNCHER, ECANCELED, "network");
	if (job->plan->network.companion.count)
		return companion_start(job);
	network_continue();
	return 1;
}

int network_await_host(struct job *job)
{
	int r = 0;
	while (r == 0) {
		struct pollfd polls[] = {
			{.fd = job->channel, .events = POLLIN},    {.fd = job->companion.ready, .events = POLLIN},
			{.fd = job->pidfd, .events = POLLIN},      {.fd = worker.host, .events = POLLIN},
			{.fd = worker.launcher, .events = POLLIN},
		};
		if (poll(polls, sizeof(polls) / sizeof(polls[0]), -1) < 0)
			continue;
		if (polls[2].revents || polls[3].revents || polls[4].revents)
			return fail(VISO_STAGE_LAUNCHER, ECHILD, "init"); /* unless it has noted why */
		if (polls[1].revents) {
			if (companion_take_ready(job) < 0)
				return -1;
			network_continue();
			return 0;
		}
		if (polls[0].revents)
			r = take_word(job);
	}
	return r < 0 ? -1 : 0;
}
