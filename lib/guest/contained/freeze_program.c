/* SPDX-License-Identifier: MIT */
#include "guest/contained/freeze_program.h"

#include <errno.h>
#include <sys/socket.h>

#include "guest/contained/computer_message.h"
#include "guest/contained/forward.h"
#include "guest/kernel/machine.h"
#include "guest/kernel/snapshot/computer.h"

struct sending {
	int socket;
	bool is_begun; /* the report is on its way */
};

/* Where the host does not want it any more the computer just goes on. */
static int say(const struct sending *sending, const void *data, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = send(sending->socket, (const uint8_t *)data + done, size - done, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR)
			return -errno;
		done += n < 0 ? 0 : (size_t)n;
	}
	return 0;
}

static int say_report(struct sending *sending, int result)
{
	struct contained_report report;
	forward_fill_report(result, &report);
	sending->is_begun = true;
	return say(sending, &report, sizeof(report));
}

static int say_pages(void *data, uint64_t at, const uint8_t *pages, size_t size)
{
	const struct computer_run run = {at, size};
	int r = say(data, &run, sizeof(run));
	return r < 0 ? r : say(data, pages, size);
}

static int say_all(struct sending *sending, const struct machine *machine, const struct computer_shape *shape,
		   const struct state_writer *state)
{
	const struct frozen_ram *beneath = machine->origin ? &computer_of(machine->origin)->ram : NULL;
	const struct computer_frozen frozen = {.state_size = state->size, .devices = shape->devices};
	const struct computer_run end = {0};
	const struct page_sink sink = {say_pages, sending};
	int r = say_report(sending, 0);
	if (r == 0)
		r = say(sending, &frozen, sizeof(frozen));
	if (r == 0)
		r = say(sending, state->data, state->size);
	if (r == 0)
		r = frozen_ram_find(machine->memory, machine->memory_size, beneath, &sink);
	return r == 0 ? say(sending, &end, sizeof(end)) : r;
}

static int freeze(struct machine *machine, void *data)
{
	struct computer_shape shape;
	struct state_writer state = {0};
	int r = computer_save_state(machine, &shape, &state);
	if (r == 0)
		r = say_all(data, machine, &shape, &state);
	state_release(&state);
	return r;
}

void freeze_program_send(struct machine *machine, int socket)
{
	struct sending sending = {.socket = socket};
	int r = machine_use_paused(machine, freeze, &sending);
	if (r < 0 && !sending.is_begun)
		say_report(&sending, r);
}
