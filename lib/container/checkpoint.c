/* SPDX-License-Identifier: MIT */
/*
 * Checkpoints by criu(8). It is a program of the host and works on the host's processes: it runs in a jail whose root
 * is the host's own, as mkfs.erofs does for images.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <virtiso/jail.h>
#include <virtiso/result.h>

#include "container/container.h"
#include "core/cleanup.h"
#include "core/error.h"
#include "core/remove_tree.h"

enum { OUTPUT_MAX = 64 << 10, PROCESSES_MAX = 4096 };
static const uint64_t time_limit_ms = 300000;

static void cleanup_command(viso_command **command)
{
	viso_command_unref(*command);
}

static void cleanup_root(viso_root **root)
{
	viso_root_unref(*root);
}

static void cleanup_jail(viso_jail **jail)
{
	viso_jail_unref(*jail);
}

static void cleanup_result(viso_result **result)
{
	viso_result_unref(*result);
}

static const char *find_criu(void)
{
	static const char *const paths[] = {"/usr/local/sbin/criu", "/usr/sbin/criu", "/usr/bin/criu", "/sbin/criu"};
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (!access(paths[i], X_OK))
			return paths[i];
	error_fail(VISO_STAGE_CHECKPOINT, EOPNOTSUPP, "criu",
		   "there is no criu(8), which makes checkpoints; install the "
		   "package criu");
	return NULL;
}

/* An empty directory; its fd, or a negative errno with the error set. */
static int open_empty(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	_cleanup_closedir_ DIR *list = copy < 0 ? NULL : fdopendir(copy);
	if (!list) {
		int r = error_fail(VISO_STAGE_CHECKPOINT, errno, path, NULL);
		close_fd(copy);
		return r;
	}
	for (struct dirent *entry; (entry = readdir(list));)
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			return error_fail(VISO_STAGE_CHECKPOINT, ENOTEMPTY, path, NULL);
	return TAKE_FD(fd);
}

/* The parent of a process; 0 where it has ended. */
static int parent_of(int pid)
{
	char path[32], text[512];
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	const char *end = strrchr(text, ')');
	return end && strlen(end) > 4 ? atoi(end + 4) : 0;
}

static bool descends_from(int pid, int ancestor)
{
	while (pid > 1 && pid != ancestor)
		pid = parent_of(pid);
	return pid != 1; /* one that has ended meanwhile is in nobody's way */
}

/*
 * A command has its parent outside of the container (program/joined.c), so criu, which takes a whole tree, would leave
 * it out. What goes on in the background is its init's.
 */
static int check_processes(viso_container *container)
{
	_cleanup_free_ int *pids = calloc(PROCESSES_MAX, sizeof(*pids));
	if (!pids)
		return error_memory();
	int count = viso_sandbox_pids(&container->sandbox, pids, PROCESSES_MAX);
	for (int i = 0; i < count && i < PROCESSES_MAX; i++)
		if (!descends_from(pids[i], container->instance.init))
			return error_fail(VISO_STAGE_CHECKPOINT, EBUSY, "command",
					  "a command runs in the container, whose waiting host program no checkpoint "
					  "holds; wait until it ends: what it leaves in the background is kept");
	return count < 0 ? count : 0;
}

static int describe_dump(viso_command *command, int init, const char *directory)
{
	char pid[16];
	snprintf(pid, sizeof(pid), "%d", init);
	const char *const arguments[] = {"dump", "--tree", pid, "--images-dir", directory, "-v1",
					 /* The nodes of /dev are the host's. */
					 "--external", "mnt[]:ms",
					 /* The groups are the library's. */
					 "--manage-cgroups=ignore", "--file-locks", "--ext-unix-sk"};
	int r = viso_command_set_user(command, geteuid(), getegid());
	if (r == 0)
		r = viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_NULL);
	if (r == 0)
		r = viso_command_capture(command, OUTPUT_MAX);
	if (r == 0)
		r = viso_command_set_timeout_ms(command, time_limit_ms);
	for (size_t i = 0; r == 0 && i < sizeof(arguments) / sizeof(arguments[0]); i++)
		r = viso_command_add_arg(command, arguments[i]);
	return r;
}

static int run(const viso_command *command, viso_result **out_result)
{
	_cleanup_(cleanup_root) viso_root *root = viso_root_new();
	_cleanup_(cleanup_jail) viso_jail *jail = viso_jail_new();
	if (!root || !jail)
		return -viso_error_number();
	int r = viso_root_use_directory(root, "/");
	if (r >= 0)
		r = viso_jail_set_root(jail, root);
	if (r >= 0)
		r = viso_jail_set_hardening(jail, 0);
	return r < 0 ? r : viso_sandbox_run(viso_jail_sandbox(jail), command, out_result);
}

/* The last line that it had to say. */
static int fail_as_criu(const viso_result *result)
{
	size_t size = 0;
	const char *text = viso_result_output(result, VISO_STDERR, &size);
	if (!text || !size)
		text = viso_result_output(result, VISO_STDOUT, &size);
	while (text && size && text[size - 1] == '\n')
		size--;
	size_t begin = size;
	while (text && begin && text[begin - 1] != '\n')
		begin--;
	return error_fail(VISO_STAGE_CHECKPOINT, EOPNOTSUPP, "criu", "criu cannot do it here (%s): %.*s",
			  viso_result_describe(result), (int)(size - begin), text && size ? text + begin : "");
}

static int dump(int init, const char *directory)
{
	const char *criu = find_criu();
	if (!criu)
		return -viso_error_number();
	if (geteuid() != 0)
		return error_fail(VISO_STAGE_CHECKPOINT, EOPNOTSUPP, "criu", "criu needs root of the host");
	_cleanup_(cleanup_command) viso_command *command = viso_command_new(criu);
	_cleanup_(cleanup_result) viso_result *result = NULL;
	if (!command)
		return -viso_error_number();
	int r = describe_dump(command, init, directory);
	if (r == 0)
		r = run(command, &result);
	if (r < 0)
		return r;
	return viso_result_reason(result) == VISO_REASON_EXITED && viso_result_exit_code(result) == 0
		       ? 0
		       : fail_as_criu(result);
}

int viso_container_checkpoint(viso_container *container, const char *directory)
{
	int r = sandbox_check_use(container ? &container->sandbox : NULL, __func__);
	if (r < 0)
		return r;
	if (!directory)
		return error_argument(__func__, "the directory is NULL");
	if (launched_instance_plans(&container->instance, &container->sandbox) < 0)
		return error_argument(__func__, "there is no instance: viso_sandbox_start() makes one");
	if (!container->instance.init)
		return error_fail(VISO_STAGE_CHECKPOINT, EOPNOTSUPP, __func__,
				  "%s: the container was attached to; only who started it can do that", __func__);
	_cleanup_close_ int fd = open_empty(directory);
	_cleanup_free_ char *path = fd < 0 ? NULL : realpath(directory, NULL);
	if (fd < 0)
		return fd;
	if (!path)
		return error_fail(VISO_STAGE_CHECKPOINT, errno, directory, NULL);
	r = check_processes(container);
	if (r == 0)
		r = dump(container->instance.init, path);
	if (r < 0) {
		remove_contents(fd);
		return r;
	}
	return viso_sandbox_close(&container->sandbox);
}

int viso_container_restore(viso_container *container, const char *directory)
{
	int r = container_check_setter(container, __func__);
	if (r < 0)
		return r;
	if (!directory)
		return error_argument(__func__, "the directory is NULL");
	/* What criu makes is the child of criu: the launcher could neither end it with the host nor count it. */
	return error_fail(VISO_STAGE_CHECKPOINT, EOPNOTSUPP, __func__,
			  "%s: an instance that criu restores would not end with the host program; start it by "
			  "criu-restore(8) outside of the library",
			  __func__);
}
