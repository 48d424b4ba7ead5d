/* SPDX-License-Identifier: MIT */
/* The port of the host: finding it, and what is to be written to it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "guest/agent/program/agent.h"

static int open_port(const char *path)
{
	return open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* Without udev there are no names but in sysfs. */
static bool has_name(const char *device, const char *wanted)
{
	char path[320], name[64] = "";
	snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", device);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, name, sizeof(name) - 1);
	if (n <= 0)
		return false;
	name[strcspn(name, "\n")] = '\0';
	return !strcmp(name, wanted);
}

bool port_find(const char *name, char *out_path, size_t size)
{
	_cleanup_closedir_ DIR *ports = opendir("/sys/class/virtio-ports");
	for (struct dirent *entry; ports && (entry = readdir(ports));)
		if (entry->d_name[0] != '.' && has_name(entry->d_name, name))
			return snprintf(out_path, size, "/dev/%s", entry->d_name) < (int)size;
	return false;
}

static int find_port(void)
{
	char path[64];
	int fd = open_port("/dev/virtio-ports/" AGENT_PORT_NAME);
	return fd < 0 && port_find(AGENT_PORT_NAME, path, sizeof(path)) ? open_port(path) : fd;
}

void port_open(void)
{
	if (!agent.is_given && agent.port < 0)
		agent.port = agent.path ? open_port(agent.path) : find_port();
}

void port_close(void)
{
	agent.port = close_fd(agent.port);
	agent.queue_begin = agent.queue_end = 0;
}

bool queue_is_full(void)
{
	return agent.queue_end - agent.queue_begin >= QUEUE_FULL;
}

void say(unsigned type, uint32_t id, const void *data, size_t size)
{
	if (!agent.has_session)
		return;
	if (agent.queue_begin && QUEUE_ROOM - agent.queue_end < AGENT_HEADER + size) {
		memmove(agent.queue, agent.queue + agent.queue_begin, agent.queue_end - agent.queue_begin);
		agent.queue_end -= agent.queue_begin;
		agent.queue_begin = 0;
	}
	if (QUEUE_ROOM - agent.queue_end < AGENT_HEADER + size) {
		session_end();
		return;
	}
	frames_put_header(agent.queue + agent.queue_end, type, id, agent.host_token, size);
	if (size)
		memcpy(agent.queue + agent.queue_end + AGENT_HEADER, data, size);
	agent.queue_end += AGENT_HEADER + size;
}

/* SIGPIPE is ignored. */
void queue_flush(void)
{
	while (agent.port >= 0 && agent.queue_begin < agent.queue_end) {
		ssize_t n = write(agent.port, agent.queue + agent.queue_begin, agent.queue_end - agent.queue_begin);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			session_lose_host();
			return;
		}
		if (n <= 0)
			break;
		agent.queue_begin += (size_t)n;
	}
	if (agent.queue_begin == agent.queue_end)
		agent.queue_begin = agent.queue_end = 0;
}
