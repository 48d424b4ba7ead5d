/* SPDX-License-Identifier: MIT */
/* Signals that were sent and wait to be taken, of a thread or of a process. See: signal(7), kernel/signal.c. */
#ifndef GUEST_PROGRAM_SIGNAL_QUEUE_H
#define GUEST_PROGRAM_SIGNAL_QUEUE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SIGNAL_FIRST_REAL_TIME = 32 };

/* The bit of a signal in a set. */
static inline uint64_t signal_bit(int signal)
{
	return 1ull << (signal - 1);
}

struct signal_queue {
	uint64_t set; /* which are pending */
	/* In the order in which they came. A signal may be pending without one: then nothing is known of its sender. */
	siginfo_t *items;
	size_t count;
	size_t capacity;
};

/*
 * Adds a signal; a standard one that is pending already is dropped. `*budget` is what all queues of the process may
 * still hold, and is counted down. -EAGAIN where it is used up and the signal is a real-time one that was not sent by
 * kill(2), which are pending all the same but once. 0 otherwise.
 */
int queue_add(struct signal_queue *queue, const siginfo_t *info, unsigned *budget);

/* Takes the next signal of `set`; 0 where none is pending. */
int queue_take(struct signal_queue *queue, uint64_t set, siginfo_t *out, unsigned *budget);

/* Drops what is pending of these signals. */
void queue_drop(struct signal_queue *queue, uint64_t set, unsigned *budget);

/* The pending signal of a timer, whose overrun may be counted up; NULL where there is none. */
siginfo_t *queue_find_timer(struct signal_queue *queue, int timer);

/* What is pending in `from` is so in `to`, which holds nothing. 0 or -ENOMEM. */
int queue_copy(struct signal_queue *to, const struct signal_queue *from);

void queue_release(struct signal_queue *queue);

#endif
