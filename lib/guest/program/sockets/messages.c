/* SPDX-License-Identifier: MIT */
/*
 * System calls that send and receive with flags, addresses and control messages. Data goes through a buffer of the
 * host: a message must be sent in one go, wherever in the guest's memory its parts lie.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "core/cleanup.h"
#include "guest/program/calls.h"
#include "guest/program/sockets/ancillary.h"
#include "guest/program/sockets/socket.h"

enum { PARTS_MAX = 1024, MESSAGES_MAX = 1024 };

static const uint64_t transfer_max = 0x7ffff000;
static const int unserved_flags = MSG_OOB | MSG_FASTOPEN | MSG_ZEROCOPY;

/* The program's buffers, one after the other. */
struct parts {
	struct iovec list[PARTS_MAX]; /* iov_base is a guest address */
	int count;
	size_t size;
};

static int check_parts(struct parts *parts)
{
	parts->size = 0;
	for (int i = 0; i < parts->count; i++) {
		struct iovec *part = &parts->list[i];
		if (part->iov_len > INT64_MAX)
			return -EINVAL;
		if (!space_is_user((uintptr_t)part->iov_base, part->iov_len))
			return -EFAULT;
		if (part->iov_len > transfer_max - parts->size)
			part->iov_len = transfer_max - parts->size;
		parts->size += part->iov_len;
	}
	return 0;
}

static int one_part(struct parts *parts, uint64_t address, uint64_t size)
{
	parts->list[0] = (struct iovec){(void *)(uintptr_t)address, size < transfer_max ? size : transfer_max};
	parts->count = 1;
	return check_parts(parts);
}

static int read_parts(struct program *program, struct parts *parts, const struct msghdr *header)
{
	if (header->msg_iovlen > PARTS_MAX)
		return -EMSGSIZE;
	parts->count = (int)header->msg_iovlen;
	if (space_read(program->space, parts->list, (uintptr_t)header->msg_iov,
		       header->msg_iovlen * sizeof(parts->list[0])) < 0)
		return -EFAULT;
	return check_parts(parts);
}

/* Copies between the program's buffers, from `skip` on, and one of ours. 0, or -EFAULT where there is not so much. */
static int copy_parts(struct program *program, const struct parts *parts, size_t skip, uint8_t *buffer, size_t size,
		      bool out_of_guest)
{
	for (int i = 0; i < parts->count && size > 0; i++) {
		size_t length = parts->list[i].iov_len;
		if (skip >= length) {
			skip -= length;
			continue;
		}
		size_t step = length - skip < size ? length - skip : size;
		uint64_t address = (uintptr_t)parts->list[i].iov_base + skip;
		int r = out_of_guest ? space_read(program->space, buffer, address, step)
				     : space_write(program->space, address, buffer, step);
		if (r < 0)
			return -EFAULT;
		buffer += step;
		size -= step;
		skip = 0;
	}
	return size ? -EFAULT : 0;
}

/* What a call moves goes through a buffer of ours, one piece after the other. */
struct passage {
	uint8_t *buffer;
	size_t capacity;
	size_t total; /* moved so far */
};

/*
 * Begins, or goes on where the call waited. Meanwhile another thread may have shortened the parts, which are read anew:
 * what is beyond their end must not be moved. 1, 0 where there is nothing left to move, or -ENOMEM.
 */
static int passage_begin(struct passage *passage, struct program *program, const struct parts *parts)
{
	size_t total = (size_t)program->task->progress;
	passage->total = total;
	if (total && total >= parts->size)
		return 0;
	passage->capacity = parts->size - total < SOCKET_PIECE ? parts->size - total : SOCKET_PIECE;
	passage->buffer = malloc(passage->capacity + 1);
	return passage->buffer ? 1 : -ENOMEM;
}

static struct iovec passage_piece(const struct passage *passage, const struct parts *parts)
{
	size_t left = parts->size - passage->total;
	return (struct iovec){passage->buffer, left < passage->capacity ? left : passage->capacity};
}

static void passage_end(struct passage *passage)
{
	free(passage->buffer);
}

/* A stream takes one piece after the other; what a call has moved so far is kept for its next go. */
static int64_t send_parts(struct program *program, struct file *file, const struct parts *parts, int flags,
			  struct channel_files **files)
{
	const struct socket *socket = socket_of(file);
	_cleanup_(passage_end) struct passage passage = {0};
	if (socket->type != SOCK_STREAM && parts->size > SOCKET_PIECE)
		return -EMSGSIZE;
	int r = passage_begin(&passage, program, parts);
	if (r <= 0)
		return r < 0 ? r : (int64_t)passage.total;
	do {
		struct iovec piece = passage_piece(&passage, parts);
		if (copy_parts(program, parts, passage.total, passage.buffer, piece.iov_len, true) < 0)
			return passage.total ? (int64_t)passage.total : -EFAULT;
		/* Files go with the first byte. */
		struct message message = {&piece, 1, piece.iov_len, flags, passage.total ? NULL : *files};
		int64_t n = socket_send(program, file, &message);
		if (n == TASK_PARKED) {
			program->task->progress = (int64_t)passage.total;
			return n;
		}
		if (n < 0)
			return passage.total ? (int64_t)passage.total : n;
		if (!passage.total)
			*files = message.files;
		passage.total += (size_t)n;
	} while (passage.total < parts->size && !program->ended && !kick_is_due(program->kick));
	return (int64_t)passage.total;
}

static int64_t send_message(struct program *program, struct file *file, const struct msghdr *header,
			    const struct parts *parts, int flags)
{
	struct socket *socket = socket_of(file);
	struct channel_files *files;
	if (flags & unserved_flags)
		return -EOPNOTSUPP;
	/* A first datagram to an address connects to it. */
	if (header->msg_name && !socket->in && socket->type == SOCK_DGRAM) {
		int64_t r = socket_connect(program, file, (uintptr_t)header->msg_name, header->msg_namelen);
		if (r < 0)
			return r;
	} else if (header->msg_name && socket->type == SOCK_STREAM) {
		return socket_is_connected(file) ? -EISCONN : -ENOTCONN;
	}
	int r = ancillary_read(program, socket, header, &files);
	if (r < 0)
		return r;
	int64_t n = send_parts(program, file, parts, flags, &files);
	channel_files_free(files);
	return n;
}

static int64_t receive_parts(struct program *program, struct file *file, const struct parts *parts,
			     struct message *message)
{
	bool wants_all = (message->flags & MSG_WAITALL) && socket_of(file)->type == SOCK_STREAM;
	_cleanup_(passage_end) struct passage passage = {0};
	int r = passage_begin(&passage, program, parts);
	if (r <= 0)
		return r < 0 ? r : (int64_t)passage.total;
	do {
		struct iovec piece = passage_piece(&passage, parts);
		message->pieces = &piece;
		message->count = 1;
		message->size = piece.iov_len;
		int64_t n = socket_receive(program, file, message);
		if (n == TASK_PARKED) {
			program->task->progress = (int64_t)passage.total;
			return n;
		}
		if (n <= 0)
			return passage.total ? (int64_t)passage.total : n;
		if (copy_parts(program, parts, passage.total, passage.buffer, (size_t)n, false) < 0)
			return passage.total ? (int64_t)passage.total : -EFAULT;
		passage.total += (size_t)n;
		/* A look at what is there cannot be continued; files end what belongs together. */
	} while (wants_all && passage.total < parts->size && !message->files && !(message->flags & MSG_PEEK) &&
		 !program->ended && !kick_is_due(program->kick));
	return (int64_t)passage.total;
}

static int64_t receive_message(struct program *program, struct file *file, struct msghdr *header,
			       const struct parts *parts, int flags)
{
	struct message message = {.flags = flags};
	if (flags & MSG_OOB)
		return -EINVAL;
	/* There is no queue of errors. */
	if (flags & MSG_ERRQUEUE)
		return -EAGAIN;
	int64_t n = receive_parts(program, file, parts, &message);
	if (n < 0) {
		channel_files_free(message.files);
		return n;
	}
	header->msg_flags = message.out_flags;
	ancillary_write(program, header, message.files, flags & MSG_CMSG_CLOEXEC);
	bool tells_length = (flags & MSG_TRUNC) && socket_of(file)->type != SOCK_STREAM;
	return tells_length ? (int64_t)message.out_length : n;
}

/* Who a datagram came from, as far as the program may know: whom it is connected to. */
static socklen_t sender(const struct socket *socket, struct sockaddr_storage *out)
{
	if (socket->type != SOCK_DGRAM || socket->in)
		return 0;
	if (!socket->peer_size)
		return socket_blank_name(socket->domain, out);
	*out = socket->peer;
	return socket->peer_size;
}

int64_t call_sendto(struct program *program, const uint64_t args[6])
{
	int error;
	struct parts parts;
	struct file *file = socket_file(program, args[0], &error);
	if (!file)
		return error;
	int r = one_part(&parts, args[1], args[2]);
	const struct msghdr header = {.msg_name = (void *)(uintptr_t)args[4], .msg_namelen = (socklen_t)args[5]};
	return r < 0 ? r : send_message(program, file, &header, &parts, (int)args[3]);
}

int64_t call_recvfrom(struct program *program, const uint64_t args[6])
{
	int error;
	struct parts parts;
	struct msghdr header = {0};
	struct sockaddr_storage name;
	struct file *file = socket_file(program, args[0], &error);
	if (!file)
		return error;
	int r = one_part(&parts, args[1], args[2]);
	if (r < 0)
		return r;
	int64_t n = receive_message(program, file, &header, &parts, (int)args[3]);
	if (n < 0)
		return n;
	r = socket_put_name(program, &name, sender(socket_of(file), &name), args[4], args[5]);
	return r < 0 ? r : n;
}

static int64_t send_header(struct program *program, struct file *file, uint64_t address, int flags)
{
	struct msghdr header;
	struct parts parts;
	if (space_read(program->space, &header, address, sizeof(header)) < 0)
		return -EFAULT;
	int r = read_parts(program, &parts, &header);
	return r < 0 ? r : send_message(program, file, &header, &parts, flags);
}

static int64_t receive_header(struct program *program, struct file *file, uint64_t address, int flags)
{
	struct msghdr header;
	struct parts parts;
	struct sockaddr_storage name;
	if (space_read(program->space, &header, address, sizeof(header)) < 0)
		return -EFAULT;
	int r = read_parts(program, &parts, &header);
	if (r < 0)
		return r;
	if ((int)header.msg_namelen < 0)
		return -EINVAL;
	int64_t n = receive_message(program, file, &header, &parts, flags);
	if (n < 0)
		return n;
	socklen_t size = sender(socket_of(file), &name);
	if (header.msg_name) {
		size_t fitting = size < header.msg_namelen ? size : header.msg_namelen;
		if (space_write(program->space, (uintptr_t)header.msg_name, &name, fitting) < 0)
			return -EFAULT;
		header.msg_namelen = size;
	}
	return space_write(program->space, address, &header, sizeof(header)) < 0 ? -EFAULT : n;
}

int64_t call_sendmsg(struct program *program, const uint64_t args[6])
{
	int error;
	struct file *file = socket_file(program, args[0], &error);
	return file ? send_header(program, file, args[1], (int)args[2]) : error;
}

int64_t call_recvmsg(struct program *program, const uint64_t args[6])
{
	int error;
	struct file *file = socket_file(program, args[0], &error);
	return file ? receive_header(program, file, args[1], (int)args[2]) : error;
}

/* sendmmsg(2) and recvmmsg(2): where the second one or a later one would wait, the call ends. */
static int64_t transfer_many(struct program *program, const uint64_t *args, bool to_send)
{
	int error, flags = (int)args[3];
	struct file *file = socket_file(program, args[0], &error);
	unsigned count = (unsigned)args[2] < MESSAGES_MAX ? (unsigned)args[2] : MESSAGES_MAX;
	if (!file)
		return error;
	for (unsigned i = 0; i < count; i++) {
		uint64_t address = args[1] + i * sizeof(struct mmsghdr);
		int64_t n = to_send ? send_header(program, file, address, flags)
				    : receive_header(program, file, address, flags & ~MSG_WAITFORONE);
		if (n < 0)
			return i ? (int64_t)i : n;
		const unsigned length = (unsigned)n;
		if (space_write(program->space, address + offsetof(struct mmsghdr, msg_len), &length, sizeof(length)) <
		    0)
			return i ? (int64_t)i : -EFAULT;
		program->task->progress = 0;
		flags |= MSG_DONTWAIT;
	}
	return count;
}

int64_t call_sendmmsg(struct program *program, const uint64_t args[6])
{
	return transfer_many(program, args, true);
}

int64_t call_recvmmsg(struct program *program, const uint64_t args[6])
{
	return transfer_many(program, args, false);
}
