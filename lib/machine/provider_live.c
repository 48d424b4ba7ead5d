/* SPDX-License-Identifier: MIT */
/* This machine as a provider of facts. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__) || defined(__i386__)
#include <asm/prctl.h>
#include <cpuid.h>
#endif

#include "core/cleanup.h"
#include "machine/provider.h"

static int live_open(struct provider *provider, const char *path, int flags)
{
	int fd = open(path, flags);
	return fd < 0 ? -errno : fd;
}

static ssize_t live_read_link(struct provider *provider, const char *path, char *target, size_t size)
{
	ssize_t n = readlink(path, target, size);
	return n < 0 ? -errno : n;
}

/* A process can be made to die of the instruction: ARCH_CPUID of arch_prctl(2). */
static int live_cpuid(struct provider *provider, uint32_t leaf, uint32_t subleaf, struct cpuid_answer *out_answer)
{
#if defined(__x86_64__) || defined(__i386__)
	if (syscall(SYS_arch_prctl, ARCH_GET_CPUID, 0) == 0)
		return -EACCES;
	__cpuid_count(leaf, subleaf, out_answer->eax, out_answer->ebx, out_answer->ecx, out_answer->edx);
	return 0;
#else
	return -EOPNOTSUPP;
#endif
}

static int live_msr(struct provider *provider, uint32_t number, uint64_t *out_value)
{
	uint64_t value;
	_cleanup_close_ int fd = open("/dev/cpu/0/msr", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = pread(fd, &value, sizeof(value), (off_t)number);
	if (n != sizeof(value))
		return n < 0 ? -errno : -EIO;
	*out_value = value;
	return 0;
}

static int live_uname(struct provider *provider, struct utsname *out_name)
{
	return uname(out_name) < 0 ? -errno : 0;
}

/* stat(2) of a link to a namespace may be refused where reading the link is not: it is opened for that. */
static int live_namespace(struct provider *provider, const char *name, uint64_t *out_inode)
{
	char path[64], target[64];
	unsigned long long inode;
	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (sscanf(target, "%*[a-z_]:[%llu]", &inode) != 1)
		return -EBADMSG;
	*out_inode = inode;
	return 0;
}

static int live_mount_root(struct provider *provider)
{
	struct statx status;
	if (statx(AT_FDCWD, "/", AT_SYMLINK_NOFOLLOW, 0, &status) < 0)
		return -errno;
	/* Since Linux 5.8. */
	if (!(status.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT))
		return -EOPNOTSUPP;
	return status.stx_attributes & STATX_ATTR_MOUNT_ROOT ? 1 : 0;
}

static const struct provider_calls live = {
	.open = live_open,
	.read_link = live_read_link,
	.cpuid = live_cpuid,
	.msr = live_msr,
	.uname = live_uname,
	.namespace = live_namespace,
	.mount_root = live_mount_root,
};

void provider_init(struct provider *provider)
{
	*provider = (struct provider){.calls = &live, .root = -1};
}

bool provider_is_live(const struct provider *provider)
{
	return provider->calls == &live;
}
