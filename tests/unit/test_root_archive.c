/* SPDX-License-Identifier: MIT */
/* Archives as bases: those that GNU tar makes, and those that somebody made to do harm (by Python's tarfile). */
#include "test_root_support.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* An archive that a Python program makes, which has `t`, an open tarfile, and add(name, type, data, **attributes). */
static char *make_hostile(const char *name, const char *program)
{
	char *path = root_path_of("%s/%s", root_scratch, name);
	char *script = root_path_of("%s/make.py", root_scratch);
	char *text = root_path_of("import tarfile, io, sys\n"
				  "t = tarfile.open(sys.argv[1], 'w', format=tarfile.PAX_FORMAT)\n"
				  "def add(name, type=tarfile.REGTYPE, data=b'', **attributes):\n"
				  "    i = tarfile.TarInfo(name)\n"
				  "    i.type = type; i.size = len(data); i.mode = 0o644\n"
				  "    for k, v in attributes.items(): setattr(i, k, v)\n"
				  "    t.addfile(i, io.BytesIO(data))\n"
				  "%s\n"
				  "t.close()\n",
				  program);
	root_write_text(script, text, 0644);
	assert_int_equal(root_shell("python3 %s %s", script, path), 0);
	free(text);
	free(script);
	return path;
}

static viso_root *root_with(const char *archive, const char *target)
{
	viso_root *root = viso_root_new();
	assert_non_null(root);
	assert_ok(viso_root_add_archive(root, archive, target));
	assert_ok(viso_root_build(root));
	return root;
}

/* The archive must be refused, and nothing be left of it. */
static void assert_refused(const char *archive, int error)
{
	viso_root *root = viso_root_new();
	assert_non_null(root);
	assert_int_equal(viso_root_add_archive(root, archive, NULL), -error);
	support_check_error("viso_root_add_archive", error, VISO_STAGE_IMAGE, "");
	assert_int_equal(root_count_left(root_scratch), 0);
	/* Nothing of it is in the root. */
	assert_ok(viso_root_use_directory(root, root_scratch));
	viso_root_unref(root);
}

static void assert_hostile_is_refused(const char *program, int error)
{
	char *archive = make_hostile("hostile.tar", program);
	assert_refused(archive, error);
	free(archive);
}

static void make_tree(void)
{
	assert_int_equal(
		root_shell("mkdir -p %s/t/bin %s/t/lib/deep %s/t/'odd \"name' && cd %s/t && echo hello >bin/file && "
			   "chmod 751 bin/file && touch -d @1000000 bin/file && ln bin/file lib/hard && "
			   "ln -s ../bin/file lib/soft && ln -s /nowhere dangling && printf 'x' >'odd \"name/a\nb' && "
			   "printf secret >lib/secret && chmod 0400 lib/secret && chmod 0500 lib/deep && "
			   "cp bin/file bin/suid && chmod 6755 bin/suid && mkfifo fifo && "
			   "dd if=/dev/zero of=sparse bs=1 count=0 seek=1T 2>/dev/null && echo end >>sparse",
			   root_scratch, root_scratch, root_scratch, root_scratch),
		0);
}

static void test_what_tar_packs_is_there(void **state)
{
	static const char *const options[] = {"-S",
					      "-S --format=gnu",
					      "-S --format=pax",
					      "--format=ustar --exclude=sparse",
					      "-S --format=oldgnu",
					      "-S -z",
					      "-S -j",
					      "-S -J",
					      "-S --zstd",
					      "-S -I lz4"};
	struct stat st, other;
	make_tree();
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		char *archive = root_path_of("%s/a.tar", root_scratch);
		assert_int_equal(root_shell("tar %s -C %s/t -cf %s . 2>/dev/null", options[i], root_scratch, archive),
				 0);
		viso_root *root = root_with(archive, NULL);
		const char *path = viso_root_path(root);
		root_assert_file(root, "/bin/file", "hello\n");
		root_assert_file(root, "/lib/soft", "hello\n");
		root_assert_file(root, "/odd \"name/a\nb", "x");
		assert_int_equal(root_lstat(path, "/bin/file", &st), 0);
		assert_int_equal(st.st_mode, S_IFREG | 0751);
		assert_int_equal(st.st_mtime, 1000000);
		assert_int_equal(root_lstat(path, "/lib/hard", &other), 0);
		assert_int_equal(st.st_ino, other.st_ino);
		assert_int_equal(root_lstat(path, "/dangling", &st), 0);
		assert_true(S_ISLNK(st.st_mode));
		assert_int_equal(root_lstat(path, "/lib/secret", &st), 0);
		assert_int_equal(st.st_mode, S_IFREG | 0400);
		assert_int_equal(root_lstat(path, "/lib/deep", &st), 0);
		assert_int_equal(st.st_mode, S_IFDIR | 0500);
		assert_int_equal(root_lstat(path, "/bin/suid", &st), 0);
		assert_int_equal(st.st_mode, S_IFREG | 0755);
		root_assert_no_entry(root, "/fifo");
		if (!strstr(options[i], "exclude")) {
			assert_int_equal(root_lstat(path, "/sparse", &st), 0);
			assert_true(st.st_size == (1LL << 40) + 4);
			assert_true(st.st_blocks < 1000);
		}
		/* What every root has comes beside it. */
		assert_true(root_has_file(path, "/etc/passwd"));
		viso_root_unref(root);
		assert_int_equal(root_count_left(root_scratch), 0);
		free(archive);
	}
}

static void test_bad_arguments_are_refused(void **state)
{
	viso_root *root = viso_root_new();
	assert_fails(viso_root_add_archive(NULL, "/x", NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_root_add_archive");
	assert_fails(viso_root_add_archive(root, NULL, NULL), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_root_add_archive(root, "x.tar", NULL), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_root_add_archive(root, "/x.tar", "etc"), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_root_add_archive(root, "/x.tar", "/a/../b"), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_root_add_archive(root, "/no/such.tar", NULL), ENOENT, VISO_STAGE_ROOT, "/no/such.tar");
	assert_fails(viso_root_add_archive(root, "/etc", NULL), EINVAL, VISO_STAGE_IMAGE, "/etc");
	assert_fails(viso_root_add_archive(root, "/dev/zero", NULL), EINVAL, VISO_STAGE_IMAGE, "/dev/zero");
	assert_fails(viso_root_add_archive(root, "/etc/passwd", NULL), EINVAL, VISO_STAGE_IMAGE, "/etc/passwd");
	assert_ok(viso_root_build(root));
	assert_fails(viso_root_add_archive(root, "/x.tar", NULL), EBUSY, VISO_STAGE_ARGUMENT, "viso_root_add_archive");
	viso_root_unref(root);
}

static void test_damaged_archives_are_refused(void **state)
{
	char *archive = root_path_of("%s/a.tar.xz", root_scratch);
	char *cut = root_path_of("%s/cut", root_scratch);
	assert_int_equal(root_shell("head -c 200000 /dev/urandom >%s/data && tar -C %s -cJf %s data", root_scratch,
				    root_scratch, archive),
			 0);
	assert_int_equal(root_shell("head -c 100000 %s >%s", archive, cut), 0);
	assert_refused(cut, EINVAL);
	assert_int_equal(root_shell("cp %s %s && printf XXXX | dd of=%s bs=1 seek=50000 conv=notrunc 2>/dev/null",
				    archive, cut, cut),
			 0);
	assert_refused(cut, EINVAL);
	assert_int_equal(root_shell("tar -C %s -cf %s data && truncate -s 100000 %s", root_scratch, cut, cut), 0);
	assert_refused(cut, EINVAL);
	assert_int_equal(root_shell(": >%s", cut), 0);
	assert_refused(cut, EINVAL);
	free(archive);
	free(cut);
}

static void test_names_do_not_lead_out(void **state)
{
	assert_hostile_is_refused("add('../evil', data=b'x')", EPERM);
	assert_hostile_is_refused("add('a/../../evil', data=b'x')", EPERM);
	assert_hostile_is_refused("add('a/..', tarfile.DIRTYPE)", EPERM);
	assert_hostile_is_refused("add('a', tarfile.LNKTYPE, linkname='../../etc/passwd')", EPERM);
	assert_hostile_is_refused("add('a', tarfile.LNKTYPE, linkname='/etc/passwd')", EINVAL);
	assert_int_equal(root_shell("test -e %s/evil", root_scratch), 1);
	char *archive =
		make_hostile("absolute.tar", "add('/etc/absolute', data=b'inside')\nadd('..x/y..', data=b'fine')");
	viso_root *root = root_with(archive, NULL);
	root_assert_file(root, "/etc/absolute", "inside");
	root_assert_file(root, "/..x/y..", "fine");
	viso_root_unref(root);
	free(archive);
}

static void test_links_do_not_lead_out(void **state)
{
	/* What is written through a link is in the root, and nothing is on the host. */
	char *program = root_path_of("add('a', tarfile.SYMTYPE, linkname='%s')\n"
				     "add('a/evil', data=b'x')\n"
				     "add('b', tarfile.SYMTYPE, linkname='../../../../etc')\n"
				     "add('b/evil', data=b'y')\n"
				     "add('c', tarfile.SYMTYPE, linkname='b')\n"
				     "add('c/evil2', tarfile.LNKTYPE, linkname='a/evil')\n",
				     root_scratch);
	char *archive = make_hostile("links.tar", program);
	char *inside = root_path_of("%s/evil", root_scratch);
	viso_root *root = root_with(archive, NULL);
	assert_int_equal(access(inside, F_OK), -1);
	root_assert_file(root, inside, "x");
	root_assert_file(root, "/etc/evil", "y");
	root_assert_file(root, "/etc/evil2", "x");
	viso_root_unref(root);
	/* Out of the directory that it is unpacked in, it is refused. */
	root = viso_root_new();
	assert_fails(viso_root_add_archive(root, archive, "/opt/x"), EPERM, VISO_STAGE_IMAGE, "a/evil");
	viso_root_unref(root);
	assert_hostile_is_refused("add('a', tarfile.SYMTYPE, linkname='b')\n"
				  "add('b', tarfile.SYMTYPE, linkname='a')\n"
				  "add('a/x', data=b'x')",
				  EINVAL);
	assert_hostile_is_refused("add('a', data=b'x')\nadd('a/x', data=b'x')", EINVAL);
	free(archive);
	free(inside);
	free(program);
}

static void test_the_last_of_several_wins(void **state)
{
	struct stat st;
	char *archive = make_hostile("twice.tar", "add('a', data=b'first')\n"
						  "add('d', tarfile.DIRTYPE, mode=0o700)\n"
						  "add('d/x', data=b'x')\n"
						  "add('d', tarfile.DIRTYPE, mode=0o711)\n"
						  "add('e/f/g', data=b'gone')\n"
						  "add('e', data=b'file')\n"
						  "add('s', tarfile.SYMTYPE, linkname='/etc')\n"
						  "add('s', data=b'no link')\n"
						  "add('a', data=b'last', mode=0o600)");
	viso_root *root = root_with(archive, NULL);
	root_assert_file(root, "/a", "last");
	root_assert_file(root, "/d/x", "x");
	root_assert_file(root, "/e", "file");
	root_assert_file(root, "/s", "no link");
	assert_int_equal(root_lstat(viso_root_path(root), "/d", &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0711);
	viso_root_unref(root);
	free(archive);
}

static void test_bombs_are_refused(void **state)
{
	assert_hostile_is_refused("add('/'.join(['x' * 200] * 30), data=b'x')", EINVAL);
	assert_hostile_is_refused("add('x' * 300, data=b'x')", EINVAL);
	assert_hostile_is_refused("add('a', tarfile.SYMTYPE, linkname='x' * 5000)", EINVAL);
	assert_hostile_is_refused("i = tarfile.TarInfo('huge'); i.size = 1 << 50; t.addfile(i)", EINVAL);
	assert_hostile_is_refused("i = tarfile.TarInfo('huge'); i.size = (1 << 63) - 1; t.addfile(i)", EINVAL);
	assert_hostile_is_refused("add('owner', uid=1 << 40)", EINVAL);
	assert_hostile_is_refused("add('.', data=b'x')", EINVAL);
	assert_hostile_is_refused("add('/', tarfile.SYMTYPE, linkname='x')", EINVAL);
	/* Contents beyond the limit of file sizes: no signal, nothing left. */
	struct rlimit old, low;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	char *archive = make_hostile("large.tar", "add('large', data=b'x' * (1 << 20))");
	low = (struct rlimit){.rlim_cur = 1 << 16, .rlim_max = old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
	viso_root *root = viso_root_new();
	int r = viso_root_add_archive(root, archive, NULL);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(r, -EFBIG);
	viso_root_unref(root);
	free(archive);
}

static void test_too_many_entries_are_refused(void **state)
{
	assert_hostile_is_refused("i = tarfile.TarInfo('x'); i.type = tarfile.DIRTYPE\n"
				  "b = bytearray(i.tobuf(tarfile.USTAR_FORMAT))\n"
				  "blank = int.from_bytes(b' ' * 8, 'big')\n"
				  "for n in range((1 << 20) + 1):\n"
				  "    name = b'%07x' % n\n"
				  "    b[0:7] = name\n"
				  "    b[148:156] = b' ' * 8\n"
				  "    b[148:156] = b'%06o\\0 ' % sum(b)\n"
				  "    t.fileobj.write(b)\n",
				  EFBIG);
}

static void test_odd_names_are_kept(void **state)
{
	char *archive =
		make_hostile("names.tar", "add('gr\\u00fc\\u00df', data=b'utf-8')\n"
					  "add(b'latin\\xfc'.decode('utf-8', 'surrogateescape'), data=b'latin')\n"
					  "add('new\\nline', data=b'line')\n"
					  "add('-rf *', data=b'dash')\n"
					  "add('$(touch evil)', data=b'shell')\n"
					  "add('long/' + 'n' * 250, data=b'long')\n");
	viso_root *root = root_with(archive, NULL);
	char name[] =
		"/long/"
		"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
		"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
		"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn";
	root_assert_file(root, "/gr\xc3\xbc\xc3\x9f", "utf-8");
	root_assert_file(root, "/latin\xfc", "latin");
	root_assert_file(root, "/new\nline", "line");
	root_assert_file(root, "/-rf *", "dash");
	root_assert_file(root, "/$(touch evil)", "shell");
	root_assert_file(root, name, "long");
	viso_root_unref(root);
	free(archive);
}

static void test_devices_of_others_are_left_out(void **state)
{
	struct stat st;
	char *archive =
		make_hostile("devices.tar", "add('dev/null', tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666)\n"
					    "add('dev/tty', tarfile.CHRTYPE, devmajor=5, devminor=0, mode=0o620)\n"
					    "add('dev/sda', tarfile.BLKTYPE, devmajor=8, devminor=0, mode=0o666)\n"
					    "add('dev/ram', tarfile.BLKTYPE, devmajor=1, devminor=3, mode=0o666)\n"
					    "add('dev/mem', tarfile.CHRTYPE, devmajor=1, devminor=1, mode=0o666)\n"
					    "add('dev/fifo', tarfile.FIFOTYPE)\n");
	viso_root *root = root_with(archive, NULL);
	root_assert_no_entry(root, "/dev/sda");
	root_assert_no_entry(root, "/dev/ram");
	root_assert_no_entry(root, "/dev/mem");
	root_assert_no_entry(root, "/dev/fifo");
	if (root_lstat(viso_root_path(root), "/dev/tty", &st) == 0) {
		assert_int_equal(st.st_mode, S_IFCHR | 0620);
		assert_true(st.st_rdev == makedev(5, 0));
	} else {
		assert_true(geteuid() != 0);
	}
	viso_root_unref(root);
	free(archive);
}

static void test_owners_are_kept_by_root(void **state)
{
	struct stat st;
	char *archive = make_hostile("owners.tar", "add('file', uid=1234, gid=5678, data=b'x')\n"
						   "add('link', tarfile.SYMTYPE, linkname='file', uid=1234, gid=5678)\n"
						   "add('dir', tarfile.DIRTYPE, uid=1234, gid=5678, mode=0o700)\n"
						   "add('dir/in', data=b'y')\n"
						   "add('closed', data=b'z', mode=0)\n"
						   "add('closed-dir', tarfile.DIRTYPE, mode=0)\n"
						   "add('closed-dir/in', data=b'z', mode=0)\n");
	viso_root *root = root_with(archive, NULL);
	assert_int_equal(root_lstat(viso_root_path(root), "/closed", &st), 0);
	assert_int_equal(st.st_mode, S_IFREG);
	assert_int_equal(st.st_size, 1);
	assert_int_equal(root_lstat(viso_root_path(root), "/closed-dir", &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR);
	static const char *const names[] = {"/file", "/link", "/dir"};
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(root_lstat(viso_root_path(root), names[i], &st), 0);
		assert_int_equal(st.st_uid, geteuid() == 0 ? 1234 : geteuid());
		assert_int_equal(st.st_gid, geteuid() == 0 ? 5678 : getegid());
	}
	viso_root_unref(root);
	free(archive);
}

static void test_a_base_at_a_target(void **state)
{
	char *archive = make_hostile("target.tar", "add('./', tarfile.DIRTYPE, mode=0o700)\nadd('./bin/x', data=b'x')\n"
						   "add('up', tarfile.SYMTYPE, linkname='../bin')");
	viso_root *root = root_with(archive, "/opt/base/");
	root_assert_file(root, "/opt/base/bin/x", "x");
	viso_root_unref(root);
	/* The archive's own directory does not lock everybody out of the root. */
	struct stat st;
	root = root_with(archive, NULL);
	assert_int_equal(root_lstat(viso_root_path(root), "/", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	viso_root_unref(root);
	free(archive);
}

static void test_what_comes_later_comes_beside(void **state)
{
	char *archive = make_hostile("base.tar",
				     "add('etc/passwd', data=b'base')\nadd('usr/bin/env', data=b'base', mode=0o755)\n"
				     "add('lib', tarfile.SYMTYPE, linkname='usr/lib')\n"
				     "add('lib64', tarfile.SYMTYPE, linkname='usr/lib64')\n"
				     "add('bin', tarfile.SYMTYPE, linkname='usr/bin')\n");
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_archive(root, archive, NULL));
	assert_ok(viso_root_add_program(root, "env"));
	assert_ok(viso_root_add_data(root, "/etc/mine", "mine", 4, 0644));
	assert_fails(viso_root_add_data(root, "/etc/passwd", "mine", 4, 0644), EEXIST, VISO_STAGE_ROOT, "/etc/passwd");
	assert_ok(viso_root_build(root));
	root_assert_file(root, "/usr/bin/env", "base");
	root_assert_file(root, "/bin/env", "base");
	root_assert_file(root, "/etc/passwd", "base");
	root_assert_file(root, "/etc/mine", "mine");
	viso_root_unref(root);
	/* Where something is in the way, all of the archive is taken back. */
	root = viso_root_new();
	assert_ok(viso_root_add_data(root, "/etc/passwd", "mine", 4, 0644));
	assert_fails(viso_root_add_archive(root, archive, NULL), EEXIST, VISO_STAGE_ROOT, "/etc/passwd");
	assert_ok(viso_root_build(root));
	root_assert_no_entry(root, "/usr");
	viso_root_unref(root);
	free(archive);
}

/* Two roots of one machine have not the same files. */
static void test_a_path_on_another_file_system(void **state)
{
	skip_without(access("/dev/shm", W_OK) == 0, "/dev/shm");
	char *archive = make_hostile(
		"far.tar",
		"add('a', data=b'x', mode=0o640, uid=7, mtime=1000)\nadd('b', tarfile.LNKTYPE, linkname='a')");
	char path[] = "/dev/shm/viso-test-XXXXXX";
	struct stat st;
	assert_non_null(mkdtemp(path));
	viso_root *root = viso_root_new();
	assert_ok(viso_root_set_path(root, path));
	assert_ok(viso_root_add_archive(root, archive, NULL));
	assert_ok(viso_root_build(root));
	root_assert_file(root, "/b", "x");
	assert_int_equal(root_lstat(path, "/a", &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	assert_int_equal(st.st_mtime, 1000);
	viso_root_unref(root);
	assert_int_equal(access(path, F_OK), 0);
	support_remove_tree(path);
	free(archive);
}

static void test_the_reader_starts_no_program(void **state)
{
	/* lrzip, lzop and others are what libarchive starts programs for; compress and uuencode it can, and was not
	 * told. */
	char *path = root_path_of("%s/a.lzo", root_scratch);
	root_write_file(path, "\x89LZO\x00\x0d\x0a\x1a\x0a\0\0\0\0", 13, 0644);
	assert_refused(path, EINVAL);
	root_write_file(path, "LRZI\0\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24, 0644);
	assert_refused(path, EINVAL);
	free(path);
}

/* What is recorded of a base's files are other files each time that it is unpacked. */
static void test_a_base_in_a_named_root_is_updated(void **state)
{
	char *archive =
		make_hostile("a.tar", "add('one', data=b'1', mtime=1000); add('d/two', data=b'22', mtime=1000)");
	char *path = root_path_of("%s/named", root_scratch);
	for (int i = 0; i < 3; i++) {
		viso_root *root = viso_root_new();
		assert_ok(viso_root_add_archive(root, archive, NULL));
		assert_ok(viso_root_set_path(root, path));
		int changed = viso_root_update(root);
		if (changed < 0)
			print_error("%s\n", viso_error_message());
		assert_true(i ? changed == 0 : changed > 0);
		assert_int_equal(viso_root_verify(root, NULL), 0);
		viso_root_unref(root);
	}
	free(path);
	free(archive);
}

static void test_a_link_on_the_way_to_the_scratch_directory(void **state)
{
	char *archive = make_hostile("a.tar", "add('one', data=b'1')"), *link = root_path_of("%s/link", root_scratch);
	assert_int_equal(symlink(root_scratch, link), 0);
	support_set_temporary(link);
	viso_root *root = root_with(archive, NULL);
	assert_ok(viso_root_build(root));
	assert_true(root_has_file(viso_root_path(root), "/one"));
	viso_root_unref(root);
	free(link);
	free(archive);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_tar_packs_is_there, root_set_up, root_tear_down),
		cmocka_unit_test_setup_teardown(test_bad_arguments_are_refused, root_set_up, root_tear_down),
		cmocka_unit_test_setup_teardown(test_damaged_archives_are_refused, root_set_up, root_tear_down),
		cmocka_unit_test_setup_teardown(test_names_do_not_lead_out, root_set_up, root_tear_down),
		cmocka_unit_test_setup_teardown(test_links_do_not_lead_out, root_set_up, root_tear_down),
		cmocka_unit_test_setup_teardown(test_the_last_of_several_wins, root_set_up, root_tear_down),
		cmocka_unit_test_setup_teardown(test_bombs_are_refused, root_set_up, root_tear_down),
		cmocka_unit_test_setup_teardown(test_too_many_entries_are_refused, root_set_up, root_tear_down),
		cmocka_unit_test_setup_teardown(test_odd_names_are_kept, root_set_up, root_tear_down),
		cmocka_unit_test_setup_teardown(test_devices_of_others_are_left_out, root_set_up, root_tear_down),
		cmocka_unit_test_setup_teardown(test_owners_are_kept_by_root, root_set_up, root_tear_down),
		cmocka_unit_test_setup_teardown(test_a_base_at_a_target, root_set_up, root_tear_down),
		cmocka_unit_test_setup_teardown(test_what_comes_later_comes_beside, root_set_up, root_tear_down),
		cmocka_unit_test_setup_teardown(test_a_path_on_another_file_system, root_set_up, root_tear_down),
		cmocka_unit_test_setup_teardown(test_a_base_in_a_named_root_is_updated, root_set_up, root_tear_down),
		cmocka_unit_test_setup_teardown(test_a_link_on_the_way_to_the_scratch_directory, root_set_up,
						root_tear_down),
		cmocka_unit_test_setup_teardown(test_the_reader_starts_no_program, root_set_up, root_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
