/* SPDX-License-Identifier: MIT */
#include "guest/vm/shells.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <virtiso/guest.h>

#include "core/error.h"
#include "core/own_process.h"
#include "guest/x86_64/vcpu.h"

enum { SHELLS_MAX = 10000 };

/*
 * A virtual machine works only in the process that made it, and a lock may be held by a thread that a forked child does
 * not have. So a child leaves the pool of its parent alone and begins one of its own.
 */
struct pool {
	pid_t owner;
	pthread_mutex_t lock;
	struct vm *shells;
	size_t count;
};

static _Atomic(struct pool *) pool;

static struct pool *own_pool(bool make)
{
	struct pool *now = atomic_load(&pool);
	if (now && now->owner == own_process())
		return now;
	struct pool *made = make ? calloc(1, sizeof(*made)) : NULL;
	if (!made)
		return NULL;
	made->owner = own_process();
	pthread_mutex_init(&made->lock, NULL);
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

static bool take_ready(struct pool *own, struct vm *vm)
{
	pthread_mutex_lock(&own->lock);
	bool is_there = own->count > 0;
	if (is_there)
		*vm = own->shells[--own->count];
	pthread_mutex_unlock(&own->lock);
	return is_there;
}

int shells_take(struct vm *vm, const struct processor **out_processor)
{
	struct pool *own = own_pool(false);
	*vm = vm_none;
	if (own && take_ready(own, vm))
		return processor_get(-1, out_processor);
	return make(vm, out_processor);
}

/* Puts one that was made aside among those that are ready; false where there are enough. */
static bool put(struct pool *own, const struct vm *vm, size_t wanted)
{
	pthread_mutex_lock(&own->lock);
	bool fits = own->count < wanted;
	struct vm *shells = fits ? reallocarray(own->shells, own->count + 1, sizeof(*shells)) : NULL;
	if (shells) {
		own->shells = shells;
		shells[own->count++] = *vm;
	}
	pthread_mutex_unlock(&own->lock);
	return shells;
}

static size_t ready(struct pool *own)
{
	pthread_mutex_lock(&own->lock);
	size_t count = own->count;
	pthread_mutex_unlock(&own->lock);
	return count;
}

static int fill(struct pool *own, size_t wanted)
{
	while (ready(own) < wanted) {
		struct vm vm;
		const struct processor *processor;
		int r = make(&vm, &processor);
		if (r < 0)
			return r;
		if (!put(own, &vm, wanted)) {
			vm_release(&vm);
			return ready(own) < wanted ? error_memory() : 0;
		}
	}
	return 0;
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

int viso_guest_prepare(unsigned count)
{
	if (count > SHELLS_MAX)
		return error_argument(__func__, "more than 10000 virtual machines");
	struct pool *own = own_pool(count > 0);
	if (!own)
		return count ? error_memory() : 0;
	shrink(own, count);
	return fill(own, count);
}
