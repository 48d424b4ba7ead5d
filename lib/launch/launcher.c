/* SPDX-License-Identifier: MIT */
#include "launch/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/memfd.h"
#include "launch/own_socket.h"
#include "launch/spawn_launcher.h"
#include "sandbox/reply.h"

/* A tree or bridge that is removed when the host program dies. Each new launcher has to be told. */
struct guarded {
	struct guarded *next;
	enum guard_kind kind;
	uint32_t group; /* of a bridge: of the host's interfaces */
	char path[];
};

/* As many workers may wait for the host's next plans; others are free for all that comes. */
enum { KEPT_CHANNELS_MAX = 4 };

/* One for each host process: a forked child finds that it is not its own and makes another. */
struct launcher {
	pid_t owner;
	pthread_mutex_t lock; /* guards the sockets and channels */
	bool running;
	struct own_socket requests;
	struct own_socket control;
	struct own_socket kept[KEPT_CHANNELS_MAX];
	int kept_count;
	struct guarded *guarded;
};

static _Atomic(struct launcher *) current;

static void disown_channels(struct launcher *launcher)
{
	while (launcher->kept_count > 0)
		own_socket_close(&launcher->kept[--launcher->kept_count]);
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
			 * After a fork: the parent's sockets are of no use here. Its lock may be held by a thread that
			 * is not here. It is not freed, since another thread of this process may just be looking whose
			 * it is.
			 */
			if (parents && parents->running) {
				own_socket_close(&parents->requests);
				own_socket_close(&parents->control);
				disown_channels(parents);
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
		own_socket_close(&launcher->requests);
		own_socket_close(&launcher->control);
		disown_channels(launcher);
	}
	launcher->running = false;
}

static struct iovec fill_guard(struct guard *guard, const struct guarded *guarded, bool add)
{
	size_t size = strlen(guarded->path) + 1;
	guard->add = add;
	guard->kind = (uint8_t)guarded->kind;
	guard->group = guarded->group;
	memcpy(guard->path, guarded->path, size);
	return (struct iovec){.iov_base = guard, .iov_len = offsetof(struct guard, path) + size};
}

/* With the lock held: tells a launcher that takes the place of a killed one. */
static void repeat_guards(struct launcher *launcher)
{
	for (const struct guarded *guarded = launcher->guarded; guarded; guarded = guarded->next) {
		struct guard guard;
		struct iovec iov = fill_guard(&guard, guarded, true);
		while (send(launcher->control.fd, iov.iov_base, iov.iov_len, MSG_NOSIGNAL) < 0 && errno == EINTR)
			;
	}
}

/* With the lock held. 0 or a negative errno with the error set. */
static int ensure_running(struct launcher *launcher)
{
	if (launcher->running && own_socket_is_ours(&launcher->requests) && own_socket_is_ours(&launcher->control))
		return 0;
	stop(launcher);
	int requests, control;
	int r = spawn_launcher(false, &requests, &control);
	if (r < 0)
		return r;
	launcher->requests = own_socket(requests);
	launcher->control = own_socket(control);
	launcher->running = true;
	repeat_guards(launcher);
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
		int number = r == 0 ? target->fd : -1;
		/* A full socket must not hold the lock, and without it another thread may close the number, which may
		 * be somebody else's then. */
		_cleanup_close_ int socket = r == 0 ? fcntl(number, F_DUPFD_CLOEXEC, 3) : -1;
		int error = errno;
		pthread_mutex_unlock(&launcher->lock);
		if (r < 0)
			return r;
		if (socket < 0)
			return error_fail(VISO_STAGE_LAUNCHER, error, "dup",
					  "too many open files to reach the launcher");

		ssize_t n;
		while ((n = sendmsg(socket, message, MSG_NOSIGNAL)) < 0 && errno == EINTR)
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

/* An instance, or a worker whose channel was kept. */
static int send_to_instance(int socket, const struct msghdr *message)
{
	ssize_t n;
	while ((n = sendmsg(socket, message, MSG_NOSIGNAL)) < 0 && errno == EINTR)
		;
	if (n >= 0)
		return 0;
	int error = errno == ECONNRESET || errno == ENOTCONN ? EPIPE : errno;
	return error_fail(VISO_STAGE_LAUNCHER, error, "instance", "the sandbox's instance cannot be reached: %s",
			  error == EPIPE ? "it was killed from outside, or is being closed" : strerrordesc_np(error));
}

/* To the next idle worker; or to an instance or over a kept channel, where `socket` is not negative. */
static int send_plan(int socket, const struct plan *plan, const int *fds, int fd_count)
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
	return socket >= 0 ? send_to_instance(socket, &message)
			   : send_to_launcher(offsetof(struct launcher, requests), &message);
}

int launcher_send(const struct plan *plan, const int *fds, int fd_count)
{
	return send_plan(-1, plan, fds, fd_count);
}

int launcher_send_over_channel(const struct plan *plan, const int *fds, int fd_count)
{
	return send_plan(fds[0], plan, fds + 1, fd_count - 1);
}

int launcher_take_channel(void)
{
	struct launcher *launcher = launcher_of_this_process();
	int channel = -1;
	if (!launcher)
		return -1;
	pthread_mutex_lock(&launcher->lock);
	/* The last one first: its worker is the likeliest to be in the caches. */
	while (channel < 0 && launcher->kept_count > 0) {
		const struct own_socket *kept = &launcher->kept[--launcher->kept_count];
		if (own_socket_is_ours(kept))
			channel = kept->fd;
	}
	pthread_mutex_unlock(&launcher->lock);
	return channel;
}

/* Not by closing alone: a fork of this process may have it, too, and then the worker would wait for ever. */
static void close_channel(int channel)
{
	if (channel >= 0)
		shutdown(channel, SHUT_RDWR);
	close_fd(channel);
}

void launcher_drop_channel(void)
{
	close_channel(launcher_take_channel());
}

void launcher_keep_channel(int channel)
{
	struct launcher *launcher = launcher_of_this_process();
	if (launcher) {
		pthread_mutex_lock(&launcher->lock);
		if (launcher->running && launcher->kept_count < KEPT_CHANNELS_MAX) {
			launcher->kept[launcher->kept_count++] = own_socket(channel);
			channel = -1;
		}
		pthread_mutex_unlock(&launcher->lock);
	}
	close_channel(channel);
}

int launcher_send_to_instance(int socket, const struct plan *plan, const int *fds, int fd_count)
{
	return send_plan(socket, plan, fds, fd_count);
}

static struct guarded **find_guarded(struct launcher *launcher, enum guard_kind kind, const char *path)
{
	struct guarded **link = &launcher->guarded;
	while (*link && ((*link)->kind != kind || strcmp((*link)->path, path)))
		link = &(*link)->next;
	return link;
}

/* Takes it out of the list: NULL where it was not known. */
static struct guarded *forget(struct launcher *launcher, enum guard_kind kind, const char *path)
{
	pthread_mutex_lock(&launcher->lock);
	struct guarded **link = find_guarded(launcher, kind, path), *guarded = *link;
	if (guarded)
		*link = guarded->next;
	pthread_mutex_unlock(&launcher->lock);
	return guarded;
}

static int send_guard(const struct guarded *guarded, bool add)
{
	struct guard guard;
	struct iovec iov = fill_guard(&guard, guarded, add);
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	return send_to_launcher(offsetof(struct launcher, control), &message);
}

static int add_guard(enum guard_kind kind, const char *path, uint32_t group)
{
	size_t size = strlen(path) + 1;
	struct launcher *launcher = launcher_of_this_process();
	struct guarded *guarded = malloc(sizeof(*guarded) + size);
	if (!launcher || !guarded) {
		free(guarded);
		return error_memory();
	}
	*guarded = (struct guarded){.kind = kind, .group = group};
	memcpy(guarded->path, path, size);
	pthread_mutex_lock(&launcher->lock);
	guarded->next = launcher->guarded;
	launcher->guarded = guarded;
	pthread_mutex_unlock(&launcher->lock);

	int r = send_guard(guarded, true);
	if (r < 0)
		free(forget(launcher, kind, path));
	return r;
}

int launcher_guard_tree(const char *path)
{
	if (strlen(path) >= GUARD_PATH_MAX)
		return error_fail(VISO_STAGE_ROOT, ENAMETOOLONG, path, NULL);
	return add_guard(GUARD_TREE, path, 0);
}

int launcher_guard_bridge(const char *name, uint32_t group)
{
	struct launcher *launcher = launcher_of_this_process();
	if (!launcher)
		return error_memory();
	pthread_mutex_lock(&launcher->lock);
	bool known = *find_guarded(launcher, GUARD_BRIDGE, name) != NULL;
	pthread_mutex_unlock(&launcher->lock);
	return known ? 0 : add_guard(GUARD_BRIDGE, name, group);
}

void launcher_unguard_tree(const char *path)
{
	struct launcher *launcher = launcher_of_this_process();
	struct guarded *guarded = launcher ? forget(launcher, GUARD_TREE, path) : NULL;
	if (guarded)
		send_guard(guarded, false);
	free(guarded);
}

/* Where it cannot be sent, there is nobody who could be stopped. */
void launcher_kill_stopped(void)
{
	struct guard guard = {.add = true, .kind = GUARD_STOPPED};
	struct iovec iov = {.iov_base = &guard, .iov_len = offsetof(struct guard, path) + 1};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	send_to_launcher(offsetof(struct launcher, control), &message);
}

void launcher_await_end(int fd)
{
	struct pollfd told = {.fd = fd, .events = POLLIN};
	for (int r; (r = poll(&told, 1, REPLY_PATIENCE_MS)) <= 0;)
		if (r == 0)
			launcher_kill_stopped();
		else if (errno != EINTR && errno != ENOMEM)
			return;
}
