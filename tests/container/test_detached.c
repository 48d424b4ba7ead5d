/* SPDX-License-Identifier: MIT */
/* Containers that go on without their host program, and are found again. */
#include "box.h"
#include "host.h"
#include "marked.h"
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char *directory;

struct host {
	unsigned mark;
	struct ready_pipe ready;
};

static struct box *open_detached(const char *name)
{
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	if (geteuid() == 0) {
		assert_ok(box_set_processes_max(box, 50));
		assert_ok(box_set_memory_max(box, 64 << 20));
	}
	assert_ok(viso_container_set_detached(box->container, directory, name));
	assert_ok(viso_sandbox_start(box->sandbox));
	return box;
}

/* A box whose container is an attached one. */
static struct box *attach(const char *name)
{
	struct box *box = calloc(1, sizeof(*box));
	assert_non_null(box);
	assert_ok(viso_container_attach(directory, name, &box->container));
	box->strength = VISO_ISOLATION_CONTAINER;
	box->sandbox = viso_container_sandbox(box->container);
	return box;
}

static int entries(void)
{
	int count = -2;
	DIR *dir = opendir(directory);
	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void starts_and_is_killed(void *argument)
{
	struct host *host = argument;
	mark_this_process(host->mark);
	struct box *box = open_detached("one");
	assert_prints(box, shell("echo kept >/tmp/file; probe background 3"), "left\n");
	box_spawn(box, probe("sleep", NULL)); /* ends with the host */
	ready_tell(&host->ready, "ready");
	for (;;)
		pause();
}

static void start_and_kill_host(struct host *host)
{
	char line[64];
	*host = (struct host){.mark = mark_new()};
	ready_init(&host->ready);
	pid_t pid = host_start(starts_and_is_killed, host);
	assert_true(ready_wait(&host->ready, line, sizeof(line)));
	host_kill(pid);
	ready_close(&host->ready);
}

static void test_it_survives_a_killed_host(void **state)
{
	pid_t pids[64];
	struct host host;
	struct stat st;
	char path[4096];
	box_open(state);
	start_and_kill_host(&host);
	int fds = support_count_fds();
	struct box *box = attach("one");
	await_that(viso_sandbox_pids(box->sandbox, NULL, 0) == 3);
	assert_prints(box, shell("cat /tmp/file"), "kept\n");
	assert_prints(box, probe("ids", NULL), "1000 1000 1000 1000 1000 1000\n");
	snprintf(path, sizeof(path), "%s/copy", directory);
	assert_int_equal(viso_sandbox_copy_out(box->sandbox, "/tmp/file", path), 0);
	unlink(path);
	snprintf(path, sizeof(path), "%s/one.sock", directory);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	int count = marked_processes(host.mark, NULL, 0, pids, 64);
	assert_ok(viso_sandbox_close(box->sandbox));
	box_close(box);
	assert_int_equal(entries(), 0);
	assert_no_marked(host.mark);
	assert_no_cgroups(pids, count);
	assert_in_range(support_count_fds(), fds, fds + 2);
}

static void test_attaching_again_and_by_several(void **state)
{
	struct host host;
	box_open(state);
	start_and_kill_host(&host);
	box_close(attach("one"));
	box_close(attach("one"));
	struct box *a = attach("one"), *b = attach("one");
	assert_ok(viso_sandbox_start(a->sandbox));
	assert_prints(a, shell("echo a >>/tmp/file"), "");
	assert_prints(b, shell("cat /tmp/file"), "kept\na\n");
	viso_process *process = box_spawn(a, probe("sleep", NULL));
	await_that(viso_sandbox_pids(b->sandbox, NULL, 0) == 4);
	assert_ok(viso_sandbox_close(b->sandbox));
	viso_result *result = NULL;
	assert_int_equal(viso_process_wait(process, 10000, &result), -EPIPE);
	viso_process_unref(process);
	viso_command *command = probe("cwd", NULL);
	assert_int_equal(viso_sandbox_run(a->sandbox, command, NULL), -EPIPE);
	viso_command_unref(command);
	assert_ok(viso_sandbox_close(a->sandbox)); /* does not hang */
	box_close(a);
	box_close(b);
	assert_no_marked(host.mark);
	viso_container *container = (viso_container *)-1;
	assert_fails(viso_container_attach(directory, "one", &container), ENOENT, VISO_STAGE_ARGUMENT, "one");
	assert_ptr_equal(container, (viso_container *)-1);
}

static void test_its_own_host_ends_it(void **state)
{
	box_open(state);
	struct box *box = open_detached("two");
	assert_prints(box, probe("cwd", NULL), "/\n");
	assert_int_equal(entries(), 2);
	/* The last reference does not. */
	box_close(box);
	box = attach("two");
	assert_prints(box, probe("cwd", NULL), "/\n");
	assert_ok(viso_sandbox_close(box->sandbox));
	box_close(box);
	assert_int_equal(entries(), 0);
}

static void test_one_of_a_name(void **state)
{
	box_open(state);
	struct box *first = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_set_detached(first->container, directory, "three"));
	struct box *box = open_detached("three");
	assert_fails(viso_sandbox_start(first->sandbox), EEXIST, VISO_STAGE_ARGUMENT, "three");
	struct box *other = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_fails(viso_container_set_detached(other->container, directory, "three"), EEXIST, VISO_STAGE_ARGUMENT,
		     "three");
	assert_fails(viso_container_set_detached(box->container, directory, "four"), EBUSY, VISO_STAGE_ARGUMENT,
		     "set_detached");
	assert_ok(viso_sandbox_close(box->sandbox));
	assert_ok(viso_sandbox_start(first->sandbox));
	assert_ok(viso_sandbox_close(first->sandbox));
	box_close(first);
	box_close(other);
	box_close(box);
	assert_int_equal(entries(), 0);
}

/* What is left of one whose holder was killed is recognised and replaced. */
static void test_stale_entries(void **state)
{
	static const char *const names[] = {"viso-worker", "viso-launcher", "viso-init", "viso-zygote"};
	for (int i = 0; i < 4; i++) {
		pid_t pids[64];
		struct host host;
		box_open(state);
		start_and_kill_host(&host);
		int count = marked_processes(host.mark, names[i], 0, pids, 64);
		assert_true(count > 0);
		for (int k = 0; k < count; k++)
			kill(pids[k], SIGKILL);
		assert_no_marked(host.mark);
		viso_container *container = NULL;
		assert_fails(viso_container_attach(directory, "one", &container), ENOENT, VISO_STAGE_ARGUMENT, "one");
		struct box *box = open_detached("one");
		assert_prints(box, probe("cwd", NULL), "/\n");
		assert_ok(viso_sandbox_close(box->sandbox));
		box_close(box);
		assert_int_equal(entries(), 0);
	}
}

static void test_a_failed_start_leaves_nothing(void **state)
{
	box_open(state);
	char *empty = support_temporary_directory();
	tree_link("nowhere", empty, "proc"); /* no place for that */
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, empty);
	assert_ok(viso_container_set_detached(box->container, directory, "bad"));
	assert_true(viso_sandbox_start(box->sandbox) < 0);
	assert_int_equal(entries(), 0);
	box_close(box);
	support_remove_tree(empty);
	free(empty);
}

/* A socket that the holder has accepted and closed without a word. */
static void connects_as_another(void *argument)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char byte;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/one.sock", directory);
	assert_int_equal(setgid(54399), 0);
	assert_int_equal(setuid(54399), 0);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
}

/* Even where the modes would let them. */
static void test_other_users_are_refused(void **state)
{
	char path[4096];
	struct host host;
	box_open(state);
	skip_without(geteuid() == 0, "root, to be another user");
	start_and_kill_host(&host);
	snprintf(path, sizeof(path), "%s/one.sock", directory);
	chmod(path, 0666);
	chmod(directory, 0755);
	in_a_host(connects_as_another, NULL);
	chmod(directory, 0700);
	struct box *box = attach("one");
	assert_ok(viso_sandbox_close(box->sandbox));
	box_close(box);
	assert_no_marked(host.mark);
}

/* Whoever owns the directory could play the holder, or have a file that belongs to root written by a hard link. */
static void test_directory_of_another(void **state)
{
	viso_container *container = NULL;
	struct box *box = box_open(state);
	skip_without(geteuid() == 0, "root, to be another user");
	assert_int_equal(chown(directory, 54399, 54399), 0);
	assert_fails(viso_container_set_detached(box->container, directory, "x"), EPERM, VISO_STAGE_ARGUMENT,
		     directory);
	assert_fails(viso_container_attach(directory, "x", &container), EPERM, VISO_STAGE_ARGUMENT, directory);
	assert_int_equal(chown(directory, 0, 0), 0);
}

static void test_root_that_goes(void **state)
{
	box_open(state);
	viso_root *root = viso_root_new();
	viso_container *container = viso_container_new();
	assert_ok(viso_root_add_program(root, "/bin/busybox"));
	assert_ok(viso_container_set_root(container, root));
	assert_ok(viso_container_set_detached(container, directory, "goes"));
	assert_fails(viso_sandbox_start(viso_container_sandbox(container)), EINVAL, VISO_STAGE_ROOT,
		     "viso_container_set_detached");
	viso_container_unref(container);
	viso_root_unref(root);
}

/* Its plan has them all. */
static void test_large_files(void **state)
{
	enum { SIZE = 12 << 20, FILES = 5 };
	box_open(state);
	struct box *first = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	char *data = malloc(SIZE), path[32];
	assert_non_null(data);
	memset(data, 'x', SIZE);
	for (int i = 0; i < FILES; i++) {
		snprintf(path, sizeof(path), "/tmp/%d", i);
		assert_ok(viso_container_add_file(first->container, path, data, SIZE, 0644));
	}
	free(data);
	assert_ok(viso_container_set_detached(first->container, directory, "large"));
	assert_ok(viso_sandbox_start(first->sandbox));
	box_close(first);
	struct box *box = attach("large");
	assert_prints(box, shell("cat /tmp/? | wc -c"), "62914560\n");
	assert_ok(viso_sandbox_close(box->sandbox));
	box_close(box);
	assert_int_equal(entries(), 0);
}

static void test_arguments(void **state)
{
	struct box *box = box_open(state);
	viso_container *container = NULL;
	char file[4096], long_name[80];
	memset(long_name, 'a', sizeof(long_name));
	long_name[65] = '\0';
	const char *const bad[] = {"", ".x", "a/b", "..", "a b", "ä", long_name, NULL};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(viso_container_set_detached(box->container, directory, bad[i]), -EINVAL);
		assert_int_equal(viso_container_attach(directory, bad[i], &container), -EINVAL);
	}
	assert_int_equal(viso_container_set_detached(NULL, directory, "x"), -EINVAL);
	assert_int_equal(viso_container_set_detached(box->container, NULL, "x"), -EINVAL);
	assert_int_equal(viso_container_set_detached(box->container, "/not/there", "x"), -ENOENT);
	assert_int_equal(viso_container_set_detached(box->container, "/dev/null", "x"), -ENOTDIR);
	assert_fails(viso_container_set_detached(box->container, "/tmp", "x"), EPERM, VISO_STAGE_ARGUMENT, "/tmp");
	assert_int_equal(viso_container_attach(directory, "x", NULL), -EINVAL);
	assert_fails(viso_container_attach(directory, "x", &container), ENOENT, VISO_STAGE_ARGUMENT, "x");
	/* A file is no socket of ours. */
	snprintf(file, sizeof(file), "%s/x.sock", directory);
	close(open(file, O_CREAT | O_RDWR, 0600));
	assert_int_equal(viso_container_attach(directory, "x", &container), -ENOENT);
	unlink(file);
	assert_null(container);
}

static int make_directory(void **state)
{
	directory = support_temporary_directory();
	return 0;
}

static int remove_directory(void **state)
{
	support_remove_tree(directory);
	free(directory);
	return box_group_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_it_survives_a_killed_host),
		AT_CONTAINER(test_attaching_again_and_by_several),
		AT_CONTAINER(test_its_own_host_ends_it),
		AT_CONTAINER(test_one_of_a_name),
		AT_CONTAINER(test_stale_entries),
		AT_CONTAINER(test_a_failed_start_leaves_nothing),
		AT_CONTAINER(test_other_users_are_refused),
		AT_CONTAINER(test_directory_of_another),
		AT_CONTAINER(test_root_that_goes),
		AT_CONTAINER(test_large_files),
		AT_CONTAINER(test_arguments),
	};
	return cmocka_run_group_tests_name("detached", tests, make_directory, remove_directory);
}
