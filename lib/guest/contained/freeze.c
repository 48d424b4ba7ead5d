/* SPDX-License-Identifier: MIT */
#include "guest/contained/freeze.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/file_limit.h"
#include "guest/contained/computer.h"
#include "guest/contained/message.h"
#include "guest/device/doorbell.h"
#include "guest/kernel/snapshot/computer.h"
#include "sandbox/process.h"
#include "sandbox/reply.h"

/*
 * The process is given up where nothing comes for REPLY_PATIENCE_MS; and where all of it takes so long as nothing
 * honest does, however busy the host is: a minute, and a second for each such part of the memory.
 */
enum { WHOLE_MS = 60000, PART = 8 << 20, PART_MS = 1000, END_MS = 1000, PAGE = 4096, NS_PER_MS = 1000000 };

/* As that of files. */
static const uint64_t state_max = 1ull << 30;

struct receiving {
	const struct contained_computer *computer;
	int socket;
	int64_t end; /* the clock's, in milliseconds */
};

static int64_t now(void)
{
	return clock_now(CLOCK_MONOTONIC) / NS_PER_MS;
}

static int fail_nonsense(void)
{
	return error_fail(VISO_STAGE_GUEST, EPROTO, "contained computer",
			  "the process of the computer tells what no computer is");
}

/* It has ended, which is seen a little later, or has closed its end amid of it. */
static int fail_closed(const struct receiving *receiving)
{
	struct pollfd end = {.fd = contained_computer_end(receiving->computer), .events = POLLIN};
	if (poll(&end, 1, END_MS) <= 0)
		return fail_nonsense();
	return error_fail(VISO_STAGE_GUEST, ESRCH, "contained computer", "the computer is switched off");
}

/* With RLIMIT_FSIZE's signal held back, since what is received goes to a file. */
static int get(const struct receiving *receiving, void *data, size_t size)
{
	for (size_t done = 0; done < size;) {
		struct pollfd ready = {.fd = receiving->socket, .events = POLLIN};
		int64_t left = receiving->end - now();
		int r = left <= 0 ? 0 : poll(&ready, 1, left < REPLY_PATIENCE_MS ? (int)left : REPLY_PATIENCE_MS);
		if (r == 0)
			return reply_fail_silent();
		ssize_t n = r < 0 ? -1 : recv(receiving->socket, (uint8_t *)data + done, size - done, MSG_DONTWAIT);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return fail_closed(receiving);
		done += (size_t)n;
	}
	return 0;
}

/* Memory is taken for what has come, and not for what is promised. */
static int get_state(const struct receiving *receiving, uint64_t size, uint8_t *piece, struct state_writer *out)
{
	int r = size > state_max ? fail_nonsense() : 0;
	for (uint64_t done = 0, part; r == 0 && done < size; done += part) {
		part = size - done < FROZEN_CHUNK ? size - done : FROZEN_CHUNK;
		r = get(receiving, piece, part);
		if (r == 0)
			state_put(out, piece, part);
		if (r == 0 && out->has_failed)
			r = error_memory();
	}
	return r;
}

static bool is_run(const struct computer_run *run, uint64_t begin, uint64_t size)
{
	return run->at >= begin && run->at < size && run->size <= size - run->at && run->at % PAGE == 0 &&
	       run->size % PAGE == 0 && run->size <= FROZEN_CHUNK - run->at % FROZEN_CHUNK;
}

static int get_memory(const struct receiving *receiving, uint8_t *piece, struct frozen_ram *ram)
{
	struct computer_run run;
	uint64_t begin = 0;
	for (;;) {
		int r = get(receiving, &run, sizeof(run));
		if (r < 0 || run.size == 0)
			return r;
		if (!is_run(&run, begin, ram->size))
			return fail_nonsense();
		r = get(receiving, piece, run.size);
		if (r < 0)
			return r;
		r = frozen_ram_put(ram, run.at, piece, run.size);
		if (r < 0)
			return error_fail(VISO_STAGE_MEMORY, -r, "memory",
					  "the host cannot give a snapshot memory for what the guest has written: %s",
					  strerrordesc_np(-r));
		begin = run.at + run.size;
	}
}

static int get_report(const struct receiving *receiving)
{
	struct contained_report report;
	int r = get(receiving, &report, sizeof(report));
	return r < 0 ? r : contained_take_report(&report, sizeof(report));
}

/* When the report has come the computer stands still, and so does its side of the doorbell. */
static int get_all(const struct receiving *receiving, struct doorbell *doorbell, struct computer_snapshot *out)
{
	struct computer_frozen frozen;
	_cleanup_free_ uint8_t *piece = malloc(FROZEN_CHUNK);
	int r = piece ? get_report(receiving) : error_memory();
	if (r < 0)
		return r;
	doorbell_save(doorbell, &out->bell);
	r = out->bell.has_failed ? error_memory() : get(receiving, &frozen, sizeof(frozen));
	if (r == 0 && frozen.devices > MACHINE_DEVICES_MAX)
		r = fail_nonsense();
	if (r < 0)
		return r;
	out->shape.devices = frozen.devices;
	r = get_state(receiving, frozen.state_size, piece, &out->state);
	if (r == 0)
		r = frozen_ram_begin(&out->ram, out->shape.memory_size);
	if (r == 0)
		r = get_memory(receiving, piece, &out->ram);
	return r == 0 ? frozen_ram_seal(&out->ram) : r;
}

static int ask(struct contained_computer *computer, struct receiving *receiving)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return error_fail(VISO_STAGE_GUEST, errno, "socketpair", NULL);
	receiving->socket = ends[0];
	int r = contained_ask_on(computer, COMPUTER_FREEZE, ends[1]);
	close_fd(ends[1]);
	return r;
}

int contained_freeze(struct contained_computer *computer, struct computer_snapshot *out)
{
	struct file_limit_guard guard;
	struct doorbell *doorbell = contained_computer_doorbell(computer);
	const bool was_paused = doorbell_is_paused(doorbell);
	struct receiving receiving = {.computer = computer, .socket = -1};
	receiving.end = now() + WHOLE_MS + (int64_t)(out->shape.memory_size / PART * PART_MS);
	doorbell_pause(doorbell);
	file_limit_begin(&guard);
	int r = ask(computer, &receiving);
	if (r == 0)
		r = get_all(&receiving, doorbell, out);
	file_limit_end(&guard);
	close_fd(receiving.socket);
	if (!was_paused)
		doorbell_resume(doorbell);
	return r;
}
