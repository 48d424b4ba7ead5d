/* SPDX-License-Identifier: MIT */
/* System calls on the table of fds, and on open files as such. */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "guest/files/locks.h"
#include "guest/files/mapped.h"
#include "guest/program/calls.h"
#include "guest/program/pipe.h"

/* asm-generic/ioctls.h: what the kernel copies for these is at most this long. */
enum {
	IOCTL_TCGETS = 0x5401,
	IOCTL_TIOCGWINSZ = 0x5413,
	IOCTL_FIONREAD = 0x541b,
	IOCTL_FIONBIO = 0x5421,
	TERMIOS_SIZE = 36
};

void program_close(struct program *program, int fd)
{
	struct file *file = program->slots[fd].file;
	program->slots[fd] = (struct file_slot){0};
	locks_close(program, file);
	file_unref(file);
}

int64_t call_close(struct program *program, const uint64_t args[6])
{
	if (!program_file(program, (int)args[0]))
		return -EBADF;
	program_close(program, (int)args[0]);
	return 0;
}

int64_t call_close_range(struct program *program, const uint64_t args[6])
{
	const unsigned first = (unsigned)args[0], last = (unsigned)args[1], flags = (unsigned)args[2];
	if (first > last || (flags & ~6u))
		return -EINVAL;
	for (size_t fd = first; fd <= last && fd < program->slot_count; fd++) {
		if (flags & 4) /* CLOSE_RANGE_CLOEXEC */
			program->slots[fd].close_on_exec = true;
		else if (program->slots[fd].file)
			program_close(program, (int)fd);
	}
	return 0;
}

int64_t call_dup(struct program *program, const uint64_t args[6])
{
	struct file *file = program_file(program, (int)args[0]);
	return file ? program_add_file(program, file_ref(file), 0, false) : -EBADF;
}

static int64_t duplicate_to(struct program *program, int from, int to, bool close_on_exec)
{
	struct file *file = program_file(program, from);
	if (!file || to < 0 || (rlim_t)to >= program->limits[RLIMIT_NOFILE].rlim_cur)
		return -EBADF;
	file_ref(file);
	if (program_file(program, to))
		program_close(program, to);
	return program_add_file(program, file, to, close_on_exec);
}

int64_t call_dup2(struct program *program, const uint64_t args[6])
{
	if ((int)args[0] == (int)args[1])
		return program_file(program, (int)args[0]) ? (int)args[0] : -EBADF;
	return duplicate_to(program, (int)args[0], (int)args[1], false);
}

int64_t call_dup3(struct program *program, const uint64_t args[6])
{
	if ((int)args[0] == (int)args[1] || (args[2] & ~(uint64_t)O_CLOEXEC))
		return -EINVAL;
	return duplicate_to(program, (int)args[0], (int)args[1], args[2] & O_CLOEXEC);
}

static int64_t duplicate_from(struct program *program, struct file *file, uint64_t least, bool close_on_exec)
{
	if (least >= program->limits[RLIMIT_NOFILE].rlim_cur)
		return -EINVAL;
	return program_add_file(program, file_ref(file), (int)least, close_on_exec);
}

int64_t call_fcntl(struct program *program, const uint64_t args[6])
{
	struct file *file = program_file(program, (int)args[0]);
	if (!file)
		return -EBADF;
	struct file_slot *slot = &program->slots[args[0] & 0xffffffff];
	switch ((int)args[1]) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return duplicate_from(program, file, args[2], (int)args[1] == F_DUPFD_CLOEXEC);
	case F_GETFD:
		return slot->close_on_exec ? FD_CLOEXEC : 0;
	case F_SETFD:
		slot->close_on_exec = args[2] & FD_CLOEXEC;
		return 0;
	case F_GETFL:
		return file->flags | (file->kind == FILE_PATH ? O_PATH : 0);
	case F_SETFL:
		/* Kept by us: the host's fd is left as it is. */
		file->flags = (file->flags & ~(O_NONBLOCK | O_APPEND)) | ((int)args[2] & (O_NONBLOCK | O_APPEND));
		return 0;
	case F_GETPIPE_SZ:
		return pipe_size(file);
	case F_SETPIPE_SZ:
		return pipe_set_size(file, (uint32_t)args[2]);
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return file->kind == FILE_PATH ? -EBADF : locks_fcntl(program, file, (int)args[1], args[2]);
	default:
		return -EINVAL;
	}
}

/* Questions to a terminal of the host that is a standard stream; nothing is ever set. */
static int64_t ask_terminal(struct program *program, struct file *file, unsigned long request, uint64_t out,
			    size_t size)
{
	uint8_t buffer[64] = {0};
	if (file->kind != FILE_STREAM || !S_ISCHR(file->type) || ioctl(file->fd, request, buffer) < 0)
		return -ENOTTY;
	return space_write(program->space, out, buffer, size);
}

int64_t call_ioctl(struct program *program, const uint64_t args[6])
{
	struct file *file = program_file(program, (int)args[0]);
	int value = 0;
	if (!file || file->kind == FILE_PATH)
		return -EBADF;
	switch ((uint32_t)args[1]) {
	case IOCTL_TCGETS:
		return ask_terminal(program, file, IOCTL_TCGETS, args[2], TERMIOS_SIZE);
	case IOCTL_TIOCGWINSZ:
		return ask_terminal(program, file, IOCTL_TIOCGWINSZ, args[2], sizeof(struct winsize));
	case IOCTL_FIONREAD:
		if (file->ops && file->ops->control)
			return file->ops->control(program, file, IOCTL_FIONREAD, args[2]);
		if (file->fd < 0 || ioctl(file->fd, FIONREAD, &value) < 0)
			return -ENOTTY;
		return space_write(program->space, args[2], &value, sizeof(value));
	case IOCTL_FIONBIO:
		if (space_read(program->space, &value, args[2], sizeof(value)) < 0)
			return -EFAULT;
		file->flags = (file->flags & ~O_NONBLOCK) | (value ? O_NONBLOCK : 0);
		return 0;
	default:
		return file->ops && file->ops->control ? file->ops->control(program, file, (uint32_t)args[1], args[2])
						       : -ENOTTY;
	}
}

int64_t call_lseek(struct program *program, const uint64_t args[6])
{
	struct file *file = program_file(program, (int)args[0]);
	if (!file || file->kind == FILE_PATH)
		return -EBADF;
	if ((int)args[2] < SEEK_SET || (int)args[2] > SEEK_HOLE)
		return -EINVAL;
	if (!file->ops->seek)
		return -ESPIPE;
	return file->ops->seek(program, file, (int64_t)args[1], (int)args[2]);
}

/* Nothing that the guest writes lies in a cache of its own, but for what is mapped. */
int64_t call_sync(struct program *program, const uint64_t args[6])
{
	struct file *file = program_file(program, (int)args[0]);
	return file ? mapped_write_back_file(file) : -EBADF;
}

/* sync(2), syncfs(2). */
int64_t call_sync_all(struct program *program, const uint64_t args[6])
{
	return mapped_write_back_all(program->view);
}

int64_t call_flock(struct program *program, const uint64_t args[6])
{
	struct file *file = program_file(program, (int)args[0]);
	return file && file->kind != FILE_PATH ? locks_flock(program, file, (int)args[1]) : -EBADF;
}
