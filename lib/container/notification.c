/* SPDX-License-Identifier: MIT */
/* System calls that the host program answers; see seccomp_unotify(2). */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <virtiso/notification.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "launch/seccomp/seccomp.h"
#include "sandbox/process.h"

enum { ERRNO_MAX = 4095 };

struct viso_notification {
	struct handle handle;
	pthread_mutex_t lock; /* guards `answered`, and one answer against another */
	bool answered;
	int listener; /* of its own: the process may go first */
	char name[SECCOMP_NAME_MAX];
	size_t answer_size;        /* as the kernel has it */
	struct seccomp_notif call; /* last: the kernel's may be longer */
};

static int check(const viso_notification *notification, const char *function)
{
	return handle_check(notification ? &notification->handle : NULL, function);
}

static void notification_free(viso_notification *notification)
{
	close_fd(notification->listener);
	pthread_mutex_destroy(&notification->lock);
	free(notification);
}

viso_notification *viso_notification_ref(viso_notification *notification)
{
	if (notification)
		handle_ref(&notification->handle);
	return notification;
}

viso_notification *viso_notification_unref(viso_notification *notification)
{
	if (!notification || !handle_unref(&notification->handle))
		return NULL;
	if (handle_is_mine(&notification->handle) && !notification->answered) {
		int r = viso_notification_refuse(notification, ENOSYS);
		(void)r; /* it waits no longer */
	}
	notification_free(notification);
	return NULL;
}

static int check_process(viso_process *process, const char *function)
{
	int r = handle_check(process ? &process->handle : NULL, function);
	if (r == 0 && process->notifications < 0)
		r = error_fail(VISO_STAGE_SECCOMP, EBADF, function,
			       "%s: the command runs without a rule with VISO_SYSCALL_NOTIFY", function);
	return r;
}

int viso_process_notification_fd(viso_process *process)
{
	int r = check_process(process, __func__);
	return r < 0 ? r : process->notifications;
}

/* Room for what the kernel writes, which may have grown. NULL with the error set. */
static viso_notification *notification_new(int listener)
{
	struct seccomp_notif_sizes sizes;
	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0) {
		error_fail(VISO_STAGE_SECCOMP, errno, "seccomp", NULL);
		return NULL;
	}
	size_t size =
		sizes.seccomp_notif > sizeof(struct seccomp_notif) ? sizes.seccomp_notif : sizeof(struct seccomp_notif);
	viso_notification *notification = calloc(1, offsetof(viso_notification, call) + size);
	if (!notification) {
		error_memory();
		return NULL;
	}
	handle_init(&notification->handle);
	pthread_mutex_init(&notification->lock, NULL);
	notification->answer_size = sizes.seccomp_notif_resp > sizeof(struct seccomp_notif_resp)
					    ? sizes.seccomp_notif_resp
					    : sizeof(struct seccomp_notif_resp);
	notification->listener = fcntl(listener, F_DUPFD_CLOEXEC, 3);
	if (notification->listener < 0) {
		error_fail(VISO_STAGE_SECCOMP, errno, "dup", "too many open files to take a notification");
		notification_free(notification);
		return NULL;
	}
	return notification;
}

/*
 * The next call, if one waits. 1; 0 where none does, since another thread or its end was faster; or a negative errno.
 * Under the lock, so that the ioctl, which would wait without end, comes where there is something only.
 */
static int take(viso_process *process, viso_notification *notification)
{
	struct pollfd waiting = {.fd = process->notifications, .events = POLLIN};
	int r = 0, error = 0;
	pthread_mutex_lock(&process->lock);
	if (poll(&waiting, 1, 0) > 0 && (waiting.revents & POLLIN)) {
		r = ioctl(process->notifications, SECCOMP_IOCTL_NOTIF_RECV, &notification->call) < 0 ? -1 : 1;
		error = errno;
	}
	pthread_mutex_unlock(&process->lock);
	if (r >= 0)
		return r;
	memset(&notification->call, 0, sizeof(notification->call));
	/* It was killed in between, or a signal came. */
	if (error == ENOENT || error == EINTR)
		return 0;
	return error_fail(VISO_STAGE_SECCOMP, error, "SECCOMP_IOCTL_NOTIF_RECV", NULL);
}

static int64_t now_ms(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static int fail_ended(void)
{
	return error_fail(VISO_STAGE_PROCESS, ESRCH, "notification", "the command has ended");
}

/* What is readable may be the end, which is kept for whoever waits for it. 0 or -ESRCH. */
static int look_for_end(viso_process *process)
{
	int r = process_finish(process, 0);
	return r == -ETIMEDOUT ? 0 : fail_ended();
}

/* Waits for at most `left` ms. 0 where something happened, else a negative errno with the error set. */
static int await(viso_process *process, int left)
{
	struct pollfd polls[] = {
		{.fd = process->notifications, .events = POLLIN},
		{.fd = process->fd, .events = POLLIN},
	};
	int r = poll(polls, 2, left);
	if (r < 0)
		return error_fail(VISO_STAGE_PROCESS, errno, "poll", NULL);
	if (polls[0].revents & POLLIN)
		return 0;
	if (polls[0].revents & (POLLHUP | POLLERR))
		return fail_ended();
	return polls[1].revents ? look_for_end(process) : 0;
}

static int await_call(viso_process *process, int timeout_ms, viso_notification *notification)
{
	int64_t end = timeout_ms > 0 ? now_ms() + timeout_ms : 0;
	for (int left = timeout_ms;;) {
		int r = await(process, left);
		if (r == 0)
			r = take(process, notification);
		if (r != 0)
			return r < 0 ? r : 0;
		if (timeout_ms >= 0 && (left = timeout_ms ? (int)(end - now_ms()) : 0) <= 0)
			return error_fail(VISO_STAGE_PROCESS, ETIMEDOUT, "notification",
					  "no system call waits after %d ms", timeout_ms);
	}
}

int viso_process_next_notification(viso_process *process, int timeout_ms, viso_notification **out_notification)
{
	int r = check_process(process, __func__);
	if (r < 0)
		return r;
	if (!out_notification)
		return error_argument(__func__, "out_notification is NULL");
	if (timeout_ms < -1)
		return error_argument(__func__, "the time-out is below -1");
	viso_notification *notification = notification_new(process->notifications);
	if (!notification)
		return -viso_error_number();
	r = await_call(process, timeout_ms, notification);
	if (r < 0) {
		notification_free(notification);
		return r;
	}
	seccomp_name(notification->call.data.nr, notification->name);
	*out_notification = notification;
	return 0;
}

const char *viso_notification_name(const viso_notification *notification)
{
	return check(notification, __func__) < 0 ? NULL : notification->name;
}

int viso_notification_number(const viso_notification *notification)
{
	int r = check(notification, __func__);
	return r < 0 ? r : notification->call.data.nr;
}

int viso_notification_pid(const viso_notification *notification)
{
	int r = check(notification, __func__);
	return r < 0 ? r : (int)notification->call.pid;
}

int viso_notification_argument(const viso_notification *notification, unsigned index, uint64_t *out_value)
{
	int r = check(notification, __func__);
	if (r < 0)
		return r;
	if (index >= SECCOMP_ARGUMENTS)
		return error_argument(__func__, "an argument is a number from 0 to 5");
	if (!out_value)
		return error_argument(__func__, "out_value is NULL");
	*out_value = notification->call.data.args[index];
	return 0;
}

/* Up to the next page that is not there. How many bytes, or -1 with errno. */
static ssize_t read_pages(pid_t pid, uint64_t address, char *buffer, size_t size)
{
	const size_t page = 4096;
	size_t done = 0;
	while (done < size) {
		size_t piece = page - (address + done) % page;
		struct iovec to = {.iov_base = buffer + done, .iov_len = piece < size - done ? piece : size - done};
		struct iovec from = {.iov_base = (void *)(uintptr_t)(address + done), .iov_len = to.iov_len};
		ssize_t n = process_vm_readv(pid, &to, 1, &from, 1, 0);
		if (n <= 0)
			return done ? (ssize_t)done : -1;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int viso_notification_read(const viso_notification *notification, uint64_t address, void *buffer, size_t size)
{
	int r = check(notification, __func__);
	if (r < 0)
		return r;
	if (!buffer || size > INT32_MAX)
		return error_argument(__func__, buffer ? "more than a process would wait for" : "the buffer is NULL");
	ssize_t n = size ? read_pages((pid_t)notification->call.pid, address, buffer, size) : 0;
	int error = errno;
	/* Only now is it sure that the memory was that of the process which waits, not of one that has its pid now. */
	uint64_t id = notification->call.id;
	if (ioctl(notification->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) < 0)
		return error_fail(VISO_STAGE_PROCESS, ESRCH, __func__, "%s: the call waits no longer", __func__);
	if (n < 0)
		return error_fail(VISO_STAGE_PROCESS, error, __func__, "%s: the memory cannot be read: %s", __func__,
				  strerrordesc_np(error));
	return (int)n;
}

static int fail_answer(int error, const char *function)
{
	switch (error) {
	case EINPROGRESS:
	case EALREADY:
		return error_fail(VISO_STAGE_ARGUMENT, EALREADY, function, "%s: the call was answered already",
				  function);
	case ENOENT:
		return error_fail(VISO_STAGE_PROCESS, ENOENT, function,
				  "%s: the call waits no longer: its process was killed", function);
	case EMFILE:
		return error_fail(VISO_STAGE_PROCESS, EMFILE, function, "%s: the program has too many open files",
				  function);
	default:
		return error_fail(VISO_STAGE_PROCESS, error, function, NULL);
	}
}

/* By one ioctl, once. */
static int answer(viso_notification *notification, unsigned long request, void *argument, const char *function)
{
	int error = 0;
	pthread_mutex_lock(&notification->lock);
	if (notification->answered) {
		error = EALREADY;
	} else {
		int r;
		while ((r = ioctl(notification->listener, request, argument)) < 0 && errno == EINTR)
			;
		error = r < 0 ? errno : 0;
		notification->answered = r >= 0 || error == EINPROGRESS;
	}
	pthread_mutex_unlock(&notification->lock);
	return error ? fail_answer(error, function) : 0;
}

static int respond(viso_notification *notification, int64_t value, int error, uint32_t flags, const char *function)
{
	int r = check(notification, function);
	if (r < 0)
		return r;
	union {
		struct seccomp_notif_resp answer;
		char room[512]; /* the kernel's may be longer; what we do not know is 0 */
	} response = {{0}};
	if (notification->answer_size > sizeof(response))
		return error_fail(VISO_STAGE_SECCOMP, EOPNOTSUPP, function, "the kernel's answers are too long");
	response.answer.id = notification->call.id;
	response.answer.val = value;
	response.answer.error = -error;
	response.answer.flags = flags;
	return answer(notification, SECCOMP_IOCTL_NOTIF_SEND, &response, function);
}

int viso_notification_answer(viso_notification *notification, int64_t value)
{
	return respond(notification, value, 0, 0, __func__);
}

int viso_notification_refuse(viso_notification *notification, int error)
{
	if (error < 1 || error > ERRNO_MAX)
		return error_argument(__func__, "an errno is 1 to 4095");
	return respond(notification, 0, error, 0, __func__);
}

int viso_notification_continue(viso_notification *notification)
{
	return respond(notification, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE, __func__);
}

/* A directory would let the program climb out of its root by fchdir(2). */
static int check_fd(int fd, const char *function)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fstat(fd, &st) < 0)
		return error_fail(VISO_STAGE_ARGUMENT, EBADF, function, "%s: %d is no open fd", function, fd);
	if (S_ISDIR(st.st_mode) || (flags & O_PATH))
		return error_fail(VISO_STAGE_ARGUMENT, EISDIR, function,
				  "%s: fd %d is a directory or an O_PATH fd, which would lead out of the sandbox",
				  function, fd);
	return 0;
}

int viso_notification_answer_fd(viso_notification *notification, int fd)
{
	int r = check(notification, __func__);
	if (r == 0)
		r = check_fd(fd, __func__);
	if (r < 0)
		return r;
	struct seccomp_notif_addfd add = {
		.id = notification->call.id,
		.flags = SECCOMP_ADDFD_FLAG_SEND,
		.srcfd = (uint32_t)fd,
		.newfd_flags = O_CLOEXEC,
	};
	r = answer(notification, SECCOMP_IOCTL_NOTIF_ADDFD, &add, __func__);
	if (r == -EINVAL || r == -ENOTTY)
		r = error_fail(VISO_STAGE_SECCOMP, EOPNOTSUPP, __func__,
			       "%s: this kernel cannot answer with a fd; that needs Linux 5.14", __func__);
	return r;
}
