/* SPDX-License-Identifier: MIT */
#include "guest/program/sockets/ancillary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "guest/program/calls.h"

static int read_files(struct program *program, const uint8_t *data, size_t size, struct channel_files **out)
{
	size_t count = size / sizeof(int);
	int error;
	if (count > CHANNEL_FILES_MAX || *out)
		return -EINVAL;
	/* As none: data with files has memory of its own, and these are counted. */
	if (count == 0)
		return 0;
	struct channel_files *files = channel_files_new(program->instance, (unsigned)count, &error);
	if (!files)
		return error;
	for (size_t i = 0; i < count; i++) {
		int fd;
		memcpy(&fd, data + i * sizeof(fd), sizeof(fd));
		files->files[i] = file_ref(program_file(program, fd));
		if (!files->files[i]) {
			channel_files_free(files);
			return -EBADF;
		}
	}
	*out = files;
	return 0;
}

static int read_one(struct program *program, const struct cmsghdr *message, const uint8_t *data,
		    struct channel_files **out)
{
	size_t size = message->cmsg_len - CMSG_LEN(0);
	if (message->cmsg_level != SOL_SOCKET)
		return -EINVAL;
	switch (message->cmsg_type) {
	case SCM_RIGHTS:
		return read_files(program, data, size, out);
	case SCM_CREDENTIALS:
		/* Nobody asks for them (SO_PASSCRED is refused). */
		return size == sizeof(struct ucred) ? 0 : -EINVAL;
	default:
		return -EINVAL;
	}
}

int ancillary_read(struct program *program, const struct socket *socket, const struct msghdr *header,
		   struct channel_files **out)
{
	*out = NULL;
	if (header->msg_controllen < CMSG_LEN(0))
		return 0;
	if (header->msg_controllen > SOCKET_CONTROL_MAX)
		return -ENOBUFS;
	if (!socket->in)
		return -EINVAL;
	_cleanup_free_ uint8_t *buffer = malloc(header->msg_controllen);
	if (!buffer)
		return -ENOMEM;
	if (space_read(program->space, buffer, (uintptr_t)header->msg_control, header->msg_controllen) < 0)
		return -EFAULT;
	int r = 0;
	for (size_t at = 0; r == 0 && at + CMSG_LEN(0) <= header->msg_controllen;) {
		struct cmsghdr message;
		memcpy(&message, buffer + at, sizeof(message));
		if (message.cmsg_len < CMSG_LEN(0) || message.cmsg_len > header->msg_controllen - at)
			r = -EINVAL;
		else
			r = read_one(program, &message, buffer + at + CMSG_LEN(0), out);
		at += r == 0 ? CMSG_ALIGN(message.cmsg_len) : 0;
	}
	if (r < 0)
		channel_files_free(TAKE_PTR(*out));
	return r;
}

/* How many of the files fit into the buffer. */
static unsigned count_fitting(const struct msghdr *header, const struct channel_files *files)
{
	size_t room = header->msg_control && header->msg_controllen > CMSG_LEN(0)
			      ? (header->msg_controllen - CMSG_LEN(0)) / sizeof(int)
			      : 0;
	return room < files->count ? (unsigned)room : files->count;
}

void ancillary_write(struct program *program, struct msghdr *header, struct channel_files *files, bool close_on_exec)
{
	union {
		struct cmsghdr message;
		uint8_t bytes[CMSG_SPACE(CHANNEL_FILES_MAX * sizeof(int))];
	} buffer = {0};
	unsigned fitting = files ? count_fitting(header, files) : 0, count = 0;
	while (count < fitting) {
		int fd = program_add_file(program, file_ref(files->files[count]), 0, close_on_exec);
		if (fd < 0)
			break;
		memcpy(buffer.bytes + CMSG_LEN(count * sizeof(fd)), &fd, sizeof(fd));
		count++;
	}
	if (files && count < files->count)
		header->msg_flags |= MSG_CTRUNC;
	channel_files_free(files);
	size_t size = count ? CMSG_LEN(count * sizeof(int)) : 0, space = CMSG_SPACE(count * sizeof(int));
	buffer.message = (struct cmsghdr){.cmsg_len = size, .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	/* Where the buffer has gone meanwhile, the fds are the program's all the same, as on Linux. */
	if (count && space_write(program->space, (uintptr_t)header->msg_control, buffer.bytes, size) < 0)
		size = space = 0;
	header->msg_controllen = !count ? 0 : space < header->msg_controllen ? space : size;
}
