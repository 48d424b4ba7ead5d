/* SPDX-License-Identifier: MIT */
/* The memory of a computer that runs: what it gives back, and what it tells. */
#include <errno.h>

#include "core/error.h"
#include "guest/contained/computer.h"
#include "guest/device/virtio/balloon.h"
#include "guest/guest.h"
#include "guest/kernel/kernel.h"
#include "guest/kernel/machine.h"

struct question {
	const char *function;
	uint64_t bytes; /* that the host wants */
	viso_memory_figure figure;
	uint64_t answer;
};

static int fail_without(const struct question *question)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, question->function,
			  "%s: only VISO_PLATFORM_MICROVM has a balloon", question->function);
}

static int set(struct machine *machine, void *data)
{
	const struct question *question = data;
	if (!machine->balloon)
		return fail_without(question);
	if (question->bytes > machine->memory_size)
		return error_argument(question->function, "the guest has not so much memory");
	virtio_balloon_set(machine->balloon, (uint32_t)(question->bytes / BALLOON_PAGE));
	return 0;
}

int viso_guest_set_balloon(viso_guest *guest, uint64_t bytes)
{
	struct question question = {.function = __func__, .bytes = bytes};
	int r = handle_check(guest ? &guest->sandbox.handle : NULL, __func__);
	if (r == 0)
		r = sandbox_check_use(&guest->sandbox, __func__);
	const uint64_t args[3] = {bytes};
	int64_t value;
	if (r == 0 && kernel_ask_contained(guest, __func__, COMPUTER_SET_BALLOON, args, &value))
		return (int)value;
	return r < 0 ? r : kernel_use_machine(guest, __func__, set, &question);
}

static int ask(struct machine *machine, void *data)
{
	struct question *question = data;
	if (!machine->balloon)
		return fail_without(question);
	if (question->figure == VISO_MEMORY_BALLOON) {
		question->answer = (uint64_t)virtio_balloon_actual(machine->balloon) * BALLOON_PAGE;
		return 0;
	}
	if (virtio_balloon_statistic(machine->balloon, question->figure, &question->answer))
		return 0;
	return error_fail(VISO_STAGE_GUEST, ENODATA, question->function,
			  "%s: the guest has not told this yet; it needs the driver virtio_balloon",
			  question->function);
}

int viso_guest_memory_figure(viso_guest *guest, viso_memory_figure figure, uint64_t *out_value)
{
	struct question question = {.function = __func__, .figure = figure};
	int r = handle_check(guest ? &guest->sandbox.handle : NULL, __func__);
	if (r < 0)
		return r;
	if (!out_value || (unsigned)figure > VISO_MEMORY_BALLOON)
		return error_argument(__func__, "out_value is NULL, or there is no such figure");
	r = sandbox_check_use(&guest->sandbox, __func__);
	const uint64_t args[3] = {figure};
	int64_t value;
	if (r == 0 && kernel_ask_contained(guest, __func__, COMPUTER_MEMORY_FIGURE, args, &value)) {
		r = value < 0 ? (int)value : 0;
		question.answer = (uint64_t)value;
	} else if (r == 0) {
		r = kernel_use_machine(guest, __func__, ask, &question);
	}
	if (r == 0)
		*out_value = question.answer;
	return r;
}
