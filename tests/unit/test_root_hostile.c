/* SPDX-License-Identifier: MIT */
/* Bad input: trees and files that somebody else made to do harm, and trees that change while they are copied. */
#include "test_root_support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2
#endif

static char *scratch, *tree;

static int set_up(void **state)
{
	support_set_temporary(NULL);
	scratch = support_temporary_directory();
	support_set_temporary(scratch);
	tree = root_path_of("%s/tree", scratch);
	/* What hangs is to fail. */
	support_time_limit(100);
	return mkdir(tree, 0755);
}

static int tear_down(void **state)
{
	int left = root_count_left(scratch);
	support_time_limit(0);
	support_set_temporary(NULL);
	support_remove_tree(scratch);
	free(scratch);
	free(tree);
	return left;
}

/* A path in the tree; it is freed with the next but seven. */
static const char *in_tree(const char *name)
{
	static char paths[8][PATH_MAX];
	static unsigned next;
	char *path = paths[next++ % 8];
	snprintf(path, PATH_MAX, "%s/%s", tree, name);
	return path;
}

static void link_in_tree(const char *to, const char *name)
{
	assert_int_equal(symlink(to, in_tree(name)), 0);
}

static bool is_link(const viso_root *root, const char *path)
{
	struct stat st;
	return root_lstat(viso_root_path((viso_root *)root), path, &st) == 0 && S_ISLNK(st.st_mode);
}

/* A failure must be one of those that the header names. */
static void assert_one_of(int r, const int *errors)
{
	for (; *errors; errors++)
		if (r == -*errors)
			return;
	print_error("%d: %s\n", r, viso_error_message());
	fail();
}

/* jailkit 2.23 copies a program without the library that it cannot find, and says nothing. */
static void test_missing_library_names_both_sides(void **state)
{
	size_t size;
	char *program = root_read_file("/bin/cat", &size);
	char *name = memmem(program, size, "libc.so.6", 9);
	skip_without(name, "a /bin/cat that is dynamic");
	memcpy(name, "libQ.so.6", 9);
	root_write_file(in_tree("program"), program, size, 0755);
	viso_root *root = viso_root_new();
	assert_fails(viso_root_add_program(root, in_tree("program")), ENOENT, VISO_STAGE_ROOT, "libQ.so.6");
	assert_non_null(strstr(viso_error_message(), "libQ.so.6"));
	assert_non_null(strstr(viso_error_message(), in_tree("program")));
	viso_root_unref(root);
	free(program);
}

static void test_links_without_an_end(void **state)
{
	static const int refusals[] = {ELOOP, ENOENT, EACCES, 0};
	link_in_tree("b", "a");
	link_in_tree("a", "b");
	link_in_tree("self", "self");
	link_in_tree(".", "here");
	link_in_tree("../tree", "again");
	viso_root *root = viso_root_new();
	assert_one_of(viso_root_add_program(root, in_tree("a")), refusals);
	assert_one_of(viso_root_add_file(root, in_tree("self"), "/x"), refusals);
	assert_one_of(viso_root_add_directory(root, in_tree("b"), "/y"), refusals);
	/* As links among others they are what they are. */
	assert_ok(viso_root_add_directory(root, tree, "/links"));
	assert_ok(viso_root_build(root));
	assert_true(is_link(root, "/links/a") && is_link(root, "/links/self") && is_link(root, "/links/here") &&
		    is_link(root, "/links/again"));
	viso_root_unref(root);
}

/* In the root as in the tree: what is added behind such links must not go round for ever. */
static void test_targets_behind_links_without_an_end(void **state)
{
	static const int refusals[] = {ELOOP, EEXIST, ENOENT, EINVAL, EACCES, 0};
	link_in_tree("b", "a");
	link_in_tree("a", "b");
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_directory(root, tree, "/"));
	assert_one_of(viso_root_add_data(root, "/a/x", "x", 1, 0644), refusals);
	assert_one_of(viso_root_add_file(root, "/etc/passwd", "/b/c/d"), refusals);
	assert_ok(viso_root_build(root));
	viso_root_unref(root);
}

static void test_dangling_links(void **state)
{
	link_in_tree("no/such", "dangling");
	link_in_tree("/no/such", "absolute");
	link_in_tree("../../../../../../../../etc/shadow", "above");
	viso_root *root = viso_root_new();
	assert_fails(viso_root_add_program(root, in_tree("dangling")), ENOENT, VISO_STAGE_ROOT, "dangling");
	assert_fails(viso_root_add_file(root, in_tree("absolute"), "/x"), ENOENT, VISO_STAGE_ROOT, "absolute");
	assert_fails(viso_root_add_directory(root, in_tree("dangling"), "/x"), ENOENT, VISO_STAGE_ROOT, "dangling");
	assert_ok(viso_root_add_directory(root, tree, "/links"));
	/* Behind a dangling link, in the root. */
	assert_ok(viso_root_add_data(root, "/links/above/file", "mine", 4, 0644));
	assert_ok(viso_root_build(root));
	assert_true(is_link(root, "/links/dangling") && is_link(root, "/links/absolute"));
	assert_true(root_has_file(viso_root_path(root), "/etc/shadow/file"));
	viso_root_unref(root);
}

static void make_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(strlen(path) < sizeof(address.sun_path));
	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
}

/* Opening a FIFO waits for its other end; reading a device may do anything. */
static void test_what_is_no_file(void **state)
{
	static const int refusals[] = {EACCES, ENOEXEC, EINVAL, 0};
	const char *names[] = {in_tree("fifo"), in_tree("socket"), "/dev/zero", "/dev/tty", tree};
	assert_int_equal(mkfifo(names[0], 0777), 0);
	make_socket(names[1]);
	assert_int_equal(chmod(names[1], 0777), 0);
	viso_root *root = viso_root_new();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_one_of(viso_root_add_program(root, names[i]), refusals);
		assert_fails(viso_root_add_file(root, names[i], "/x"), EINVAL, VISO_STAGE_ROOT, names[i]);
	}
	assert_ok(viso_root_add_directory(root, tree, "/tree"));
	assert_ok(viso_root_build(root));
	struct stat st;
	assert_int_equal(root_lstat(viso_root_path(root), "/tree", &st), 0);
	assert_int_equal(root_lstat(viso_root_path(root), "/tree/fifo", &st), -1);
	assert_int_equal(root_lstat(viso_root_path(root), "/tree/socket", &st), -1);
	viso_root_unref(root);
}

/* They say that they are regular and empty. One has no end to speak of, one cannot be read, one waits for news. */
static void test_files_of_proc(void **state)
{
	static const int failures[] = {EACCES, EIO, EINVAL, ENOENT, ENOSPC, EAGAIN, 0};
	static const char *const files[] = {"/proc/self/pagemap",      "/proc/self/mem",     "/proc/kmsg",
					    "/proc/self/attr/current", "/proc/self/environ", "/proc/kallsyms",
					    "/proc/self/clear_refs"};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		viso_root *root = viso_root_new();
		int r = viso_root_add_file(root, files[i], "/file");
		if (r == 0)
			r = viso_root_build(root);
		if (r < 0)
			assert_one_of(r, failures);
		viso_root_unref(root);
	}
}

/* It is readable, has no end, and no writer that could be stopped. */
static void test_a_file_that_waits(void **state)
{
	int fd = open("/proc/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	skip_without(fd >= 0, "a /proc/kmsg that can be read");
	close(fd);
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_file(root, "/proc/kmsg", "/file"));
	assert_int_equal(viso_root_build(root), -EACCES);
	assert_non_null(strstr(viso_error_message(), "waits for news"));
	viso_root_unref(root);
}

static void test_a_directory_of_proc(void **state)
{
	static const int failures[] = {EACCES, EIO, EINVAL, ENOENT, ENOSPC, ENAMETOOLONG, EAGAIN, 0};
	viso_root *root = viso_root_new();
	int r = viso_root_add_directory(root, "/proc/sys", "/sys-of-the-host");
	if (r == 0)
		r = viso_root_build(root);
	if (r < 0)
		assert_one_of(r, failures);
	viso_root_unref(root);
}

/* A terabyte without a byte, two of them, and one whose only data is at its end. */
static void test_empty_terabytes(void **state)
{
	static const char *const names[] = {"one", "two", "end"};
	const off_t size = (off_t)1 << 40;
	struct stat st;
	for (int i = 0; i < 3; i++) {
		int fd = open(in_tree(names[i]), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		bool made = ftruncate(fd, size) == 0 && (i < 2 || pwrite(fd, "end", 3, size - 3) == 3);
		close(fd);
		skip_without(made, "a file system with files of a terabyte");
	}
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_directory(root, tree, "/large"));
	assert_ok(viso_root_build(root));
	for (int i = 0; i < 3; i++) {
		char *path = root_path_of("/large/%s", names[i]);
		assert_int_equal(root_lstat(viso_root_path(root), path, &st), 0);
		assert_int_equal(st.st_size, size);
		assert_true(st.st_blocks <= 64);
		free(path);
	}
	viso_root_unref(root);
}

/* A shell would take them for more than names, as it did with jailkit 2.23. */
static void test_names_of_programs(void **state)
{
	static const char *const names[] = {
		"a;touch pwned;b",
		"$(touch pwned)",
		"`touch pwned`",
		"|touch pwned",
		"-rf",
		"--help",
		"two\nlines",
		"'quoted\"",
		" ",
		"\xff\xfe\x80",
		"%s%n",
		"\\",
		"*",
		"~root",
	};
	char longest[NAME_MAX + 1];
	viso_root *root = viso_root_new();
	memset(longest, 'n', NAME_MAX);
	longest[NAME_MAX] = '\0';
	for (size_t i = 0; i <= sizeof(names) / sizeof(names[0]); i++) {
		const char *name = i < sizeof(names) / sizeof(names[0]) ? names[i] : longest;
		root_write_text(in_tree(name), "#!/bin/sh\n", 0755);
		assert_ok(viso_root_add_program(root, in_tree(name)));
		char *directory = root_path_of("%s/in %s", tree, name);
		if (mkdir(directory, 0755) == 0) {
			char *file = root_path_of("%s/%s", directory, name);
			root_write_text(file, name, 0644);
			assert_ok(viso_root_add_file(root, file, NULL));
			free(file);
		}
		free(directory);
	}
	assert_ok(viso_root_build(root));
	for (size_t i = 0; i <= sizeof(names) / sizeof(names[0]); i++) {
		const char *path = in_tree(i < sizeof(names) / sizeof(names[0]) ? names[i] : longest);
		assert_true(root_same_file(viso_root_path(root), path, path));
	}
	assert_int_equal(access("pwned", F_OK), -1);
	viso_root_unref(root);
}

/* Deeper than a path can be long: it cannot be named, so it cannot be built; the stack and the fds hold out. */
static void test_a_very_deep_tree(void **state)
{
	enum { LEVELS = 10000 };
	int fd = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < LEVELS; i++) {
		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		int below = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(below >= 0);
		close(fd);
		fd = below;
	}
	close(fd);
	viso_root *root = viso_root_new();
	assert_fails(viso_root_add_directory(root, tree, "/deep"), ENAMETOOLONG, VISO_STAGE_ROOT, "/d/d");
	/* Nothing of it was added. */
	assert_ok(viso_root_build(root));
	struct stat st;
	assert_int_equal(root_lstat(viso_root_path(root), "/deep", &st), -1);
	viso_root_unref(root);
	assert_int_equal(root_shell("rm -r '%s/d'", tree), 0);
}

/* As long as a path on the host can be, so that the one in the root is longer. */
static void test_a_path_of_full_length(void **state)
{
	char path[PATH_MAX];
	size_t length = (size_t)snprintf(path, sizeof(path), "%s", tree);
	while (length < PATH_MAX - 3) {
		strcpy(path + length, "/d");
		assert_int_equal(mkdir(path, 0755), 0);
		length += 2;
	}
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_directory(root, tree, "/x"));
	assert_ok(viso_root_add_directory(root, tree, NULL));
	assert_ok(viso_root_build(root));
	struct stat st;
	assert_int_equal(root_lstat(viso_root_path(root), path, &st), 0);
	viso_root_unref(root);
}

/* What a thread does again and again while roots are built. */
struct racer {
	pthread_t thread;
	atomic_bool stop;
	const char *one, *other;
	int fd;
};

static void start(struct racer *racer, void *(*function)(void *))
{
	assert_int_equal(pthread_create(&racer->thread, NULL, function, racer), 0);
}

static void stop(struct racer *racer)
{
	atomic_store(&racer->stop, true);
	pthread_join(racer->thread, NULL);
}

enum { CHANGING_SIZE = 4 << 20, PAGE = 4096, BUILDS = 12 };

static char next_letter(char letter)
{
	return letter == 'z' || letter == '\0' ? 'a' : (char)(letter + 1);
}

/* All of one letter, then all of the next, a page at a time. */
static void *write_letters(void *argument)
{
	struct racer *racer = argument;
	static char page[PAGE];
	for (char letter = 'a'; !atomic_load(&racer->stop); letter = next_letter(letter)) {
		memset(page, letter, sizeof(page));
		for (off_t at = 0; at < CHANGING_SIZE; at += PAGE)
			if (pwrite(racer->fd, page, PAGE, at) != PAGE)
				return argument;
		/* It is not always written to. */
		usleep(2000);
	}
	return NULL;
}

/* Grows and shrinks: what is there is always the same letter. */
static void *cut_and_grow(void *argument)
{
	struct racer *racer = argument;
	static char block[1 << 20];
	memset(block, 'x', sizeof(block));
	while (!atomic_load(&racer->stop)) {
		if (ftruncate(racer->fd, 0) < 0)
			return argument;
		for (off_t at = 0; at < CHANGING_SIZE; at += (off_t)sizeof(block))
			if (pwrite(racer->fd, block, sizeof(block), at) != sizeof(block))
				return argument;
		usleep(2000);
	}
	return NULL;
}

/* Whether the file was so at some time: of one letter, or up to some page of the next one. */
static bool is_of_one_time(const viso_root *root, const char *path)
{
	size_t size = 0, i = 1;
	char *file = root_path_of("%s%s", viso_root_path((viso_root *)root), path);
	char *data = root_read_file(file, &size);
	while (i < size && data[i] == data[0])
		i++;
	bool good = i >= size || (i % PAGE == 0 && data[0] == next_letter(data[i]));
	for (size_t j = i; j < size && good; j++)
		good = data[j] == data[i];
	free(data);
	free(file);
	return good;
}

/* What is in the root was in the file at some time, or building fails. */
static void while_it_changes(void *(*change)(void *))
{
	static const int failures[] = {EIO, EAGAIN, EBUSY, ENOENT, 0};
	struct racer racer = {.fd = open(in_tree("changing"), O_RDWR | O_CREAT | O_CLOEXEC, 0644)};
	int built = 0, torn = 0;
	assert_int_equal(ftruncate(racer.fd, CHANGING_SIZE), 0);
	start(&racer, change);
	for (int i = 0; i < BUILDS; i++) {
		viso_root *root = viso_root_new();
		assert_ok(viso_root_add_file(root, in_tree("changing"), "/file"));
		int r = viso_root_build(root);
		if (r < 0)
			assert_one_of(r, failures);
		built += r == 0;
		torn += r == 0 && !is_of_one_time(root, "/file");
		viso_root_unref(root);
	}
	stop(&racer);
	close(racer.fd);
	printf("# %d of %d built, %d torn\n", built, BUILDS, torn);
	assert_int_equal(torn, 0);
}

static void test_a_file_that_changes_while_it_is_copied(void **state)
{
	while_it_changes(write_letters);
}

static void test_a_file_that_shrinks_and_grows_while_it_is_copied(void **state)
{
	while_it_changes(cut_and_grow);
}

static void *exchange(void *argument)
{
	struct racer *racer = argument;
	while (!atomic_load(&racer->stop))
		renameat2(AT_FDCWD, racer->one, AT_FDCWD, racer->other, RENAME_EXCHANGE);
	return NULL;
}

/* Where a directory becomes a link to the host's while it is read, none of the host's files come along. */
static void test_a_directory_that_becomes_a_link(void **state)
{
	char *outside = root_path_of("%s/outside", scratch), *secret = root_path_of("%s/outside/file", scratch);
	char *link = root_path_of("%s/link", scratch), *directory = root_path_of("%s/inner", tree);
	char *file = root_path_of("%s/inner/file", tree);
	assert_int_equal(mkdir(outside, 0755), 0);
	assert_int_equal(mkdir(directory, 0755), 0);
	root_write_text(secret, "secret", 0644);
	root_write_text(file, "public", 0644);
	assert_int_equal(symlink(outside, link), 0);
	skip_without(renameat2(AT_FDCWD, directory, AT_FDCWD, link, RENAME_EXCHANGE) == 0,
		     "RENAME_EXCHANGE on the file system of the test");
	struct racer racer = {.one = directory, .other = link};
	start(&racer, exchange);
	for (int i = 0; i < 150; i++) {
		viso_root *root = viso_root_new();
		int r = viso_root_add_directory(root, tree, "/tree");
		if (r == 0)
			r = viso_root_build(root);
		if (r == 0)
			assert_false(root_same_file(viso_root_path(root), "/tree/inner/file", secret));
		viso_root_unref(root);
	}
	stop(&racer);
	free(outside);
	free(secret);
	free(link);
	free(directory);
	free(file);
}

/* In the directory itself, or in one of it that is no link: it must not be the planter who writes through his own
 * links. */
static int open_place(const char *root, const char *inner)
{
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int below = inner ? openat(fd, inner, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : fd;
	if (inner)
		close(fd);
	return below;
}

/* Puts links to `other` where the builder is about to make directories, and takes some away again. */
static void *plant(void *argument)
{
	static const struct {
		const char *inner, *name;
	} places[] = {{NULL, "etc"}, {"usr", "bin"},  {NULL, "usr"}, {"usr", "lib"},
		      {NULL, "dev"}, {"etc", "file"}, {NULL, "proc"}};
	struct racer *racer = argument;
	for (unsigned i = 0; !atomic_load(&racer->stop); i++) {
		int fd = open_place(racer->one, places[i % 7].inner);
		if (fd >= 0 && symlinkat(racer->other, fd, places[i % 7].name) == 0 && i % 3 == 0)
			unlinkat(fd, places[i % 7].name, 0);
		if (fd >= 0)
			close(fd);
	}
	return NULL;
}

static int count_entries(const char *path)
{
	int count = -2;
	DIR *dir = opendir(path);
	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* jailkit 2.23 writes wherever a link leads that somebody has put into the tree. */
static void test_a_link_planted_while_it_is_built(void **state)
{
	char *victim = root_path_of("%s/victim", scratch), *named = root_path_of("%s/named", scratch);
	int built = 0;
	assert_int_equal(mkdir(victim, 0777), 0);
	for (int i = 0; i < 40; i++) {
		struct racer racer = {.one = named, .other = victim};
		assert_int_equal(mkdir(named, 0777), 0);
		viso_root *root = viso_root_new();
		assert_ok(viso_root_add_data(root, "/etc/file", "x", 1, 0644));
		assert_ok(viso_root_add_data(root, "/usr/bin/file", "x", 1, 0755));
		assert_ok(viso_root_add_data(root, "/usr/lib/a/b/c/file", "x", 1, 0644));
		assert_ok(viso_root_set_path(root, named));
		start(&racer, plant);
		int r = viso_root_build(root);
		stop(&racer);
		built += r == 0;
		viso_root_unref(root);
		assert_int_equal(count_entries(victim), 0);
		support_remove_tree(named);
	}
	printf("# %d of 40 built\n", built);
	free(victim);
	free(named);
}

/* jailkit 2.23 makes another device of one whose number does not fit into the old 16 bits. */
static void test_a_device_with_a_large_number(void **state)
{
	const dev_t number = makedev(1, 70000);
	skip_without(geteuid() == 0, "root, to make a device");
	skip_without(mknod(in_tree("device"), S_IFCHR | 0640, number) == 0, "device nodes with any number");
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_device(root, in_tree("device")));
	assert_ok(viso_root_build(root));
	struct stat st;
	assert_int_equal(root_lstat(viso_root_path(root), in_tree("device"), &st), 0);
	assert_int_equal(st.st_mode, S_IFCHR | 0640);
	assert_int_equal(st.st_rdev, number);
	viso_root_unref(root);
}

/* Files of the host are not linked into a root: there a program could make the host's inode setuid. */
static void test_no_file_of_the_host_is_shared(void **state)
{
	struct stat host, inside;
	root_write_text(in_tree("setuid"), "x", 06755);
	assert_int_equal(stat(in_tree("setuid"), &host), 0);
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_file(root, in_tree("setuid"), "/file"));
	assert_ok(viso_root_build(root));
	assert_int_equal(root_lstat(viso_root_path(root), "/file", &inside), 0);
	assert_int_not_equal(inside.st_ino, host.st_ino);
	assert_int_equal(inside.st_nlink, 1);
	assert_int_equal(inside.st_mode, S_IFREG | 0755);
	viso_root_unref(root);
}

#define hostile_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		hostile_test(test_missing_library_names_both_sides),
		hostile_test(test_links_without_an_end),
		hostile_test(test_targets_behind_links_without_an_end),
		hostile_test(test_dangling_links),
		hostile_test(test_what_is_no_file),
		hostile_test(test_files_of_proc),
		hostile_test(test_a_file_that_waits),
		hostile_test(test_a_directory_of_proc),
		hostile_test(test_empty_terabytes),
		hostile_test(test_names_of_programs),
		hostile_test(test_a_very_deep_tree),
		hostile_test(test_a_path_of_full_length),
		hostile_test(test_a_file_that_changes_while_it_is_copied),
		hostile_test(test_a_file_that_shrinks_and_grows_while_it_is_copied),
		hostile_test(test_a_directory_that_becomes_a_link),
		hostile_test(test_a_link_planted_while_it_is_built),
		hostile_test(test_a_device_with_a_large_number),
		hostile_test(test_no_file_of_the_host_is_shared),
	};
	return cmocka_run_group_tests_name("root_hostile", tests, NULL, NULL);
}
