/* SPDX-License-Identifier: MIT */
/* Ways out of a chroot by what the kernel gives to the privileged. Each works in a bare one and is closed in a jail. */
#include "box.h"
#include "host.h"
#include "marked.h"
#include "scene.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attacks/attack.h"

static void test_nested_chroot(void **state)
{
	scene_plain(state, "nested_chroot", FOR_ROOT, NULL, NULL);
}

static void test_outside_working_directory(void **state)
{
	scene_plain(state, "outside_cwd", FOR_BOTH, NULL, NULL);
}

static void test_device(void **state)
{
	scene_plain(state, "device", FOR_ROOT, NULL, NULL);
}

static void test_disk(void **state)
{
	struct scene scene;
	struct stat st;
	scene_begin(&scene, state, "disk");
	assert_int_equal(stat("/", &st), 0);
	skip_without(major(st.st_dev) != 0, "a disk below /");
	scene.works_for = FOR_ROOT;
	scene.facility = "a disk that root may read (the control group of devices)";
	scene_add_argument(&scene, "%u", major(st.st_dev));
	scene_add_argument(&scene, "%u", minor(st.st_dev));
	scene_must_hold(&scene);
}

static void test_mount(void **state)
{
	scene_plain(state, "mount_proc", FOR_ROOT, NULL, NULL);
	scene_plain(state, "mount_new", FOR_ROOT, NULL, NULL);
}

static void remount_by(void **state, const char *method)
{
	struct scene scene;
	scene_begin(&scene, state, "remount");
	scene.works_for = FOR_ROOT;
	scene.mounted = true;
	scene_add_argument(&scene, "%s", method);
	scene_must_hold(&scene);
	box_teardown(state);
}

static void test_remount(void **state)
{
	remount_by(state, "mount");
	remount_by(state, "mount_setattr");
}

static void test_namespaces(void **state)
{
	scene_plain(state, "namespaces", FOR_ROOT, NULL, "unshare");
	scene_plain(state, "namespaces", FOR_ROOT, NULL, "clone");
	scene_plain(state, "namespaces", FOR_ROOT, NULL, "clone3");
	scene_plain(state, "namespaces", FOR_ROOT, NULL, "setns");
}

static void test_bpf(void **state)
{
	scene_plain(state, "kernel_call", FOR_ROOT, "bpf(2) (CONFIG_BPF_SYSCALL)", "bpf");
}

static void test_perf_events(void **state)
{
	scene_plain(state, "kernel_call", FOR_ROOT, "perf events (CONFIG_PERF_EVENTS)", "perf_event_open");
}

static void test_io_uring(void **state)
{
	scene_plain(state, "kernel_call", FOR_ROOT, "io_uring (CONFIG_IO_URING)", "io_uring_setup");
}

static void test_userfaultfd(void **state)
{
	scene_plain(state, "kernel_call", FOR_ROOT, "userfaultfd (CONFIG_USERFAULTFD)", "userfaultfd");
}

static void test_fanotify(void **state)
{
	scene_plain(state, "kernel_call", FOR_ROOT, "fanotify (CONFIG_FANOTIFY)", "fanotify_init");
}

static void test_init_module(void **state)
{
	scene_plain(state, "kernel_call", FOR_ROOT, "kernel modules (CONFIG_MODULES)", "init_module");
}

static void test_finit_module(void **state)
{
	scene_plain(state, "kernel_call", FOR_ROOT, "kernel modules (CONFIG_MODULES)", "finit_module");
}

static void test_kexec_load(void **state)
{
	scene_plain(state, "kernel_call", FOR_ROOT, "kexec_load(2) (CONFIG_KEXEC)", "kexec_load");
}

static void test_kexec_file_load(void **state)
{
	scene_plain(state, "kernel_call", FOR_ROOT, "kexec_file_load(2) (CONFIG_KEXEC_FILE)", "kexec_file_load");
}

static void test_log_of_the_kernel(void **state)
{
	scene_plain(state, "kernel_call", FOR_ROOT, "a log of the kernel (CONFIG_PRINTK)", "syslog");
}

static void test_swap(void **state)
{
	scene_plain(state, "kernel_call", FOR_ROOT, "swap (CONFIG_SWAP)", "swapon");
}

static void test_accounting(void **state)
{
	scene_plain(state, "kernel_call", FOR_ROOT, "process accounting (CONFIG_BSD_PROCESS_ACCT)", "acct");
}

static void test_clock(void **state)
{
	scene_plain(state, "kernel_call", FOR_ROOT, NULL, "clock");
}

static void test_ports(void **state)
{
	scene_plain(state, "kernel_call", FOR_ROOT, "iopl(2) of x86 (CONFIG_X86_IOPL_IOPERM)", "iopl");
}

static void foreign_call(void **state, const char *abi, const char *facility)
{
	struct scene scene;
	scene_begin(&scene, state, "foreign_call");
	scene.works_for = FOR_ROOT;
	scene.facility = facility;
	scene.killed = true;
	scene_add_argument(&scene, "%s", abi);
	scene_must_hold(&scene);
}

/* A filter that looks at numbers alone takes those of another ABI for other calls. */
static void test_calls_of_i386(void **state)
{
	foreign_call(state, "i386", "calls of i386 (CONFIG_IA32_EMULATION)");
}

static void test_calls_of_x32(void **state)
{
	foreign_call(state, "x32", "calls of x32 (CONFIG_X86_X32_ABI)");
}

static void test_file_handle(void **state)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} file = {.handle.handle_bytes = MAX_HANDLE_SZ};
	char hex[2 * MAX_HANDLE_SZ + 1] = "";
	struct scene scene;
	int mount_id;
	scene_begin(&scene, state, "file_handle");
	skip_without(name_to_handle_at(AT_FDCWD, scene.secret, &file.handle, &mount_id, 0) == 0,
		     "file handles on the file system of the test");
	for (unsigned i = 0; i < file.handle.handle_bytes; i++)
		sprintf(hex + 2 * i, "%02x", file.handle.f_handle[i]);
	scene.works_for = FOR_ROOT;
	scene_add_argument(&scene, "%d", file.handle.handle_type);
	scene_add_argument(&scene, "%s", hex);
	scene_must_hold(&scene);
}

static void test_setuid_program(void **state)
{
	struct scene scene;
	scene_begin(&scene, state, "setuid");
	char *path = tree_path(scene.tree, "bin/setuid");
	char *other = tree_path(scene.tree, "bin/again");
	assert_int_equal(rename(path, other), 0);
	tree_copy(other, scene.tree, "bin/setuid");
	/* It belongs to none of those who run it. */
	assert_int_equal(chown(other, 1234, 0), 0);
	assert_int_equal(chmod(other, 04755), 0);
	scene_add_argument(&scene, "/bin/again");
	scene_must_hold(&scene);
	free(path);
	free(other);
}

static void run_as_accomplice(const char *program)
{
	char *const argv[] = {(char *)"copy", NULL};
	if (setresgid(1234, 1234, 1234) == 0 && setresuid(1234, 1234, 1234) == 0)
		execv(program, argv);
	_exit(BROKEN);
}

/* Whether an ordinary user outside gains what the attack has made. */
static bool helps_an_accomplice(const struct scene *scene, bool as_root)
{
	int status;
	char *program = tree_path(scene->tree, "work/copy");
	pid_t pid = fork();
	if (pid == 0)
		run_as_accomplice(program);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	unlink(program);
	free(program);
	return WIFEXITED(status) && WEXITSTATUS(status) == GOT_OUT;
}

static void make_setuid_by(void **state, const char *method, bool run)
{
	struct scene scene;
	scene_begin(&scene, state, "make_setuid");
	char *work = tree_path(scene.tree, "work");
	assert_int_equal(chmod(work, 0777), 0);
	scene.facility = method;
	scene.succeeded = run ? helps_an_accomplice : NULL;
	scene_add_argument(&scene, "%s", method);
	scene_must_hold(&scene);
	free(work);
}

#define MAKE_SETUID(method, run)                                                                                       \
	static void test_setuid_by_##method(void **state)                                                              \
	{                                                                                                              \
		make_setuid_by(state, #method, run);                                                                   \
	}
/* A program that is made setuid within gives its user to whoever runs it outside. */
MAKE_SETUID(chmod, true)
MAKE_SETUID(fchmod, true)
MAKE_SETUID(fchmodat, true)
MAKE_SETUID(fchmodat2, true)
MAKE_SETUID(open, false)
MAKE_SETUID(creat, false)
MAKE_SETUID(openat2, false)
MAKE_SETUID(mknod, false)

/* CVE-2019-5736: what runs in a sandbox must not be able to change the program that started it. */
static void overwrite_launcher(void *argument)
{
	const viso_isolation *strength = argument;
	unsigned mark = mark_new();
	pid_t pids[8];
	char path[64];
	mark_this_process(mark);
	struct box *box = box_new(*strength, box_tree());
	assert_prints(box, probe("cwd", NULL), "/\n");
	/* What it has just forked still has its name. */
	await_that(marked_processes(mark, "viso-launcher", 0, pids, 8) == 1);
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pids[0]);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	const int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
	assert_int_equal(fcntl(fd, F_GET_SEALS) & seals, seals);
	close(fd);
	assert_int_equal(open(path, O_WRONLY | O_CLOEXEC), -1);
	box_close(box);
}

/* CVE-2019-5736: what runs in a sandbox must not be able to change the program that started it. */
static void test_launcher_cannot_be_overwritten(void **state)
{
	viso_isolation strength = box_open(state)->strength;
	in_a_host(overwrite_launcher, &strength);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_EACH_STRENGTH(test_launcher_cannot_be_overwritten),
		AT_EACH_STRENGTH(test_nested_chroot),
		AT_EACH_STRENGTH(test_outside_working_directory),
		AT_EACH_STRENGTH(test_device),
		AT_EACH_STRENGTH(test_disk),
		AT_EACH_STRENGTH(test_mount),
		AT_EACH_STRENGTH(test_remount),
		AT_EACH_STRENGTH(test_namespaces),
		AT_EACH_STRENGTH(test_bpf),
		AT_EACH_STRENGTH(test_perf_events),
		AT_EACH_STRENGTH(test_io_uring),
		AT_EACH_STRENGTH(test_userfaultfd),
		AT_EACH_STRENGTH(test_fanotify),
		AT_EACH_STRENGTH(test_init_module),
		AT_EACH_STRENGTH(test_finit_module),
		AT_EACH_STRENGTH(test_kexec_load),
		AT_EACH_STRENGTH(test_kexec_file_load),
		AT_EACH_STRENGTH(test_log_of_the_kernel),
		AT_EACH_STRENGTH(test_swap),
		AT_EACH_STRENGTH(test_accounting),
		AT_EACH_STRENGTH(test_clock),
		AT_EACH_STRENGTH(test_ports),
		AT_EACH_STRENGTH(test_calls_of_i386),
		AT_EACH_STRENGTH(test_calls_of_x32),
		AT_EACH_STRENGTH(test_file_handle),
		AT_EACH_STRENGTH(test_setuid_program),
		AT_EACH_STRENGTH(test_setuid_by_chmod),
		AT_EACH_STRENGTH(test_setuid_by_fchmod),
		AT_EACH_STRENGTH(test_setuid_by_fchmodat),
		AT_EACH_STRENGTH(test_setuid_by_fchmodat2),
		AT_EACH_STRENGTH(test_setuid_by_open),
		AT_EACH_STRENGTH(test_setuid_by_creat),
		AT_EACH_STRENGTH(test_setuid_by_openat2),
		AT_EACH_STRENGTH(test_setuid_by_mknod),
	};
	return cmocka_run_group_tests_name("escapes", tests, NULL, box_group_teardown);
}
