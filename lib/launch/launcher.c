/* SPDX-License-Identifier: MIT */
#include "launch/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/memfd.h"
#include "launch/spawn_launcher.h"

/* A socket of ours, and how to know it again: a host that closes all fds may have put one of its own in that place. */
struct own_socket {
	int fd;
	ino_t inode;
};

/* One for each host process: a forked child finds that it is not its own and makes another. */
struct launcher {
	pid_t owner;
	pthread_mutex_t lock; /* guards the sockets */
	bool running;
	struct own_socket requests;
	struct own_socket control;
};

static _Atomic(struct launcher *) current;

static bool is_ours(const struct own_socket *own)
{
	struct stat st;
	return fstat(own->fd, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_ino == own->inode;
}

static void own(struct own_socket *own_socket, int fd)
{
	struct stat st;
	own_socket->fd = fd;
	own_socket->inode = fstat(fd, &st) == 0 ? st.st_ino : 0;
}

static void disown(struct own_socket *own_socket)
{
	if (is_ours(own_socket))
		close_fd(own_socket->fd);
	own_socket->fd = -1;
}

/* This process's launcher structure; NULL without memory. */
static struct launcher *launcher_of_this_process(void)
{
	struct launcher *found = atomic_load(&current);
	while (!found || found->owner != getpid()) {
		struct launcher *fresh = calloc(1, sizeof(*fresh));
		if (!fresh)
			return NULL;
		fresh->owner = getpid();
		pthread_mutex_init(&fresh->lock, NULL);
		struct launcher *parents = found;
		if (atomic_compare_exchange_strong(&current, &found, fresh)) {
			/*
			 * After a fork: the parent's sockets are of no use here. Its lock may be held by a thread that is not here. It is not
			 * freed, since another thread of this process may just be looking whose it is.
			 */
			if (parents && parents->running) {
				disown(&parents->requests);
				disown(&parents->control);
			}
			return fresh;
		}
		pthread_mutex_destroy(&fresh->lock);
		free(fresh);
	}
	return found;
}

/* With the lock held. */
static void stop(struct launcher *launcher)
{
	if (launcher->running) {
		disown(&launcher->requests);
		disown(&launcher->control);
	}
	launcher->running = false;
}

/* With the lock held. 0 or a negative errno with the error set. */
static int ensure_running(struct launcher *launcher)
{
	if (launcher->running && is_ours(&launcher->requests) && is_ours(&launcher->control))
		return 0;
	stop(launcher);
	int requests, control;
	int r = spawn_launcher(&requests, &control);
	if (r < 0)
		return r;
	own(&launcher->requests, requests);
	own(&launcher->control, control);
	launcher->running = true;
	return 0;
}

/* Sends one message over the chosen socket; a launcher that was killed is started anew, once. */
static int send_to_launcher(size_t which, const struct msghdr *message)
{
	struct launcher *launcher = launcher_of_this_process();
	if (!launcher)
		return error_memory();

	int r = 0;
	for (int attempt = 0; attempt < 2; attempt++) {
		pthread_mutex_lock(&launcher->lock);
		r = ensure_running(launcher);
		const struct own_socket *target = (const struct own_socket *)((const char *)launcher + which);
		int number = r == 0 ? target->fd : -1; /* a full socket must not hold the lock */
		pthread_mutex_unlock(&launcher->lock);
		if (r < 0)
			return r;

		ssize_t n;
		while ((n = sendmsg(number, message, MSG_NOSIGNAL)) < 0 && errno == EINTR)
			;
		if (n >= 0)
			return 0;
		r = error_fail(VISO_STAGE_LAUNCHER, errno, "sendmsg", "the launcher cannot be reached: %s",
			       strerrordesc_np(errno));
		if (r != -EPIPE && r != -ECONNRESET)
			return r;
		pthread_mutex_lock(&launcher->lock);
		if (launcher->running && target->fd == number)
			stop(launcher);
		pthread_mutex_unlock(&launcher->lock);
	}
	return r;
}

int launcher_send(const struct plan *plan, const int *fds, int fd_count)
{
	union {
		char bytes[CMSG_SPACE(PLAN_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_base = (void *)plan, .iov_len = plan->head.size};
	_cleanup_close_ int memfd = -1;
	int all[PLAN_FDS_MAX];
	int count = fd_count;

	memcpy(all, fds, (size_t)fd_count * sizeof(int));
	if (plan->head.size > PLAN_INLINE_MAX) {
		memfd = memfd_with("viso-plan", 0, plan, plan->head.size);
		if (memfd < 0)
			return error_fail(VISO_STAGE_LAUNCHER, -memfd, "memfd_create", NULL);
		all[count++] = memfd;
		iov.iov_len = sizeof(plan->head);
	}
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int)),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
	memcpy(CMSG_DATA(header), all, (size_t)count * sizeof(int));
	return send_to_launcher(offsetof(struct launcher, requests), &message);
}

static int send_guard(const char *path, bool add)
{
	struct guard guard = {.add = add};
	size_t length = strlen(path);
	if (length >= sizeof(guard.path))
		return error_fail(VISO_STAGE_ROOT, ENAMETOOLONG, path, NULL);
	memcpy(guard.path, path, length + 1);
	struct iovec iov = {.iov_base = &guard, .iov_len = offsetof(struct guard, path) + length + 1};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	return send_to_launcher(offsetof(struct launcher, control), &message);
}

int launcher_guard_tree(const char *path)
{
	return send_guard(path, true);
}

void launcher_unguard_tree(const char *path)
{
	send_guard(path, false);
}
