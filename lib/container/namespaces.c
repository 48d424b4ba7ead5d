/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "container/container.h"
#include "container/sysctl.h"
#include "core/cleanup.h"
#include "core/error.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

enum { HOSTNAME_MAX = 64, SYSCTL_NAME_MAX = 256, SYSCTL_VALUE_MAX = 4096, SYSCTLS_MAX = 256 };
enum { NS_PER_SECOND = 1000000000 };
static const char default_hostname[] = "container";

static const struct {
	const char *name;
	int flag;
} kinds[PLAN_NAMESPACES] = {
	[VISO_NAMESPACE_MOUNT] = {"mount", CLONE_NEWNS},       [VISO_NAMESPACE_PID] = {"pid", CLONE_NEWPID},
	[VISO_NAMESPACE_NETWORK] = {"network", CLONE_NEWNET},  [VISO_NAMESPACE_IPC] = {"IPC", CLONE_NEWIPC},
	[VISO_NAMESPACE_UTS] = {"UTS", CLONE_NEWUTS},          [VISO_NAMESPACE_USER] = {"user", CLONE_NEWUSER},
	[VISO_NAMESPACE_CGROUP] = {"cgroup", CLONE_NEWCGROUP}, [VISO_NAMESPACE_TIME] = {"time", CLONE_NEWTIME},
};

static int set_name(viso_container *container, char **place, const char *name, const char *function)
{
	int r = container_check_setter(container, function);
	if (r < 0)
		return r;
	if (!name || !*name)
		return error_argument(function, "the name is NULL or empty");
	if (strlen(name) > HOSTNAME_MAX)
		return error_fail(VISO_STAGE_ARGUMENT, ENAMETOOLONG, name, "%s: the name is longer than %d bytes",
				  function, HOSTNAME_MAX);
	char *copy = strdup(name);
	if (!copy)
		return error_memory();
	free(*place);
	*place = copy;
	return 0;
}

int viso_container_set_hostname(viso_container *container, const char *hostname)
{
	return set_name(container, container ? &container->namespaces.hostname : NULL, hostname, __func__);
}

int viso_container_set_domainname(viso_container *container, const char *domainname)
{
	return set_name(container, container ? &container->namespaces.domainname : NULL, domainname, __func__);
}

/* Takes `fd` over. */
static void set_mode(viso_container *container, viso_namespace kind, enum namespace_mode mode, int fd)
{
	struct container_namespaces *namespaces = &container->namespaces;
	if (namespaces->kinds[kind].mode == NAMESPACE_JOINED)
		close_fd(namespaces->kinds[kind].fd);
	namespaces->kinds[kind].mode = mode;
	namespaces->kinds[kind].fd = fd;
}

int viso_container_share_namespace(viso_container *container, viso_namespace kind)
{
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	if ((unsigned)kind >= PLAN_NAMESPACES)
		return error_argument(__func__, "no such kind of namespace");
	if (kind == VISO_NAMESPACE_MOUNT || kind == VISO_NAMESPACE_PID || kind == VISO_NAMESPACE_USER)
		return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__,
				  "%s: a container's %s namespace is always its own: without it, it would contain "
				  "nothing; take a jail",
				  __func__, kinds[kind].name);
	if (kind == VISO_NAMESPACE_NETWORK) {
		r = viso_container_set_network(container, VISO_NETWORK_HOST);
		if (r < 0)
			return r;
	}
	set_mode(container, kind, NAMESPACE_SHARED, -1);
	return 0;
}

/* Whether `fd` is the namespace of that kind that this process has. */
static bool is_own_namespace(int fd, const char *path)
{
	struct stat given, own;
	return fstat(fd, &given) == 0 && stat(path, &own) == 0 && given.st_dev == own.st_dev &&
	       given.st_ino == own.st_ino;
}

int viso_container_join_namespace(viso_container *container, viso_namespace kind, int fd)
{
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	if ((unsigned)kind >= PLAN_NAMESPACES)
		return error_argument(__func__, "no such kind of namespace");
	if (kind == VISO_NAMESPACE_MOUNT)
		return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__,
				  "%s: a container's mount namespace is always new", __func__);
	_cleanup_close_ int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0)
		return error_fail(VISO_STAGE_ARGUMENT, errno, __func__, "%s: fd %d cannot be duplicated: %s", __func__,
				  fd, strerrordesc_np(errno));
	if (ioctl(copy, NS_GET_NSTYPE) != kinds[kind].flag)
		return error_fail(VISO_STAGE_ARGUMENT, EINVAL, __func__,
				  "%s: fd %d is no %s namespace; open a file of /proc/PID/ns", __func__, fd,
				  kinds[kind].name);
	/* The kernel has no way into the namespace in which one is (setns(2)). */
	if (kind == VISO_NAMESPACE_USER && is_own_namespace(copy, "/proc/self/ns/user"))
		return error_argument(__func__, "this is the caller's own user namespace, which cannot be joined");
	set_mode(container, kind, NAMESPACE_JOINED, TAKE_FD(copy));
	return 0;
}

static bool overlap(uint32_t first, uint32_t other, uint32_t count, uint32_t other_count)
{
	return first < (uint64_t)other + other_count && other < (uint64_t)first + count;
}

int viso_container_add_id_map(viso_container *container, viso_id_kind kind, unsigned inside, unsigned outside,
			      unsigned count)
{
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	if (kind != VISO_ID_USER && kind != VISO_ID_GROUP)
		return error_argument(__func__, "no such kind of id");
	/* The last number of all is no id: it stands for "none" in many calls. */
	if (count == 0 || (uint64_t)inside + count > UINT32_MAX || (uint64_t)outside + count > UINT32_MAX)
		return error_argument(__func__, "the range is empty, or goes beyond the last id, 4294967294");
	struct id_map *map = kind == VISO_ID_USER ? &container->namespaces.uids : &container->namespaces.gids;
	for (uint32_t i = 0; i < map->count; i++) {
		const struct plan_id_range *range = &map->ranges[i];
		if (overlap(inside, range->inside, count, range->count) ||
		    overlap(outside, range->outside, count, range->count))
			return error_argument(__func__, "the range overlaps with one that was added before");
	}
	if (map->count == PLAN_ID_RANGES_MAX)
		return error_fail(VISO_STAGE_ARGUMENT, E2BIG, __func__, "%s: more than %d ranges", __func__,
				  PLAN_ID_RANGES_MAX);
	map->ranges[map->count++] = (struct plan_id_range){.inside = inside, .outside = outside, .count = count};
	return 0;
}

int viso_container_set_clock_offset(viso_container *container, viso_clock clock, int64_t offset_ns)
{
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	if (clock != VISO_CLOCK_MONOTONIC && clock != VISO_CLOCK_BOOTTIME)
		return error_argument(__func__, "no such clock, or one that a time namespace does not move");
	int place = clock == VISO_CLOCK_BOOTTIME;
	container->namespaces.has_offset[place] = true;
	container->namespaces.offset_ns[place] = offset_ns;
	return 0;
}

/* The place of a parameter's path in the list, or that behind the last one. */
static size_t find_sysctl(const struct strings *sysctls, const char *path)
{
	size_t i = 0;
	while (i < sysctls->count && strcmp(sysctls->items[i], path) != 0)
		i += 2;
	return i;
}

int viso_container_set_sysctl(viso_container *container, const char *name, const char *value)
{
	char path[SYSCTL_NAME_MAX];
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	if (!name || !value || strlen(value) > SYSCTL_VALUE_MAX)
		return error_argument(__func__, "the name or the value is NULL, or the value longer than 4096 bytes");
	r = sysctl_find(name, path, sizeof(path));
	if (r < 0)
		return error_fail(VISO_STAGE_ARGUMENT, -r, name, "%s: '%s' %s", __func__, name,
				  r == -EINVAL ? "is no name of a kernel parameter"
					       : "is a parameter of the host, not of a container's own namespaces");
	struct strings *sysctls = &container->namespaces.sysctls;
	size_t old = find_sysctl(sysctls, path);
	if (old == sysctls->count && old == (size_t)2 * SYSCTLS_MAX)
		return error_argument(__func__, "more than 256 parameters");
	_cleanup_free_ char *copy = strdup(value);
	if (!copy)
		return error_memory();
	if (old < sysctls->count) {
		sysctls->bytes += strlen(value) - strlen(sysctls->items[old + 1]);
		free(sysctls->items[old + 1]);
		sysctls->items[old + 1] = TAKE_PTR(copy);
		return 0;
	}
	if (strings_add(sysctls, path) < 0)
		return error_memory();
	if (strings_take(sysctls, TAKE_PTR(copy)) < 0) {
		strings_remove(sysctls, old);
		return error_memory();
	}
	return 0;
}

static bool is_own(const struct container_namespaces *namespaces, viso_namespace kind)
{
	return namespaces->kinds[kind].mode == NAMESPACE_OWN;
}

/* A setting that is about a namespace which is not the container's own, in the setting's name. */
static int refuse(const char *setting, viso_namespace kind)
{
	return error_fail(
		VISO_STAGE_NAMESPACE, EINVAL, setting,
		"container cannot start: %s: the %s namespace is not the container's own, so this would change "
		"it for others",
		setting, kinds[kind].name);
}

static int check_sysctls(const struct container_namespaces *namespaces, const viso_container *container)
{
	for (size_t i = 0; i < namespaces->sysctls.count; i += 2) {
		const char *path = namespaces->sysctls.items[i];
		viso_namespace kind = !strncmp(path, "net/", 4)    ? VISO_NAMESPACE_NETWORK
				      : !strncmp(path, "user/", 5) ? VISO_NAMESPACE_USER
								   : VISO_NAMESPACE_IPC;
		bool shared = kind == VISO_NAMESPACE_NETWORK && container->sandbox.network == VISO_NETWORK_HOST;
		if (shared || !is_own(namespaces, kind))
			return error_fail(VISO_STAGE_NAMESPACE, EPERM, path,
					  "container cannot start: viso_container_set_sysctl: %s: the %s namespace is "
					  "not the container's own",
					  path, kinds[kind].name);
	}
	return 0;
}

static int check_network(const struct container_namespaces *namespaces, const viso_container *container)
{
	viso_network network = container->sandbox.network;
	enum namespace_mode mode = namespaces->kinds[VISO_NAMESPACE_NETWORK].mode;
	if ((mode == NAMESPACE_JOINED && network != VISO_NETWORK_NONE) ||
	    (mode == NAMESPACE_SHARED && network != VISO_NETWORK_HOST))
		return error_fail(VISO_STAGE_NAMESPACE, EINVAL, "viso_container_set_network",
				  "container cannot start: viso_container_set_network: the network namespace is %s; a "
				  "network of its own cannot be made as well",
				  mode == NAMESPACE_JOINED ? "joined" : "shared");
	return 0;
}

/* What contradicts itself is refused before anything is done. */
static int check_settings(const viso_container *container)
{
	const struct container_namespaces *namespaces = &container->namespaces;
	if (!is_own(namespaces, VISO_NAMESPACE_UTS) && (namespaces->hostname || namespaces->domainname))
		return refuse(namespaces->hostname ? "viso_container_set_hostname" : "viso_container_set_domainname",
			      VISO_NAMESPACE_UTS);
	if (!is_own(namespaces, VISO_NAMESPACE_TIME) && (namespaces->has_offset[0] || namespaces->has_offset[1]))
		return refuse("viso_container_set_clock_offset", VISO_NAMESPACE_TIME);
	if (!is_own(namespaces, VISO_NAMESPACE_USER) && (namespaces->uids.count || namespaces->gids.count))
		return refuse("viso_container_add_id_map", VISO_NAMESPACE_USER);
	if (!namespaces->uids.count != !namespaces->gids.count)
		return error_fail(VISO_STAGE_USER_NAMESPACE, EINVAL, "viso_container_add_id_map",
				  "container cannot start: viso_container_add_id_map: only %s ids are mapped; map both "
				  "kinds or none",
				  namespaces->uids.count ? "user" : "group");
	int r = check_network(namespaces, container);
	return r < 0 ? r : check_sysctls(namespaces, container);
}

static bool is_mapped(const struct id_map *map, uint32_t id)
{
	uint32_t i = 0;
	while (i < map->count && id - map->ranges[i].inside >= map->ranges[i].count)
		i++;
	return !map->count || i < map->count;
}

static int refuse_id(const char *setting, const char *what, uint32_t id)
{
	return error_fail(VISO_STAGE_CREDENTIALS, EINVAL, setting,
			  "container cannot start: %s: %s %u, which the command runs as, is not mapped by "
			  "viso_container_add_id_map()",
			  setting, what, id);
}

static int check_ids(const struct container_namespaces *namespaces, const struct plan *plan)
{
	if (!is_mapped(&namespaces->uids, plan->uid))
		return refuse_id("viso_command_set_user", "user id", plan->uid);
	if (!is_mapped(&namespaces->gids, plan->gid))
		return refuse_id("viso_command_set_user", "group id", plan->gid);
	for (uint32_t i = 0; i < plan->group_count; i++)
		if (!is_mapped(&namespaces->gids, plan->groups[i]))
			return refuse_id("viso_command_set_groups", "group id", plan->groups[i]);
	return 0;
}

static struct plan_id_map add_map(struct launch_request *request, const struct id_map *map)
{
	struct plan_id_map added = {.count = map->count};
	if (map->count)
		added.first = request_add_bytes(request, map->ranges, map->count * sizeof(map->ranges[0]));
	return added;
}

/* Nanoseconds are never negative there. */
static plan_offset add_clock_offsets(struct launch_request *request, const struct container_namespaces *namespaces)
{
	static const char *const names[] = {"monotonic", "boottime"};
	char text[128] = "";
	size_t length = 0;
	for (int i = 0; i < 2; i++) {
		int64_t seconds = namespaces->offset_ns[i] / NS_PER_SECOND;
		int64_t rest = namespaces->offset_ns[i] % NS_PER_SECOND;
		if (rest < 0) {
			seconds--;
			rest += NS_PER_SECOND;
		}
		if (namespaces->has_offset[i])
			length += (size_t)snprintf(text + length, sizeof(text) - length, "%s %lld %lld\n", names[i],
						   (long long)seconds, (long long)rest);
	}
	return length ? request_add_string(request, text) : 0;
}

static struct plan_strings add_sysctls(struct launch_request *request, const struct strings *sysctls)
{
	struct plan_strings added = {.count = (uint32_t)sysctls->count / 2};
	for (size_t i = 0; i < sysctls->count; i++) {
		plan_offset offset = request_add_string(request, sysctls->items[i]);
		added.first = i == 0 ? offset : added.first;
	}
	return added;
}

static plan_offset add_name(struct launch_request *request, const char *name)
{
	return name ? request_add_string(request, name) : 0;
}

int namespaces_add(struct launch_request *request, const viso_container *container)
{
	const struct container_namespaces *namespaces = &container->namespaces;
	struct plan_namespaces plan = {0};
	int r = check_settings(container);
	if (r == 0)
		r = check_ids(namespaces, request->plan);
	if (r < 0)
		return r;
	for (unsigned kind = 0; kind < PLAN_NAMESPACES; kind++) {
		if (namespaces->kinds[kind].mode != NAMESPACE_OWN)
			plan.not_own |= 1u << kind;
		if (namespaces->kinds[kind].mode == NAMESPACE_JOINED)
			plan.joined[kind] = request_add_fd(request, namespaces->kinds[kind].fd);
	}
	const char *hostname = namespaces->hostname ? namespaces->hostname : default_hostname;
	plan.hostname = is_own(namespaces, VISO_NAMESPACE_UTS) ? add_name(request, hostname) : 0;
	plan.domainname = add_name(request, namespaces->domainname);
	plan.uids = add_map(request, &namespaces->uids);
	plan.gids = add_map(request, &namespaces->gids);
	plan.clock_offsets = add_clock_offsets(request, namespaces);
	plan.sysctls = add_sysctls(request, &namespaces->sysctls);
	request->plan->namespaces = plan;
	return request->error;
}

void namespaces_release(struct container_namespaces *namespaces)
{
	for (unsigned kind = 0; kind < PLAN_NAMESPACES; kind++)
		if (namespaces->kinds[kind].mode == NAMESPACE_JOINED)
			close_fd(namespaces->kinds[kind].fd);
	strings_clear(&namespaces->sysctls);
	free(namespaces->hostname);
	free(namespaces->domainname);
}
