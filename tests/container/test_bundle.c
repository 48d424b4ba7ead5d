/* SPDX-License-Identifier: MIT */
/* OCI bundles that run. What is refused is in test_bundle_errors.c. */
#include "bundle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "box.h"
#include "tree.h"

/* The whole of standard output of a bundle's process that exits with 0. */
static void assert_bundle_prints(const char *directory, const char *expected)
{
	int exit_code;
	char *text = bundle_run(directory, &exit_code);
	assert_string_equal(text, expected);
	assert_int_equal(exit_code, 0);
	free(text);
}

static char *open_bundle(void)
{
	skip_without_strength(VISO_ISOLATION_CONTAINER);
	return bundle_new();
}

static void close_bundle(char *directory)
{
	support_remove_tree(directory);
	free(directory);
}

/* What "spec" of the other runtimes writes. */
static void test_usual_bundle(void **state)
{
	char *bundle = open_bundle();
	bundle_write(bundle, "id -u; hostname; pwd; echo $TERM $HOME; ulimit -Sn; ulimit -Hn; touch /x 2>/dev/null || echo ro",
		     "", NULL, "", "");
	assert_bundle_prints(bundle, "0\nrunc\n/\nxterm\n512\n1024\nro\n");
	bundle_write(bundle, "grep -E 'Cap(Prm|Bnd|Amb)|NoNewPrivs' /proc/self/status", "", NULL, "", "");
	assert_bundle_prints(bundle, "CapPrm:\t0000000020000420\nCapBnd:\t0000000020000420\nCapAmb:\t0000000000000000\n"
				     "NoNewPrivs:\t1\n");
	bundle_write(bundle,
		     "while read a b c d point rest; do case $point in /sys|/dev/shm|/dev/mqueue) echo $point;; esac; done "
		     "< /proc/self/mountinfo; echo x > /proc/sys/kernel/hostname 2>/dev/null || echo ro; wc -c < /proc/keys",
		     "", NULL, "", "");
	assert_bundle_prints(bundle, "/dev/shm\n/dev/mqueue\n/sys\nro\n0\n");
	close_bundle(bundle);
}

static void test_writable_root(void **state)
{
	struct stat st;
	char *bundle = open_bundle(), *path;
	tree_write(bundle, "config.json",
		   "{\"ociVersion\":\"1.1.0\",\"root\":{\"path\":\"rootfs\"},"
		   "\"process\":{\"cwd\":\"/\",\"args\":[\"sh\",\"-c\",\"touch /work/made && echo done\"],"
		   "\"env\":[\"PATH=/bin\"]},"
		   "\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"}]}}",
		   0644);
	path = tree_path(bundle, "rootfs/work");
	assert_int_equal(chmod(path, 0777), 0);
	free(path);
	assert_bundle_prints(bundle, "done\n");
	path = tree_path(bundle, "rootfs/work/made");
	assert_int_equal(stat(path, &st), 0);
	free(path);
	close_bundle(bundle);
}

static void test_user_umask_and_directory(void **state)
{
	char *bundle = open_bundle();
	tree_write(bundle, "config.json",
		   "{\"ociVersion\":\"1.1.0\",\"root\":{\"path\":\"rootfs\",\"readonly\":true},"
		   "\"annotations\":{\"org.example\":\"x\"},\"hostname\":\"here\",\"domainname\":\"there\","
		   "\"process\":{\"cwd\":\"/tmp\",\"user\":{\"uid\":7,\"gid\":8,\"umask\":63},\"oomScoreAdj\":500,"
		   "\"scheduler\":{\"policy\":\"SCHED_BATCH\",\"nice\":3},"
		   "\"args\":[\"sh\",\"-c\",\"id -u; id -g; umask; pwd; nice; cat /proc/self/oom_score_adj; "
		   "cat /proc/sys/kernel/domainname\"],\"env\":[\"PATH=/bin\"]},"
		   "\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"uts\"},{\"type\":\"mount\"}],"
		   "\"rootfsPropagation\":\"rprivate\"}}",
		   0644);
	assert_bundle_prints(bundle, "7\n8\n0077\n/tmp\n3\n500\nthere\n");
	close_bundle(bundle);
}

static void test_mounts(void **state)
{
	char *bundle = open_bundle();
	tree_write(bundle, "data", "text\n", 0644);
	tree_write(bundle, "config.json",
		   "{\"ociVersion\":\"1.1.0\",\"root\":{\"path\":\"rootfs\",\"readonly\":true},"
		   "\"process\":{\"cwd\":\"/\",\"env\":[\"PATH=/bin\"],\"args\":[\"sh\",\"-c\",\"cat /tmp/data; "
		   "echo x 2>/dev/null >/tmp/data || echo ro; grep -o 'size=[0-9a-z]*,mode=[0-9]*' /proc/self/mountinfo | "
		   "tail -1\"]},"
		   "\"mounts\":[{\"destination\":\"/tmp/data\",\"source\":\"data\",\"type\":\"none\","
		   "\"options\":[\"rbind\",\"ro\",\"rprivate\"]},"
		   "{\"destination\":\"work\",\"type\":\"tmpfs\",\"options\":[\"size=1m\",\"mode=0700\",\"nosuid\"]}],"
		   "\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"}]}}",
		   0644);
	assert_bundle_prints(bundle, "text\nro\nsize=1024k,mode=700\n");
	close_bundle(bundle);
}

/* What the file does not name is the host's. */
static void test_namespaces(void **state)
{
	struct utsname host;
	char expected[128], *bundle = open_bundle();
	assert_int_equal(uname(&host), 0);
	tree_write(bundle, "config.json",
		   "{\"ociVersion\":\"1.1.0\",\"root\":{\"path\":\"rootfs\",\"readonly\":true},"
		   "\"process\":{\"cwd\":\"/\",\"env\":[\"PATH=/bin\"],\"args\":[\"hostname\"]},"
		   "\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"}]}}",
		   0644);
	snprintf(expected, sizeof(expected), "%s\n", host.nodename);
	assert_bundle_prints(bundle, expected);
	bundle_write(bundle, "readlink /proc/self/ns/net", "",
		     "{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"uts\"},{\"type\":\"ipc\"},"
		     "{\"type\":\"network\",\"path\":\"/proc/self/ns/nothing\"}",
		     "", "");
	viso_container *container = NULL;
	assert_fails(viso_container_load_bundle(bundle, &container, NULL), ENOENT, VISO_STAGE_ARGUMENT,
		     "linux.namespaces[4].path");
	assert_null(container);
	close_bundle(bundle);
}

static void test_ids_and_sysctl(void **state)
{
	char *bundle = open_bundle();
	skip_without(geteuid() == 0, "root");
	bundle_write(bundle, "cat /proc/self/uid_map | tr -s ' '; cat /proc/sys/net/ipv4/ip_unprivileged_port_start", "",
		     "{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"uts\"},{\"type\":\"user\"},{\"type\":\"network\"}",
		     ",\"uidMappings\":[{\"containerID\":0,\"hostID\":200000,\"size\":1000}],"
		     "\"gidMappings\":[{\"containerID\":0,\"hostID\":200000,\"size\":1000}],"
		     "\"sysctl\":{\"net.ipv4.ip_unprivileged_port_start\":\"99\"}",
		     "");
	assert_bundle_prints(bundle, " 0 200000 1000\n99\n");
	close_bundle(bundle);
}

static void test_seccomp(void **state)
{
	char *bundle = open_bundle();
	bundle_write(bundle, "mkdir /tmp/x 2>/dev/null || echo refused", "", NULL,
		     ",\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mkdir\",\"mkdirat\"],"
		     "\"action\":\"SCMP_ACT_ERRNO\"}]}",
		     "");
	assert_bundle_prints(bundle, "refused\n");
	close_bundle(bundle);
}

static void test_terminal(void **state)
{
	char *bundle = open_bundle();
	viso_container *container;
	viso_command *command;
	viso_process *process;
	viso_result *result;
	char text[64] = "";
	size_t length = 0;
	bundle_write(bundle, "stty size", ",\"terminal\":true,\"consoleSize\":{\"height\":33,\"width\":99}", NULL, "", "");
	assert_ok(viso_container_load_bundle(bundle, &container, &command));
	assert_ok(viso_sandbox_spawn(viso_container_sandbox(container), command, &process));
	int terminal = viso_process_take_terminal(process);
	assert_ok(terminal);
	assert_ok(viso_process_wait(process, -1, &result));
	for (ssize_t n; length < sizeof(text) - 1 && (n = read(terminal, text + length, sizeof(text) - 1 - length)) > 0;)
		length += (size_t)n;
	assert_string_equal(text, "33 99\r\n");
	close(terminal);
	viso_result_unref(result);
	viso_process_unref(process);
	viso_command_unref(command);
	viso_container_unref(container);
	close_bundle(bundle);
}

static void test_hooks(void **state)
{
	char *bundle = open_bundle(), more[1024];
	snprintf(more, sizeof(more),
		 ",\"hooks\":{\"createRuntime\":[{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\",\"cat > %s/state\"],"
		 "\"timeout\":10}],\"startContainer\":[{\"path\":\"/bin/true\"}]}",
		 bundle);
	bundle_write(bundle, "echo run", "", NULL, "", more);
	assert_bundle_prints(bundle, "run\n");
	char *path = tree_path(bundle, "state"), text[1024] = "";
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	assert_non_null(strstr(text, bundle));
	fclose(file);
	free(path);
	close_bundle(bundle);
}

static void test_memory_limit(void **state)
{
	char *bundle = open_bundle();
	skip_without(geteuid() == 0, "a memory controller for the caller");
	tree_write(bundle, "config.json",
		   "{\"ociVersion\":\"1.1.0\",\"root\":{\"path\":\"rootfs\",\"readonly\":true},"
		   "\"process\":{\"cwd\":\"/\",\"env\":[\"PATH=/bin\"],\"args\":[\"sh\",\"-c\",\"tail -c 200m /dev/zero\"]},"
		   "\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"}],\"resources\":{"
		   "\"memory\":{\"limit\":33554432,\"swap\":33554432},\"pids\":{\"limit\":20},"
		   "\"cpu\":{\"shares\":1024,\"quota\":100000,\"period\":100000}}}}",
		   0644);
	viso_container *container;
	viso_command *command;
	viso_result *result;
	assert_ok(viso_container_load_bundle(bundle, &container, &command));
	assert_ok(viso_command_capture(command, 1000));
	assert_ok(viso_sandbox_run(viso_container_sandbox(container), command, &result));
	assert_int_equal(viso_result_reason(result), VISO_REASON_OUT_OF_MEMORY);
	viso_result_unref(result);
	viso_command_unref(command);
	viso_container_unref(container);
	close_bundle(bundle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usual_bundle), cmocka_unit_test(test_writable_root),
		cmocka_unit_test(test_user_umask_and_directory), cmocka_unit_test(test_mounts),
		cmocka_unit_test(test_namespaces), cmocka_unit_test(test_ids_and_sysctl), cmocka_unit_test(test_seccomp),
		cmocka_unit_test(test_terminal), cmocka_unit_test(test_hooks), cmocka_unit_test(test_memory_limit),
	};
	return cmocka_run_group_tests_name("bundles", tests, NULL, box_group_teardown);
}
