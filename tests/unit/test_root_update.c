/* SPDX-License-Identifier: MIT */
/* Updates of a root with a name: what changes, what stays, and what is not the library's. */
#include "test_root_support.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Of each test: sources, and the directory that is built. */
static char *scratch, *source, *path;

static int set_up(void **state)
{
	scratch = support_temporary_directory();
	source = root_path_of("%s/source", scratch);
	path = root_path_of("%s/root", scratch);
	mkdir(source, 0755);
	assert_int_equal(
		root_shell("cd %s && mkdir -p d/e && echo one >d/one && echo two >d/e/two && chmod 755 d/one && "
			   "ln -s one d/link && touch d/empty && touch -d 2001-02-03 d/* d/e/two",
			   source),
		0);
	return 0;
}

/* For hundreds of files again and again, of which fsync(2) would cost most of the time. */
static int set_up_in_memory(void **state)
{
	support_set_temporary(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : NULL);
	return set_up(state);
}

static int tear_down(void **state)
{
	support_set_temporary(NULL);
	root_shell("chmod -R u+rwx %s", scratch);
	support_remove_tree(scratch);
	free(scratch);
	free(source);
	free(path);
	return 0;
}

static viso_root *new_root(void)
{
	viso_root *root = viso_root_new();
	assert_non_null(root);
	assert_ok(viso_root_set_path(root, path));
	return root;
}

static viso_root *usual_root(void)
{
	viso_root *root = new_root();
	char *directory = root_path_of("%s/d", source);
	assert_ok(viso_root_add_directory(root, directory, "/d"));
	assert_ok(viso_root_add_data(root, "/etc/motd", "hello\n", 6, 0640));
	free(directory);
	return root;
}

static int update(viso_root *root)
{
	int count = viso_root_update(root);
	if (count < 0)
		print_error("%s\n", viso_error_message());
	viso_root_unref(root);
	return count;
}

/* Everything in a tree but `.viso`: kinds, modes, times of files, links, contents; with `inodes` whether it is the
 * same. */
static char *snapshot(const char *tree, bool inodes)
{
	return root_shell_output(
		"cd %s && find . -path ./.viso -prune -o -type d -printf '%%P %%y %%m\\n' -o -printf '%%P "
		"%%y %%m %%l %%U %s\\n' | sort; find . -path ./.viso -prune -o -path './d/*' -type f "
		"-printf '%%P %%T@\\n' | sort; find . -path ./.viso -prune -o -type f -print0 | sort -z | "
		"xargs -0 sha256sum",
		tree, inodes ? "%i %C@" : "");
}

static int verify(void)
{
	viso_root *root = viso_root_new();
	assert_ok(viso_root_use_directory(root, path));
	int r = viso_root_verify(root, NULL);
	viso_root_unref(root);
	return r;
}

/* How it would be if it were built now. */
static void assert_as_new(viso_root *(*make)(void))
{
	char *kept = path;
	path = root_path_of("%s/fresh", scratch);
	viso_root *root = make();
	assert_ok(viso_root_build(root));
	viso_root_unref(root);
	char *fresh = snapshot(path, false), *updated = snapshot(kept, false);
	assert_string_equal(fresh, updated);
	root_shell("chmod -R u+rwx %s", path);
	support_remove_tree(path);
	free(path);
	path = kept;
	free(fresh);
	free(updated);
	assert_int_equal(verify(), 0);
}

static void test_update_builds_what_is_not_there(void **state)
{
	assert_true(update(usual_root()) > 8);
	assert_as_new(usual_root);
	char *before = snapshot(path, true);
	assert_int_equal(update(usual_root()), 0);
	usleep(30000);
	assert_int_equal(update(usual_root()), 0);
	char *after = snapshot(path, true);
	assert_string_equal(before, after);
	free(before);
	free(after);
}

static void test_only_what_changed_is_changed(void **state)
{
	viso_root *root = usual_root();
	assert_ok(viso_root_build(root));
	viso_root_unref(root);
	assert_int_equal(root_shell("echo three >%s/d/one", source), 0);
	assert_int_equal(update(usual_root()), 1);
	assert_as_new(usual_root);
	assert_int_equal(root_shell("chmod 700 %s/d/one", source), 0);
	assert_int_equal(update(usual_root()), 1);
	assert_int_equal(root_shell("cd %s/d && rm link && ln -s e link", source), 0);
	assert_int_equal(update(usual_root()), 1);
	assert_int_equal(root_shell("cd %s/d && rm empty && rm -r e && echo e >e", source), 0);
	/* "empty", "e/two", "e" are gone, and "e" is new. */
	assert_true(update(usual_root()) >= 3);
	assert_as_new(usual_root);
	assert_int_equal(root_shell("cd %s/d && rm e link && mkdir -p e/f link/g && echo >link/g/h", source), 0);
	assert_true(update(usual_root()) >= 4);
	assert_as_new(usual_root);
}

static void test_what_was_changed_by_hand_is_repaired(void **state)
{
	static const char *const damages[] = {
		"echo xxx >d/one; touch -d 2001-02-03 d/one",
		"rm d/one",
		"rm d/one; mkdir d/one",
		"rm d/one; ln -s /etc/passwd d/one",
		"rm d/one; mkfifo d/one",
		"chmod 4777 d/one",
		"rm d/link; echo >d/link",
		"rm d/link; ln -s two d/link",
		"rm -r d/e",
		"rm -r d/e; echo >d/e",
		"rm -r d/e; ln -s / d/e",
		"chmod 700 d/e",
		"touch d/e/two",
		"truncate -s 1T d/e/two",
		"truncate -s 1T etc/motd",
		"echo hallo >etc/motd",
		"rm -r etc d",
	};
	assert_true(update(usual_root()) > 0);
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		assert_int_equal(root_shell("cd %s && { %s; }", path, damages[i]), 0);
		int count = update(usual_root());
		if (count <= 0)
			print_error("%s: %d\n", damages[i], count);
		assert_true(count > 0);
		assert_as_new(usual_root);
		assert_int_equal(update(usual_root()), 0);
	}
	assert_int_equal(root_shell("test -d /etc"), 0);
}

static viso_root *small_root(void)
{
	viso_root *root = new_root();
	assert_ok(viso_root_add_data(root, "/only", "x", 1, 0644));
	return root;
}

static void test_files_of_others_stay(void **state)
{
	assert_true(update(usual_root()) > 0);
	assert_int_equal(root_shell("cd %s && echo mine >d/e/mine && mkdir -m 700 own && echo mine >own/mine", path),
			 0);
	assert_int_equal(update(usual_root()), 0);
	assert_true(update(small_root()) > 0);
	assert_int_equal(
		root_shell("cd %s && test -f d/e/mine -a -f own/mine -a ! -e d/one -a ! -e d/e/two -a -f only", path),
		0);
	assert_int_equal(update(small_root()), 0);
	/* A directory of others is shared, and stays when it is not wanted any more. */
	viso_root *root = new_root();
	assert_ok(viso_root_add_data(root, "/own/ours", "x", 1, 0644));
	assert_true(update(root) > 0);
	assert_int_equal(root_shell("test $(stat -c %%a %s/own) = 700", path), 0);
	assert_int_equal(verify(), 0);
	assert_true(update(small_root()) > 0);
	assert_int_equal(root_shell("cd %s && test -f own/mine -a ! -e own/ours", path), 0);
}

static void check_refused(viso_root *root, const char *part)
{
	char *before = snapshot(path, true);
	assert_fails(viso_root_update(root), EEXIST, VISO_STAGE_ROOT, part);
	viso_root_unref(root);
	char *after = snapshot(path, true);
	assert_string_equal(before, after);
	free(before);
	free(after);
}

static void test_files_of_others_in_the_way_are_refused(void **state)
{
	assert_true(update(small_root()) > 0);
	assert_int_equal(root_shell("cd %s && mkdir d && echo mine >d/one", path), 0);
	check_refused(usual_root(), "/d/one");
	assert_int_equal(root_shell("cd %s && rm -r d && ln -s / d", path), 0);
	check_refused(usual_root(), "/d");
	assert_int_equal(root_shell("cd %s && rm d", path), 0);
	assert_true(update(usual_root()) > 0);
	/* Theirs in a directory of ours that shall become a file. */
	assert_int_equal(root_shell("cd %s && echo mine >d/e/mine", path), 0);
	assert_int_equal(root_shell("cd %s/d && rm -r e && echo e >e", source), 0);
	check_refused(usual_root(), "/d/e/mine");
	assert_int_equal(root_shell("rm %s/d/e/mine", path), 0);
	assert_true(update(usual_root()) > 0);
	assert_as_new(usual_root);
	/* The library's own directory. */
	viso_root *root = new_root();
	assert_ok(viso_root_add_data(root, "/.viso/manifest", "x", 1, 0644));
	check_refused(root, "/.viso");
}

static void test_strange_names_come_back(void **state)
{
	static const char *const names[] = {"/a b",          "/new\nline", "/#hash", "/back\\slash", "/=,*?[x]",
					    "/\xff\xfe\x01", "/quote'\"",  "/.",     "/tab\t",       "/-x"};
	for (int round = 0; round < 2; round++) {
		viso_root *root = new_root();
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (strcmp(names[i], "/.") != 0)
				assert_ok(viso_root_add_data(root, names[i], names[i], strlen(names[i]), 0644));
		int count = update(root);
		assert_true(round ? count == 0 : count > 9);
		assert_int_equal(verify(), 0);
	}
	assert_true(update(small_root()) > 0);
	assert_int_equal(root_shell("test \"$(find %s -type f | wc -l)\" = 5", path), 0);
}

static void test_restricted_directories(void **state)
{
	assert_int_equal(root_shell("cd %s/d && chmod 500 e && chmod 0 .", source), 0);
	if (geteuid() != 0)
		assert_int_equal(root_shell("chmod 500 %s/d", source), 0);
	assert_true(update(usual_root()) > 0);
	assert_as_new(usual_root);
	assert_int_equal(update(usual_root()), 0);
	assert_int_equal(root_shell("chmod 700 %s/d && rm %s/d/one && chmod 500 %s/d", source, source, source), 0);
	assert_true(update(usual_root()) > 0);
	assert_as_new(usual_root);
}

/* Links and directories are swapped in the tree while it is updated. */
static void *swap(void *argument)
{
	char *directory = root_path_of("%s/d", path), *aside = root_path_of("%s/aside", path);
	char *victim = root_path_of("%s/victim", scratch);
	for (const atomic_bool *stop = argument; !atomic_load(stop);) {
		if (!rename(directory, aside)) {
			(void)!symlink(victim, directory);
			usleep(50);
			unlink(directory);
			rename(aside, directory);
		}
		usleep(20);
	}
	free(directory);
	free(aside);
	free(victim);
	return NULL;
}

static void test_nothing_is_written_outside_while_links_are_swapped(void **state)
{
	atomic_bool stop = false;
	pthread_t thread;
	assert_int_equal(root_shell("mkdir %s/victim %s/victim/e", scratch, scratch), 0);
	assert_int_equal(root_shell("cd %s/d && for i in $(seq 60); do echo $i >$i; done", source), 0);
	assert_true(update(usual_root()) > 0);
	assert_int_equal(pthread_create(&thread, NULL, swap, &stop), 0);
	for (int i = 0; i < 60; i++) {
		viso_root *root = i % 2 ? usual_root() : small_root();
		(void)!viso_root_update(root);
		viso_root_unref(root);
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(root_shell("test \"$(find %s/victim | wc -l)\" = 2", scratch), 0);
}

static void test_hostile_records(void **state)
{
	static const char *const records[] = {
		"",
		"#mtree v2.0\n../x size=1\n",
		"#mtree v2.0\n./../x size=1\n",
		"#mtree v2.0\n./x/../../y size=1\n",
		"#mtree v2.0\n./x/ size=1\n",
		"#mtree v2.0\n.//x size=1\n",
		"#mtree v2.0\n./x\\000y size=1\n",
		"#mtree v2.0\n./x\\057y size=99999999999999999999999\n",
		"#mtree v2.0\n./\\056\\056/victim size=1\n",
		"#mtree v2.0\n./b size=1\n./a size=1\n",
		"#mtree v2.0\n./a size=1\n./a size=1\n",
		"#mtree v2.0\n./a type=link\n",
		"#mtree v2.0\n./a size=1 sha256digest=abc\n",
		"#mtree v2.0\n#: 1 2\n",
		"#mtree v2.0\n./a size=1\n#: 1 2 bound\n",
		"#mtree v2.0\n./a size=1",
		"#mtree v2.0\n. type=file\n",
	};
	assert_int_equal(root_shell("echo >%s/victim", scratch), 0);
	assert_true(update(usual_root()) > 0);
	char *record = root_path_of("%s/.viso/manifest", path);
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		root_write_text(record, records[i], 0600);
		viso_root *root = usual_root();
		int r = viso_root_update(root);
		if (r != -EBADMSG)
			print_error("%zu: %d\n", i, r);
		assert_int_equal(r, -EBADMSG);
		viso_root_unref(root);
		assert_int_equal(verify(), -EBADMSG);
		root = viso_root_new();
		assert_ok(viso_root_use_directory(root, path));
		assert_int_equal(viso_root_remove(root), -EBADMSG);
		viso_root_unref(root);
	}
	unlink(record);
	assert_int_equal(mkfifo(record, 0600), 0);
	assert_int_equal(verify(), -EBADMSG);
	unlink(record);
	assert_int_equal(symlink("/etc/passwd", record), 0);
	assert_int_equal(verify(), -EBADMSG);
	assert_int_equal(root_shell("test -f %s/victim", scratch), 0);
	free(record);
}

struct waiting {
	viso_root *root;
	atomic_bool has_returned;
};

/* Until it was heard: before the call there is nothing to be cancelled. */
static void *cancel_often(void *argument)
{
	struct waiting *waiting = argument;
	while (!atomic_load(&waiting->has_returned)) {
		assert_int_equal(viso_root_cancel(waiting->root), 0);
		usleep(1000);
	}
	return NULL;
}

/* The lock is held until the call has returned, so that nothing but the cancel can end its wait. */
static void cancel_who_waits(void)
{
	char *lock = root_path_of("%s/.viso/lock", path);
	int fd = open(lock, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0 && flock(fd, LOCK_EX) == 0);
	struct waiting waiting = {.root = usual_root()};
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, cancel_often, &waiting), 0);
	int r = viso_root_update(waiting.root);
	atomic_store(&waiting.has_returned, true);
	pthread_join(thread, NULL);
	close(fd);
	assert_int_equal(r, -ECANCELED);
	assert_int_equal(viso_root_update(waiting.root), 0);
	viso_root_unref(waiting.root);
	free(lock);
}

static void test_builders_wait_for_each_other(void **state)
{
	pid_t children[6];
	for (size_t i = 0; i < 6; i++) {
		fflush(NULL);
		children[i] = fork();
		if (children[i] == 0) {
			viso_root *root = usual_root();
			int r = 0;
			for (int round = 0; r >= 0 && round < 5; round++) {
				r = viso_root_update(root);
				viso_root_unref(root);
				root = round % 2 ? usual_root() : small_root();
			}
			_exit(r < 0);
		}
	}
	for (size_t i = 0; i < 6; i++) {
		int status;
		waitpid(children[i], &status, 0);
		assert_int_equal(status, 0);
	}
	assert_true(update(usual_root()) >= 0);
	assert_as_new(usual_root);
	cancel_who_waits();
}

struct heard {
	int calls;
	int stop_at;
	uint64_t done, total;
	bool is_wrong;
	viso_root *root;
};

static int hear(uint64_t done, uint64_t total, const char *entry, void *userdata)
{
	struct heard *heard = userdata;
	heard->calls++;
	heard->is_wrong |= done < heard->done || done > total || !entry || entry[0] != '/';
	heard->done = done;
	heard->total = total;
	if (heard->root && heard->calls == heard->stop_at)
		viso_root_cancel(heard->root);
	return !heard->root && heard->calls == heard->stop_at;
}

static void forget(void *userdata)
{
	((struct heard *)userdata)->calls = -1;
}

static void test_progress_and_cancel(void **state)
{
	assert_int_equal(
		root_shell("cd %s/d && for i in $(seq 300); do echo $i >$i; done; head -c 5000000 /dev/zero >big",
			   source),
		0);
	struct heard heard = {0};
	viso_root *root = usual_root();
	assert_ok(viso_root_set_progress_handler(root, hear, &heard, forget));
	assert_ok(viso_root_build(root));
	assert_true(heard.calls > 4);
	assert_false(heard.is_wrong);
	assert_true(heard.total > 5000000 && heard.done == heard.total);
	viso_root_unref(root);
	assert_int_equal(heard.calls, -1);
	support_remove_tree(path);
	for (int i = 1; i < 6; i++)
		for (int by_call = 0; by_call < 2; by_call++) {
			root = usual_root();
			heard = (struct heard){.stop_at = i, .root = by_call ? root : NULL};
			assert_ok(viso_root_set_progress_handler(root, hear, &heard, NULL));
			assert_int_equal(viso_root_build(root), -ECANCELED);
			assert_int_equal(access(path, F_OK), -1);
			heard = (struct heard){.stop_at = i, .root = by_call ? root : NULL};
			assert_int_equal(viso_root_update(root), -ECANCELED);
			assert_ok(viso_root_set_progress_handler(root, NULL, NULL, NULL));
			assert_true(viso_root_update(root) > 0);
			viso_root_unref(root);
			assert_as_new(usual_root);
			support_remove_tree(path);
		}
}

static int cancel_at_a_megabyte(uint64_t done, uint64_t total, const char *entry, void *root)
{
	if (done > 1 << 20)
		viso_root_cancel(root);
	return 0;
}

/* Who hears of it first is the hashing, which sets no error. */
static void test_cancel_while_a_file_is_hashed(void **state)
{
	assert_int_equal(root_shell("cd %s/d && head -c 3000000 /dev/urandom >big && truncate -s 300M big", source), 0);
	viso_root *root = usual_root();
	assert_ok(viso_root_set_progress_handler(root, cancel_at_a_megabyte, root, NULL));
	assert_fails(viso_root_build(root), ECANCELED, VISO_STAGE_ROOT, "/");
	viso_root_unref(root);
}

/* Cancels at the end, when all is there. That it is called at all tells that the lock is held. */
static int cancel_at_the_end(uint64_t done, uint64_t total, const char *entry, void *is_locked)
{
	atomic_store((atomic_bool *)is_locked, true);
	return done == total;
}

static void test_who_waits_does_not_meet_what_is_being_removed(void **state)
{
	assert_int_equal(root_shell("mkdir %s/d/many && cd %s/d/many && for i in $(seq 3000); do echo $i >$i; done",
				    source, source),
			 0);
	atomic_bool *is_locked =
		mmap(NULL, sizeof(*is_locked), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(is_locked, MAP_FAILED);
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		viso_root *root = usual_root();
		int r = viso_root_set_progress_handler(root, cancel_at_the_end, is_locked, NULL);
		r = r < 0 ? r : viso_root_build(root);
		viso_root_unref(root);
		_exit(r != -ECANCELED);
	}
	await_that(atomic_load(is_locked));
	assert_true(update(usual_root()) > 0);
	int status;
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	assert_int_equal(verify(), 0);
	assert_as_new(usual_root);
	munmap(is_locked, sizeof(*is_locked));
}

/* As on a file system that has no locks. */
static int build_without_locks(void *argument)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_flock, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOLCK),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {.len = 4, .filter = code};
	viso_root *root = usual_root();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0)
		return 1;
	int r = viso_root_build(root);
	viso_root_unref(root);
	return r == -EIO && access(path, F_OK) < 0 ? 0 : 2;
}

static void test_nothing_is_left_without_locks(void **state)
{
	assert_int_equal(root_in_child(false, build_without_locks, NULL), 0);
}

static int build_twice_with_a_umask(void *argument)
{
	char *store = root_path_of("%s/store", scratch);
	umask(0777);
	for (int i = 0; i < 2; i++) {
		viso_root *root = usual_root();
		int r = viso_root_set_store(root, store);
		r = r < 0 ? r : viso_root_update(root);
		if (r < 0 || (i && r)) {
			print_error("%d: %d %s\n", i, r, viso_error_message());
			return 1;
		}
		viso_root_unref(root);
	}
	free(store);
	return 0;
}

static void test_umask_without_rights(void **state)
{
	assert_int_equal(chmod(scratch, 0777), 0);
	assert_int_equal(root_in_child(true, build_twice_with_a_umask, NULL), 0);
}

struct writer {
	atomic_bool stop;
	atomic_uint writes;
};

static void *write_all_the_time(void *argument)
{
	struct writer *writer = argument;
	char *file = root_path_of("%s/d/growing", source);
	int fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	static const char text[65536];
	while (!atomic_load(&writer->stop)) {
		(void)!write(fd, text, sizeof(text));
		atomic_fetch_add(&writer->writes, 1);
		if (lseek(fd, 0, SEEK_END) > 100 << 20)
			(void)!ftruncate(fd, 64 << 20);
	}
	close(fd);
	free(file);
	return NULL;
}

/* Each part that is copied meets a write, however few processors there are. */
static int await_a_write(uint64_t done, uint64_t total, const char *entry, void *userdata)
{
	struct writer *writer = userdata;
	unsigned before = atomic_load(&writer->writes);
	while (!atomic_load(&writer->stop) && atomic_load(&writer->writes) == before)
		usleep(100);
	return 0;
}

static void test_file_that_changes_is_noticed(void **state)
{
	struct writer writer = {0};
	pthread_t thread;
	assert_int_equal(root_shell("head -c 64M /dev/zero >%s/d/growing", source), 0);
	viso_root *root = usual_root();
	assert_ok(viso_root_set_progress_handler(root, await_a_write, &writer, NULL));
	assert_int_equal(pthread_create(&thread, NULL, write_all_the_time, &writer), 0);
	await_that(atomic_load(&writer.writes) > 0);
	int r = viso_root_build(root);
	atomic_store(&writer.stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(r, -EAGAIN);
	assert_non_null(strstr(viso_error_object(), "growing"));
	assert_ok(viso_root_build(root));
	viso_root_unref(root);
	assert_int_equal(verify(), 0);
}

static void test_terabyte_of_holes(void **state)
{
	assert_int_equal(
		root_shell("cd %s/d && truncate -s 1T sparse && echo x | dd of=sparse bs=1 seek=1G conv=notrunc "
			   "2>/dev/null",
			   source),
		0);
	support_time_limit(60);
	assert_true(update(usual_root()) > 0);
	assert_int_equal(update(usual_root()), 0);
	assert_int_equal(verify(), 0);
	assert_int_equal(root_shell("test $(stat -c %%b %s/d/sparse) -lt 100", path), 0);
	viso_root *root = viso_root_new();
	viso_manifest *manifest;
	assert_ok(viso_root_use_directory(root, path));
	assert_ok(viso_root_manifest(root, &manifest));
	int64_t index = viso_manifest_find(manifest, "/d/sparse");
	assert_int_equal(viso_manifest_size(manifest, (size_t)index), 1LL << 40);
	assert_string_equal(viso_manifest_sha256(manifest, (size_t)index), "");
	viso_manifest_unref(manifest);
	viso_root_unref(root);
	assert_int_equal(root_shell("echo y | dd of=%s/d/sparse bs=1 seek=2G conv=notrunc 2>/dev/null", path), 0);
	assert_int_equal(verify(), 1);
	assert_int_equal(update(usual_root()), 1);
	assert_int_equal(verify(), 0);
	support_time_limit(0);
}

static void test_hard_links_and_privileges(void **state)
{
	skip_without(geteuid() == 0, "root");
	assert_int_equal(
		root_shell("cd %s/d && cp one suid && chmod 4755 suid && cp one caps && setcap cap_net_raw+ep caps",
			   source),
		0);
	viso_root *root = usual_root();
	assert_int_equal(viso_root_set_copy_method(root, 99), -EINVAL);
	assert_ok(viso_root_set_copy_method(root, VISO_COPY_HARDLINK));
	assert_true(update(root) > 0);
	assert_int_equal(
		root_shell("cd %s && test d/one -ef root/d/one -o source/d/one -ef root/d/one && ! test "
			   "source/d/suid -ef root/d/suid && ! test source/d/caps -ef root/d/caps && test $(stat -c "
			   "%%a root/d/suid) = 755 && test -z \"$(getcap root/d/caps)\"",
			   scratch),
		0);
	root = usual_root();
	assert_ok(viso_root_set_copy_method(root, VISO_COPY_HARDLINK));
	assert_int_equal(update(root), 0);
	/* What was linked is replaced, not written to. */
	assert_int_equal(root_shell("chmod 700 %s/d/one", path), 0);
	assert_true(update(usual_root()) >= 0);
	assert_int_equal(verify(), 0);

	root = usual_root();
	assert_int_equal(viso_root_set_keep(root, 4), -EINVAL);
	assert_ok(viso_root_set_keep(root, VISO_KEEP_SETUID | VISO_KEEP_CAPABILITIES));
	assert_true(update(root) >= 2);
	assert_int_equal(
		root_shell("test $(stat -c %%a %s/d/suid) = 4755 && getcap %s/d/caps | grep -q net_raw", path, path),
		0);
	assert_int_equal(verify(), 0);
	assert_int_equal(root_shell("setcap -r %s/d/caps", path), 0);
	assert_int_equal(verify(), 1);
	root = usual_root();
	assert_ok(viso_root_set_keep(root, VISO_KEEP_SETUID | VISO_KEEP_CAPABILITIES));
	assert_int_equal(update(root), 1);
	assert_true(update(usual_root()) >= 2);
	assert_int_equal(
		root_shell("test $(stat -c %%a %s/d/suid) = 755 && test -z \"$(getcap %s/d/caps)\"", path, path), 0);
}

static void test_hard_link_to_another_file_system(void **state)
{
	struct stat ours, theirs;
	char *file = strdup("/dev/shm/viso-test-XXXXXX");
	int fd = mkstemp(file);
	bool is_another = fd >= 0 && !stat(scratch, &ours) && !fstat(fd, &theirs) && ours.st_dev != theirs.st_dev;
	if (!is_another)
		unlink(file);
	skip_without(is_another, "another file system at /dev/shm");
	(void)!write(fd, "x", 1);
	viso_root *root = new_root();
	assert_ok(viso_root_add_file(root, file, "/x"));
	assert_ok(viso_root_set_copy_method(root, VISO_COPY_HARDLINK));
	assert_fails(viso_root_build(root), EXDEV, VISO_STAGE_ROOT, file);
	assert_int_equal(access(path, F_OK), -1);
	assert_ok(viso_root_set_copy_method(root, VISO_COPY_BYTES));
	assert_ok(viso_root_build(root));
	viso_root_unref(root);
	close(fd);
	unlink(file);
	free(file);
}

static void test_devices(void **state)
{
	skip_without(geteuid() == 0, "root");
	for (int round = 0; round < 2; round++) {
		viso_root *root = usual_root();
		assert_fails(viso_root_add_device(root, "/etc/passwd"), EINVAL, VISO_STAGE_ROOT, "/etc/passwd");
		assert_ok(viso_root_add_device(root, "/dev/tty"));
		assert_int_equal(update(root) > 0, round == 0);
		assert_int_equal(root_shell("test $(stat -c %%t:%%T %s/dev/tty) = 5:0", path), 0);
		assert_int_equal(verify(), 0);
	}
	assert_int_equal(root_shell("cd %s/dev && rm null && mknod null c 1 5", path), 0);
	assert_int_equal(verify(), 1);
	assert_true(update(usual_root()) > 0);
	assert_int_equal(root_shell("test $(stat -c %%t:%%T %s/dev/null) = 1:3 -a ! -e %s/dev/tty", path, path), 0);
}

static void test_order_of_calls(void **state)
{
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_data(root, "/x", "x", 1, 0644));
	assert_fails(viso_root_update(root), EINVAL, VISO_STAGE_ARGUMENT, "viso_root_update");
	assert_int_equal(viso_root_verify(root, NULL), -EINVAL);
	assert_int_equal(viso_root_remove(root), -EINVAL);
	assert_int_equal(viso_root_manifest(root, NULL), -EINVAL);
	assert_int_equal(viso_root_plan(root, NULL), -EINVAL);
	assert_ok(viso_root_build(root));
	assert_int_equal(viso_root_verify(root, NULL), -ENOENT);
	assert_int_equal(viso_root_remove(root), -ENOENT);
	assert_int_equal(viso_root_update(root), -EBUSY);
	assert_int_equal(viso_root_set_keep(root, 0), -EBUSY);
	assert_int_equal(viso_root_set_copy_method(root, VISO_COPY_AUTO), -EBUSY);
	assert_int_equal(viso_root_set_store(root, "/x"), -EBUSY);
	viso_root_unref(root);
	assert_int_equal(viso_root_update(NULL), -EINVAL);
	assert_int_equal(viso_root_cancel(NULL), -EINVAL);
	/* Files of others, and no record. */
	assert_int_equal(root_shell("mkdir %s && echo >%s/x", path, path), 0);
	root = viso_root_new();
	assert_fails(viso_root_set_path(root, path), ENOTEMPTY, VISO_STAGE_ROOT, path);
	viso_root_unref(root);
	assert_int_equal(verify(), -ENOENT);
}

#define root_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define root_test_in_memory(name) cmocka_unit_test_setup_teardown(name, set_up_in_memory, tear_down)

static int use_the_root(uint64_t done, uint64_t total, const char *made, void *userdata)
{
	viso_root *root = userdata;
	viso_manifest *manifest = NULL;
	viso_error_clear();
	assert_int_equal(viso_root_add_data(root, "/late", "x", 1, 0644), -EDEADLK);
	support_check_error("viso_root_add_data", EDEADLK, VISO_STAGE_ARGUMENT, "viso_root_add_data");
	assert_int_equal(viso_root_build(root), -EDEADLK);
	assert_int_equal(viso_root_update(root), -EDEADLK);
	assert_int_equal(viso_root_manifest(root, &manifest), -EDEADLK);
	assert_int_equal(viso_root_verify(root, NULL), -EDEADLK);
	assert_int_equal(viso_root_remove(root), -EDEADLK);
	assert_int_equal(viso_root_set_progress_handler(root, NULL, NULL, NULL), -EDEADLK);
	assert_null(viso_root_path(root));
	return 0;
}

static void test_a_progress_handler_cannot_use_the_root(void **state)
{
	char *own = root_path_of("%s/progress", scratch);
	viso_root *root = viso_root_new();
	assert_ok(viso_root_set_path(root, own));
	assert_ok(viso_root_set_progress_handler(root, use_the_root, root, NULL));
	assert_ok(viso_root_add_data(root, "/etc/motd", "hello", 5, 0644));
	assert_true(viso_root_update(root) > 0);
	assert_int_equal(viso_root_verify(root, NULL), 0);
	viso_root_unref(root);
	free(own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		root_test(test_a_progress_handler_cannot_use_the_root),
		root_test(test_update_builds_what_is_not_there),
		root_test(test_only_what_changed_is_changed),
		root_test(test_what_was_changed_by_hand_is_repaired),
		root_test(test_files_of_others_stay),
		root_test(test_files_of_others_in_the_way_are_refused),
		root_test(test_strange_names_come_back),
		root_test(test_restricted_directories),
		root_test(test_nothing_is_written_outside_while_links_are_swapped),
		root_test(test_hostile_records),
		root_test(test_builders_wait_for_each_other),
		root_test_in_memory(test_progress_and_cancel),
		root_test(test_cancel_while_a_file_is_hashed),
		root_test_in_memory(test_who_waits_does_not_meet_what_is_being_removed),
		root_test(test_nothing_is_left_without_locks),
		root_test(test_umask_without_rights),
		root_test(test_file_that_changes_is_noticed),
		root_test(test_terabyte_of_holes),
		root_test(test_hard_links_and_privileges),
		root_test(test_hard_link_to_another_file_system),
		root_test(test_devices),
		root_test(test_order_of_calls),
	};
	return cmocka_run_group_tests_name("root_update", tests, NULL, NULL);
}
