/* SPDX-License-Identifier: MIT */
#include "guest/contained/resident.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/contact/stay.h"
#include "guest/contained/container.h"
#include "guest/contained/message.h"
#include "guest/contained/origin.h"
#include "guest/contained/resident_inside.h"
#include "guest/contained/service.h"
#include "guest/contained/start.h"
#include "guest/guest.h"
#include "guest/vm/kick.h"
#include "sandbox/host_program.h"
#include "sandbox/process.h"
#include "sandbox/reply.h"

int64_t resident_until(uint64_t ms)
{
	int64_t now = clock_now(CLOCK_MONOTONIC);
	return ms > (uint64_t)(INT64_MAX - now) / 1000000 ? 0 : now + (int64_t)ms * 1000000;
}

bool resident_has_ended(const struct resident *resident)
{
	return atomic_load(&resident->has_ended);
}

void resident_kill(struct resident *resident)
{
	atomic_store(&resident->is_killed, true);
	(void)viso_process_kill(resident->service.server);
}

void resident_signal(struct resident *resident, int signal)
{
	(void)link_signal(resident->service.link, signal);
}

void resident_mark_ended(struct viso_guest *guest, struct resident *resident)
{
	pthread_mutex_lock(&guest->lock);
	atomic_store(&resident->has_ended, true);
	pthread_mutex_unlock(&guest->lock);
}

void resident_end(struct resident *resident)
{
	resident_mark_ended(resident->service.guest, resident);
	resident_kill(resident);
	resident->origin = origin_unref(resident->origin);
}

static bool ends_soon(viso_process *server)
{
	const int64_t until = resident_until(CONTAINED_GRACE_MS);
	struct pollfd end = {.fd = viso_process_fd(server), .events = POLLIN};
	int64_t left;
	int r = 0;
	while (r <= 0 && (left = until - clock_now(CLOCK_MONOTONIC)) > 0)
		r = poll(&end, 1, (int)(left / 1000000) + 1);
	return r > 0;
}

/* What was not killed ends by itself, of which the reason counts. What does not makes no sense. */
static int await_end(struct resident *resident, bool has_answered, viso_result **out_server)
{
	struct service *service = &resident->service;
	bool is_killed = atomic_load(&resident->is_killed) || service->is_late || service->is_liar;
	bool is_over = !is_killed && ends_soon(service->server);
	if (!is_over && !is_killed && !has_answered)
		service->is_liar = true;
	if (!is_over)
		(void)viso_process_kill(service->server);
	(void)process_await_end(service->server);
	return viso_process_wait(service->server, -1, out_server);
}

static void move_output(viso_result *to, viso_result *from)
{
	for (int i = 0; i < 2; i++) {
		to->output[i] = from->output[i];
		from->output[i] = (struct captured_output){0};
	}
}

/* Of a call that was cancelled its answer does not count. 0, 1 for none, or a negative errno: it could not be run. */
static int take_answer(struct resident *resident, viso_result **out_result)
{
	struct service *service = &resident->service;
	struct contained_answer answer;
	if (!service->last_size || service->is_liar || guest_is_cancelled(service->guest))
		return 1;
	memcpy(&answer, service->message, sizeof(answer));
	int r = contained_take_answer(service->message, service->last_size, out_result);
	if (r == 0)
		service_add_counts(service->guest, answer.counts);
	if (r > 0)
		service_is_lied_to(service);
	return r;
}

static int make_result(struct resident *resident, viso_result *server, viso_result **out_result)
{
	int r = service_result_of_end(&resident->service, server, out_result);
	if (r == 0 && resident->is_out_of_memory) {
		(*out_result)->reason = VISO_REASON_OUT_OF_MEMORY;
		result_describe(*out_result, NULL);
	}
	return r;
}

/* Its end becomes a result, once. 0, or a negative errno with the error set: it could not be run, or is not known. */
static int conclude(struct viso_guest *guest, struct resident *resident)
{
	_cleanup_(cleanup_host_result) viso_result *server = NULL;
	viso_result *result = NULL;
	resident_mark_ended(guest, resident);
	int failed = take_answer(resident, &result);
	int r = await_end(resident, failed <= 0, &server);
	service_close(&resident->service);
	if (r == 0 && failed)
		r = make_result(resident, server, &result);
	if (r < 0) {
		viso_result_unref(result);
		return r;
	}
	move_output(result, server);
	resident->result = result;
	/* Nobody holds its streams any more, where no clone begins with them. */
	resident->origin = origin_unref(resident->origin);
	return failed < 0 ? failed : 0;
}

viso_result *resident_result(struct viso_guest *guest, struct resident *resident)
{
	if (!resident->result)
		(void)conclude(guest, resident);
	return resident->result;
}

static int fail(const struct resident *resident, int error, const char *function)
{
	return error_fail(VISO_STAGE_GUEST, error, function, "%s: the guest's program has ended: %s", function,
			  viso_result_describe(resident->result));
}

int resident_fail_ended(struct viso_guest *guest, struct resident *resident, const char *function)
{
	bool is_cancelled = !guest_finish(guest);
	int r = conclude(guest, resident);
	if (r < 0)
		return r;
	return fail(resident, is_cancelled ? ECANCELED : guest_errno_of_end(resident->result->reason), function);
}

struct resident *resident_put(struct viso_guest *guest, struct resident *resident)
{
	pthread_mutex_lock(&guest->lock);
	struct resident *before = guest->resident;
	guest->resident = resident;
	if (guest_is_cancelled(guest))
		resident_kill(resident);
	pthread_mutex_unlock(&guest->lock);
	return before;
}

static void take_out(struct viso_guest *guest)
{
	pthread_mutex_lock(&guest->lock);
	struct resident *resident = TAKE_PTR(guest->resident);
	pthread_mutex_unlock(&guest->lock);
	resident_free(resident);
}

int resident_take_report(struct resident *resident)
{
	struct service *service = &resident->service;
	service->until = resident_until(REPLY_PATIENCE_MS);
	size_t size = service_receive(service);
	if (service->is_late)
		return reply_fail_silent();
	return size == 0 && guest_is_cancelled(service->guest) ? 1 : contained_take_report(service->message, size);
}

bool resident_is_done(struct resident *resident, const struct contained_call *call, struct contained_return *out_return)
{
	struct service *service = &resident->service;
	service_run(service);
	if (!service->last_size || !contained_take_return(call, service->message, service->last_size, out_return))
		return false;
	service_add_counts(service->guest, out_return->counts);
	service->last_size = 0;
	return true;
}

static bool becomes_ready(struct resident *resident, const viso_command *command)
{
	static const struct contained_call none = {.kind = CALL_NUMBERS};
	struct contained_return returned;
	resident->service.until =
		command->timeout_ms ? resident_until(contained_add(command->timeout_ms, CONTAINED_GRACE_MS)) : 0;
	if (!resident_is_done(resident, &none, &returned))
		return false;
	if (returned.error)
		service_is_lied_to(&resident->service);
	return !returned.error;
}

/* The guest is as it was before. */
static int give_up(struct viso_guest *guest, struct resident *resident, const char *function, viso_result **out_result)
{
	bool is_cancelled = !guest_finish(guest);
	int r = conclude(guest, resident);
	if (r < 0)
		return r;
	if (out_result)
		*out_result = viso_result_ref(resident->result);
	return fail(resident, is_cancelled ? ECANCELED : ESRCH, function);
}

struct resident *resident_new(struct viso_guest *guest, struct contained_origin *origin)
{
	struct resident *resident = calloc(1, sizeof(*resident));
	if (!resident) {
		error_memory();
		return NULL;
	}
	resident->service.guest = guest;
	resident->origin = origin_ref(origin);
	resident->service.socket = resident->service.core.fd = resident->service.end_fd = -1;
	resident->service.receiving.fd = -1;
	return resident;
}

static int initialise(struct viso_guest *guest, struct resident *resident, const viso_command *command,
		      const char *function, viso_result **out_result)
{
	int r = resident_take_report(resident);
	if (r < 0)
		return r;
	if (r == 0 && becomes_ready(resident, command) && guest_finish(guest))
		return 0;
	return give_up(guest, resident, function, out_result);
}

int resident_start(struct resident *resident, const struct contained_plan *plan)
{
	int r = contained_start(&resident->service, plan, &resident->container);
	if (r == 0)
		link_start(resident->service.link, viso_process_fd(resident->service.server));
	return r;
}

/* Takes the resident over. */
static int start(struct viso_guest *guest, struct resident *resident, const viso_command *command, const char *function,
		 viso_result **out_result)
{
	const struct contained_plan plan = {
		.owner = guest,
		.command = command,
		.settings_fd = resident->origin->settings_fd,
		.snapshot_fd = -1,
		.root_fd = resident->origin->root_fd,
		.stays = true,
	};
	int r = resident_start(resident, &plan);
	if (r < 0) {
		resident_free(resident);
		return r;
	}
	resident_put(guest, resident);
	r = initialise(guest, resident, command, function, out_result);
	if (r < 0)
		take_out(guest);
	return r;
}

int resident_initialise(struct viso_guest *guest, const viso_command *command, const char *function,
			viso_result **out_result)
{
	_cleanup_close_ int root_fd = -1;
	struct contained_origin *origin;
	int r = sandbox_prepare_start(&guest->sandbox, function, &root_fd);
	if (r == 0)
		r = origin_new(guest, command, root_fd, &origin);
	if (r < 0)
		return r;
	struct resident *resident = resident_new(guest, origin);
	origin_unref(origin);
	return resident ? start(guest, resident, command, function, out_result) : -ENOMEM;
}

static void release(struct resident *resident)
{
	viso_result_unref(resident->result);
	viso_process_unref(resident->service.server);
	viso_container_unref(resident->container);
	viso_snapshot_unref(resident->snapshot);
	origin_unref(resident->origin);
	close_fd(resident->service.socket);
	close_fd(resident->service.core.fd);
	free(resident);
}

void resident_free(struct resident *resident)
{
	if (!resident)
		return;
	viso_process *server = resident->service.server;
	if (server && !resident->result) {
		(void)viso_process_kill(server);
		(void)process_await_end(server);
	}
	service_close(&resident->service);
	release(resident);
}

void resident_forget(struct resident *resident)
{
	if (resident->service.link)
		link_forget(resident->service.link);
	release(resident);
}
