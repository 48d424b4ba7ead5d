/* SPDX-License-Identifier: MIT */
/*
 * The holder of an instance that goes on without its host (launch/detached.h): its launcher is for it alone, and ends
 * with it, since the holder has the host's ends of all sockets. Who attaches gets duplicates of the instance's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <virtiso/version.h>

#include "launcher.h"

static struct {
	int fds[DETACHED_FDS]; /* -1 where this instance is none */
	int plan;              /* memfd */
	char name[80];
} detached = {.fds = {-1, -1, -1, -1, -1, -1, -1}, .plan = -1};

static int keep_plan(const struct job *job)
{
	size_t size = job->plan->head.size;
	detached.plan = memfd_create("viso-plan", MFD_CLOEXEC);
	if (detached.plan < 0 || write(detached.plan, job->plan, size) != (ssize_t)size)
		return fail(VISO_STAGE_LAUNCHER, 0, "memfd_create");
	return 0;
}

/* For persons only; what counts is the lock. */
static void write_state(const struct job *job)
{
	char text[160];
	int length =
		snprintf(text, sizeof(text), "{\"version\":\"%d.%d.%d\",\"holder\":%d,\"init\":%d}\n",
			 VISO_VERSION_MAJOR, VISO_VERSION_MINOR, VISO_VERSION_MICRO, (int)worker.pid, (int)job->pid);
	if (ftruncate(detached.fds[DETACHED_LOCK], 0) == 0)
		(void)!pwrite(detached.fds[DETACHED_LOCK], text, (size_t)length, 0);
}

int detached_take(const struct job *job)
{
	const struct plan *plan = job->plan;
	if (!(plan->flags & PLAN_DETACHED))
		return 0;
	if (plan->detached.first_fd + DETACHED_FDS > (uint32_t)job->fd_count)
		return fail(VISO_STAGE_LAUNCHER, EPROTO, "plan");
	for (int i = 0; i < DETACHED_FDS; i++)
		if ((detached.fds[i] = fcntl(job->fds[plan->detached.first_fd + (uint32_t)i], F_DUPFD_CLOEXEC, 3)) < 0)
			return fail(VISO_STAGE_LAUNCHER, 0, "dup");
	snprintf(detached.name, sizeof(detached.name), "%s", plan_string(plan, plan->detached.name));
	/* A connection that was given up before we take it must not keep us. */
	fcntl(detached.fds[DETACHED_LISTENER], F_SETFL, O_NONBLOCK);
	write_state(job);
	return keep_plan(job);
}

int detached_listener(void)
{
	return detached.fds[DETACHED_LISTENER];
}

static void send_hello(int socket, int root)
{
	const struct attach_hello hello = {
		.version = VISO_VERSION_NUMBER(VISO_VERSION_MAJOR, VISO_VERSION_MINOR, VISO_VERSION_MICRO),
		.sizes = {sizeof(struct plan), sizeof(struct report), sizeof(struct order)},
	};
	const int fds[ATTACH_FDS] = {
		[ATTACH_PLANS] = detached.fds[DETACHED_PLANS],
		[ATTACH_CHANNEL] = detached.fds[DETACHED_CHANNEL],
		[ATTACH_PLAN] = detached.plan,
		[ATTACH_ROOT] = root,
	};
	union {
		char bytes[CMSG_SPACE(sizeof(fds))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {.iov_base = (void *)&hello, .iov_len = sizeof(hello)};
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(header), fds, sizeof(fds));
	sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The same user and root only, whatever the modes of the directory have become. */
void detached_serve(int root)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	int socket = accept4(detached.fds[DETACHED_LISTENER], NULL, NULL, SOCK_CLOEXEC);
	if (socket < 0)
		return;
	if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == worker.uid || peer.uid == 0))
		send_hello(socket, root);
	close(socket);
}

void detached_release(bool remove)
{
	static const char *const suffixes[] = {"sock", "state"};
	char file[96];
	if (detached.fds[DETACHED_DIRECTORY] < 0)
		return;
	/* The lock is held until then, so nobody else has taken the name. */
	for (int i = 0; remove && i < 2; i++) {
		snprintf(file, sizeof(file), "%s.%s", detached.name, suffixes[i]);
		unlinkat(detached.fds[DETACHED_DIRECTORY], file, 0);
	}
	for (int i = 0; i < DETACHED_FDS; i++)
		detached.fds[i] = close_quietly(detached.fds[i]);
	detached.plan = close_quietly(detached.plan);
}
