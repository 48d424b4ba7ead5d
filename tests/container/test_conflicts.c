/* SPDX-License-Identifier: MIT */
/* Settings that are sound alone and impossible together, or on this host: refused, at the second setter or by the
 * start, with the name of a setting, before anything is made. */
#include "box.h"
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The setters, each to be called where the ones before were taken. */
typedef int (*setter)(viso_container *container, viso_command *command);

enum { SETTERS_MAX = 4 };

struct conflict {
	const char *what;
	const char *names; /* one that the message has to have */
	setter setters[SETTERS_MAX];
	int errors[2]; /* of which one is given */
	bool of_root;  /* an ordinary user's container has one id, which may be any */
};

#define SETTER(name, call)                                                                                             \
	static int name(viso_container *container, viso_command *command)                                              \
	{                                                                                                              \
		return call;                                                                                           \
	}

static int own_namespace(viso_container *container, viso_namespace kind, const char *name)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	int r = viso_container_join_namespace(container, kind, fd);
	close(fd);
	return r;
}

static int other_user_namespace(viso_container *container)
{
	struct ready_pipe ready;
	char path[64];
	ready_init(&ready);
	pid_t pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWUSER) == 0)
			ready_tell(&ready, "");
		pause();
	}
	assert_true(ready_wait(&ready, NULL, 0));
	ready_close(&ready);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	int r = viso_container_join_namespace(container, VISO_NAMESPACE_USER, fd);
	close(fd);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return r;
}

SETTER(hostname, viso_container_set_hostname(container, "name"))
SETTER(domainname, viso_container_set_domainname(container, "name"))
SETTER(share_uts, viso_container_share_namespace(container, VISO_NAMESPACE_UTS))
SETTER(share_network, viso_container_share_namespace(container, VISO_NAMESPACE_NETWORK))
SETTER(share_ipc, viso_container_share_namespace(container, VISO_NAMESPACE_IPC))
SETTER(join_uts, own_namespace(container, VISO_NAMESPACE_UTS, "uts"))
SETTER(join_network, own_namespace(container, VISO_NAMESPACE_NETWORK, "net"))
SETTER(join_user, other_user_namespace(container))
SETTER(join_time, own_namespace(container, VISO_NAMESPACE_TIME, "time"))
SETTER(host_network, viso_container_set_network(container, VISO_NETWORK_HOST))
SETTER(net_sysctl, viso_container_set_sysctl(container, "net.ipv4.ip_default_ttl", "63"))
SETTER(ipc_sysctl, viso_container_set_sysctl(container, "kernel.shmmni", "63"))
SETTER(clock, viso_container_set_clock_offset(container, VISO_CLOCK_MONOTONIC, 1000000000))
SETTER(map_uids, viso_container_add_id_map(container, VISO_ID_USER, 0, 300000, 10))
SETTER(map_gids, viso_container_add_id_map(container, VISO_ID_GROUP, 0, 300000, 10))
SETTER(map_uids_twice, viso_container_add_id_map(container, VISO_ID_USER, 9, 400000, 10))
SETTER(map_overlapping_outside, viso_container_add_id_map(container, VISO_ID_USER, 20, 300009, 10))
SETTER(user_outside_map, viso_command_set_user(command, 10, 0))
SETTER(user_outside_range, viso_command_set_user(command, 65536, 0))
SETTER(upper_discarded, viso_container_set_upper_discarded(container, 0))
SETTER(root_writable, viso_container_set_root_writable(container, 1))
SETTER(memory_max, viso_container_set_memory_max(container, 32 << 20))
SETTER(no_such_cpus, viso_container_set_cpus(container, "4000-4001"))
SETTER(no_such_parent, viso_container_set_cgroup_parent(container, "/sys/fs/cgroup/no-such-group"))
SETTER(parent_with_dots, viso_container_set_cgroup_parent(container, "/sys/fs/cgroup/pids/../../../tmp"))
SETTER(parent_elsewhere, viso_container_set_cgroup_parent(container, "/tmp"))
SETTER(relative_parent, viso_container_set_cgroup_parent(container, "../.."))
SETTER(value_in_another_group, viso_container_set_cgroup_value(container, "../cgroup.procs", "1"))
SETTER(value_of_members, viso_container_set_cgroup_value(container, "cgroup.procs", "1"))
SETTER(host_sysctl, viso_container_set_sysctl(container, "kernel.core_pattern", "|/bin/false"))
SETTER(injected_sysctl, viso_container_set_sysctl(container, "kernel.shmmni", "63\nkernel.core_pattern=|/bin/false"))
SETTER(joined_sysctls, viso_container_set_sysctl(container, "kernel.shm_rmid_forced=1+kernel.core_pattern", "x"))
SETTER(climbing_sysctl, viso_container_set_sysctl(container, "net/../kernel/core_pattern", "x"))
SETTER(climbing_sysctl_by_dots, viso_container_set_sysctl(container, "net....kernel.core_pattern", "x"))
SETTER(notify, viso_container_add_syscall_rule(container, "chmod", VISO_SYSCALL_NOTIFY, 0))

static const struct conflict conflicts[] = {
	{"the host name of a shared namespace", "hostname", {hostname, share_uts}, {EINVAL}},
	{"the same the other way round", "hostname", {share_uts, hostname}, {EINVAL}},
	{"the domain name of a shared namespace", "domainname", {domainname, share_uts}, {EINVAL}},
	{"the host name of a joined namespace", "hostname", {hostname, join_uts}, {EINVAL}},
	{"the host's network and a joined one", "namespace", {host_network, join_network}, {EINVAL}},
	{"a parameter of the host's network", "sysctl", {net_sysctl, share_network}, {EPERM}},
	{"the same by another setter", "sysctl", {net_sysctl, host_network}, {EPERM}},
	{"a parameter of the host's IPC", "sysctl", {ipc_sysctl, share_ipc}, {EPERM}},
	{"a parameter of the host", "sysctl", {host_sysctl}, {EPERM, EINVAL}},
	{"two parameters in one value", "shmmni", {injected_sysctl}, {EINVAL, EACCES}},
	{"two parameters in one name", "sysctl", {joined_sysctls}, {EINVAL, EPERM}},
	{"a parameter that climbs", "sysctl", {climbing_sysctl}, {EINVAL, EPERM}},
	{"one that climbs by dots", "sysctl", {climbing_sysctl_by_dots}, {EINVAL, EPERM}},
	{"the clock of a joined namespace", "clock", {clock, join_time}, {EINVAL}},
	{"maps of a joined namespace", "id_map", {map_uids, map_gids, join_user}, {EINVAL}},
	{"maps that overlap inside", "id_map", {map_uids, map_uids_twice}, {EINVAL}},
	{"maps that overlap outside", "id_map", {map_uids, map_overlapping_outside}, {EINVAL}},
	{"a user that is not mapped", "user", {map_uids, map_gids, user_outside_map}, {EINVAL}},
	{"a user beyond the range", "user", {user_outside_range}, {EINVAL}, true},
	{"an upper and a writable root", "writable", {upper_discarded, root_writable}, {EINVAL}},
	{"CPUs that are not there", "cpus", {no_such_cpus}, {ERANGE, EOPNOTSUPP}},
	{"a control group that is not there", "no-such-group", {no_such_parent, memory_max}, {ENOENT}},
	{"a control group that climbs", "cgroup_parent", {parent_with_dots, memory_max}, {EINVAL}},
	{"a directory that is no control group",
	 "no such control group",
	 {parent_elsewhere, memory_max},
	 {ENOENT, EINVAL}},
	{"a relative control group", "cgroup_parent", {relative_parent, memory_max}, {EINVAL}},
	{"a value in another group", "cgroup_value", {value_in_another_group}, {EINVAL}},
	{"a value that is no limit", "cgroup_value", {value_of_members}, {EPERM}},
	{"questions that nobody could answer", "NOTIFY", {notify}, {EINVAL}},
};

static int set_and_start(const struct conflict *conflict, viso_container *container)
{
	viso_command *command = probe("exit", "0", NULL);
	int r = 0;
	for (int i = 0; i < SETTERS_MAX && conflict->setters[i] && r == 0; i++)
		r = conflict->setters[i](container, command);
	if (r == 0)
		r = viso_sandbox_run(viso_container_sandbox(container), command, NULL);
	viso_command_unref(command);
	return r;
}

static bool is_refused(const struct conflict *conflict, int r)
{
	const char *message = viso_error_message();
	if (r == 0)
		print_error("%s: started\n", conflict->what);
	else if (r != -conflict->errors[0] && (!conflict->errors[1] || r != -conflict->errors[1]))
		print_error("%s: %d: %s\n", conflict->what, r, message);
	else if (!strcasestr(message, conflict->names))
		print_error("%s: no '%s' in: %s\n", conflict->what, conflict->names, message);
	else
		return true;
	return false;
}

static void test_conflicts(void **state)
{
	box_open(state);
	int failed = 0;
	for (size_t i = 0; i < sizeof(conflicts) / sizeof(conflicts[0]); i++) {
		if (conflicts[i].of_root && geteuid() != 0)
			continue;
		struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
		failed += !is_refused(&conflicts[i], set_and_start(&conflicts[i], box->container));
		box_close(box);
	}
	assert_int_equal(failed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_conflicts),
	};
	return cmocka_run_group_tests_name("conflicts", tests, NULL, box_group_teardown);
}
