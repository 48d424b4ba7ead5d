/* SPDX-License-Identifier: MIT */
/* What programs write: to /tmp, to a discarded and to a kept upper layer, and how much of it. */
#include "guest_support.h"

#include <errno.h>
#include <fcntl.h>
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

#define sh(fixture, guest, line) run_in(guest, new_command("busybox", "sh", "-c", line, NULL))

/* Without "..", which is the directory of the test's own. */
static char *snapshot_of_root(struct fixture *fixture)
{
	char *command;
	assert_true(asprintf(&command,
			     "cd %s && stat -c '%%a %%u %%g %%h %%y' . && ls -lAR --full-time . && cat fruit table",
			     fixture->root_path) > 0);
	char *output = host_output(command);
	free(command);
	return output;
}

/* Each applet is a program of its own: what one wrote is gone for the next. So they work as one: the shell's built-ins.
 */
static void test_tmp_is_writable_and_forgotten(void **state)
{
	struct fixture *fixture = *state;
	need_busybox();
	assert_output(sh(fixture, fixture->guest,
			 "echo one >/tmp/a && echo two >>/tmp/a && while read -r x; do echo $x; done </tmp/a"),
		      "one\ntwo\n");
	assert_exited(run(fixture, "busybox", "test", "-e", "/tmp/a"), 1);
	assert_exited(run(fixture, "busybox", "cp", "/fruit", "/tmp/copy"), 0);
	assert_exited(run(fixture, "busybox", "cp", "-r", "/many", "/tmp/copy"), 0);
	assert_output(
		sh(fixture, fixture->guest, "/bin/busybox cp /bin/busybox /tmp/busybox && /tmp/busybox echo executed"),
		"executed\n");
	assert_exited(run(fixture, "busybox", "mkdir", "-p", "/tmp/a/b/c"), 0);
	assert_exited(run(fixture, "busybox", "tar", "cf", "/tmp/x.tar", "/fruit", "/many"), 0);
	assert_exited(run(fixture, "busybox", "touch", "/fruit"), 1);
	assert_output(run(fixture, "busybox", "stat", "-c", "%a %U", "/tmp"), "1777 root\n");
}

static void test_files_of_all_kinds(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	assert_output(run(fixture, "/probe-files", "all", "/tmp"), "done\n");
	assert_output(run(fixture, "/probe-files", "all", "/dev/shm"), "done\n");
	assert_output(run(fixture, "/probe-files", "directory-offset", "/dir"), "done\n");
}

static void test_a_discarded_upper(void **state)
{
	struct fixture *fixture = *state;
	need_busybox();
	char *before = snapshot_of_root(fixture);
	viso_guest *guest = new_guest(fixture, 0);
	assert_ok(viso_guest_set_upper_discarded(guest, 0));
	assert_output(run_in(guest, new_command("/probe-files", "all", "/", NULL)), "done\n");
	assert_output(run_in(guest, new_command("/probe-files", "all", "/dir/sub", NULL)), "done\n");
	assert_output(run_in(guest, new_command("/probe-files", "layers", "/", NULL)), "done\n");
	assert_exited(run_in(guest, new_command("busybox", "rm", "-r", "/dir", "/many", NULL)), 0);
	assert_exited(run_in(guest, new_command("busybox", "sed", "-i", "s/p/q/", "/fruit", NULL)), 0);
	assert_exited(run_in(guest, new_command("busybox", "mv", "/fruit", "/dir/sub/fruit", NULL)), 0);
	assert_exited(run_in(guest, new_command("busybox", "chmod", "700", "/fruit", NULL)), 0);
	assert_exited(run_in(guest, new_command("busybox", "truncate", "-s", "1", "/data", NULL)), 0);
	char *after = snapshot_of_root(fixture);
	assert_string_equal(before, after);
	free(before);
	free(after);
	viso_guest_unref(guest);
}

/* A fd by its name in /proc must not lead to the root's own file, which lies below the one that is written to. */
static void test_files_opened_again(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	char *upper;
	assert_true(asprintf(&upper, "%s/upper-of-reopen", fixture->base) > 0);
	assert_int_equal(mkdir(upper, 0755), 0);
	char *before = snapshot_of_root(fixture);
	for (int kept = 0; kept < 2; kept++) {
		viso_guest *guest = new_guest(fixture, 0);
		assert_ok(kept ? viso_guest_set_upper_directory(guest, upper)
			       : viso_guest_set_upper_discarded(guest, 0));
		assert_output(run_in(guest, new_command("/probe-files", "reopen", "/fruit", NULL)), "done\n");
		viso_guest_unref(guest);
		char *after = snapshot_of_root(fixture);
		assert_string_equal(before, after);
		free(after);
	}
	free(before);
	free(upper);
}

static void test_a_kept_upper(void **state)
{
	struct fixture *fixture = *state;
	need_busybox();
	char *upper, *command, *before;
	assert_true(asprintf(&command, "mkdir %s/few && cd %s/few && touch a b c d e", fixture->root_path,
			     fixture->root_path) > 0);
	assert_int_equal(system(command), 0);
	free(command);
	assert_true(asprintf(&upper, "%s/upper", fixture->base) > 0);
	assert_int_equal(mkdir(upper, 0755), 0);
	before = snapshot_of_root(fixture);
	viso_guest *guest = new_guest(fixture, 0);
	assert_ok(viso_guest_set_upper_directory(guest, upper));
	assert_output(run_in(guest, new_command("/probe-files", "all", "/", NULL)), "done\n");
	assert_output(run_in(guest, new_command("/probe-files", "layers", "/", NULL)), "done\n");
	assert_exited(run_in(guest, new_command("busybox", "rm", "-r", "/few", NULL)), 0);
	assert_exited(run_in(guest, new_command("busybox", "rm", "/table", NULL)), 0);
	assert_exited(run_in(guest, new_command("busybox", "sed", "-i", "s/pear/plum/", "/fruit", NULL)), 0);
	viso_guest_unref(guest);

	guest = new_guest(fixture, 0);
	assert_ok(viso_guest_set_upper_directory(guest, upper));
	assert_exited(run_in(guest, new_command("busybox", "test", "-e", "/few", NULL)), 1);
	assert_exited(run_in(guest, new_command("busybox", "test", "-e", "/table", NULL)), 1);
	assert_output(run_in(guest, new_command("busybox", "head", "-n", "1", "/fruit", NULL)), "plum\n");
	/* A directory in the place of one that was removed shows nothing of it. */
	assert_exited(run_in(guest, new_command("busybox", "mkdir", "/few", NULL)), 0);
	assert_output(run_in(guest, new_command("busybox", "ls", "/few", NULL)), "");
	assert_output(run_in(guest, new_command("/probe-files", "exchange", "/few", NULL)), "done\n");
	/* Names of whiteouts are not for programs. */
	assert_exited(run_in(guest, new_command("busybox", "touch", "/.wh.data", NULL)), 1);
	assert_exited(run_in(guest, new_command("busybox", "test", "-e", "/data", NULL)), 0);
	assert_exited(run_in(guest, new_command("busybox", "test", "-e", "/.wh.table", NULL)), 1);
	viso_guest_unref(guest);

	assert_true(asprintf(&command, "test -e %s/.wh.table && test ! -e %s/.wh..wh.copy", upper, upper) > 0);
	assert_int_equal(system(command), 0);
	free(command);
	char *after = snapshot_of_root(fixture);
	assert_string_equal(before, after);
	free(before);
	free(after);
	free(upper);
}

static void test_bounds(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	/* Half of the guest's memory. */
	viso_guest *guest = new_guest(fixture, 32 << 20);
	assert_output(run_in(guest, new_command("/probe-files", "fill", "/tmp/x", NULL)), "ENOSPC 16\n");
	assert_output(run_in(guest, new_command("/probe-files", "sparse", "/tmp/x", NULL)), "done\n");
	assert_output(run_in(guest, new_command("/probe-files", "names", "/tmp", NULL)), "ENOSPC\n");
	assert_output(run_in(guest, new_command("/probe-files", "links", "/tmp", NULL)), "done\n");
	assert_output(run_in(guest, new_command("/probe-files", "texts", "/proc/self/maps", NULL)), "done\n");
	viso_guest_unref(guest);

	guest = new_guest(fixture, 0);
	assert_ok(viso_guest_set_upper_discarded(guest, 1 << 20));
	assert_output(run_in(guest, new_command("/probe-files", "fill", "/x", NULL)), "ENOSPC 1\n");
	/* A copy for which there is no room leaves the file as it was. */
	assert_output(run_in(guest, new_command("/probe-files", "copy-up", "/large", NULL)), "ENOSPC 20000000\n");
	viso_guest_unref(guest);

	guest = new_guest(fixture, 0);
	assert_ok(viso_guest_set_written_max(guest, 5 << 20));
	assert_exited(run_in(guest, new_command("/probe-files", "fill", "/tmp/x", NULL)), 5);
	viso_guest_unref(guest);

	guest = new_guest(fixture, 0);
	assert_ok(viso_guest_set_files_max(guest, 10));
	assert_output(run_in(guest, new_command("/probe", "many-files", "/fruit", NULL)),
		      "6 Too many open files in system\n"); /* the streams, and the program itself */
	viso_guest_unref(guest);
}

/* Copies that a program has the library make, in a kept directory. */
static void test_copies(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	char upper[256], copy[300];
	snprintf(upper, sizeof(upper), "%s/upper-of-copies", fixture->base);
	snprintf(copy, sizeof(copy), "%s/large", upper);
	assert_int_equal(mkdir(upper, 0755), 0);
	viso_guest *guest = new_guest(fixture, 0);
	assert_ok(viso_guest_set_upper_directory(guest, upper));
	assert_ok(viso_guest_set_written_max(guest, 1 << 20));
	assert_output(run_in(guest, new_command("/probe-files", "copy-up-refused", "/large", NULL)), "EDQUOT\n");
	assert_output(run_in(guest, new_command("/probe-files", "copy-up-refused", "/fruit", NULL)), "opened\n");
	assert_int_equal(access(copy, F_OK), -1);
	viso_guest_unref(guest);

	guest = new_guest(fixture, 0);
	assert_ok(viso_guest_set_upper_directory(guest, upper));
	assert_output(run_in(guest, new_command("/probe-files", "copy-up-with-timer", "/large", NULL)), "done\n");
	viso_guest_unref(guest);
}

static void test_locks(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	assert_output(run(fixture, "/probe-files", "locks", "/tmp"), "done\n");
}

static void test_settings(void **state)
{
	struct fixture *fixture = *state;
	viso_guest *guest = viso_guest_new();
	skip_without(guest != NULL, "guests in the library");
	assert_fails(viso_guest_set_upper_directory(guest, "/no/such"), ENOENT, VISO_STAGE_GUEST, "/no/such");
	assert_fails(viso_guest_set_upper_directory(guest, "/etc/passwd"), ENOTDIR, VISO_STAGE_GUEST, "/etc/passwd");
	assert_fails(viso_guest_set_upper_directory(guest, NULL), EINVAL, VISO_STAGE_ARGUMENT,
		     "viso_guest_set_upper_directory");
	assert_fails(viso_guest_set_upper_discarded(guest, UINT64_MAX), EINVAL, VISO_STAGE_ARGUMENT,
		     "viso_guest_set_upper_discarded");
	assert_fails(viso_guest_set_files_max(guest, 3), EINVAL, VISO_STAGE_ARGUMENT, "viso_guest_set_files_max");
	assert_fails(viso_guest_set_written_max(guest, 0), EINVAL, VISO_STAGE_ARGUMENT, "viso_guest_set_written_max");
	viso_guest_unref(guest);
	(void)fixture;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tmp_is_writable_and_forgotten),
		cmocka_unit_test(test_files_of_all_kinds),
		cmocka_unit_test(test_a_discarded_upper),
		cmocka_unit_test(test_files_opened_again),
		cmocka_unit_test(test_a_kept_upper),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_locks),
		cmocka_unit_test(test_settings),
	};
	return cmocka_run_group_tests_name("guest writable", tests, fixture_setup, fixture_teardown);
}
