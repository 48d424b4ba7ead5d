/* SPDX-License-Identifier: MIT */
/* What the caller mounts in a container: binds, tmpfs, files, file systems of the kernel, devices, masks. */
#include "box.h"
#include "host.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* A directory of the host with a file and a directory, for everybody. */
static char *new_source(void)
{
	char *source = support_temporary_directory();
	assert_int_equal(chmod(source, 0777), 0);
	tree_write(source, "file", "host\n", 0666);
	tree_directory(source, "directory", 0777);
	return source;
}

static void remove_source(char *source)
{
	support_remove_tree(source);
	free(source);
}

static void test_bind_of_a_directory(void **state)
{
	struct box *box = box_open(state);
	char *source = new_source();
	assert_ok(viso_container_add_bind(box->container, source, "//work/", 0));
	assert_prints(box,
		      shell("cat /work/file; echo new > /work/new; grep ' /work ' /proc/self/mountinfo | "
			    "grep -c nosuid,nodev"),
		      "host\n1\n");
	struct stat st;
	char *path = tree_path(source, "new");
	assert_int_equal(stat(path, &st), 0);
	free(path);
	remove_source(source);
}

static void test_bind_read_only(void **state)
{
	struct box *box = box_open(state);
	char *source = new_source(), *file = tree_path(source, "file");
	assert_ok(viso_container_add_bind(box->container, source, "/work", VISO_MOUNT_READ_ONLY));
	assert_ok(viso_container_add_bind(box->container, file, "/etc/passwd",
					  VISO_MOUNT_READ_ONLY | VISO_MOUNT_NO_EXEC));
	assert_prints(box,
		      shell("cat /etc/passwd; for i in /work/x /work/file /etc/passwd; do (echo x >> $i) 2>/dev/null; "
			    "done; true"),
		      "host\n");
	assert_prints(box, shell("touch /work/x /work/directory/x 2>&1 | grep -c Read-only"), "2\n");
	assert_prints(box, shell("grep ' /etc/passwd ' /proc/self/mountinfo | grep -c ro,nosuid,nodev,noexec"), "1\n");
	free(file);
	remove_source(source);
}

/* With the capability to mount it could take the flag away, were it not locked. */
static void test_read_only_stays(void **state)
{
	struct box *box = box_open(state);
	char *source = new_source(), *file = tree_path(source, "file");
	assert_ok(viso_container_add_capability(box->container, "sys_admin"));
	assert_ok(viso_container_add_bind(box->container, source, "/work", VISO_MOUNT_READ_ONLY));
	assert_ok(viso_container_add_bind(box->container, file, "/etc/passwd", VISO_MOUNT_READ_ONLY));
	assert_ok(viso_container_add_bind(box->container, source, "/usr", 0));
	viso_command *command =
		shell("for i in / /work /etc/passwd; do mount -o remount,bind,rw $i 2>/dev/null && echo $i; "
		      "done; for i in /new /work/new /etc/passwd; do (echo x >> $i) 2>/dev/null && echo $i; "
		      "done; busybox mkdir /tmp/x; mount -o bind /work /tmp/x && mount -o remount,bind,rw "
		      "/tmp/x 2>/dev/null && echo copy; (echo x > /usr/new) && echo writable");
	assert_ok(viso_command_set_user(command, 0, 0));
	assert_prints(box, command, "writable\n");
	free(file);
	remove_source(source);
}

/* In a mount namespace of its own: what is mounted below the source. */
static void bind_with_mounts(void *argument)
{
	char *source = argument, *directory = tree_path(source, "directory");
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL), 0);
	assert_int_equal(mount("none", directory, "tmpfs", 0, NULL), 0);
	tree_write(directory, "below", "", 0644);
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(
		viso_container_add_bind(box->container, source, "/work", VISO_MOUNT_RECURSIVE | VISO_MOUNT_READ_ONLY));
	assert_ok(viso_container_add_bind(box->container, source, "/usr", 0));
	assert_ok(viso_container_add_tmpfs(box->container, "/usr/directory", 0, 0755, 0));
	assert_prints(box, shell("ls /work/directory /usr/directory; touch /work/directory/x 2>&1 | grep -c Read-only"),
		      "/usr/directory:\n\n/work/directory:\nbelow\n1\n");
	box_close(box);
	box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_add_bind(box->container, source, "/usr", 0));
	assert_prints(box, shell("ls -A /usr/directory"), "");
	box_close(box);
	/* Although all mounts of the host are shared, none came here. */
	char *below = tree_path(directory, "below");
	assert_int_equal(access(below, F_OK), 0);
	free(below);
	free(directory);
}

static void test_bind_with_mounts(void **state)
{
	box_open(state);
	skip_without(geteuid() == 0, "root, to mount below a source");
	char *source = new_source();
	in_a_host(bind_with_mounts, source);
	remove_source(source);
}

static void test_bind_without_exec(void **state)
{
	struct box *box = box_open(state);
	char *source = new_source();
	tree_copy(PROBE_PATH, source, "probe");
	assert_ok(viso_container_add_bind(box->container, source, "/work", VISO_MOUNT_NO_EXEC));
	assert_ok(viso_container_add_bind(box->container, source, "/usr", 0));
	assert_prints(box, shell("/work/probe exit 2>/dev/null || echo no; /usr/probe exit && echo yes"), "no\nyes\n");
	remove_source(source);
}

static void test_bind_of_a_fd(void **state)
{
	struct box *box = box_open(state);
	char *source = new_source();
	int fd = open(source, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_ok(viso_container_add_bind_fd(box->container, fd, "/work", 0));
	close(fd);
	assert_prints(box, shell("cat /work/file"), "host\n");
	assert_prints(box, shell("cat /work/file"), "host\n");
	remove_source(source);
}

/* Its name may lead elsewhere by the time of the start, but the source stays what it was (Flatpak, CVE-2024-42472). */
static void test_source_that_is_swapped(void **state)
{
	struct box *box = box_open(state);
	char *base = support_temporary_directory(), *source = tree_path(base, "source"),
	     *moved = tree_path(base, "moved");
	assert_int_equal(chmod(base, 0755), 0);
	tree_directory(base, "source", 0755);
	tree_write(source, "name", "mine\n", 0644);
	tree_directory(base, "secret", 0755);
	tree_write(base, "secret/name", "secret\n", 0644);
	assert_ok(viso_container_add_bind(box->container, source, "/work", VISO_MOUNT_READ_ONLY));
	assert_int_equal(rename(source, moved), 0);
	tree_link("secret", base, "source");
	assert_prints(box, shell("cat /work/name"), "mine\n");
	free(moved);
	free(source);
	support_remove_tree(base);
	free(base);
}

static void test_optional_source(void **state)
{
	struct box *box = box_open(state);
	assert_fails(viso_container_add_bind(box->container, "/nowhere/at/all", "/work", 0), ENOENT,
		     VISO_STAGE_ARGUMENT, "/nowhere");
	assert_ok(viso_container_add_bind(box->container, "/nowhere/at/all", "/work", VISO_MOUNT_OPTIONAL));
	assert_prints(box, shell("ls -A /work"), "");
}

static void test_tmpfs(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_add_tmpfs(box->container, "/work", 1 << 20, 01777, VISO_MOUNT_NO_EXEC));
	assert_prints(box,
		      shell("stat -c %a /work; dd if=/dev/zero of=/work/x bs=64k count=64 2>/dev/null || echo full; "
			    "wc -c < /work/x; grep -c ' /work .*noexec' /proc/self/mountinfo"),
		      "1777\nfull\n1048576\n1\n");
	struct box *other = box_new(box->strength, box_tree());
	assert_ok(viso_container_add_tmpfs(other->container, "/work", 0, 0700, VISO_MOUNT_READ_ONLY));
	viso_command *command = shell("stat -c %a /work; touch /work/x 2>/dev/null || echo no");
	assert_ok(viso_command_set_user(command, 0, 0));
	assert_prints(other, command, "700\nno\n");
	box_close(other);
}

static void test_files_from_memory(void **state)
{
	struct box *box = box_open(state);
	char *large = malloc(3 << 20);
	memset(large, 'x', 3 << 20);
	assert_ok(viso_container_add_file(box->container, "/etc/passwd", "mine\n", 5, 0644));
	assert_ok(viso_container_add_file(box->container, "/tmp/deep/er/file", large, 3 << 20, 0444));
	assert_ok(viso_container_add_file(box->container, "/tmp/empty", NULL, 0, 0555));
	assert_ok(viso_container_add_file(box->container, "/tmp/script", "#!/bin/sh\necho ran\n", 19, 0755));
	free(large);
	for (int i = 0; i < 2; i++)
		assert_prints(box,
			      shell("cat /etc/passwd; wc -c < /tmp/deep/er/file; stat -c '%a %s' /tmp/empty; "
				    "/tmp/script; (echo x > /etc/passwd) 2>/dev/null || echo no"),
			      "mine\n3145728\n555 0\nran\nno\n");
	assert_prints(box, shell("cut -d' ' -f5 /proc/self/mountinfo | grep -cx /; ls -A /tmp | wc -l"), "1\n3\n");
}

static void assert_file_bounds(viso_container *container)
{
	char *data = calloc(1, (16 << 20) + 1);
	assert_fails(viso_container_add_file(container, "/tmp/x", data, (16 << 20) + 1, 0644), EFBIG,
		     VISO_STAGE_ARGUMENT, "file");
	for (int i = 0; i < 4; i++)
		assert_ok(viso_container_add_file(container, "/tmp/x", data, 16 << 20, 0644));
	assert_fails(viso_container_add_file(container, "/tmp/x", data, 1, 0644), EFBIG, VISO_STAGE_ARGUMENT, "file");
	free(data);
}

static void test_file_systems(void **state)
{
	static const char *const types[] = {"proc", "mqueue", "devpts", "tmpfs", "cgroup2", "sysfs"};
	struct box *box = box_open(state);
	char path[32];
	for (int i = 0; i < 6; i++) {
		snprintf(path, sizeof(path), "/tmp/%s", types[i]);
		assert_ok(viso_container_add_filesystem(box->container, types[i], path, VISO_MOUNT_READ_ONLY));
	}
	assert_prints(box,
		      shell("cd /tmp; grep -c ' /tmp/[a-z0-9]* ro,nosuid,' /proc/self/mountinfo; cat proc/1/comm; "
			    "ls sysfs/class/net; test -c devpts/ptmx && echo pts; ls -d cgroup2/cgroup.procs"),
		      "6\nviso-init\nlo\npts\ncgroup2/cgroup.procs\n");
	assert_fails(viso_container_add_filesystem(box->container, "proc", "/tmp", 0), EBUSY, VISO_STAGE_ARGUMENT,
		     "filesystem");
}

static void test_device(void **state)
{
	struct box *box = box_open(state);
	assert_fails(viso_container_add_device(box->container, "/dev/shm"), ENOTBLK, VISO_STAGE_ARGUMENT, "shm");
	assert_fails(viso_container_add_device(box->container, "/etc/passwd"), EINVAL, VISO_STAGE_ARGUMENT, "device");
	assert_fails(viso_container_add_device(box->container, "/dev/nothing"), ENOENT, VISO_STAGE_ARGUMENT, "nothing");
	assert_ok(viso_container_add_device(box->container, "/dev/zero"));
	bool tun = access("/dev/net/tun", F_OK) == 0;
	if (tun)
		assert_ok(viso_container_add_device(box->container, "/dev/net/tun"));
	assert_prints(box, shell("head -c 3 /dev/zero | wc -c; stat -c %t:%T /dev/zero"), "3\n1:5\n");
	if (tun)
		assert_prints(box, shell("stat -c %t:%T /dev/net/tun"), "a:c8\n");
}

static void test_device_needs_its_flag(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_add_bind(box->container, "/dev/null", "/etc/passwd", 0));
	assert_prints(box, shell("cat /etc/passwd 2>/dev/null || echo closed"), "closed\n");
}

static void test_read_only_paths(void **state)
{
	struct box *box = box_open(state);
	char *source = new_source();
	assert_ok(viso_container_add_bind(box->container, source, "/work", 0));
	assert_ok(viso_container_add_tmpfs(box->container, "/work/directory", 0, 01777, 0));
	assert_ok(viso_container_add_read_only(box->container, "/work"));
	assert_ok(viso_container_add_read_only(box->container, "/tmp"));
	assert_ok(viso_container_add_read_only(box->container, "/not/there"));
	assert_prints(box,
		      shell("cat /work/file; touch /work/x /work/directory/x /tmp/x 2>&1 | grep -c Read-only; "
			    "echo x > /dev/shm/x && echo rest"),
		      "host\n3\nrest\n");
	remove_source(source);
}

static void test_masks(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_add_mask(box->container, "/etc/passwd"));
	assert_ok(viso_container_add_mask(box->container, "/proc/sys"));
	assert_ok(viso_container_add_mask(box->container, "/proc/cpuinfo"));
	assert_ok(viso_container_add_mask(box->container, "/not/there"));
	viso_command *command =
		shell("cat /etc/passwd /proc/cpuinfo; ls -A /proc/sys; echo x 2>/dev/null > /etc/passwd "
		      "|| touch /proc/sys/x 2>/dev/null || echo closed");
	assert_ok(viso_command_set_user(command, 0, 0));
	assert_prints(box, command, "closed\n");
}

static void test_targets(void **state)
{
	struct box *box = box_open(state);
	char *source = new_source(), *file = tree_path(source, "file");
	static const struct {
		const char *path;
		bool file;
		int error;
	} cases[] = {
		{"/etc/passwd", false, ENOTDIR},
		{"/etc/passwd/x", true, ENOTDIR},
		{"/work", true, EISDIR},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct box *one = box_new(box->strength, box_tree());
		assert_ok(viso_container_add_bind(one->container, cases[i].file ? file : source, cases[i].path, 0));
		assert_start_fails(one, probe("exit", NULL), cases[i].error, VISO_STAGE_MOUNT, cases[i].path);
		box_close(one);
	}
	/* In what is the container's own, they are made. */
	assert_ok(viso_container_add_bind(box->container, source, "/tmp/a/b", 0));
	assert_ok(viso_container_add_bind(box->container, file, "/dev/c/d", 0));
	assert_prints(box, shell("cat /tmp/a/b/file /dev/c/d"), "host\nhost\n");
	/* In a bind of the host's they are not. */
	struct box *inner = box_new(box->strength, box_tree());
	assert_ok(viso_container_add_bind(inner->container, source, "/work", 0));
	assert_ok(viso_container_add_tmpfs(inner->container, "/work/new", 0, 0755, 0));
	assert_start_fails(inner, probe("exit", NULL), ENOENT, VISO_STAGE_MOUNT, "/work/new");
	assert_non_null(strstr(viso_error_message(), "in a directory of the host never"));
	box_close(inner);
	free(file);
	remove_source(source);
}

static void test_nothing_shows_on_the_host(void **state)
{
	struct box *box = box_open(state);
	char before[65536], after[65536], *source = new_source();
	assert_ok(viso_container_add_bind(box->container, source, "/work", 0));
	assert_ok(viso_container_add_tmpfs(box->container, "/work/directory", 0, 01777, 0));
	assert_ok(viso_container_add_file(box->container, "/work/file", "x", 1, 0644));
	int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	before[pread(fd, before, sizeof(before) - 1, 0)] = '\0';
	viso_process *process = box_spawn(box, shell("touch /work/directory/x; exec probe sleep"));
	close(fd);
	fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	after[pread(fd, after, sizeof(after) - 1, 0)] = '\0';
	close(fd);
	assert_string_equal(before, after);
	viso_process_unref(process);
	char *directory = tree_path(source, "directory");
	assert_int_equal(rmdir(directory), 0);
	free(directory);
	remove_source(source);
}

static void test_arguments(void **state)
{
	struct box *box = box_open(state);
	viso_container *container = box->container;
	static const char *const bad[] = {NULL, "", "work", "/", "///", "/a/../b", "/..", "/./a", "/a/."};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_fails(viso_container_add_bind(container, "/", bad[i], 0), EINVAL, VISO_STAGE_ARGUMENT, "bind");
		assert_fails(viso_container_add_tmpfs(container, bad[i], 0, 0, 0), EINVAL, VISO_STAGE_ARGUMENT,
			     "tmpfs");
		assert_fails(viso_container_add_mask(container, bad[i]), EINVAL, VISO_STAGE_ARGUMENT, "mask");
		assert_fails(viso_container_add_read_only(container, bad[i]), EINVAL, VISO_STAGE_ARGUMENT, "read_only");
	}
	assert_fails(viso_container_add_bind(container, NULL, "/work", 0), EINVAL, VISO_STAGE_ARGUMENT, "bind");
	assert_fails(viso_container_add_bind(container, "/", "/work", 64), EINVAL, VISO_STAGE_ARGUMENT, "bind");
	assert_fails(viso_container_add_bind(container, "/", "/work/..a/.../..", 0), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_container_add_bind_fd(container, 999, "/work", 0), EBADF, VISO_STAGE_ARGUMENT, "bind_fd");
	assert_fails(viso_container_add_tmpfs(container, "/work", 0, 010000, 0), EINVAL, VISO_STAGE_ARGUMENT, "tmpfs");
	assert_fails(viso_container_add_tmpfs(container, "/work", 0, 0, VISO_MOUNT_ID_MAPPED), EINVAL,
		     VISO_STAGE_ARGUMENT, "tmpfs");
	assert_fails(viso_container_add_file(container, "/work", NULL, 1, 0), EINVAL, VISO_STAGE_ARGUMENT, "file");
	assert_fails(viso_container_add_file(container, "/work", "", 0, 04755), EINVAL, VISO_STAGE_ARGUMENT, "file");
	assert_file_bounds(container);
	assert_fails(viso_container_add_filesystem(container, "", "/work", 0), EINVAL, VISO_STAGE_ARGUMENT,
		     "filesystem");
	assert_fails(viso_container_add_filesystem(container, "ext4", "/work", 0), EPERM, VISO_STAGE_ARGUMENT, "ext4");
	assert_fails(viso_container_add_device(container, NULL), EINVAL, VISO_STAGE_ARGUMENT, "device");
	for (int i = 0; i < 48; i++)
		assert_ok(viso_container_add_bind(container, "/", "/work", 0));
	assert_fails(viso_container_add_bind(container, "/", "/work", 0), E2BIG, VISO_STAGE_ARGUMENT, "bind");
}

static void test_settings_freeze(void **state)
{
	struct box *box = box_open(state);
	assert_prints(box, shell("true"), "");
	assert_fails(viso_container_add_bind(box->container, "/", "/work", 0), EBUSY, VISO_STAGE_ARGUMENT, "bind");
	assert_fails(viso_container_add_tmpfs(box->container, "/work", 0, 0, 0), EBUSY, VISO_STAGE_ARGUMENT, "tmpfs");
	assert_fails(viso_container_add_file(box->container, "/work", "", 0, 0), EBUSY, VISO_STAGE_ARGUMENT, "file");
	assert_fails(viso_container_add_mask(box->container, "/work"), EBUSY, VISO_STAGE_ARGUMENT, "mask");
}

static void test_sources_that_cannot_be_mounted(void **state)
{
	struct box *box = box_open(state);
	int fd = memfd_create("x", MFD_CLOEXEC);
	assert_ok(viso_container_add_bind_fd(box->container, fd, "/etc/passwd", 0));
	close(fd);
	viso_process *process = NULL;
	viso_command *command = probe("exit", NULL);
	assert_true(viso_sandbox_spawn(box->sandbox, command, &process) < 0);
	assert_int_equal(viso_error_stage(), VISO_STAGE_MOUNT);
	viso_command_unref(command);
	int fds = support_count_fds();
	box_close(box_new(box->strength, box_tree()));
	assert_int_equal(support_count_fds(), fds);
}

/* After a few starts root's launcher clones containers from another mount namespace than the host's: nothing tells. */
static void test_later_starts_are_as_the_first(void **state)
{
	static const char script[] = "cut -d ' ' -f 4-6 /proc/self/mountinfo; ls -a / /.. /dev/..; ls -l /dev | wc -l; "
				     "umount -l / 2>/dev/null || echo refused; ls /proc/1/root/.. | wc -l";
	enum { STARTS = 8 };
	struct box *box = box_open(state);
	viso_result *first = box_run(box, shell(script));
	const char *output = viso_result_output(first, VISO_STDOUT, NULL);
	assert_non_null(strstr(output, "refused"));
	for (int i = 1; i < STARTS; i++) {
		struct box *next = box_new(box->strength, box_tree());
		assert_prints(next, shell(script), output);
		box_close(next);
	}
	viso_result_unref(first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_bind_of_a_directory),
		AT_CONTAINER(test_bind_read_only),
		AT_CONTAINER(test_read_only_stays),
		AT_CONTAINER(test_bind_with_mounts),
		AT_CONTAINER(test_bind_without_exec),
		AT_CONTAINER(test_bind_of_a_fd),
		AT_CONTAINER(test_source_that_is_swapped),
		AT_CONTAINER(test_optional_source),
		AT_CONTAINER(test_tmpfs),
		AT_CONTAINER(test_files_from_memory),
		AT_CONTAINER(test_file_systems),
		AT_CONTAINER(test_device),
		AT_CONTAINER(test_device_needs_its_flag),
		AT_CONTAINER(test_read_only_paths),
		AT_CONTAINER(test_masks),
		AT_CONTAINER(test_targets),
		AT_CONTAINER(test_nothing_shows_on_the_host),
		AT_CONTAINER(test_later_starts_are_as_the_first),
		AT_CONTAINER(test_arguments),
		AT_CONTAINER(test_settings_freeze),
		AT_CONTAINER(test_sources_that_cannot_be_mounted),
	};
	return cmocka_run_group_tests_name("mounts", tests, NULL, box_group_teardown);
}
