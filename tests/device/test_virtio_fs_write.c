/* SPDX-License-Identifier: MIT */
/* A shared directory that the guest may write to: what it makes of it, and what it cannot. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fs_bench.h"
#include "support.h"

static int set_up_writing(void **state)
{
	return set_up_with(state, &(struct fuse_rights){.writes = true});
}

static int set_up_setid(void **state)
{
	return set_up_with(state, &(struct fuse_rights){.writes = true, .keeps_setid = true});
}

static int set_up_limited(void **state)
{
	return set_up_with(state, &(struct fuse_rights){.writes = true, .written_max = 10});
}

/* A fixed part with up to two names behind it. */
static int ask_named(struct bench *bench, uint32_t opcode, uint64_t node, const void *fixed, size_t size,
		     const char *first, const char *second)
{
	uint8_t argument[1024];
	size_t length = strlen(first) + 1;
	memcpy(argument, fixed, size);
	memcpy(argument + size, first, length);
	size += length;
	if (second) {
		memcpy(argument + size, second, strlen(second) + 1);
		size += strlen(second) + 1;
	}
	return ask(bench, opcode, node, argument, (uint32_t)size);
}

static int create(struct bench *bench, uint64_t parent, const char *name, uint32_t flags, uint32_t mode,
		  uint64_t *out_node, uint64_t *out_handle)
{
	const struct fuse_create_in in = {.flags = flags, .mode = S_IFREG | mode};
	int error = ask_named(bench, FUSE_CREATE, parent, &in, sizeof(in), name, NULL);
	if (error == 0) {
		*out_node = ((const struct fuse_entry_out *)(const void *)bench->answer)->nodeid;
		*out_handle =
			((const struct fuse_open_out *)(const void *)(bench->answer + sizeof(struct fuse_entry_out)))
				->fh;
	}
	return error;
}

static int make_node(struct bench *bench, const char *name, uint32_t mode)
{
	const struct fuse_mknod_in in = {.mode = mode, .rdev = 0x103};
	return ask_named(bench, FUSE_MKNOD, FS_ROOT, &in, sizeof(in), name, NULL);
}

static int make_directory(struct bench *bench, uint64_t parent, const char *name, uint32_t mode)
{
	const struct fuse_mkdir_in in = {.mode = mode};
	return ask_named(bench, FUSE_MKDIR, parent, &in, sizeof(in), name, NULL);
}

static int write_handle(struct bench *bench, uint64_t handle, uint64_t offset, const char *text)
{
	struct {
		struct fuse_write_in in;
		char text[64];
	} request = {.in = {.fh = handle, .offset = offset, .size = (uint32_t)strlen(text)}};
	memcpy(request.text, text, strlen(text));
	int error = ask(bench, FUSE_WRITE, 0, &request, (uint32_t)(sizeof(request.in) + strlen(text)));
	if (error == 0)
		assert_int_equal(((const struct fuse_write_out *)(const void *)bench->answer)->size, strlen(text));
	return error;
}

static int rename_to(struct bench *bench, const char *name, uint64_t parent, const char *new_name, uint32_t flags)
{
	const struct fuse_rename2_in in = {.newdir = parent, .flags = flags};
	return ask_named(bench, FUSE_RENAME2, FS_ROOT, &in, sizeof(in), name, new_name);
}

static int set_attributes(struct bench *bench, uint64_t node, const struct fuse_setattr_in *in)
{
	return ask(bench, FUSE_SETATTR, node, in, sizeof(*in));
}

static void assert_contents(const struct bench *bench, const char *path, const char *expected)
{
	char text[100] = {0};
	int fd = openat(bench->shared, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text) - 1) >= 0);
	close(fd);
	assert_string_equal(text, expected);
}

static mode_t mode_of(const struct bench *bench, const char *path)
{
	struct stat st;
	assert_int_equal(fstatat(bench->shared, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode;
}

static bool is_there(const struct bench *bench, const char *path)
{
	struct stat st;
	return fstatat(bench->shared, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void files_are_made_and_written(void **state)
{
	struct bench *bench = *state;
	uint64_t node = 0, handle = 0, other = 0;
	mode_t old = umask(0777);
	assert_int_equal(create(bench, FS_ROOT, "new", O_RDWR | O_EXCL, 0644, &node, &handle), 0);
	umask(old);
	const struct fuse_entry_out *entry = (const void *)bench->answer;
	assert_int_equal(entry->attr.uid, 0);
	assert_int_equal(entry->attr.gid, 0);
	assert_int_equal(mode_of(bench, "new"), S_IFREG | 0644);
	assert_int_equal(write_handle(bench, handle, 0, "hello"), 0);
	assert_int_equal(write_handle(bench, handle, 5, " guest"), 0);
	assert_contents(bench, "new", "hello guest");
	assert_int_equal(read_handle(bench, FUSE_READ, handle, 6, 100), 0);
	assert_memory_equal(bench->answer, "guest", 5);
	const struct fuse_fsync_in fsync = {.fh = handle, .fsync_flags = FUSE_FSYNC_FDATASYNC};
	assert_int_equal(ask(bench, FUSE_FSYNC, node, &fsync, sizeof(fsync)), 0);
	const struct fuse_fallocate_in room = {.fh = handle, .length = 100};
	assert_int_equal(ask(bench, FUSE_FALLOCATE, node, &room, sizeof(room)), 0);
	const struct fuse_fallocate_in hole = {
		.fh = handle, .length = 3, .mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE};
	assert_int_equal(ask(bench, FUSE_FALLOCATE, node, &hole, sizeof(hole)), 0);
	assert_contents(bench, "new", "");
	const struct fuse_fallocate_in other_mode = {.fh = handle, .length = 4096, .mode = FALLOC_FL_COLLAPSE_RANGE};
	assert_int_equal(ask(bench, FUSE_FALLOCATE, node, &other_mode, sizeof(other_mode)), -EOPNOTSUPP);
	/* What is there is opened, or not, and emptied where that is asked for. */
	assert_int_equal(create(bench, FS_ROOT, "file", O_WRONLY | O_EXCL, 0600, &node, &handle), -EEXIST);
	assert_int_equal(create(bench, FS_ROOT, "file", O_WRONLY, 0600, &node, &handle), 0);
	assert_int_equal(create(bench, FS_ROOT, "file", O_RDWR | O_TRUNC, 0600, &other, &handle), 0);
	assert_int_equal(node, other);
	assert_contents(bench, "file", "");
	assert_int_equal(mode_of(bench, "file"), S_IFREG | 0640);
	/* At the end, wherever the guest takes that to be. */
	assert_int_equal(open_node(bench, FUSE_OPEN, node, O_WRONLY | O_APPEND, &handle), 0);
	assert_int_equal(write_handle(bench, handle, 0, "one"), 0);
	assert_int_equal(write_handle(bench, handle, 0, "two"), 0);
	assert_contents(bench, "file", "onetwo");
}

static void names_are_made_moved_and_removed(void **state)
{
	struct bench *bench = *state;
	struct fuse_entry_out entry;
	assert_int_equal(make_directory(bench, FS_ROOT, "dir", 01755), 0);
	uint64_t dir = ((const struct fuse_entry_out *)(const void *)bench->answer)->nodeid;
	assert_int_equal(mode_of(bench, "dir"), S_IFDIR | 01755);
	assert_int_equal(make_directory(bench, FS_ROOT, "dir", 0755), -EEXIST);
	assert_int_equal(ask_named(bench, FUSE_SYMLINK, dir, "", 0, "l", "/etc/passwd"), 0);
	char target[32] = {0};
	assert_int_equal(readlinkat(bench->shared, "dir/l", target, sizeof(target)), 11);
	assert_string_equal(target, "/etc/passwd");
	uint64_t file = node_of(bench, FS_ROOT, "file");
	const struct fuse_link_in link = {.oldnodeid = file};
	assert_int_equal(ask_named(bench, FUSE_LINK, dir, &link, sizeof(link), "second", NULL), 0);
	assert_contents(bench, "dir/second", "contents of the file");
	const struct fuse_link_in no_link = {.oldnodeid = node_of(bench, FS_ROOT, "up")};
	assert_int_equal(ask_named(bench, FUSE_LINK, dir, &no_link, sizeof(no_link), "third", NULL), -EPERM);

	/* The number goes along with the file. */
	assert_int_equal(rename_to(bench, "file", dir, "second", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(rename_to(bench, "file", dir, "moved", 0), 0);
	assert_int_equal(node_of(bench, dir, "moved"), file);
	assert_int_equal(look_up(bench, FS_ROOT, "file", &entry), -ENOENT);
	assert_int_equal(rename_to(bench, "sub", FS_ROOT, "dir", RENAME_EXCHANGE), 0);
	assert_int_equal(node_of(bench, FS_ROOT, "sub"), dir);
	assert_int_equal(node_of(bench, node_of(bench, FS_ROOT, "sub"), "moved"), file);
	assert_int_equal(rename_to(bench, "sub", dir, "below", 0), -EINVAL);
	assert_int_equal(rename_to(bench, "pipe", FS_ROOT, "pipe2", RENAME_WHITEOUT), -EINVAL);
	const struct fuse_rename_in old = {.newdir = FS_ROOT};
	assert_int_equal(ask_named(bench, FUSE_RENAME, dir, &old, sizeof(old), "moved", "file"), 0);
	assert_contents(bench, "file", "contents of the file");

	assert_int_equal(ask(bench, FUSE_RMDIR, FS_ROOT, "sub", 4), -ENOTEMPTY);
	assert_int_equal(ask(bench, FUSE_UNLINK, FS_ROOT, "sub", 4), -EISDIR);
	assert_int_equal(ask(bench, FUSE_UNLINK, dir, "l", 2), 0);
	assert_int_equal(ask(bench, FUSE_UNLINK, dir, "second", 7), 0);
	assert_int_equal(ask(bench, FUSE_RMDIR, FS_ROOT, "sub", 4), 0);
	assert_false(is_there(bench, "sub"));
}

/* What has the name afterwards is another file, with another number: Linux would take the one for the other. */
static void what_is_removed_is_used_on(void **state)
{
	struct bench *bench = *state;
	const struct fuse_getattr_in getattr = {0};
	uint64_t node = 0, handle = 0, second = 0, second_handle = 0;
	assert_int_equal(create(bench, FS_ROOT, "t", O_RDWR, 0600, &node, &handle), 0);
	assert_int_equal(ask(bench, FUSE_UNLINK, FS_ROOT, "t", 2), 0);
	assert_int_equal(create(bench, FS_ROOT, "t", O_RDWR, 0600, &second, &second_handle), 0);
	assert_int_not_equal(node, second);
	assert_int_equal(write_handle(bench, handle, 0, "still there"), 0);
	assert_contents(bench, "t", "");
	assert_int_equal(ask(bench, FUSE_GETATTR, node, &getattr, sizeof(getattr)), 0);
	const struct fuse_attr_out *attributes = (const void *)bench->answer;
	assert_int_equal(attributes->attr.size, 11);
	assert_int_equal(attributes->attr.nlink, 0);
	const struct fuse_setattr_in shorter = {.valid = FATTR_SIZE, .size = 5};
	assert_int_equal(set_attributes(bench, node, &shorter), 0);
	assert_int_equal(((const struct fuse_attr_out *)(const void *)bench->answer)->attr.size, 5);
	const struct fuse_release_in release = {.fh = handle};
	assert_int_equal(ask(bench, FUSE_RELEASE, node, &release, sizeof(release)), 0);
	assert_int_equal(ask(bench, FUSE_GETATTR, node, &getattr, sizeof(getattr)), -ENOENT);
	/* Also where another one was moved there, or the host has removed it and the guest makes it anew. */
	assert_int_equal(rename_to(bench, "t", FS_ROOT, "file", 0), 0);
	assert_int_equal(node_of(bench, FS_ROOT, "file"), second);
	assert_int_equal(unlinkat(bench->shared, "file", 0), 0);
	assert_int_equal(create(bench, FS_ROOT, "file", O_RDWR, 0600, &node, &handle), 0);
	assert_int_not_equal(node, second);
}

static void attributes_are_changed_within_bounds(void **state)
{
	struct bench *bench = *state;
	uint64_t file = node_of(bench, FS_ROOT, "file"), up = node_of(bench, FS_ROOT, "up");
	struct stat st;
	const struct fuse_setattr_in mode = {.valid = FATTR_MODE, .mode = 06711};
	assert_int_equal(set_attributes(bench, file, &mode), 0);
	assert_int_equal(mode_of(bench, "file"), S_IFREG | 0711);
	assert_int_equal(set_attributes(bench, up, &mode), -EOPNOTSUPP);
	const struct fuse_setattr_in times = {.valid = FATTR_MTIME | FATTR_ATIME_NOW, .mtime = 1000, .mtimensec = 7};
	assert_int_equal(set_attributes(bench, file, &times), 0);
	assert_int_equal(fstatat(bench->shared, "file", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, 1000);
	assert_int_equal(st.st_mtim.tv_nsec, 7);
	assert_true(st.st_atim.tv_sec > 1000000000);
	/* Of the link itself, not of what is above the directory. */
	assert_int_equal(set_attributes(bench, up, &times), 0);
	assert_int_equal(fstatat(bench->shared, "up", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mtim.tv_sec, 1000);
	assert_int_equal(fstatat(bench->shared, "..", &st, 0), 0);
	assert_int_not_equal(st.st_mtim.tv_sec, 1000);
	const struct fuse_setattr_in size = {.valid = FATTR_SIZE, .size = 8};
	assert_int_equal(set_attributes(bench, file, &size), 0);
	assert_contents(bench, "file", "contents");
	const struct fuse_setattr_in huge = {.valid = FATTR_SIZE, .size = UINT64_MAX};
	assert_int_equal(set_attributes(bench, file, &huge), -EFBIG);
	assert_int_equal(set_attributes(bench, node_of(bench, FS_ROOT, "sub"), &size), -EISDIR);
	assert_int_equal(set_attributes(bench, node_of(bench, FS_ROOT, "pipe"), &size), -EACCES);
	const struct fuse_setattr_in own = {.valid = FATTR_UID | FATTR_GID};
	assert_int_equal(set_attributes(bench, file, &own), 0);
	const struct fuse_setattr_in owner = {.valid = FATTR_UID, .uid = 1234};
	const struct fuse_setattr_in group = {.valid = FATTR_GID, .gid = 1234};
	assert_int_equal(set_attributes(bench, file, &owner), -EPERM);
	assert_int_equal(set_attributes(bench, file, &group), -EPERM);
}

static void devices_and_programs_of_others_are_not_made(void **state)
{
	struct bench *bench = *state;
	uint64_t node = 0, handle = 0;
	assert_int_equal(make_node(bench, "fifo", S_IFIFO | 0620), 0);
	assert_int_equal(mode_of(bench, "fifo"), S_IFIFO | 0620);
	assert_int_equal(make_node(bench, "socket", S_IFSOCK | 0600), 0);
	assert_int_equal(make_node(bench, "regular", S_IFREG | 06755), 0);
	assert_int_equal(mode_of(bench, "regular"), S_IFREG | 0755);
	assert_int_equal(make_node(bench, "device", S_IFCHR | 0600), -EPERM);
	assert_int_equal(make_node(bench, "device", S_IFBLK | 0600), -EPERM);
	assert_int_equal(make_node(bench, "device", 0600), -EPERM);
	assert_false(is_there(bench, "device"));
	assert_int_equal(create(bench, FS_ROOT, "program", O_WRONLY, 06755, &node, &handle), 0);
	assert_int_equal(mode_of(bench, "program"), S_IFREG | 0755);
	assert_int_equal(make_directory(bench, FS_ROOT, "dir", 06755), 0);
	assert_int_equal(mode_of(bench, "dir"), S_IFDIR | 0755);
	/* A program of the host's that runs as its owner becomes no other one. */
	assert_int_equal(fchmodat(bench->shared, "file", 06755, 0), 0);
	uint64_t file = node_of(bench, FS_ROOT, "file");
	assert_int_equal(open_node(bench, FUSE_OPEN, file, O_RDONLY, &handle), 0);
	assert_int_equal(mode_of(bench, "file"), S_IFREG | 06755);
	assert_int_equal(open_node(bench, FUSE_OPEN, file, O_WRONLY, &handle), 0);
	assert_int_equal(mode_of(bench, "file"), S_IFREG | 0755);
	assert_int_equal(fchmodat(bench->shared, "file", 06755, 0), 0);
	const struct fuse_setattr_in size = {.valid = FATTR_SIZE, .size = 8};
	assert_int_equal(set_attributes(bench, file, &size), 0);
	assert_int_equal(mode_of(bench, "file"), S_IFREG | 0755);
}

static void programs_of_others_are_made_where_that_is_allowed(void **state)
{
	struct bench *bench = *state;
	uint64_t node = 0, handle = 0;
	assert_int_equal(create(bench, FS_ROOT, "program", O_WRONLY, 04755, &node, &handle), 0);
	assert_int_equal(mode_of(bench, "program"), S_IFREG | 04755);
	assert_int_equal(make_node(bench, "device", S_IFCHR | 0600), -EPERM);
}

static void changes_do_not_lead_out(void **state)
{
	struct bench *bench = *state;
	uint64_t up = node_of(bench, FS_ROOT, "up"), link = node_of(bench, FS_ROOT, "link"), node = 0, handle = 0;
	const struct fuse_setattr_in size = {.valid = FATTR_SIZE};
	static const char *const bad[] = {"..", ".", "", "a/b", "/tmp/b", "../secret"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(create(bench, FS_ROOT, bad[i], O_RDWR, 0600, &node, &handle), -EINVAL);
		assert_int_equal(make_directory(bench, FS_ROOT, bad[i], 0700), -EINVAL);
		assert_int_equal(ask(bench, FUSE_UNLINK, FS_ROOT, bad[i], (uint32_t)strlen(bad[i]) + 1), -EINVAL);
		assert_int_equal(rename_to(bench, "file", FS_ROOT, bad[i], 0), -EINVAL);
		assert_int_equal(rename_to(bench, bad[i], FS_ROOT, "file", 0), -EINVAL);
		assert_int_equal(ask_named(bench, FUSE_SYMLINK, FS_ROOT, "", 0, bad[i], "a"), -EINVAL);
	}
	assert_int_equal(create(bench, up, "new", O_RDWR, 0600, &node, &handle), -ENOTDIR);
	assert_int_equal(make_directory(bench, up, "new", 0700), -ENOTDIR);
	assert_int_equal(ask(bench, FUSE_UNLINK, up, "secret", 7), -ENOTDIR);
	assert_int_equal(rename_to(bench, "file", up, "secret", 0), -ENOTDIR);
	assert_true(open_node(bench, FUSE_OPEN, link, O_RDWR, &handle) < 0);
	assert_true(set_attributes(bench, link, &size) < 0);
	assert_int_equal(create(bench, FS_ROOT, "link", O_RDWR | O_TRUNC, 0600, &node, &handle), -EACCES);
	/* A directory that becomes a link while the guest knows it. */
	uint64_t sub = node_of(bench, FS_ROOT, "sub"), deep = node_of(bench, sub, "deep");
	assert_int_equal(renameat(bench->shared, "sub", bench->shared, "moved"), 0);
	assert_int_equal(symlinkat("..", bench->shared, "sub"), 0);
	assert_int_equal(create(bench, sub, "secret", O_RDWR | O_TRUNC, 0600, &node, &handle), -ENOTDIR);
	assert_int_equal(ask(bench, FUSE_UNLINK, sub, "secret", 7), -ENOTDIR);
	assert_int_equal(set_attributes(bench, deep, &size), -ELOOP);
	char text[10] = {0};
	int fd = openat(bench->shared, "../secret", O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, text, sizeof(text)), 6);
	close(fd);
	/* Too short, or without an end. */
	assert_int_equal(ask(bench, FUSE_RENAME2, FS_ROOT, "", 1), -EINVAL);
	assert_int_equal(ask(bench, FUSE_RENAME2, FS_ROOT, "0123456789abcdefname", 20), -EINVAL);
	assert_int_equal(ask(bench, FUSE_SYMLINK, FS_ROOT, "name", 4), -EINVAL);
	assert_int_equal(ask(bench, FUSE_SETATTR, FS_ROOT, "name", 4), -EINVAL);
	const struct fuse_write_in in = {.fh = 0, .size = 5000};
	assert_int_equal(create(bench, FS_ROOT, "w", O_RDWR, 0600, &node, &handle), 0);
	assert_int_equal(ask(bench, FUSE_WRITE, node, &in, sizeof(in)), -EINVAL);
}

static void attributes_of_its_own_are_kept(void **state)
{
	struct bench *bench = *state;
	const struct fuse_getxattr_in probe = {0}, whole = {.size = 100};
	uint64_t file = node_of(bench, FS_ROOT, "file");
	char value[16] = {0};
	struct {
		uint32_t size, flags;
	} in = {.size = 5};
	int error = ask_named(bench, FUSE_SETXATTR, file, &in, sizeof(in), "user.a", "value");
	if (error == -EOPNOTSUPP)
		skip_without(false, "a file system with user.* attributes for temporary files");
	assert_int_equal(error, 0);
	char path[40];
	snprintf(path, sizeof(path), "/proc/self/fd/%d/file", bench->shared);
	assert_int_equal(getxattr(path, "user.a", value, sizeof(value)), 5);
	assert_string_equal(value, "value");
	assert_int_equal(ask_named(bench, FUSE_GETXATTR, file, &probe, sizeof(probe), "user.a", NULL), 0);
	assert_int_equal(((const struct fuse_getxattr_out *)(const void *)bench->answer)->size, 5);
	assert_int_equal(ask_named(bench, FUSE_GETXATTR, file, &whole, sizeof(whole), "user.a", NULL), 0);
	assert_memory_equal(bench->answer, "value", 5);
	assert_int_equal(ask(bench, FUSE_LISTXATTR, file, &whole, sizeof(whole)), 0);
	assert_int_equal(bench->answer_size, 7);
	assert_memory_equal(bench->answer, "user.a", 7);
	const struct fuse_getxattr_in less = {.size = 3};
	assert_int_equal(ask_named(bench, FUSE_GETXATTR, file, &less, sizeof(less), "user.a", NULL), -ERANGE);
	assert_int_equal(ask(bench, FUSE_REMOVEXATTR, file, "user.a", 7), 0);
	assert_int_equal(ask_named(bench, FUSE_GETXATTR, file, &whole, sizeof(whole), "user.a", NULL), -ENODATA);
	/* Those of the host are not for the guest. */
	static const char *const bad[] = {"security.capability", "trusted.overlay.opaque", "system.posix_acl_access"};
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(ask_named(bench, FUSE_SETXATTR, file, &in, sizeof(in), bad[i], "value"), -EOPNOTSUPP);
		assert_int_equal(ask_named(bench, FUSE_GETXATTR, file, &whole, sizeof(whole), bad[i], NULL), -ENODATA);
	}
}

static void what_is_written_is_bounded(void **state)
{
	struct bench *bench = *state;
	uint64_t node = 0, handle = 0;
	assert_int_equal(create(bench, FS_ROOT, "new", O_RDWR, 0600, &node, &handle), 0);
	assert_int_equal(write_handle(bench, handle, 0, "123456"), 0);
	assert_int_equal(write_handle(bench, handle, 6, "12345"), -EDQUOT);
	const struct fuse_fallocate_in room = {.fh = handle, .length = 5};
	assert_int_equal(ask(bench, FUSE_FALLOCATE, node, &room, sizeof(room)), -EDQUOT);
	/* What links say and attributes hold is on the host's disk just so. */
	assert_int_equal(ask(bench, FUSE_SYMLINK, FS_ROOT, "said\0target", 12), -EDQUOT);
	const struct {
		uint32_t size, flags;
	} attribute = {.size = 5};
	assert_int_equal(ask_named(bench, FUSE_SETXATTR, node, &attribute, sizeof(attribute), "user.a", "value"),
			 -EDQUOT);
	/* A new start of the driver is no new start of the count. */
	driver_begin(&bench->driver, 0, 2);
	assert_int_equal(create(bench, FS_ROOT, "new", O_RDWR, 0600, &node, &handle), 0);
	assert_int_equal(write_handle(bench, handle, 6, "12345"), -EDQUOT);
	assert_int_equal(write_handle(bench, handle, 6, "1234"), 0);
	assert_contents(bench, "new", "1234561234");
}

/* What the guest gave no room to hear of it does not know: it is forgotten with what it does know. */
static void answers_without_room_leave_nothing(void **state)
{
	struct bench *bench = *state;
	enum { SHORT = sizeof(struct fuse_out_header) + 8 };
	const struct fuse_create_in create_in = {.flags = O_RDWR, .mode = S_IFREG | 0600};
	const struct fuse_mkdir_in mkdir_in = {.mode = 0700};
	const struct fuse_getattr_in getattr = {0};
	struct fuse_link_in link = {.oldnodeid = node_of(bench, FS_ROOT, "file")};
	struct {
		struct fuse_create_in in;
		char name[4];
	} create = {create_in, "new"};
	struct {
		struct fuse_mkdir_in in;
		char name[4];
	} mkdir = {mkdir_in, "dir"};
	struct {
		struct fuse_link_in in;
		char name[4];
	} another = {link, "lnk"};
	static const char *const names[] = {"new", "dir", "lnk", "sub"};
	for (int i = 0; i < FUSE_OPEN_MAX + 1; i++)
		assert_int_equal(ask_within(bench, FUSE_CREATE, FS_ROOT, &create, sizeof(create), SHORT), -EIO);
	assert_int_equal(ask_within(bench, FUSE_MKDIR, FS_ROOT, &mkdir, sizeof(mkdir), SHORT), -EIO);
	assert_int_equal(ask_within(bench, FUSE_LINK, FS_ROOT, &another, sizeof(another), SHORT), -EIO);
	assert_int_equal(ask_within(bench, FUSE_LOOKUP, FS_ROOT, "sub", 4, SHORT), -EIO);
	for (int i = 0; i < 4; i++) {
		const struct fuse_forget_in once = {.nlookup = 1};
		uint64_t node = node_of(bench, FS_ROOT, names[i]);
		assert_int_equal(ask(bench, FUSE_GETATTR, node, &getattr, sizeof(getattr)), 0);
		assert_int_equal(ask(bench, FUSE_FORGET, node, &once, sizeof(once)), 1);
		assert_int_equal(ask(bench, FUSE_GETATTR, node, &getattr, sizeof(getattr)), -ENOENT);
	}
}

/* Where the whole tree of the host is shared: its processes, and what the kernel shows, are not. */
static void the_kernels_own_files_are_hidden(void **state)
{
	struct bench *bench = *state;
	struct fuse_entry_out entry;
	driver_close(&bench->driver);
	driver_open(&bench->driver);
	struct virtio *fs;
	assert_int_equal(virtio_fs_new(&bench->driver.ram, driver_interrupt(&bench->driver),
				       open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "all", &(struct fuse_rights){0},
				       &fs),
			 0);
	driver_take(&bench->driver, fs);
	driver_begin(&bench->driver, 0, 2);
	bench->room = driver_room(&bench->driver, ROOM);
	assert_int_equal(look_up(bench, FS_ROOT, "etc", &entry), 0);
	assert_int_equal(look_up(bench, entry.nodeid, "passwd", &entry), 0);
	assert_int_equal(access("/proc/self/mem", F_OK), 0);
	assert_int_equal(look_up(bench, FS_ROOT, "proc", &entry), -ENOENT);
}

/* Without a device: names that move about. */
static void nodes_that_move_stay_a_tree(void **state)
{
	struct fs_nodes nodes;
	char path[PATH_MAX];
	uint64_t a, b, c, again;
	assert_int_equal(fs_nodes_init(&nodes), 0);
	assert_int_equal(fs_nodes_look_up(&nodes, FS_ROOT, "a", &a), 0);
	assert_int_equal(fs_nodes_look_up(&nodes, a, "b", &b), 0);
	assert_int_equal(fs_nodes_look_up(&nodes, b, "c", &c), 0);
	/* What no host does by itself: beneath itself. It is out of the tree then, and no path is without an end. */
	fs_nodes_move(&nodes, FS_ROOT, "a", b, "a", false);
	assert_int_equal(fs_nodes_path(&nodes, c, path), -ENOENT);
	assert_int_equal(fs_nodes_path(&nodes, a, path), -ENOENT);
	assert_int_equal(fs_nodes_look_up(&nodes, FS_ROOT, "a", &again), 0);
	assert_int_not_equal(again, a);
	fs_nodes_move(&nodes, a, "b", FS_ROOT, "b", false);
	assert_int_equal(fs_nodes_path(&nodes, c, path), 0);
	assert_string_equal(path, "b/c");
	fs_nodes_move(&nodes, FS_ROOT, "b", FS_ROOT, "a", true);
	assert_int_equal(fs_nodes_path(&nodes, c, path), 0);
	assert_string_equal(path, "a/c");
	assert_int_equal(fs_nodes_path(&nodes, again, path), 0);
	assert_string_equal(path, "b");
	/* A parent that only its children keep goes with the last one, wherever that goes. */
	fs_nodes_forget(&nodes, b, 1);
	fs_nodes_move(&nodes, b, "c", FS_ROOT, "b", false);
	assert_int_equal(fs_nodes_path(&nodes, b, path), -ENOENT);
	assert_int_equal(fs_nodes_path(&nodes, again, path), -ENOENT);
	assert_int_equal(fs_nodes_path(&nodes, c, path), 0);
	fs_nodes_drop(&nodes, FS_ROOT, "b");
	fs_nodes_drop(&nodes, FS_ROOT, "b");
	fs_nodes_forget(&nodes, c, 1);
	fs_nodes_forget(&nodes, a, 1);
	fs_nodes_forget(&nodes, again, 1);
	assert_int_equal(fs_nodes_path(&nodes, a, path), -ENOENT);
	fs_nodes_release(&nodes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(files_are_made_and_written, set_up_writing, tear_down),
		cmocka_unit_test_setup_teardown(names_are_made_moved_and_removed, set_up_writing, tear_down),
		cmocka_unit_test_setup_teardown(what_is_removed_is_used_on, set_up_writing, tear_down),
		cmocka_unit_test_setup_teardown(attributes_are_changed_within_bounds, set_up_writing, tear_down),
		cmocka_unit_test_setup_teardown(devices_and_programs_of_others_are_not_made, set_up_writing, tear_down),
		cmocka_unit_test_setup_teardown(programs_of_others_are_made_where_that_is_allowed, set_up_setid,
						tear_down),
		cmocka_unit_test_setup_teardown(changes_do_not_lead_out, set_up_writing, tear_down),
		cmocka_unit_test_setup_teardown(attributes_of_its_own_are_kept, set_up_writing, tear_down),
		cmocka_unit_test_setup_teardown(what_is_written_is_bounded, set_up_limited, tear_down),
		cmocka_unit_test_setup_teardown(answers_without_room_leave_nothing, set_up_writing, tear_down),
		cmocka_unit_test_setup_teardown(the_kernels_own_files_are_hidden, set_up, tear_down),
		cmocka_unit_test(nodes_that_move_stay_a_tree),
	};
	return cmocka_run_group_tests_name("virtio-fs with writing", tests, NULL, NULL);
}
