/* SPDX-License-Identifier: MIT */
/* Layers over the root, and what takes the writes to it. */
#include "box.h"
#include "host.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* The owner of what is the container's root's; as an ordinary user it has one id only, the one it runs as. */
static viso_command *as_root(const char *script)
{
	viso_command *command = shell(script);
	assert_ok(viso_command_set_user(command, 0, 0));
	return command;
}

static viso_root *root_of(const char *directory)
{
	viso_root *root = viso_root_new();
	assert_ok(viso_root_use_directory(root, directory));
	return root;
}

static char *new_layer(const char *file, const char *text)
{
	char *layer = support_temporary_directory();
	assert_int_equal(chmod(layer, 0755), 0);
	tree_directory(layer, "layer", 0755);
	char *name = tree_path("layer", file);
	tree_write(layer, name, text, 0644);
	tree_write(layer, "layer/common", text, 0644);
	free(name);
	return layer;
}

static void add_layer(struct box *box, const char *directory)
{
	viso_root *root = root_of(directory);
	assert_ok(viso_container_add_layer(box->container, root));
	viso_root_unref(root);
}

static void remove_directory(char *directory)
{
	support_remove_tree(directory);
	free(directory);
}

static void test_layers(void **state)
{
	struct box *box = box_open(state);
	char *one = new_layer("one", "1\n"), *two = new_layer("two", "2\n");
	add_layer(box, one);
	add_layer(box, two);
	for (int i = 0; i < 2; i++)
		assert_prints(box,
			      as_root("cat /layer/one /layer/two /layer/common; touch /layer/x 2>&1 | grep -c "
				      "Read-only; grep -c ' / ro,nosuid,nodev' /proc/self/mountinfo"),
			      "1\n2\n2\n1\n1\n");
	remove_directory(one);
	remove_directory(two);
}

static void test_many_layers(void **state)
{
	struct box *box = box_open(state);
	char *layers[32], text[16];
	for (int i = 0; i < 32; i++) {
		snprintf(text, sizeof(text), "%d\n", i);
		layers[i] = new_layer("x", text);
		add_layer(box, layers[i]);
	}
	viso_root *root = root_of(layers[0]);
	assert_fails(viso_container_add_layer(box->container, root), E2BIG, VISO_STAGE_ARGUMENT, "layer");
	viso_root_unref(root);
	assert_fails(viso_container_add_layer(box->container, NULL), EINVAL, VISO_STAGE_ARGUMENT, "layer");
	assert_prints(box, shell("cat /layer/common"), "31\n");
	for (int i = 0; i < 32; i++)
		remove_directory(layers[i]);
}

static void assert_absent(const char *directory, const char *name)
{
	struct stat st;
	char *path = tree_path(directory, name);
	assert_int_equal(lstat(path, &st), -1);
	free(path);
}

static const char change[] = "touch /new && rm /etc/passwd && mkdir /etc/passwd && echo x > /bin/new && "
			     "mv /work /moved && ls -d /new /etc/passwd /bin/new /moved";

/* An overlay hides a directory by an attribute, which is a user's own where that is an ordinary one; tmpfs has such
 * since Linux 6.6. */
static bool hides_directories_in_memory(void)
{
	int fd = memfd_create("attributes", MFD_CLOEXEC);
	bool has = fsetxattr(fd, "user.test", "x", 1, 0) == 0;
	close(fd);
	return has || geteuid() == 0;
}

#define need_directories_hidden_in_memory()                                                                            \
	skip_without(hides_directories_in_memory(), "a tmpfs with attributes of users' own, for an ordinary user")

static void test_upper_is_discarded(void **state)
{
	struct box *box = box_open(state);
	need_directories_hidden_in_memory();
	assert_ok(viso_container_set_upper_discarded(box->container, 0));
	for (int i = 0; i < 2; i++)
		assert_prints(box, as_root(change), "/bin/new\n/etc/passwd\n/moved\n/new\n");
	assert_absent(box_tree(), "new");
	assert_absent(box_tree(), "bin/new");
	assert_absent(box_tree(), "moved");
	/* What belongs to root is not for others. */
	if (geteuid() == 0)
		assert_prints(box, shell("touch /new 2>/dev/null || echo no"), "no\n");
}

/* Devices that an image brings along stay without effect, also where the container may mount. */
static void test_flags_stay(void **state)
{
	viso_isolation strength = box_open(state)->strength;
	for (int i = 0; i < 2; i++) {
		struct box *box = box_new(strength, box_tree());
		assert_ok(viso_container_add_capability(box->container, "sys_admin"));
		if (i)
			assert_ok(viso_container_set_upper_discarded(box->container, 0));
		assert_prints(box,
			      as_root("for i in dev suid; do mount -o remount,bind,$i / 2>/dev/null && echo $i; done; "
				      "grep -c ' / r[ow],nosuid,nodev' /proc/self/mountinfo"),
			      "1\n");
		box_close(box);
	}
}

static void test_upper_has_its_size(void **state)
{
	struct box *box = box_open(state);
	assert_ok(viso_container_set_upper_discarded(box->container, 1 << 20));
	assert_prints(box,
		      as_root("dd if=/dev/zero of=/big bs=64k count=64 2>/dev/null || echo full; test $(wc -c < /big) "
			      "-le 1048576 && echo small"),
		      "full\nsmall\n");
}

static void test_layers_below_an_upper(void **state)
{
	struct box *box = box_open(state);
	need_directories_hidden_in_memory();
	char *layer = new_layer("one", "1\n");
	add_layer(box, layer);
	assert_ok(viso_container_set_upper_discarded(box->container, 0));
	assert_prints(box,
		      as_root("echo 2 > /layer/one; cat /layer/one; rm -r /layer 2>/dev/null || busybox rm -r /layer; "
			      "test -e /layer || echo gone"),
		      "2\ngone\n");
	assert_prints(box, as_root("cat /layer/one"), "1\n");
	remove_directory(layer);
}

/* A root without any of the directories on which a container mounts. */
static void test_directories_are_made(void **state)
{
	viso_isolation strength = box_open(state)->strength;
	char *tree = box_new_tree();
	static const char *const names[] = {"proc", "dev", "tmp"};
	for (int i = 0; i < 3; i++) {
		char *path = tree_path(tree, names[i]);
		assert_int_equal(rmdir(path), 0);
		free(path);
	}
	struct box *box = box_new(strength, tree);
	assert_ok(viso_container_set_upper_discarded(box->container, 0));
	assert_ok(viso_container_add_bind(box->container, "/etc", "/deep/in/it", VISO_MOUNT_READ_ONLY));
	assert_ok(viso_container_add_file(box->container, "/deep/file", "x\n", 2, 0644));
	assert_prints(box,
		      as_root("cat /deep/file; test -d /proc/1 && test -c /dev/null && test -s /deep/in/it/passwd && "
			      "echo there"),
		      "x\nthere\n");
	assert_absent(tree, "proc");
	assert_absent(tree, "deep");
	box_close(box);
	remove_directory(tree);
}

static char *new_upper(void)
{
	char *directory = support_temporary_directory();
	assert_int_equal(chmod(directory, 0755), 0);
	return directory;
}

static void test_upper_is_kept(void **state)
{
	struct box *box = box_open(state);
	char *directory = new_upper();
	assert_ok(viso_container_set_upper_directory(box->container, directory));
	assert_prints(box, as_root(change), "/bin/new\n/etc/passwd\n/moved\n/new\n");
	assert_absent(box_tree(), "new");
	/* By another worker, with other ids on the host. */
	struct box *other = box_new(box->strength, box_tree());
	assert_ok(viso_container_set_upper_directory(other->container, directory));
	struct box *third = box_new(box->strength, box_tree());
	viso_process *busy = box_spawn(third, probe("sleep", NULL));
	assert_prints(other,
		      as_root("stat -c %u:%g /new; cat /bin/new; echo y >> /bin/new; rm /new; touch /again; chmod "
			      "4755 /again; test -d /etc/passwd && echo there"),
		      "0:0\nx\nthere\n");
	assert_prints(box, as_root("cat /bin/new; test -e /new || echo gone; stat -c %a /again"), "x\ny\ngone\n4755\n");
	viso_process_unref(busy);
	box_close(third);
	box_close(other);
	/* Nobody else gets there: it may be full of setuid programs. */
	struct stat st;
	assert_int_equal(stat(directory, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	char *path = tree_path(directory, "upper/again");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, geteuid());
	free(path);
	remove_directory(directory);
}

static void test_upper_is_for_one_instance(void **state)
{
	struct box *box = box_open(state);
	char *directory = new_upper();
	assert_ok(viso_container_set_upper_directory(box->container, directory));
	viso_process *process = box_spawn(box, shell("touch /tmp/x; exec probe sleep"));
	assert_start_fails(box, probe("exit", NULL), EBUSY, VISO_STAGE_MOUNT, "upper");
	assert_ok(viso_process_kill(process));
	viso_result_unref(box_wait(process));
	viso_process_unref(process);
	for (int i = 0; i < 20; i++)
		assert_prints(box, as_root("true"), "");
	remove_directory(directory);
}

struct kept {
	const char *directory;
	struct ready_pipe ready;
};

static void keep_running(void *argument)
{
	struct kept *kept = argument;
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, box_tree());
	assert_ok(viso_container_set_upper_directory(box->container, kept->directory));
	box_spawn(box, probe("sleep", NULL));
	ready_tell(&kept->ready, "");
	for (;;)
		pause();
}

static void test_lock_ends_with_the_host(void **state)
{
	struct box *box = box_open(state);
	struct kept kept = {.directory = new_upper()};
	ready_init(&kept.ready);
	assert_ok(viso_container_set_upper_directory(box->container, kept.directory));
	pid_t host = host_start(keep_running, &kept);
	assert_true(ready_wait(&kept.ready, NULL, 0));
	assert_start_fails(box, probe("exit", NULL), EBUSY, VISO_STAGE_MOUNT, "upper");
	host_kill(host);
	ready_close(&kept.ready);
	viso_command *command = as_root("true");
	int r = -EBUSY;
	for (int i = 0; i < 2000 && r == -EBUSY; i++, usleep(5000))
		r = viso_sandbox_run(box->sandbox, command, NULL);
	assert_ok(r);
	viso_command_unref(command);
	remove_directory((char *)kept.directory);
}

/* Whom the root belongs to: an ordinary user's instance that stays has the default id only. */
static viso_command *owner(const char *script)
{
	return geteuid() == 0 ? as_root(script) : shell(script);
}

/* In one that stays, all commands have the same upper; it is free when the instance has ended. */
static void test_upper_of_an_instance_that_stays(void **state)
{
	struct box *box = box_open(state), *other = box_new(box->strength, box_tree());
	char *directory = new_upper();
	assert_ok(viso_container_set_upper_directory(box->container, directory));
	assert_ok(viso_container_set_upper_directory(other->container, directory));
	assert_ok(viso_sandbox_start(box->sandbox));
	assert_prints(box, owner("echo x > /file"), "");
	assert_prints(box, owner("cat /file"), "x\n");
	assert_start_fails(other, probe("exit", NULL), EBUSY, VISO_STAGE_MOUNT, "upper");
	assert_ok(viso_sandbox_close(box->sandbox));
	viso_command *command = owner("test -s /file");
	viso_result *result = NULL;
	int r = -EBUSY;
	for (int i = 0; i < 1000 && r == -EBUSY; i++, usleep(5000))
		r = viso_sandbox_run(other->sandbox, command, &result);
	assert_ok(r);
	assert_ended(result, VISO_REASON_EXITED, 0, 0);
	viso_command_unref(command);
	box_close(other);
	remove_directory(directory);
}

static void test_hostile_upper(void **state)
{
	struct box *box = box_open(state);
	char *directory = new_upper(), *outside = new_upper();
	assert_ok(viso_container_set_upper_directory(box->container, directory));
	tree_link(outside, directory, "upper");
	assert_start_fails(box, probe("exit", NULL), ELOOP, VISO_STAGE_MOUNT, "overlay");
	char *path = tree_path(directory, "upper");
	assert_int_equal(unlink(path), 0);
	free(path);
	assert_prints(box, as_root("true"), "");
	assert_int_equal(rmdir(outside), 0);
	free(outside);
	remove_directory(directory);
}

static void test_root_is_writable(void **state)
{
	viso_isolation strength = box_open(state)->strength;
	char *tree = box_new_tree();
	char *work = tree_path(tree, "work");
	assert_int_equal(chmod(work, 0777), 0);
	struct box *box = box_new(strength, tree);
	assert_ok(viso_container_set_root_writable(box->container, 1));
	assert_prints(box, shell("echo x > /work/new; grep -c ' / rw,nosuid,nodev' /proc/self/mountinfo"), "1\n");
	char *file = tree_path(tree, "work/new");
	struct stat st;
	assert_int_equal(stat(file, &st), 0);
	/* Never the host's root: it could be a setuid program for everybody on the host. */
	assert_true(geteuid() == 0 ? st.st_uid >= 0x70000000 : st.st_uid == geteuid());
	if (geteuid() == 0)
		assert_prints(box, as_root("touch /new 2>/dev/null || echo no"), "no\n");
	free(file);
	free(work);
	box_close(box);
	remove_directory(tree);
}

static void test_conflicts(void **state)
{
	struct box *box = box_open(state);
	assert_fails(viso_container_set_root_writable(box->container, 2), EINVAL, VISO_STAGE_ARGUMENT, "writable");
	assert_ok(viso_container_set_root_writable(box->container, 1));
	assert_ok(viso_container_set_upper_discarded(box->container, 0));
	assert_start_fails(box, probe("exit", NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_container_set_root_writable");
	assert_fails(viso_container_set_upper_discarded(box->container, 0), EBUSY, VISO_STAGE_ARGUMENT, "upper");
}

static mode_t mode_of(const char *path)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

/* It would be closed to those who use it. */
static void test_directories_of_others(void **state)
{
	struct box *box = box_open(state);
	char *directory = support_temporary_directory(), path[4096];
	snprintf(path, sizeof(path), "%s/theirs", directory);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(chmod(directory, 0755), 0);
	assert_fails(viso_container_set_upper_directory(box->container, directory), EPERM, VISO_STAGE_ARGUMENT,
		     directory);
	assert_int_equal(chmod(path, 01777), 0);
	assert_fails(viso_container_set_upper_directory(box->container, path), EPERM, VISO_STAGE_ARGUMENT, path);
	assert_int_equal(mode_of(directory), 0755);
	assert_int_equal(mode_of(path), 01777);
	assert_int_equal(chmod(directory, 0700), 0);
	assert_ok(viso_container_set_upper_directory(box->container, directory));
	assert_int_equal(chmod(path, 0775), 0);
	assert_ok(viso_container_set_upper_directory(box->container, path));
	support_remove_tree(directory);
	free(directory);
}

static void test_directory_of_an_upper(void **state)
{
	struct box *box = box_open(state);
	assert_fails(viso_container_set_upper_directory(box->container, NULL), EINVAL, VISO_STAGE_ARGUMENT, "upper");
	assert_fails(viso_container_set_upper_directory(box->container, "/no/where"), ENOENT, VISO_STAGE_ARGUMENT,
		     "/no/where");
	assert_fails(viso_container_set_upper_directory(box->container, "/etc/passwd"), ENOTDIR, VISO_STAGE_ARGUMENT,
		     "passwd");
	char *directory = new_upper();
	if (geteuid() == 0) {
		assert_int_equal(chown(directory, 54321, 54321), 0);
		assert_fails(viso_container_set_upper_directory(box->container, directory), EACCES, VISO_STAGE_ARGUMENT,
			     directory);
	}
	/* The last one counts, and leaves no fd of the others. */
	assert_int_equal(chown(directory, geteuid(), getegid()), 0);
	assert_ok(viso_container_set_upper_directory(box->container, directory));
	assert_ok(viso_container_set_upper_directory(box->container, directory));
	assert_ok(viso_container_set_upper_discarded(box->container, 0));
	assert_prints(box, as_root("touch /x"), "");
	assert_int_equal(rmdir(directory), 0);
	free(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_CONTAINER(test_layers),
		AT_CONTAINER(test_many_layers),
		AT_CONTAINER(test_upper_is_discarded),
		AT_CONTAINER(test_flags_stay),
		AT_CONTAINER(test_upper_has_its_size),
		AT_CONTAINER(test_layers_below_an_upper),
		AT_CONTAINER(test_directories_are_made),
		AT_CONTAINER(test_upper_is_kept),
		AT_CONTAINER(test_upper_is_for_one_instance),
		AT_CONTAINER(test_lock_ends_with_the_host),
		AT_CONTAINER(test_upper_of_an_instance_that_stays),
		AT_CONTAINER(test_hostile_upper),
		AT_CONTAINER(test_root_is_writable),
		AT_CONTAINER(test_conflicts),
		AT_CONTAINER(test_directory_of_an_upper),
		AT_CONTAINER(test_directories_of_others),
	};
	return cmocka_run_group_tests_name("overlay", tests, NULL, box_group_teardown);
}
