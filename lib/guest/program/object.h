/* SPDX-License-Identifier: MIT */
/*
 * What a file of kind FILE_OBJECT is, in plain numbers: for a snapshot in a file, which may be a hostile one. Each kind
 * describes itself (file_ops.describe) and is made anew of that by a function of its own.
 */
#ifndef GUEST_PROGRAM_OBJECT_H
#define GUEST_PROGRAM_OBJECT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct channel;
struct file;
struct program;

enum object_kind {
	OBJECT_NONE,
	OBJECT_PIPE,
	OBJECT_SOCKET,
	OBJECT_EPOLL,
	OBJECT_COUNTER,
	OBJECT_TIMER,
	OBJECT_SIGNALS,
	OBJECT_PROCESS
};

enum { OBJECT_VALUES = 12 };

struct object_state {
	enum object_kind kind;
	int64_t since; /* CLOCK_MONOTONIC: the moment that times are told from, set by the caller */
	struct channel *in;
	struct channel *out;
	int64_t values[OBJECT_VALUES];
	struct sockaddr_storage name;
};

/*
 * Each makes a file with these flags, or fails with -EINVAL where no such object can be, -ENOMEM, -EMFILE, -ENFILE. A
 * channel has not more than one file at each of its ends. What an epoll waits for comes later.
 */
int pipe_revive(struct program *program, const struct object_state *state, int flags, struct file **out);
int socket_revive(struct program *program, const struct object_state *state, int flags, struct file **out);
int epoll_revive(struct program *program, const struct object_state *state, int flags, struct file **out);
int counter_revive(struct program *program, const struct object_state *state, int flags, struct file **out);
int timer_revive(struct program *program, const struct object_state *state, int flags, struct file **out);
int signals_revive(struct program *program, const struct object_state *state, int flags, struct file **out);
int process_watch_revive(struct program *program, const struct object_state *state, int flags, struct file **out);

/*
 * Times of a clock as whiles after a moment of CLOCK_MONOTONIC, and back; INT64_MAX, and what is as far away, stays.
 * The latter takes whatever time_is_sound() does.
 */
int64_t time_to_while(int64_t time, int clock, int64_t since);
int64_t time_from_while(int64_t time, int clock, int64_t since);

/* So that nothing that is reckoned with them overflows. */
static inline bool time_is_sound(int64_t time)
{
	return time == INT64_MAX || (time >= -INT64_MAX / 2 && time <= INT64_MAX / 2);
}

enum { INTERVAL_SOUND_S = 1 << 30 };

static inline bool interval_is_sound(int64_t interval)
{
	return interval >= 0 && interval <= INTERVAL_SOUND_S * 1000000000ll;
}

static inline int64_t interval_bounded(int64_t interval)
{
	return interval_is_sound(interval) ? interval : INTERVAL_SOUND_S * 1000000000ll;
}

#endif
