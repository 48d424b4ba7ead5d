/* SPDX-License-Identifier: MIT */
/*
 * A tree out of a guest: its agent sends it (launch/copy/stream.h) by the output of a command that is none. What comes
 * is the guest's: names without slashes alone, made in a directory that nobody else can enter, in which no link is ever
 * followed; of modes only permissions; entries, depth, sizes within bounds; and nothing for ten seconds ends it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command/command.h"
#include "core/cleanup.h"
#include "core/error.h"
#include "core/transfer.h"
#include "core/zero.h"
#include "guest/agent/agent.h"
#include "launch/copy/entry.h"
#include "launch/copy/workshop.h"

enum { BUFFER_SIZE = 64 << 10, BLOCK = 4096, PATIENCE_MS = 10000, NAME_SIZE = 256, LINK_MAX_SIZE = 4095 };

/* A guest could send for ever; more than this is no tree of files that somebody wants in one piece. */
static const uint64_t total_max = UINT64_C(256) << 30;

struct receipt {
	int from;
	int fds[COPY_DEPTH_MAX + 2]; /* the directories in which we are; the first is the workshop's */
	struct copy_record records[COPY_DEPTH_MAX + 2];
	int depth;
	int entries;
	uint64_t total;
	uint64_t file_max; /* RLIMIT_FSIZE: beyond it the kernel would send the host program a signal */
	uint64_t left_out;
	char name[NAME_SIZE];
	char *buffer;
};

static int read_all(struct receipt *receipt, void *data, size_t size)
{
	char *rest = data;
	while (size > 0) {
		struct pollfd ready = {.fd = receipt->from, .events = POLLIN};
		int r = poll(&ready, 1, PATIENCE_MS);
		if (r == 0)
			return -ETIMEDOUT;
		ssize_t n = r < 0 ? -1 : read(receipt->from, rest, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		rest += n;
		size -= (size_t)n;
	}
	return 0;
}

/* Blocks of zeros are left as holes. */
static int write_part(int fd, const char *data, size_t size, off_t offset)
{
	int r = 0;
	for (size_t done = 0, part; r == 0 && done < size; done += part) {
		part = size - done < BLOCK ? size - done : BLOCK;
		if (!is_zero(data + done, part))
			r = write_whole_at(fd, data + done, part, offset + (off_t)done);
	}
	return r;
}

static int fill_file(struct receipt *receipt, int fd, uint64_t size)
{
	int r = 0;
	for (uint64_t done = 0; r == 0 && done < size;) {
		size_t part = size - done < BUFFER_SIZE ? (size_t)(size - done) : BUFFER_SIZE;
		r = read_all(receipt, receipt->buffer, part);
		if (r == 0)
			r = write_part(fd, receipt->buffer, part, (off_t)done);
		done += part;
	}
	return r < 0 ? r : ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
}

static int make_file(struct receipt *receipt, int directory, const struct copy_record *record)
{
	if (record->size > receipt->file_max || record->size > total_max - receipt->total)
		return -EFBIG;
	receipt->total += record->size;
	_cleanup_close_ int fd =
		openat(directory, receipt->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int r = fill_file(receipt, fd, record->size);
	return r < 0 ? r : entry_set_attributes(fd, record);
}

static int make_link(struct receipt *receipt, int directory, const struct copy_record *record)
{
	if (record->size > LINK_MAX_SIZE)
		return -ENAMETOOLONG;
	int r = read_all(receipt, receipt->buffer, record->size);
	if (r < 0)
		return r;
	receipt->buffer[record->size] = '\0';
	return symlinkat(receipt->buffer, directory, receipt->name) < 0 ? -errno : 0;
}

static int enter_directory(struct receipt *receipt, int directory, const struct copy_record *record)
{
	if (receipt->depth >= COPY_DEPTH_MAX)
		return -EFBIG;
	if (mkdirat(directory, receipt->name, 0700) < 0)
		return -errno;
	int fd = openat(directory, receipt->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	receipt->fds[++receipt->depth] = fd;
	receipt->records[receipt->depth] = *record;
	return 0;
}

static int leave_directory(struct receipt *receipt)
{
	if (receipt->depth == 0)
		return -EPROTO;
	int fd = receipt->fds[receipt->depth];
	int r = entry_set_attributes(fd, &receipt->records[receipt->depth--]);
	close_fd(fd);
	return r;
}

static bool is_name(const char *name, size_t length)
{
	return length && strlen(name) == length && !strchr(name, '/') && strcmp(name, ".") && strcmp(name, "..");
}

static int make_entry(struct receipt *receipt, const struct copy_record *record)
{
	int directory = receipt->fds[receipt->depth];
	if (!is_name(receipt->name, record->name_length))
		return -EPROTO;
	/* The tree itself has one name, and there is one. */
	if (receipt->depth == 0 && strcmp(receipt->name, "copy") != 0)
		return -EPROTO;
	if (++receipt->entries > COPY_ENTRIES_MAX)
		return -EFBIG;
	if (record->kind == COPY_FILE)
		return make_file(receipt, directory, record);
	return record->kind == COPY_LINK ? make_link(receipt, directory, record)
					 : enter_directory(receipt, directory, record);
}

/* 1 at the end. */
static int receive_entry(struct receipt *receipt)
{
	struct copy_record record;
	int r = read_all(receipt, &record, sizeof(record));
	if (r == 0 && record.name_length >= NAME_SIZE)
		r = -EPROTO;
	if (r == 0)
		r = read_all(receipt, receipt->name, record.name_length);
	if (r < 0)
		return r;
	receipt->name[record.name_length] = '\0';
	switch (record.kind) {
	case COPY_FILE:
	case COPY_LINK:
	case COPY_DIRECTORY:
		return make_entry(receipt, &record);
	case COPY_END:
		return leave_directory(receipt);
	default:
		receipt->left_out = record.size;
		return record.kind == COPY_DONE && receipt->depth == 0 ? 1 : -EPROTO;
	}
}

static int receive(struct receipt *receipt)
{
	struct rlimit limit;
	int r = 0;
	receipt->file_max = getrlimit(RLIMIT_FSIZE, &limit) < 0 ? RLIM_INFINITY : limit.rlim_cur;
	receipt->buffer = malloc(BUFFER_SIZE);
	if (!receipt->buffer)
		return -ENOMEM;
	while (r == 0)
		r = receive_entry(receipt);
	while (receipt->depth > 0)
		close_fd(receipt->fds[receipt->depth--]);
	free(receipt->buffer);
	return r < 0 ? r : 0;
}

static int start_sender(struct agent *agent, const char *path, viso_process **out_process)
{
	viso_command *command = viso_command_new(path);
	viso_process *process = command ? process_new() : NULL;
	int r = process ? 0 : error_memory();
	for (int i = 0; r == 0 && i < 3; i++)
		r = viso_command_set_stdio(command, (viso_stream)i, i == 1 ? VISO_STDIO_PIPE : VISO_STDIO_NULL);
	if (r == 0) {
		command->sends_files = true;
		r = agent_spawn(agent, command, process);
	}
	viso_command_unref(command);
	if (r < 0)
		viso_process_unref(process);
	else
		*out_process = process;
	return r;
}

/* What it says of itself explains why nothing more has come. */
static int end_sender(viso_process *process, int received, const char *path)
{
	viso_result *result = NULL;
	if (received < 0 && received != -EPIPE)
		viso_process_kill(process);
	int r = viso_process_wait(process, 2 * PATIENCE_MS, &result);
	if (r < 0)
		return r;
	int error = viso_result_exit_code(result) < 0 ? EPIPE : viso_result_exit_code(result);
	viso_result_unref(result);
	if (received == 0)
		return 0;
	if (received != -EPIPE || !error)
		error = -received;
	return error_fail(VISO_STAGE_ROOT, error, path, "%s cannot be copied out of the guest: %s", path,
			  strerrordesc_np(error));
}

int agent_copy_out(struct agent *agent, const char *path, const char *destination)
{
	_cleanup_(workshop_close) struct workshop workshop = workshop_none;
	struct receipt receipt = {0};
	viso_process *process = NULL;
	int r = workshop_open(&workshop, destination);
	if (r == 0)
		r = start_sender(agent, path, &process);
	if (r < 0)
		return r;
	receipt.from = process->stream[1];
	receipt.fds[0] = workshop.fd;
	r = end_sender(process, receive(&receipt), path);
	viso_process_unref(process);
	if (r == 0)
		r = workshop_finish(&workshop, destination);
	return r < 0 ? r : receipt.left_out > INT32_MAX ? INT32_MAX : (int)receipt.left_out;
}
