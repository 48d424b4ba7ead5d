/* SPDX-License-Identifier: MIT */
#include "guest/files/locks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "guest/files/proc_text.h"
#include "guest/files/view.h"
#include "guest/instance.h"
#include "guest/memory/fault.h"
#include "guest/program/program.h"
#include "guest/program/readiness.h"

enum { LOCKS_MAX = 65536 };

struct file_lock {
	struct file_lock *next;
	dev_t device;
	uint64_t ino;
	const void *owner; /* a struct program, or a struct file */
	bool is_flock;     /* these and the others do not see each other */
	bool exclusive;
	uint64_t start;
	uint64_t last; /* the last byte */
};

struct wanted {
	struct file_lock lock;
	bool unlock;
};

static int identify(struct file *file, struct file_lock *out)
{
	struct stat st;
	int r = file_status(file, &st);
	out->device = st.st_dev;
	out->ino = st.st_ino;
	return r;
}

static bool is_same_file(const struct file_lock *a, const struct file_lock *b)
{
	return a->device == b->device && a->ino == b->ino && a->is_flock == b->is_flock;
}

static struct file_lock *conflict(const struct view *view, const struct file_lock *wanted)
{
	for (struct file_lock *at = view->locks; at; at = at->next)
		if (is_same_file(at, wanted) && at->owner != wanted->owner && (at->exclusive || wanted->exclusive) &&
		    at->start <= wanted->last && wanted->start <= at->last)
			return at;
	return NULL;
}

/* Two further locks at most come of a change: the new one, and the end of one that it divides. */
static int reserve(const struct view *view, struct file_lock *out[2])
{
	size_t count = 0;
	for (const struct file_lock *at = view->locks; at; at = at->next)
		count++;
	if (count + 2 > LOCKS_MAX)
		return -ENOLCK;
	for (int i = 0; i < 2; i++)
		out[i] = malloc(sizeof(struct file_lock));
	if (out[0] && out[1])
		return 0;
	free(out[0]);
	free(out[1]);
	return -ENOLCK;
}

static void insert(struct view *view, struct file_lock *room, struct file_lock lock)
{
	*room = lock;
	room->next = view->locks;
	view->locks = room;
}

/* Takes the owner's locks of the range away, and puts the new one there. */
static int replace(struct view *view, const struct wanted *wanted)
{
	struct file_lock *room[2];
	const struct file_lock *lock = &wanted->lock;
	int r = reserve(view, room);
	if (r < 0)
		return r;
	for (struct file_lock **link = &view->locks, *at; (at = *link);) {
		if (!is_same_file(at, lock) || at->owner != lock->owner || at->start > lock->last ||
		    lock->start > at->last) {
			link = &at->next;
			continue;
		}
		bool head = at->start<lock->start, tail = at->last> lock->last;
		if (head && tail) {
			struct file_lock end = *at;
			end.start = lock->last + 1;
			insert(view, room[1], end);
			room[1] = NULL;
			at->last = lock->start - 1;
			break;
		}
		if (head) {
			at->last = lock->start - 1;
			link = &at->next;
		} else if (tail) {
			at->start = lock->last + 1;
			link = &at->next;
		} else {
			*link = at->next;
			free(at);
		}
	}
	if (!wanted->unlock) {
		insert(view, room[0], *lock);
		room[0] = NULL;
	}
	free(room[0]);
	free(room[1]);
	return 0;
}

/* A lock has gone, or is less than it was: those who wait for any look again. */
static void wake(struct view *view)
{
	struct instance *instance = view->program ? view->program->instance : NULL;
	if (instance)
		task_wake(instance, &view->locks);
}

/* Until it can be had. */
static int64_t take(struct program *program, const struct wanted *wanted, bool wait)
{
	struct view *view = program->view;
	if (!wanted->unlock && conflict(view, &wanted->lock))
		return wait ? object_wait(program, &view->locks, INT64_MAX) : -EAGAIN;
	int r = replace(view, wanted);
	if (r == 0)
		wake(view);
	return r;
}

int64_t locks_flock(struct program *program, struct file *file, int operation)
{
	int kind = operation & ~LOCK_NB;
	if (kind != LOCK_SH && kind != LOCK_EX && kind != LOCK_UN)
		return -EINVAL;
	struct wanted wanted = {
		.lock = {.owner = file, .is_flock = true, .exclusive = kind == LOCK_EX, .last = UINT64_MAX},
		.unlock = kind == LOCK_UN,
	};
	int r = identify(file, &wanted.lock);
	if (r < 0)
		return r;
	file->has_locks = true;
	return take(program, &wanted, !(operation & LOCK_NB));
}

/* The range of a struct flock. 0 or a negative errno. */
static int set_range(struct program *program, struct file *file, const struct flock *given, struct file_lock *out)
{
	int64_t base = 0, start;
	struct stat st;
	if (given->l_whence == SEEK_CUR)
		base = file_is_seekable(file) ? file->ops->seek(program, file, 0, SEEK_CUR) : 0;
	else if (given->l_whence == SEEK_END && file_status(file, &st) == 0)
		base = st.st_size;
	else if (given->l_whence != SEEK_SET)
		return -EINVAL;
	if (__builtin_add_overflow(base, given->l_start, &start))
		return -EOVERFLOW;
	int64_t length = given->l_len;
	if (length < 0) {
		if (length == INT64_MIN || __builtin_add_overflow(start, length, &start))
			return -EINVAL;
		length = -length;
	}
	if (start < 0)
		return -EINVAL;
	if (length > INT64_MAX - start)
		return -EOVERFLOW;
	out->start = (uint64_t)start;
	out->last = length ? (uint64_t)start + (uint64_t)length - 1 : UINT64_MAX;
	return 0;
}

static int64_t tell_conflict(struct program *program, const struct wanted *wanted, struct flock *lock, uint64_t address)
{
	const struct file_lock *other = wanted->unlock ? NULL : conflict(program->view, &wanted->lock);
	if (!other) {
		lock->l_type = F_UNLCK;
	} else {
		lock->l_type = other->exclusive ? F_WRLCK : F_RDLCK;
		lock->l_whence = SEEK_SET;
		lock->l_start = (off_t)other->start;
		lock->l_len = other->last == UINT64_MAX ? 0 : (off_t)(other->last - other->start + 1);
		/* Of an open file it is -1; and which process is not known where it is not this one's. */
		lock->l_pid = -1;
		for (int pid = 0; (pid = proc_next_process(program->view, pid)) > 0;)
			if (proc_process(program->view, pid) == other->owner)
				lock->l_pid = pid;
	}
	return space_write(program->space, address, lock, sizeof(*lock));
}

int64_t locks_fcntl(struct program *program, struct file *file, int command, uint64_t address)
{
	struct flock lock;
	if (space_read(program->space, &lock, address, sizeof(lock)) < 0)
		return -EFAULT;
	bool is_ofd = command == F_OFD_GETLK || command == F_OFD_SETLK || command == F_OFD_SETLKW;
	bool asks = command == F_GETLK || command == F_OFD_GETLK;
	if (is_ofd && lock.l_pid != 0)
		return -EINVAL;
	if (lock.l_type != F_RDLCK && lock.l_type != F_WRLCK && lock.l_type != F_UNLCK)
		return -EINVAL;
	if (!asks && ((lock.l_type == F_RDLCK && !file_is_readable(file)) ||
		      (lock.l_type == F_WRLCK && !file_is_writable(file))))
		return -EBADF;
	struct wanted wanted = {
		.lock = {.owner = is_ofd ? (const void *)file : program, .exclusive = lock.l_type == F_WRLCK},
		.unlock = lock.l_type == F_UNLCK,
	};
	int r = identify(file, &wanted.lock);
	if (r == 0)
		r = set_range(program, file, &lock, &wanted.lock);
	if (r < 0)
		return r;
	if (asks)
		return tell_conflict(program, &wanted, &lock, address);
	file->has_locks = true;
	return take(program, &wanted, command == F_SETLKW || command == F_OFD_SETLKW);
}

static void forget(struct view *view, const void *owner, const struct file_lock *of)
{
	for (struct file_lock **link = &view->locks, *at; (at = *link);) {
		if (at->owner == owner && (!of || is_same_file(at, of))) {
			*link = at->next;
			free(at);
		} else {
			link = &at->next;
		}
	}
	wake(view);
}

void locks_close(struct program *program, struct file *file)
{
	struct file_lock of = {0};
	if (program->view && program->view->locks && identify(file, &of) == 0)
		forget(program->view, program, &of);
}

void locks_forget_file(struct view *view, struct file *file)
{
	forget(view, file, NULL);
}

void locks_forget_process(struct program *program)
{
	if (program->view)
		forget(program->view, program, NULL);
}

void locks_release(struct view *view)
{
	while (view->locks) {
		struct file_lock *lock = view->locks;
		view->locks = lock->next;
		free(lock);
	}
}
