/* SPDX-License-Identifier: MIT */
/*
 * Waiting until files are ready, as for poll(2), whatever they are: files of the host are polled there, objects of the
 * guest's own tell at once, and change only by what another of its tasks does, or by time.
 */
#ifndef GUEST_PROGRAM_READINESS_H
#define GUEST_PROGRAM_READINESS_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/program/file.h"

struct instance;

enum { READINESS_FDS = 8 };

/*
 * Files are asked twice in the same order: first they tell what of the host is to be polled for them, and after that
 * has been done they find the answers here.
 */
struct readiness {
	struct program *program;
	uint64_t look; /* the number of this look at all files, in the guest */
	bool polled;
	bool no_memory;
	int64_t until; /* CLOCK_MONOTONIC: when a file may become ready by time */
	struct pollfd *fds;
	size_t count;
	size_t capacity;
	size_t next;
	struct pollfd few[READINESS_FDS];
};

/* What of these events the file is ready for, with POLLERR, POLLHUP and POLLNVAL. */
short file_poll(struct file *file, short events, struct readiness *readiness);

/* For file_poll() of files that depend on a host fd, on a moment, on being changed by another task. */
short readiness_host(struct readiness *readiness, int fd, short events);
void readiness_time(struct readiness *readiness, int64_t moment);
void readiness_object(struct readiness *readiness, const void *object);

/* Asks all files that somebody waits for: how many are ready, or a negative errno. */
typedef int64_t readiness_check(void *data, struct readiness *readiness);

/*
 * Waits until `check` gives another answer than 0, or until `until` (CLOCK_MONOTONIC). The last answer, or a negative
 * number that the system call must return as it is.
 */
int64_t readiness_wait(struct program *program, readiness_check *check, void *data, int64_t until);

/* Waits for one file. 0 where it is ready; -EAGAIN where it is not by then; or what the call must return. */
int64_t file_wait(struct program *program, struct file *file, short events, int64_t until);

/* As file_wait(), for a call that blocks unless the file is non-blocking. */
int64_t file_wait_unless_nonblocking(struct program *program, struct file *file, short events);

/* Waits until somebody changes the object. What the call must return: -EAGAIN where nobody has by then. */
int64_t object_wait(struct program *program, const void *object, int64_t until);

/* The file may have become ready: who waits for it is woken. */
void file_changed(struct instance *instance, struct file *file);

#endif
