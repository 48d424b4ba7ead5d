/* SPDX-License-Identifier: MIT */
/* Files and directories of the host that are shown in a guest, and files that are made up. */
#include "guest_support.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void need_busybox(void)
{
	need_kvm();
	skip_without(access("/bin/busybox", X_OK) == 0, "busybox (Debian package busybox-static)");
}

/* A directory of the host beside the root, with things in it that lead out of it. */
static char *make_source(struct fixture *fixture, const char *name)
{
	char *path, *command;
	assert_true(asprintf(&path, "%s/%s", fixture->base, name) > 0);
	assert_true(asprintf(&command,
			     "mkdir -p %s/inner && cd %s && echo shown >file && ln -s ../secret out && ln -s %s/secret "
			     "absolute && mkfifo fifo && ln -s /proc/self/environ magic && ln -s .. up",
			     path, path, fixture->base) > 0);
	assert_int_equal(system(command), 0);
	free(command);
	return path;
}

static void test_a_read_only_bind(void **state)
{
	struct fixture *fixture = *state;
	need_busybox();
	char *source = make_source(fixture, "ro");
	viso_guest *guest = new_guest(fixture, 0);
	assert_ok(viso_guest_add_bind(guest, source, "/shown/in", 0));
	assert_output(run_in(guest, new_command("busybox", "cat", "/shown/in/file", NULL)), "shown\n");
	assert_output(run_in(guest, new_command("busybox", "ls", "/shown", NULL)), "in\n");
	static const char *const lines[] = {"echo x >/shown/in/file", "echo x >/shown/in/new",
					    "cd /shown/in && echo x >new"};
	for (size_t i = 0; i < 3; i++)
		assert_exited(run_in(guest, new_command("busybox", "sh", "-c", lines[i], NULL)), 1);
	assert_exited(run_in(guest, new_command("busybox", "rm", "/shown/in/file", NULL)), 1);
	assert_exited(run_in(guest, new_command("busybox", "chmod", "777", "/shown/in/file", NULL)), 1);
	/* It is the directory that it was, whatever its path leads to. */
	char *moved;
	assert_true(asprintf(&moved, "%s-moved", source) > 0);
	assert_int_equal(rename(source, moved), 0);
	assert_output(run_in(guest, new_command("busybox", "cat", "/shown/in/file", NULL)), "shown\n");
	viso_guest_unref(guest);
	free(moved);
	free(source);
}

static void test_nothing_leads_out_of_a_bind(void **state)
{
	struct fixture *fixture = *state;
	need_busybox();
	char *source = make_source(fixture, "leading"), *command;
	viso_guest *guest = new_guest(fixture, 0);
	assert_ok(viso_guest_add_bind(guest, source, "/b", 1));
	/* Without the defence these lead to the secret. */
	assert_true(asprintf(&command, "cat %s/out %s/absolute %s/up/secret", source, source, source) > 0);
	char *output = host_output(command);
	assert_string_equal(output, "secret-of-the-host\nsecret-of-the-host\nsecret-of-the-host\n");
	free(output);
	free(command);
	static const char *const paths[] = {"/b/out",  "/b/absolute",           "/b/up/secret", "/b/../secret",
					    "/b/fifo", "/b/inner/../../secret", "/b/magic/x"};
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		viso_result *result = run_in(guest, new_command("busybox", "cat", paths[i], NULL));
		assert_string_equal(viso_result_output(result, VISO_STDOUT, NULL), "");
		assert_exited(result, 1);
	}
	viso_guest_unref(guest);
	free(source);
}

static void test_a_writable_bind(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	char *source = make_source(fixture, "rw"), *path;
	viso_guest *guest = new_guest(fixture, 0);
	assert_ok(viso_guest_add_bind(guest, source, "/b", 1));
	assert_output(run_in(guest, new_command("/probe-files", "all", "/b", NULL)), "done\n");
	assert_exited(run_in(guest, new_command("busybox", "cp", "/fruit", "/b/inner/fruit", NULL)), 0);
	/* No set-user-ID programs of the host's user, by whatever way. */
	assert_exited(run_in(guest, new_command("busybox", "chmod", "6755", "/b/inner/fruit", NULL)), 0);
	struct stat st;
	assert_true(asprintf(&path, "%s/inner/fruit", source) > 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	viso_guest_unref(guest);
	free(path);
	free(source);
}

struct swapper {
	char *paths[2];
	atomic_bool stop;
};

/* Makes a directory a link out of the bind, and back. */
static void *swap(void *data)
{
	struct swapper *swapper = data;
	while (!atomic_load(&swapper->stop))
		renameat2(AT_FDCWD, swapper->paths[0], AT_FDCWD, swapper->paths[1], RENAME_EXCHANGE);
	return NULL;
}

static void test_another_process_changes_a_bind(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	char *source = make_source(fixture, "race"), *command, *victim;
	struct swapper swapper = {0};
	assert_true(asprintf(&command, "mkdir %s/target %s/real && ln -s %s/target %s/link", fixture->base, source,
			     fixture->base, source) > 0);
	assert_int_equal(system(command), 0);
	assert_true(asprintf(&swapper.paths[0], "%s/real", source) > 0);
	assert_true(asprintf(&swapper.paths[1], "%s/link", source) > 0);
	assert_true(asprintf(&victim, "%s/target/file", fixture->base) > 0);
	viso_guest *guest = new_guest(fixture, 0);
	assert_ok(viso_guest_add_bind(guest, source, "/b", 1));
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, swap, &swapper), 0);
	/* Written by path, as a program of the host would, it soon lies in the target. */
	bool effective = false;
	char *by_path;
	assert_true(asprintf(&by_path, "%s/real/file", source) > 0);
	for (int i = 0; i < 200000 && !effective; i++) {
		close(open(by_path, O_WRONLY | O_CREAT, 0600));
		effective = access(victim, F_OK) == 0;
	}
	assert_true(effective);
	unlink(victim);
	assert_output(run_in(guest, new_command("/probe-files", "hammer", "/b/real/file", NULL)), "done\n");
	atomic_store(&swapper.stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(access(victim, F_OK), -1);
	viso_guest_unref(guest);
	free(by_path);
	free(victim);
	free(swapper.paths[0]);
	free(swapper.paths[1]);
	free(command);
	free(source);
}

static void test_added_files(void **state)
{
	struct fixture *fixture = *state;
	need_busybox();
	viso_guest *guest = new_guest(fixture, 0);
	assert_ok(viso_guest_add_file(guest, "/etc/made/up", "text\n", 5, 0444));
	assert_ok(viso_guest_add_file(guest, "/fruit", "other\n", 6, 0400));
	assert_ok(viso_guest_add_file(guest, "/inner/of-link", NULL, 0, 0444));
	assert_ok(viso_guest_add_file(guest, "/tmp/in", "tmp\n", 4, 0644));
	assert_output(run_in(guest, new_command("busybox", "cat", "/etc/made/up", NULL)), "text\n");
	assert_output(run_in(guest, new_command("busybox", "cat", "/tmp/in", NULL)), "tmp\n");
	assert_exited(run_in(guest, new_command("busybox", "cat", "/dir/sub/of-link", NULL)), 0);
	assert_output(run_in(guest, new_command("busybox", "ls", "/etc/made", NULL)), "up\n");
	/* Its owner is root. */
	assert_exited(run_in(guest, new_command("busybox", "cat", "/fruit", NULL)), 1);
	assert_exited(run_in(guest, new_command("busybox", "rm", "/etc/made/up", NULL)), 1);
	assert_exited(run_in(guest, new_command("busybox", "sh", "-c", "echo x >/tmp/in", NULL)), 1);
	viso_guest_unref(guest);
}

static void test_bad_settings(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	viso_guest *guest = new_guest(fixture, 0);
	static const char *const paths[] = {NULL, "", "/", "a", "/a/", "//a", "/a//b", "/a/./b", "/a/..", "/.."};
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		assert_fails(viso_guest_add_bind(guest, "/", paths[i], 0), EINVAL, VISO_STAGE_ARGUMENT,
			     "viso_guest_add_bind");
		assert_fails(viso_guest_add_file(guest, paths[i], "", 0, 0444), EINVAL, VISO_STAGE_ARGUMENT,
			     "viso_guest_add_file");
	}
	assert_fails(viso_guest_add_bind(guest, "/no/such", "/a", 0), ENOENT, VISO_STAGE_GUEST, "/no/such");
	assert_fails(viso_guest_add_bind(guest, "/dev/null", "/a", 0), EINVAL, VISO_STAGE_GUEST, "/dev/null");
	assert_fails(viso_guest_add_bind_fd(guest, -1, "/a", 0), EBADF, VISO_STAGE_GUEST, "fd");
	assert_fails(viso_guest_add_file(guest, "/a", NULL, 1, 0444), EINVAL, VISO_STAGE_ARGUMENT,
		     "viso_guest_add_file");
	assert_fails(viso_guest_add_file(guest, "/a", "", 0, 04755), EINVAL, VISO_STAGE_ARGUMENT,
		     "viso_guest_add_file");
	assert_exited(run_in(guest, new_command("/probe", "exit", "0", NULL)), 0);
	assert_fails(viso_guest_add_bind(guest, "/", "/a", 0), EBUSY, VISO_STAGE_ARGUMENT, "viso_guest_add_bind");
	viso_guest_unref(guest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_read_only_bind), cmocka_unit_test(test_nothing_leads_out_of_a_bind),
		cmocka_unit_test(test_a_writable_bind),  cmocka_unit_test(test_another_process_changes_a_bind),
		cmocka_unit_test(test_added_files),      cmocka_unit_test(test_bad_settings),
	};
	return cmocka_run_group_tests_name("guest binds", tests, fixture_setup, fixture_teardown);
}
