/* SPDX-License-Identifier: MIT */
/*
 * futex(2). While a call is served no thread of the guest runs, so that looking at a word and queueing is one step, as
 * it must be. Priority inheritance is not served: ENOSYS.
 */
#include "guest/program/futex.h"

#include <errno.h>
#include <linux/futex.h>

#include "guest/instance.h"
#include "guest/program/calls.h"

enum { ROBUST_LIST_SIZE = 24, ROBUST_ENTRIES_MAX = 2048 };

static const int64_t second_ns = 1000000000;

static bool is_same_key(struct futex_key a, struct futex_key b)
{
	return a.memory == b.memory && a.address == b.address;
}

/*
 * Where waiters of a word are found. Words in memory that processes share go by their place in it, whatever the flag
 * says: so a word has one key only.
 */
static int find_key(struct program *program, uint64_t address, struct futex_key *out)
{
	if (address % sizeof(uint32_t))
		return -EINVAL;
	if (!space_is_user(address, sizeof(uint32_t)))
		return -EFAULT;
	const struct area *area = space_find(program->space, address);
	if (area && area->shared)
		*out = (struct futex_key){area->shared, area->file_offset + (address - area->start)};
	else
		*out = (struct futex_key){program->space, address};
	return 0;
}

void futex_enqueue(struct scheduler *scheduler, struct task *task, struct futex_key key, uint32_t bitset)
{
	task->futex =
		(struct futex_wait){.key = key, .bitset = bitset, .is_queued = true, .previous = scheduler->last_futex};
	if (scheduler->last_futex)
		scheduler->last_futex->futex.next = task;
	else
		scheduler->first_futex = task;
	scheduler->last_futex = task;
}

void futex_dequeue(struct instance *instance, struct task *task)
{
	struct scheduler *scheduler = &instance->scheduler;
	struct futex_wait *wait = &task->futex;
	if (!wait->is_queued)
		return;
	if (wait->previous)
		wait->previous->futex.next = wait->next;
	else
		scheduler->first_futex = wait->next;
	if (wait->next)
		wait->next->futex.previous = wait->previous;
	else
		scheduler->last_futex = wait->previous;
	*wait = (struct futex_wait){0};
}

/* Wakes at most `max` waiters of a word, the one that came first before the others. */
static int64_t wake(struct instance *instance, struct futex_key key, int max, uint32_t bitset)
{
	int64_t woken = 0;
	for (struct task *task = instance->scheduler.first_futex, *next; task && woken < max; task = next) {
		next = task->futex.next;
		if (!is_same_key(task->futex.key, key) || !(task->futex.bitset & bitset))
			continue;
		futex_dequeue(instance, task);
		task->futex.is_woken = true;
		scheduler_unpark(instance, task);
		woken++;
	}
	return woken;
}

/* The moment on CLOCK_MONOTONIC at which a wait is over. 0 or a negative errno. */
static int find_end(struct program *program, int operation, uint64_t address, int64_t *out)
{
	struct timespec time;
	*out = INT64_MAX;
	if (!address)
		return 0;
	if (space_read(program->space, &time, address, sizeof(time)) < 0)
		return -EFAULT;
	if (time.tv_sec < 0 || time.tv_nsec < 0 || time.tv_nsec >= second_ns)
		return -EINVAL;
	if (time.tv_sec >= INT64_MAX / second_ns / 2)
		return 0;
	int64_t now = clock_now(CLOCK_MONOTONIC), ns = time.tv_sec * second_ns + time.tv_nsec;
	if ((operation & FUTEX_CMD_MASK) == FUTEX_WAIT)
		*out = task_deadline(program, now + ns);
	else if (operation & FUTEX_CLOCK_REALTIME)
		*out = now + ns - clock_now(CLOCK_REALTIME);
	else
		*out = ns;
	return 0;
}

static int64_t wait(struct program *program, const uint64_t args[6], struct futex_key key, uint32_t bitset)
{
	struct task *task = program->task;
	struct pollfd fds[1];
	int64_t until;
	uint32_t value;
	if (task->futex.is_woken) {
		task->futex.is_woken = false;
		return 0;
	}
	int r = bitset ? find_end(program, (int)args[1], args[3], &until) : -EINVAL;
	if (r == 0 && !task->futex.is_queued) {
		if (space_read(program->space, &value, args[0], sizeof(value)) < 0)
			return -EFAULT;
		if (value != (uint32_t)args[2])
			return -EAGAIN;
		futex_enqueue(&program->instance->scheduler, task, key, bitset);
	}
	if (r == 0)
		r = task_wait(program, fds, 0, until);
	if (r != TASK_PARKED)
		futex_dequeue(program->instance, task);
	return r == 0 ? -ETIMEDOUT : r;
}

/* FUTEX_REQUEUE, FUTEX_CMP_REQUEUE: wakes some and has others wait for another word. */
static int64_t requeue(struct program *program, const uint64_t args[6], struct futex_key key, bool compares)
{
	struct futex_key target;
	uint32_t value;
	int wakes = (int)args[2], moves = (int)args[3];
	if (wakes < 0 || moves < 0)
		return -EINVAL;
	int r = find_key(program, args[4], &target);
	if (r < 0)
		return r;
	if (compares && space_read(program->space, &value, args[0], sizeof(value)) < 0)
		return -EFAULT;
	if (compares && value != (uint32_t)args[5])
		return -EAGAIN;
	int64_t woken = wake(program->instance, key, wakes, FUTEX_BITSET_MATCH_ANY), moved = 0;
	struct scheduler *scheduler = &program->instance->scheduler;
	/* Those that move go to the end; where both words are the same that is where the search must stop. */
	const struct task *last = scheduler->last_futex;
	for (struct task *task = scheduler->first_futex, *next; task && moved < moves; task = next) {
		next = task == last ? NULL : task->futex.next;
		if (!is_same_key(task->futex.key, key))
			continue;
		uint32_t bitset = task->futex.bitset;
		futex_dequeue(program->instance, task);
		futex_enqueue(scheduler, task, target, bitset);
		moved++;
	}
	return compares ? woken + moved : woken;
}

/* The operation and the comparison that are packed into the last argument of FUTEX_WAKE_OP. */
static bool compute(uint32_t code, uint32_t old, uint32_t *out)
{
	uint32_t argument = (uint32_t)((int32_t)(code << 8) >> 20);
	if (code >> 28 & FUTEX_OP_OPARG_SHIFT)
		argument = 1u << (argument & 31);
	switch (code >> 28 & 7) {
	case FUTEX_OP_SET:
		*out = argument;
		return true;
	case FUTEX_OP_ADD:
		*out = old + argument;
		return true;
	case FUTEX_OP_OR:
		*out = old | argument;
		return true;
	case FUTEX_OP_ANDN:
		*out = old & ~argument;
		return true;
	case FUTEX_OP_XOR:
		*out = old ^ argument;
		return true;
	default:
		return false;
	}
}

static bool compare(uint32_t code, int32_t old, bool *out)
{
	int32_t argument = (int32_t)(code << 20) >> 20;
	const bool results[] = {
		[FUTEX_OP_CMP_EQ] = old == argument,
		[FUTEX_OP_CMP_NE] = old != argument,
		[FUTEX_OP_CMP_LT] =
			old<argument, [FUTEX_OP_CMP_LE] = old <= argument, [FUTEX_OP_CMP_GT] = old> argument,
		[FUTEX_OP_CMP_GE] = old >= argument,
	};
	unsigned comparison = code >> 24 & 15;
	if (comparison >= sizeof(results) / sizeof(results[0]))
		return false;
	*out = results[comparison];
	return true;
}

static int64_t wake_op(struct program *program, const uint64_t args[6], struct futex_key key)
{
	struct futex_key second;
	uint32_t old, value, code = (uint32_t)args[5];
	bool holds;
	int r = find_key(program, args[4], &second);
	if (r < 0)
		return r;
	if (space_read(program->space, &old, args[4], sizeof(old)) < 0)
		return -EFAULT;
	if (!compute(code, old, &value) || !compare(code, (int32_t)old, &holds))
		return -ENOSYS;
	if (space_write(program->space, args[4], &value, sizeof(value)) < 0)
		return -EFAULT;
	int64_t woken = wake(program->instance, key, (int)args[2], FUTEX_BITSET_MATCH_ANY);
	return holds ? woken + wake(program->instance, second, (int)args[3], FUTEX_BITSET_MATCH_ANY) : woken;
}

int64_t call_futex(struct program *program, const uint64_t args[6])
{
	int operation = (int)args[1] & FUTEX_CMD_MASK;
	struct futex_key key;
	if (operation == FUTEX_FD || operation > FUTEX_WAKE_BITSET ||
	    (operation >= FUTEX_LOCK_PI && operation <= FUTEX_TRYLOCK_PI))
		return -ENOSYS;
	if (((int)args[1] & FUTEX_CLOCK_REALTIME) && operation != FUTEX_WAIT_BITSET)
		return -ENOSYS;
	int r = find_key(program, args[0], &key);
	if (r < 0)
		return r;
	switch (operation) {
	case FUTEX_WAIT:
		return wait(program, args, key, FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAIT_BITSET:
		return wait(program, args, key, (uint32_t)args[5]);
	case FUTEX_WAKE:
		return wake(program->instance, key, (int)args[2], FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAKE_BITSET:
		return args[5] ? wake(program->instance, key, (int)args[2], (uint32_t)args[5]) : -EINVAL;
	case FUTEX_WAKE_OP:
		return wake_op(program, args, key);
	default:
		return requeue(program, args, key, operation == FUTEX_CMP_REQUEUE);
	}
}

void futex_wake_one(struct program *program, uint64_t address)
{
	struct futex_key key;
	if (find_key(program, address, &key) == 0)
		wake(program->instance, key, 1, FUTEX_BITSET_MATCH_ANY);
}

int64_t call_set_robust_list(struct program *program, const uint64_t args[6])
{
	if (args[1] != ROBUST_LIST_SIZE)
		return -EINVAL;
	program->task->robust_list = args[0];
	return 0;
}

int64_t call_get_robust_list(struct program *program, const uint64_t args[6])
{
	const struct task *task = args[0] ? program_task(program, (int)args[0]) : program->task;
	const uint64_t size = ROBUST_LIST_SIZE;
	if (!task)
		return -ESRCH;
	if (space_write(program->space, args[1], &task->robust_list, sizeof(task->robust_list)) < 0 ||
	    space_write(program->space, args[2], &size, sizeof(size)) < 0)
		return -EFAULT;
	return 0;
}

/* handle_futex_death() of kernel/futex/core.c */
static bool give_lock_back(struct task *task, uint64_t address, bool is_pending)
{
	uint32_t word;
	struct program *program = task->program;
	if (address % sizeof(word) || space_read(program->space, &word, address, sizeof(word)) < 0)
		return false;
	/* It was about to wake the next owner, or had been woken to become it. */
	if (is_pending && !(word & FUTEX_TID_MASK))
		futex_wake_one(program, address);
	if ((word & FUTEX_TID_MASK) != (uint32_t)task->tid)
		return true;
	bool has_waiters = word & FUTEX_WAITERS;
	word = (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
	if (space_write(program->space, address, &word, sizeof(word)) < 0)
		return false;
	if (has_waiters)
		futex_wake_one(program, address);
	return true;
}

void futex_end_task(struct task *task)
{
	struct {
		uint64_t next;
		int64_t offset;
		uint64_t pending;
	} head;
	const uint64_t list = task->robust_list;
	struct address_space *space = task->program->space;
	futex_dequeue(task->program->instance, task);
	task->robust_list = 0;
	if (!list || space_read(space, &head, list, sizeof(head)) < 0)
		return;
	uint64_t entry = head.next & ~1ull, pending = head.pending & ~1ull, next;
	for (int i = 0; i < ROBUST_ENTRIES_MAX && entry != list; i++, entry = next & ~1ull) {
		/* Read before the lock is given back: its next owner may free it. */
		if (space_read(space, &next, entry, sizeof(next)) < 0)
			return;
		if (entry != pending && !give_lock_back(task, entry + (uint64_t)head.offset, false))
			return;
	}
	if (pending)
		give_lock_back(task, pending + (uint64_t)head.offset, true);
}
