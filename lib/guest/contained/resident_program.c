/* SPDX-License-Identifier: MIT */
#include "guest/contained/resident_program.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <virtiso/guest_calls.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/contained/cloned_program.h"
#include "guest/contained/forward.h"
#include "guest/contained/message.h"
#include "guest/contained/receive.h"
#include "guest/contained/resident.h"
#include "guest/guest.h"
#include "guest/instance.h"
#include "guest/snapshot/snapshot.h"

/* What comes from the host is believed: it is the one that has made us. */
struct message {
	struct contained_call call;
	char name[CONTAINED_PIECE + 1];
};

/* Of these there are none here. */
bool resident_has_ended(const struct resident *resident)
{
	return false;
}

int64_t resident_call(struct viso_guest *guest, const struct doorbell_request *request, const char *function)
{
	return -ENOSYS;
}

void resident_forget(struct resident *resident)
{
}

static ssize_t receive(void *data, size_t size)
{
	int fd;
	ssize_t n = contained_receive(CONTAINED_SOCKET, data, size, &fd);
	close_fd(fd);
	return n;
}

static void send_bytes(const uint8_t *data, size_t size)
{
	for (size_t done = 0; done < size; done += contained_piece(size - done))
		forward_say(data + done, contained_piece(size - done));
}

static bool receive_bytes(uint8_t *data, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = receive(data + done, contained_piece(size - done));
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

static void say_return(struct viso_guest *guest, uint64_t serial, int64_t r, uint64_t value)
{
	static struct contained_return returned;
	memset(&returned, 0, sizeof(returned));
	returned.magic = CONTAINED_RETURN_MAGIC;
	returned.serial = serial;
	returned.value = value;
	if (r < 0) {
		returned.error = (int32_t)-r;
		returned.stage = (int32_t)viso_error_stage();
		snprintf(returned.object, sizeof(returned.object), "%s", viso_error_object());
		snprintf(returned.message, sizeof(returned.message), "%s", viso_error_message());
	}
	forward_take_counts(guest, returned.counts);
	forward_say(&returned, sizeof(returned));
}

static int64_t make_call(struct viso_guest *guest, const struct message *message, const void *in, void *out,
			 uint64_t *out_value)
{
	const struct contained_call *call = &message->call;
	switch ((enum contained_call_kind)call->kind) {
	case CALL_NUMBERS:
		return viso_guest_call(guest, message->name, call->args, 6, call->timeout_ms, out_value);
	case CALL_BYTES:
		return viso_guest_call_bytes(guest, message->name, in, call->in_size, out, call->out_max,
					     call->timeout_ms);
	default:
		return viso_guest_request(guest, in, call->in_size, out, call->out_max, call->timeout_ms);
	}
}

/* False where the host is gone. */
static bool serve_call(struct viso_guest *guest, const struct message *message)
{
	const struct contained_call *call = &message->call;
	struct instance *instance = guest->initialised;
	/* Memory that nobody has touched costs nothing. */
	_cleanup_free_ void *in = malloc(call->in_size + 1), *out = malloc(call->out_max + 1);
	uint64_t value = 0;
	if (!in || !out)
		program_end(&instance->program, VISO_REASON_OUT_OF_MEMORY, SIGKILL, NULL);
	if (instance->program.ended || !receive_bytes(in, call->in_size))
		return false;
	forward_await_signals(call->signals);
	int64_t r = make_call(guest, message, in, out, &value);
	if (instance->program.ended)
		return true;
	if (call->kind != CALL_NUMBERS)
		value = r < 0 ? 0 : (uint64_t)r;
	say_return(guest, call->serial, r, value);
	if (call->kind != CALL_NUMBERS)
		send_bytes(out, value);
	return true;
}

static bool take_handlers(struct viso_guest *guest, const struct contained_call *call)
{
	struct contained_settings settings;
	if (call->in_size != sizeof(settings) || !receive_bytes((uint8_t *)&settings, sizeof(settings)))
		return false;
	if (forward_set_anew(guest, &settings) < 0)
		program_end(&guest->initialised->program, VISO_REASON_OUT_OF_MEMORY, SIGKILL, NULL);
	return true;
}

static void freeze(struct viso_guest *guest, const struct contained_call *call)
{
	forward_await_signals(call->signals);
	int64_t size = cloned_tell(guest->initialised);
	say_return(guest, call->serial, size, size < 0 ? 0 : (uint64_t)size);
}

/* What was sent to it and has not reached its program never does. */
static void reset(struct viso_guest *guest, const struct contained_call *call)
{
	forward_await_signals(call->signals);
	int r = snapshot_bring_back(guest, guest->initialised);
	forward_drop_gone();
	say_return(guest, call->serial, r, 0);
}

static bool serve(struct viso_guest *guest, const struct message *message)
{
	switch ((enum contained_call_kind)message->call.kind) {
	case CALL_HANDLERS:
		return take_handlers(guest, &message->call);
	case CALL_FREEZE:
		freeze(guest, &message->call);
		return true;
	case CALL_RESET:
		reset(guest, &message->call);
		return true;
	default:
		return serve_call(guest, message);
	}
}

static bool take_call(struct message *message)
{
	ssize_t n = receive(message, sizeof(*message) - 1);
	if (n < (ssize_t)sizeof(message->call))
		return false;
	((char *)message)[n] = 0;
	return true;
}

void resident_prepare(struct viso_guest *guest, struct instance *instance)
{
	instance->stay.state = STAY_STARTS;
	guest->initialised = instance;
}

static bool become_ready(struct viso_guest *guest, struct instance *instance)
{
	instance->error = instance_run_initial(instance);
	if (instance->error < 0)
		snprintf(instance->error_call, sizeof(instance->error_call), "%s", viso_error_object());
	if (instance->error || instance->program.ended)
		return false;
	say_return(guest, 0, 0, 0);
	return true;
}

void resident_run(struct viso_guest *guest)
{
	static struct message message;
	bool is_clone = guest->initialised->snapshot != NULL;
	bool goes_on = is_clone || become_ready(guest, guest->initialised);
	while (goes_on && take_call(&message))
		goes_on = serve(guest, &message) && !guest->initialised->program.ended;
	guest->initialised->wall_end = clock_now(CLOCK_MONOTONIC);
}
