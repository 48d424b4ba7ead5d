/* SPDX-License-Identifier: MIT */
#include "guest/vm/shells.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <virtiso/error.h>
#include <virtiso/guest.h>

#include "core/error.h"
#include "core/log.h"
#include "core/own_process.h"
#include "guest/thread.h"
#include "guest/x86_64/vcpu.h"

enum { SHELLS_MAX = 10000 };

/*
 * A virtual machine works only in the process that made it, and a lock may be held by a thread that a forked child does
 * not have. So a child leaves the pool of its parent alone and begins one of its own.
 *
 * What is taken is made anew by a thread, from the first taking on until the pool is given up: a start waits for none.
 */
struct pool {
	struct process_mark owner;
	pthread_mutex_t setting; /* one viso_guest_prepare() after the other */
	pthread_mutex_t lock;    /* guards what follows */
	pthread_cond_t changed;
	struct vm *shells;
	size_t count;
	size_t wanted;
	pthread_t thread;
	bool has_thread;
	bool ends;
	bool rests; /* one could not be made: it is tried again when the next one has been taken */
};

static _Atomic(struct pool *) pool;

static struct pool *own_pool(bool make)
{
	struct pool *now = atomic_load(&pool);
	if (now && mark_is_own(&now->owner))
		return now;
	struct pool *made = make ? calloc(1, sizeof(*made)) : NULL;
	if (!made)
		return NULL;
	made->owner = own_mark();
	pthread_mutex_init(&made->setting, NULL);
	pthread_mutex_init(&made->lock, NULL);
	pthread_cond_init(&made->changed, NULL);
	if (atomic_compare_exchange_strong(&pool, &now, made))
		return made;
	free(made);
	return now;
}

static int make(struct vm *vm, const struct processor **out_processor)
{
	int r = vm_init(vm, out_processor);
	if (r == 0)
		r = vcpu_prepare(vm, *out_processor);
	if (r < 0)
		vm_release(vm);
	return r;
}

/* With the lock held: one more among those that are ready; false where there are enough. */
static bool put(struct pool *own, const struct vm *vm, size_t wanted)
{
	struct vm *shells = own->count < wanted ? reallocarray(own->shells, own->count + 1, sizeof(*shells)) : NULL;
	if (!shells)
		return false;
	own->shells = shells;
	shells[own->count++] = *vm;
	return true;
}

/* Makes one, without the lock; `wanted` may have changed until then. 0, or a negative errno with the error set. */
static int add(struct pool *own, const size_t *wanted)
{
	struct vm vm;
	const struct processor *processor;
	int r = make(&vm, &processor);
	if (r < 0)
		return r;
	pthread_mutex_lock(&own->lock);
	bool is_kept = put(own, &vm, *wanted), is_enough = own->count >= *wanted;
	pthread_mutex_unlock(&own->lock);
	if (is_kept)
		return 0;
	vm_release(&vm);
	return is_enough ? 0 : error_memory();
}

static void *refill(void *data)
{
	struct pool *own = data;
	pthread_mutex_lock(&own->lock);
	while (!own->ends) {
		if (own->rests || own->count >= own->wanted) {
			pthread_cond_wait(&own->changed, &own->lock);
			continue;
		}
		pthread_mutex_unlock(&own->lock);
		int r = add(own, &own->wanted);
		if (r < 0)
			log_debug("guest: a virtual machine cannot be made ready: %s", viso_error_message());
		pthread_mutex_lock(&own->lock);
		own->rests = r < 0;
	}
	pthread_mutex_unlock(&own->lock);
	return NULL;
}

static bool take_ready(struct pool *own, struct vm *vm)
{
	pthread_mutex_lock(&own->lock);
	bool is_there = own->count > 0;
	if (is_there)
		*vm = own->shells[--own->count];
	pthread_mutex_unlock(&own->lock);
	return is_there;
}

/* Also where none was ready. Without a thread now, there will be one at another time. */
static void have_refilled(struct pool *own)
{
	pthread_mutex_lock(&own->lock);
	own->rests = false;
	if (own->count < own->wanted && !own->has_thread && !own->ends)
		own->has_thread = thread_start(&own->thread, refill, own) == 0;
	pthread_cond_signal(&own->changed);
	pthread_mutex_unlock(&own->lock);
}

int shells_take(struct vm *vm, const struct processor **out_processor)
{
	struct pool *own = own_pool(false);
	*vm = vm_none;
	bool is_there = own && take_ready(own, vm);
	if (own)
		have_refilled(own);
	return is_there ? processor_get(-1, out_processor) : make(vm, out_processor);
}

static size_t ready(struct pool *own)
{
	pthread_mutex_lock(&own->lock);
	size_t count = own->count;
	pthread_mutex_unlock(&own->lock);
	return count;
}

static void set_wanted(struct pool *own, size_t wanted)
{
	pthread_mutex_lock(&own->lock);
	own->wanted = wanted;
	own->rests = false;
	pthread_cond_signal(&own->changed);
	pthread_mutex_unlock(&own->lock);
}

/* Makes those that are missing now, so that the caller hears of what is in the way. */
static int fill(struct pool *own, size_t wanted)
{
	int r = 0;
	while (r == 0 && ready(own) < wanted)
		r = add(own, &wanted);
	return r;
}

static void shrink(struct pool *own, size_t wanted)
{
	struct vm vm;
	while (ready(own) > wanted && take_ready(own, &vm))
		vm_release(&vm);
	pthread_mutex_lock(&own->lock);
	if (own->count == 0) {
		free(own->shells);
		own->shells = NULL;
	}
	pthread_mutex_unlock(&own->lock);
}

static void end_thread(struct pool *own)
{
	pthread_mutex_lock(&own->lock);
	bool has_thread = own->has_thread;
	own->ends = true;
	pthread_cond_signal(&own->changed);
	pthread_mutex_unlock(&own->lock);
	if (has_thread)
		pthread_join(own->thread, NULL);
	pthread_mutex_lock(&own->lock);
	own->has_thread = own->ends = false;
	pthread_mutex_unlock(&own->lock);
}

/* With the lock for settings held. */
static int set_count(struct pool *own, size_t count)
{
	size_t before = own->wanted;
	if (count == 0) {
		set_wanted(own, 0);
		end_thread(own);
	} else if (count < before) {
		set_wanted(own, count);
	}
	shrink(own, count);
	int r = fill(own, count);
	if (r < 0)
		shrink(own, before);
	else
		set_wanted(own, count);
	return r;
}

int viso_guest_prepare(unsigned count)
{
	if (count > SHELLS_MAX)
		return error_argument(__func__, "more than 10000 virtual machines");
	struct pool *own = own_pool(count > 0);
	if (!own)
		return count ? error_memory() : 0;
	pthread_mutex_lock(&own->setting);
	int r = set_count(own, count);
	pthread_mutex_unlock(&own->setting);
	return r;
}
