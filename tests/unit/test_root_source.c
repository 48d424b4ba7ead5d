/* SPDX-License-Identifier: MIT */
/* Roots that are made from another tree than the host's, and for other machines. */
#include "test_root_support.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "root/closure/ld_cache.h"
#include "root/source.h"

static char *scratch;
static char *tree;

static int set_up(void **state)
{
	support_set_temporary(NULL);
	scratch = support_temporary_directory();
	support_set_temporary(scratch);
	tree = root_path_of("%s/tree", scratch);
	return mkdir(tree, 0755);
}

static int tear_down(void **state)
{
	int left = root_count_left(scratch);
	support_set_temporary(NULL);
	support_remove_tree(scratch);
	free(tree);
	free(scratch);
	return left;
}

static viso_root *root_from_tree(void)
{
	viso_root *root = viso_root_new();
	assert_non_null(root);
	assert_ok(viso_root_set_source(root, tree));
	return root;
}

static void assert_contents(const viso_root *root, const char *path, const char *contents)
{
	char buffer[64] = "";
	int fd = root_open_inside(viso_root_path((viso_root *)root), path, O_RDONLY);
	assert_true(fd >= 0);
	assert_true(read(fd, buffer, sizeof(buffer) - 1) >= 0);
	close(fd);
	assert_string_equal(buffer, contents);
}

static void test_bad_sources(void **state)
{
	char *file = root_path_of("%s/file", tree);
	root_write_text(file, "x", 0644);
	viso_root *root = viso_root_new();
	assert_fails(viso_root_set_source(NULL, tree), EINVAL, VISO_STAGE_ARGUMENT, "viso_root_set_source");
	assert_fails(viso_root_set_source(root, NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_root_set_source");
	assert_fails(viso_root_set_source(root, "tree"), EINVAL, VISO_STAGE_ARGUMENT, "viso_root_set_source");
	assert_fails(viso_root_set_source(root, "/no/such"), ENOENT, VISO_STAGE_ROOT, "/no/such");
	assert_fails(viso_root_set_source(root, file), ENOTDIR, VISO_STAGE_ROOT, file);
	assert_ok(viso_root_set_source(root, tree));
	assert_ok(viso_root_add_file(root, "/file", NULL));
	assert_fails(viso_root_set_source(root, tree), EBUSY, VISO_STAGE_ARGUMENT, "viso_root_set_source");
	viso_root_unref(root);
	/* The root directory is the host itself. */
	root = viso_root_new();
	assert_ok(viso_root_set_source(root, "//"));
	assert_ok(viso_root_add_file(root, "/etc/passwd", "/x"));
	viso_root_unref(root);
	free(file);
}

static void test_links_stay_in_the_tree(void **state)
{
	assert_int_equal(
		root_shell("cd '%s' && mkdir -p etc a/b && echo inside >etc/hostname && "
			   "ln -s /etc/hostname absolute && ln -s ../../../../../../../../etc/hostname a/b/up && "
			   "ln -s /etc dir && ln -s /proc/self/root/etc/hostname magic && mkdir proc && "
			   "ln -s /etc/shadow shadow && ln -s loop loop",
			   tree),
		0);
	viso_root *root = root_from_tree();
	assert_ok(viso_root_add_file(root, "/absolute", NULL));
	assert_ok(viso_root_add_file(root, "/a/b/up", NULL));
	assert_ok(viso_root_add_file(root, "/dir/hostname", NULL));
	assert_ok(viso_root_add_directory(root, "/dir", "/copy"));
	assert_fails(viso_root_add_file(root, "/magic", NULL), ENOENT, VISO_STAGE_ROOT, "/magic");
	assert_fails(viso_root_add_file(root, "/shadow", NULL), ENOENT, VISO_STAGE_ROOT, "/shadow");
	assert_true(viso_root_add_file(root, "/loop", NULL) < 0);
	assert_fails(viso_root_add_program(root, "/loop"), ELOOP, VISO_STAGE_ROOT, "/loop");
	assert_fails(viso_root_add_program(root, "sh"), ENOENT, VISO_STAGE_ROOT, "sh");
	assert_ok(viso_root_build(root));
	assert_contents(root, "/absolute", "inside\n");
	assert_contents(root, "/a/b/up", "inside\n");
	assert_contents(root, "/dir/hostname", "inside\n");
	assert_contents(root, "/copy/hostname", "inside\n");
	viso_root_unref(root);
}

static atomic_bool stop;

/* A directory and a link to the outside, changing places all the time. */
static void *swap(void *argument)
{
	char *directory = root_path_of("%s/d", tree), *other = root_path_of("%s/e", tree);
	while (!stop)
		renameat2(AT_FDCWD, directory, AT_FDCWD, other, RENAME_EXCHANGE);
	free(directory);
	free(other);
	return NULL;
}

static void test_racing_links_lead_nowhere(void **state)
{
	pthread_t thread;
	/* What the link would lead to from outside has the same name and other contents. */
	assert_int_equal(root_shell("cd '%s' && mkdir d ../out && echo in >d/file && echo outside >../out/file && "
				    "ln -s '%s/out' e && ln -s ../../../../../../../../../../../../../.. top",
				    tree, scratch),
			 0);
	stop = false;
	assert_int_equal(pthread_create(&thread, NULL, swap, NULL), 0);
	int built = 0;
	for (int i = 0; i < 300; i++) {
		viso_root *root = root_from_tree();
		bool added = viso_root_add_file(root, "/d/file", "/file") == 0;
		bool tree_added = viso_root_add_directory(root, "/d", "/t") == 0;
		if (viso_root_build(root) == 0) {
			built++;
			if (added)
				assert_contents(root, "/file", "in\n");
			if (tree_added && root_has_file(viso_root_path(root), "/t/file"))
				assert_contents(root, "/t/file", "in\n");
		}
		viso_root_unref(root);
	}
	stop = true;
	pthread_join(thread, NULL);
	assert_true(built > 0);
}

static int leave_source_alone(void *argument)
{
	viso_root *root = argument;
	/* As a host program would: the number is for something else now. */
	int fds = support_count_fds();
	viso_root_unref(root);
	return support_count_fds() == fds ? 0 : 1;
}

static void test_fork_and_source(void **state)
{
	viso_root *root = root_from_tree();
	assert_int_equal(root_in_child(false, leave_source_alone, root), 0);
	int fds = support_count_fds();
	viso_root_unref(root);
	assert_int_equal(support_count_fds(), fds - 1);
}

/* A root as a source for another one: all that a program needs is found in it. */
static void test_root_of_a_root(void **state)
{
	viso_root *first = viso_root_new();
	assert_ok(viso_root_add_program(first, "/bin/bash"));
	assert_ok(viso_root_build(first));
	viso_root *second = viso_root_new();
	assert_ok(viso_root_set_source(second, viso_root_path(first)));
	assert_ok(viso_root_add_program(second, "bash"));
	assert_ok(viso_root_build(second));
	assert_true(root_same_file(viso_root_path(second), "/bin/bash", "/bin/bash"));
	if (geteuid() == 0)
		assert_int_equal(root_chroot_run(viso_root_path(second), NULL,
						 (const char *[]){"/bin/bash", "-c", "exit 7", NULL}),
				 7);
	viso_root_unref(second);
	viso_root_unref(first);
}

static void compile_for_arm(void)
{
	assert_int_equal(
		root_shell(
			"cd '%s' && mkdir -p bin lib usr/lib/mine etc src && cd src && echo 'int b(void) { return 6; "
			"}' "
			">b.c && echo 'int b(void); int main(void) { return b(); }' >p.c && "
			"aarch64-linux-gnu-gcc -shared -fPIC -Wl,-soname,libb.so.1 -o ../usr/lib/mine/libb.so.1 b.c && "
			"aarch64-linux-gnu-gcc -o ../bin/prog p.c ../usr/lib/mine/libb.so.1 "
			"-Wl,-rpath,'$ORIGIN/../usr/lib/mine/$PLATFORM:$ORIGIN/../usr/lib/mine' && "
			"cp -L /usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1 /usr/aarch64-linux-gnu/lib/libc.so.6 "
			"../lib/",
			tree),
		0);
}

static void test_program_for_arm(void **state)
{
	skip_without(root_shell("aarch64-linux-gnu-gcc --version >/dev/null 2>&1") == 0, "gcc-aarch64-linux-gnu");
	compile_for_arm();
	/* A library for this host in the way is skipped, as the loader would. */
	assert_int_equal(root_shell("cd '%s' && mkdir usr/lib/mine/aarch64 && "
				    "cp -L /lib/x86_64-linux-gnu/libm.so.6 usr/lib/mine/aarch64/libb.so.1",
				    tree),
			 0);
	viso_root *root = root_from_tree();
	assert_ok(viso_root_add_program(root, "prog"));
	assert_ok(viso_root_build(root));
	static const char *const files[] = {"/bin/prog", "/lib/ld-linux-aarch64.so.1", "/lib/libc.so.6",
					    "/usr/lib/mine/libb.so.1"};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		assert_true(root_has_file(viso_root_path(root), files[i]));
	assert_false(root_has_file(viso_root_path(root), "/usr/lib/mine/aarch64/libb.so.1"));
	assert_false(root_has_file(viso_root_path(root), "/usr/lib/x86_64-linux-gnu/libc.so.6"));

	struct source built = {.fd = open(viso_root_path(root), O_PATH | O_CLOEXEC)};
	struct ld_cache cache;
	size_t position = 0;
	bool baseline;
	ld_cache_load(&cache, &built, LD_CACHE_PATH);
	cache.flags = 0x0a03;
	assert_string_equal(ld_cache_next(&cache, "libb.so.1", &position, &baseline), "/usr/lib/mine/libb.so.1");
	ld_cache_clear(&cache);
	close(built.fd);
	viso_root_unref(root);

	/* From the host's own tree as well, where nothing else is needed. */
	assert_int_equal(root_shell("cd '%s/src' && echo 'int main(void) { return 0; }' >s.c && "
				    "aarch64-linux-gnu-gcc -static -o s s.c",
				    tree),
			 0);
	char *program = root_path_of("%s/src/s", tree);
	root = viso_root_new();
	assert_ok(viso_root_add_program(root, program));
	viso_root_unref(root);
	free(program);

	/* What is missing names both sides. */
	assert_int_equal(root_shell("rm '%s/usr/lib/mine/libb.so.1'", tree), 0);
	root = root_from_tree();
	assert_fails(viso_root_add_program(root, "/bin/prog"), ENOENT, VISO_STAGE_ROOT, "libb.so.1");
	assert_non_null(strstr(viso_error_message(), "/bin/prog"));
	viso_root_unref(root);
}

static void test_devices_are_not_opened(void **state)
{
	skip_without(geteuid() == 0, "root, for a device");
	char *device = root_path_of("%s/device", tree);
	skip_without(mknod(device, S_IFCHR | 0755, makedev(10, 130)) == 0, "devices");
	viso_root *root = root_from_tree();
	assert_fails(viso_root_add_program(root, "/device"), EACCES, VISO_STAGE_ROOT, "/device");
	assert_fails(viso_root_add_file(root, "/device", NULL), EINVAL, VISO_STAGE_ROOT, "/device");
	viso_root_unref(root);
	free(device);
}

static void test_musl_tree(void **state)
{
	skip_without(root_shell("musl-gcc --version >/dev/null 2>&1") == 0, "musl-gcc of musl-tools");
	assert_int_equal(root_shell("cd '%s' && mkdir -p lib etc opt && cp -L /lib/ld-musl-x86_64.so.1 lib/ && "
				    "echo 'int b(void) { return 9; }' >b.c && "
				    "echo 'int b(void); int main(void) { return b(); }' >p.c && "
				    "musl-gcc -shared -fPIC -o opt/libb.so b.c && musl-gcc -o prog p.c -Lopt -lb && "
				    "printf '/lib\\n/opt\\n' >etc/ld-musl-x86_64.path",
				    tree),
			 0);
	viso_root *root = root_from_tree();
	assert_ok(viso_root_add_program(root, "/prog"));
	assert_ok(viso_root_build(root));
	assert_true(root_has_file(viso_root_path(root), "/opt/libb.so"));
	assert_true(root_has_file(viso_root_path(root), "/etc/ld-musl-x86_64.path"));
	assert_false(root_has_file(viso_root_path(root), LD_CACHE_PATH));
	if (geteuid() == 0)
		assert_int_equal(root_chroot_run(viso_root_path(root), NULL, (const char *[]){"/prog", NULL}), 9);
	viso_root_unref(root);
}

#define source_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		source_test(test_bad_sources),
		source_test(test_links_stay_in_the_tree),
		source_test(test_racing_links_lead_nowhere),
		source_test(test_fork_and_source),
		source_test(test_root_of_a_root),
		source_test(test_program_for_arm),
		source_test(test_devices_are_not_opened),
		source_test(test_musl_tree),
	};
	return cmocka_run_group_tests_name("root_source", tests, NULL, NULL);
}
