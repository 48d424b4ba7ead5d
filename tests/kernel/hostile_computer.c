/* SPDX-License-Identifier: MIT */
/*
 * In the place of the program that runs contained computers: one that somebody has taken over. How it misbehaves is the
 * command line of the computer. See test_hostile_computer.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define VISO_DOORBELL_LAYOUT_ONLY
#include <virtiso/doorbell.h>

#include "guest/contained/computer_message.h"
#include "guest/contained/message.h"

static struct computer_settings settings;
static struct viso_doorbell_pages *pages;

static bool is_told(const char *what)
{
	return strcmp(settings.command_line, what) == 0;
}

static void say(int socket, const void *data, size_t size)
{
	if (send(socket, data, size, MSG_NOSIGNAL) != (ssize_t)size)
		_exit(1);
}

static void report(void)
{
	const struct contained_report report = {.magic = CONTAINED_MAGIC};
	say(CONTAINED_SOCKET, &report, sizeof(report));
}

/* An end as the honest one has it. */
static void end(int exit_code)
{
	const struct contained_answer answer = {
		.magic = CONTAINED_MAGIC, .reason = VISO_REASON_EXITED, .exit_code = exit_code};
	say(CONTAINED_SOCKET, &answer, sizeof(answer));
	_exit(0);
}

static void wait_for_ever(void)
{
	for (;;)
		poll(NULL, 0, -1);
}

static void misreport(void)
{
	static char much[16 << 10];
	struct contained_report report = {.magic = CONTAINED_MAGIC, .error = ENOEXEC, .stage = 1 << 20};
	memset(report.object, '\033', sizeof(report.object));
	memset(report.message, '\033', sizeof(report.message));
	if (is_told("dies"))
		_exit(0);
	if (is_told("reports little"))
		say(CONTAINED_SOCKET, &report, sizeof(report) - 1);
	else if (is_told("reports much"))
		say(CONTAINED_SOCKET, much, sizeof(much));
	else if (is_told("reports an error"))
		say(CONTAINED_SOCKET, &report, sizeof(report));
	else
		return;
	wait_for_ever();
}

static void misanswer(void)
{
	struct contained_answer answer = {
		.magic = CONTAINED_MAGIC, .reason = VISO_REASON_EXITED, .exit_code = 256, .register_count = 1u << 30};
	if (is_told("answers little"))
		say(CONTAINED_SOCKET, &answer, sizeof(answer) - 1);
	else if (is_told("answers nonsense"))
		say(CONTAINED_SOCKET, &answer, sizeof(answer));
	else if (!is_told("answers nothing"))
		return;
	_exit(0);
}

/* To every question many answers that are none of it, one of another size, and then one that the call cannot have. */
static void lie(void)
{
	struct computer_request request;
	while (recv(CONTAINED_CONTROL, &request, sizeof(request), 0) == sizeof(request)) {
		struct computer_response response = {.value = 1};
		for (int i = 1; i <= 100; i++) {
			response.serial = request.serial + (uint64_t)i;
			say(CONTAINED_CONTROL, &response, sizeof(response));
		}
		say(CONTAINED_CONTROL, &response, sizeof(response) / 2);
		memset(response.message, '\033', sizeof(response.message));
		response.serial = request.serial;
		response.value = request.call == COMPUTER_TRAFFIC       ? 12345
				 : request.call == COMPUTER_SET_BALLOON ? 1
									: -5;
		say(CONTAINED_CONTROL, &response, sizeof(response));
	}
}

static void make_call(unsigned index, uint64_t address, uint64_t size)
{
	struct viso_doorbell_call *call = &pages->calls[index];
	call->number = 1;
	call->args[0] = address;
	call->args[1] = size;
	__atomic_store_n(&call->state, (uint32_t)VISO_CALL_SUBMITTED, __ATOMIC_RELEASE);
	eventfd_write(COMPUTER_RING, 1);
}

/* The host asks for memory, and gets what is no answer to that. */
static void bring_nothing(bool answers)
{
	struct contained_request request;
	uint32_t state;
	make_call(0, 0x1000, 16);
	if (!answers)
		wait_for_ever();
	while (recv(COMPUTER_LINK, &request, sizeof(request), 0) != sizeof(request) || request.kind != REQUEST_READ)
		;
	const struct contained_response response = {.serial = request.serial, .size = 1u << 31};
	say(COMPUTER_LINK, &response, sizeof(response));
	while ((state = __atomic_load_n(&pages->calls[0].state, __ATOMIC_ACQUIRE)) != VISO_CALL_DONE)
		poll(NULL, 0, 1);
	end(pages->calls[0].value == -ESRCH ? 0 : 2);
}

/* Anything in the pages, rung for without end, and an eventfd on which its reader would wait. */
static void scribble(void)
{
	unsigned seed = 1;
	eventfd_t count;
	fcntl(COMPUTER_RING, F_SETFL, fcntl(COMPUTER_RING, F_GETFL) & ~O_NONBLOCK);
	for (;;) {
		uint32_t *words = (uint32_t *)pages;
		for (int i = 0; i < 1000; i++) {
			seed = seed * 1103515245 + 12345;
			words[(seed >> 8) % (sizeof(*pages) / 4)] = seed & 1 ? seed % 6 : seed;
			pages->calls[(seed >> 8) % VISO_DOORBELL_CALL_COUNT].state = VISO_CALL_SUBMITTED;
			pages->requests[(seed >> 8) % VISO_DOORBELL_REQUEST_COUNT].state = seed >> 16 & 3;
		}
		eventfd_write(COMPUTER_RING, 1);
		eventfd_write(COMPUTER_RING, 1);
		eventfd_read(COMPUTER_RING, &count);
	}
}

/* Rings for nothing, without end, but answers what it is asked. */
static void ring(void)
{
	for (unsigned i = 0;; i = (i + 1) % VISO_DOORBELL_REQUEST_COUNT) {
		uint32_t posted = VISO_REQUEST_POSTED;
		struct viso_doorbell_request *request = &pages->requests[i];
		request->answer_size = request->error = 0;
		__atomic_compare_exchange_n(&request->state, &posted, (uint32_t)VISO_REQUEST_ANSWERED, false,
					    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
		eventfd_write(COMPUTER_RING, 1);
	}
}

/* Whether the host's memory can be taken away from under it. */
static void take_pages(void)
{
	const bool is_kept = ftruncate(COMPUTER_PAGES, 0) < 0 && fcntl(COMPUTER_PAGES, F_ADD_SEALS, F_SEAL_WRITE) < 0;
	/* This may be done, and only empties them. */
	fallocate(COMPUTER_PAGES, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, sizeof(*pages));
	eventfd_write(COMPUTER_RING, 1);
	end(is_kept ? 0 : 3);
}

/* The socket that comes with the host's question for what the computer is; it is asked for nothing else. */
static int await_freezing(void)
{
	struct computer_request request;
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = {&request, sizeof(request)};
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof(control.room)};
	int fd = -1;
	if (recvmsg(CONTAINED_CONTROL, &message, 0) != sizeof(request) || request.call != COMPUTER_FREEZE)
		_exit(4);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

/* What is told of one page, and what must not be believed of it. */
static const struct {
	const char *what;
	struct computer_frozen frozen;
	struct computer_run runs[2];
} freezings[] = {
	{"freezes too much state", {.state_size = 1ull << 40}, {}},
	{"freezes too many devices", {.devices = 1u << 30}, {}},
	{"freezes beyond the end", {.devices = 1}, {{1ull << 40, 4096}}},
	{"freezes at the last address", {.devices = 1}, {{UINT64_MAX - 4095, 4096}}},
	{"freezes parts of pages", {.devices = 1}, {{4096, 100}}},
	{"freezes between pages", {.devices = 1}, {{100, 4096}}},
	{"freezes too much at once", {.devices = 1}, {{0, 1ull << 40}}},
	{"freezes across chunks", {.devices = 1}, {{(2 << 20) - 4096, 8192}}},
	{"freezes twice", {.devices = 1}, {{4096, 4096}, {4096, 4096}}},
	{"freezes backwards", {.devices = 1}, {{8192, 4096}, {4096, 4096}}},
	{"freezes", {.devices = 1}, {{4096, 4096}, {(2 << 20) + 4096, 4096}}},
	{"freezes, and its clones die", {.devices = 1}, {{4096, 4096}}},
};

static void tell_frozen(int fd)
{
	static uint8_t page[4096] = "a page";
	const struct contained_report report = {.magic = CONTAINED_MAGIC};
	for (size_t i = 0; i < sizeof(freezings) / sizeof(freezings[0]); i++) {
		if (!is_told(freezings[i].what))
			continue;
		const struct computer_run end = {0};
		say(fd, &report, sizeof(report));
		say(fd, &freezings[i].frozen, sizeof(freezings[i].frozen));
		for (int j = 0; j < 2 && freezings[i].runs[j].size; j++) {
			say(fd, &freezings[i].runs[j], sizeof(freezings[i].runs[j]));
			say(fd, page, freezings[i].runs[j].size % (sizeof(page) + 1));
		}
		say(fd, &end, sizeof(end));
	}
}

/* The host asks what the computer is. */
static void misfreeze(void)
{
	struct contained_report report = {.magic = CONTAINED_MAGIC, .error = ENOEXEC, .stage = 1 << 20};
	memset(report.object, '\033', sizeof(report.object));
	memset(report.message, '\033', sizeof(report.message));
	for (;;) {
		int fd = await_freezing();
		if (is_told("freezes and dies"))
			_exit(0);
		if (is_told("freezes for ever"))
			wait_for_ever();
		if (is_told("freezes with an error"))
			say(fd, &report, sizeof(report));
		else if (is_told("freezes without sense"))
			say(fd, freezings, sizeof(report));
		else if (is_told("freezes in part"))
			say(fd, &(struct contained_report){.magic = CONTAINED_MAGIC}, sizeof(report));
		else
			tell_frozen(fd);
		close(fd);
	}
}

/* A clone: whether it can change what all others are made of; its end tells. */
static void change_origin(void)
{
	enum { MEMORY = COMPUTER_ADDED, STATE };
	int bad = 0;
	char byte = 1;
	for (int fd = MEMORY; fd <= STATE; fd++) {
		bad += pwrite(fd, &byte, 1, 4096) >= 0;
		bad += ftruncate(fd, 0) == 0 || ftruncate(fd, 1ll << 40) == 0;
		bad += fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0;
		bad += mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED;
		bad += fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL) == 0;
	}
	bad += pread(MEMORY, &byte, 1, (2 << 20) + 4096) != 1 || byte != 'a';
	end(bad);
}

int main(void)
{
	if (pread(CONTAINED_SETTINGS, &settings, sizeof(settings), 0) != sizeof(settings))
		return 1;
	pages = mmap(NULL, sizeof(*pages), PROT_READ | PROT_WRITE, MAP_SHARED, COMPUTER_PAGES, 0);
	if (pages == MAP_FAILED)
		return 1;
	if (settings.has_origin && is_told("freezes, and its clones die"))
		_exit(0);
	misreport();
	report();
	misanswer();
	if (settings.has_origin)
		change_origin();
	if (strncmp(settings.command_line, "freezes", 7) == 0)
		misfreeze();
	if (is_told("lies"))
		lie();
	else if (is_told("brings nothing") || is_told("brings silence"))
		bring_nothing(is_told("brings nothing"));
	else if (is_told("scribbles"))
		scribble();
	else if (is_told("rings"))
		ring();
	else if (is_told("takes pages"))
		take_pages();
	wait_for_ever();
}
