/* SPDX-License-Identifier: MIT */
/* Checkpoints by criu(8), a program of the host that works on the host's processes. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container/container.h"
#include "container/restore.h"
#include "core/cleanup.h"
#include "core/error.h"
#include "core/remove_tree.h"
#include "sandbox/host_program.h"

enum { OUTPUT_MAX = 64 << 10, PROCESSES_MAX = 4096 };
static const uint64_t time_limit_ms = 300000;

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
	return count != 0 ? (count < 0 ? count : 0)
			  : error_fail(VISO_STAGE_CHECKPOINT, EOPNOTSUPP, "background",
				       "nothing runs in the container, so there is nothing to be kept");
}

static int describe_dump(viso_command *command, int init, const char *directory)
{
	char pid[16];
	snprintf(pid, sizeof(pid), "%d", init);
	const char *const arguments[] = {
		"dump", "--tree", pid, "--images-dir", directory, "-v1",
		/* The nodes of /dev are the host's. */
		"--external", "mnt[]:ms",
		/* There is nothing in it but a loopback interface, which a new one has, too. */
		"--empty-ns", "net", "--network-lock", "nftables",
		/* The groups are the library's. */
		"--manage-cgroups=ignore", "--file-locks", "--ext-unix-sk"};
	int r = viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_NULL);
	if (r == 0)
		r = viso_command_capture(command, OUTPUT_MAX);
	if (r == 0)
		r = viso_command_set_timeout_ms(command, time_limit_ms);
	for (size_t i = 0; r == 0 && i < sizeof(arguments) / sizeof(arguments[0]); i++)
		r = viso_command_add_arg(command, arguments[i]);
	return r;
}

/*
 * What is in the images is the memory of programs: root's alone, but for criu itself when it restores, which reads them
 * from inside of the user namespace.
 */
static int write_state(int directory, int init)
{
	char path[32], text[64];
	unsigned inside, first;
	snprintf(path, sizeof(path), "/proc/%d/uid_map", init);
	FILE *map = fopen(path, "re");
	bool known = map && fscanf(map, "%u %u", &inside, &first) == 2;
	if (map)
		fclose(map);
	if (!known)
		return error_fail(VISO_STAGE_CHECKPOINT, ESRCH, path, NULL);
	int length = snprintf(text, sizeof(text), "first_id %u\n", first);
	_cleanup_close_ int fd = openat(directory, RESTORE_STATE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fchown(directory, (uid_t)-1, first) < 0 || fchmod(directory, 0750) < 0 || fd < 0 ||
	    write(fd, text, (size_t)length) != length || mkdirat(directory, RESTORE_ROOT, 0700) < 0)
		return error_fail(VISO_STAGE_CHECKPOINT, errno, RESTORE_STATE, NULL);
	return 0;
}

/*
 * Until the init shows itself nothing may run in there that could look into it; and what stands when criu comes stands
 * when it is restored. Beneath /proc it is then its own user's (proc(5)).
 */
static int stop_and_show(viso_container *container)
{
	enum { TRIES = 1000 };
	int r = launched_instance_pause(&container->instance, true);
	char path[32];
	struct stat st;
	snprintf(path, sizeof(path), "/proc/%d/status", container->instance.init);
	if (r >= 0 && kill(container->instance.init, SIGNAL_SHOW) < 0)
		r = error_fail(VISO_STAGE_CHECKPOINT, errno, "init", NULL);
	for (int i = 0; r >= 0 && i < TRIES && stat(path, &st) == 0 && st.st_uid == 0; i++)
		usleep(1000);
	return r < 0 ? r : 0;
}

static void hide_and_resume(viso_container *container)
{
	enum { TRIES = 1000 };
	char path[32];
	struct stat st;
	snprintf(path, sizeof(path), "/proc/%d/status", container->instance.init);
	kill(container->instance.init, SIGNAL_HIDE);
	for (int i = 0; i < TRIES && stat(path, &st) == 0 && st.st_uid != 0; i++)
		usleep(1000);
	launched_instance_pause(&container->instance, false);
}

static int dump(int init, const char *directory)
{
	char criu[HOST_PROGRAM_PATH_MAX];
	if (!host_program_find("criu", criu))
		return error_fail(VISO_STAGE_CHECKPOINT, EOPNOTSUPP, "criu",
				  "there is no criu(8), which makes checkpoints; install the package criu");
	if (geteuid() != 0)
		return error_fail(VISO_STAGE_CHECKPOINT, EOPNOTSUPP, "criu", "criu needs root of the host");
	_cleanup_(cleanup_host_command) viso_command *command = host_program_command(criu);
	_cleanup_(cleanup_host_result) viso_result *result = NULL;
	if (!command)
		return -viso_error_number();
	int r = describe_dump(command, init, directory);
	if (r == 0)
		r = host_program_run(command, &result);
	return r < 0 ? r : host_program_check(result, VISO_STAGE_CHECKPOINT, EOPNOTSUPP, "criu");
}

static int dump_stopped(viso_container *container, int directory, const char *path)
{
	int r = stop_and_show(container);
	if (r == 0)
		r = write_state(directory, container->instance.init);
	if (r == 0)
		r = dump(container->instance.init, path);
	if (r == 0)
		r = images_name_program(directory);
	if (r < 0)
		hide_and_resume(container);
	return r;
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
	r = plain_check(container->instance.plan, container->instance.plan->cgroups.count > 0, __func__);
	if (r == 0)
		r = check_processes(container);
	if (r == 0)
		r = dump_stopped(container, fd, path);
	if (r < 0) {
		remove_contents(fd);
		return r;
	}
	return viso_sandbox_close(&container->sandbox);
}
