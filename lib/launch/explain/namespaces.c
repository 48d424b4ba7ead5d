/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "launch/explain/subjects.h"
#include "launch/explain/surroundings.h"

/* Kinds of namespace, as the launcher names those that it makes by themselves, and their limit. */
static const struct {
	const char *object; /* NULL: made by the first clone */
	const char *sysctl;
} kinds[] = {
	{NULL, "user/max_user_namespaces"},     {NULL, "user/max_mnt_namespaces"},
	{NULL, "user/max_pid_namespaces"},      {NULL, "user/max_ipc_namespaces"},
	{NULL, "user/max_uts_namespaces"},      {"cgroup", "user/max_cgroup_namespaces"},
	{"network", "user/max_net_namespaces"}, {"time", "user/max_time_namespaces"},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]), FIRST_KINDS = 6 };

/* Its name, with a dot. */
static const char *sysctl_name(int kind, char name[64])
{
	snprintf(name, 64, "%s", kinds[kind].sysctl);
	*strchr(name, '/') = '.';
	return name;
}

/* ENOSPC: which of the limits is it? Those of outer user namespaces count, too, but cannot be seen. */
static void explain_limit(char *text, size_t size, const char *object)
{
	char name[64];
	for (int i = 0; i < KINDS; i++) {
		bool concerned = object ? kinds[i].object && !strcmp(kinds[i].object, object) : i < FIRST_KINDS;
		long limit = concerned ? surroundings_sysctl(kinds[i].sysctl) : -1;
		if (concerned && (limit == 0 || object)) {
			snprintf(text, size, "the sysctl %s is %ld, here or in an outer user namespace less; raise it",
				 sysctl_name(i, name), limit);
			return;
		}
	}
	size_t length =
		(size_t)snprintf(text, size,
				 "user namespaces are nested 32 deep, or one of these sysctls is reached, here or in "
				 "an outer user namespace:");
	for (int i = 0; i < FIRST_KINDS && length < size; i++)
		length += (size_t)snprintf(text + length, size - length, "%s %s (%ld)", i ? "," : "",
					   sysctl_name(i, name), surroundings_sysctl(kinds[i].sysctl));
}

static void explain_process_limit(char *text, size_t size)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NPROC, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && geteuid() != 0)
		snprintf(text, size,
			 "user %u has as many processes and threads as its RLIMIT_NPROC allows (%llu), or a control "
			 "group "
			 "with a limit (pids.max) is full; end some, or raise the limit before the library's first "
			 "start",
			 geteuid(), (unsigned long long)limit.rlim_cur);
	else
		snprintf(text, size,
			 "a limit of processes is reached: pids.max of a control group, kernel.pid_max, "
			 "kernel.threads-max, or RLIMIT_NPROC");
}

static void explain_refused_user_namespace(char *text, size_t size)
{
	if (surroundings_sysctl("kernel/unprivileged_userns_clone") == 0)
		snprintf(text, size,
			 "ordinary users may not make user namespaces; set sysctl kernel.unprivileged_userns_clone=1");
	else if (surroundings_sysctl("kernel/apparmor_restrict_unprivileged_userns") == 1)
		snprintf(text, size,
			 "AppArmor keeps user namespaces from ordinary users; set sysctl "
			 "kernel.apparmor_restrict_unprivileged_userns=0 or give the program a profile with userns");
	else if (!surroundings_explain_refusal(text, size, "clone, unshare or clone3 with new namespaces"))
		snprintf(text, size,
			 "this process is in a chroot, or has an id that its own user namespace does not map, or a "
			 "security module forbids it");
}

void explain_clone(char *text, size_t size, int error)
{
	switch (error) {
	case EAGAIN:
		explain_process_limit(text, size);
		break;
	case ENOSYS:
		if (!surroundings_explain_refusal(text, size, "clone3"))
			snprintf(text, size, "the kernel is older than 5.10 or does not let clone3 through");
		break;
	case EPERM:
	case EACCES:
		explain_refused_user_namespace(text, size);
		break;
	case ENOMEM:
		snprintf(text, size,
			 "the machine is out of memory, or the first process of a pid namespace that is joined has "
			 "ended");
		break;
	default:
		break;
	}
}

/* /proc/PID/uid_map and its like. */
static bool is_map_file(const char *object)
{
	return !strcmp(object, "uid_map") || !strcmp(object, "gid_map") || !strcmp(object, "setgroups");
}

static void explain_map_file(char *text, size_t size, int error)
{
	if (error == EINVAL)
		snprintf(
			text, size,
			"ranges of viso_container_add_id_map() overlap, or the caller's own user namespace has not all "
			"of the ids outside");
	else if (error == EPERM)
		snprintf(text, size,
			 "the caller may not map these ids: its own user namespace does not have them, or it takes "
			 "CAP_SETUID and CAP_SETGID there; leave viso_container_add_id_map() out, or map the caller's "
			 "own "
			 "id only");
	else
		snprintf(text, size, "/proc must be mounted and writable for the host program");
}

void explain_user_namespace(char *text, size_t size, const struct report_failure *failure)
{
	if (!strncmp(failure->object, "/usr/bin/new", 12))
		explain_id_map(text, size, failure);
	else if (is_map_file(failure->object))
		explain_map_file(text, size, failure->error);
	else if (!strcmp(failure->object, "setresuid"))
		snprintf(text, size,
			 "viso_command_set_user: neither root nor the command's user or group are mapped in the user "
			 "namespace");
	else if (surroundings_sysctl("user/max_user_namespaces") == 0)
		snprintf(text, size, "user namespaces are switched off; set sysctl user.max_user_namespaces above 0");
	else if (failure->error == ENOSPC || failure->error == EUSERS)
		explain_limit(text, size, NULL);
	else if (failure->error == EINVAL)
		snprintf(text, size,
			 "the kernel lacks a kind of namespace: it needs CONFIG_USER_NS, CONFIG_PID_NS, CONFIG_IPC_NS "
			 "and "
			 "CONFIG_UTS_NS");
	else
		explain_clone(text, size, failure->error);
}

/* Joining: the object is the setter and the kind. */
static void explain_join(char *text, size_t size, int error, const char *kind)
{
	if (error == EPERM)
		snprintf(text, size,
			 "joining takes CAP_SYS_ADMIN in the user namespace that owns the %s namespace and in the "
			 "caller's own; "
			 "an ordinary user joins that user namespace as well",
			 kind);
	else if (error == EINVAL && !strcmp(kind, "pid"))
		snprintf(text, size, "only the caller's own pid namespace, or one below it, can be joined");
	else if (error == EINVAL && !strcmp(kind, "user"))
		snprintf(text, size, "the caller's own user namespace cannot be joined");
}

/* A path beneath /proc/sys. */
static void explain_sysctl(char *text, size_t size, int error)
{
	if (error == ENOENT)
		snprintf(text, size, "the kernel has no such parameter in a namespace of its own");
	else if (error == EACCES || error == EPERM)
		snprintf(text, size,
			 "it belongs to the namespace's root: run the command as user 0, or map user id 0 by "
			 "viso_container_add_id_map(); some parameters are the host's alone");
	else if (error == EINVAL || error == ERANGE)
		snprintf(text, size, "the kernel does not take this value");
}

void explain_namespace(char *text, size_t size, const struct report_failure *failure)
{
	static const char join[] = "viso_container_join_namespace: ";
	const char *object = failure->object;
	int error = failure->error;
	if (!strncmp(object, join, sizeof(join) - 1))
		explain_join(text, size, error, object + sizeof(join) - 1);
	else if (!strcmp(object, "timens_offsets") && error == ERANGE)
		snprintf(text, size,
			 "viso_container_set_clock_offset: the clock would be negative, or later than it can be");
	else if (!strcmp(object, "timens_offsets") && error == EACCES)
		snprintf(text, size,
			 "viso_container_set_clock_offset: an ordinary user cannot have it in a user namespace that is "
			 "joined");
	else if (!strcmp(object, "time") && error == EOPNOTSUPP)
		snprintf(text, size, "the kernel has no time namespaces: it needs Linux 5.6 and CONFIG_TIME_NS");
	else if (error == ENOSPC)
		explain_limit(text, size, object);
	else if (strchr(object, '/'))
		explain_sysctl(text, size, error);
	else if (error == EPERM || error == EACCES || error == ENOSYS)
		surroundings_explain_refusal(text, size, "unshare, setns or sethostname");
}
