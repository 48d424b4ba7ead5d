/* SPDX-License-Identifier: MIT */
/*
 * What is prepared is used by one command after the other, so it may be nothing that a command can change. A plan is
 * therefore looked at from the other side: every part must be as in a plan without settings, but for what is known here
 * to be harmless. A setting that is new is refused until somebody has thought about it.
 */
#include "container/prepare.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "container/container.h"
#include "core/cleanup.h"
#include "core/error.h"
#include "core/zero.h"
#include "launch/owns_ids.h"
#include "launch/pool.h"

enum { PREPARED_MAX = 1024 };

/* Places in the list below, for its jumps. */
enum { FAMILY = 3, PROTOCOL = 9, FILTER_END = 16 };
#define JUMP_IF(at, value, to) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, (to) - (at)-1, 0)
#define JUMP_UNLESS(at, value, to) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, (to) - (at)-1)

/*
 * In front of the filter: sockets of families and protocols whose traces in a network namespace are all known
 * (program/pristine.c). The others are answered as by a kernel that has them not.
 */
static const struct sock_filter few_sockets[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	JUMP_IF(1, SYS_socket, FAMILY),
	JUMP_UNLESS(2, SYS_socketpair, FILTER_END),
	/* FAMILY */
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
	JUMP_IF(4, AF_UNIX, FILTER_END),
	JUMP_IF(5, AF_NETLINK, FILTER_END),
	JUMP_IF(6, AF_INET, PROTOCOL),
	JUMP_IF(7, AF_INET6, PROTOCOL),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
	/* PROTOCOL */
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
	JUMP_IF(10, 0, FILTER_END),
	JUMP_IF(11, IPPROTO_TCP, FILTER_END),
	JUMP_IF(12, IPPROTO_UDP, FILTER_END),
	JUMP_IF(13, IPPROTO_ICMP, FILTER_END),
	JUMP_IF(14, IPPROTO_ICMPV6, FILTER_END),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPROTONOSUPPORT),
};
_Static_assert(sizeof(few_sockets) / sizeof(few_sockets[0]) == FILTER_END, "the jumps lead to the filter behind");

static int refuse(const char *setting)
{
	return error_fail(
		VISO_STAGE_ARGUMENT, EOPNOTSUPP, setting,
		"viso_container_prepare: %s cannot be prepared, since a command could leave something there for "
		"the next one; leave the setting out, or start without viso_container_prepare()",
		setting);
}

/* Of an empty list it does not matter where it would be. */
static void forget_empty(struct plan_strings *strings)
{
	if (!strings->count)
		strings->first = 0;
}

static int check(const struct plan *plan, viso_network network)
{
	struct plan_namespaces namespaces = plan->namespaces;
	struct plan_mounts mounts = plan->mounts;
	namespaces.hostname = 0;
	forget_empty(&namespaces.sysctls);
	forget_empty(&mounts.read_only);
	forget_empty(&mounts.masked);
	if (!is_zero(&namespaces, sizeof(namespaces)))
		return refuse("a namespace, id map, clock or kernel parameter of choice");
	if (plan->mounts.upper != PLAN_UPPER_NONE)
		return refuse("a writable root");
	if (!is_zero(&mounts, sizeof(mounts)))
		return refuse("a mount, mask or layer of choice");
	if (network != VISO_NETWORK_NONE && network != VISO_NETWORK_HOST)
		return refuse("a network besides none and the host's");
	if (plan->hooks.count)
		return refuse("a hook");
	return 0;
}

/*
 * With a capability the network namespace must be the container's own. And what sockets are made must be known: by
 * io_uring(7), which another profile may allow, the filter does not see them; and whoever is asked by a filter may add
 * some.
 */
static bool is_safe_for_network(const struct plan *plan, const struct container_security *security)
{
	const struct plan_capabilities none = {0};
	return plan->security.filter_count && security->profile == VISO_SECCOMP_DEFAULT && !security->rules.count &&
	       !(plan->security.flags & ~(uint32_t)PLAN_FILTER_HAS_PASS) &&
	       !memcmp(&plan->security.capabilities, &none, sizeof(none));
}

static int put_in_front(struct launch_request *request)
{
	size_t count = request->plan->security.filter_count, front = sizeof(few_sockets) / sizeof(few_sockets[0]);
	plan_offset offset = request_add_bytes(request, few_sockets, sizeof(few_sockets));
	/* What follows lies right behind: both are multiples of 8 bytes. */
	plan_offset rest = request_add_room(request, count * sizeof(few_sockets[0]));
	if (request->error)
		return request->error;
	memcpy((char *)request->plan + rest, (char *)request->plan + request->plan->security.filter,
	       count * sizeof(few_sockets[0]));
	request->plan->security.filter = offset;
	request->plan->security.filter_count = (uint32_t)(count + front);
	return 0;
}

int prepare_add(struct launch_request *request, const viso_container *container)
{
	if (!container->prepared)
		return 0;
	int r = check(request->plan, container->sandbox.network);
	if (r < 0)
		return r;
	request->plan->pool.flags |= POOL_PREPARED;
	if (!is_safe_for_network(request->plan, &container->security))
		return 0;
	request->plan->pool.flags |= POOL_NETWORK;
	return put_in_front(request);
}

/* The pool is made once, and stays until the container is freed. */
static int make_pool(viso_container *container)
{
	viso_sandbox *sandbox = &container->sandbox;
	pthread_mutex_lock(&sandbox->lock);
	if (!container->pool)
		container->pool = pool_new();
	bool made = container->pool;
	pthread_mutex_unlock(&sandbox->lock);
	return made ? 0 : error_memory();
}

static int resize(viso_container *container, unsigned count, int root_fd)
{
	struct launch_request request;
	int r = request_init_instance(&request, PLAN_CONTAINER, &container->sandbox, root_fd);
	if (r == 0)
		r = container_add_settings(&request, container);
	if (r == 0) {
		request.plan->flags = (request.plan->flags & ~(uint32_t)PLAN_INSTANCE) | PLAN_KEEP_CHANNEL;
		request.plan->pool.flags |= POOL_PREPARE;
		r = request_complete(&request, NULL, false);
	}
	if (r == 0) {
		request.plan->head.fd_count = (uint32_t)request.fd_count;
		r = pool_resize(container->pool, count, &request);
	}
	request_release(&request);
	return r;
}

int viso_container_prepare(viso_container *container, unsigned count)
{
	_cleanup_close_ int root_fd = -1;
	if (count > PREPARED_MAX)
		return error_argument(__func__, "more containers than can be prepared: 1024");
	int r = sandbox_prepare_start(container ? &container->sandbox : NULL, __func__, &root_fd);
	if (r < 0)
		return r;
	if (root_fd < 0 || launched_instance_plans(&container->instance, &container->sandbox) >= 0)
		return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__,
				  "%s: the container has an instance that stays, in which its commands run", __func__);
	if (!owns_all_ids())
		return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__,
				  "%s: the mounts of a container of an ordinary user belong to it alone and cannot be "
				  "prepared; only root can prepare containers",
				  __func__);
	if (!count && !container->pool)
		return 0;
	bool before = container->prepared;
	container->prepared = count > 0;
	r = make_pool(container);
	if (r == 0)
		r = resize(container, count, root_fd);
	if (r < 0)
		container->prepared = before;
	return r;
}
