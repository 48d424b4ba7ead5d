/* SPDX-License-Identifier: MIT */
#include "test_root_support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char *format_string(const char *format, va_list args)
{
	char *string = NULL;
	assert_true(vasprintf(&string, format, args) >= 0);
	return string;
}

int root_shell(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *command = format_string(format, args);
	va_end(args);
	int status = system(command);
	free(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

char *root_shell_output(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *command = format_string(format, args);
	va_end(args);
	FILE *pipe = popen(command, "re");
	assert_non_null(pipe);
	char *output = calloc(1, 1 << 20);
	assert_non_null(output);
	output[fread(output, 1, (1 << 20) - 1, pipe)] = '\0';
	pclose(pipe);
	free(command);
	return output;
}

bool root_have_compiler(void)
{
	return root_shell("cc --version >/dev/null 2>&1") == 0;
}

char *root_path_of(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *path = format_string(format, args);
	va_end(args);
	return path;
}

void root_write_file(const char *path, const void *data, size_t size, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

void root_write_text(const char *path, const char *text, mode_t mode)
{
	root_write_file(path, text, strlen(text), mode);
}

static char *read_fd(int fd, size_t *out_size)
{
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	char *data = malloc((size_t)st.st_size + 1);
	assert_non_null(data);
	assert_int_equal(read(fd, data, (size_t)st.st_size), st.st_size);
	data[st.st_size] = '\0';
	if (out_size)
		*out_size = (size_t)st.st_size;
	return data;
}

char *root_read_file(const char *path, size_t *out_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	char *data = read_fd(fd, out_size);
	close(fd);
	return data;
}

int root_open_inside(const char *root, const char *path, int flags)
{
	struct open_how how = {.flags = (unsigned)(flags | O_CLOEXEC), .resolve = RESOLVE_IN_ROOT};
	int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	int fd;
	/* EAGAIN: somebody has renamed something meanwhile, and there is a `..` in a link on the way. */
	while ((fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how))) < 0 && errno == EAGAIN)
		;
	int error = errno;
	close(dir);
	errno = error;
	return fd;
}

int root_lstat(const char *root, const char *path, struct stat *st)
{
	int fd = root_open_inside(root, path, O_PATH | O_NOFOLLOW);
	if (fd < 0)
		return -1;
	int r = fstat(fd, st);
	close(fd);
	return r;
}

bool root_has_file(const char *root, const char *path)
{
	struct stat st;
	int fd = root_open_inside(root, path, O_PATH);
	bool found = fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode);
	if (fd >= 0)
		close(fd);
	return found;
}

bool root_same_file(const char *root, const char *path, const char *host)
{
	int fd = root_open_inside(root, path, O_RDONLY);
	if (fd < 0)
		return false;
	size_t inside_size, host_size;
	char *inside = read_fd(fd, &inside_size);
	char *outside = root_read_file(host, &host_size);
	close(fd);
	bool same = inside_size == host_size && !memcmp(inside, outside, host_size);
	free(inside);
	free(outside);
	return same;
}

static void exec_in_root(const char *root, int output, const char *const *argv)
{
	char *const environment[] = {(char *)"PATH=/usr/bin:/bin", (char *)"LANG=C.UTF-8", NULL};
	dup2(output, 1);
	dup2(output, 2);
	if (chroot(root) < 0 || chdir("/") < 0)
		_exit(126);
	execve(argv[0], (char *const *)argv, environment);
	dprintf(2, "exec %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

int root_chroot_run(const char *root, char **out_output, const char *const *argv)
{
	int pipes[2], status;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		exec_in_root(root, pipes[1], argv);
	close(pipes[1]);
	char *output = calloc(1, 65536);
	assert_non_null(output);
	size_t size = 0;
	for (ssize_t n; size < 65535 && (n = read(pipes[0], output + size, 65535 - size)) > 0;)
		size += (size_t)n;
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (out_output)
		*out_output = output;
	else
		free(output);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

int root_in_child(bool as_user, int (*function)(void *argument), void *argument)
{
	int status;
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (as_user && geteuid() == 0 &&
		    (setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 ||
		     setresuid(65534, 65534, 65534) < 0))
			_exit(254);
		_exit(function(argument));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

int root_count_left(const char *directory)
{
	int count = 0;
	DIR *dir = opendir(directory);
	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir));)
		count += !strncmp(entry->d_name, "viso-root-", 10);
	closedir(dir);
	return count;
}

char *root_scratch;

int root_set_up(void **state)
{
	support_set_temporary(NULL);
	root_scratch = support_temporary_directory();
	support_set_temporary(root_scratch);
	return 0;
}

int root_tear_down(void **state)
{
	int left = root_count_left(root_scratch);
	support_set_temporary(NULL);
	support_remove_tree(root_scratch);
	free(root_scratch);
	return left;
}

viso_root *root_with_program(const char *program)
{
	viso_root *root = viso_root_new();
	assert_non_null(root);
	assert_ok(viso_root_add_program(root, program));
	assert_ok(viso_root_build(root));
	return root;
}

void root_assert_file(viso_root *root, const char *path, const char *contents)
{
	char buffer[4096] = "";
	int fd = root_open_inside(viso_root_path(root), path, O_RDONLY);
	if (fd < 0)
		fail_msg("%s is missing", path);
	assert_true(read(fd, buffer, sizeof(buffer) - 1) >= 0);
	close(fd);
	assert_string_equal(buffer, contents);
}

void root_assert_no_entry(viso_root *root, const char *path)
{
	struct stat st;
	assert_int_equal(root_lstat(viso_root_path(root), path, &st), -1);
}
