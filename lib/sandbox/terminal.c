/* SPDX-License-Identifier: MIT */
/* The host's end of a command's terminal. */
#include <errno.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "sandbox/process.h"

/*
 * After it was taken it is the caller's to close, which hangs the terminal up; so no duplicate is kept, and before the
 * number is used, the terminal is known again by its devpts and its index there.
 */
static bool identify(int fd, struct terminal_identity *out)
{
	struct stat st;
	if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || ioctl(fd, TIOCGPTN, &out->index) < 0)
		return false;
	out->device = st.st_dev;
	return true;
}

static int fail_without(const char *function)
{
	return error_fail(VISO_STAGE_STDIO, EBADF, function,
			  "%s: the command has no terminal, or it was taken or closed already", function);
}

int viso_process_take_terminal(viso_process *process)
{
	int r = handle_check(process ? &process->handle : NULL, __func__);
	if (r < 0)
		return r;
	pthread_mutex_lock(&process->lock);
	int fd = process->terminal;
	if (fd >= 0 && identify(fd, &process->taken_terminal)) {
		process->taken_terminal.fd = fd;
		process->taken_terminal.is_taken = true;
	}
	process->terminal = -1;
	pthread_mutex_unlock(&process->lock);
	return fd < 0 ? fail_without(__func__) : fd;
}

/* With the lock held; -1 for none. */
static int find(const viso_process *process)
{
	const struct terminal_identity *taken = &process->taken_terminal;
	struct terminal_identity now;
	if (process->terminal >= 0 || !taken->is_taken)
		return process->terminal;
	return identify(taken->fd, &now) && now.device == taken->device && now.index == taken->index ? taken->fd : -1;
}

int viso_process_resize_terminal(viso_process *process, unsigned columns, unsigned rows)
{
	int r = handle_check(process ? &process->handle : NULL, __func__);
	if (r < 0)
		return r;
	if (columns < 1 || columns > UINT16_MAX || rows < 1 || rows > UINT16_MAX)
		return error_argument(__func__, "columns and rows are 1 to 65535");
	struct winsize size = {.ws_col = (unsigned short)columns, .ws_row = (unsigned short)rows};
	pthread_mutex_lock(&process->lock);
	int fd = find(process);
	if (fd < 0)
		r = fail_without(__func__);
	else if (ioctl(fd, TIOCSWINSZ, &size) < 0)
		r = error_fail(VISO_STAGE_STDIO, errno, "TIOCSWINSZ", NULL);
	else if (process->ops->resize)
		process->ops->resize(process, columns, rows);
	pthread_mutex_unlock(&process->lock);
	return r;
}
