/* SPDX-License-Identifier: MIT */
/*
 * What a guest's qemu-ga may answer: lines of any bytes to each of the requests, one after the other. The file under test
 * is a part of this one, which so can leave the greeting out: its random number is nothing that a fuzzer could guess.
 */
#include "guest/agent/qemu_ga.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Nothing is waited for: what the guest says is there already, or never comes. INPUT_MAX: what fits into a socket. */
enum { NO_TIME = 1, INPUT_MAX = 64 << 10 };

/* Ends the run; libFuzzer keeps the input. */
static void expect(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fuzz_qemu_ga: %s\n", what);
	abort();
}

static void ask_status(struct qemu_ga *ga)
{
	struct qemu_ga_status status;
	if (qemu_ga_exec_status(ga, 1, NO_TIME, &status) < 0)
		return;
	expect(status.exit_code >= -1 && status.exit_code <= 255, "an exit code that cannot be");
	expect(status.signal >= 0 && status.signal <= 64, "a signal that cannot be");
	for (int i = 0; i < 2; i++) {
		expect(!status.output[i] || status.output[i][status.size[i]] == '\0', "output without an end");
		free(status.output[i]);
	}
}

static void ask_file(struct qemu_ga *ga)
{
	char data[100];
	int64_t handle;
	int n = qemu_ga_file_read(ga, 1, data, sizeof(data), NO_TIME);
	expect(n <= (int)sizeof(data), "more than there is room for");
	n = qemu_ga_file_write(ga, 1, "text", 4, NO_TIME);
	expect(n <= 4, "more written than there was");
	if (qemu_ga_file_open(ga, "/file", "r", NO_TIME, &handle) == 0)
		expect(handle >= 0, "a handle that cannot be");
	(void)qemu_ga_file_close(ga, 1, NO_TIME);
}

static void ask_others(struct qemu_ga *ga)
{
	static const char *const argv[] = {"/bin/true", "a", NULL};
	char *version = NULL;
	int64_t number;
	if (qemu_ga_version(ga, NO_TIME, &version) == 0)
		expect(strlen(version) <= 100, "a version that is too long");
	free(version);
	if (qemu_ga_exec(ga, argv, argv, "in", 2, true, NO_TIME, &number) == 0)
		expect(number > 0, "a number that cannot be");
	if (qemu_ga_get_time(ga, NO_TIME, &number) == 0)
		expect(number >= 0, "a time that cannot be");
	(void)qemu_ga_ping(ga, NO_TIME);
	(void)qemu_ga_set_time(ga, 1, NO_TIME);
	(void)qemu_ga_freeze(ga, true, NO_TIME);
	(void)qemu_ga_shut_down(ga, "halt", NO_TIME);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const questions[])(struct qemu_ga *ga) = {ask_status, ask_file, ask_others};
	struct qemu_ga *ga;
	int ends[2];
	if (size < 1 || size > INPUT_MAX)
		return 0;
	expect(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "no socket");
	expect(send(ends[1], data + 1, size - 1, MSG_DONTWAIT) == (ssize_t)size - 1, "no room");
	expect(shutdown(ends[1], SHUT_WR) == 0, "no end");
	expect(qemu_ga_new(ends[0], &ga) == 0, "no memory");
	/* The first bit: with the greeting, as after an answer that made no sense. */
	for (unsigned i = 0; i < 6; i++) {
		ga->is_in_step = !(data[0] & 1);
		questions[(data[0] / 2 + i) % 3](ga);
	}
	qemu_ga_free(ga);
	close_fd(ends[1]);
	return 0;
}
