/* SPDX-License-Identifier: MIT */
/* The public calls of a contained guest that stays. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VISO_DOORBELL_LAYOUT_ONLY
#include <virtiso/doorbell.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/contact/stay.h"
#include "guest/contained/message.h"
#include "guest/contained/resident_inside.h"
#include "guest/contained/start.h"
#include "guest/device/doorbell.h"
#include "guest/guest.h"

static bool send_bytes(struct service *service, const void *data, size_t size)
{
	for (size_t done = 0; done < size;) {
		const struct iovec part = {(uint8_t *)data + done, contained_piece(size - done)};
		if (!service_send(service, &part, 1))
			return false;
		done += part.iov_len;
	}
	return true;
}

bool resident_send(struct service *service, const struct contained_call *call, const char *name, const void *in)
{
	const struct iovec parts[2] = {{(void *)call, sizeof(*call)}, {(void *)name, call->name_size}};
	return service_send(service, parts, call->name_size ? 2 : 1) && send_bytes(service, in, call->in_size);
}

/* False where it says something else. */
static bool receive_bytes(struct service *service, uint8_t *data, size_t size)
{
	for (size_t done = 0; done < size;) {
		size_t piece = contained_piece(size - done), n = service_receive(service);
		if (n != piece) {
			if (n)
				service_is_lied_to(service);
			return false;
		}
		memcpy(data + done, service->message, piece);
		done += piece;
	}
	return true;
}

/* What was asked for, in memory of its own until all of it is there: a failure leaves the caller's as it was. */
static bool take_bytes(struct resident *resident, uint64_t size, void **out_data)
{
	*out_data = NULL;
	if (!size)
		return true;
	*out_data = malloc(size);
	resident->is_out_of_memory = !*out_data;
	if (!*out_data)
		resident_kill(resident);
	return *out_data && receive_bytes(&resident->service, *out_data, size);
}

/* A clone's may have been set anew until now. */
static bool tell_handlers(const struct viso_guest *guest, struct resident *resident)
{
	struct contained_settings settings = {0};
	const struct contained_call call = {.kind = CALL_HANDLERS, .in_size = sizeof(settings)};
	if (resident->knows_handlers)
		return true;
	service_describe(guest, &settings);
	resident->knows_handlers = true;
	return resident_send(&resident->service, &call, NULL, &settings);
}

static int64_t call(struct viso_guest *guest, struct resident *resident, const struct contained_call *call,
		    const struct doorbell_request *request, const char *function)
{
	struct service *service = &resident->service;
	struct contained_return returned;
	_cleanup_free_ void *data = NULL;
	bool is_number = call->kind == CALL_NUMBERS;
	/* Also where it takes no more it may have said why. */
	bool was_sent = tell_handlers(guest, resident) && resident_send(service, call, request->name, request->in);
	if (!resident_is_done(resident, call, &returned) || !was_sent)
		return resident_fail_ended(guest, resident, function);
	bool has_bytes = !is_number && !returned.error;
	if ((has_bytes && !take_bytes(resident, returned.value, &data)) || !guest_finish(guest))
		return resident_fail_ended(guest, resident, function);
	if (returned.error)
		return contained_set_error(&returned);
	if (is_number && request->number)
		*request->number = returned.value;
	if (data)
		memcpy(request->out, data, returned.value);
	return is_number ? 0 : (int64_t)returned.value;
}

static enum contained_call_kind kind_of(unsigned request)
{
	return request == VISO_REQUEST_CALL         ? CALL_NUMBERS
	       : request == VISO_REQUEST_CALL_BYTES ? CALL_BYTES
						    : CALL_REQUEST;
}

static struct contained_call make_call(struct resident *resident, const struct doorbell_request *request)
{
	struct contained_call call = {
		.serial = ++resident->serial,
		.kind = kind_of(request->kind),
		.timeout_ms = request->timeout_ms,
		/* A function has no longer one. */
		.name_size = request->name ? (uint32_t)strnlen(request->name, CONTAINED_PIECE) : 0,
		.in_size = request->in_size,
		.out_max = request->out_max < CONTAINED_BYTES_MAX ? request->out_max : CONTAINED_BYTES_MAX,
		.signals = link_signals(resident->service.link),
	};
	memcpy(call.args, request->args, sizeof(call.args));
	return call;
}

int64_t resident_call(struct viso_guest *guest, const struct doorbell_request *request, const char *function)
{
	int r = guest_take_resident(guest, function);
	if (r < 0)
		return r;
	struct resident *resident = guest->resident;
	const struct contained_call made = make_call(resident, request);
	const int timeout_ms = request->timeout_ms;
	resident->service.until = timeout_ms < 0 ? 0 : resident_until((uint64_t)timeout_ms + CONTAINED_GRACE_MS);
	int64_t n = call(guest, resident, &made, request, function);
	guest_give_back(guest);
	return n;
}
