/* SPDX-License-Identifier: MIT */
/* "linux.devices" and "linux.resources.devices". */
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "container/bundle/bundle.h"

enum { MAJOR_MOST = (1 << 12) - 1, MINOR_MOST = (1 << 20) - 1 };

/* What the container's own /dev has. */
static bool is_there(const char *path)
{
	static const char *const names[] = {"null", "zero", "full", "random", "urandom", "tty", "ptmx"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strncmp(path, "/dev/", 5) && !strcmp(path + 5, names[i]))
			return true;
	return false;
}

/* Nodes cannot be made in a user namespace: the host's own is shown, so it must be as the file has it. */
static int check_node(const struct item *item, const char *path, const char *type, dev_t device)
{
	struct stat st;
	int64_t mode, uid, gid;
	if (stat(path, &st) < 0)
		return item_fail_unsupported(item, "the host has no such device node, which would be shown");
	mode = st.st_mode & 0777;
	uid = st.st_uid;
	gid = st.st_gid;
	int r = item_find_number(item, "fileMode", 0, UINT32_MAX, &mode);
	if (r == 0)
		r = item_find_number(item, "uid", 0, UINT32_MAX, &uid);
	if (r == 0)
		r = item_find_number(item, "gid", 0, UINT32_MAX, &gid);
	if (r < 0)
		return r;
	bool same_type = *type == 'b' ? S_ISBLK(st.st_mode) : S_ISCHR(st.st_mode);
	if (!same_type || st.st_rdev != device)
		return item_fail_unsupported(item, "the host's node at this path is another device");
	return (mode & 0777) == (st.st_mode & 0777) && uid == st.st_uid && gid == st.st_gid
		       ? 0
		       : item_fail_unsupported(item, "the host's node has another mode or owner");
}

static int read_device(struct bundle *bundle, const struct item *item)
{
	static const struct member members[] = {
		{"type", json_type_string, NULL, true}, {"path", json_type_string, NULL, true},
		{"major", json_type_int},		{"minor", json_type_int},
		{"fileMode", json_type_int},		{"uid", json_type_int},
		{"gid", json_type_int},			{NULL},
	};
	int64_t major_number = 0, minor_number = 0;
	int r = item_read_members(bundle, item, members);
	if (r == 0)
		r = item_find_number(item, "major", 0, MAJOR_MOST, &major_number);
	if (r == 0)
		r = item_find_number(item, "minor", 0, MINOR_MOST, &minor_number);
	if (r < 0)
		return r;
	const char *type = item_find_string(item, "type", ""), *path = item_find_string(item, "path", "");
	if (strlen(type) != 1 || !strchr("cbup", *type))
		return item_fail_value(item, "a type is c, b, u or p");
	if (*type == 'p')
		return item_fail_unsupported(item, "a FIFO cannot be made");
	if (is_there(path))
		return 0;
	r = check_node(item, path, type, makedev((unsigned)major_number, (unsigned)minor_number));
	return r < 0 ? r : item_result(item, viso_container_add_device(bundle->container, path));
}

int bundle_read_devices(struct bundle *bundle, const struct item *item)
{
	return item_read_list(bundle, item, json_type_object, read_device);
}

static int read_rule(struct bundle *bundle, const struct item *item)
{
	static const struct member members[] = {
		{"allow", json_type_boolean, NULL, true}, {"type", json_type_string}, {"major", json_type_int},
		{"minor", json_type_int},		  {"access", json_type_string}, {NULL}};
	int64_t major_number = -1, minor_number = -1;
	struct item allow;
	int r = item_read_members(bundle, item, members);
	if (r == 0)
		r = item_find_number(item, "major", -1, MAJOR_MOST, &major_number);
	if (r == 0)
		r = item_find_number(item, "minor", -1, MINOR_MOST, &minor_number);
	if (r < 0)
		return r;
	item_find(item, "allow", &allow);
	const char *type = item_find_string(item, "type", "a"), *access = item_find_string(item, "access", "rwm");
	bool all = !strcmp(type, "a") && major_number < 0 && minor_number < 0;
	if (strlen(type) != 1)
		return item_fail_value(item, "a type is a, b or c");
	if (!json_object_get_boolean(allow.json))
		return all && item->index == 0
			       ? 0
			       : item_fail_unsupported(item, "only all devices can be denied, by the first rule");
	/* Others than root have no such filter, and no node that it would be about. */
	if (geteuid() != 0)
		return 0;
	return item_result(item, viso_container_allow_device(bundle->container, *type, (int)major_number,
							     (int)minor_number, access));
}

/* To deny all is how every container begins: it has no nodes but those that are shown to it, and can make none. */
int bundle_read_device_rules(struct bundle *bundle, const struct item *item)
{
	return item_read_list(bundle, item, json_type_object, read_rule);
}
