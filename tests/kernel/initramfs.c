/* SPDX-License-Identifier: MIT */
#include "initramfs.h"

#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char prologue[] = "#!/bin/busybox sh\n"
			       "/bin/busybox mkdir -p /proc /sys /dev\n"
			       "/bin/busybox mount -t proc proc /proc\n"
			       "/bin/busybox mount -t sysfs sys /sys\n"
			       "/bin/busybox mount -t devtmpfs dev /dev\n"
			       "/bin/busybox --install /bin\n"
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
