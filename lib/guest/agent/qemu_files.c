/* SPDX-License-Identifier: MIT */
/* Single files into and out of a guest by the QEMU guest agent, and what its /proc has to say. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "core/file_limit.h"
#include "guest/agent/message.h"
#include "guest/agent/qemu_agent.h"
#include "launch/copy/workshop.h"

/* What is told of /proc is a few lines, and comes at once, mostly. */
enum { CHUNK = 32 << 10, TEXT_MAX = 8192, READS_MAX = 16 };

/* A guest could send for ever: more than this is no file that somebody wants, nor is so much of one without a size. */
static const int64_t file_max = INT64_C(256) << 30, unsized_max = 16 << 20;

/* With the lock of talking held, all of these. */

static int send_contents(struct qemu_ga *ga, int64_t handle, int fd, const char *source)
{
	_cleanup_free_ char *data = malloc(CHUNK);
	if (!data)
		return error_memory();
	for (;;) {
		ssize_t n = read(fd, data, CHUNK);
		if (n < 0)
			return error_fail(VISO_STAGE_ROOT, errno, source, NULL);
		if (n == 0)
			return 0;
		for (ssize_t sent = 0; sent < n;) {
			int r = qemu_ga_file_write(ga, handle, data + sent, (size_t)(n - sent), QEMU_CALL_MS);
			if (r == 0)
				return error_fail(VISO_STAGE_GUEST, EIO, source, "the guest's qemu-ga writes nothing");
			if (r < 0)
				return r;
			sent += r;
		}
	}
}

static int write_part(int fd, const char *data, int size, const char *destination)
{
	struct file_limit_guard guard;
	file_limit_begin(&guard);
	ssize_t written = write(fd, data, (size_t)size);
	int error = written < 0 ? errno : ENOSPC;
	file_limit_end(&guard);
	return written == size ? 0 : error_fail(VISO_STAGE_ROOT, error, destination, NULL);
}

/* No more than there was at first, however the guest goes on. */
static int receive_contents(struct qemu_ga *ga, int64_t handle, int fd, const char *destination)
{
	_cleanup_free_ char *data = malloc(CHUNK);
	if (!data)
		return error_memory();
	const int64_t size = qemu_ga_file_size(ga, handle, QEMU_CALL_MS);
	if (size < 0)
		return (int)size;
	const int64_t wanted = size ? size : unsized_max, max = wanted < file_max ? wanted : file_max;
	for (int64_t left = max; left > 0 || max != size;) {
		int n = qemu_ga_file_read(ga, handle, data, left > 0 && left < CHUNK ? (size_t)left : CHUNK,
					  QEMU_CALL_MS);
		if (n <= 0)
			return n;
		if (left == 0)
			return error_fail(VISO_STAGE_GUEST, EFBIG, destination,
					  "the guest's qemu-ga goes on behind %lld MiB of a file %s",
					  (long long)(max >> 20), size ? "of the largest size" : "that has no size");
		int r = write_part(fd, data, n, destination);
		if (r < 0)
			return r;
		left -= n;
	}
	return 0;
}

static int close_handle(struct qemu_ga *ga, int64_t handle, int r)
{
	int closed = qemu_ga_file_close(ga, handle, QEMU_CALL_MS);
	return r < 0 ? r : closed;
}

static int send_file(struct qemu_ga *ga, int fd, const char *source, const char *path)
{
	int64_t handle;
	int r = qemu_ga_file_open(ga, path, "w", QEMU_CALL_MS, &handle);
	return r < 0 ? r : close_handle(ga, handle, send_contents(ga, handle, fd, source));
}

int qemu_agent_copy_in(struct qemu_agent *agent, const char *source, const char *path)
{
	struct stat st;
	_cleanup_close_ int fd = fd_above_streams(open(source, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_fail(VISO_STAGE_ROOT, errno, source, NULL);
	if (!S_ISREG(st.st_mode))
		return error_fail(
			VISO_STAGE_ROOT, EOPNOTSUPP, source,
			"qemu-ga's protocol has single files only, and %s is none; copy its files one by one, or "
			"take viso-agent",
			source);
	pthread_mutex_lock(&agent->talk);
	int r = qemu_agent_explain(send_file(agent->ga, fd, source, path), path);
	pthread_mutex_unlock(&agent->talk);
	return r;
}

static int receive_file(struct qemu_ga *ga, int fd, const char *path, const char *destination)
{
	int64_t handle;
	int r = qemu_ga_file_open(ga, path, "r", QEMU_CALL_MS, &handle);
	return r < 0 ? r : close_handle(ga, handle, receive_contents(ga, handle, fd, destination));
}

int qemu_agent_copy_out(struct qemu_agent *agent, const char *path, const char *destination)
{
	_cleanup_(workshop_close) struct workshop workshop = workshop_none;
	int r = workshop_open(&workshop, destination);
	if (r < 0)
		return r;
	_cleanup_close_ int fd =
		fd_above_streams(openat(workshop.fd, "copy", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
	if (fd < 0)
		return error_fail(VISO_STAGE_ROOT, errno, destination, NULL);
	pthread_mutex_lock(&agent->talk);
	r = qemu_agent_explain(receive_file(agent->ga, fd, path, destination), path);
	pthread_mutex_unlock(&agent->talk);
	return r < 0 ? r : workshop_finish(&workshop, destination);
}

static int read_text(struct qemu_agent *agent, const char *path, int timeout_ms, char text[TEXT_MAX])
{
	int64_t handle;
	size_t size = 0;
	int n = 0;
	pthread_mutex_lock(&agent->talk);
	int r = qemu_ga_file_open(agent->ga, path, "r", timeout_ms, &handle);
	if (r == 0) {
		for (int i = 0; i < READS_MAX && size < TEXT_MAX - 1; i++) {
			n = qemu_ga_file_read(agent->ga, handle, text + size, TEXT_MAX - 1 - size, timeout_ms);
			if (n <= 0)
				break;
			size += (size_t)n;
		}
		r = close_handle(agent->ga, handle, n < 0 ? n : 0);
	}
	pthread_mutex_unlock(&agent->talk);
	text[size] = '\0';
	return qemu_agent_explain(r, path);
}

/* In bytes, of a line of proc_meminfo(5); 0 where it is not there. */
static uint64_t read_line(const char *text, const char *name)
{
	const char *found = strstr(text, name);
	return found ? strtoull(found + strlen(name), NULL, 10) * 1024 : 0;
}

/* A number with two digits behind its point, which strtod(3) may look for as a comma. */
static uint64_t take_thousandths(const char **text)
{
	char *end;
	uint64_t whole = strtoull(*text, &end, 10), part = *end == '.' ? strtoull(end + 1, &end, 10) : 0;
	*text = end;
	return whole < UINT64_MAX / 2000 && part < 100 ? whole * 1000 + part * 10 : 0;
}

static void take_load(const char *text, uint64_t out[])
{
	for (int i = 0; i < 3; i++)
		out[AGENT_STATISTIC_LOAD_1 + i] = take_thousandths(&text);
	const char *all = strchr(text, '/');
	out[AGENT_STATISTIC_PROCESSES] = all ? strtoull(all + 1, NULL, 10) : 0;
}

int qemu_agent_statistics(struct qemu_agent *agent, int timeout_ms, uint64_t out[])
{
	static const char *const lines[] = {"MemTotal:", "MemFree:", "MemAvailable:", "SwapTotal:", "SwapFree:"};
	uint64_t figures[AGENT_STATISTIC_COUNT] = {0};
	char text[TEXT_MAX];
	int64_t now = 0;
	int r = read_text(agent, "/proc/meminfo", timeout_ms, text);
	for (int i = 0; r == 0 && i < 5; i++)
		figures[AGENT_STATISTIC_MEMORY_TOTAL + i] = read_line(text, lines[i]);
	if (r == 0)
		r = read_text(agent, "/proc/loadavg", timeout_ms, text);
	if (r == 0)
		take_load(text, figures);
	if (r == 0)
		r = read_text(agent, "/proc/uptime", timeout_ms, text);
	const char *uptime = text;
	figures[AGENT_STATISTIC_UPTIME_MS] = r == 0 ? take_thousandths(&uptime) : 0;
	pthread_mutex_lock(&agent->talk);
	if (r == 0)
		r = qemu_ga_get_time(agent->ga, timeout_ms, &now);
	pthread_mutex_unlock(&agent->talk);
	if (r < 0)
		return r;
	figures[AGENT_STATISTIC_TIME_NS] = (uint64_t)now;
	pthread_mutex_lock(&agent->lock);
	figures[AGENT_STATISTIC_COMMANDS] = agent->command_count;
	pthread_mutex_unlock(&agent->lock);
	memcpy(out, figures, sizeof(figures));
	return 0;
}
