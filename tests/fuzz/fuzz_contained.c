/* SPDX-License-Identifier: MIT */
/* What passes between the host program and the process that serves a contained guest, from a hostile other side. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <virtiso/error.h>

#include "guest/contained/computer_message.h"
#include "guest/contained/link.h"
#include "guest/contained/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the run; libFuzzer keeps the input. */
static void expect(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fuzz_contained: %s\n", what);
	abort();
}

static void look_at_result(const viso_result *result)
{
	int reason = viso_result_reason(result);
	expect(reason >= VISO_REASON_EXITED && reason <= VISO_REASON_SYSCALLS_MAX, "no reason");
	expect(viso_result_exit_code(result) >= -1 && viso_result_exit_code(result) <= 255, "no exit code");
	expect(viso_result_signal(result) >= 0 && viso_result_signal(result) <= 64, "no signal");
	expect(memchr(viso_result_describe(result), 0, RESULT_DESCRIPTION_MAX) != NULL, "a text without end");
	for (size_t i = 0; i < result->register_count; i++)
		expect(memchr(result->registers[i].name, 0, sizeof(result->registers[i].name)) != NULL,
		       "a register's name without end");
}

/* What they are bound to is open in no process. */
static void release_files(struct guest_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		files->items[i].fd = -1;
	guest_files_release(files);
}

static void look_at_command(struct contained_settings settings, struct guest_files *files, viso_command *command)
{
	void *packed;
	size_t size;
	struct contained_settings again;
	viso_command *same;
	struct guest_files same_files;
	expect(contained_pack(&settings, files, command, &packed, &size) == 0, "a command that cannot be packed");
	expect(contained_unpack(packed, size, &again, &same_files, &same) == 0,
	       "a packed command that cannot be unpacked");
	expect(same->argv.count == command->argv.count && same->added_count == command->added_count, "another command");
	expect(same_files.count == files->count && same_files.upper == files->upper, "other files");
	free(packed);
	release_files(&same_files);
	release_files(files);
	/* Their fds are numbers of the other process. */
	same->added_count = command->added_count = 0;
	viso_command_unref(same);
	viso_command_unref(command);
}

static void look_at_messages(const uint8_t *data, size_t size)
{
	struct contained_event event = {0};
	if (contained_is_event(data, size)) {
		memcpy(&event, data, sizeof(event));
		expect(event.size == size - sizeof(event) && event.number < CONTAINED_NUMBERS, "an event beyond it");
	}
	const char *address = (const char *)data;
	if (contained_is_address(address, size))
		expect(strlen(address) == size - 1 && size <= CONTAINED_ADDRESS_MAX, "an address beyond it");
	for (uint32_t asked = 0; asked <= CONTAINED_PIECE; asked += CONTAINED_PIECE / 2) {
		const struct contained_request request = {.kind = REQUEST_READ, .size = asked, .serial = 1};
		if (contained_take_response(&request, data, size) == 0)
			expect(size == sizeof(struct contained_response) + asked, "a response that is too short");
	}
}

/* What becomes of it is given on by calls that return an int. */
static void look_at_response(const uint8_t *data, size_t size)
{
	for (int call = COMPUTER_PAUSE; call <= COMPUTER_TRAFFIC; call++) {
		struct computer_response response = {0};
		memcpy(&response, data, size < sizeof(response) ? size : sizeof(response));
		int64_t r = contained_take_value(&response, (enum computer_call)call, "fuzz");
		expect(r >= 0 || r == -viso_error_number(), "a failure without its error");
		expect(r <= 0 || call == COMPUTER_MEMORY_FIGURE || call == COMPUTER_TRAFFIC, "more than an errno");
	}
}

/* What is taken as a return fits what was asked for, and its error can be told. */
static void look_at_return(const uint8_t *data, size_t size)
{
	static struct contained_return returned, taken;
	for (uint32_t kind = CALL_NUMBERS; kind <= CALL_REQUEST; kind++) {
		const struct contained_call call = {.kind = kind, .out_max = 4096};
		memset(&returned, 0, sizeof(returned));
		memcpy(&returned, data, size < sizeof(returned) ? size : sizeof(returned));
		returned.magic = CONTAINED_RETURN_MAGIC;
		returned.serial = 0;
		expect(!contained_take_return(&call, data, size, &taken) || size == sizeof(taken),
		       "a return of another size");
		if (!contained_take_return(&call, &returned, sizeof(returned), &taken))
			continue;
		int r = contained_set_error(&taken);
		expect(r == 0 || (r == -viso_error_number() && viso_error_message()[0]), "a failure without its error");
		expect(kind == CALL_NUMBERS || r < 0 || taken.value <= call.out_max, "more than was asked for");
	}
}

/*
 * The host reads and writes memory of a computer whose process has ended, and has said all this before: each message
 * with its size in two bytes.
 */
static void look_at_link(const uint8_t *data, size_t size)
{
	static uint8_t memory[CONTAINED_PIECE + 8];
	int ends[2], end = eventfd(1, EFD_CLOEXEC);
	expect(end >= 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0, "no socket");
	struct contained_link *link = link_new(ends[0]);
	expect(link != NULL, "no memory");
	link_start(link, end);
	while (size >= 2) {
		size_t length = data[0] | (size_t)data[1] << 8;
		data += 2, size -= 2;
		length = length < size ? length : size;
		if (send(ends[1], data, length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			break;
		data += length, size -= length;
	}
	for (int i = 0; i < 4; i++) {
		const size_t wanted = i < 2 ? 8 : sizeof(memory);
		int r = link_access(link, 0x1000, memory, wanted, i & 1);
		expect(r == 0 || r == -EFAULT || r == -ESRCH, "another error of memory");
		link_interrupt(link);
	}
	link_close(link);
	close(ends[1]);
	close(end);
}

static void set_magic(uint8_t *data)
{
	const uint32_t magic = CONTAINED_MAGIC;
	memcpy(data, &magic, sizeof(magic));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of its very size, with what every message begins with. */
	uint8_t *copy = malloc(size ? size : 1);
	expect(copy != NULL, "no memory");
	memcpy(copy, data, size);
	if (size >= 16) {
		uint64_t whole = size;
		set_magic(copy);
		struct contained_settings settings;
		struct guest_files files;
		viso_command *command;
		memcpy(copy + 8, &whole, sizeof(whole));
		if (contained_unpack(copy, size, &settings, &files, &command) == 0)
			look_at_command(settings, &files, command);
		memcpy(copy + 8, data + 8, sizeof(whole));
	}

	/* A short input is a message that ends in zeroes. */
	struct contained_answer answer = {0};
	memcpy(&answer, copy, size < sizeof(answer) ? size : sizeof(answer));
	viso_result *result = NULL;
	int r = contained_take_answer(&answer, sizeof(answer), &result);
	expect(r <= 0 || !result, "a result of what is no answer");
	if (r == 0)
		look_at_result(result);
	viso_result_unref(result);

	struct contained_report report = {0};
	memcpy(&report, copy, size < sizeof(report) ? size : sizeof(report));
	r = contained_take_report(&report, sizeof(report));
	expect(r == 0 || (r == -viso_error_number() && viso_error_message()[0]), "a failure without its error");
	expect(contained_take_report(copy, size) <= 0, "a report of another size");
	look_at_messages(copy, size);
	look_at_response(copy, size);
	look_at_return(copy, size);
	look_at_link(copy, size);
	if (size >= 4) {
		const uint32_t magic = CONTAINED_EVENT_MAGIC;
		memcpy(copy, &magic, sizeof(magic));
		look_at_messages(copy, size);
	}
	free(copy);
	return 0;
}
