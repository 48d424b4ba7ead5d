/* SPDX-License-Identifier: MIT */
/*
 * Two archives one after the other, as the kernel takes them (Documentation/driver-api/early-userspace/
 * buffer-format.rst): the root as it is, and below /viso what the guest tools need. Modules stay compressed as they lie
 * there; the kernel unpacks them itself (CONFIG_MODULE_DECOMPRESS) or says so.
 */
#include "guest/agent/initramfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "core/file_limit.h"
#include "guest/agent/modules.h"
#include "guest/agent/root_medium.h"
#include "image/cpio.h"
#include "root/root.h"

/* The program, from image.S. */
extern const char agent_image[], agent_image_end[];

/* By which the guest reaches the agent's port, and what else a computer of ours has. */
static const char *const modules[] = {"virtio_mmio", "virtio_console",
				      "virtio_blk",  "virtio_net",
				      "virtio_rng",  "vmw_vsock_virtio_transport",
				      "overlay",     NULL};

/* For a root that is elsewhere. EROFS asks for a checksum, whose module it does not name among those that it needs. */
static const char *const disk_modules[] = {"crc32c_generic", "erofs", NULL};
static const char *const share_modules[] = {"virtiofs", NULL};

enum { FILE_MAX = 64 << 20 };

struct archive {
	FILE *file;
	unsigned number;
};

/* Inodes are numbered far from those of the first archive, or files would be taken for links of its. */
enum { FIRST_NUMBER = 0x40000000 };

static void pad(FILE *file)
{
	for (long at = ftell(file); at >= 0 && at % 4; at++)
		fputc(0, file);
}

static void put(struct archive *archive, const char *name, mode_t mode, dev_t device, const void *data, size_t size)
{
	fprintf(archive->file, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", ++archive->number,
		(unsigned)mode, 0u, 0u, 1u, 0u, (unsigned)size, 0u, 0u, major(device), minor(device),
		(unsigned)strlen(name) + 1, 0u);
	fwrite(name, 1, strlen(name) + 1, archive->file);
	pad(archive->file);
	fwrite(data, 1, size, archive->file);
	pad(archive->file);
}

static int put_module(struct archive *archive, const char *directory, const char *path, FILE *list)
{
	char source[PATH_MAX], name[PATH_MAX];
	struct stat st;
	const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	snprintf(source, sizeof(source), "%s/%s", directory, path);
	snprintf(name, sizeof(name), "viso/kernel/%s", base);
	_cleanup_close_ int fd = open(source, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_fail(VISO_STAGE_IMAGE, errno, source, "the module %s cannot be read: %s", source,
				  strerrordesc_np(errno));
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
		return error_fail(VISO_STAGE_IMAGE, EFBIG, source, "%s is no module", source);
	_cleanup_free_ char *data = malloc((size_t)st.st_size + 1);
	if (!data)
		return error_memory();
	ssize_t n = pread(fd, data, (size_t)st.st_size, 0);
	if (n != st.st_size)
		return error_fail(VISO_STAGE_IMAGE, n < 0 ? errno : EIO, source, NULL);
	put(archive, name, S_IFREG | 0644, 0, data, (size_t)n);
	fprintf(list, "/%s\n", name);
	return 0;
}

static int resolve(const char *directory, viso_root_medium medium, struct strings *paths)
{
	int r = modules_resolve(directory, modules, paths);
	if (r == 0 && medium == VISO_ROOT_MEDIUM_DISK)
		r = modules_resolve(directory, disk_modules, paths);
	if (r == 0 && medium == VISO_ROOT_MEDIUM_SHARE)
		r = modules_resolve(directory, share_modules, paths);
	return r;
}

static int put_modules(struct archive *archive, const struct initramfs_setting *setting)
{
	_cleanup_(strings_clear) struct strings paths = {0};
	_cleanup_free_ char *directory = NULL, *text = NULL;
	size_t size = 0;
	int r = modules_find(setting->kernel, &directory);
	if (r == 0 && directory)
		r = resolve(directory, setting->medium, &paths);
	FILE *list = r == 0 ? open_memstream(&text, &size) : NULL;
	if (r == 0 && !list)
		r = error_memory();
	for (size_t i = 0; r == 0 && i < paths.count; i++)
		r = put_module(archive, directory, paths.items[i], list);
	if (list && fclose(list) != 0 && r == 0)
		r = error_memory();
	if (r == 0)
		put(archive, "viso/modules", S_IFREG | 0644, 0, text, size);
	return r;
}

static void put_medium(struct archive *archive, viso_root_medium medium)
{
	const char *text = medium == VISO_ROOT_MEDIUM_DISK ? ROOT_MEDIUM_DISK : ROOT_MEDIUM_SHARE;
	if (medium == VISO_ROOT_MEDIUM_DISK || medium == VISO_ROOT_MEDIUM_SHARE)
		put(archive, ROOT_MEDIUM_FILE + 1, S_IFREG | 0644, 0, text, strlen(text));
}

static int put_tools(FILE *file, const struct initramfs_setting *setting)
{
	static const char *const directories[] = {"dev", "proc", "sys", "run", "tmp", "viso", "viso/kernel"};
	struct archive archive = {.file = file, .number = FIRST_NUMBER};
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
		put(&archive, directories[i], S_IFDIR | (strcmp(directories[i], "tmp") ? 0755 : 01777), 0, NULL, 0);
	/* Before /dev is mounted, the kernel opens it for its init. */
	put(&archive, "dev/console", S_IFCHR | 0600, makedev(5, 1), NULL, 0);
	put(&archive, INITRAMFS_INIT + 1, S_IFREG | 0755, 0, agent_image, (size_t)(agent_image_end - agent_image));
	put_medium(&archive, setting->medium);
	if (setting->stock_agent)
		put(&archive, ROOT_STOCK_FILE + 1, S_IFREG | 0644, 0, setting->stock_agent,
		    strlen(setting->stock_agent));
	int r = put_modules(&archive, setting);
	if (r == 0)
		put(&archive, "TRAILER!!!", 0, 0, NULL, 0);
	return r;
}

static int put_root(viso_root *root, int fd)
{
	_cleanup_(listing_clear) struct listing listing = {0};
	_cleanup_close_ int directory = -1;
	int r = root_open(root, &directory);
	if (r >= 0)
		r = listing_make(&listing, root, directory);
	return r < 0 ? r : cpio_write(&listing, directory, fd);
}

static int fill(const struct initramfs_setting *setting, int fd)
{
	int r = setting->medium == VISO_ROOT_MEDIUM_MEMORY ? put_root(setting->root, fd) : 0;
	if (r < 0)
		return r;
	off_t end = lseek(fd, 0, SEEK_END);
	/* Both archives begin at a multiple of four. */
	if (end < 0 || ftruncate(fd, (end + 511) & ~(off_t)511) < 0 || lseek(fd, 0, SEEK_END) < 0)
		return error_fail(VISO_STAGE_IMAGE, errno, "initramfs", NULL);
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	FILE *file = copy < 0 ? NULL : fdopen(copy, "w");
	if (!file) {
		close_fd(copy);
		return error_fail(VISO_STAGE_IMAGE, errno, "initramfs", NULL);
	}
	r = put_tools(file, setting);
	bool failed = ferror(file) != 0;
	failed = fclose(file) != 0 || failed;
	if (r == 0 && failed)
		r = error_fail(VISO_STAGE_IMAGE, ENOSPC, "initramfs", "the first file system cannot be written: %s",
			       strerrordesc_np(errno));
	return r;
}

int initramfs_make(const struct initramfs_setting *setting)
{
	struct file_limit_guard guard;
	_cleanup_close_ int fd = fd_above_streams(memfd_create("viso-initramfs", MFD_CLOEXEC));
	if (fd < 0)
		return error_fail(VISO_STAGE_IMAGE, errno, "memfd_create", NULL);
	file_limit_begin(&guard);
	int r = fill(setting, fd);
	file_limit_end(&guard);
	return r < 0 ? r : TAKE_FD(fd);
}
