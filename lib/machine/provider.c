/* SPDX-License-Identifier: MIT */
/* What is the same for every kind of provider. */
#include "machine/provider.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/transfer.h"

enum { NAMES_MAX = 65536, FIRST_SIZE = 16 * 1024 };

/* Callers may take an errno for an answer; this one is none. */
static int note(struct provider *provider, int result)
{
	if (result == -ENOMEM)
		provider->is_out_of_memory = true;
	return result;
}

static int open_for_reading(struct provider *provider, const char *path, int flags)
{
	return note(provider,
		    provider->calls->open(provider, path, flags | O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
}

ssize_t provider_read(struct provider *provider, const char *path, char *buffer, size_t size)
{
	_cleanup_close_ int fd = open_for_reading(provider, path, 0);
	if (fd < 0)
		return fd;
	ssize_t n = read_whole(fd, buffer, size - 1);
	if (n >= 0)
		buffer[n] = '\0';
	return n;
}

int provider_read_all(struct provider *provider, const char *path, size_t max, char **out_text, size_t *out_size)
{
	_cleanup_close_ int fd = open_for_reading(provider, path, 0);
	_cleanup_free_ char *text = NULL;
	size_t size = 0, capacity = 0;
	if (fd < 0)
		return fd;
	do {
		capacity = capacity ? 2 * capacity : FIRST_SIZE;
		if (capacity > max + 1)
			capacity = max + 1;
		char *larger = realloc(text, capacity + 1);
		if (!larger)
			return note(provider, -ENOMEM);
		text = larger;
		ssize_t n = read_whole(fd, text + size, capacity - size);
		if (n < 0)
			return (int)n;
		size += (size_t)n;
		if (size > max)
			return -EFBIG;
	} while (size == capacity);
	text[size] = '\0';
	*out_text = TAKE_PTR(text);
	*out_size = size;
	return 0;
}

int provider_read_line(struct provider *provider, const char *path, char *buffer, size_t size)
{
	ssize_t n = provider_read(provider, path, buffer, size);
	if (n < 0)
		return (int)n;
	size_t begin = 0, end = strcspn(buffer, "\n");
	while (begin < end && isspace((unsigned char)buffer[begin]))
		begin++;
	while (end > begin && isspace((unsigned char)buffer[end - 1]))
		end--;
	memmove(buffer, buffer + begin, end - begin);
	buffer[end - begin] = '\0';
	return 0;
}

void make_printable(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

int provider_read_link(struct provider *provider, const char *path, char *target, size_t size)
{
	ssize_t n = provider->calls->read_link(provider, path, target, size);
	if (n < 0)
		return note(provider, (int)n);
	if ((size_t)n >= size)
		return -ENAMETOOLONG;
	target[n] = '\0';
	return 0;
}

int provider_list(struct provider *provider, const char *path, struct strings *names)
{
	int fd = open_for_reading(provider, path, O_DIRECTORY);
	if (fd < 0)
		return fd;
	_cleanup_closedir_ DIR *dir = fdopendir(fd);
	if (!dir) {
		int r = -errno;
		close(fd);
		return note(provider, r);
	}
	for (;;) {
		errno = 0;
		struct dirent *entry = readdir(dir);
		if (!entry)
			return -errno;
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (names->count >= NAMES_MAX)
			return -E2BIG;
		if (strings_add(names, entry->d_name) < 0)
			return note(provider, -ENOMEM);
	}
}

int provider_exists(struct provider *provider, const char *path)
{
	_cleanup_close_ int fd = note(provider, provider->calls->open(provider, path, O_PATH | O_CLOEXEC));
	return fd >= 0 ? 1 : fd == -ENOENT || fd == -ENOTDIR ? 0 : fd;
}

int provider_cpuid(struct provider *provider, uint32_t leaf, uint32_t subleaf, struct cpuid_answer *out_answer)
{
	return note(provider, provider->calls->cpuid(provider, leaf, subleaf, out_answer));
}

int provider_msr(struct provider *provider, uint32_t number, uint64_t *out_value)
{
	return note(provider, provider->calls->msr(provider, number, out_value));
}

int provider_uname(struct provider *provider, struct utsname *out_name)
{
	return note(provider, provider->calls->uname(provider, out_name));
}

int provider_namespace(struct provider *provider, const char *name, uint64_t *out_inode)
{
	return note(provider, provider->calls->namespace(provider, name, out_inode));
}

int provider_mount_root(struct provider *provider)
{
	return note(provider, provider->calls->mount_root(provider));
}

void provider_release(struct provider *provider)
{
	provider->root = close_fd(provider->root);
}
