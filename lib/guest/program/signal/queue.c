/* SPDX-License-Identifier: MIT */
#include "guest/program/signal/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* SYNCHRONOUS_MASK of kernel/signal.c: what an instruction caused comes before what others sent. */
static const uint64_t synchronous = 1ull << (SIGSEGV - 1) | 1ull << (SIGBUS - 1) | 1ull << (SIGILL - 1) |
				    1ull << (SIGTRAP - 1) | 1ull << (SIGFPE - 1) | 1ull << (SIGSYS - 1);

static bool grow(struct signal_queue *queue)
{
	size_t capacity = queue->capacity ? 2 * queue->capacity : 4;
	siginfo_t *items = reallocarray(queue->items, capacity, sizeof(*items));
	if (!items)
		return false;
	queue->items = items;
	queue->capacity = capacity;
	return true;
}

int queue_add(struct signal_queue *queue, const siginfo_t *info, unsigned *budget)
{
	int signal = info->si_signo;
	uint64_t bit = signal_bit(signal);
	if (signal < SIGNAL_FIRST_REAL_TIME && (queue->set & bit))
		return 0;
	if (*budget == 0 || (queue->count == queue->capacity && !grow(queue))) {
		if (signal >= SIGNAL_FIRST_REAL_TIME && info->si_code != SI_USER)
			return -EAGAIN;
		queue->set |= bit;
		return 0;
	}
	queue->items[queue->count++] = *info;
	queue->set |= bit;
	--*budget;
	return 0;
}

static void remove_at(struct signal_queue *queue, size_t index, unsigned *budget)
{
	queue->count--;
	memmove(&queue->items[index], &queue->items[index + 1], (queue->count - index) * sizeof(*queue->items));
	++*budget;
}

static size_t find(const struct signal_queue *queue, int signal, size_t from)
{
	while (from < queue->count && queue->items[from].si_signo != signal)
		from++;
	return from;
}

int queue_take(struct signal_queue *queue, uint64_t set, siginfo_t *out, unsigned *budget)
{
	uint64_t found = queue->set & set;
	if (!found)
		return 0;
	int signal = __builtin_ctzll(found & synchronous ? found & synchronous : found) + 1;
	size_t index = find(queue, signal, 0);
	if (index == queue->count) {
		*out = (siginfo_t){.si_signo = signal, .si_code = SI_USER};
		queue->set &= ~signal_bit(signal);
		return signal;
	}
	*out = queue->items[index];
	remove_at(queue, index, budget);
	if (find(queue, signal, index) == queue->count)
		queue->set &= ~signal_bit(signal);
	return signal;
}

void queue_drop(struct signal_queue *queue, uint64_t set, unsigned *budget)
{
	for (size_t i = queue->count; i-- > 0;)
		if (set & signal_bit(queue->items[i].si_signo))
			remove_at(queue, i, budget);
	queue->set &= ~set;
}

siginfo_t *queue_find_timer(struct signal_queue *queue, int timer)
{
	for (size_t i = 0; i < queue->count; i++)
		if (queue->items[i].si_code == SI_TIMER && queue->items[i].si_timerid == timer)
			return &queue->items[i];
	return NULL;
}

int queue_copy(struct signal_queue *to, const struct signal_queue *from)
{
	*to = (struct signal_queue){.set = from->set};
	if (from->count == 0)
		return 0;
	to->items = calloc(from->count, sizeof(*to->items));
	if (!to->items)
		return -ENOMEM;
	memcpy(to->items, from->items, from->count * sizeof(*to->items));
	to->count = to->capacity = from->count;
	return 0;
}

void queue_release(struct signal_queue *queue)
{
	free(queue->items);
	*queue = (struct signal_queue){0};
}
