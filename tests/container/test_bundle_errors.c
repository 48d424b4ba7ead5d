/* SPDX-License-Identifier: MIT */
/* What a bundle asks for and there is not is an error that names its place in config.json. */
#include "bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree.h"

/* Members of a bundle that is sound without them. */
struct bad {
	int error;
	const char *place;   /* the whole object of the error */
	const char *process; /* or NULL */
	const char *on_linux;
	const char *more;
};

#define PROCESS(error, place, text) {error, "process." place, "," text, NULL, NULL}
#define LINUX(error, place, text) {error, "linux." place, NULL, "," text, NULL}
#define MORE(error, place, text) {error, place, NULL, NULL, "," text}
#define RESOURCE(error, place, text)                                                                                   \
	{error, "linux.resources." place, NULL, ",\"resources\":{" text "}", NULL}
#define MOUNT(error, place, text) MORE(error, "mounts[0]" place, "\"mounts\":[{" text "}]")

static const struct bad table[] = {
	MORE(EOPNOTSUPP, "windows", "\"windows\":{}"),
	MORE(EOPNOTSUPP, "vm", "\"vm\":{\"kernel\":{}}"),
	MORE(EOPNOTSUPP, "unknown", "\"unknown\":1"),
	MORE(EINVAL, "hostname", "\"hostname\":7"),
	MORE(EINVAL, "hostname", "\"hostname\":\"a\\u0000b\""),
	MORE(EINVAL, "annotations", "\"annotations\":[]"),
	MORE(EINVAL, "annotations.a", "\"annotations\":{\"a\":1}"),
	MORE(EOPNOTSUPP, "ociVersion", "\"ociVersion\":\"2.0.0\""),
	MORE(EINVAL, "ociVersion", "\"ociVersion\":\"new\""),
	MORE(EINVAL, "mounts", "\"mounts\":{}"),
	MORE(EINVAL, "mounts[0]", "\"mounts\":[1]"),
	MORE(EINVAL, "hooks.poststop[0].path", "\"hooks\":{\"poststop\":[{}]}"),
	MORE(EINVAL, "hooks.poststop[0].path", "\"hooks\":{\"poststop\":[{\"path\":\"relative\"}]}"),
	MORE(EINVAL, "hooks.prestart[0].timeout", "\"hooks\":{\"prestart\":[{\"path\":\"/x\",\"timeout\":0}]}"),
	MORE(EINVAL, "hooks.poststart[0].args[0]", "\"hooks\":{\"poststart\":[{\"path\":\"/x\",\"args\":[1]}]}"),
	MORE(EOPNOTSUPP, "hooks.preview", "\"hooks\":{\"preview\":[]}"),
	MORE(EINVAL, "root.path", "\"root\":{\"readonly\":true}"),
	MORE(EINVAL, "root.readonly", "\"root\":{\"path\":\"rootfs\",\"readonly\":\"yes\"}"),
	MORE(ENOENT, "root.path", "\"root\":{\"path\":\"nowhere\"}"),
	MORE(EOPNOTSUPP, "root.type", "\"root\":{\"path\":\"rootfs\",\"type\":\"layers\"}"),

	PROCESS(EINVAL, "args", "\"args\":[]"),
	PROCESS(EINVAL, "args[1]", "\"args\":[\"sh\",1]"),
	PROCESS(EINVAL, "env[0]", "\"env\":[\"NAME\"]"),
	PROCESS(EINVAL, "cwd", "\"cwd\":\"relative\""),
	PROCESS(EINVAL, "terminal", "\"terminal\":1"),
	PROCESS(EINVAL, "consoleSize.width", "\"terminal\":true,\"consoleSize\":{\"width\":0,\"height\":1}"),
	PROCESS(EINVAL, "user.uid", "\"user\":{\"uid\":-1}"),
	PROCESS(EINVAL, "user.gid", "\"user\":{\"gid\":4294967295}"),
	PROCESS(EINVAL, "user.umask", "\"user\":{\"umask\":512}"),
	PROCESS(EINVAL, "user.additionalGids[0]", "\"user\":{\"additionalGids\":[\"x\"]}"),
	PROCESS(EOPNOTSUPP, "user.username", "\"user\":{\"username\":\"x\"}"),
	PROCESS(EINVAL, "capabilities.bounding[0]", "\"capabilities\":{\"bounding\":[\"CAP_FLY\"]}"),
	PROCESS(EINVAL, "capabilities.ambient[0]", "\"capabilities\":{\"ambient\":[1]}"),
	PROCESS(EOPNOTSUPP, "capabilities.other", "\"capabilities\":{\"other\":[]}"),
	PROCESS(EOPNOTSUPP, "rlimits[0].type", "\"rlimits\":[{\"type\":\"RLIMIT_RTTIME\",\"soft\":1,\"hard\":1}]"),
	PROCESS(EINVAL, "rlimits[0].soft", "\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":2,\"hard\":1}]"),
	PROCESS(EINVAL, "rlimits[0].hard", "\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":2}]"),
	PROCESS(EINVAL, "noNewPrivileges", "\"noNewPrivileges\":\"true\""),
	PROCESS(EOPNOTSUPP, "apparmorProfile", "\"apparmorProfile\":\"docker-default\""),
	PROCESS(EOPNOTSUPP, "selinuxLabel", "\"selinuxLabel\":\"x\""),
	PROCESS(EINVAL, "oomScoreAdj", "\"oomScoreAdj\":1001"),
	PROCESS(EOPNOTSUPP, "scheduler.policy", "\"scheduler\":{\"policy\":\"SCHED_DEADLINE\"}"),
	PROCESS(EOPNOTSUPP, "scheduler.runtime", "\"scheduler\":{\"policy\":\"SCHED_OTHER\",\"runtime\":1}"),
	PROCESS(EINVAL, "scheduler.nice", "\"scheduler\":{\"policy\":\"SCHED_OTHER\",\"nice\":20}"),
	PROCESS(EOPNOTSUPP, "ioPriority", "\"ioPriority\":{\"class\":\"IOPRIO_CLASS_RT\"}"),
	PROCESS(EOPNOTSUPP, "commandLine", "\"commandLine\":\"x\""),
	PROCESS(EOPNOTSUPP, "execCPUAffinity", "\"execCPUAffinity\":{}"),

	LINUX(EINVAL, "namespaces[0].type", "\"namespaces\":[{\"type\":\"net\"}]"),
	LINUX(EINVAL, "namespaces[1].type", "\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"pid\"}]"),
	LINUX(EINVAL, "namespaces[0].path", "\"namespaces\":[{\"type\":\"network\",\"path\":\"relative\"}]"),
	LINUX(EINVAL, "namespaces[0].path", "\"namespaces\":[{\"type\":\"network\",\"path\":\"/proc/self/ns/pid\"}]"),
	LINUX(EOPNOTSUPP, "namespaces[0].path", "\"namespaces\":[{\"type\":\"mount\",\"path\":\"/proc/self/ns/mnt\"}]"),
	LINUX(EOPNOTSUPP, "namespaces", "\"namespaces\":[{\"type\":\"mount\"}]"),
	LINUX(EINVAL, "uidMappings", "\"uidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":1}]"),
	LINUX(EINVAL, "timeOffsets", "\"timeOffsets\":{\"monotonic\":{\"secs\":1}}"),
	LINUX(EOPNOTSUPP, "devices[0]", "\"devices\":[{\"type\":\"c\",\"path\":\"/dev/none\",\"major\":1,\"minor\":3}]"),
	LINUX(EOPNOTSUPP, "devices[0]", "\"devices\":[{\"type\":\"p\",\"path\":\"/dev/fifo\"}]"),
	LINUX(EINVAL, "devices[0]", "\"devices\":[{\"type\":\"x\",\"path\":\"/dev/null\"}]"),
	LINUX(EINVAL, "cgroupsPath", "\"cgroupsPath\":\"/a/../b/c\""),
	LINUX(EOPNOTSUPP, "rootfsPropagation", "\"rootfsPropagation\":\"shared\""),
	LINUX(EOPNOTSUPP, "mountLabel", "\"mountLabel\":\"x\""),
	LINUX(EOPNOTSUPP, "intelRdt", "\"intelRdt\":{\"closID\":\"x\"}"),
	LINUX(EOPNOTSUPP, "personality.domain", "\"personality\":{\"domain\":\"LINUX32\"}"),
	LINUX(EOPNOTSUPP, "netDevices", "\"netDevices\":{}"),
	LINUX(EINVAL, "maskedPaths[0]", "\"maskedPaths\":[\"relative\"]"),
	LINUX(EINVAL, "readonlyPaths[0]", "\"readonlyPaths\":[1]"),
	LINUX(EPERM, "sysctl.kernel.core_pattern", "\"sysctl\":{\"kernel.core_pattern\":\"|/x\"}"),
	LINUX(EINVAL, "sysctl.net.x", "\"sysctl\":{\"net.x\":1}"),
	LINUX(EINVAL, "seccomp", "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_SING\"}"),
	LINUX(EOPNOTSUPP, "seccomp", "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/x\"}"),

	RESOURCE(EINVAL, "memory.limit", "\"memory\":{\"limit\":-2}"),
	RESOURCE(EINVAL, "memory.limit", "\"memory\":{\"limit\":1.5}"),
	RESOURCE(EINVAL, "memory.limit", "\"memory\":{\"limit\":18446744073709551615}"),
	RESOURCE(EINVAL, "memory.swap", "\"memory\":{\"swap\":1048576}"),
	RESOURCE(EOPNOTSUPP, "memory.kernel", "\"memory\":{\"kernel\":1}"),
	RESOURCE(EOPNOTSUPP, "memory.kernelTCP", "\"memory\":{\"kernelTCP\":1}"),
	RESOURCE(EOPNOTSUPP, "memory.swappiness", "\"memory\":{\"swappiness\":60}"),
	RESOURCE(EOPNOTSUPP, "memory.disableOOMKiller", "\"memory\":{\"disableOOMKiller\":true}"),
	RESOURCE(EOPNOTSUPP, "memory.useHierarchy", "\"memory\":{\"useHierarchy\":false}"),
	RESOURCE(EINVAL, "cpu.shares", "\"cpu\":{\"shares\":1}"),
	RESOURCE(EINVAL, "cpu", "\"cpu\":{\"quota\":1}"),
	RESOURCE(EINVAL, "cpu.cpus", "\"cpu\":{\"cpus\":\"x\"}"),
	RESOURCE(EINVAL, "cpu.idle", "\"cpu\":{\"idle\":2}"),
	RESOURCE(EOPNOTSUPP, "cpu.realtimeRuntime", "\"cpu\":{\"realtimeRuntime\":1}"),
	RESOURCE(EOPNOTSUPP, "cpu.realtimePeriod", "\"cpu\":{\"realtimePeriod\":1}"),
	RESOURCE(EINVAL, "pids.limit", "\"pids\":{}"),
	RESOURCE(EINVAL, "blockIO.weight", "\"blockIO\":{\"weight\":9}"),
	RESOURCE(EOPNOTSUPP, "blockIO.leafWeight", "\"blockIO\":{\"leafWeight\":10}"),
	RESOURCE(EOPNOTSUPP, "blockIO.weightDevice", "\"blockIO\":{\"weightDevice\":[{\"major\":8}]}"),
	RESOURCE(EINVAL, "blockIO.throttleReadBpsDevice[0].rate",
		 "\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0}]}"),
	RESOURCE(EINVAL, "hugepageLimits[0].pageSize", "\"hugepageLimits\":[{\"pageSize\":\"big\",\"limit\":1}]"),
	RESOURCE(EOPNOTSUPP, "devices[1]", "\"devices\":[{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":3},"
					   "{\"allow\":false}]"),
	RESOURCE(EOPNOTSUPP, "devices[0]", "\"devices\":[{\"allow\":false,\"type\":\"c\",\"major\":1}]"),
	RESOURCE(EPERM, "unified.cgroup.procs", "\"unified\":{\"cgroup.procs\":\"1\"}"),
	RESOURCE(EINVAL, "unified.memory.low", "\"unified\":{\"memory.low\":1}"),
	RESOURCE(EOPNOTSUPP, "network", "\"network\":{\"classID\":1}"),
	RESOURCE(EOPNOTSUPP, "rdma", "\"rdma\":{\"mlx5_1\":{}}"),
	RESOURCE(EOPNOTSUPP, "other", "\"other\":{}"),

	MOUNT(EINVAL, ".destination", "\"type\":\"tmpfs\""),
	MOUNT(EINVAL, "", "\"destination\":\"/a/../b\",\"type\":\"tmpfs\""),
	MOUNT(EINVAL, ".type", "\"destination\":\"/work\""),
	MOUNT(EOPNOTSUPP, ".type", "\"destination\":\"/work\",\"type\":\"ext4\""),
	MOUNT(EOPNOTSUPP, ".options[0]", "\"destination\":\"/work\",\"type\":\"tmpfs\",\"options\":[\"shared\"]"),
	MOUNT(EINVAL, ".options[0]", "\"destination\":\"/work\",\"type\":\"tmpfs\",\"options\":[\"size=much\"]"),
	MOUNT(EINVAL, ".options[0]", "\"destination\":\"/work\",\"type\":\"tmpfs\",\"options\":[1]"),
	MOUNT(ENOENT, "", "\"destination\":\"/work\",\"source\":\"none\",\"options\":[\"bind\"]"),
	MOUNT(EOPNOTSUPP, ".uidMappings",
	      "\"destination\":\"/work\",\"type\":\"tmpfs\",\"uidMappings\":[{\"containerID\":0}]"),
	MOUNT(EOPNOTSUPP, ".label", "\"destination\":\"/work\",\"label\":1"),
};

/* A later member takes the place of an earlier one of the same name, as JSON readers have it. */
static void test_places(void **state)
{
	char *bundle = bundle_new();
	int wrong = 0;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct bad *bad = &table[i];
		viso_container *container = NULL;
		viso_command *command = NULL;
		int fds = support_count_fds();
		bundle_write(bundle, "true", bad->process ? bad->process : "", NULL, bad->on_linux ? bad->on_linux : "",
			     bad->more ? bad->more : "");
		int r = viso_container_load_bundle(bundle, &container, &command);
		bool right = r == -bad->error && !container && !command &&
			     strstr(viso_error_message(), bad->place) && support_count_fds() == fds &&
			     !strcmp(viso_error_object(), bad->place);
		if (!right)
			print_message("%s%s%s: %d instead of %d: %s (%s)\n", bad->process ? bad->process : "",
				      bad->on_linux ? bad->on_linux : "", bad->more ? bad->more : "", r, -bad->error,
				      viso_error_message(), viso_error_object());
		wrong += !right;
		viso_container_unref(container);
		viso_command_unref(command);
	}
	assert_int_equal(wrong, 0);
	support_remove_tree(bundle);
	free(bundle);
}

static void test_what_is_empty_is_not_asked_for(void **state)
{
	char *bundle = bundle_new();
	viso_container *container = NULL;
	bundle_write(bundle, "true", ",\"selinuxLabel\":\"\",\"apparmorProfile\":\"unconfined\",\"ioPriority\":null", NULL,
		     ",\"mountLabel\":\"\",\"devices\":null,\"intelRdt\":null,\"sysctl\":{}", ",\"hooks\":{}");
	assert_ok(viso_container_load_bundle(bundle, &container, NULL));
	viso_container_unref(container);
	support_remove_tree(bundle);
	free(bundle);
}

static void assert_no_bundle(const char *bundle, const char *text, int error)
{
	viso_container *container = NULL;
	tree_write(bundle, "config.json", text, 0644);
	assert_fails(viso_container_load_bundle(bundle, &container, NULL), error, VISO_STAGE_ARGUMENT, "");
	assert_null(container);
}

static void test_files(void **state)
{
	char *bundle = bundle_new(), *path = tree_path(bundle, "config.json");
	viso_container *container = NULL;
	assert_fails(viso_container_load_bundle(NULL, &container, NULL), EINVAL, VISO_STAGE_ARGUMENT, "load_bundle");
	assert_fails(viso_container_load_bundle(bundle, NULL, NULL), EINVAL, VISO_STAGE_ARGUMENT, "load_bundle");
	assert_fails(viso_container_load_bundle("/nowhere", &container, NULL), ENOENT, VISO_STAGE_ARGUMENT, "/nowhere");
	assert_fails(viso_container_load_bundle(bundle, &container, NULL), ENOENT, VISO_STAGE_ARGUMENT, "config.json");
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_fails(viso_container_load_bundle(bundle, &container, NULL), EINVAL, VISO_STAGE_ARGUMENT, "config.json");
	assert_int_equal(unlink(path), 0);
	assert_no_bundle(bundle, "", EINVAL);
	assert_no_bundle(bundle, "null", EINVAL);
	assert_no_bundle(bundle, "[]", EINVAL);
	assert_no_bundle(bundle, "{} x", EINVAL);
	assert_no_bundle(bundle, "{}", EINVAL);
	assert_no_bundle(bundle, "{\"ociVersion\":\"1.0.0\"}", EINVAL);
	char deep[256] = "{\"hooks\":";
	memset(deep + strlen(deep), '[', 100);
	assert_no_bundle(bundle, deep, EINVAL);
	assert_int_equal(truncate(path, (4 << 20) + 1), 0);
	assert_fails(viso_container_load_bundle(bundle, &container, NULL), EFBIG, VISO_STAGE_ARGUMENT, "config.json");
	assert_null(container);
	free(path);
	support_remove_tree(bundle);
	free(bundle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_what_is_empty_is_not_asked_for),
		cmocka_unit_test(test_files),
	};
	return cmocka_run_group_tests_name("errors of bundles", tests, NULL, NULL);
}
