/* SPDX-License-Identifier: MIT */
#include "root/skeleton.h"

#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "root/accounts.h"
#include "root/closure/ld_cache.h"
#include "root/closure/ld_cache_write.h"
#include "root/path.h"
#include "root/target.h"

/* The numbers are those of Documentation/admin-guide/devices.txt of the kernel. */
static const struct {
	const char *target;
	unsigned major, minor;
} devices[] = {
	{"/dev/null", 1, 3}, {"/dev/zero", 1, 5}, {"/dev/full", 1, 7}, {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9},
};

static const struct {
	const char *target;
	unsigned mode;
} directories[] = {{"/dev", 0755}, {"/etc", 0755}, {"/proc", 0755}, {"/sys", 0755}, {"/tmp", 0755}};

/*
 * Where a target lies with the links that were added. False where something else than a directory stands above it: such
 * a root does without.
 */
static bool find_place(const struct manifest *manifest, const char *target, bool last, char *out, int *out_result)
{
	*out_result = manifest_follow(manifest, target, last, out);
	if (*out_result < 0)
		return false;
	char parent[PATH_MAX];
	strcpy(parent, out);
	path_pop(parent);
	const struct manifest_entry *entry = manifest_find(manifest, parent[0] ? parent : "/");
	return !entry || entry->type == MANIFEST_DIRECTORY;
}

/* A program that was added as /usr/bin/sh is /bin/sh as well, where the host has it so. */
static int add_merged(struct manifest *manifest)
{
	static const char *const names[] = {"/bin", "/sbin", "/lib", "/lib32", "/lib64"};
	int r = 0;
	for (size_t i = 0; r >= 0 && i < sizeof(names) / sizeof(names[0]); i++) {
		char merged[sizeof("/usr/lib64")] = "/usr";
		const struct manifest_entry *entry = manifest_find(manifest, strcat(merged, names[i]));
		if (entry && entry->type == MANIFEST_DIRECTORY)
			r = target_add_merged(manifest, names[i]);
	}
	return r;
}

static int add_data(struct manifest *manifest, const char *path, const void *data, size_t size)
{
	char target[PATH_MAX];
	int r;
	if (!find_place(manifest, path, false, target, &r))
		return r;
	return manifest_add_data(manifest, target, data, size, 0644, MANIFEST_KEEP);
}

/* What the loader of all programs together needs to know. */
static int add_loader_cache(struct manifest *manifest)
{
	static const char include[] = "include /etc/ld.so.conf.d/*.conf\n";
	struct ld_cache_files files;
	int r = ld_cache_make(manifest, &files);
	const char *before = manifest_set_reason(manifest, "settings of the loader");
	if (r >= 0 && files.cache)
		r = add_data(manifest, LD_CACHE_PATH, files.cache, files.size);
	if (r >= 0 && files.config)
		r = add_data(manifest, "/etc/ld.so.conf", include, sizeof(include) - 1);
	if (r >= 0 && files.config)
		r = add_data(manifest, "/etc/ld.so.conf.d/zz-viso.conf", files.config, strlen(files.config));
	manifest_restore_reason(manifest, before);
	ld_cache_files_clear(&files);
	return r;
}

static int add(struct manifest *manifest)
{
	char target[PATH_MAX];
	int r = add_merged(manifest);
	for (size_t i = 0; r >= 0 && i < sizeof(directories) / sizeof(directories[0]); i++)
		if (find_place(manifest, directories[i].target, true, target, &r))
			r = manifest_add_directory(manifest, target, directories[i].mode, MANIFEST_KEEP);
	for (size_t i = 0; r >= 0 && i < sizeof(devices) / sizeof(devices[0]); i++)
		if (find_place(manifest, devices[i].target, false, target, &r) && !manifest_find(manifest, target)) {
			r = manifest_add_device(manifest, target, makedev(devices[i].major, devices[i].minor), 0666,
						MANIFEST_KEEP);
			if (r >= 0)
				manifest_find(manifest, target)->is_optional = true;
		}
	if (r >= 0)
		r = accounts_add_files(manifest);
	if (r >= 0)
		r = add_loader_cache(manifest);
	return r;
}

int skeleton_add(struct manifest *manifest)
{
	const char *reason = manifest_set_reason(manifest, "every root has it");
	int r = add(manifest);
	manifest_restore_reason(manifest, reason);
	return r;
}
