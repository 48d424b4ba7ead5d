/* SPDX-License-Identifier: MIT */
#include "initramfs.h"

#include "support.h"

#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char prologue[] =
	"#!/bin/busybox sh\n"
	"/bin/busybox mkdir -p /proc /sys /dev\n"
	"/bin/busybox mount -t proc proc /proc\n"
	"/bin/busybox mount -t sysfs sys /sys\n"
	"/bin/busybox mount -t devtmpfs dev /dev\n"
	"/bin/busybox --install /bin\n"
	/* What was written is on the line before the kernel's last words: stty(1) waits for it. */
	"poweroff() { stty onlcr; /bin/busybox poweroff \"$@\"; }\n"
	"exec </dev/console >/dev/console 2>&1\n"
	"export PATH=/bin\n";

static void pad(FILE *file)
{
	while (ftell(file) % 4)
		fputc(0, file);
}

/* Documentation/driver-api/early-userspace/buffer-format.rst: "newc". */
static void add(FILE *file, const char *name, unsigned mode, const void *data, size_t size)
{
	static unsigned inode;
	fprintf(file, "070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X%08X%08zX%08X", ++inode, mode, 0, 0, 1, 0, size,
		0, 0, 0, 0, strlen(name) + 1, 0);
	fwrite(name, 1, strlen(name) + 1, file);
	pad(file);
	fwrite(data, 1, size, file);
	pad(file);
}

static char *contents(const char *path, size_t *out_size)
{
	struct stat st;
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &st), 0);
	char *data = malloc((size_t)st.st_size);
	assert_non_null(data);
	assert_int_equal(fread(data, 1, (size_t)st.st_size, file), st.st_size);
	fclose(file);
	*out_size = (size_t)st.st_size;
	return data;
}

void initramfs_write(const char *path, const char *script)
{
	char *init;
	size_t size;
	char *busybox = contents("/bin/busybox", &size);
	assert_true(asprintf(&init, "%s%s", prologue, script) > 0);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	add(file, "bin", S_IFDIR | 0755, "", 0);
	add(file, "bin/busybox", S_IFREG | 0755, busybox, size);
	add(file, "init", S_IFREG | 0755, init, strlen(init));
	add(file, "TRAILER!!!", 0, "", 0);
	assert_int_equal(fclose(file), 0);
	free(busybox);
	free(init);
}

/* The kernel takes several archives, one behind the other. */
void initramfs_add(const char *path, const char *name, const char *host_path)
{
	size_t size;
	char *data = contents(host_path, &size), *directory = strdup(name);
	FILE *file = fopen(path, "ae");
	assert_non_null(file);
	fseek(file, 0, SEEK_END);
	pad(file);
	*strrchr(directory, '/') = '\0';
	add(file, directory, S_IFDIR | 0755, "", 0);
	add(file, name, S_IFREG | 0755, data, size);
	add(file, "TRAILER!!!", 0, "", 0);
	assert_int_equal(fclose(file), 0);
	free(directory);
	free(data);
}

void initramfs_add_module(const char *path, const char *kernel, const char *module)
{
	char *directory, *file;
	assert_true(asprintf(&directory, "%s/lib/modules", kernel) > 0);
	assert_true(asprintf(&file, "%s.ko", module) > 0);
	FTS *tree = fts_open((char *const[]){directory, NULL}, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *entry;
	bool is_found = false;
	while (!is_found && (entry = fts_read(tree))) {
		if (entry->fts_info != FTS_F || strcmp(entry->fts_name, file) != 0)
			continue;
		char *name;
		assert_true(asprintf(&name, "modules/%s", file) > 0);
		initramfs_add(path, name, entry->fts_path);
		free(name);
		is_found = true;
	}
	fts_close(tree);
	if (!is_found)
		fail_msg("the kernel has no module %s", module);
	free(directory);
	free(file);
}
