/* SPDX-License-Identifier: MIT */
/* Files into and out of an instance of a jail or container, among them hostile ones. */
#include "box.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *host; /* directory of the host for each test */

static struct box *start(void **state)
{
	struct box *box = box_open(state);
	support_remove_tree(host);
	assert_int_equal(mkdir(host, 0755), 0);
	if (box->jail) {
		/* The tests' tree is the host's: programs may write to its /tmp only. */
		char path[4096];
		snprintf(path, sizeof(path), "%s/tmp", box_tree());
		support_remove_tree(path);
		mkdir(path, 01777);
		chmod(path, 01777);
	}
	assert_ok(viso_sandbox_start(box->sandbox));
	return box;
}

static const char *at(const char *name)
{
	static char paths[4][4096];
	static int next;
	char *path = paths[next++ % 4];
	snprintf(path, sizeof(paths[0]), "%s/%s", host, name);
	return path;
}

static void put(const char *name, const char *text)
{
	FILE *file = fopen(at(name), "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static const char *get(const char *name)
{
	static char text[4096];
	FILE *file = fopen(at(name), "r");
	if (!file)
		return "(not there)";
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	return text;
}

static void sh(struct box *box, const char *script)
{
	assert_ended(box_run(box, shell(script)), VISO_REASON_EXITED, 0, 0);
}

/* What the host's directory has, sorted, with kinds and modes. */
static const char *listing(void)
{
	static char text[8192];
	char command[4200];
	snprintf(command, sizeof(command), "cd '%s' && find . -printf '%%P %%y %%m %%l\n' | LC_ALL=C sort", host);
	FILE *pipe = popen(command, "r");
	assert_non_null(pipe);
	text[fread(text, 1, sizeof(text) - 1, pipe)] = '\0';
	pclose(pipe);
	return text;
}

static void test_a_file_in_and_out(void **state)
{
	struct box *box = start(state);
	put("a", "hello");
	chmod(at("a"), 04750);
	assert_ok(viso_sandbox_copy_in(box->sandbox, at("a"), "/tmp"));
	assert_prints(box, shell("cd /tmp; stat -c '%n %a' *; cat a; echo; test -O a && echo own"),
		      "a 750\nhello\nown\n");
	assert_ok(viso_sandbox_copy_in(box->sandbox, at("a"), "/tmp/other"));
	assert_prints(box, shell("cat /tmp/other"), "hello");
	put("a", "changed");
	assert_ok(viso_sandbox_copy_in(box->sandbox, at("a"), "/tmp/a"));
	assert_prints(box, shell("cat /tmp/a; ls -A /tmp | wc -l"), "changed2\n");
	sh(box, "echo more >>/tmp/a; chmod 755 /tmp/a");
	if (box->container) /* a jail may not */
		sh(box, "chmod 4755 /tmp/a");
	assert_int_equal(viso_sandbox_copy_out(box->sandbox, "/tmp/a", at("b")), 0);
	assert_string_equal(get("b"), "changedmore\n");
	struct stat st;
	assert_int_equal(stat(at("b"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(st.st_uid, geteuid());
	unlink(at("a"));
	assert_string_equal(listing(), " d 755 \nb f 755 \n");
}

static void test_a_tree_in_and_out(void **state)
{
	struct box *box = start(state);
	assert_int_equal(mkdir(at("t"), 0750), 0);
	assert_int_equal(mkdir(at("t/d"), 0500), 0);
	put("t/x", "x");
	assert_int_equal(symlink("../outside", at("t/l")), 0);
	assert_int_equal(mkfifo(at("t/fifo"), 0600), 0);
	assert_ok(viso_sandbox_copy_in(box->sandbox, at("t"), "/tmp"));
	assert_prints(box, shell("cd /tmp/t; stat -c '%n %a' . d x; readlink l; ls | wc -l"),
		      ". 750\nd 500\nx 644\n../outside\n3\n");
	unlink(at("t/fifo"));
	assert_int_equal(viso_sandbox_copy_out(box->sandbox, "/tmp/t", at("u")), 0);
	assert_string_equal(listing(),
			    " d 755 \nt d 750 \nt/d d 500 \nt/l l 777 ../outside\nt/x f 644 \nu d 750 \nu/d d 500 "
			    "\nu/l l 777 ../outside\nu/x f 644 \n");
}

static void test_a_large_file(void **state)
{
	struct box *box = start(state);
	sh(box, "cd /tmp; i=0; while [ $i -lt 30000 ]; do echo line $i; i=$((i+1)); done >big; md5sum <big >sum");
	assert_int_equal(viso_sandbox_copy_out(box->sandbox, "/tmp/big", at("big")), 0);
	assert_ok(viso_sandbox_copy_in(box->sandbox, at("big"), "/tmp/back"));
	sh(box, "cd /tmp; test \"$(md5sum <back)\" = \"$(cat sum)\"");
}

static void test_errors(void **state)
{
	struct box *box = start(state);
	put("a", "hello");
	assert_fails(viso_sandbox_copy_in(box->sandbox, at("none"), "/tmp"), ENOENT, VISO_STAGE_ROOT, "none");
	assert_fails(viso_sandbox_copy_in(box->sandbox, at("a"), "/not/there"), ENOENT, VISO_STAGE_ROOT, "/not/there");
	assert_int_equal(viso_sandbox_copy_in(box->sandbox, at("a"), "tmp"), -EINVAL);
	assert_int_equal(viso_sandbox_copy_in(box->sandbox, NULL, "/tmp"), -EINVAL);
	assert_int_equal(viso_sandbox_copy_in(box->sandbox, at("a"), NULL), -EINVAL);
	assert_int_equal(viso_sandbox_copy_in(box->sandbox, "/", "/tmp"), -EINVAL);
	assert_int_equal(viso_sandbox_copy_in(box->sandbox, "/dev/null", "/tmp"), -EINVAL);
	assert_int_equal(viso_sandbox_copy_in(NULL, at("a"), "/tmp"), -EINVAL);
	assert_fails(viso_sandbox_copy_out(box->sandbox, "/tmp/none", at("b")), ENOENT, VISO_STAGE_ROOT, "/tmp/none");
	assert_fails(viso_sandbox_copy_out(box->sandbox, "/tmp", at("a")), EEXIST, VISO_STAGE_ROOT, "a");
	assert_fails(viso_sandbox_copy_out(box->sandbox, "/tmp", at("none/b")), ENOENT, VISO_STAGE_ROOT, "none");
	assert_int_equal(viso_sandbox_copy_out(box->sandbox, "/tmp", at("..")), -EINVAL);
	assert_int_equal(viso_sandbox_copy_out(box->sandbox, "tmp", at("b")), -EINVAL);
	assert_string_equal(listing(), " d 755 \na f 644 \n");
	assert_prints(box, shell("ls -A /tmp"), "");
	if (box->container)
		assert_fails(viso_sandbox_copy_in(box->sandbox, at("a"), "/bin/new"), EROFS, VISO_STAGE_ROOT,
			     "/bin/new");
	assert_ok(viso_sandbox_close(box->sandbox));
	assert_int_equal(viso_sandbox_copy_out(box->sandbox, "/tmp", at("b")), -ESTALE);
}

static void test_without_an_instance(void **state)
{
	struct box *box = box_open(state);
	int error = box->guest ? EOPNOTSUPP : EINVAL;
	assert_int_equal(viso_sandbox_copy_in(box->sandbox, "/etc/passwd", "/tmp"), -error);
	assert_int_equal(viso_sandbox_copy_out(box->sandbox, "/tmp", "/tmp/not-made"), -error);
}

/* Links that lead to the host, each kind of entry, odd names, and many names for one large file. */
static void test_hostile_entries(void **state)
{
	struct box *box = start(state);
	sh(box, "mkdir /tmp/d; cd /tmp/d; ln -s /etc/passwd abs; ln -s ../../../../../etc/passwd rel; ln -s / root; "
		"mkfifo fifo; echo >\"$(printf 'new\\nline')\"; mkdir sub; ln -s .. sub/up; "
		"head -c 65536 /bin/busybox >many; i=0; "
		"while [ $i -lt 50 ]; do ln many many$i; i=$((i+1)); done");
	assert_int_equal(viso_sandbox_copy_out(box->sandbox, "/tmp/d", at("out")), 1);
	struct stat st, passwd, link;
	assert_int_equal(lstat(at("out/abs"), &link), 0);
	assert_true(S_ISLNK(link.st_mode));
	assert_int_equal(lstat(at("out/root"), &link), 0);
	assert_true(S_ISLNK(link.st_mode));
	assert_int_equal(stat("/etc/passwd", &passwd), 0);
	assert_int_equal(lstat(at("out/fifo"), &st), -1);
	assert_int_equal(lstat(at("out/new\nline"), &st), 0);
	assert_int_equal(lstat(at("out/many"), &st), 0);
	assert_int_equal(st.st_nlink, 51);
	assert_int_equal(st.st_size, 65536);
	/* The path itself: a link on the way is one of the sandbox, the last one is not followed. */
	assert_int_equal(viso_sandbox_copy_out(box->sandbox, "/tmp/d/abs", at("link")), 0);
	assert_int_equal(lstat(at("link"), &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	int r = viso_sandbox_copy_out(box->sandbox, "/tmp/d/root/etc/shadow", at("secret"));
	assert_int_equal(r, -ENOENT);
	assert_int_equal(viso_sandbox_copy_out(box->sandbox, "/tmp/d/../../../../../tmp/d/many", at("up")), 0);
	/* What is to be left out alone leaves nothing. */
	assert_int_equal(viso_sandbox_copy_out(box->sandbox, "/tmp/d/fifo", at("fifo")), 1);
	assert_int_equal(lstat(at("fifo"), &st), -1);
}

static void test_sparse_and_deep(void **state)
{
	struct box *box = start(state);
	struct stat st;
	sh(box, "cd /tmp; dd if=/bin/busybox of=sparse bs=1 count=0 seek=17179869184; echo end >>sparse");
	assert_int_equal(viso_sandbox_copy_out(box->sandbox, "/tmp/sparse", at("sparse")), 0);
	assert_int_equal(stat(at("sparse"), &st), 0);
	assert_int_equal(st.st_size, 17179869184 + 4);
	assert_true(st.st_blocks < 1000);
	sh(box,
	   "rm /tmp/sparse; mkdir /tmp/deep; cd /tmp/deep; i=0; while [ $i -lt 200 ]; do mkdir d; cd d; i=$((i+1)); "
	   "done");
	assert_fails(viso_sandbox_copy_out(box->sandbox, "/tmp/deep", at("deep")), EFBIG, VISO_STAGE_ROOT, "/tmp/deep");
	assert_int_equal(lstat(at("deep"), &st), -1);
	sh(box, "rm -rf /tmp/deep");
	unlink(at("sparse"));
	assert_string_equal(listing(), " d 755 \n");
}

/* Devices and made-up files are opened by nobody. */
static void test_the_whole_of_a_container(void **state)
{
	struct box *box = start(state);
	assert_true(viso_sandbox_copy_out(box->sandbox, "/dev", at("dev")) >= 6);
	assert_int_equal(viso_sandbox_copy_out(box->sandbox, "/proc", at("proc")), 1);
	assert_true(viso_sandbox_copy_out(box->sandbox, "/", at("all")) >= 8);
	assert_string_equal(get("all/proc/version"), "(not there)");
	struct stat st;
	assert_int_equal(stat(at("all/bin/busybox"), &st), 0);
}

/* A directory in the copy has nothing of the host; that it became a link is its own affair. */
static void assert_no_secret(bool top, int i)
{
	char name[32], file[64];
	struct stat st;
	snprintf(name, sizeof(name), top ? "out%d" : "out%d/a", i);
	snprintf(file, sizeof(file), "%s/file", name);
	if (lstat(at(name), &st) == 0 && S_ISDIR(st.st_mode))
		assert_string_equal(get(file), "(not there)");
}

/* A program swaps directories for links, makes FIFOs of files, and lets files grow, all the time. */
static void test_races(void **state)
{
	struct box *box = start(state);
	put("victim", "untouched");
	mkdir(at("secret"), 0700);
	put("secret/file", "secret");
	char script[9000];
	snprintf(script, sizeof(script),
		 "mkdir -p /tmp/r/a/b; cd /tmp/r; while :; do echo x >a/b/f; mv a a2; ln -s '%s' a; rm a; mv a2 a; "
		 "rm -f a/f; mkfifo a/f; rm -f a/f; echo y >a/f; echo more >>grows; done",
		 at("secret"));
	viso_process *racer = box_spawn(box, shell(script));
	usleep(50000);
	for (int i = 0; i < 60; i++) {
		char name[32];
		snprintf(name, sizeof(name), "out%d", i);
		int r = viso_sandbox_copy_out(box->sandbox, i % 2 ? "/tmp/r" : "/tmp/r/a", at(name));
		assert_true(r >= 0 || r == -ENOENT || r == -ENOTDIR);
		assert_no_secret(i % 2 == 0, i);
		r = viso_sandbox_copy_in(box->sandbox, at("victim"), "/tmp/r/a/b");
		assert_true(r == 0 || r == -ENOENT || r == -EISDIR || r == -ENOTDIR || r == -EEXIST || r == -EACCES);
	}
	viso_process_unref(racer);
	assert_string_equal(get("victim"), "untouched");
	assert_string_equal(get("secret/file"), "secret");
	assert_null(strstr(listing(), ".viso-"));
}

static int make_host(void **state)
{
	host = support_temporary_directory();
	return 0;
}

static int remove_host(void **state)
{
	support_remove_tree(host);
	free(host);
	return box_group_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_EACH_STRENGTH(test_a_file_in_and_out),
		AT_EACH_STRENGTH(test_a_tree_in_and_out),
		AT_EACH_STRENGTH(test_a_large_file),
		AT_EACH_STRENGTH(test_errors),
		AT_ALL_STRENGTHS(test_without_an_instance),
		AT_EACH_STRENGTH(test_hostile_entries),
		AT_EACH_STRENGTH(test_sparse_and_deep),
		AT_CONTAINER(test_the_whole_of_a_container),
		AT_EACH_STRENGTH(test_races),
	};
	return cmocka_run_group_tests_name("copy", tests, make_host, remove_host);
}
