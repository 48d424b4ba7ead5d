/* SPDX-License-Identifier: MIT */
/* What the process that serves a contained guest says. It may be the guest's program that speaks. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/tame.h"
#include "guest/contained/computer_message.h"
#include "guest/contained/message.h"

enum { ERRNO_MAX = 4095, SIGNAL_MAX = 64 };

void contained_tame(char *text, size_t size)
{
	text[size - 1] = 0;
	tame(text);
}

static int fail_as_told(int stage, int error, const char *object, const char *message)
{
	viso_stage known = viso_stage_name((viso_stage)stage) ? (viso_stage)stage : VISO_STAGE_GUEST;
	return message[0] ? error_fail(known, error, object, "%s", message) : error_fail(known, error, object, NULL);
}

int contained_take_report(const void *data, size_t size)
{
	struct contained_report report;
	if (size != sizeof(report))
		goto bad;
	memcpy(&report, data, sizeof(report));
	if (report.magic != CONTAINED_MAGIC || report.error < 0 || report.error > ERRNO_MAX)
		goto bad;
	if (!report.error)
		return 0;
	contained_tame(report.object, sizeof(report.object));
	contained_tame(report.message, sizeof(report.message));
	return fail_as_told(report.stage, report.error, report.object, report.message);
bad:
	return error_fail(VISO_STAGE_GUEST, EPROTO, "contained guest",
			  "the process that serves the guest has not told how its start went");
}

static bool is_sane(const struct contained_answer *answer)
{
	if (answer->magic != CONTAINED_MAGIC || answer->error < 0 || answer->error > ERRNO_MAX)
		return false;
	if (answer->reason < VISO_REASON_EXITED || answer->reason > VISO_REASON_SYSCALLS_MAX)
		return false;
	bool exited = answer->reason == VISO_REASON_EXITED;
	return answer->register_count <= RESULT_REGISTERS_MAX && answer->signal >= 0 && answer->signal <= SIGNAL_MAX &&
	       (exited ? answer->exit_code >= 0 && answer->exit_code <= 0xff : answer->exit_code == -1);
}

static void put_registers(viso_result *result, struct contained_answer *answer)
{
	for (uint32_t i = 0; i < answer->register_count; i++) {
		contained_tame(answer->registers[i].name, sizeof(answer->registers[i].name));
		result->registers[i] = answer->registers[i];
	}
	result->register_count = answer->register_count;
	result->has_fault_address = answer->has_fault_address != 0;
	result->fault_address = answer->fault_address;
}

int contained_take_answer(const void *data, size_t size, viso_result **out_result)
{
	struct contained_answer answer;
	if (size != sizeof(answer))
		return 1;
	memcpy(&answer, data, sizeof(answer));
	if (!is_sane(&answer))
		return 1;
	contained_tame(answer.detail, sizeof(answer.detail));
	if (answer.error)
		return error_fail(VISO_STAGE_GUEST, answer.error, answer.detail, NULL);
	viso_result *result = result_new();
	if (!result)
		return error_memory();
	result->reason = (viso_reason)answer.reason;
	result->exit_code = answer.exit_code;
	result->signal = answer.signal;
	for (int i = 0; i < RESULT_USAGE_COUNT; i++)
		result->usage[i] = answer.usage[i] < 0 ? -1 : answer.usage[i];
	put_registers(result, &answer);
	result_describe(result, answer.detail[0] ? answer.detail : NULL);
	*out_result = result;
	return 0;
}

/* Those with which a program goes on. */
static bool is_error_of_call(uint32_t kind, int error)
{
	switch (error) {
	case EOPNOTSUPP:
	case EMFILE:
	case EIO:
		return kind == CALL_FREEZE;
	case 0:
	case EINVAL:
	case ENOENT:
	case ENOMEM:
	case EMSGSIZE:
	case EREMOTEIO:
		return true;
	default:
		return false;
	}
}

bool contained_take_return(const struct contained_call *call, const void *data, size_t size,
			   struct contained_return *out_return)
{
	if (size != sizeof(*out_return))
		return false;
	memcpy(out_return, data, sizeof(*out_return));
	contained_tame(out_return->object, sizeof(out_return->object));
	contained_tame(out_return->message, sizeof(out_return->message));
	return out_return->magic == CONTAINED_RETURN_MAGIC && out_return->serial == call->serial &&
	       is_error_of_call(call->kind, out_return->error) &&
	       (call->kind == CALL_NUMBERS || call->kind == CALL_RESET || out_return->error ||
		out_return->value <= call->out_max);
}

int contained_set_error(const struct contained_return *returned)
{
	return returned->error ? fail_as_told(returned->stage, returned->error, returned->object, returned->message)
			       : 0;
}

static bool has_value(enum computer_call call)
{
	return call == COMPUTER_MEMORY_FIGURE || call == COMPUTER_TRAFFIC;
}

int64_t contained_take_value(struct computer_response *response, enum computer_call call, const char *function)
{
	if (response->value < -ERRNO_MAX || (response->value > 0 && !has_value(call)))
		return error_fail(VISO_STAGE_GUEST, EPROTO, function, "%s: what serves the computer makes no sense",
				  function);
	if (response->value < 0) {
		contained_tame(response->message, sizeof(response->message));
		return error_fail(VISO_STAGE_GUEST, (int)-response->value, function, "%s", response->message);
	}
	return response->value;
}

bool contained_is_event(const void *data, size_t size)
{
	struct contained_event event;
	if (size < sizeof(event))
		return false;
	memcpy(&event, data, sizeof(event));
	return event.magic == CONTAINED_EVENT_MAGIC && event.kind < EVENT_KINDS && event.number < CONTAINED_NUMBERS &&
	       event.size == size - sizeof(event) &&
	       (event.size == 0 || event.kind == EVENT_CONNECT || event.kind == EVENT_CORE_DATA ||
		event.kind == EVENT_SNAPSHOT);
}

/* "192.0.2.1:80" or "[2001:db8::1]:80", as inet_ntop(3) writes them. */
static bool is_internet_address(const char *text)
{
	unsigned char binary[sizeof(struct in6_addr)];
	char host[INET6_ADDRSTRLEN], again[INET6_ADDRSTRLEN + 16];
	bool is_6 = text[0] == '[';
	const char *colon = strrchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : 0;
	if (length <= 2 || length - 2 * is_6 >= sizeof(host))
		return false;
	memcpy(host, text + is_6, length - 2 * is_6);
	host[length - 2 * is_6] = '\0';
	int family = is_6 ? AF_INET6 : AF_INET;
	if (inet_pton(family, host, binary) != 1 || !inet_ntop(family, binary, host, sizeof(host)))
		return false;
	unsigned long port = strtoul(colon + 1, NULL, 10);
	snprintf(again, sizeof(again), is_6 ? "[%s]:%lu" : "%s:%lu", host, port);
	return port <= UINT16_MAX && !strcmp(again, text);
}

bool contained_is_address(const char *address, size_t size)
{
	if (size == 0 || size > CONTAINED_ADDRESS_MAX || memchr(address, 0, size) != address + size - 1)
		return false;
	if (!strncmp(address, "unix:", 5))
		return (address[5] == '/' || address[5] == '@') && address[6];
	return (!strncmp(address, "tcp:", 4) || !strncmp(address, "udp:", 4)) && is_internet_address(address + 4);
}

int contained_take_response(const struct contained_request *request, const void *data, size_t size)
{
	struct contained_response response;
	if (size < sizeof(response))
		return -EPROTO;
	memcpy(&response, data, sizeof(response));
	size_t expected = request->kind == REQUEST_READ && !response.error ? request->size : 0;
	if (response.serial != request->serial || response.error < 0 || response.error > ERRNO_MAX ||
	    response.size != expected || size != sizeof(response) + expected)
		return -EPROTO;
	return -response.error;
}
