/* SPDX-License-Identifier: MIT */
/* Checkpoints, where criu can make them; and that nothing is left where it cannot. */
#include "box.h"
#include "host.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree.h"

static int count_files(const char *directory)
{
	int count = 0;
	DIR *list = opendir(directory);
	assert_non_null(list);
	for (struct dirent *entry; (entry = readdir(list));)
		count += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
	closedir(list);
	return count;
}

static void close_directory(char *directory)
{
	support_remove_tree(directory);
	free(directory);
}

/* Ends the test as skipped with criu's own reason. */
static void skip_without_criu(void)
{
	char reason[512] = "criu: ", line[256];
	FILE *check = popen("criu check 2>&1", "re");
	assert_non_null(check);
	while (fgets(line, sizeof(line), check))
		if (strstr(line, "Error") || strstr(line, "not found"))
			snprintf(reason, sizeof(reason), "a criu that works here: %.*s", (int)strcspn(line, "\n"),
				 line);
	skip_without(pclose(check) == 0, reason);
}

/* Starts an instance in which somebody counts, and writes it to the directory. */
static void make_checkpoint(struct box *box, const char *directory)
{
	static const char script[] = "echo kept >/tmp/file; setsid sh -c 'n=0; while sleep 0.05; do n=$((n+1)); "
				     "echo $n >/tmp/next; mv /tmp/next /tmp/count; done' >/dev/null 2>&1 </dev/null & "
				     "while [ ! -s /tmp/count ]; do sleep 0.05; done";
	assert_ok(viso_sandbox_start(box->sandbox));
	assert_prints(box, shell(script), "");
	assert_ok(viso_container_checkpoint(box->container, directory));
	assert_true(count_files(directory) > 0);
}

/* How far it is, which is never less than before. */
static int read_count(struct box *box)
{
	viso_result *result = NULL;
	viso_command *command = shell("cat /tmp/count");
	assert_ok(viso_command_capture(command, 1024));
	assert_ok(viso_sandbox_run(box->sandbox, command, &result));
	int count = atoi(viso_result_output(result, VISO_STDOUT, NULL));
	viso_result_unref(result);
	viso_command_unref(command);
	assert_true(count > 0);
	return count;
}

static void assert_counts(struct box *box)
{
	int before = read_count(box), now = before;
	for (int i = 0; i < 500 && now == before; i++) {
		usleep(10000);
		now = read_count(box);
	}
	assert_true(now > before);
}

static void test_restore(void **state)
{
	struct box *box = box_open(state);
	skip_without(geteuid() == 0, "root");
	skip_without_criu();
	char *directory = support_temporary_directory();
	make_checkpoint(box, directory);
	assert_fails(viso_sandbox_start(box->sandbox), ESTALE, VISO_STAGE_ARGUMENT, "viso_sandbox_start");
	struct box *again = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_restore(again->container, directory));
	/* A shell and what it runs; a list of processes is no snapshot. */
	assert_in_range(viso_sandbox_pids(again->sandbox, NULL, 0), 1, 4);
	assert_counts(again);
	/* Owners are shown as on disk where the file system has mounts that do. */
	assert_prints(
		again,
		shell("cat /tmp/file; awk '$5 == \"/\" { sub(/,idmapped/, \"\", $6); print $6 }' /proc/self/mountinfo"),
		"kept\nro,nosuid,nodev,relatime\n");
	assert_prints(again, shell("grep -q 127.0.0.1 /proc/net/fib_trie && echo loopback"), "loopback\n");
	/* Its memory is to be had from nobody inside. */
	assert_prints(again, shell("readlink /proc/1/exe || echo hidden"), "hidden\n");
	assert_ok(viso_sandbox_pause(again->sandbox));
	assert_ok(viso_sandbox_resume(again->sandbox));
	assert_counts(again);
	box_close(again);
	close_directory(directory);
}

static struct ready_pipe ready;

/* Tells who counts. */
static void restoring_host(void *directory)
{
	int pids[2];
	char line[16];
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_restore(box->container, directory));
	assert_in_range(viso_sandbox_pids(box->sandbox, pids, 2), 1, 4);
	snprintf(line, sizeof(line), "%d", pids[0]);
	ready_tell(&ready, line);
	for (;;)
		pause();
}

static void test_restored_ends_with_host(void **state)
{
	struct box *box = box_open(state);
	skip_without(geteuid() == 0, "root");
	skip_without_criu();
	char *directory = support_temporary_directory(), line[16];
	make_checkpoint(box, directory);
	ready_init(&ready);
	pid_t host = host_start(restoring_host, directory);
	assert_true(ready_wait(&ready, line, sizeof(line)));
	pid_t pid = atoi(line);
	assert_int_equal(kill(pid, 0), 0);
	host_kill(host);
	for (int i = 0; i < 1000 && kill(pid, 0) == 0; i++)
		usleep(10000);
	assert_int_equal(kill(pid, 0), -1);
	ready_close(&ready);
	close_directory(directory);
}

/* What criu does not bring back is not lost in silence. */
static void assert_refused(void (*set)(viso_container *), const char *setting)
{
	char *directory = support_temporary_directory();
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	set(box->container);
	tree_write(directory, "virtiso.state", "first_id 1879048192\n", 0600);
	assert_fails(viso_container_restore(box->container, directory), EOPNOTSUPP, VISO_STAGE_CHECKPOINT, setting);
	box_close(box);
	close_directory(directory);
}

static void set_tmpfs(viso_container *container)
{
	assert_ok(viso_container_add_tmpfs(container, "/mnt", 1 << 20, 0755, 0));
}

static void set_clock(viso_container *container)
{
	assert_ok(viso_container_set_clock_offset(container, VISO_CLOCK_MONOTONIC, 1000000000));
}

static void set_network(viso_container *container)
{
	assert_ok(viso_container_set_network(container, VISO_NETWORK_HOST));
}

static void set_memory(viso_container *container)
{
	assert_ok(viso_container_set_memory_max(container, 64 << 20));
}

static void set_landlock(viso_container *container)
{
	assert_ok(viso_container_add_landlock_path(container, "/", VISO_LANDLOCK_READ | VISO_LANDLOCK_EXECUTE));
}

static void test_settings_that_are_not_restored(void **state)
{
	(void)box_open(state);
	assert_refused(set_tmpfs, "mount");
	assert_refused(set_clock, "viso_container_set_clock_offset");
	assert_refused(set_network, "viso_container_set_network");
	assert_refused(set_memory, "limit");
	assert_refused(set_landlock, "viso_container_add_landlock_path");
}

/* Nothing runs in the background; or something would have to be made again that cannot be. */
static void test_nothing_to_keep(void **state)
{
	struct box *box = box_open(state);
	char *directory = support_temporary_directory();
	assert_ok(viso_sandbox_start(box->sandbox));
	assert_fails(viso_container_checkpoint(box->container, directory), EOPNOTSUPP, VISO_STAGE_CHECKPOINT,
		     "background");
	struct box *other = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	set_tmpfs(other->container);
	assert_ok(viso_sandbox_start(other->sandbox));
	assert_fails(viso_container_checkpoint(other->container, directory), EOPNOTSUPP, VISO_STAGE_CHECKPOINT,
		     "mount");
	assert_int_equal(count_files(directory), 0);
	box_close(other);
	close_directory(directory);
}

static int parent_of(int pid)
{
	char path[32], text[512] = "";
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	size_t n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	assert_true(n > 0);
	return atoi(strrchr(text, ')') + 4);
}

static bool is_init_seen(struct box *box)
{
	viso_result *result = NULL;
	viso_command *command = shell("readlink /proc/1/exe");
	assert_ok(viso_command_set_user(command, 0, 0));
	assert_ok(viso_sandbox_run(box->sandbox, command, &result));
	bool seen = viso_result_exit_code(result) == 0;
	viso_result_unref(result);
	viso_command_unref(command);
	return seen;
}

/* The init shows itself by a signal; not to those inside, even if they have the right to send it. */
static void test_init_shows_itself_to_the_host_only(void **state)
{
	struct box *box = box_open(state);
	skip_without(geteuid() == 0, "root");
	int pid;
	assert_ok(viso_container_add_capability(box->container, "sys_ptrace"));
	assert_ok(viso_container_add_capability(box->container, "kill"));
	assert_ok(viso_sandbox_start(box->sandbox));
	assert_prints(box, shell("setsid sleep 1000 >/dev/null 2>&1 </dev/null & exit 0"), "");
	assert_int_equal(viso_sandbox_pids(box->sandbox, &pid, 1), 1);
	assert_false(is_init_seen(box));
	viso_command *command = shell("kill -USR1 1 && kill -USR2 1 && kill -USR1 1 && sleep 0.1 && echo sent");
	assert_ok(viso_command_set_user(command, 0, 0));
	assert_prints(box, command, "sent\n");
	assert_false(is_init_seen(box));
	/* By the host's it does, so it is the sender that matters. */
	assert_int_equal(kill(parent_of(pid), SIGUSR1), 0);
	for (int i = 0; i < 500 && !is_init_seen(box); i++)
		usleep(10000);
	assert_true(is_init_seen(box));
	assert_int_equal(kill(parent_of(pid), SIGUSR2), 0);
	for (int i = 0; i < 500 && is_init_seen(box); i++)
		usleep(10000);
	assert_false(is_init_seen(box));
}

/* The images say as whom everything is run. */
static void test_directory_of_others(void **state)
{
	struct box *box = box_open(state);
	char *directory = support_temporary_directory();
	assert_int_equal(chmod(directory, 0777), 0);
	assert_fails(viso_container_restore(box->container, directory), EPERM, VISO_STAGE_ARGUMENT, directory);
	close_directory(directory);
}

/* Where criu is missing, or cannot do it, the container goes on as if nothing had been. */
static void test_failure_leaves_nothing(void **state)
{
	struct box *box = box_open(state);
	char *directory = support_temporary_directory();
	assert_ok(viso_sandbox_start(box->sandbox));
	assert_prints(box, probe("background", "1", NULL), "left\n");
	int r = viso_container_checkpoint(box->container, directory);
	if (r == 0) {
		close_directory(directory);
		skip_without(r < 0, "a criu that does not work");
	}
	assert_int_equal(r, -EOPNOTSUPP);
	assert_int_equal(viso_error_stage(), VISO_STAGE_CHECKPOINT);
	assert_string_equal(viso_error_object(), "criu");
	assert_int_equal(count_files(directory), 0);
	assert_prints(box, shell("echo on"), "on\n");
	close_directory(directory);
}

static void test_running_command(void **state)
{
	struct box *box = box_open(state);
	char *directory = support_temporary_directory();
	assert_ok(viso_sandbox_start(box->sandbox));
	viso_process *process = box_spawn(box, shell("exec probe sleep"));
	assert_fails(viso_container_checkpoint(box->container, directory), EBUSY, VISO_STAGE_CHECKPOINT, "command");
	assert_ok(viso_process_kill(process));
	viso_process_unref(process);
	close_directory(directory);
}

static void test_arguments(void **state)
{
	struct box *box = box_open(state);
	char *directory = support_temporary_directory();
	assert_fails(viso_container_checkpoint(NULL, directory), EINVAL, VISO_STAGE_ARGUMENT, "checkpoint");
	assert_fails(viso_container_checkpoint(box->container, NULL), EINVAL, VISO_STAGE_ARGUMENT, "checkpoint");
	assert_fails(viso_container_checkpoint(box->container, directory), EINVAL, VISO_STAGE_ARGUMENT, "checkpoint");
	assert_fails(viso_container_restore(NULL, directory), EINVAL, VISO_STAGE_ARGUMENT, "restore");
	assert_fails(viso_container_restore(box->container, NULL), EINVAL, VISO_STAGE_ARGUMENT, "restore");
	assert_fails(viso_container_restore(box->container, "/nowhere"), ENOENT, VISO_STAGE_ARGUMENT, "/nowhere");
	/* There is nothing in the directory; and from now on the settings are frozen. */
	int r = viso_container_restore(box->container, directory);
	assert_int_equal(r, geteuid() == 0 ? -ENOENT : -EOPNOTSUPP);
	assert_ok(viso_sandbox_start(box->sandbox));
	assert_fails(viso_container_restore(box->container, directory), EBUSY, VISO_STAGE_ARGUMENT, "restore");
	assert_fails(viso_container_checkpoint(box->container, "/nowhere"), ENOENT, VISO_STAGE_CHECKPOINT, "/nowhere");
	tree_write(directory, "file", "", 0644);
	assert_fails(viso_container_checkpoint(box->container, directory), ENOTEMPTY, VISO_STAGE_CHECKPOINT, directory);
	assert_int_equal(count_files(directory), 1);
	close_directory(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_restore),
		AT_CONTAINER(test_restored_ends_with_host),
		AT_CONTAINER(test_settings_that_are_not_restored),
		AT_CONTAINER(test_nothing_to_keep),
		AT_CONTAINER(test_init_shows_itself_to_the_host_only),
		AT_CONTAINER(test_directory_of_others),
		AT_CONTAINER(test_failure_leaves_nothing),
		AT_CONTAINER(test_running_command),
		AT_CONTAINER(test_arguments),
	};
	return cmocka_run_group_tests_name("checkpoints", tests, NULL, box_group_teardown);
}
