/* SPDX-License-Identifier: MIT */
#include "outside.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support.h"

const char *outside_read(int pid, const char *file, char *text, size_t size)
{
	char path[128];
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;
	size_t used = 0;
	while (fd >= 0 && used < size - 1 && (n = read(fd, text + used, size - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = '\0';
	if (fd >= 0)
		close(fd);
	return text;
}

const char *outside_status(int pid, const char *key, char *text, size_t size)
{
	char whole[8192], wanted[64];
	outside_read(pid, "status", whole, sizeof(whole));
	snprintf(wanted, sizeof(wanted), "\n%s:", key);
	const char *line = strstr(whole, wanted);
	text[0] = '\0';
	if (!line)
		return text;
	line += strlen(wanted);
	line += strspn(line, " \t");
	size_t length = strcspn(line, "\n");
	while (length && strchr(" \t", line[length - 1]))
		length--;
	snprintf(text, size, "%.*s", (int)length, line);
	return text;
}

const char *outside_link(int pid, const char *name, char *text, size_t size)
{
	char path[128];
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	ssize_t n = readlink(path, text, size - 1);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

long outside_stat(int pid, int field)
{
	char whole[4096];
	const char *next = strrchr(outside_read(pid, "stat", whole, sizeof(whole)), ')');
	assert_non_null(next);
	for (; field > 2; field--) {
		next = strchr(next + 1, ' ');
		assert_non_null(next);
	}
	return atol(next + 1);
}
