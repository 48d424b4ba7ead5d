/* SPDX-License-Identifier: MIT */
#include "launch/detached.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include <virtiso/version.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "launch/plan/plan.h"
#include "launch/spawn_launcher.h"

enum { ENTRY_NAME_MAX = DETACHED_NAME_MAX + 8 };

bool detached_name_is_valid(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
	return length > 0 && length <= DETACHED_NAME_MAX && !name[length] && name[0] != '.';
}

int detached_open_directory(const char *directory)
{
	struct stat st;
	_cleanup_close_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_fail(VISO_STAGE_ARGUMENT, errno, directory, "%s: %s", directory, strerrordesc_np(errno));
	/* Who can put a socket of its own there could play the holder, and its plan would be believed: root, too, has
	 * nothing to expect from the directory of somebody else. */
	if ((st.st_mode & 022) || (st.st_uid != geteuid() && st.st_uid != 0))
		return error_fail(VISO_STAGE_ARGUMENT, EPERM, directory,
				  "others can write to %s; take a directory of your own with mode 0700", directory);
	return TAKE_FD(fd);
}

static void entry_name(char out[ENTRY_NAME_MAX], const char *name, const char *suffix)
{
	snprintf(out, ENTRY_NAME_MAX, "%s.%s", name, suffix);
}

static int fail_running(const char *name)
{
	return error_fail(VISO_STAGE_ARGUMENT, EEXIST, name,
			  "a detached container '%s' runs already; attach to it, or take another name", name);
}

/* The locked state file: its fd, or a negative errno with the error set. Whoever removes it has the lock, too. */
static int lock_state(int directory, const char *name)
{
	char file[ENTRY_NAME_MAX];
	entry_name(file, name, "state");
	for (;;) {
		struct stat ours, there;
		_cleanup_close_ int fd =
			fd_above_streams(openat(directory, file, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
		if (fd < 0)
			return error_fail(VISO_STAGE_ARGUMENT, errno, file, "%s: %s", file, strerrordesc_np(errno));
		struct flock lock = {.l_type = F_WRLCK};
		if (fcntl(fd, F_OFD_SETLK, &lock) < 0)
			return errno == EAGAIN || errno == EACCES ? fail_running(name)
								  : error_fail(VISO_STAGE_ARGUMENT, errno, file, NULL);
		if (fstat(fd, &ours) == 0 && fstatat(directory, file, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
		    ours.st_ino == there.st_ino && ours.st_dev == there.st_dev)
			return TAKE_FD(fd);
	}
}

int detached_check_free(int directory, const char *name)
{
	char file[ENTRY_NAME_MAX];
	entry_name(file, name, "state");
	_cleanup_close_ int fd = openat(directory, file, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return 0; /* a start will tell what is wrong about it */
	struct flock lock = {.l_type = F_WRLCK};
	return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? fail_running(name) : 0;
}

/* By the directory's fd: its own path may be longer than an address. */
static socklen_t socket_address(struct sockaddr_un *address, int directory, const char *name)
{
	char file[ENTRY_NAME_MAX];
	entry_name(file, name, "sock");
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/%s", directory, file);
	return sizeof(*address);
}

static int listen_at(int directory, const char *name)
{
	struct sockaddr_un address;
	char file[ENTRY_NAME_MAX];
	entry_name(file, name, "sock");
	unlinkat(directory, file, 0); /* of one that was killed */
	_cleanup_close_ int fd = fd_above_streams(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
	/* The mode of what bind(2) makes is that of the socket (unix(7) does not say so; unix_bind() does). */
	if (fd < 0 || fchmod(fd, 0600) < 0 ||
	    bind(fd, (struct sockaddr *)&address, socket_address(&address, directory, name)) < 0 || listen(fd, 16) < 0)
		return error_fail(VISO_STAGE_ARGUMENT, errno, file, "%s: %s", file, strerrordesc_np(errno));
	return TAKE_FD(fd);
}

static void remove_entry(const struct detached_entry *entry)
{
	static const char *const suffixes[] = {"sock", "state"};
	char file[ENTRY_NAME_MAX];
	for (int i = 0; i < 2; i++) {
		entry_name(file, entry->name, suffixes[i]);
		unlinkat(entry->directory, file, 0);
	}
}

int detached_begin(struct detached_entry *entry, int directory, const char *name)
{
	*entry = (struct detached_entry){.directory = directory, .listener = -1, .requests = -1, .control = -1};
	snprintf(entry->name, sizeof(entry->name), "%s", name);
	entry->lock = lock_state(directory, name);
	if (entry->lock < 0)
		return entry->lock;
	entry->listener = listen_at(directory, name);
	int r = entry->listener < 0 ? entry->listener : spawn_launcher(true, &entry->requests, &entry->control);
	if (r < 0)
		detached_finish(entry, false);
	return r;
}

void detached_add(struct launch_request *request, const struct detached_entry *entry, int plans, int channel)
{
	const int fds[DETACHED_FDS] = {
		[DETACHED_DIRECTORY] = entry->directory,
		[DETACHED_LOCK] = entry->lock,
		[DETACHED_LISTENER] = entry->listener,
		[DETACHED_REQUESTS] = entry->requests,
		[DETACHED_CONTROL] = entry->control,
		[DETACHED_PLANS] = plans,
		[DETACHED_CHANNEL] = channel,
	};
	plan_offset name = request_add_string(request, entry->name);
	request->plan->detached.name = name;
	request->plan->detached.first_fd = (uint32_t)request->fd_count;
	request->plan->flags |= PLAN_DETACHED;
	for (int i = 0; i < DETACHED_FDS; i++)
		request_add_fd(request, fds[i]);
}

void detached_finish(struct detached_entry *entry, bool started)
{
	if (!started)
		remove_entry(entry);
	entry->listener = close_fd(entry->listener);
	entry->requests = close_fd(entry->requests);
	entry->control = close_fd(entry->control);
	entry->lock = close_fd(entry->lock);
}

static int fail_none(const char *name)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOENT, name, "no detached container '%s' runs", name);
}

static int connect_to(int directory, const char *name)
{
	const struct timeval patience = {.tv_sec = 10};
	struct sockaddr_un address;
	socklen_t size = socket_address(&address, directory, name);
	_cleanup_close_ int fd = fd_above_streams(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
	if (fd < 0)
		return error_fail(VISO_STAGE_LAUNCHER, errno, "socket", NULL);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&address, size) == 0)
		return TAKE_FD(fd);
	if (errno == ENOENT || errno == ECONNREFUSED)
		return fail_none(name);
	/* EAGAIN: too many wait to be taken (unix(7) does not say so; unix_stream_connect()). */
	return error_fail(VISO_STAGE_LAUNCHER, errno == EAGAIN ? ETIMEDOUT : errno, name,
			  "the holder of '%s' does not answer: %s", name, strerrordesc_np(errno));
}

/* 0 with all the fds; else none is left open. */
static int receive_hello(int socket, const char *name, struct attach_hello *hello, int fds[ATTACH_FDS])
{
	union {
		char bytes[CMSG_SPACE(ATTACH_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_base = hello, .iov_len = sizeof(*hello)};
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t n;
	while ((n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
		;
	if (n < 0 && errno == EAGAIN)
		return error_fail(VISO_STAGE_LAUNCHER, ETIMEDOUT, name, "the holder of '%s' does not answer", name);
	struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	size_t count = header ? (header->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
	/* It is ending, or we are not whom it wants. */
	if (count == 0)
		return n == 0 ? error_fail(VISO_STAGE_LAUNCHER, EACCES, name,
					   "the holder of '%s' refused; it is of another user, or ending", name)
			      : error_fail(VISO_STAGE_LAUNCHER, EMFILE, name, "too many open files to attach");
	memcpy(fds, CMSG_DATA(header), count * sizeof(int));
	if (count == ATTACH_FDS && n == sizeof(*hello))
		return 0;
	for (size_t i = 0; i < count; i++)
		close_fd(fds[i]);
	return error_fail(VISO_STAGE_LAUNCHER, count < ATTACH_FDS ? EMFILE : EPROTO, name,
			  "what the holder of '%s' sent is not complete", name);
}

static bool is_alike(const struct attach_hello *hello)
{
	return hello->version == VISO_VERSION_NUMBER(VISO_VERSION_MAJOR, VISO_VERSION_MINOR, VISO_VERSION_MICRO) &&
	       hello->sizes[0] == sizeof(struct plan) && hello->sizes[1] == sizeof(struct report) &&
	       hello->sizes[2] == sizeof(struct order);
}

/* Its own plan, as a copy: whoever made it cannot change it any more. */
static int read_plan(int fd, struct plan **out_plan)
{
	struct stat st;
	_cleanup_free_ struct plan *plan = NULL;
	if (fstat(fd, &st) < 0 || st.st_size < (off_t)sizeof(*plan) || st.st_size > PLAN_SIZE_MAX)
		return error_fail(VISO_STAGE_LAUNCHER, EPROTO, "plan", NULL);
	plan = malloc((size_t)st.st_size);
	if (!plan)
		return error_memory();
	if (pread(fd, plan, (size_t)st.st_size, 0) != st.st_size || plan->head.size != (uint64_t)st.st_size ||
	    plan->isolation != PLAN_CONTAINER)
		return error_fail(VISO_STAGE_LAUNCHER, EPROTO, "plan", NULL);
	*out_plan = TAKE_PTR(plan);
	return 0;
}

int detached_attach(int directory, const char *name, struct launched_instance *out_instance)
{
	struct attach_hello hello;
	struct plan *plan = NULL;
	int fds[ATTACH_FDS];
	_cleanup_close_ int socket = connect_to(directory, name);
	if (socket < 0)
		return socket;
	int r = receive_hello(socket, name, &hello, fds);
	if (r < 0)
		return r;
	if (!is_alike(&hello))
		r = error_fail(VISO_STAGE_LAUNCHER, EPROTO, name,
			       "'%s' was started by another version of the library (%u.%u), or a build that differs",
			       name, hello.version >> 16, hello.version >> 8 & 255);
	else
		r = read_plan(fds[ATTACH_PLAN], &plan);
	close_fd(fds[ATTACH_PLAN]);
	if (r < 0) {
		close_fd(fds[ATTACH_PLANS]);
		close_fd(fds[ATTACH_CHANNEL]);
		close_fd(fds[ATTACH_ROOT]);
		return r;
	}
	struct launched_instance found = {.plans = fd_above_streams(fds[ATTACH_PLANS]),
					  .channel = fd_above_streams(fds[ATTACH_CHANNEL]),
					  .root = fd_above_streams(fds[ATTACH_ROOT]),
					  .plan = plan};
	if (found.plans < 0 || found.channel < 0 || found.root < 0) {
		launched_instance_release(&found);
		return error_fail(VISO_STAGE_LAUNCHER, EMFILE, name, "too many open files to attach");
	}
	*out_instance = found;
	return 0;
}
