/* SPDX-License-Identifier: MIT */
/* Roots whose directories are not what they seem: an error of stage MOUNT, and nothing is mounted or changed elsewhere.
 */
#include "box.h"
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
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int entries(const char *path)
{
	int count = 0;
	DIR *dir = opendir(path);
	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 2;
}

static bool in_mountinfo(const char *path)
{
	char line[4096];
	bool found = false;
	FILE *file = fopen("/proc/self/mountinfo", "re");
	while (fgets(line, sizeof(line), file))
		found |= strstr(line, path) != NULL;
	fclose(file);
	return found;
}

/* A root in which `name` was replaced; the start must fail with this error. */
static void assert_refused(viso_isolation strength, const char *name,
			   void (*replace)(const char *, const char *, const char *), int error)
{
	char *tree = box_new_tree(), *outside = support_temporary_directory();
	char *path = tree_path(tree, name);
	assert_int_equal(rmdir(path), 0);
	replace(tree, name, outside);
	struct box *box = box_new(strength, tree);
	assert_start_fails(box, probe("exit", NULL), error, VISO_STAGE_MOUNT, name);
	assert_int_equal(entries(outside), 0);
	assert_false(in_mountinfo(outside));
	assert_false(in_mountinfo(tree));
	box_close(box);
	support_remove_tree(tree);
	support_remove_tree(outside);
	free(path);
	free(tree);
	free(outside);
}

static void by_absolute_link(const char *tree, const char *name, const char *outside)
{
	tree_link(outside, tree, name);
}

static void by_relative_link(const char *tree, const char *name, const char *outside)
{
	char target[4096];
	snprintf(target, sizeof(target), "../../../../../../../..%s", outside);
	tree_link(target, tree, name);
}

static void by_inner_link(const char *tree, const char *name, const char *outside)
{
	tree_link("work", tree, name);
}

static void by_file(const char *tree, const char *name, const char *outside)
{
	tree_write(tree, name, "", 0777);
}

static void by_fifo(const char *tree, const char *name, const char *outside)
{
	char *path = tree_path(tree, name);
	assert_int_equal(mkfifo(path, 0666), 0);
	free(path);
}

static void test_replaced_directories(void **state)
{
	static const char *const names[] = {"proc", "dev", "tmp"};
	viso_isolation strength = box_open(state)->strength;
	for (int i = 0; i < 3; i++) {
		assert_refused(strength, names[i], by_absolute_link, ELOOP);
		assert_refused(strength, names[i], by_relative_link, ELOOP);
		assert_refused(strength, names[i], by_inner_link, ELOOP);
		assert_refused(strength, names[i], by_file, ENOTDIR);
		assert_refused(strength, names[i], by_fifo, ENOTDIR);
	}
}

static void test_directories_with_contents(void **state)
{
	viso_isolation strength = box_open(state)->strength;
	char *tree = box_new_tree();
	/* What lies there is hidden, not used: above all not a link where a device is to be. */
	tree_link("/etc/passwd", tree, "dev/null");
	tree_write(tree, "tmp/old", "old", 0644);
	tree_link("/tmp", tree, "dev/shm");
	struct box *box = box_new(strength, tree);
	assert_prints(box, shell("ls -A /tmp; stat -c %F /dev/null /dev/shm"), "character special file\ndirectory\n");
	box_close(box);
	support_remove_tree(tree);
	free(tree);
}

static void test_root_that_is_gone(void **state)
{
	viso_isolation strength = box_open(state)->strength;
	char *tree = box_new_tree();
	struct box *box = box_new(strength, tree);
	support_remove_tree(tree);
	viso_process *process = NULL;
	viso_command *command = probe("exit", NULL);
	assert_int_equal(viso_sandbox_spawn(box->sandbox, command, &process), -ENOENT);
	viso_command_unref(command);
	box_close(box);
	free(tree);
}

/* A tree of the host that is none of the container's business, with what the attacks aim at. */
static char *new_outside(void)
{
	char *outside = support_temporary_directory();
	assert_int_equal(chmod(outside, 0777), 0);
	tree_directory(outside, "target", 0777);
	tree_write(outside, "file", "secret\n", 0666);
	tree_write(outside, "target/file", "secret\n", 0666);
	return outside;
}

/* All names, types, modes, owners, times and contents of a tree, as a hash. */
static void fingerprint(const char *directory, char hash[65])
{
	char command[4096];
	snprintf(command, sizeof(command),
		 "cd %s && (find . -printf '%%p %%y %%m %%U %%G %%s %%T@ %%C@ %%l\\n' | sort; find . -type f -exec cat "
		 "{} "
		 "+) | sha256sum",
		 directory);
	FILE *pipe = popen(command, "re");
	assert_non_null(pipe);
	assert_non_null(fgets(hash, 65, pipe));
	assert_int_equal(strlen(hash), 64);
	pclose(pipe);
}

enum setting { BIND, BIND_FILE, TMPFS, MEMORY, PROC, READ_ONLY, MASK, SETTINGS };

static void set(viso_container *container, enum setting setting, const char *path)
{
	switch (setting) {
	case BIND:
		assert_ok(viso_container_add_bind(container, "/etc", path, VISO_MOUNT_READ_ONLY));
		break;
	case BIND_FILE:
		assert_ok(viso_container_add_bind(container, "/etc/passwd", path, VISO_MOUNT_READ_ONLY));
		break;
	case TMPFS:
		assert_ok(viso_container_add_tmpfs(container, path, 0, 01777, 0));
		break;
	case MEMORY:
		assert_ok(viso_container_add_file(container, path, "mine\n", 5, 0644));
		break;
	case PROC:
		assert_ok(viso_container_add_filesystem(container, "proc", path, 0));
		break;
	case READ_ONLY:
		assert_ok(viso_container_add_read_only(container, path));
		break;
	default:
		assert_ok(viso_container_add_mask(container, path));
	}
}

/* Mounts upon a link, or upon something below it, are refused. */
static void assert_link_refused(viso_isolation strength, const char *tree, enum setting setting, const char *path,
				bool upper)
{
	struct box *box = box_new(strength, tree);
	if (upper)
		assert_ok(viso_container_set_upper_discarded(box->container, 0));
	set(box->container, setting, path);
	assert_start_fails(box, probe("exit", NULL), ELOOP, VISO_STAGE_MOUNT, path);
	box_close(box);
}

static void assert_links_refused(viso_isolation strength, const char *tree, const char *link)
{
	static const char *const below[] = {"", "/file", "/new/one"};
	char path[64];
	for (int setting = 0; setting < SETTINGS; setting++)
		for (int i = 0; i < 3; i++) {
			snprintf(path, sizeof(path), "/%s%s", link, below[i]);
			assert_link_refused(strength, tree, (enum setting)setting, path, (setting + i) & 1);
		}
}

/* CVE-2021-30465, CVE-2023-27561, CVE-2024-45310, and of masks CVE-2025-31133. */
static void test_links_at_targets(void **state)
{
	viso_isolation strength = box_open(state)->strength;
	char *tree = box_new_tree(), *outside = new_outside(), before[65], after[65];
	char *target = tree_path(outside, "target"), *missing = tree_path(outside, "missing"), *relative = NULL;
	assert_true(asprintf(&relative, "../../../../../../../..%s", target) > 0);
	const char *const links[] = {target, relative, missing, "/etc", "..", "/proc/self/root"};
	support_time_limit(200);
	fingerprint(outside, before);
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		char name[32];
		snprintf(name, sizeof(name), "work/link%zu", i);
		tree_link(links[i], tree, name);
		assert_links_refused(strength, tree, name);
	}
	fingerprint(outside, after);
	assert_string_equal(before, after);
	assert_false(in_mountinfo(outside));
	assert_false(in_mountinfo(tree));
	support_remove_tree(tree);
	support_remove_tree(outside);
	free(relative);
	free(missing);
	free(target);
	free(tree);
	free(outside);
}

/* What is no file is mounted upon, not opened. */
static void test_special_files_as_targets(void **state)
{
	viso_isolation strength = box_open(state)->strength;
	char *tree = box_new_tree(), *path = tree_path(tree, "work/fifo"), *other = tree_path(tree, "work/socket");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	assert_int_equal(mkfifo(path, 0666), 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", other);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	struct box *box = box_new(strength, tree);
	set(box->container, MEMORY, "/work/fifo");
	set(box->container, MEMORY, "/work/socket");
	set(box->container, MEMORY, "/dev/null");
	set(box->container, MASK, "/dev/full");
	assert_prints(box, shell("cat /work/fifo /work/socket /dev/null /dev/full"), "mine\nmine\nmine\n");
	close(fd);
	box_close(box);
	support_remove_tree(tree);
	free(other);
	free(path);
	free(tree);
}

/* A file system that looks like proc: what the launcher and the program find is the kernel's (CVE-2019-16884). */
static void test_false_proc(void **state)
{
	viso_isolation strength = box_open(state)->strength;
	char *tree = box_new_tree();
	tree_directory(tree, "proc/self", 0755);
	tree_directory(tree, "proc/self/attr", 0755);
	tree_write(tree, "proc/self/attr/exec", "", 0666);
	tree_write(tree, "proc/self/fd", "", 0666);
	tree_link("/etc/passwd", tree, "proc/1");
	struct box *box = box_new(strength, tree);
	assert_ok(viso_container_add_mask(box->container, "/proc/version"));
	assert_prints(box, shell("cat /proc/1/comm; test -d /proc/self/fd && echo real; cat /proc/version"),
		      "viso-init\nreal\n");
	box_close(box);
	support_remove_tree(tree);
	free(tree);
}

/* The image brings a link in a layer where the root has a directory. */
static void test_links_in_a_layer(void **state)
{
	viso_isolation strength = box_open(state)->strength;
	static const char *const names[] = {"proc", "dev", "tmp"};
	char before[65], after[65];
	for (int i = 0; i < 3; i++) {
		char *layer = support_temporary_directory(), *outside = new_outside();
		assert_int_equal(chmod(layer, 0755), 0);
		tree_link(outside, layer, names[i]);
		viso_root *root = viso_root_new();
		assert_ok(viso_root_use_directory(root, layer));
		struct box *box = box_new(strength, box_tree());
		assert_ok(viso_container_add_layer(box->container, root));
		if (i)
			assert_ok(viso_container_set_upper_discarded(box->container, 0));
		fingerprint(outside, before);
		assert_start_fails(box, probe("exit", NULL), ELOOP, VISO_STAGE_MOUNT, names[i]);
		fingerprint(outside, after);
		assert_string_equal(before, after);
		box_close(box);
		viso_root_unref(root);
		support_remove_tree(layer);
		support_remove_tree(outside);
		free(layer);
		free(outside);
	}
}

/* What one instance leaves in its upper, the next one finds. */
static void test_links_in_a_kept_upper(void **state)
{
	viso_isolation strength = box_open(state)->strength;
	char *directory = support_temporary_directory(), *outside = new_outside(), script[4096], before[65], after[65];
	struct box *box = box_new(strength, box_tree());
	assert_ok(viso_container_set_upper_directory(box->container, directory));
	snprintf(script, sizeof(script),
		 "mv /work /old; ln -s %s /work || busybox ln -s %s /work; readlink /work | wc -l", outside, outside);
	viso_command *command = shell(script);
	assert_ok(viso_command_set_user(command, 0, 0));
	viso_result_unref(box_run(box, command));
	box_close(box);
	fingerprint(outside, before);
	for (int setting = 0; setting < SETTINGS; setting++) {
		box = box_new(strength, box_tree());
		assert_ok(viso_container_set_upper_directory(box->container, directory));
		set(box->container, (enum setting)setting, "/work/file");
		assert_start_fails(box, probe("exit", NULL), ELOOP, VISO_STAGE_MOUNT, "/work/file");
		box_close(box);
	}
	fingerprint(outside, after);
	assert_string_equal(before, after);
	support_remove_tree(directory);
	support_remove_tree(outside);
	free(directory);
	free(outside);
}

struct race {
	char *shared; /* bound into the container, where somebody on the host works meanwhile */
	char *outside;
	char before[65];
};

/* Exchanges the directory `a` for a link to the outside, over and over. */
static pid_t start_swapper(const struct race *race)
{
	char *a = tree_path(race->shared, "a"), *b = tree_path(race->shared, "b");
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		for (;;)
			syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 2 /* RENAME_EXCHANGE */);
	free(a);
	free(b);
	return pid;
}

static void stop_swapper(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Without the defence: who opens the target by its name gets to the outside. */
static bool name_leads_outside(const struct race *race)
{
	struct stat outside, found;
	char *target = tree_path(race->outside, "target"), *path = tree_path(race->shared, "a/target");
	bool reached = false;
	assert_int_equal(stat(target, &outside), 0);
	for (int i = 0; i < 200000 && !reached; i++) {
		int fd = open(path, O_PATH | O_CLOEXEC);
		reached = fd >= 0 && fstat(fd, &found) == 0 && found.st_ino == outside.st_ino;
		if (fd >= 0)
			close(fd);
	}
	free(target);
	free(path);
	return reached;
}

/* Refused, or mounted below the directory that was bound, wherever that name is by now. True for the latter. */
static bool start_in_race(viso_isolation strength, const struct race *race)
{
	struct box *box = box_new(strength, box_tree());
	assert_ok(viso_container_add_bind(box->container, race->shared, "/work", 0));
	assert_ok(viso_container_add_tmpfs(box->container, "/work/a/target", 1 << 20, 01777, 0));
	assert_ok(viso_container_add_file(box->container, "/work/a/file", "mine\n", 5, 0644));
	viso_command *command =
		shell("grep -c ' /work/[ab]/target .*size=1024k' /proc/self/mountinfo; grep -c size=1024k "
		      "/proc/self/mountinfo; cat /etc/passwd | wc -l");
	viso_result *result = NULL;
	int r = viso_sandbox_run(box->sandbox, command, &result);
	if (r < 0) {
		assert_true(r == -ELOOP || r == -ENOENT || r == -ENOTDIR);
		assert_int_equal(viso_error_stage(), VISO_STAGE_MOUNT);
	} else {
		assert_string_equal(viso_result_output(result, VISO_STDOUT, NULL), "1\n1\n2\n");
		viso_result_unref(result);
	}
	viso_command_unref(command);
	box_close(box);
	return r == 0;
}

static void test_swapped_parent(void **state)
{
	viso_isolation strength = box_open(state)->strength;
	struct race race = {.shared = support_temporary_directory(), .outside = new_outside()};
	char after[65];
	int mounted = 0;
	support_time_limit(200);
	assert_int_equal(chmod(race.shared, 0777), 0);
	tree_directory(race.shared, "a", 0777);
	tree_directory(race.shared, "a/target", 0777);
	tree_write(race.shared, "a/file", "", 0666);
	tree_link(race.outside, race.shared, "b");
	fingerprint(race.outside, race.before);
	pid_t swapper = start_swapper(&race);
	bool effective = name_leads_outside(&race);
	for (int i = 0; i < 100; i++)
		mounted += start_in_race(strength, &race);
	stop_swapper(swapper);
	fingerprint(race.outside, after);
	assert_string_equal(race.before, after);
	assert_false(in_mountinfo(race.shared));
	assert_false(in_mountinfo(race.outside));
	assert_true(effective);
	/* Both happen; else it was no race. */
	assert_in_range(mounted, 1, 99);
	support_remove_tree(race.shared);
	support_remove_tree(race.outside);
	free(race.shared);
	free(race.outside);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_replaced_directories),     AT_CONTAINER(test_directories_with_contents),
		AT_EACH_STRENGTH(test_root_that_is_gone),    AT_CONTAINER(test_links_at_targets),
		AT_CONTAINER(test_special_files_as_targets), AT_CONTAINER(test_false_proc),
		AT_CONTAINER(test_links_in_a_layer),         AT_CONTAINER(test_links_in_a_kept_upper),
		AT_CONTAINER(test_swapped_parent),
	};
	return cmocka_run_group_tests_name("hostile roots", tests, NULL, box_group_teardown);
}
