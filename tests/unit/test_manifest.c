/* SPDX-License-Identifier: MIT */
/* Lists of what a root contains: plans, records, comparisons, and as files. */
#include "test_root_support.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *scratch, *path;

static int set_up(void **state)
{
	scratch = support_temporary_directory();
	path = root_path_of("%s/root", scratch);
	return 0;
}

/* For thousands of files, of which fsync(2) would cost most of the time. */
static int set_up_in_memory(void **state)
{
	support_set_temporary(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : NULL);
	return set_up(state);
}

static int tear_down(void **state)
{
	support_set_temporary(NULL);
	support_remove_tree(scratch);
	free(scratch);
	free(path);
	return 0;
}

static viso_root *new_root(void)
{
	viso_root *root = viso_root_new();
	assert_ok(viso_root_set_path(root, path));
	assert_ok(viso_root_add_data(root, "/a/file", "contents", 8, 0640));
	assert_ok(viso_root_add_data(root, "/a/strange name\n", "x", 1, 0600));
	assert_ok(viso_root_add_data(root, "/a-b/file", "", 0, 0644));
	assert_ok(viso_root_add_file(root, "/etc/passwd", "/passwd"));
	char *directory = root_path_of("%s/links", scratch);
	root_shell("mkdir -p %s && ln -sf 'to a\\b' %s/link", directory, directory);
	assert_ok(viso_root_add_directory(root, directory, "/links"));
	free(directory);
	return root;
}

static viso_root *built_root(void)
{
	viso_root *root = new_root();
	assert_ok(viso_root_build(root));
	return root;
}

static void assert_sorted(const viso_manifest *manifest)
{
	for (size_t i = 0; i < viso_manifest_count(manifest); i++) {
		const char *entry = viso_manifest_path(manifest, i);
		assert_int_equal(viso_manifest_find(manifest, entry), i);
		char *parent = strdup(entry), *slash = strrchr(parent, '/');
		slash[slash == parent] = '\0';
		if (entry[1])
			assert_in_range(viso_manifest_find(manifest, parent), 0, i - 1);
		free(parent);
	}
}

static void test_plan(void **state)
{
	viso_manifest *plan = NULL, *record = NULL;
	viso_root *root = new_root();
	assert_ok(viso_root_plan(root, &plan));
	assert_int_equal(access(path, F_OK), -1);
	assert_sorted(plan);
	int64_t file = viso_manifest_find(plan, "/a/file");
	assert_int_equal(viso_manifest_type(plan, (size_t)file), VISO_ENTRY_FILE);
	assert_int_equal(viso_manifest_mode(plan, (size_t)file), 0640);
	assert_int_equal(viso_manifest_size(plan, (size_t)file), 8);
	assert_string_equal(viso_manifest_sha256(plan, (size_t)file), "");
	struct stat st;
	assert_int_equal(stat("/etc/passwd", &st), 0);
	assert_int_equal(viso_manifest_size(plan, (size_t)viso_manifest_find(plan, "/passwd")), st.st_size);
	int64_t null = viso_manifest_find(plan, "/dev/null");
	assert_int_equal(viso_manifest_type(plan, (size_t)null), VISO_ENTRY_DEVICE);
	assert_string_equal(viso_manifest_reason(plan, (size_t)null), "every root has it");
	/* The plan takes nothing, and what is built is what it says. */
	assert_ok(viso_root_add_data(root, "/b/later", "x", 1, 0644));
	assert_ok(viso_root_build(root));
	assert_int_equal(viso_root_plan(root, &record), -EBUSY);
	assert_ok(viso_root_manifest(root, &record));
	assert_sorted(record);
	for (size_t i = 0; i < viso_manifest_count(record); i++) {
		const char *entry = viso_manifest_path(record, i);
		int64_t planned = viso_manifest_find(plan, entry);
		if (!strncmp(entry, "/b", 2) && strlen(entry) != 4)
			continue;
		assert_true(planned >= 0);
		assert_int_equal(viso_manifest_type(record, i), viso_manifest_type(plan, (size_t)planned));
		assert_int_equal(viso_manifest_mode(record, i), viso_manifest_mode(plan, (size_t)planned));
		assert_int_equal(viso_manifest_size(record, i), viso_manifest_size(plan, (size_t)planned));
		assert_string_equal(viso_manifest_link(record, i), viso_manifest_link(plan, (size_t)planned));
		assert_string_equal(viso_manifest_reason(record, i), viso_manifest_reason(plan, (size_t)planned));
	}
	assert_string_equal(viso_manifest_sha256(record, (size_t)viso_manifest_find(record, "/a/file")),
			    "d1b2a59fbea7e20077af9f91b27e95e865061b270be03ff539ab3b73587882e8");
	viso_manifest_unref(plan);
	viso_manifest_unref(record);
	viso_root_unref(root);
}

static void test_bad_arguments(void **state)
{
	viso_manifest *manifest = NULL;
	viso_root *root = built_root();
	assert_ok(viso_root_manifest(root, &manifest));
	size_t end = viso_manifest_count(manifest);
	assert_null(viso_manifest_ref(NULL));
	assert_null(viso_manifest_unref(NULL));
	assert_int_equal(viso_manifest_count(NULL), 0);
	assert_int_equal(viso_manifest_find(NULL, "/"), -1);
	assert_int_equal(viso_manifest_find(manifest, NULL), -1);
	assert_int_equal(viso_manifest_find(manifest, "a"), -1);
	assert_int_equal(viso_manifest_find(manifest, ""), -1);
	assert_int_equal(viso_manifest_find(manifest, "/a/"), -1);
	assert_int_equal(viso_manifest_find(manifest, "/"), 0);
	assert_null(viso_manifest_path(manifest, end));
	assert_int_equal(viso_error_number(), EINVAL);
	assert_null(viso_manifest_sha256(manifest, end));
	assert_null(viso_manifest_link(manifest, end));
	assert_null(viso_manifest_reason(manifest, SIZE_MAX));
	assert_int_equal(viso_manifest_type(manifest, end), -EINVAL);
	assert_int_equal(viso_manifest_mode(manifest, end), -EINVAL);
	assert_int_equal(viso_manifest_size(manifest, end), -EINVAL);
	assert_int_equal(viso_manifest_state(NULL, 0), -EINVAL);
	assert_int_equal(viso_manifest_save(NULL, "/x"), -EINVAL);
	assert_int_equal(viso_manifest_save(manifest, "x"), -EINVAL);
	assert_fails(viso_manifest_save(manifest, "/no/such/file"), ENOENT, VISO_STAGE_ROOT, "/no/such");
	assert_fails(viso_manifest_save(manifest, "/etc/passwd/x"), ENOTDIR, VISO_STAGE_ROOT, "/etc/passwd");
	viso_manifest *loaded = (viso_manifest *)1;
	assert_fails(viso_manifest_load("/no/such", &loaded), ENOENT, VISO_STAGE_ROOT, "/no/such");
	assert_fails(viso_manifest_load("/etc/passwd", &loaded), EBADMSG, VISO_STAGE_ROOT, "/etc/passwd");
	assert_fails(viso_manifest_load("/dev/zero", &loaded), EBADMSG, VISO_STAGE_ROOT, "/dev/zero");
	assert_int_equal(viso_manifest_load("x", &loaded), -EINVAL);
	assert_ptr_equal(loaded, (viso_manifest *)1);
	assert_fails(viso_manifest_verify(manifest, "/no/such", NULL), ENOENT, VISO_STAGE_ROOT, "/no/such");
	assert_fails(viso_manifest_verify(manifest, "/etc/passwd", NULL), ENOTDIR, VISO_STAGE_ROOT, "/etc/passwd");
	assert_int_equal(viso_manifest_verify(manifest, "x", NULL), -EINVAL);
	assert_null(viso_entry_state_name(6));
	assert_string_equal(viso_entry_state_name(VISO_ENTRY_UNKNOWN), "unknown");
	assert_null(viso_entry_type_name(0));
	assert_string_equal(viso_entry_type_name(VISO_ENTRY_DEVICE), "device");
	viso_manifest_unref(manifest);
	viso_root_unref(root);
}

static void test_files_are_read_back(void **state)
{
	viso_manifest *record = NULL, *loaded = NULL;
	char *file = root_path_of("%s/saved", scratch);
	viso_root *root = built_root();
	assert_ok(viso_root_manifest(root, &record));
	root_write_text(file, "old", 0644);
	assert_ok(viso_manifest_save(record, file));
	assert_ok(viso_manifest_load(file, &loaded));
	assert_int_equal(viso_manifest_count(loaded), viso_manifest_count(record));
	for (size_t i = 0; i < viso_manifest_count(record); i++) {
		assert_string_equal(viso_manifest_path(loaded, i), viso_manifest_path(record, i));
		assert_int_equal(viso_manifest_type(loaded, i), viso_manifest_type(record, i));
		assert_int_equal(viso_manifest_mode(loaded, i), viso_manifest_mode(record, i));
		assert_int_equal(viso_manifest_size(loaded, i), viso_manifest_size(record, i));
		assert_string_equal(viso_manifest_sha256(loaded, i), viso_manifest_sha256(record, i));
		assert_string_equal(viso_manifest_link(loaded, i), viso_manifest_link(record, i));
		assert_string_equal(viso_manifest_reason(loaded, i), viso_manifest_reason(record, i));
	}
	assert_int_equal(viso_manifest_verify(loaded, path, NULL), 0);
	/* Nothing but the file is there. */
	assert_int_equal(root_shell("test $(ls %s | grep -c saved) = 1", scratch), 0);
	viso_manifest_unref(loaded);
	viso_manifest_unref(record);
	viso_root_unref(root);
	free(file);
}

static void test_other_programs_read_it(void **state)
{
	skip_without(root_shell("bsdtar --version >/dev/null 2>&1") == 0, "bsdtar");
	viso_root *root = built_root();
	viso_manifest *record = NULL;
	assert_ok(viso_root_manifest(root, &record));
	char *output = root_shell_output("bsdtar -tf %s/.viso/manifest 2>&1", path);
	size_t lines = 0;
	for (const char *at = output; (at = strchr(at, '\n')); at++)
		lines++;
	assert_int_equal(lines, viso_manifest_count(record));
	assert_non_null(strstr(output, "strange name\\n"));
	assert_int_equal(root_shell("bsdtar -tvf %s/.viso/manifest 2>/dev/null | grep -q 'to a.*b'", path), 0);
	free(output);
	viso_manifest_unref(record);
	viso_root_unref(root);
}

static void test_damaged_files_are_refused(void **state)
{
	char *file = root_path_of("%s/saved", scratch);
	viso_manifest *record = NULL, *loaded = NULL;
	viso_root *root = built_root();
	assert_ok(viso_root_manifest(root, &record));
	assert_ok(viso_manifest_save(record, file));
	size_t size;
	char *text = root_read_file(file, &size);
	/* Cut anywhere but at the end of a line, and with each byte damaged: it is refused, or a clean list. */
	for (size_t i = 0; i < size; i++) {
		char kept = text[i];
		static const char bytes[] = {'\0', '\n', ' ', '/', '.', '\\', '=', '\xff', '9'};
		text[i] = bytes[i % sizeof(bytes)];
		root_write_file(file, text, size, 0644);
		if (viso_manifest_load(file, &loaded) >= 0) {
			for (size_t k = 0; k < viso_manifest_count(loaded); k++) {
				const char *entry = viso_manifest_path(loaded, k);
				assert_true(entry[0] == '/' && !strstr(entry, "/../") && !strstr(entry, "//"));
			}
			assert_true(viso_manifest_verify(loaded, path, NULL) >= 0);
			viso_manifest_unref(loaded);
		} else {
			assert_int_equal(viso_error_number(), EBADMSG);
		}
		text[i] = kept;
	}
	free(text);
	free(file);
	viso_manifest_unref(record);
	viso_root_unref(root);
}

static void check_state(viso_root *root, const char *damage, const char *entry, int expected)
{
	viso_manifest *states = NULL;
	assert_int_equal(root_shell("cd %s && cp -a . ../kept && { %s; }", path, damage), 0);
	int count = viso_root_verify(root, &states);
	if (count != 1 || viso_manifest_state(states, (size_t)viso_manifest_find(states, entry)) != expected)
		print_error("%s: %d differ\n", damage, count);
	assert_int_equal(count, 1);
	assert_int_equal(viso_manifest_state(states, (size_t)viso_manifest_find(states, entry)), expected);
	viso_manifest_unref(states);
	assert_int_equal(root_shell("rm -rf %s && mv %s/kept %s", path, scratch, path), 0);
	assert_int_equal(viso_root_verify(root, NULL), 0);
}

static void test_states(void **state)
{
	viso_root *root = built_root();
	assert_int_equal(viso_root_verify(root, NULL), 0);
	check_state(root, "rm a/file", "/a/file", VISO_ENTRY_MISSING);
	check_state(root, "rm a/file; mkdir a/file", "/a/file", VISO_ENTRY_RETYPED);
	check_state(root, "rm a/file; mkfifo a/file", "/a/file", VISO_ENTRY_RETYPED);
	check_state(root, "rm a/file; ln -s /etc/passwd a/file", "/a/file", VISO_ENTRY_RETYPED);
	check_state(root, "echo >>a/file", "/a/file", VISO_ENTRY_CHANGED);
	check_state(root, "printf Contents >a/file", "/a/file", VISO_ENTRY_CHANGED);
	check_state(root, "truncate -s 1T a/file", "/a/file", VISO_ENTRY_CHANGED);
	check_state(root, "chmod 644 a/file", "/a/file", VISO_ENTRY_CHMODDED);
	check_state(root, "chmod 700 a", "/a", VISO_ENTRY_CHMODDED);
	check_state(root, "rm links/link; ln -s x links/link", "/links/link", VISO_ENTRY_CHANGED);
	check_state(root, "rm -r a-b/file; rmdir a-b; ln -s / a-b; mkdir -p ../file; rm a-b; mkdir a-b", "/a-b/file",
		    VISO_ENTRY_MISSING);
	if (geteuid() == 0) {
		check_state(root, "chown 1 a/file", "/a/file", VISO_ENTRY_CHMODDED);
		check_state(root, "rm dev/null; mknod dev/null c 1 5; chmod 666 dev/null", "/dev/null",
			    VISO_ENTRY_CHANGED);
		check_state(root, "rm a/file; mknod a/file c 1 3", "/a/file", VISO_ENTRY_RETYPED);
	}
	/* What others have there does not count. */
	assert_int_equal(root_shell("echo >%s/a/mine", path), 0);
	assert_int_equal(viso_root_verify(root, NULL), 0);
	viso_root_unref(root);
}

static void test_remove(void **state)
{
	viso_root *root = built_root();
	assert_int_equal(viso_root_remove(root), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(viso_root_verify(root, NULL), -ENOENT);
	assert_int_equal(viso_root_build(root), -ENOENT);
	assert_int_equal(viso_root_remove(root), -ENOENT);
	viso_root_unref(root);

	viso_root_unref(built_root());
	assert_int_equal(
		root_shell(
			"cd %s && echo >a/mine && rm -r a-b && ln -s / a-b && mkdir %s/v && echo >%s/v/file && rm -r "
			"links && ln -s ../v links",
			path, scratch, scratch),
		0);
	root = viso_root_new();
	assert_ok(viso_root_use_directory(root, path));
	/* "/" and "/a", which others have files in. */
	assert_int_equal(viso_root_remove(root), 2);
	assert_int_equal(root_shell("cd %s && test -f ../v/file -a -f a/mine -a ! -e a/file -a ! -e .viso", path), 0);
	viso_root_unref(root);
}

static int remove_with_mounts(void *argument)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 2;
	viso_root *root = built_root();
	char *inside = root_path_of("%s/tmp", path);
	if (mount("none", inside, "tmpfs", 0, NULL) < 0)
		return 2;
	int r = viso_root_remove(root);
	umount2(inside, MNT_DETACH);
	if (r != -EBUSY || access(path, F_OK) < 0)
		return 3;
	int ends[2];
	char byte;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return 2;
	pid_t pid = fork();
	if (pid == 0) {
		if (chroot(path) < 0 || write(ends[1], "", 1) != 1)
			_exit(1);
		pause();
	}
	close(ends[1]);
	if (read(ends[0], &byte, 1) != 1)
		return 6;
	close(ends[0]);
	r = viso_root_remove(root);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (r != -EBUSY)
		return 4;
	return viso_root_remove(root) == 0 ? 0 : 5;
}

static void test_remove_what_is_in_use(void **state)
{
	skip_without(geteuid() == 0, "root");
	int r = root_in_child(false, remove_with_mounts, NULL);
	skip_without(r != 2, "mounting");
	assert_int_equal(r, 0);
}

/* Root of a user namespace may mount, and not make nodes. */
static int bind_in_namespaces(void *argument)
{
	viso_root *root = new_root();
	if (viso_root_add_device(root, "/dev/tty") < 0 || viso_root_build(root) < 0) {
		print_error("%s\n", viso_error_message());
		return 3;
	}
	struct stat st;
	char *tty = root_path_of("%s/dev/tty", path);
	if (lstat(tty, &st) < 0 || !S_ISCHR(st.st_mode))
		return 4;
	if (viso_root_verify(root, NULL) != 0)
		return 5;
	int r = viso_root_remove(root);
	if (r != 0)
		print_error("%d %s\n", r, viso_error_message());
	free(tty);
	return r != 0 ? 6 : 0;
}

static int run_without_mknod(void *argument)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return 2;
	int fd = open("/proc/self/setgroups", O_WRONLY | O_CLOEXEC);
	(void)!write(fd, "deny", 4);
	close(fd);
	fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
	bool mapped = write(fd, "0 0 1", 5) == 5;
	close(fd);
	fd = open("/proc/self/gid_map", O_WRONLY | O_CLOEXEC);
	mapped &= write(fd, "0 0 1", 5) == 5;
	close(fd);
	return mapped ? bind_in_namespaces(NULL) : 2;
}

static void test_devices_are_bound_where_they_cannot_be_made(void **state)
{
	skip_without(geteuid() == 0, "root");
	int r = root_in_child(false, run_without_mknod, NULL);
	skip_without(r != 2, "user namespaces");
	assert_int_equal(r, 0);
}

static void test_only_a_file_is_replaced(void **state)
{
	viso_manifest *manifest;
	viso_root *root = new_root();
	char *fifo = root_path_of("%s/fifo", scratch);
	struct stat st;
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_ok(viso_root_plan(root, &manifest));
	/* As /dev/null would be. */
	assert_fails(viso_manifest_save(manifest, fifo), EINVAL, VISO_STAGE_ROOT, fifo);
	assert_int_equal(lstat(fifo, &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
	viso_manifest_unref(manifest);
	viso_root_unref(root);
	free(fifo);
}

/* As many as a base may have make a manifest of a hundred megabytes; here the names do. */
static void test_a_large_record_is_read_again(void **state)
{
	enum { DEPTH = 14, FILES = 5000 };
	char name[PATH_MAX];
	viso_root *root = new_root();
	for (int i = 0; i < FILES; i++) {
		size_t length = 0;
		for (int depth = 0; depth < DEPTH; depth++) {
			name[length++] = '/';
			memset(name + length, '\1', 250);
			length += 250;
		}
		snprintf(name + length, sizeof(name) - length, "/%d", i);
		assert_ok(viso_root_add_data(root, name, "", 0, 0644));
	}
	assert_ok(viso_root_build(root));
	assert_int_equal(viso_root_verify(root, NULL), 0);
	assert_int_equal(viso_root_remove(root), 0);
	viso_root_unref(root);
}

#define manifest_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		manifest_test(test_plan),
		manifest_test(test_bad_arguments),
		manifest_test(test_files_are_read_back),
		manifest_test(test_other_programs_read_it),
		manifest_test(test_damaged_files_are_refused),
		manifest_test(test_only_a_file_is_replaced),
		cmocka_unit_test_setup_teardown(test_a_large_record_is_read_again, set_up_in_memory, tear_down),
		manifest_test(test_states),
		manifest_test(test_remove),
		manifest_test(test_remove_what_is_in_use),
		manifest_test(test_devices_are_bound_where_they_cannot_be_made),
	};
	return cmocka_run_group_tests_name("manifest", tests, NULL, NULL);
}
