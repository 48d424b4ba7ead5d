/* SPDX-License-Identifier: MIT */
/* Nothing of the host can be reached but the root, and that is read-only. */
#include "guest_support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void need_busybox(void)
{
	need_kvm();
	skip_without(access("/bin/busybox", X_OK) == 0, "busybox (Debian package busybox-static)");
}

/* The path cannot be read. */
static void assert_hidden(viso_guest *guest, const char *path)
{
	viso_result *result = run_in(guest, new_command("busybox", "cat", path, NULL));
	print_message("# %s: %s", path, viso_result_output(result, VISO_STDERR, NULL));
	assert_string_equal(viso_result_output(result, VISO_STDOUT, NULL), "");
	assert_exited(result, 1);
}

static void test_paths_out_of_the_root(void **state)
{
	struct fixture *fixture = *state;
	need_busybox();
	char *secret, *many;
	assert_true(asprintf(&secret, "/../../../../../..%s/secret", fixture->base) > 0);
	assert_true(asprintf(&many, "dir/sub/../../../..%s/secret", fixture->base) > 0);
	const char *const paths[] = {"/../../../etc/shadow",
				     "../secret",
				     "dir/../../secret",
				     secret,
				     many,
				     "up",
				     "absolute",
				     "/proc/self/root/../secret",
				     "/proc/self/mem",
				     "/proc/1/environ",
				     "/dev/kvm",
				     "/dev/mem",
				     "/dev/tty",
				     "loop",
				     ""};
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_hidden(fixture->guest, paths[i]);
	free(secret);
	free(many);
}

/* `..` of the root is the root, also from a directory that was entered. */
static void test_parent_of_the_root(void **state)
{
	struct fixture *fixture = *state;
	need_busybox();
	assert_output(run(fixture, "busybox", "sh", "-c",
			  "cd /dir/sub && cd ../../../../.. && pwd && read -r x <../../fruit && echo $x"),
		      "/\npear\n");
}

/* The host's /proc and /sys show the host program's memory; its devices are not for guests. */
static void test_the_hosts_root_as_root(void **state)
{
	need_busybox();
	viso_root *root = viso_root_new();
	assert_ok(viso_root_use_directory(root, "/"));
	viso_guest *guest = viso_guest_new();
	assert_ok(viso_guest_set_root(guest, root));
	setenv("SECRET_OF_THE_HOST", "1", 1);
	char own_fd[64];
	FILE *file = tmpfile();
	snprintf(own_fd, sizeof(own_fd), "/proc/%d/fd/%d", getpid(), fileno(file));
	const char *const paths[] = {
		"/proc/self/mem", "/proc/self/fd/3", own_fd,    "/proc/kallsyms", "/sys/kernel/uevent_seqnum",
		"/dev/kvm",       "/dev/shm/../kvm", "/dev/tty"};
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_hidden(guest, paths[i]);
	/* A host program that is root lends the guest no more than what everybody may read. */
	assert_hidden(guest, "/etc/shadow");
	fclose(file);
	viso_guest_unref(guest);
	viso_root_unref(root);
}

/* What lies in a directory that lets nobody pass is not for the guest, though everybody might read the file itself. */
static void test_private_directories(void **state)
{
	struct fixture *fixture = *state;
	need_busybox();
	skip_without(geteuid() == 0, "root");
	char *command;
	assert_true(asprintf(&command,
			     "cd %s && mkdir -p closed/inner && echo x >closed/file && echo x >closed/inner/file && "
			     "ln -s closed/file through && chmod 644 closed/file closed/inner/file && chmod 755 "
			     "closed/inner && "
			     "chmod 700 closed",
			     fixture->root_path) > 0);
	assert_int_equal(system(command), 0);
	static const char *const paths[] = {"/closed/file", "/closed/inner/file", "/through",
					    "/dir/../closed/inner/../file"};
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_hidden(fixture->guest, paths[i]);
	assert_exited(run(fixture, "busybox", "sh", "-c", "cd /closed/inner"), 2);
	assert_exited(run(fixture, "busybox", "stat", "/closed/file"), 1);
	assert_exited(run(fixture, "busybox", "stat", "/closed"), 0);
	free(command);
}

static void test_special_files(void **state)
{
	struct fixture *fixture = *state;
	need_busybox();
	/* Nobody writes to the FIFO: opening it must neither wait nor succeed. */
	assert_hidden(fixture->guest, "/fifo");
	if (geteuid() == 0)
		assert_hidden(fixture->guest, "/private");
	assert_output(run(fixture, "busybox", "head", "-c", "4", "/dev/null"), "");
	assert_exited(run(fixture, "busybox", "cmp", "-n", "100000", "/dev/zero", "/dev/full"), 0);
	assert_exited(run(fixture, "busybox", "sh", "-c", "echo x >/dev/full"), 1);
	assert_output(run(fixture, "busybox", "wc", "-c", "/dev/null"), "0 /dev/null\n");
	assert_output(run(fixture, "busybox", "sh", "-c", "echo x >/dev/null && echo y >/dev/stdout"), "y\n");
	viso_result *result = run(fixture, "busybox", "head", "-c", "100000", "/dev/urandom");
	size_t size;
	viso_result_output(result, VISO_STDOUT, &size);
	assert_int_equal(size, 100000);
	assert_exited(result, 0);
}

static void test_the_root_is_read_only(void **state)
{
	struct fixture *fixture = *state;
	need_busybox();
	static const char *const lines[] = {
		"echo x >/new", "echo x >/fruit",       "echo x >>/fruit", "mkdir /d",     "rm /fruit",
		"rm -r /dir",   "mv /fruit /f",         "ln -s a /b",      "ln /fruit /b", "chmod 777 /fruit",
		"touch /fruit", "truncate -s 0 /fruit", "rmdir /dir/sub",  "mkfifo /p"};
	char *before, *command;
	assert_true(asprintf(&command, "ls -laR %s", fixture->root_path) > 0);
	before = host_output(command);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		viso_result *result = run(fixture, "busybox", "sh", "-c", lines[i]);
		print_message("# %s: %s", lines[i], viso_result_output(result, VISO_STDERR, NULL));
		assert_int_equal(viso_result_reason(result), VISO_REASON_EXITED);
		assert_int_not_equal(viso_result_exit_code(result), 0);
		viso_result_unref(result);
	}
	char *after = host_output(command);
	assert_string_equal(before, after);
	free(before);
	free(after);
	free(command);
}

/* Beyond a quarter of the host's limit a guest gets no files. */
static void test_the_hosts_fds_are_not_used_up(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	int before = support_count_fds();
	viso_command *command = new_command("/probe", "many-files", "/fruit", NULL);
	assert_ok(viso_command_set_rlimit(command, VISO_RLIMIT_OPEN_FILES, 4096));
	assert_exited(run_in(fixture->guest, command), 0);
	command = new_command("/probe", "many-files", "/fruit", NULL);
	assert_ok(viso_command_set_rlimit(command, VISO_RLIMIT_OPEN_FILES, 10));
	assert_output(run_in(fixture->guest, command), "7 No file descriptors available\n");
	assert_int_equal(support_count_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths_out_of_the_root),
		cmocka_unit_test(test_parent_of_the_root),
		cmocka_unit_test(test_the_hosts_root_as_root),
		cmocka_unit_test(test_private_directories),
		cmocka_unit_test(test_special_files),
		cmocka_unit_test(test_the_root_is_read_only),
		cmocka_unit_test(test_the_hosts_fds_are_not_used_up),
	};
	return cmocka_run_group_tests_name("guest escapes", tests, fixture_setup, fixture_teardown);
}
