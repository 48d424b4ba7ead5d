/* SPDX-License-Identifier: MIT */
/* Profiles in the JSON of OCI, with what Docker and Podman add to it. */
#include "calls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CLONE3 = 435 };

static const char profile_format[] =
	"{\n"
	"  \"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrnoRet\": 61,\n"
	"  \"archMap\": [{\"architecture\": \"SCMP_ARCH_X86_64\","
	" \"subArchitectures\": [\"SCMP_ARCH_X86\", \"SCMP_ARCH_X32\"]}],\n"
	"  \"syscalls\": [\n"
	"    {\"names\": [%s, \"not_yet_invented\", \"waitpid\"], \"action\": \"SCMP_ACT_ALLOW\"},\n"
	"    {\"names\": [\"getuid\"], \"action\": \"SCMP_ACT_ALLOW\", \"comment\": \"\", \"args\": []},\n"
	"    {\"names\": [\"personality\"], \"action\": \"SCMP_ACT_ALLOW\","
	" \"args\": [{\"index\": 0, \"value\": 4294967295, \"op\": \"SCMP_CMP_EQ\"}]},\n"
	"    {\"names\": [\"personality\"], \"action\": \"SCMP_ACT_ALLOW\","
	" \"args\": [{\"index\": 0, \"value\": 8, \"op\": \"SCMP_CMP_EQ\"}]},\n"
	"    {\"names\": [\"prctl\"], \"action\": \"SCMP_ACT_ALLOW\", \"args\": ["
	"{\"index\": 0, \"value\": 3, \"op\": \"SCMP_CMP_EQ\"}, {\"index\": 0, \"value\": 27, \"op\": "
	"\"SCMP_CMP_EQ\"}]},\n"
	"    {\"names\": [\"umask\"], \"action\": \"SCMP_ACT_ALLOW\", \"args\": ["
	"{\"index\": 0, \"value\": 2, \"valueTwo\": 0, \"op\": \"SCMP_CMP_MASKED_EQ\"}]},\n"
	"    {\"names\": [\"chroot\"], \"action\": \"SCMP_ACT_ALLOW\", \"includes\": {\"caps\": "
	"[\"CAP_SYS_CHROOT\"]}},\n"
	"    {\"names\": [\"clone3\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 38,"
	" \"excludes\": {\"caps\": [\"CAP_SYS_ADMIN\"]}},\n"
	"    {\"names\": [\"getgid\"], \"action\": \"SCMP_ACT_ERRNO\", \"errno\": \"ENOTUNIQ\"},\n"
	"    {\"names\": [\"sched_yield\"], \"action\": \"SCMP_ACT_ALLOW\", \"includes\": {\"minKernel\": \"4.8\"}},\n"
	"    {\"names\": [\"getpgid\"], \"action\": \"SCMP_ACT_ALLOW\", \"includes\": {\"minKernel\": \"99.0\"}},\n"
	"    {\"names\": [\"getegid\"], \"action\": \"SCMP_ACT_ALLOW\", \"includes\": {\"arches\": [\"amd64\", "
	"\"arm64\"]}},\n"
	"    {\"names\": [\"geteuid\"], \"action\": \"SCMP_ACT_ALLOW\", \"excludes\": {\"arches\": [\"amd64\", "
	"\"arm64\"]}},\n"
	"    {\"name\": \"times\", \"action\": \"SCMP_ACT_KILL\"}\n"
	"  ]\n"
	"}\n";

static char *directory, *path;

static void write_profile(const char *text, size_t size)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static void write_default(void)
{
	static char text[8192];
	int n = snprintf(text, sizeof(text), profile_format, probe_calls_json);
	write_profile(text, (size_t)n);
}

static struct box *box_with_file(void)
{
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_load_seccomp(box->container, path));
	return box;
}

static void test_rules(void **state)
{
	box_open(state);
	write_default();
	struct box *box = box_with_file();
	assert_call(box, call_of(SYS_getuid, NULL), 1000);
	assert_call(box, call_of(SYS_getppid, NULL), -61);
	assert_call(box, call_of(SYS_execve, "s:/bin/probe", "0", "0", NULL), -61);
	assert_call(box, call_of(CLONE3, NULL), -ENOSYS);
	assert_call(box, call_of(SYS_getgid, NULL), -ENOTUNIQ);
	assert_call(box, call_of(SYS_chroot, "s:/tmp", NULL), -61);
	assert_filtered(box, call_of(SYS_times, NULL));
	assert_filtered(box, call_of(0x40000000 + 39, NULL));
	box_close(box);
}

static void test_conditions(void **state)
{
	box_open(state);
	write_default();
	struct box *box = box_with_file();
	assert_call(box, call_of(SYS_personality, "0xffffffff", NULL), 0);
	assert_call(box, call_of(SYS_personality, "8", NULL), 0);
	assert_call(box, call_of(SYS_personality, "0x0040000", NULL), -61);
	assert_call(box, call_of(SYS_umask, "020", NULL), 022);
	assert_call(box, call_of(SYS_umask, "022", NULL), -61);
	/* Two conditions on one argument. */
	assert_call(box, call_of(SYS_prctl, "27", "0", "0", "0", "0", NULL), 0xef);
	assert_call(box, call_of(SYS_prctl, "3", "0", "0", "0", "0", NULL), 1);
	assert_call(box, call_of(SYS_prctl, "7", "0", "0", "0", "0", NULL), -61);
	assert_call(box, call_of(SYS_sched_yield, NULL), 0);
	assert_call(box, call_of(SYS_getpgid, "0", NULL), -61);
	assert_call(box, call_of(SYS_getegid, NULL), 1000);
	assert_call(box, call_of(SYS_geteuid, NULL), -61);
	box_close(box);
}

static void test_capabilities(void **state)
{
	box_open(state);
	write_default();
	struct box *box = box_with_file();
	assert_ok(viso_container_add_capability(box->container, "sys_chroot"));
	assert_ok(viso_container_add_capability(box->container, "sys_admin"));
	assert_call(box, call_of(SYS_chroot, "s:/tmp", NULL), 0);
	assert_call(box, call_of(CLONE3, NULL), -61);
	box_close(box);
}

static void test_other_settings(void **state)
{
	box_open(state);
	write_default();
	struct box *box = box_with_file();
	assert_ok(viso_container_add_syscall_rule(box->container, "getppid", VISO_SYSCALL_ALLOW, 0));
	assert_ok(viso_container_add_syscall_rule(box->container, "getuid", VISO_SYSCALL_ERROR, 7));
	assert_call(box, call_of(SYS_getppid, NULL), 1);
	assert_call(box, call_of(SYS_getuid, NULL), -7);
	box_close(box);
	/* The last one that was chosen holds. */
	box = box_with_file();
	assert_ok(viso_container_load_seccomp(box->container, path));
	assert_ok(viso_container_set_seccomp_profile(box->container, VISO_SECCOMP_DEFAULT));
	assert_call(box, call_of(SYS_getppid, NULL), 1);
	box_close(box);
}

static void test_deny_list(void **state)
{
	static const char text[] = "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"architectures\": [\"SCMP_ARCH_X86_64\"],"
				   " \"flags\": [\"SECCOMP_FILTER_FLAG_SPEC_ALLOW\", \"SECCOMP_FILTER_FLAG_TSYNC\"],"
				   " \"syscalls\": [{\"names\": [\"getppid\"], \"action\": \"SCMP_ACT_ERRNO\"}]}";
	box_open(state);
	write_profile(text, sizeof(text) - 1);
	struct box *box = box_with_file();
	assert_call(box, call_of(SYS_getppid, NULL), -EPERM);
	assert_call(box, call_of(SYS_getuid, NULL), 1000);
	box_close(box);
}

#define ONE_CALL(members)                                                                                              \
	"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"names\": [\"read\"], " members "}]}"

static void test_refused(void **state)
{
	static const struct {
		int error;
		const char *text;
	} cases[] = {
		{EINVAL, ""},
		{EINVAL, "{"},
		{EINVAL, "null"},
		{EINVAL, "[]"},
		{EINVAL, "{}"},
		{EINVAL, "{\"defaultAction\": \"SCMP_ACT_ALLOW\"} x"},
		{EINVAL, "{\"defaultAction\": 1}"},
		{EINVAL, "{\"defaultAction\": \"ALLOW\"}"},
		{EINVAL, "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrnoRet\": 4096}"},
		{EINVAL, "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrnoRet\": \"x\"}"},
		{EINVAL, "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": {}}"},
		{EINVAL, "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [1]}"},
		{EINVAL, "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"action\": \"SCMP_ACT_KILL\"}]}"},
		{EINVAL, ONE_CALL("\"action\": \"SCMP_ACT_ERRNO\", \"errno\": \"EFLY\"")},
		{EINVAL, ONE_CALL("\"action\": \"SCMP_ACT_KILL\", \"args\": 1")},
		{EINVAL, ONE_CALL("\"action\": \"SCMP_ACT_KILL\", \"args\": [{\"index\": 6, \"value\": 1, \"op\": "
				  "\"SCMP_CMP_EQ\"}]")},
		{EINVAL,
		 ONE_CALL("\"action\": \"SCMP_ACT_KILL\", \"args\": [{\"index\": 0, \"value\": 1, \"op\": \"EQ\"}]")},
		{EINVAL,
		 ONE_CALL("\"action\": \"SCMP_ACT_KILL\", \"args\": [{\"index\": 0, \"op\": \"SCMP_CMP_EQ\"}]")},
		{EINVAL, ONE_CALL("\"action\": \"SCMP_ACT_KILL\", \"includes\": {\"caps\": [\"CAP_FLY\"]}")},
		{EINVAL, ONE_CALL("\"action\": \"SCMP_ACT_KILL\", \"includes\": {\"minKernel\": \"new\"}")},
		{EOPNOTSUPP, ONE_CALL("\"action\": \"SCMP_ACT_KILL\", \"includes\": {\"moon\": \"full\"}")},
		{EOPNOTSUPP, ONE_CALL("\"action\": \"SCMP_ACT_TRACE\"")},
		{EOPNOTSUPP, ONE_CALL("\"action\": \"SCMP_ACT_KILL\", \"when\": 1")},
		{EOPNOTSUPP, "{\"defaultAction\": \"SCMP_ACT_NOTIFY\"}"},
		{EOPNOTSUPP, "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"listenerPath\": \"/run/agent\"}"},
		{EOPNOTSUPP, "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"flags\": [\"SECCOMP_FILTER_FLAG_FLY\"]}"},
		{EOPNOTSUPP, "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"fly\": 1}"},
	};
	struct box *box = box_open(state);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_profile(cases[i].text, strlen(cases[i].text));
		assert_fails(viso_container_load_seccomp(box->container, path), cases[i].error, VISO_STAGE_SECCOMP,
			     path);
	}
	/* Nothing of them has stayed. */
	assert_call(box, call_of(SYS_getppid, NULL), 1);
}

static void test_bad_files(void **state)
{
	viso_container *container = box_open(state)->container;
	assert_fails(viso_container_load_seccomp(container, "/not/there"), ENOENT, VISO_STAGE_SECCOMP, "/not/there");
	assert_fails(viso_container_load_seccomp(container, "/tmp"), EINVAL, VISO_STAGE_SECCOMP, "/tmp");
	assert_fails(viso_container_load_seccomp(container, NULL), EINVAL, VISO_STAGE_ARGUMENT, "load_seccomp");
	/* A zero byte is no white space. */
	static const char behind[] = "{\"defaultAction\": \"SCMP_ACT_ALLOW\"}\0";
	write_profile(behind, sizeof(behind) - 1);
	assert_fails(viso_container_load_seccomp(container, path), EINVAL, VISO_STAGE_SECCOMP, path);
	write_profile("{", 1);
	assert_int_equal(truncate(path, (1 << 20) + 1), 0);
	assert_fails(viso_container_load_seccomp(container, path), EFBIG, VISO_STAGE_SECCOMP, path);
}

static int remove_profile(void **state)
{
	support_remove_tree(directory);
	free(directory);
	free(path);
	return box_group_teardown(state);
}

static int make_directory(void **state)
{
	directory = support_temporary_directory();
	return asprintf(&path, "%s/profile.json", directory) < 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_rules),          AT_CONTAINER(test_conditions), AT_CONTAINER(test_capabilities),
		AT_CONTAINER(test_other_settings), AT_CONTAINER(test_deny_list),  AT_CONTAINER(test_refused),
		AT_CONTAINER(test_bad_files),
	};
	return cmocka_run_group_tests_name("seccomp profiles", tests, make_directory, remove_profile);
}
