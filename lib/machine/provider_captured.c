/* SPDX-License-Identifier: MIT */
/* A captured directory as a provider of facts. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fd.h"
#include "machine/provider.h"

enum { FACTS_MAX = 256 * 1024, TRIES_MAX = 64 };

static int open_here(struct provider *provider, const char *path, int flags)
{
	const struct open_how how = {
		.flags = (unsigned)(flags | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	path += strspn(path, "/");
	long fd = -1;
	/* EAGAIN: something was renamed meanwhile. Somebody may do that without end. */
	for (int tries = 0; fd < 0 && (!tries || errno == EINTR || errno == EAGAIN) && tries < TRIES_MAX; tries++)
		fd = syscall(SYS_openat2, provider->root, *path ? path : ".", &how, sizeof(how));
	return fd < 0 ? -errno : (int)fd;
}

/* By O_PATH first: opening a device may do something. */
static int open_checked(struct provider *provider, const char *path, int flags)
{
	struct stat status;
	const mode_t wanted = flags & O_DIRECTORY ? S_IFDIR : S_IFREG;
	_cleanup_close_ int seen = open_here(provider, path, O_PATH);
	if (seen < 0)
		return seen;
	if (fstat(seen, &status) < 0)
		return -errno;
	if ((status.st_mode & S_IFMT) != wanted)
		return -EBADMSG;
	return open_here(provider, path, flags);
}

static int read_facts(struct provider *provider, const char *name, char **out_text)
{
	size_t size;
	int r = provider_read_all(provider, name, FACTS_MAX, out_text, &size);
	return r == -EFBIG ? -EBADMSG : r;
}

static int error_by_name(const char *name, size_t length)
{
	enum { ERRNO_MAX = 133 }; /* EHWPOISON, the last one */
	for (int error = 1; error <= ERRNO_MAX; error++) {
		const char *other = strerrorname_np(error);
		/* It was that machine which had no memory: said by us, it would be about this process. */
		if (other && error != ENOMEM && strlen(other) == length && !memcmp(other, name, length))
			return error;
	}
	return EIO;
}

/* What `errors` says of a fact: a negative errno, or 0. Where it cannot be read, anything may be noted there. */
static int noted_error(struct provider *provider, const char *fact)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int fd = open_checked(provider, "errors", O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	text = malloc(FACTS_MAX + 1);
	if (!text)
		return -ENOMEM;
	ssize_t n = read(fd, text, FACTS_MAX);
	if (n < 0)
		return -errno;
	if (n == FACTS_MAX)
		return -EFBIG;
	text[n] = '\0';
	/* Most often there is nothing, which is quickly seen. */
	if (!strstr(text, fact))
		return 0;
	char *rest = NULL;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		size_t length = strcspn(line, " \t");
		const char *name = line + length + strspn(line + length, " \t");
		if (!strcmp(name, fact))
			return -error_by_name(line, length);
	}
	return 0;
}

static int captured_open(struct provider *provider, const char *path, int flags)
{
	int fd = flags & O_PATH ? open_here(provider, path, flags) : open_checked(provider, path, flags);
	int noted = fd == -ENOENT ? noted_error(provider, path) : 0;
	return noted ? noted : fd;
}

static ssize_t captured_read_link(struct provider *provider, const char *path, char *target, size_t size)
{
	_cleanup_close_ int fd = open_here(provider, path, O_PATH | O_NOFOLLOW);
	if (fd < 0) {
		int noted = fd == -ENOENT ? noted_error(provider, path) : 0;
		return noted ? noted : fd;
	}
	ssize_t n = readlinkat(fd, "", target, size);
	/* ENOENT is what readlinkat(2) says of an open file that is no link. */
	return n >= 0 ? n : errno == ENOENT ? -EINVAL : -errno;
}

/* The text of one of the files of facts, where nothing is noted against `fact`. */
static int facts_about(struct provider *provider, const char *file, const char *fact, char **out_text)
{
	int noted = noted_error(provider, fact);
	return noted ? noted : read_facts(provider, file, out_text);
}

static int captured_cpuid(struct provider *provider, uint32_t leaf, uint32_t subleaf, struct cpuid_answer *out_answer)
{
	_cleanup_free_ char *text = NULL;
	char *rest = NULL;
	int r = facts_about(provider, "cpuid", "cpuid", &text);
	if (r < 0)
		return r;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		struct cpuid_answer answer;
		unsigned its_leaf, its_subleaf;
		if (sscanf(line, "%x %x: %x %x %x %x", &its_leaf, &its_subleaf, &answer.eax, &answer.ebx, &answer.ecx,
			   &answer.edx) != 6)
			return -EBADMSG;
		if (its_leaf == leaf && its_subleaf == subleaf) {
			*out_answer = answer;
			return 0;
		}
	}
	return -ENOENT;
}

static int captured_msr(struct provider *provider, uint32_t number, uint64_t *out_value)
{
	_cleanup_free_ char *text = NULL;
	char *rest = NULL;
	int r = facts_about(provider, "msr", "msr", &text);
	if (r < 0)
		return r;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		unsigned its_number;
		unsigned long long value;
		if (sscanf(line, "%x: %llx", &its_number, &value) != 2)
			return -EBADMSG;
		if (its_number == number) {
			*out_value = value;
			return 0;
		}
	}
	return -ENOENT;
}

static int captured_uname(struct provider *provider, struct utsname *out_name)
{
	struct utsname name = {0};
	char *const fields[] = {name.sysname, name.nodename, name.release, name.version, name.machine};
	_cleanup_free_ char *text = NULL;
	int r = facts_about(provider, "uname", "uname", &text);
	if (r < 0)
		return r;
	char *line = text;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		size_t length = strcspn(line, "\n");
		if (!length || length >= sizeof(name.sysname))
			return -EBADMSG;
		memcpy(fields[i], line, length);
		line += length + (line[length] == '\n');
	}
	*out_name = name;
	return 0;
}

static int captured_namespace(struct provider *provider, const char *name, uint64_t *out_inode)
{
	_cleanup_free_ char *text = NULL;
	char *rest = NULL, fact[64];
	snprintf(fact, sizeof(fact), "ns/%s", name);
	int r = facts_about(provider, "ns", fact, &text);
	if (r < 0)
		return r;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char its_name[32];
		unsigned long long inode;
		if (sscanf(line, "%31[a-z_]: %llu", its_name, &inode) != 2)
			return -EBADMSG;
		if (!strcmp(its_name, name)) {
			*out_inode = inode;
			return 0;
		}
	}
	return -ENOENT;
}

static int captured_mount_root(struct provider *provider)
{
	char text[8];
	int noted = noted_error(provider, "root");
	int r = noted ? noted : provider_read_line(provider, "root", text, sizeof(text));
	if (r < 0)
		return r;
	return !strcmp(text, "1") ? 1 : !strcmp(text, "0") ? 0 : -EBADMSG;
}

static const struct provider_calls captured = {
	.open = captured_open,
	.read_link = captured_read_link,
	.cpuid = captured_cpuid,
	.msr = captured_msr,
	.uname = captured_uname,
	.namespace = captured_namespace,
	.mount_root = captured_mount_root,
};

int provider_init_captured(struct provider *provider, const char *directory)
{
	int fd = fd_above_streams(open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC));
	if (fd < 0)
		return -errno;
	*provider = (struct provider){.calls = &captured, .root = fd};
	return 0;
}
