/* SPDX-License-Identifier: MIT */
#include "initramfs.h"

#include "support.h"

#include <ftw.h>
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

/* What nftw(3) looks for, and where it has found it. */
static char wanted[64], *found;

static int look_at(const char *path, const struct stat *st, int type, struct FTW *place)
{
	if (type != FTW_F || strcmp(path + place->base, wanted) != 0)
		return 0;
	found = strdup(path);
	return 1;
}

static void add_module(FILE *file, const char *directory, const char *name)
{
	char inside[80];
	size_t size;
	snprintf(wanted, sizeof(wanted), "%s.ko", name);
	snprintf(inside, sizeof(inside), "modules/%s.ko", name);
	if (nftw(directory, look_at, 16, FTW_PHYS) != 1)
		fail_msg("there is no module %s below %s", name, directory);
	char *data = contents(found, &size);
	add(file, inside, S_IFREG | 0644, data, size);
	free(data);
	free(found);
}

/* The kernel unpacks one archive after another. */
void initramfs_add_modules(const char *path, const char *directory, const char *const names[])
{
	FILE *file = fopen(path, "ae");
	assert_non_null(file);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	pad(file);
	add(file, "modules", S_IFDIR | 0755, "", 0);
	for (int i = 0; names[i]; i++)
		add_module(file, directory, names[i]);
	add(file, "TRAILER!!!", 0, "", 0);
	assert_int_equal(fclose(file), 0);
}
