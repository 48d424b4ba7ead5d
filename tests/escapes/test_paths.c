/* SPDX-License-Identifier: MIT */
/* Paths that the image or its configuration control: through open fds, links, magic links, and while they change. */
#include "box.h"
#include "host.h"
#include "scene.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "attacks/attack.h"

enum { FDS_TRIED = 64, SWAPPED_STARTS = 60, NAIVE_SECONDS = 40 };

static void in_private_mounts(const struct scene *scene)
{
	char *proc = tree_path(scene->tree, "proc");
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("/proc", proc, NULL, MS_BIND | MS_REC, NULL), 0);
	free(proc);
}

static int exit_code_of(pid_t pid)
{
	int status;
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : BROKEN;
}

/* A runtime that changes its directory as it is told, while a directory of the host is open. */
static int in_careless_runtime(const struct scene *scene, const char *cwd)
{
	pid_t pid = fork();
	if (pid == 0) {
		in_private_mounts(scene);
		if (chroot(scene->tree) == 0 && chdir(cwd) == 0)
			execl("/bin/outside_cwd", "outside_cwd", scene->secret, NULL);
		_exit(BROKEN);
	}
	return exit_code_of(pid);
}

/* Where the command starts at all, it must not have got out. */
static void assert_held(struct box *box, const struct scene *scene, const char *program, const char *cwd)
{
	viso_command *command = viso_command_new(program);
	viso_result *result = NULL;
	assert_ok(viso_command_add_arg(command, scene->secret));
	assert_ok(viso_command_set_cwd(command, cwd));
	int r = viso_sandbox_run(box->sandbox, command, &result);
	if (r < 0 && r != -ENOENT && r != -ENOTDIR && r != -EACCES && r != -ELOOP)
		print_error("%s in %s: %s\n", program, cwd, viso_error_message());
	assert_true(r == 0 || r == -ENOENT || r == -ENOTDIR || r == -EACCES || r == -ELOOP);
	if (r == 0 && viso_result_exit_code(result) != REFUSED)
		print_error("%s in %s got out\n", program, cwd);
	if (r == 0)
		assert_ended(result, VISO_REASON_EXITED, REFUSED, 0);
	viso_command_unref(command);
}

/* CVE-2024-21626. Nothing of the launcher's own may serve either, close-on-exec or not. */
static void test_working_directory_by_fd(void **state)
{
	struct scene scene;
	char path[64], link[32];
	scene_begin(&scene, state, "outside_cwd");
	int leaked = open(scene.outside, O_RDONLY | O_DIRECTORY);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", leaked);
	assert_int_equal(in_careless_runtime(&scene, path), GOT_OUT);
	struct box *box = box_new(scene.strength, scene.tree);
	for (int fd = 3; fd < FDS_TRIED; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		snprintf(link, sizeof(link), "work/%d", fd);
		tree_link(path, scene.tree, link);
		assert_held(box, &scene, "/bin/outside_cwd", path);
		snprintf(path, sizeof(path), "/work/%d/..", fd);
		assert_held(box, &scene, "/bin/outside_cwd", path);
	}
	box_close(box);
	close(leaked);
	scene_end(&scene);
}

static void assert_not_found(struct box *box, const char *program)
{
	viso_command *command = viso_command_new(program);
	assert_int_equal(viso_sandbox_run(box->sandbox, command, NULL), -ENOENT);
	viso_command_unref(command);
}

static void test_program_by_fd(void **state)
{
	struct scene scene;
	char path[128];
	scene_begin(&scene, state, "outside_cwd");
	/* In a directory that is open, and in the root, which the launcher has open as seen from outside. */
	char *program = tree_path(scene.tree, "bin/outside_cwd");
	tree_copy(program, scene.outside, "program");
	int leaked = open(scene.outside, O_RDONLY | O_DIRECTORY);
	struct box *box = box_new(scene.strength, scene.tree);
	const char *name = strrchr(scene.outside, '/');
	for (int fd = 3; fd < FDS_TRIED; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d/program", fd);
		assert_not_found(box, path);
		snprintf(path, sizeof(path), "/proc/self/fd/%d/..%s/program", fd, name);
		assert_not_found(box, path);
	}
	box_close(box);
	close(leaked);
	free(program);
	scene_end(&scene);
}

static bool is_changed(const char *directory, const char *name)
{
	char text[2] = "";
	char *path = tree_path(directory, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, text, 2), 2);
	close(fd);
	free(path);
	return !memcmp(text, "#!", 2);
}

/* CVE-2019-5736: the interpreter of the program is whatever executes it, and may be written to when that runs no more.
 */
static void test_interpreter_is_the_starter(void **state)
{
	struct scene scene;
	scene_begin(&scene, state, "overwrite");
	tree_copy(ATTACKS_PATH "/starter", scene.outside, "starter");
	tree_write(scene.tree, "bin/evil", "#!/proc/self/exe\n", 0755);
	char *starter = tree_path(scene.outside, "starter");
	pid_t pid = fork();
	if (pid == 0) {
		in_private_mounts(&scene);
		execl(starter, starter, scene.tree, "/bin/evil", NULL);
		_exit(BROKEN);
	}
	assert_int_equal(exit_code_of(pid), GOT_OUT);
	assert_true(is_changed(scene.outside, "starter"));

	/* The library's is not of the kind to do what the root wants; and it is sealed. */
	struct box *box = box_new(scene.strength, scene.tree);
	viso_command *command = viso_command_new("/bin/evil");
	viso_result *result = NULL;
	assert_ok(viso_command_set_timeout_ms(command, 10000));
	if (viso_sandbox_run(box->sandbox, command, &result) == 0)
		assert_false(viso_result_reason(result) == (int)VISO_REASON_EXITED &&
			     viso_result_exit_code(result) == 0);
	viso_result_unref(result);
	viso_command_unref(command);
	assert_prints(box, probe("cwd", NULL), "/\n");
	box_close(box);
	free(starter);
	scene_end(&scene);
}

/* Exchanges a directory of the root and a link to one of the host, as fast as it can. */
static pid_t start_swapper(const char *one, const char *other)
{
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE) == 0)
			;
		_exit(BROKEN);
	}
	return pid;
}

/* What mounts by path, having looked that it is a directory, gets it wrong before long. */
static int mount_by_path(const struct scene *scene, const char *target)
{
	struct stat before, after, st;
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(stat(scene->outside, &before), 0);
	for (time_t end = time(NULL) + NAIVE_SECONDS; time(NULL) < end;) {
		bool sound = lstat(target, &st) == 0 && S_ISDIR(st.st_mode);
		sched_yield();
		if (!sound || mount("none", target, "tmpfs", 0, NULL) < 0)
			continue;
		assert_int_equal(stat(scene->outside, &after), 0);
		if (after.st_dev != before.st_dev)
			return GOT_OUT;
		umount2(target, MNT_DETACH);
	}
	return REFUSED;
}

static void swap(void **state, const char *name)
{
	struct scene scene;
	scene_begin(&scene, state, "outside_cwd");
	char *target = tree_path(scene.tree, name), *link = tree_path(scene.tree, "swapped");
	assert_int_equal(symlink(scene.outside, link), 0);
	pid_t swapper = start_swapper(target, link);
	pid_t naive = fork();
	if (naive == 0)
		_exit(mount_by_path(&scene, target));
	assert_int_equal(exit_code_of(naive), GOT_OUT);

	struct box *box = box_new(scene.strength, scene.tree);
	int started = 0;
	for (int i = 0; i < SWAPPED_STARTS; i++) {
		/* Where the directory went away after the mount, what is there instead leads nowhere. */
		viso_command *command = shell("echo x > /tmp/x; echo x > /dev/shm/x; echo x > /proc/x; exit 0");
		viso_result *result = NULL;
		int r = viso_sandbox_run(box->sandbox, command, &result);
		assert_true(r == 0 || r == -ELOOP || r == -ENOTDIR || r == -ENOENT);
		if (r == 0 && ++started)
			assert_ended(result, VISO_REASON_EXITED, 0, 0);
		viso_command_unref(command);
	}
	printf("# %d of %d started while /%s was swapped\n", started, SWAPPED_STARTS, name);
	kill(swapper, SIGKILL);
	waitpid(swapper, NULL, 0);
	char *left = tree_path(scene.outside, "x"), *shm = tree_path(scene.outside, "shm");
	assert_int_equal(access(left, F_OK), -1);
	assert_int_equal(access(shm, F_OK), -1);
	box_close(box);
	free(left);
	free(shm);
	free(target);
	free(link);
	scene_end(&scene);
	box_teardown(state);
}

/* CVE-2021-30465, 2025-52565. */
static void test_swapped_mount_targets(void **state)
{
	swap(state, "proc");
	swap(state, "dev");
	swap(state, "tmp");
}

static int count_mounts(void)
{
	int count = 0, c;
	FILE *file = fopen("/proc/self/mountinfo", "re");
	while ((c = getc(file)) != EOF)
		count += c == '\n';
	fclose(file);
	return count;
}

static int mount_in_new_namespace(const char *target)
{
	return unshare(CLONE_NEWNS) < 0 || mount("none", target, "tmpfs", 0, NULL) < 0 ? BROKEN : GOT_OUT;
}

static void host_with_shared_mounts(void *argument)
{
	const struct scene *scene = argument;
	char *work = tree_path(scene->tree, "work");
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount(scene->tree, scene->tree, NULL, MS_BIND, NULL), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL), 0);
	const int before = count_mounts();
	pid_t pid = fork();
	if (pid == 0)
		_exit(mount_in_new_namespace(work));
	assert_int_equal(exit_code_of(pid), GOT_OUT);
	assert_int_equal(count_mounts(), before + 1);
	assert_int_equal(umount(work), 0);

	struct box *box = box_new(scene->strength, scene->tree);
	if (box->container)
		assert_ok(viso_container_add_capability(box->container, "sys_admin"));
	viso_process *process = box_spawn(
		box, shell("mount -t tmpfs none /work && echo mounted; mount --make-rshared / && echo shared; "
			   "exec probe sleep"));
	for (int i = 0; i < 20; i++) {
		assert_int_equal(count_mounts(), before);
		usleep(10000);
	}
	viso_process_unref(process);
	assert_int_equal(count_mounts(), before);
	box_close(box);
	free(work);
}

/* The host's mounts are shared with new namespaces, as systemd makes them: what is mounted inside must not show. */
static void test_mounts_do_not_propagate(void **state)
{
	struct scene scene;
	scene_begin(&scene, state, "outside_cwd");
	in_a_host(host_with_shared_mounts, &scene);
	scene_end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_working_directory_by_fd),        AT_CONTAINER(test_program_by_fd),
		AT_EACH_STRENGTH(test_interpreter_is_the_starter), AT_CONTAINER(test_swapped_mount_targets),
		AT_EACH_STRENGTH(test_mounts_do_not_propagate),
	};
	return cmocka_run_group_tests_name("paths", tests, NULL, box_group_teardown);
}
