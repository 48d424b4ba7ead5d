/* SPDX-License-Identifier: MIT */
/* Each allocation of each call on containers fails in turn: the call says so, leaves nothing, and works when it is made
 * again. Not where others allocate: json-c 0.16 and libseccomp 2.5 follow NULL then. A filter that was made is kept. */
#include "box.h"
#include "leftovers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *pointer, size_t size);

/* Of the thread that is tested; -1 for never. */
static _Thread_local long seen, fail_at = -1;

static bool fails(void)
{
	if (seen++ != fail_at)
		return false;
	errno = ENOMEM;
	return true;
}

/* In place of glibc's, also for the libraries. */
void *malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *pointer, size_t size)
{
	return fails() ? NULL : __libc_realloc(pointer, size);
}

/* What a call works on; made anew for each attempt. */
struct subject {
	viso_root *root, *layer;
	viso_container *container;
	viso_command *command;
};

#define CALL(name, call)                                                                                               \
	static int name(struct subject *subject)                                                                       \
	{                                                                                                              \
		viso_container *container = subject->container;                                                        \
		return container ? (call) : -EINVAL;                                                                   \
	}

static char *upper, *layer;

CALL(set_root, viso_container_set_root(container, subject->root))
CALL(set_hostname, viso_container_set_hostname(container, "name"))
CALL(set_domainname, viso_container_set_domainname(container, "name"))
CALL(share_namespace, viso_container_share_namespace(container, VISO_NAMESPACE_UTS))
CALL(add_id_map, viso_container_add_id_map(container, VISO_ID_USER, 0, 300000, 10))
CALL(set_clock_offset, viso_container_set_clock_offset(container, VISO_CLOCK_BOOTTIME, 1000000000))
CALL(set_sysctl, viso_container_set_sysctl(container, "net.ipv4.ip_default_ttl", "63"))
CALL(add_bind, viso_container_add_bind(container, "/usr/bin", "/work", VISO_MOUNT_READ_ONLY))
CALL(add_bind_fd, viso_container_add_bind_fd(container, 0, "/work", 0))
CALL(add_tmpfs, viso_container_add_tmpfs(container, "/work", 1 << 20, 0755, 0))
CALL(add_file, viso_container_add_file(container, "/etc/motd", "text", 4, 0644))
CALL(add_filesystem, viso_container_add_filesystem(container, "mqueue", "/dev/mqueue", 0))
CALL(add_device, viso_container_add_device(container, "/dev/null"))
CALL(add_read_only, viso_container_add_read_only(container, "/proc/sys"))
CALL(add_mask, viso_container_add_mask(container, "/proc/timer_list"))
CALL(add_layer, viso_container_add_layer(container, subject->layer))
CALL(set_upper_discarded, viso_container_set_upper_discarded(container, 1 << 20))
CALL(set_upper_directory, viso_container_set_upper_directory(container, upper))
CALL(set_root_writable, viso_container_set_root_writable(container, 1))
CALL(set_memory_max, viso_container_set_memory_max(container, 32 << 20))
CALL(set_memory_high, viso_container_set_memory_high(container, 32 << 20))
CALL(set_cpu_max, viso_container_set_cpu_max(container, 50000, 100000))
CALL(set_cpu_weight, viso_container_set_cpu_weight(container, 50))
CALL(set_cpus, viso_container_set_cpus(container, "0"))
CALL(set_memory_nodes, viso_container_set_memory_nodes(container, "0"))
CALL(set_io_weight, viso_container_set_io_weight(container, 50))
CALL(set_hugetlb_max, viso_container_set_hugetlb_max(container, 2 << 20, 4 << 20))
CALL(allow_device, viso_container_allow_device(container, 'c', 1, 3, "rw"))
CALL(set_cgroup_value, viso_container_set_cgroup_value(container, "memory.low", "0"))
CALL(set_cgroup_parent, viso_container_set_cgroup_parent(container, "/viso-none"))
CALL(add_capability, viso_container_add_capability(container, "kill"))
CALL(add_capability_to, viso_container_add_capability_to(container, VISO_CAPABILITY_BOUNDING, "kill"))
CALL(set_seccomp_profile, viso_container_set_seccomp_profile(container, VISO_SECCOMP_DENY))
CALL(add_syscall_rule, viso_container_add_syscall_rule(container, "chmod", VISO_SYSCALL_ERROR, EPERM))
CALL(add_syscall_rule_if,
     viso_container_add_syscall_rule_if(container, "ioctl", 1, 0xffffffff, 0x5412, VISO_SYSCALL_ERROR, EPERM))
CALL(add_landlock_path, viso_container_add_landlock_path(container, "/", VISO_LANDLOCK_READ))
CALL(set_network, viso_container_set_network(container, VISO_NETWORK_HOST))
CALL(set_cwd, viso_command_set_cwd(subject->command, "/work"))
CALL(set_env, viso_command_set_env(subject->command, "NAME", "value"))
CALL(add_arg, viso_command_add_arg(subject->command, "argument"))

static int new_container(struct subject *subject)
{
	viso_container *container = viso_container_new();
	viso_container_unref(container);
	return container ? 0 : -ENOMEM;
}

static int dress(struct subject *subject)
{
	static int (*const setters[])(struct subject *) = {
		set_hostname,   set_sysctl,       set_upper_discarded, add_bind, add_tmpfs,
		add_file,       add_filesystem,   add_read_only,       add_mask, add_layer,
		add_capability, add_syscall_rule, add_syscall_rule_if,
	};
	int r = set_root(subject);
	for (size_t i = 0; i < sizeof(setters) / sizeof(setters[0]) && r >= 0; i++)
		r = setters[i](subject);
	return r;
}

static int run(struct subject *subject)
{
	viso_result *result = NULL;
	int r = viso_sandbox_run(viso_container_sandbox(subject->container), subject->command, &result);
	if (r == 0)
		check_ended(result, VISO_REASON_EXITED, 3, 0);
	viso_result_unref(result);
	return r;
}

static int spawn(struct subject *subject)
{
	viso_process *process = NULL;
	viso_result *result = NULL;
	int r = viso_sandbox_spawn(viso_container_sandbox(subject->container), subject->command, &process);
	if (r == 0)
		r = viso_process_wait(process, 20000, &result);
	if (r == 0)
		check_ended(result, VISO_REASON_EXITED, 3, 0);
	viso_result_unref(result);
	viso_process_unref(process);
	return r;
}

struct trial {
	const char *name;
	int (*before)(struct subject *subject); /* with all memory; may be NULL */
	int (*call)(struct subject *subject);
};
#define TRIAL(call)                                                                                                    \
	{                                                                                                              \
#call, NULL, call                                                                                      \
	}

static const struct trial setters[] = {
	TRIAL(new_container),
	TRIAL(set_root),
	TRIAL(set_hostname),
	TRIAL(set_domainname),
	TRIAL(share_namespace),
	TRIAL(add_id_map),
	TRIAL(set_clock_offset),
	TRIAL(set_sysctl),
	TRIAL(add_bind),
	TRIAL(add_bind_fd),
	TRIAL(add_tmpfs),
	TRIAL(add_file),
	TRIAL(add_filesystem),
	TRIAL(add_device),
	TRIAL(add_read_only),
	TRIAL(add_mask),
	TRIAL(add_layer),
	TRIAL(set_upper_discarded),
	TRIAL(set_upper_directory),
	TRIAL(set_root_writable),
	TRIAL(set_memory_max),
	TRIAL(set_memory_high),
	TRIAL(set_cpu_max),
	TRIAL(set_cpu_weight),
	TRIAL(set_cpus),
	TRIAL(set_memory_nodes),
	TRIAL(set_io_weight),
	TRIAL(set_hugetlb_max),
	TRIAL(allow_device),
	TRIAL(set_cgroup_value),
	TRIAL(set_cgroup_parent),
	TRIAL(add_capability),
	TRIAL(add_capability_to),
	TRIAL(set_seccomp_profile),
	TRIAL(add_syscall_rule),
	TRIAL(add_syscall_rule_if),
	TRIAL(add_landlock_path),
	TRIAL(set_network),
	TRIAL(set_cwd),
	TRIAL(set_env),
	TRIAL(add_arg),
};

static const struct trial starts[] = {
	{"a plain start", set_root, run},
	{"a start with many settings", dress, spawn},
};

static struct subject make_subject(void)
{
	struct subject subject = {.root = viso_root_new(),
				  .layer = viso_root_new(),
				  .container = viso_container_new(),
				  .command = shell("exit 3")};
	assert_ok(viso_root_use_directory(subject.root, box_tree()));
	assert_ok(viso_root_use_directory(subject.layer, layer));
	return subject;
}

static void release_subject(struct subject *subject)
{
	viso_command_unref(subject->command);
	viso_container_unref(subject->container);
	viso_root_unref(subject->root);
	viso_root_unref(subject->layer);
}

/* True where the call needed so many allocations. */
static bool try_once(const struct trial *trial, long n)
{
	struct subject subject = make_subject();
	if (trial->before)
		assert_ok(trial->before(&subject));
	seen = 0;
	fail_at = n;
	int r = trial->call(&subject);
	long count = seen;
	fail_at = -1;
	if (r < 0 && (r != -ENOMEM || viso_error_number() != ENOMEM))
		fail_msg("%s, allocation %ld: %d, and error %d: %s", trial->name, n, r, viso_error_number(),
			 viso_error_message());
	if (r < 0 && (r = trial->call(&subject)) < 0)
		fail_msg("%s, allocation %ld: tried again: %d: %s", trial->name, n, r, viso_error_message());
	release_subject(&subject);
	return n < count;
}

static void attempt_all(const struct trial *trial, long *at)
{
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	support_time_limit(100);
	const int fds = support_count_fds();
	for (*at = 0; try_once(trial, *at); ++*at)
		;
	/* The launcher's sockets, and a channel that is kept. */
	assert_true(support_count_fds() <= fds + 3);
}

/* In a host of its own: a crash is a failure of this one only, and says at which allocation. */
static bool survives(const struct trial *trial, long *at)
{
	int status;
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		attempt_all(trial, at);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status)
		print_error("%s, allocation %ld: ended with status %#x\n", trial->name, *at, (unsigned)status);
	return status == 0;
}

static void try_all(const struct trial *trials, size_t count)
{
	long *at = mmap(NULL, sizeof(*at), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(at, MAP_FAILED);
	int failed = 0;
	leftovers_begin();
	for (size_t i = 0; i < count; i++) {
		failed += !survives(&trials[i], at);
		printf("# %s: %ld allocations\n", trials[i].name, *at);
	}
	assert_int_equal(failed, 0);
	assert_int_equal(leftovers_count(NULL, 0), 0);
	munmap(at, sizeof(*at));
}

static void test_settings(void **state)
{
	box_open(state);
	support_time_limit(0);
	try_all(setters, sizeof(setters) / sizeof(setters[0]));
}

static void test_starts(void **state)
{
	box_open(state);
	support_time_limit(0);
	try_all(starts, sizeof(starts) / sizeof(starts[0]));
}

static int set_up(void **state)
{
	leftovers_set_up(state);
	upper = support_temporary_directory();
	layer = box_new_tree();
	return 0;
}

static int tear_down(void **state)
{
	support_remove_tree(layer);
	free(upper);
	free(layer);
	return leftovers_tear_down(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_settings),
		AT_CONTAINER(test_starts),
	};
	return cmocka_run_group_tests_name("memory", tests, set_up, tear_down);
}
