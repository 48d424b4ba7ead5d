/* SPDX-License-Identifier: MIT */
/* System calls that wait for files. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>

#include "core/cleanup.h"
#include "guest/program/calls.h"
#include "guest/program/readiness.h"

static const int64_t second_ns = 1000000000;

/* The moment that lies `seconds` and `ns` ahead on CLOCK_MONOTONIC. 0 or -EINVAL. */
static int moment(int64_t seconds, int64_t ns, int64_t *out)
{
	int64_t now = clock_now(CLOCK_MONOTONIC);
	if (seconds < 0 || ns < 0 || ns >= second_ns)
		return -EINVAL;
	*out = seconds < (INT64_MAX - now) / second_ns - 1 ? now + seconds * second_ns + ns : INT64_MAX;
	return 0;
}

/* As moment(), from a struct timespec of the guest; for ever where there is none. */
int call_moment(struct program *program, uint64_t address, int64_t *out)
{
	struct timespec time;
	*out = INT64_MAX;
	if (!address)
		return 0;
	if (space_read(program->space, &time, address, sizeof(time)) < 0)
		return -EFAULT;
	int r = moment(time.tv_sec, time.tv_nsec, out);
	*out = task_deadline(program, *out);
	return r;
}

int64_t call_moment_ms(int milliseconds)
{
	int64_t until = INT64_MAX;
	if (milliseconds >= 0)
		moment(milliseconds / 1000, milliseconds % 1000 * 1000000ll, &until);
	return until;
}

struct polled_files {
	struct pollfd *fds;
	size_t count;
};

static int64_t check_files(void *data, struct readiness *readiness)
{
	const struct polled_files *polled = data;
	int ready = 0;
	for (size_t i = 0; i < polled->count; i++) {
		struct pollfd *entry = &polled->fds[i];
		struct file *file = program_file(readiness->program, entry->fd);
		entry->revents = 0;
		if (entry->fd >= 0)
			entry->revents = file ? file_poll(file, entry->events, readiness) : POLLNVAL;
		ready += entry->revents != 0;
	}
	return ready;
}

/* Polls the program's fds until `until`, and sets their revents. What the system call returns. */
static int64_t poll_files(struct program *program, struct pollfd *fds, size_t count, int64_t until)
{
	struct polled_files polled = {fds, count};
	return readiness_wait(program, check_files, &polled, task_deadline(program, until));
}

static int64_t poll_list(struct program *program, uint64_t address, uint64_t count, int64_t until)
{
	if (count > program->limits[RLIMIT_NOFILE].rlim_cur)
		return -EINVAL;
	_cleanup_free_ struct pollfd *fds = calloc(count + 1, sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	if (space_read(program->space, fds, address, count * sizeof(*fds)) < 0)
		return -EFAULT;
	int64_t n = poll_files(program, fds, count, until);
	if (n >= 0 && space_write(program->space, address, fds, count * sizeof(*fds)) < 0)
		return -EFAULT;
	return n;
}

int64_t call_poll(struct program *program, const uint64_t args[6])
{
	return poll_list(program, args[0], (unsigned)args[1], call_moment_ms((int)args[2]));
}

int64_t call_ppoll(struct program *program, const uint64_t args[6])
{
	int64_t until;
	int r = call_moment(program, args[2], &until);
	if (r == 0)
		r = signal_use_mask(program, args[3], args[4]);
	return r < 0 ? r : poll_list(program, args[0], (unsigned)args[1], until);
}

static const short set_events[3] = {POLLIN | POLLHUP | POLLERR, POLLOUT | POLLERR, POLLPRI};
enum { SELECT_MAX = FD_SETSIZE };

static int64_t select_files(struct program *program, int count, const uint64_t addresses[3], int64_t until)
{
	fd_set sets[3];
	struct pollfd fds[SELECT_MAX];
	if (count < 0)
		return -EINVAL;
	if (count > SELECT_MAX)
		count = SELECT_MAX;
	size_t size = ((size_t)count + 63) / 64 * 8;
	memset(sets, 0, sizeof(sets));
	for (int i = 0; i < 3; i++)
		if (addresses[i] && space_read(program->space, &sets[i], addresses[i], size) < 0)
			return -EFAULT;
	for (int fd = 0; fd < count; fd++) {
		fds[fd] = (struct pollfd){.fd = -1};
		for (int i = 0; i < 3; i++)
			if (FD_ISSET(fd, &sets[i]))
				fds[fd] = (struct pollfd){.fd = fd, .events = fds[fd].events | set_events[i]};
		if (fds[fd].fd >= 0 && !program_file(program, fd))
			return -EBADF;
	}
	int64_t n = poll_files(program, fds, (size_t)count, until);
	if (n < 0)
		return n;
	int64_t bits = 0;
	for (int fd = 0; fd < count; fd++)
		for (int i = 0; i < 3; i++) {
			if (!FD_ISSET(fd, &sets[i]))
				continue;
			if (fds[fd].revents & set_events[i])
				bits++;
			else
				FD_CLR(fd, &sets[i]);
		}
	for (int i = 0; i < 3; i++)
		if (addresses[i] && space_write(program->space, addresses[i], &sets[i], size) < 0)
			return -EFAULT;
	return bits;
}

int64_t call_select(struct program *program, const uint64_t args[6])
{
	struct timeval time;
	int64_t until = INT64_MAX;
	if (args[4]) {
		if (space_read(program->space, &time, args[4], sizeof(time)) < 0)
			return -EFAULT;
		if (time.tv_usec < 0 || time.tv_usec >= 1000000 || moment(time.tv_sec, time.tv_usec * 1000, &until) < 0)
			return -EINVAL;
	}
	until = task_deadline(program, until);
	return select_files(program, (int)args[0], args + 1, until);
}

int64_t call_pselect6(struct program *program, const uint64_t args[6])
{
	struct {
		uint64_t address;
		uint64_t size;
	} mask = {0};
	int64_t until;
	int r = call_moment(program, args[4], &until);
	if (r == 0 && args[5])
		r = space_read(program->space, &mask, args[5], sizeof(mask));
	if (r == 0)
		r = signal_use_mask(program, mask.address, mask.size);
	return r < 0 ? r : select_files(program, (int)args[0], args + 1, until);
}
