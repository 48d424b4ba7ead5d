/* SPDX-License-Identifier: MIT */
/*
 * Clones of a computer with Debian's cloud kernel and the guest tools. It needs a KVM that runs ring 0: here in the
 * rig.
 */
#include "kernel_support.h"

#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CLONES = 8, LINE = 256, MEMORY = 192 << 20, DISK_SIZE = 1 << 20 };

static viso_guest *original;
static char *directory;

/* What each says: what was kept, what it has got by itself, and what it has of the disk. */
static const char script[] =
	"echo $(cat /tmp/kept) $(head -c 8 /dev/urandom | od -An -tx1 | tr -d ' ') "
	"$(dd if=/dev/mem bs=16 skip=61184 count=1 2>/dev/null | od -An -tx1 | tr -d ' ') $(date +%s) "
	"$(dd if=/dev/vda bs=4 count=1 2>/dev/null); "
	"echo own$0 > /tmp/kept; echo own$0 | dd of=/dev/vda bs=4 count=1 conv=notrunc,fsync 2>/dev/null; "
	"echo 3 > /proc/sys/vm/drop_caches; echo $(cat /tmp/kept) $(dd if=/dev/vda bs=4 count=1 2>/dev/null)";

/* Before it is frozen: a file, a clock of long ago, and a block of the disk. */
static const char preparation[] = "date -s @1000000 > /dev/null; echo kept > /tmp/kept; "
				  "printf base | dd of=/dev/vda conv=notrunc,fsync 2>/dev/null; sync; cat /tmp/kept";

static char *find_kernel(void)
{
	char *pattern, *path;
	glob_t found;
	assert_true(asprintf(&pattern, "%s/boot/vmlinuz-*", getenv("VISO_TEST_KERNELS")) > 0);
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	path = strdup(found.gl_pathv[0]);
	globfree(&found);
	free(pattern);
	return path;
}

static char *path_of(const char *name)
{
	char *path;
	assert_true(asprintf(&path, "%s/%s", directory, name) > 0);
	return path;
}

static viso_guest *new_guest(const char *disk)
{
	viso_guest *guest = viso_guest_new();
	viso_root *root = viso_root_new();
	char *kernel = find_kernel();
	assert_ok(viso_root_add_program(root, "/bin/busybox"));
	assert_ok(viso_guest_set_root(guest, root));
	assert_ok(viso_guest_set_kernel(guest, kernel));
	assert_ok(viso_guest_set_memory_max(guest, MEMORY));
	assert_ok(viso_guest_set_command_line(guest, KERNEL_LINE));
	assert_ok(viso_guest_add_disk(guest, disk, VISO_DISK_DISCARD_WRITES));
	viso_root_unref(root);
	free(kernel);
	return guest;
}

/* As root, by a shell with all of busybox in it. What it says, to be freed; NULL with the error printed. */
static char *run(viso_guest *guest, const char *text, const char *name)
{
	viso_result *result = NULL;
	viso_command *command = viso_command_new("/bin/busybox");
	const char *const arguments[] = {"sh", "-c", text, name};
	char *output = NULL;
	int r = viso_command_set_user(command, 0, 0);
	for (int i = 0; i < 4 && r == 0; i++)
		r = viso_command_add_arg(command, arguments[i]);
	if (r == 0)
		r = viso_command_capture(command, 1 << 16);
	if (r == 0)
		r = viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_NULL);
	if (r == 0)
		r = viso_sandbox_run(viso_guest_sandbox(guest), command, &result);
	if (r == 0)
		output = strdup(viso_result_output(result, VISO_STDOUT, NULL));
	else
		print_error("%s\n", viso_error_message());
	viso_result_unref(result);
	viso_command_unref(command);
	return output;
}

static void need_original(void)
{
	need_kernels();
	skip_without(getenv("VISO_TEST_KERNELS"), "a kernel to boot (see tests/rig)");
	if (original)
		return;
	directory = support_temporary_directory();
	char *disk = path_of("disk");
	int fd = open(disk, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, DISK_SIZE), 0);
	close(fd);
	original = new_guest(disk);
	char *said = run(original, preparation, "");
	assert_string_equal(said, "kept\n");
	free(said);
	free(disk);
}

struct clone {
	pthread_t thread;
	char name[2];
	viso_guest *guest;
	char *said;
	char kept[LINE], random[LINE], generation[LINE], block[LINE], own[LINE], own_block[LINE];
	long time;
};

static void *run_clone(void *data)
{
	struct clone *clone = data;
	clone->said = run(clone->guest, script, clone->name);
	return NULL;
}

static void parse(struct clone *clone)
{
	assert_non_null(clone->said);
	if (sscanf(clone->said, "%255s %255s %255s %ld %255s %255s %255s", clone->kept, clone->random,
		   clone->generation, &clone->time, clone->block, clone->own, clone->own_block) != 7)
		fail_msg("%s", clone->said);
	free(clone->said);
}

static void assert_apart(const struct clone *clone, const struct clone *other)
{
	assert_string_not_equal(clone->random, other->random);
	assert_string_not_equal(clone->generation, other->generation);
	assert_int_equal(strlen(clone->random), 16);
	assert_int_equal(strlen(clone->generation), 32);
}

static void test_eight_at_once(void **state)
{
	struct clone clones[CLONES] = {0};
	viso_snapshot *snapshot = NULL;
	need_original();
	assert_ok(viso_guest_snapshot(original, &snapshot));
	assert_true(viso_snapshot_size(snapshot) < MEMORY);
	const time_t before = time(NULL);
	for (int i = 0; i < CLONES; i++) {
		clones[i].name[0] = (char)('0' + i);
		assert_ok(viso_snapshot_clone(snapshot, &clones[i].guest));
		assert_int_equal(pthread_create(&clones[i].thread, NULL, run_clone, &clones[i]), 0);
	}
	viso_snapshot_unref(snapshot);
	for (int i = 0; i < CLONES; i++) {
		char own[16];
		pthread_join(clones[i].thread, NULL);
		parse(&clones[i]);
		snprintf(own, sizeof(own), "own%d", i);
		assert_string_equal(clones[i].kept, "kept");
		assert_string_equal(clones[i].block, "base");
		assert_string_equal(clones[i].own, own);
		assert_string_equal(clones[i].own_block, own);
		/* That of the host, and not what the guest had when it was frozen. */
		assert_true(clones[i].time >= before - 1);
		for (int j = 0; j < i; j++)
			assert_apart(&clones[i], &clones[j]);
	}
	for (int i = 0; i < CLONES; i++)
		viso_guest_unref(clones[i].guest);
	char *said = run(original, "cat /tmp/kept; date +%s | cut -c -3", "");
	assert_string_equal(said, "kept\n100\n");
	free(said);
}

/* One after the other, each in a container as the original is. */
static void test_clones_in_containers(void **state)
{
	struct clone clones[2] = {{.name = "0"}, {.name = "1"}};
	viso_snapshot *snapshot = NULL;
	need_original();
	char *disk = path_of("disk");
	viso_guest *guest = new_guest(disk);
	assert_ok(viso_guest_set_placement(guest, VISO_PLACEMENT_CONTAINED));
	char *said = run(guest, preparation, "");
	assert_string_equal(said, "kept\n");
	free(said);
	assert_ok(viso_guest_snapshot(guest, &snapshot));
	for (int i = 0; i < 2; i++) {
		char own[16];
		assert_ok(viso_snapshot_clone(snapshot, &clones[i].guest));
		run_clone(&clones[i]);
		parse(&clones[i]);
		snprintf(own, sizeof(own), "own%d", i);
		assert_string_equal(clones[i].kept, "kept");
		assert_string_equal(clones[i].block, "base");
		assert_string_equal(clones[i].own, own);
		assert_string_equal(clones[i].own_block, own);
		viso_guest_unref(clones[i].guest);
	}
	assert_apart(&clones[0], &clones[1]);
	viso_snapshot_unref(snapshot);
	said = run(guest, "cat /tmp/kept", "");
	assert_string_equal(said, "kept\n");
	free(said);
	viso_guest_unref(guest);
	free(disk);
}

static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A clone that has ended begins again from the same state; how long that takes is told, and not judged. */
static void test_a_clone_begins_again(void **state)
{
	viso_snapshot *snapshot = NULL;
	viso_guest *clone = NULL;
	need_original();
	const double begin = seconds();
	assert_ok(viso_guest_snapshot(original, &snapshot));
	const double frozen = seconds();
	assert_ok(viso_snapshot_clone(snapshot, &clone));
	for (int i = 0; i < 2; i++) {
		const double before = seconds();
		assert_ok(viso_sandbox_start(viso_guest_sandbox(clone)));
		print_message("# frozen in %.3f s, a clone answers after %.3f s\n", frozen - begin, seconds() - before);
		char *said = run(clone, "cat /tmp/kept; echo changed > /tmp/kept; uptime > /dev/null", "");
		assert_string_equal(said, "kept\n");
		free(said);
		assert_ok(viso_guest_shut_down(clone, VISO_SHUTDOWN_POWER_OFF, 60000));
		assert_ok(viso_guest_reset(clone));
	}
	viso_guest_unref(clone);
	viso_snapshot_unref(snapshot);
}

/* This program again, in a new process. */
static int be_other(char **arguments)
{
	viso_guest *guest = new_guest(arguments[1]), *clone = NULL;
	viso_snapshot *snapshot = NULL;
	alarm(200);
	assert_ok(viso_snapshot_load(arguments[0], guest, &snapshot));
	assert_ok(viso_snapshot_clone(snapshot, &clone));
	char *said = run(clone, "cat /tmp/kept; dd if=/dev/vda bs=4 count=1 2>/dev/null", "");
	assert_string_equal(said, "kept\nbase");
	free(said);
	viso_guest_unref(clone);
	viso_snapshot_unref(snapshot);
	viso_guest_unref(guest);
	return 0;
}

static void test_another_process_goes_on(void **state)
{
	viso_snapshot *snapshot = NULL;
	int status;
	need_original();
	char *path = path_of("saved"), *disk = path_of("disk");
	assert_ok(viso_guest_snapshot(original, &snapshot));
	assert_ok(viso_snapshot_save(snapshot, path));
	viso_snapshot_unref(snapshot);
	const char *const arguments[] = {"test", path, disk, NULL};
	pid_t pid = fork();
	if (pid == 0) {
		execv("/proc/self/exe", (char *const *)arguments);
		_exit(100);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	free(path);
	free(disk);
}

/* What a program of the guest has open of it is read and written in the clone. */
static const char share_preparation[] =
	"mkdir /tmp/own && mount -t virtiofs own /tmp/own && cd /tmp/own && echo one > a && echo two > b && "
	"{ setsid sh -c 'exec 3< a 4>> log 5< b; touch /tmp/ready; while [ ! -e /tmp/go ]; do sleep 1; done; "
	"cat <&3; echo more >&4; cat <&5; ls; touch /tmp/done' < /dev/null > /tmp/out 2>&1 & } && "
	"while [ ! -e /tmp/ready ]; do sleep 1; done; pwd";

static const char share_script[] = "touch /tmp/go; while [ ! -e /tmp/done ]; do sleep 1; done; cat /tmp/out /tmp/own/b";

static viso_guest *new_sharing_guest(const char *own)
{
	viso_guest *guest = viso_guest_new();
	viso_root *root = viso_root_new();
	char *kernel = find_kernel();
	assert_ok(viso_root_add_program(root, "/bin/busybox"));
	assert_ok(viso_guest_set_root(guest, root));
	assert_ok(viso_guest_set_root_medium(guest, VISO_ROOT_MEDIUM_SHARE));
	assert_ok(viso_guest_set_kernel(guest, kernel));
	assert_ok(viso_guest_set_memory_max(guest, MEMORY));
	assert_ok(viso_guest_set_command_line(guest, KERNEL_LINE));
	assert_ok(viso_guest_share_writable(guest, own, "own", 0));
	viso_root_unref(root);
	free(kernel);
	return guest;
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* Its root is a share, too: each of its commands is read from there. */
static void test_mounted_shares(void **state)
{
	viso_snapshot *snapshot = NULL;
	viso_guest *clone = NULL;
	char line[LINE] = "";
	need_kernels();
	skip_without(getenv("VISO_TEST_KERNELS"), "a kernel to boot (see tests/rig)");
	char *own = support_temporary_directory(), *b, *other, *log;
	assert_true(asprintf(&b, "%s/b", own) > 0 && asprintf(&other, "%s/other", own) > 0);
	assert_true(asprintf(&log, "%s/log", own) > 0);
	viso_guest *guest = new_sharing_guest(own);
	char *said = run(guest, share_preparation, "");
	assert_string_equal(said, "/tmp/own\n");
	free(said);
	assert_ok(viso_guest_snapshot(guest, &snapshot));
	viso_guest_unref(guest);
	/* Another file comes in the place of the one, of which the guest has read nothing yet. */
	write_file(other, "another\n");
	assert_int_equal(rename(other, b), 0);
	assert_ok(viso_snapshot_clone(snapshot, &clone));
	viso_snapshot_unref(snapshot);
	said = run(clone, share_script, "");
	assert_string_equal(said, "one\ncat: read error: Stale file handle\na\nb\nlog\nanother\n");
	free(said);
	viso_guest_unref(clone);
	FILE *file = fopen(log, "re");
	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	fclose(file);
	assert_string_equal(line, "more\n");
	support_remove_tree(own);
	free(own);
	free(b);
	free(other);
	free(log);
}

/* The example, with a few. */
static void test_the_example(void **state)
{
	char line[LINE];
	int lines = 0, status;
	need_kernels();
	skip_without(getenv("VISO_TEST_KERNELS"), "a kernel to boot (see tests/rig)");
	skip_without(access(CLONES_EXAMPLE, X_OK) == 0, "the example clones, which was not built");
	char *kernel = find_kernel(), *command;
	assert_true(asprintf(&command, "exec %s %s 3 'echo clone $0'", CLONES_EXAMPLE, kernel) > 0);
	FILE *output = popen(command, "r");
	assert_non_null(output);
	while (fgets(line, sizeof(line), output))
		lines += strncmp(line, "clone ", 6) == 0;
	status = pclose(output);
	assert_int_equal(status, 0);
	assert_int_equal(lines, 3);
	free(command);
	free(kernel);
}

static int clean_up(void **state)
{
	viso_guest_unref(original);
	if (directory)
		support_remove_tree(directory);
	free(directory);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3)
		return be_other(argv + 1);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_eight_at_once),           cmocka_unit_test(test_a_clone_begins_again),
		cmocka_unit_test(test_another_process_goes_on), cmocka_unit_test(test_clones_in_containers),
		cmocka_unit_test(test_mounted_shares),          cmocka_unit_test(test_the_example),
	};
	return cmocka_run_group_tests(tests, NULL, clean_up);
}
