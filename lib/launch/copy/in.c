/* SPDX-License-Identifier: MIT */
/*
 * Files of the host into an instance. They are read here, with the caller's rights, and made there by a process that
 * has entered the sandbox as its commands do, with the rights of its default user and no others: so the sandbox's own
 * limits hold, and nothing that its programs do meanwhile can turn a right of the host against it. (Root of the host
 * could not make them from outside anyway: its id is unknown to the tmpfs of a user namespace.)
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "command/command.h"
#include "core/beneath.h"
#include "core/cleanup.h"
#include "core/error.h"
#include "launch/copy/copy.h"
#include "launch/copy/stream.h"
#include "sandbox/sandbox.h"

enum { BUFFER_SIZE = 64 << 10, PATIENCE_MS = 10000 };

struct sender {
	int socket;
	int entries;
	int depth;
	char *buffer;
};

static int send_entry(struct sender *sender, int directory, const char *name);

static int send_all(struct sender *sender, const void *data, size_t size)
{
	const char *rest = data;
	while (size > 0) {
		ssize_t n = send(sender->socket, rest, size, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		rest += n;
		size -= (size_t)n;
	}
	return 0;
}

static int send_record(struct sender *sender, enum copy_kind kind, const struct stat *st, const char *name,
		       uint64_t size)
{
	struct copy_record record = {.kind = kind, .size = size, .name_length = (uint32_t)strlen(name)};
	if (st) {
		record.mode = st->st_mode & 0777;
		record.seconds = st->st_mtim.tv_sec;
		record.nanoseconds = (uint32_t)st->st_mtim.tv_nsec;
	}
	int r = send_all(sender, &record, sizeof(record));
	return r < 0 ? r : send_all(sender, name, record.name_length);
}

/* As many bytes as were announced; what is cut meanwhile fails. */
static int send_file(struct sender *sender, int source, const struct stat *st, const char *name)
{
	off_t left = st->st_size;
	int r = send_record(sender, COPY_FILE, st, name, (uint64_t)left);
	while (r == 0 && left > 0) {
		ssize_t n = read(source, sender->buffer, left < BUFFER_SIZE ? (size_t)left : BUFFER_SIZE);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ESTALE;
		r = send_all(sender, sender->buffer, (size_t)n);
		left -= n;
	}
	return r;
}

static int send_directory(struct sender *sender, int source, const struct stat *st, const char *name)
{
	DIR *directory = fdopendir(source);
	if (!directory) {
		close_fd(source);
		return -ENOMEM;
	}
	int r = send_record(sender, COPY_DIRECTORY, st, name, 0);
	errno = 0;
	for (struct dirent *entry; r == 0 && (entry = readdir(directory));) {
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			r = send_entry(sender, dirfd(directory), entry->d_name);
		errno = 0;
	}
	if (r == 0)
		r = -errno;
	closedir(directory);
	return r < 0 ? r : send_record(sender, COPY_END, NULL, "", 0);
}

static int send_link(struct sender *sender, int directory, const char *name)
{
	ssize_t length = readlinkat(directory, name, sender->buffer, BUFFER_SIZE);
	if (length < 0)
		return -errno;
	int r = send_record(sender, COPY_LINK, NULL, name, (uint64_t)length);
	return r < 0 ? r : send_all(sender, sender->buffer, (size_t)length);
}

/* A regular file or directory that was opened under that name; anything else is left out. Takes the fd over. */
static int send_open(struct sender *sender, int source, const char *name)
{
	struct stat st;
	int r = fstat(source, &st) < 0 ? -errno : 0;
	if (r == 0 && (++sender->entries > COPY_ENTRIES_MAX || sender->depth >= COPY_DEPTH_MAX))
		r = -EFBIG;
	if (r == 0 && S_ISDIR(st.st_mode)) {
		sender->depth++;
		r = send_directory(sender, source, &st, name);
		sender->depth--;
		return r;
	}
	if (r == 0 && S_ISREG(st.st_mode))
		r = send_file(sender, source, &st, name);
	close_fd(source);
	return r;
}

static int send_entry(struct sender *sender, int directory, const char *name)
{
	struct stat st;
	if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return send_link(sender, directory, name);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return 0;
	int source = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return source < 0 ? -errno : send_open(sender, source, name);
}

/* The last component, without slashes at its end; to be freed. NULL where there is none, or no memory (errno). */
static char *name_of(const char *path)
{
	size_t end = strlen(path), start;
	while (end > 0 && path[end - 1] == '/')
		end--;
	for (start = end; start > 0 && path[start - 1] != '/'; start--)
		;
	char *name = strndup(path + start, end - start);
	errno = name ? EINVAL : ENOMEM;
	if (name && *name && strcmp(name, ".") && strcmp(name, ".."))
		return name;
	free(name);
	return NULL;
}

static int send_tree(int socket, int source)
{
	struct sender sender = {.socket = socket, .buffer = malloc(BUFFER_SIZE)};
	if (!sender.buffer) {
		close_fd(source);
		return -ENOMEM;
	}
	int r = send_open(&sender, source, "copy");
	if (r == 0)
		r = send_record(&sender, COPY_DONE, NULL, "", 0);
	free(sender.buffer);
	return r;
}

/* The process that receives: a command that is none, with the other end of the socket as its input. */
static int start_receiver(viso_sandbox *sandbox, const char *path, const char *name, int *out_socket,
			  viso_process **out_process)
{
	const struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
	int ends[2];
	viso_command *command = viso_command_new(path);
	int r = command ? viso_command_add_arg(command, name) : error_memory();
	if (r == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		r = error_fail(VISO_STAGE_LAUNCHER, errno, "socketpair", NULL);
	if (r < 0) {
		viso_command_unref(command);
		return r;
	}
	setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	command->receives_files = true;
	r = viso_command_set_stdio_fd(command, VISO_STDIN, ends[1]);
	for (int i = VISO_STDOUT; r == 0 && i <= VISO_STDERR; i++)
		r = viso_command_set_stdio(command, (viso_stream)i, VISO_STDIO_NULL);
	if (r == 0)
		r = sandbox_spawn_to_end(sandbox, command, "viso_sandbox_copy_in", out_process);
	viso_command_unref(command);
	close_fd(ends[1]);
	*out_socket = r < 0 ? close_fd(ends[0]) : ends[0];
	return r;
}

/* What became of it: its exit code is an errno. `sent` says whether the other end has all, or why not. */
static int end_receiver(viso_process *process, int sent, const char *source, const char *path)
{
	viso_result *result = NULL;
	int r = viso_process_wait(process, PATIENCE_MS, &result);
	if (r < 0)
		return r;
	int error = viso_result_exit_code(result) < 0 ? EPIPE : viso_result_exit_code(result);
	bool no_memory = viso_result_reason(result) == VISO_REASON_OUT_OF_MEMORY;
	viso_result_unref(result);
	if (no_memory)
		return error_fail(VISO_STAGE_ROOT, ENOSPC, path,
				  "%s cannot be made in the sandbox: it lies in memory there, and the memory limit is "
				  "reached",
				  path);
	/* Where it has ended, it knows better than we why. */
	if (error && (sent == 0 || sent == -EPIPE || sent == -ECONNRESET))
		return error_fail(VISO_STAGE_ROOT, error, path, "%s cannot be made in the sandbox: %s", path,
				  strerrordesc_np(error));
	if (sent < 0)
		return error_fail(VISO_STAGE_ROOT, -sent, source, "%s cannot be copied: %s", source,
				  strerrordesc_np(-sent));
	return 0;
}

int copy_in(viso_sandbox *sandbox, const char *source, const char *path)
{
	viso_process *process = NULL;
	int socket;
	_cleanup_free_ char *name = name_of(source);
	if (!name)
		return error_fail(VISO_STAGE_ARGUMENT, errno, source, "%s does not end in a name", source);
	_cleanup_close_ int fd = open(source, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_fail(VISO_STAGE_ROOT, errno, source, "%s: %s", source, strerrordesc_np(errno));
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return error_fail(VISO_STAGE_ROOT, EINVAL, source, "%s is neither a file nor a directory", source);
	int r = start_receiver(sandbox, path, name, &socket, &process);
	if (r < 0)
		return r;
	int sent = send_tree(socket, TAKE_FD(fd));
	close_fd(socket);
	r = end_receiver(process, sent, source, path);
	viso_process_unref(process);
	return r;
}
