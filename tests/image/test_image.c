/* SPDX-License-Identifier: MIT */
/* Roots into files: what comes out is unpacked by cpio and mounted by the kernel, and compared with the tree. */
#include "test_root_support.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void skip_without_cpio(void)
{
	skip_without(root_shell("cpio --version >/dev/null 2>&1") == 0, "cpio");
}

static void skip_without_erofs(void)
{
	skip_without(root_shell("mkfs.erofs --help >/dev/null 2>&1") == 0, "mkfs.erofs");
}

/* A directory with one of everything. */
static char *make_tree(const char *name)
{
	char *path = root_path_of("%s/%s", root_scratch, name);
	assert_int_equal(
		root_shell(
			"mkdir -p %s/bin %s/deep/er '%s/odd \"name' %s/empty && cd %s && echo hello >bin/file && "
			"chmod 751 bin/file && touch -d @1000000 bin/file && ln bin/file deep/hard && "
			"ln bin/file zlast && ln -s ../bin/file deep/soft && ln -s /nowhere dangling && "
			"printf x >'odd \"name/a\nb' && printf secret >deep/secret && chmod 0600 deep/secret && "
			": >empty-file && head -c 300001 /dev/urandom >bin/large && mkdir deep.dot && : >deep.dot/x && "
			"chmod 1777 empty && touch -d @1000001 deep bin empty",
			path, path, path, path, path),
		0);
	return path;
}

static viso_root *root_of(const char *tree)
{
	viso_root *root = viso_root_new();
	assert_non_null(root);
	assert_ok(viso_root_add_directory(root, tree, "/"));
	assert_ok(viso_root_add_data(root, "/etc/data", "data", 4, 0640));
	return root;
}

/* What a tree contains, line by line: kinds, modes, sizes, link texts, link counts, contents. Without what `except`
 * names. */
static char *listing_of(const char *tree, const char *except)
{
	return root_shell_output(
		"cd %s && { find . -mindepth 1 %s \\( -type f -printf '%%p %%y %%m %%s %%n %%Ts\\n' -o "
		"-printf '%%p %%y %%m %%l\\n' \\) | sort; "
		"find . %s -type f -exec sha256sum {} + | sort; }",
		tree, except, except);
}

static void assert_same_tree(const char *left, const char *right, const char *except)
{
	char *a = listing_of(left, except), *b = listing_of(right, except);
	assert_true(strlen(a) > 100);
	assert_string_equal(a, b);
	free(a);
	free(b);
}

static void assert_same_file(const char *left, const char *right)
{
	assert_int_equal(root_shell("cmp %s %s", left, right), 0);
}

static char *unpack(const char *image)
{
	char *path = root_path_of("%s/unpacked", root_scratch);
	assert_int_equal(root_shell("rm -rf %s && mkdir %s && cd %s && cpio --quiet -idm %s <%s", path, path, path,
				    geteuid() == 0 ? "" : "-f 'dev/*'", image),
			 0);
	return path;
}

/* Only the image is in its directory. */
static void assert_nothing_else(const char *directory, int count)
{
	char *text = root_shell_output("ls -A %s | wc -l", directory);
	assert_int_equal(atoi(text), count);
	free(text);
}

static void test_bad_arguments_are_refused(void **state)
{
	viso_root *root = viso_root_new();
	char *path = root_path_of("%s/out", root_scratch);
	char *missing = root_path_of("%s/no/such/out", root_scratch);
	char *slash = root_path_of("%s/out/", root_scratch);
	assert_fails(viso_image_write(NULL, VISO_IMAGE_INITRAMFS, path), EINVAL, VISO_STAGE_ARGUMENT,
		     "viso_image_write");
	assert_fails(viso_image_write(root, (viso_image_format)0, path), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_image_write(root, (viso_image_format)3, path), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_image_write(root, VISO_IMAGE_INITRAMFS, NULL), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_image_write(root, VISO_IMAGE_INITRAMFS, "out"), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_null(viso_root_path(root));
	assert_fails(viso_image_write(root, VISO_IMAGE_INITRAMFS, missing), ENOENT, VISO_STAGE_IMAGE, "no/such");
	assert_fails(viso_image_write(root, VISO_IMAGE_INITRAMFS, slash), EINVAL, VISO_STAGE_IMAGE, "out/");
	assert_fails(viso_image_write(root, VISO_IMAGE_INITRAMFS, root_scratch), EINVAL, VISO_STAGE_IMAGE,
		     root_scratch);
	assert_fails(viso_image_write(root, VISO_IMAGE_INITRAMFS, "/dev/null"), EINVAL, VISO_STAGE_IMAGE, "/dev/null");
	viso_root_unref(root);
	assert_nothing_else(root_scratch, 0);
	free(path);
	free(missing);
	free(slash);
}

static void test_an_initramfs_has_the_tree(void **state)
{
	skip_without_cpio();
	char *tree = make_tree("tree"), *image = root_path_of("%s/image", root_scratch);
	viso_root *root = root_of(tree);
	root_write_text(image, "what was there", 0600);
	assert_ok(viso_image_write(root, VISO_IMAGE_INITRAMFS, image));
	char *unpacked = unpack(image);
	/* All but devices, which not everybody can make. What was not a file before has no time of its own. */
	assert_same_tree(viso_root_path(root), unpacked,
			 "-path ./dev -prune -o ! -path ./etc/data ! -path ./etc/passwd ! -path ./etc/group");
	char *names = root_shell_output("cpio --quiet -t <%s", image);
	assert_true(!strncmp(names, ".\nbin\nbin/file\n", 15));
	assert_non_null(strstr(names, "dev/urandom\n"));
	assert_non_null(strstr(names, "etc/passwd\n"));
	free(names);
	viso_root_unref(root);
	free(unpacked);
	free(image);
	free(tree);
}

static void test_the_same_root_gives_the_same_bytes(void **state)
{
	char *tree = make_tree("tree"), *one = root_path_of("%s/one", root_scratch),
	     *two = root_path_of("%s/two", root_scratch);
	viso_root *root = root_of(tree);
	assert_ok(viso_image_write(root, VISO_IMAGE_INITRAMFS, one));
	viso_root_unref(root);
	/* Another one, built at another time. */
	assert_int_equal(root_shell("sleep 1.1"), 0);
	root = root_of(tree);
	assert_ok(viso_image_write(root, VISO_IMAGE_INITRAMFS, two));
	assert_same_file(one, two);
	assert_ok(viso_image_write(root, VISO_IMAGE_INITRAMFS, two));
	assert_same_file(one, two);
	viso_root_unref(root);
	free(tree);
	free(one);
	free(two);
}

static void test_all_belongs_to_root_but_what_is_said_to(void **state)
{
	skip_without_cpio();
	char *archive = root_path_of("%s/a.tar", root_scratch), *image = root_path_of("%s/image", root_scratch);
	viso_root *root = viso_root_new();
	assert_int_equal(
		root_shell("cd %s && echo x >mine && tar -cf %s --owner=1234 --group=5678 mine", root_scratch, archive),
		0);
	assert_ok(viso_root_add_archive(root, archive, NULL));
	assert_ok(viso_root_add_data(root, "/other", "x", 1, 0644));
	assert_ok(viso_image_write(root, VISO_IMAGE_INITRAMFS, image));
	char *list = root_shell_output("cpio --quiet -itvn <%s | awk '{print $1, $2, $3, $4, $NF}'", image);
	assert_non_null(strstr(list, "-rw-r--r-- 1 1234 5678 mine\n"));
	assert_non_null(strstr(list, "-rw-r--r-- 1 0 0 other\n"));
	assert_non_null(strstr(list, "crw-rw-rw- 1 0 0 dev/null\n"));
	assert_non_null(strstr(list, "drwxr-xr-x 2 0 0 etc\n"));
	char *device = root_shell_output("cpio --quiet -itvn <%s | grep dev/urandom", image);
	assert_non_null(strstr(device, "1,"));
	assert_non_null(strstr(device, " 9 "));
	viso_root_unref(root);
	free(device);
	free(list);
	free(archive);
	free(image);
}

static void add_socket(const char *tree)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", tree);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(
		root_shell(
			"mkfifo '%s/deep/fi.fo' && mkdir %s/.viso %s/deep/.viso && : >%s/.viso/x && : >%s/deep/.viso/x",
			tree, tree, tree, tree, tree),
		0);
}

#define NOT_PACKED "! -name socket ! -name fi.fo ! -path './.viso*'"

static void test_a_directory_is_packed_as_it_is(void **state)
{
	skip_without_cpio();
	char *tree = make_tree("tree"), *image = root_path_of("%s/image", root_scratch);
	viso_root *root = viso_root_new();
	add_socket(tree);
	if (geteuid() == 0)
		assert_int_equal(chown(tree, 77, 78), 0);
	assert_ok(viso_root_use_directory(root, tree));
	assert_ok(viso_image_write(root, VISO_IMAGE_INITRAMFS, image));
	char *unpacked = unpack(image);
	assert_same_tree(tree, unpacked, NOT_PACKED);
	assert_int_equal(root_shell("test -e %s/deep/.viso/x -a ! -e %s/.viso -a ! -e %s/socket -a ! -e %s/deep/fi.fo",
				    unpacked, unpacked, unpacked, unpacked),
			 0);
	char *list = root_shell_output("cpio --quiet -itvn <%s | awk '{print $3, $4, $NF}' | head -1", image);
	char *expected = geteuid() == 0 ? strdup("77 78 .\n") : root_path_of("%u %u .\n", geteuid(), getegid());
	assert_string_equal(list, expected);
	viso_root_unref(root);
	free(expected);
	free(list);
	free(unpacked);
	free(image);
	free(tree);
}

static void test_large_files_are_refused(void **state)
{
	char *tree = root_path_of("%s/tree", root_scratch), *out = root_path_of("%s/out", root_scratch);
	char *image = root_path_of("%s/image", out);
	viso_root *root = viso_root_new();
	assert_int_equal(root_shell("mkdir %s %s && truncate -s 4G %s/large", tree, out, tree), 0);
	root_write_text(image, "what was there", 0600);
	assert_ok(viso_root_use_directory(root, tree));
	assert_fails(viso_image_write(root, VISO_IMAGE_INITRAMFS, image), EFBIG, VISO_STAGE_IMAGE, "large");
	/* What was there is there. */
	assert_nothing_else(out, 1);
	char *text = root_read_file(image, NULL);
	assert_string_equal(text, "what was there");
	viso_root_unref(root);
	free(text);
	free(tree);
	free(out);
	free(image);
}

/* Mounts an image, compares, and unmounts, in a child with mounts of its own. */
struct comparison {
	const char *image;
	const char *tree;
	const char *except;
};

static int compare_mounted(void *argument)
{
	const struct comparison *comparison = argument;
	char *point = root_path_of("%s/mounted", root_scratch);
	mkdir(point, 0700);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 2;
	if (root_shell("mount -t erofs -o loop,ro %s %s 2>/dev/null", comparison->image, point) != 0)
		return 2;
	char *a = listing_of(comparison->tree, comparison->except), *b = listing_of(point, comparison->except);
	int r = strcmp(a, b) != 0 || strlen(a) < 100;
	if (r)
		fprintf(stderr, "%s--\n%s", a, b);
	char *owners = root_shell_output("cd %s && find . ! -uid 0 -printf '%%p %%U %%G\\n'", point);
	if (strcmp(owners, "./mine 1234 5678\n") && owners[0])
		r = 1;
	root_shell("umount %s", point);
	return r;
}

static void assert_mounted_is_the_same(const char *image, const char *tree, const char *except)
{
	struct comparison comparison = {.image = image, .tree = tree, .except = except};
	int r = geteuid() == 0 ? root_in_child(false, compare_mounted, &comparison) : 2;
	if (r == 2) {
		char *out = root_path_of("%s/extracted", root_scratch);
		assert_int_equal(root_shell("fsck.erofs --extract=%s --no-preserve %s >/dev/null", out, image), 0);
		free(out);
		return;
	}
	assert_int_equal(r, 0);
}

/* Whether a jail over the host's root can be started, as whoever this is. */
static void skip_without_jail(void)
{
	viso_root *root = viso_root_new();
	viso_jail *jail = viso_jail_new();
	viso_command *command = viso_command_new("/bin/true");
	viso_result *result = NULL;
	assert_ok(viso_root_use_directory(root, "/"));
	assert_ok(viso_jail_set_root(jail, root));
	assert_ok(viso_command_set_user(command, geteuid(), getegid()));
	int r = viso_sandbox_run(viso_jail_sandbox(jail), command, &result);
	viso_result_unref(result);
	viso_command_unref(command);
	viso_jail_unref(jail);
	viso_root_unref(root);
	skip_without(r == 0, "jails");
}

static void test_an_erofs_has_the_tree(void **state)
{
	skip_without_erofs();
	skip_without_jail();
	char *tree = make_tree("tree"), *one = root_path_of("%s/one", root_scratch),
	     *two = root_path_of("%s/two", root_scratch);
	char *archive = root_path_of("%s/a.tar", root_scratch);
	assert_int_equal(root_shell("cd %s && echo x >mine && touch -d @1000002 mine && "
				    "tar -cf %s --owner=1234 --group=5678 mine",
				    root_scratch, archive),
			 0);
	viso_root *root = root_of(tree);
	assert_ok(viso_root_add_archive(root, archive, NULL));
	assert_ok(viso_image_write(root, VISO_IMAGE_EROFS, one));
	assert_mounted_is_the_same(one, viso_root_path(root),
				   "! -path ./etc/data ! -path ./etc/passwd ! -path ./etc/group");
	viso_root_unref(root);
	assert_int_equal(root_shell("sleep 1.1"), 0);
	root = root_of(tree);
	assert_ok(viso_root_add_archive(root, archive, NULL));
	assert_ok(viso_image_write(root, VISO_IMAGE_EROFS, two));
	assert_same_file(one, two);
	viso_root_unref(root);
	free(archive);
	free(tree);
	free(one);
	free(two);
}

static void test_an_erofs_of_a_directory(void **state)
{
	skip_without_erofs();
	skip_without_jail();
	char *tree = make_tree("tree"), *image = root_path_of("%s/image", root_scratch);
	viso_root *root = viso_root_new();
	add_socket(tree);
	assert_ok(viso_root_use_directory(root, tree));
	assert_ok(viso_image_write(root, VISO_IMAGE_EROFS, image));
	assert_int_equal(root_shell("rm -rf %s/.viso %s/socket %s/deep/fi.fo", tree, tree, tree), 0);
	assert_mounted_is_the_same(image, tree, "");
	viso_root_unref(root);
	free(image);
	free(tree);
}

/* What root may read only since it is root. */
static void test_an_erofs_of_private_files(void **state)
{
	skip_without_erofs();
	viso_jail *jail = viso_jail_new();
	int r = viso_jail_set_hardening(jail, 0);
	viso_jail_unref(jail);
	skip_without(r == 0 && geteuid() == 0, "root, and jails without hardening");
	char *archive = root_path_of("%s/a.tar", root_scratch), *image = root_path_of("%s/image", root_scratch);
	assert_int_equal(
		root_shell("cd %s && echo x >mine && chmod 600 mine && tar -cf %s --owner=1234 --group=5678 mine",
			   root_scratch, archive),
		0);
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_archive(root, archive, NULL));
	assert_ok(viso_image_write(root, VISO_IMAGE_EROFS, image));
	assert_mounted_is_the_same(image, viso_root_path(root), "! -path ./etc/passwd ! -path ./etc/group");
	viso_root_unref(root);
	free(archive);
	free(image);
}

static void test_mkfs_must_be_there(void **state)
{
	skip_without(geteuid() == 0, "root");
	skip_without(access("/usr/bin/mkfs.erofs", X_OK) == 0, "/usr/bin/mkfs.erofs");
	skip_without(unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0,
		     "mount namespaces");
	char *image = root_path_of("%s/image", root_scratch);
	viso_root *root = viso_root_new();
	assert_int_equal(mount("/dev/null", "/usr/bin/mkfs.erofs", NULL, MS_BIND, NULL), 0);
	int r = viso_image_write(root, VISO_IMAGE_EROFS, image);
	assert_int_equal(umount("/usr/bin/mkfs.erofs"), 0);
	assert_int_equal(r, -ENOENT);
	assert_non_null(strstr(viso_error_message(), "erofs-utils"));
	viso_root_unref(root);
	assert_nothing_else(root_scratch, 0);
	free(image);
}

static void test_a_full_disk_leaves_nothing(void **state)
{
	skip_without(geteuid() == 0, "root");
	skip_without(unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0,
		     "mount namespaces");
	char *tree = make_tree("tree"), *small = root_path_of("%s/small", root_scratch),
	     *image = root_path_of("%s/image", small);
	viso_root *root = root_of(tree);
	assert_int_equal(mkdir(small, 0700), 0);
	assert_int_equal(mount("tmpfs", small, "tmpfs", 0, "size=65536"), 0);
	assert_fails(viso_image_write(root, VISO_IMAGE_INITRAMFS, image), ENOSPC, VISO_STAGE_IMAGE, "");
	assert_nothing_else(small, 0);
	if (access("/usr/bin/mkfs.erofs", X_OK) == 0) {
		assert_fails(viso_image_write(root, VISO_IMAGE_EROFS, image), EIO, VISO_STAGE_IMAGE, "mkfs.erofs");
		assert_nothing_else(small, 0);
	}
	assert_int_equal(umount(small), 0);
	viso_root_unref(root);
	free(tree);
	free(small);
	free(image);
}

/* What the root is for: a program with all that it needs, out of the image. */
static void test_a_program_runs_out_of_it(void **state)
{
	skip_without(geteuid() == 0, "root");
	skip_without_cpio();
	static const char *const argv[] = {"/bin/sh", "-c",
					   "echo $((6 * 7)); test -c /dev/null && cat /etc/passwd | wc -l", NULL};
	char *image = root_path_of("%s/image", root_scratch), *output;
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_program(root, "/bin/sh"));
	assert_ok(viso_root_add_program(root, "cat"));
	assert_ok(viso_root_add_program(root, "wc"));
	assert_ok(viso_image_write(root, VISO_IMAGE_INITRAMFS, image));
	char *unpacked = unpack(image);
	assert_int_equal(root_chroot_run(unpacked, &output, argv), 0);
	assert_string_equal(output, "42\n3\n");
	viso_root_unref(root);
	free(output);
	free(unpacked);
	free(image);
}

/* Exchanges two files of a tree, as a program in it may. */
static void *exchange(void *argument)
{
	char *one = root_path_of("%s/tree/one", root_scratch), *two = root_path_of("%s/tree/two", root_scratch);
	while (!atomic_load((const atomic_bool *)argument))
		renameat2(AT_FDCWD, one, AT_FDCWD, two, RENAME_EXCHANGE);
	free(one);
	free(two);
	return NULL;
}

static void test_no_file_gets_the_mode_of_another(void **state)
{
	skip_without_cpio();
	char *tree = root_path_of("%s/tree", root_scratch), *image = root_path_of("%s/image", root_scratch);
	assert_int_equal(root_shell("mkdir %s && cd %s && echo good >one && chmod 4755 one && echo evil >two && "
				    "chmod 600 two && mkdir ../out",
				    tree, tree),
			 0);
	atomic_bool stop = false;
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, exchange, &stop), 0);
	int wrong = 0;
	for (int i = 0; i < 3000 && !wrong; i++) {
		viso_root *root = viso_root_new();
		assert_ok(viso_root_use_directory(root, tree));
		int r = viso_image_write(root, VISO_IMAGE_INITRAMFS, image);
		viso_root_unref(root);
		if (r == 0) {
			size_t size;
			char *text = root_read_file(image, &size);
			/* The field for the mode, and the contents behind the name. */
			for (char *at = text; (at = memmem(at, size - (size_t)(at - text), "070701", 6)); at++)
				wrong |= !memcmp(at + 14, "000089ED", 8) && memmem(at, 130, "evil", 4);
			free(text);
		}
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(wrong, 0);
	free(tree);
	free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bad_arguments_are_refused, root_set_up, root_tear_down),
		cmocka_unit_test_setup_teardown(test_an_initramfs_has_the_tree, root_set_up, root_tear_down),
		cmocka_unit_test_setup_teardown(test_the_same_root_gives_the_same_bytes, root_set_up, root_tear_down),
		cmocka_unit_test_setup_teardown(test_all_belongs_to_root_but_what_is_said_to, root_set_up,
						root_tear_down),
		cmocka_unit_test_setup_teardown(test_a_directory_is_packed_as_it_is, root_set_up, root_tear_down),
		cmocka_unit_test_setup_teardown(test_large_files_are_refused, root_set_up, root_tear_down),
		cmocka_unit_test_setup_teardown(test_an_erofs_has_the_tree, root_set_up, root_tear_down),
		cmocka_unit_test_setup_teardown(test_an_erofs_of_a_directory, root_set_up, root_tear_down),
		cmocka_unit_test_setup_teardown(test_an_erofs_of_private_files, root_set_up, root_tear_down),
		cmocka_unit_test_setup_teardown(test_mkfs_must_be_there, root_set_up, root_tear_down),
		cmocka_unit_test_setup_teardown(test_a_full_disk_leaves_nothing, root_set_up, root_tear_down),
		cmocka_unit_test_setup_teardown(test_no_file_gets_the_mode_of_another, root_set_up, root_tear_down),
		cmocka_unit_test_setup_teardown(test_a_program_runs_out_of_it, root_set_up, root_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
