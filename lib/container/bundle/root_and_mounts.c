/* SPDX-License-Identifier: MIT */
/* "root" and "mounts". */
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>

#include "container/bundle/bundle.h"
#include "core/cleanup.h"
#include "core/error.h"
#include "core/log.h"

static void cleanup_root(viso_root **root)
{
	viso_root_unref(*root);
}

/* A path of the host, where a relative one is one of the bundle. */
static int host_path(const struct bundle *bundle, const char *path, char **out_path)
{
	int n = *path == '/' ? asprintf(out_path, "%s", path) : asprintf(out_path, "%s/%s", bundle->directory, path);
	if (n < 0)
		*out_path = NULL;
	return n < 0 ? error_memory() : 0;
}

static int read_path(struct bundle *bundle, const struct item *item)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_(cleanup_root) viso_root *root = NULL;
	if (!*item_string(item))
		return item_fail_value(item, "a path is wanted");
	int r = host_path(bundle, item_string(item), &path);
	if (r < 0)
		return r;
	root = viso_root_new();
	if (!root)
		return error_memory();
	r = viso_root_use_directory(root, path);
	return item_result(item, r < 0 ? r : viso_container_set_root(bundle->container, root));
}

int bundle_read_root(struct bundle *bundle, const struct item *item)
{
	static const struct member members[] = {
		{"path", json_type_string, read_path, true}, {"readonly", json_type_boolean}, {NULL}};
	struct item read_only;
	int r = item_read_members(bundle, item, members);
	bool writable = !item_find(item, "readonly", &read_only) || !json_object_get_boolean(read_only.json);
	return r < 0 ? r : item_result(item, viso_container_set_root_writable(bundle->container, writable));
}

struct mount {
	const char *type;
	char *path;
	char *source; /* of a bind */
	unsigned flags;
	uint64_t size;
	unsigned mode;
	bool bind;
};

static void release_mount(struct mount *mount)
{
	free(mount->path);
	free(mount->source);
}

enum effect { LEAVE, SET, CLEAR, BIND, BIND_ALL };

/*
 * Binds never have setuid bits, and devices only where that is said. Changes of the host's mounts come through to none,
 * nor does anything of the container go out.
 */
static const struct {
	const char *name;
	enum effect effect;
	unsigned flag;
} options[] = {
	{"ro", SET, VISO_MOUNT_READ_ONLY},
	{"rro", SET, VISO_MOUNT_READ_ONLY},
	{"rw", CLEAR, VISO_MOUNT_READ_ONLY},
	{"noexec", SET, VISO_MOUNT_NO_EXEC},
	{"exec", CLEAR, VISO_MOUNT_NO_EXEC},
	{"dev", SET, VISO_MOUNT_DEVICES},
	{"nodev", CLEAR, VISO_MOUNT_DEVICES},
	{"idmap", SET, VISO_MOUNT_ID_MAPPED},
	{"bind", BIND, 0},
	{"rbind", BIND_ALL, 0},
	{"nosuid", LEAVE, 0},
	{"rnosuid", LEAVE, 0},
	{"rnodev", LEAVE, 0},
	{"private", LEAVE, 0},
	{"rprivate", LEAVE, 0},
	{"defaults", LEAVE, 0},
	/* When times of access are written shows in nothing that a container could rely on. */
	{"atime", LEAVE, 0},
	{"noatime", LEAVE, 0},
	{"diratime", LEAVE, 0},
	{"nodiratime", LEAVE, 0},
	{"relatime", LEAVE, 0},
	{"norelatime", LEAVE, 0},
	{"strictatime", LEAVE, 0},
	{"nostrictatime", LEAVE, 0},
	/* Of devpts: every one is a new instance, and the container has the usual modes. */
	{"newinstance", LEAVE, 0},
	{"ptmxmode=0666", LEAVE, 0},
	{"mode=0620", LEAVE, 0},
	{"mode=620", LEAVE, 0},
	{"gid=5", LEAVE, 0},
};

static int read_flag(const struct item *item, const char *text, struct mount *mount)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (strcmp(options[i].name, text))
			continue;
		if (options[i].effect == SET)
			mount->flags |= options[i].flag;
		else if (options[i].effect == CLEAR)
			mount->flags &= ~options[i].flag;
		else if (options[i].effect != LEAVE)
			mount->bind = true;
		if (options[i].effect == BIND_ALL)
			mount->flags |= VISO_MOUNT_RECURSIVE;
		return 0;
	}
	return item_fail_unsupported(item, "the library has no such option");
}

/* "64k"; no percentage, as the kernel's tmpfs has it. */
static int read_size(const struct item *item, const char *text, uint64_t *out)
{
	static const char units[] = "kmg";
	char *end;
	unsigned long long number = strtoull(text, &end, 10);
	const char *unit = *end ? strchr(units, *end | 0x20) : NULL;
	int shift = unit ? 10 * (int)(unit - units + 1) : 0;
	if (*text < '0' || *text > '9' || (*end && (!unit || end[1])) || number > (uint64_t)INT64_MAX >> shift)
		return item_fail_value(item, "a size such as 65536k is wanted");
	*out = (uint64_t)number << shift;
	return 0;
}

static int read_option(const struct item *item, struct mount *mount)
{
	const char *text = item_string(item);
	bool tmpfs = !strcmp(mount->type, "tmpfs");
	if (tmpfs && !strncmp(text, "size=", 5))
		return read_size(item, text + 5, &mount->size);
	if (tmpfs && !strncmp(text, "mode=", 5)) {
		char *end;
		unsigned long mode = strtoul(text + 5, &end, 8);
		if (end == text + 5 || *end || mode > 07777)
			return item_fail_value(item, "a mode such as mode=1777 is wanted");
		mount->mode = (unsigned)mode;
		return 0;
	}
	return read_flag(item, text, mount);
}

static int read_options(const struct item *item, struct mount *mount)
{
	struct item list;
	int r = 0;
	if (!item_find(item, "options", &list))
		return 0;
	for (size_t i = 0; i < json_object_array_length(list.json) && r == 0; i++) {
		const struct item option = {
			.parent = &list, .index = i, .json = json_object_array_get_idx(list.json, i)};
		r = json_object_is_type(option.json, json_type_string) ? read_option(&option, mount)
								       : item_fail_value(&option, "a string is wanted");
	}
	return r;
}

/* What every container has there by itself. */
static bool is_there(const struct mount *mount)
{
	return (!strcmp(mount->type, "proc") && !strcmp(mount->path, "/proc")) ||
	       (!strcmp(mount->type, "tmpfs") && !strcmp(mount->path, "/dev")) ||
	       (!strcmp(mount->type, "devpts") && !strcmp(mount->path, "/dev/pts"));
}

static bool host_has_unified_groups(void)
{
	struct statfs st;
	return statfs("/sys/fs/cgroup", &st) == 0 && st.f_type == CGROUP2_SUPER_MAGIC;
}

/* Of version 1 no container sees anything, nor of the host's own group. */
static int add_cgroup(struct bundle *bundle, const struct mount *mount)
{
	if (host_has_unified_groups() && (bundle->namespaces >> VISO_NAMESPACE_CGROUP & 1))
		return viso_container_add_filesystem(bundle->container, "cgroup2", mount->path, mount->flags);
	log_info("bundle: %s is left out: the host has no control groups that the container could see", mount->path);
	return 0;
}

static int add_filesystem(struct bundle *bundle, const struct item *item, const struct mount *mount)
{
	static const char *const kinds[] = {"proc", "sysfs", "mqueue", "devpts"};
	const unsigned flags = mount->flags & (VISO_MOUNT_READ_ONLY | VISO_MOUNT_NO_EXEC);
	struct item type;
	if (!strcmp(mount->type, "tmpfs"))
		return item_result(item, viso_container_add_tmpfs(bundle->container, mount->path, mount->size,
								  mount->mode, flags));
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(mount->type, kinds[i]))
			return item_result(item, viso_container_add_filesystem(bundle->container, mount->type,
									       mount->path, flags));
	return item_find(item, "type", &type) ? item_fail_unsupported(&type, "no such file system is for containers")
					      : item_fail_value(&type, "it is missing");
}

static int add_mount(struct bundle *bundle, const struct item *item, const struct mount *mount)
{
	if (mount->bind || !strcmp(mount->type, "bind"))
		return item_result(item, viso_container_add_bind(bundle->container, mount->source, mount->path,
								 mount->flags));
	if (!is_there(mount))
		return !strcmp(mount->type, "cgroup") || !strcmp(mount->type, "cgroup2")
			       ? item_result(item, add_cgroup(bundle, mount))
			       : add_filesystem(bundle, item, mount);
	return mount->flags & VISO_MOUNT_READ_ONLY
		       ? item_result(item, viso_container_add_read_only(bundle->container, mount->path))
		       : 0;
}

int bundle_read_mount(struct bundle *bundle, const struct item *item)
{
	static const struct member members[] = {
		{"destination", json_type_string, NULL, true},
		{"type", json_type_string},
		{"source", json_type_string},
		{"options", json_type_array},
		{"uidMappings", json_type_array, item_refuse},
		{"gidMappings", json_type_array, item_refuse},
		{NULL},
	};
	int r = item_read_members(bundle, item, members);
	if (r < 0)
		return r;
	_cleanup_(release_mount) struct mount mount = {.type = item_find_string(item, "type", ""), .mode = 01777};
	const char *path = item_find_string(item, "destination", "");
	if (asprintf(&mount.path, "%s%s", *path == '/' ? "" : "/", path) < 0) {
		mount.path = NULL;
		return error_memory();
	}
	r = host_path(bundle, item_find_string(item, "source", ""), &mount.source);
	if (r == 0)
		r = read_options(item, &mount);
	return r < 0 ? r : add_mount(bundle, item, &mount);
}
