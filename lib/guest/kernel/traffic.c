/* SPDX-License-Identifier: MIT */
/* What has gone through the devices of a computer that runs. */
#include <errno.h>

#include "core/error.h"
#include "guest/contained/computer.h"
#include "guest/guest.h"
#include "guest/kernel/kernel.h"
#include "guest/kernel/machine.h"

struct question {
	const char *function;
	viso_device device;
	unsigned number;
	viso_traffic figure;
	uint64_t answer;
};

static uint64_t read_figure(const struct traffic *traffic, viso_traffic figure)
{
	bool is_from_guest = figure == VISO_TRAFFIC_BYTES_FROM_GUEST || figure == VISO_TRAFFIC_OPERATIONS_FROM_GUEST;
	bool is_bytes = figure == VISO_TRAFFIC_BYTES_TO_GUEST || figure == VISO_TRAFFIC_BYTES_FROM_GUEST;
	const atomic_ullong *counts = is_bytes ? traffic->bytes : traffic->operations;
	return atomic_load_explicit(&counts[is_from_guest ? TRAFFIC_FROM_GUEST : TRAFFIC_TO_GUEST],
				    memory_order_relaxed);
}

static int ask(struct machine *machine, void *data)
{
	struct question *question = data;
	unsigned left = question->number;
	for (int i = 0; i < machine->traffic_count; i++) {
		if (machine->traffic[i].device != question->device || left-- > 0)
			continue;
		question->answer = read_figure(machine->traffic[i].traffic, question->figure);
		return 0;
	}
	return error_fail(VISO_STAGE_GUEST, ENODEV, question->function, "%s: the computer has no such device",
			  question->function);
}

int64_t viso_guest_traffic(viso_guest *guest, viso_device device, unsigned number, viso_traffic figure)
{
	struct question question = {.function = __func__, .device = device, .number = number, .figure = figure};
	int r = handle_check(guest ? &guest->sandbox.handle : NULL, __func__);
	if (r < 0)
		return r;
	if ((unsigned)device > VISO_DEVICE_SHARE || (unsigned)figure > VISO_TRAFFIC_OPERATIONS_FROM_GUEST)
		return error_argument(__func__, "there is no such kind of device, or no such figure");
	r = sandbox_check_use(&guest->sandbox, __func__);
	const uint64_t args[3] = {device, number, figure};
	int64_t value;
	if (r == 0 && kernel_ask_contained(guest, __func__, COMPUTER_TRAFFIC, args, &value))
		return value;
	if (r == 0)
		r = kernel_use_machine(guest, __func__, ask, &question);
	return r < 0 ? r : (int64_t)question.answer;
}
