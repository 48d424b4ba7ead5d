/* SPDX-License-Identifier: MIT */
/* One hypercall, from the program's request to its answer. */
#include "guest/contact/hypercall.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "core/hot.h"
#include "guest/guest.h"
#include "guest/instance.h"
#include "guest/memory/fault.h"

enum { ERRNO_MAX = 4095 };

struct gate {
	atomic_uint references;
	pthread_mutex_t lock;
	struct instance *instance; /* NULL from its end on */
	viso_hypercall *waiting;   /* all whose task waits */
};

static _Thread_local struct serving *innermost;

void serving_begin(struct serving *serving, const struct viso_guest *guest)
{
	*serving = (struct serving){guest, innermost};
	innermost = serving;
}

void serving_end(const struct serving *serving)
{
	innermost = serving->outer;
}

bool hypercalls_are_served_here(const struct viso_guest *guest)
{
	for (const struct serving *serving = innermost; serving; serving = serving->outer)
		if (serving->guest == guest)
			return true;
	return false;
}

struct gate *gate_new(struct instance *instance)
{
	struct gate *gate = calloc(1, sizeof(*gate));
	if (!gate)
		return NULL;
	atomic_init(&gate->references, 1);
	pthread_mutex_init(&gate->lock, NULL);
	gate->instance = instance;
	return gate;
}

static void gate_unref(struct gate *gate)
{
	if (atomic_fetch_sub(&gate->references, 1) != 1)
		return;
	pthread_mutex_destroy(&gate->lock);
	free(gate);
}

HOT void gate_lock(struct gate *gate)
{
	pthread_mutex_lock(&gate->lock);
}

HOT void gate_unlock(struct gate *gate)
{
	pthread_mutex_unlock(&gate->lock);
}

void hypercall_free(viso_hypercall *hypercall)
{
	gate_unref(hypercall->gate);
	free(hypercall);
}

viso_hypercall *hypercall_make(struct task *task)
{
	struct gate *gate = task->program->instance->gate;
	viso_hypercall *hypercall = calloc(1, sizeof(*hypercall));
	if (!hypercall)
		return NULL;
	/* As handle_init(), without a system call. */
	atomic_init(&hypercall->handle.references, 1);
	hypercall->handle.owner = gate->instance->guest->sandbox.handle.owner;
	atomic_fetch_add(&gate->references, 1);
	hypercall->gate = gate;
	hypercall->answer_fd = -1;
	hypercall->task = task;
	return hypercall;
}

static viso_hypercall *hypercall_new(struct task *task, uint64_t number, const uint64_t args[6])
{
	viso_hypercall *hypercall = hypercall_make(task);
	if (!hypercall)
		return NULL;
	struct gate *gate = hypercall->gate;
	hypercall->number = (unsigned)number;
	for (int i = 0; i < 6; i++)
		hypercall->args[i] = args[i];
	hypercall->all_next = gate->waiting;
	hypercall->all_link = &gate->waiting;
	if (gate->waiting)
		gate->waiting->all_link = &hypercall->all_next;
	gate->waiting = hypercall;
	return hypercall;
}

/* What it is counted with. */
static struct file_counts *counts_of(const viso_hypercall *hypercall)
{
	return &hypercall->task->program->view->counts;
}

static void close_answer_fd(viso_hypercall *hypercall)
{
	if (hypercall->answer_fd < 0)
		return;
	hypercall->answer_fd = close_fd(hypercall->answer_fd);
	counts_of(hypercall)->host_fds--;
}

static void unlink_waiting(viso_hypercall *hypercall)
{
	if (!hypercall->all_link)
		return;
	*hypercall->all_link = hypercall->all_next;
	if (hypercall->all_next)
		hypercall->all_next->all_link = hypercall->all_link;
}

void hypercall_part(viso_hypercall *hypercall)
{
	if (!hypercall->task)
		return;
	if (hypercall->task->hypercall == hypercall)
		hypercall->task->hypercall = NULL;
	close_answer_fd(hypercall);
	hypercall->task = NULL;
	unlink_waiting(hypercall);
	if (atomic_load(&hypercall->handle.references) == 0)
		hypercall_free(hypercall);
}

void hypercall_abandon(viso_hypercall *hypercall)
{
	struct guest_hypercalls *hypercalls = &hypercall->gate->instance->guest->hypercalls;
	if (hypercalls_dequeue(hypercalls, hypercall))
		handle_unref(&hypercall->handle);
	hypercall_part(hypercall);
}

void gate_abandon_all(struct gate *gate)
{
	gate_lock(gate);
	while (gate->waiting)
		hypercall_abandon(gate->waiting);
	gate_unlock(gate);
}

void gate_close(struct gate *gate)
{
	if (!gate)
		return;
	gate_abandon_all(gate);
	gate->instance = NULL;
	gate_unref(gate);
}

void hypercall_set_answer(viso_hypercall *hypercall, int64_t value)
{
	hypercall->is_answered = true;
	hypercall->answer = value;
	if (hypercall->answer_fd >= 0)
		eventfd_write(hypercall->answer_fd, 1);
}

/* The task waits until it is answered. */
static int64_t await(struct program *program, viso_hypercall *hypercall)
{
	while (!hypercall->is_answered) {
		struct pollfd fds[2] = {{.fd = hypercall->answer_fd, .events = POLLIN}};
		int n = task_wait(program, fds, 1, INT64_MAX);
		if (n < 0)
			return n;
	}
	/* Not by the return value, which has meanings of its own inside of the library. */
	program->vcpu->regs->rax = (uint64_t)hypercall->answer;
	program->task->keeps_registers = true;
	hypercall_part(hypercall);
	return 0;
}

static int make_answer_fd(viso_hypercall *hypercall)
{
	struct file_counts *counts = counts_of(hypercall);
	if (counts->host_fds >= counts->host_fds_max)
		return -ENFILE;
	hypercall->answer_fd = fd_above_streams(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	if (hypercall->answer_fd < 0)
		return -errno;
	counts->host_fds++;
	hypercall->is_deferred = true;
	return 0;
}

static int64_t enqueue(struct program *program, viso_hypercall *hypercall)
{
	int r = make_answer_fd(hypercall);
	if (r < 0) {
		handle_unref(&hypercall->handle);
		hypercall_part(hypercall);
		return r;
	}
	hypercalls_enqueue(&program->instance->guest->hypercalls, hypercall);
	return await(program, hypercall);
}

void gate_keep_guest(struct instance *instance)
{
	instance->owns_guest = true;
	kick_stop(&instance->kick, SIGKILL);
}

int64_t hypercall_call(const struct viso_guest *guest, const struct hypercall_handler *handler,
		       viso_hypercall *hypercall)
{
	struct serving serving;
	serving_begin(&serving, guest);
	int64_t value = handler->function(hypercall, handler->userdata);
	serving_end(&serving);
	return value;
}

void gate_leave_to_handler(struct instance *instance)
{
	handle_ref(&instance->guest->sandbox.handle);
	gate_unlock(instance->gate);
}

void gate_return_from_handler(struct instance *instance)
{
	gate_lock(instance->gate);
	/* As viso_guest_unref(); but the last reference ends with the program, which runs in this thread. */
	if (!handle_unref_unless_last(&instance->guest->sandbox.handle))
		gate_keep_guest(instance);
	/* The handler may have run another guest, or for long. */
	instance->look_for_stop = true;
}

static int64_t run_handler(struct instance *instance, const struct hypercall_handler *handler,
			   viso_hypercall *hypercall)
{
	hypercall->in_handler = true;
	hypercall->thread = pthread_self();
	gate_leave_to_handler(instance);
	int64_t value = hypercall_call(instance->guest, handler, hypercall);
	gate_return_from_handler(instance);
	hypercall->in_handler = false;
	return value;
}

static int64_t call_handler(struct program *program, const struct hypercall_handler *handler, viso_hypercall *hypercall)
{
	int64_t value = run_handler(program->instance, handler, hypercall);
	bool is_last = handle_unref(&hypercall->handle);
	if (!hypercall->is_deferred)
		hypercall_set_answer(hypercall, value);
	else if (is_last && !hypercall->is_answered)
		/* Nobody has it who could answer. */
		hypercall_set_answer(hypercall, -ENOSYS);
	return await(program, hypercall);
}

int64_t hypercall_serve(struct program *program, uint64_t number, const uint64_t args[6])
{
	if (program->task->hypercall)
		return await(program, program->task->hypercall);
	const struct hypercall_handler *handler = hypercalls_find(program->instance->guest, number);
	if (!handler)
		return -ENOSYS;
	viso_hypercall *hypercall = hypercall_new(program->task, number, args);
	if (!hypercall)
		return -ENOMEM;
	program->task->hypercall = hypercall;
	return handler->function ? call_handler(program, handler, hypercall) : enqueue(program, hypercall);
}

viso_hypercall *viso_hypercall_ref(viso_hypercall *hypercall)
{
	if (hypercall)
		handle_ref(&hypercall->handle);
	return hypercall;
}

viso_hypercall *viso_hypercall_unref(viso_hypercall *hypercall)
{
	if (!hypercall)
		return NULL;
	/* In a forked child another thread may have held the lock: what it has there stays. */
	if (!handle_is_mine(&hypercall->handle)) {
		handle_unref(&hypercall->handle);
		return NULL;
	}
	if (hypercall->far) {
		if (handle_unref(&hypercall->handle))
			hypercall->far->release(hypercall);
		return NULL;
	}
	struct gate *gate = hypercall->gate;
	atomic_fetch_add(&gate->references, 1);
	gate_lock(gate);
	if (handle_unref(&hypercall->handle)) {
		if (!hypercall->is_answered)
			hypercall_set_answer(hypercall, -ENOSYS);
		if (!hypercall->task)
			hypercall_free(hypercall);
	}
	gate_unlock(gate);
	gate_unref(gate);
	return NULL;
}

static int check(const viso_hypercall *hypercall, const char *function)
{
	return handle_check(hypercall ? &hypercall->handle : NULL, function);
}

int viso_hypercall_number(const viso_hypercall *hypercall)
{
	return hypercall ? (int)hypercall->number : error_argument(__func__, "the handle is NULL");
}

int viso_hypercall_argument(const viso_hypercall *hypercall, unsigned index, uint64_t *out_value)
{
	if (!hypercall || index > 5 || !out_value)
		return error_argument(__func__, "an argument is one of 0 to 5; neither handle nor out_value is NULL");
	*out_value = hypercall->args[index];
	return 0;
}

/* Whether it can be answered still, and its program's memory be reached. With the lock held. */
static int check_waiting(const viso_hypercall *hypercall)
{
	return hypercall->is_answered ? -EALREADY : hypercall->task ? 0 : -ESRCH;
}

bool hypercall_is_gone(viso_hypercall *hypercall)
{
	gate_lock(hypercall->gate);
	bool is_gone = !hypercall->task;
	gate_unlock(hypercall->gate);
	return is_gone;
}

static int fail(int r, const char *function)
{
	switch (-r) {
	case EALREADY:
		return error_fail(VISO_STAGE_GUEST, EALREADY, function,
				  "%s: the hypercall has been answered, or deferred already", function);
	case ESRCH:
		return error_fail(VISO_STAGE_GUEST, ESRCH, function,
				  "%s: the program does not wait for the hypercall any more", function);
	default:
		return error_fail(VISO_STAGE_GUEST, -r, function, NULL);
	}
}

static int access_here(viso_hypercall *hypercall, uint64_t address, void *buffer, size_t size, bool writes)
{
	gate_lock(hypercall->gate);
	int r = check_waiting(hypercall);
	struct address_space *space = r == 0 ? hypercall->task->program->space : NULL;
	if (space &&
	    (writes ? space_write(space, address, buffer, size) : space_read(space, buffer, address, size)) < 0)
		r = -EFAULT;
	gate_unlock(hypercall->gate);
	return r;
}

static int access_memory(viso_hypercall *hypercall, uint64_t address, void *buffer, size_t size, bool writes,
			 const char *function)
{
	int r = hypercall->far ? hypercall->far->access(hypercall, address, buffer, size, writes)
			       : access_here(hypercall, address, buffer, size, writes);
	if (r == -EFAULT)
		return error_fail(VISO_STAGE_GUEST, EFAULT, function,
				  "%s: the program has not all of the %zu bytes at 0x%llx", function, size,
				  (unsigned long long)address);
	return r < 0 ? fail(r, function) : 0;
}

int viso_hypercall_read(viso_hypercall *hypercall, uint64_t address, void *buffer, size_t size)
{
	int r = check(hypercall, __func__);
	if (r < 0)
		return r;
	if (size && !buffer)
		return error_argument(__func__, "the buffer is NULL");
	return access_memory(hypercall, address, buffer, size, false, __func__);
}

int viso_hypercall_write(viso_hypercall *hypercall, uint64_t address, const void *data, size_t size)
{
	int r = check(hypercall, __func__);
	if (r < 0)
		return r;
	if (size && !data)
		return error_argument(__func__, "the data is NULL");
	return access_memory(hypercall, address, (void *)data, size, true, __func__);
}

int hypercall_defer(viso_hypercall *hypercall)
{
	gate_lock(hypercall->gate);
	int r = check_waiting(hypercall);
	if (r == 0)
		r = hypercall->is_deferred ? -EALREADY : make_answer_fd(hypercall);
	gate_unlock(hypercall->gate);
	return r;
}

int viso_hypercall_defer(viso_hypercall *hypercall)
{
	int r = check(hypercall, __func__);
	if (r < 0)
		return r;
	if (!hypercall->in_handler || !pthread_equal(hypercall->thread, pthread_self()))
		return hypercall->is_answered || hypercall->is_deferred
			       ? fail(-EALREADY, __func__)
			       : error_argument(__func__, "only a handler can defer its hypercall");
	if (hypercall->is_by_ring)
		return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__,
				  "a hypercall that came through the ring cannot be deferred");
	r = hypercall->far ? hypercall->far->defer(hypercall) : hypercall_defer(hypercall);
	return r < 0 ? fail(r, __func__) : 0;
}

static int settle_here(viso_hypercall *hypercall, int64_t value)
{
	gate_lock(hypercall->gate);
	int r = check_waiting(hypercall);
	if (r == 0 && !hypercall->is_deferred)
		r = -EINVAL;
	if (r == 0)
		hypercall_set_answer(hypercall, value);
	gate_unlock(hypercall->gate);
	return r;
}

static int answer(viso_hypercall *hypercall, int64_t value, const char *function)
{
	int r = hypercall->far ? hypercall->far->settle(hypercall, value) : settle_here(hypercall, value);
	if (r == -EINVAL)
		return error_argument(function, "the hypercall was not deferred; the handler's value is the answer");
	return r < 0 ? fail(r, function) : 0;
}

int viso_hypercall_answer(viso_hypercall *hypercall, int64_t value)
{
	int r = check(hypercall, __func__);
	if (r < 0)
		return r;
	if (value < 0 && value >= -ERRNO_MAX)
		return error_argument(__func__, "-4095 to -1 are errnos; use viso_hypercall_refuse()");
	return answer(hypercall, value, __func__);
}

int viso_hypercall_refuse(viso_hypercall *hypercall, int error)
{
	int r = check(hypercall, __func__);
	if (r < 0)
		return r;
	if (error < 1 || error > ERRNO_MAX)
		return error_argument(__func__, "an errno is a number from 1 to 4095");
	return answer(hypercall, -error, __func__);
}
