/* SPDX-License-Identifier: MIT */
/* The host's side of a guest that stays: who may use it now, its beginning and its end. */
#include "guest/contact/stay.h"

#include <errno.h>
#include <signal.h>
#include <virtiso/guest_calls.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/hot.h"
#include "guest/contact/ring.h"
#include "guest/contact/use.h"
#include "guest/contained/resident.h"
#include "guest/guest.h"
#include "guest/instance.h"
#include "guest/kernel/kernel.h"
#include "guest/snapshot/snapshot.h"

void stay_release(struct stay *stay)
{
	symbols_release(&stay->symbols);
}

/* Where requests come through the ring, another thread may run the program now. */
static bool has_ended(const struct instance *instance)
{
	return instance->ring ? ring_has_ended(instance->ring) : instance->program.ended;
}

/* Whether there is one that stays, here or in a process of its own. */
static bool is_initialised(const struct viso_guest *guest)
{
	return guest->initialised || guest->resident;
}

static bool is_poisoned(const struct viso_guest *guest)
{
	return guest->initialised ? has_ended(guest->initialised) : resident_has_ended(guest->resident);
}

/* Whether this is a handler that the program runs between two requests: it would wait for itself. */
static bool is_in_handler(const struct viso_guest *guest)
{
	/* Then it is initialised, and stays so. */
	return hypercalls_are_served_here(guest) && guest->initialised && guest->initialised->ring;
}

static int fail_closed(const char *function)
{
	return error_fail(VISO_STAGE_ARGUMENT, ESTALE, function, "%s: the guest is closed", function);
}

static int fail_busy(const char *function)
{
	return error_fail(VISO_STAGE_ARGUMENT, EBUSY, function,
			  "%s: the guest is in use by another call, or by this one from a handler of its own",
			  function);
}

/* Of one that is taken. */
HOT static int check_taking(const struct viso_guest *guest, bool poisoned_too, const char *function)
{
	if (atomic_load(&guest->is_closed))
		return fail_closed(function);
	if (!is_initialised(guest))
		return error_argument(function, "the guest is not initialised; call viso_guest_initialise() first");
	if (is_poisoned(guest) && !poisoned_too)
		return error_fail(VISO_STAGE_GUEST, EIO, function,
				  "%s: the guest's program has ended in an earlier call; reset it to its snapshot, or "
				  "make a new one",
				  function);
	return 0;
}

HOT static void mark_taken(struct viso_guest *guest, enum guest_use use)
{
	/* A handler may give the last reference of the host program's back. */
	handle_ref(&guest->sandbox.handle);
	if (use == GUEST_CALLED)
		guest->is_new_clone = false;
}

HOT static int take(struct viso_guest *guest, enum guest_use use, bool poisoned_too, const char *function,
		    struct instance **out_instance)
{
	int r = sandbox_check_use(guest ? &guest->sandbox : NULL, function);
	if (r < 0)
		return r;
	if (atomic_load(&guest->is_closed))
		return fail_closed(function);
	if (is_in_handler(guest) || !use_begin(guest, use))
		return fail_busy(function);
	r = check_taking(guest, poisoned_too, function);
	if (r < 0) {
		use_end(guest);
		return r;
	}
	mark_taken(guest, use);
	*out_instance = guest->initialised;
	return 0;
}

HOT int guest_take(struct viso_guest *guest, bool for_call, bool poisoned_too, const char *function,
		   struct instance **out_instance)
{
	int r = take(guest, for_call ? GUEST_CALLED : GUEST_TAKEN, poisoned_too, function, out_instance);
	if (r == 0 && *out_instance)
		ring_pause((*out_instance)->ring);
	return r;
}

int guest_take_resident(struct viso_guest *guest, const char *function)
{
	struct instance *none;
	return take(guest, GUEST_CALLED, false, function, &none);
}

int guest_take_running(struct viso_guest *guest, const char *function, struct instance **out_instance)
{
	return take(guest, GUEST_CALLED, false, function, out_instance);
}

static struct instance *take_out(struct viso_guest *guest)
{
	struct instance *instance = guest->initialised;
	guest->initialised = NULL;
	return instance;
}

HOT void guest_give_back(struct viso_guest *guest)
{
	use_end(guest);
	if (!handle_unref_unless_last(&guest->sandbox.handle))
		viso_guest_unref(guest);
}

/* With the lock held: whether the thread that uses the guest will end it. */
static bool stop_user(struct viso_guest *guest)
{
	if (!use_cancel(guest))
		return false;
	if (guest->initialised)
		kick_stop(&guest->initialised->kick, SIGKILL);
	if (guest->resident)
		resident_kill(guest->resident);
	return true;
}

void guest_close_initialised(struct viso_guest *guest)
{
	pthread_mutex_lock(&guest->lock);
	atomic_store(&guest->is_closed, true);
	atomic_store(&guest->is_awaited, true);
	stop_user(guest);
	while (atomic_load(&guest->use) != GUEST_IDLE)
		pthread_cond_wait(&guest->idle, &guest->lock);
	struct instance *instance = take_out(guest);
	struct resident *resident = TAKE_PTR(guest->resident);
	pthread_mutex_unlock(&guest->lock);
	snapshot_give_back(instance);
	resident_free(resident);
}

/* Between two requests. A guest that looks for them in the ring must not run meanwhile. */
static void signal_idle_here(struct instance *instance, int signal)
{
	ring_pause(instance->ring);
	kick_stop(&instance->kick, signal);
	if (signal != SIGKILL)
		return;
	if (instance->ring)
		ring_end(instance->ring, VISO_REASON_KILLED);
	else
		program_end(&instance->program, VISO_REASON_KILLED, SIGKILL, NULL);
}

static void signal_idle(struct viso_guest *guest, int signal)
{
	if (guest->initialised)
		signal_idle_here(guest->initialised, signal);
	else if (signal == SIGKILL)
		resident_end(guest->resident);
	else
		resident_signal(guest->resident, signal);
}

/* While another thread runs it. */
static void signal_running(struct viso_guest *guest, int signal)
{
	if (guest->initialised)
		kick_stop(&guest->initialised->kick, signal);
	else
		resident_signal(guest->resident, signal);
}

int guest_signal_initialised(struct viso_guest *guest, int signal)
{
	int count = 0;
	bool is_idle = false;
	pthread_mutex_lock(&guest->lock);
	bool lives = is_initialised(guest) && !is_poisoned(guest);
	if (signal == SIGKILL && stop_user(guest)) {
		count = 1;
	} else if (lives && !is_in_handler(guest) && use_begin(guest, GUEST_TAKEN)) {
		mark_taken(guest, GUEST_TAKEN);
		is_idle = true;
		count = 1;
	} else if (lives && atomic_load(&guest->use) != GUEST_TAKEN) {
		signal_running(guest, signal);
		count = 1;
	}
	pthread_mutex_unlock(&guest->lock);
	if (is_idle) {
		signal_idle(guest, signal);
		guest_give_back(guest);
	}
	return count;
}

int viso_guest_cancel(viso_guest *guest)
{
	int r = sandbox_check_use(guest ? &guest->sandbox : NULL, __func__);
	if (r < 0)
		return r;
	if (guest->kernel)
		return guest->kernel->ops->cancel(guest);
	pthread_mutex_lock(&guest->lock);
	r = stop_user(guest);
	pthread_mutex_unlock(&guest->lock);
	return r;
}

/* Where the program has found to the ring, the answer may be still to come: ring_request() finishes the call. */
HOT static void take_cancel(struct viso_guest *guest, struct instance *instance)
{
	bool goes_on = instance->stay.state == STAY_BY_RING;
	if (goes_on ? guest_is_cancelled(guest) : !guest_finish(guest))
		program_end(&instance->program, VISO_REASON_KILLED, SIGKILL, NULL);
}

int guest_errno_of_end(viso_reason reason)
{
	switch (reason) {
	case VISO_REASON_TIMED_OUT:
	case VISO_REASON_CPU_TIME:
		return ETIMEDOUT;
	case VISO_REASON_KILLED:
		return ECANCELED;
	case VISO_REASON_SIGNALLED:
	case VISO_REASON_GUEST_FAULT:
		return EFAULT;
	case VISO_REASON_OUT_OF_MEMORY:
		return ENOMEM;
	case VISO_REASON_SYSCALLS_MAX:
		return EDQUOT;
	default:
		return ESRCH;
	}
}

static int fail_ended(struct instance *instance, int error, const char *function)
{
	viso_result *result = NULL;
	instance->wall_end = clock_now(CLOCK_MONOTONIC);
	if (guest_make_result(instance, &result) < 0)
		return -ENOMEM;
	viso_result_unref(instance->guest->last_result);
	instance->guest->last_result = result;
	return error_fail(VISO_STAGE_GUEST, error, function, "%s: the guest's program has ended: %s", function,
			  viso_result_describe(result));
}

HOT int guest_check_ended(struct viso_guest *guest, struct instance *instance, const char *function)
{
	take_cancel(guest, instance);
	return instance->program.ended ? fail_ended(instance, guest_errno_of_end(instance->program.reason), function)
				       : 0;
}

HOT int64_t guest_end_call(struct viso_guest *guest, struct instance *instance, int64_t r, const char *function)
{
	if (r >= 0 || guest_finish(guest) || has_ended(instance))
		return r;
	ring_pause(instance->ring);
	if (instance->ring)
		ring_end(instance->ring, VISO_REASON_KILLED);
	else
		program_end(&instance->program, VISO_REASON_KILLED, SIGKILL, NULL);
	return fail_ended(instance, ECANCELED, function);
}

HOT int guest_run_taken(struct viso_guest *guest, struct instance *instance, int timeout_ms, const char *function)
{
	int64_t now = clock_now(CLOCK_MONOTONIC);
	instance->stay.leave = false;
	int r = instance_run_until(instance, now, timeout_ms < 0 ? 0 : now + (int64_t)timeout_ms * 1000000, 0);
	if (r < 0) {
		/* The call has begun, and there is no way back. */
		program_end(&instance->program, VISO_REASON_GUEST_FAULT, 0, "a call could not be run");
		return r;
	}
	return guest_check_ended(guest, instance, function);
}

static int begin(struct viso_guest *guest, const viso_command *command, const char *function)
{
	int r = command ? handle_check(&command->handle, function) : error_argument(function, "the command is NULL");
	for (int i = 0; i < 3 && r == 0; i++)
		if (command->stdio[i].kind == STDIO_PIPE)
			r = error_argument(function,
					   "a stream is VISO_STDIO_PIPE, which nobody could serve; give it a fd");
	if (r == 0)
		r = guest_check_command(command);
	if (r < 0)
		return r;
	pthread_mutex_lock(&guest->lock);
	if (is_initialised(guest) && atomic_load(&guest->use) == GUEST_IDLE)
		r = error_fail(VISO_STAGE_ARGUMENT, EALREADY, function, "%s: the guest is initialised already",
			       function);
	else if (is_initialised(guest) || !use_begin(guest, GUEST_CALLED))
		r = error_fail(VISO_STAGE_ARGUMENT, EBUSY, function, "%s: the guest is being initialised, or in use",
			       function);
	else
		mark_taken(guest, GUEST_CALLED);
	pthread_mutex_unlock(&guest->lock);
	return r;
}

/* From here on it can be cancelled while it runs. */
static void put_instance(struct viso_guest *guest, struct instance *instance)
{
	pthread_mutex_lock(&guest->lock);
	guest->initialised = instance;
	if (guest_is_cancelled(guest))
		kick_stop(&instance->kick, SIGKILL);
	pthread_mutex_unlock(&guest->lock);
}

static struct instance *remove_instance(struct viso_guest *guest)
{
	pthread_mutex_lock(&guest->lock);
	struct instance *instance = take_out(guest);
	pthread_mutex_unlock(&guest->lock);
	return instance;
}

/* It ended before it was ready, or could not be run: the guest is as it was before. */
static int give_up(struct viso_guest *guest, struct instance *instance, int r, const char *function,
		   viso_result **out_result)
{
	if (r == 0) {
		r = fail_ended(instance, instance->program.reason == VISO_REASON_KILLED ? ECANCELED : ESRCH, function);
		if (guest->last_result && out_result)
			*out_result = viso_result_ref(guest->last_result);
		guest->last_result = viso_result_unref(guest->last_result);
	}
	instance_free(remove_instance(guest));
	return r;
}

static int initialise(struct viso_guest *guest, const viso_command *command, const char *function,
		      viso_result **out_result)
{
	_cleanup_close_ int root_fd = -1;
	struct instance *instance;
	int host[3] = {-1, -1, -1};
	int r = sandbox_prepare_start(&guest->sandbox, function, &root_fd);
	if (r == 0)
		r = instance_new(guest, command, root_fd, guest_memory_max(guest), host, &instance);
	if (r < 0)
		return r;
	instance->stay.state = STAY_STARTS;
	put_instance(guest, instance);
	r = instance_run_initial(instance);
	if (r == 0 && !guest_finish(guest))
		program_end(&instance->program, VISO_REASON_KILLED, SIGKILL, NULL);
	return r < 0 || instance->program.ended ? give_up(guest, instance, r, function, out_result) : 0;
}

int viso_guest_initialise(viso_guest *guest, const viso_command *command, viso_result **out_result)
{
	int r = sandbox_check_use(guest ? &guest->sandbox : NULL, __func__);
	if (r == 0)
		r = guest_check_program(guest, __func__);
	if (r == 0)
		r = begin(guest, command, __func__);
	if (r < 0)
		return r;
	r = guest->placement == VISO_PLACEMENT_CONTAINED ? resident_initialise(guest, command, __func__, out_result)
							 : initialise(guest, command, __func__, out_result);
	guest_give_back(guest);
	return r;
}

static int make_last_result(struct viso_guest *guest, struct instance *instance)
{
	bool has_result = guest->last_result != NULL;
	if (!is_poisoned(guest))
		return error_fail(VISO_STAGE_GUEST, ENODATA, "viso_guest_last_result",
				  "the guest's program has not ended");
	if (instance)
		return has_result ? 0 : guest_make_result(instance, &guest->last_result);
	if (!has_result)
		guest->last_result = viso_result_ref(resident_result(guest, guest->resident));
	return guest->last_result ? 0 : -viso_error_number();
}

int viso_guest_last_result(viso_guest *guest, viso_result **out_result)
{
	struct instance *instance;
	if (!out_result)
		return error_argument(__func__, "out_result is NULL");
	int r = guest_take(guest, false, true, __func__, &instance);
	if (r < 0)
		return r;
	r = make_last_result(guest, instance);
	if (r == 0)
		*out_result = viso_result_ref(guest->last_result);
	guest_give_back(guest);
	return r;
}
