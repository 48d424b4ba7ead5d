/* SPDX-License-Identifier: MIT */
/* QEMU's own guest agent, as an ordinary process that may not touch the machine; and answers that no agent would give.
 */
#include "agent_support.h"
#include "qemu_ga_support.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest/agent/qemu_ga.h"

enum { PATIENCE = 10000 };

static pid_t pid;
static struct qemu_ga *ga;

static int set_up(void **state)
{
	int socket = qemu_ga_start(&pid);
	if (socket >= 0)
		assert_ok(qemu_ga_new(socket, &ga));
	return 0;
}

static int tear_down(void **state)
{
	if (!ga)
		return 0;
	ga = qemu_ga_free(ga);
	qemu_ga_stop(pid);
	return 0;
}

static void test_talk(void **state)
{
	char *version = NULL;
	skip_without(ga, "qemu-ga (package qemu-guest-agent)");
	assert_ok(qemu_ga_ping(ga, PATIENCE));
	assert_ok(qemu_ga_version(ga, PATIENCE, &version));
	assert_true(strlen(version) > 2);
	free(version);
	assert_fails(qemu_ga_shut_down(ga, "powerdown", PATIENCE), EIO, VISO_STAGE_GUEST, "qemu-ga");
	assert_fails(qemu_ga_set_time(ga, 0, PATIENCE), EIO, VISO_STAGE_GUEST, "qemu-ga");
	assert_fails(qemu_ga_freeze(ga, false, PATIENCE), EIO, VISO_STAGE_GUEST, "qemu-ga");
	assert_ok(qemu_ga_ping(ga, PATIENCE));
}

static void test_exec(void **state)
{
	static const char *const argv[] = {"/bin/sh", "-c", "cat; echo err >&2; exit 3", NULL};
	static const char *const killed[] = {"/bin/sh", "-c", "kill -KILL $$", NULL};
	static const char *const none[] = {"/no/such/program", NULL};
	struct qemu_ga_status status = {0};
	int64_t number;
	skip_without(ga, "qemu-ga (package qemu-guest-agent)");
	assert_ok(qemu_ga_exec(ga, argv, NULL, "in\0put", 6, true, PATIENCE, &number));
	do
		assert_ok(qemu_ga_exec_status(ga, number, PATIENCE, &status));
	while (!status.has_exited);
	assert_int_equal(status.exit_code, 3);
	assert_int_equal(status.size[0], 6);
	assert_memory_equal(status.output[0], "in\0put", 6);
	assert_string_equal(status.output[1], "err\n");
	free(status.output[0]);
	free(status.output[1]);
	assert_ok(qemu_ga_exec(ga, killed, NULL, NULL, 0, false, PATIENCE, &number));
	do
		assert_ok(qemu_ga_exec_status(ga, number, PATIENCE, &status));
	while (!status.has_exited);
	assert_int_equal(status.signal, SIGKILL);
	assert_fails(qemu_ga_exec(ga, none, NULL, NULL, 0, false, PATIENCE, &number), EIO, VISO_STAGE_GUEST, "qemu-ga");
	assert_fails(qemu_ga_exec_status(ga, 999999999, PATIENCE, &status), EIO, VISO_STAGE_GUEST, "qemu-ga");
}

static void test_files(void **state)
{
	char path[200], text[32];
	int64_t handle;
	skip_without(ga, "qemu-ga (package qemu-guest-agent)");
	snprintf(path, sizeof(path), "%s/file", qemu_ga_directory());
	assert_ok(qemu_ga_file_open(ga, path, "w", PATIENCE, &handle));
	assert_int_equal(qemu_ga_file_write(ga, handle, "con\0tents", 9, PATIENCE), 9);
	assert_ok(qemu_ga_file_close(ga, handle, PATIENCE));
	assert_ok(qemu_ga_file_open(ga, path, "r", PATIENCE, &handle));
	assert_int_equal(qemu_ga_file_read(ga, handle, text, sizeof(text), PATIENCE), 9);
	assert_memory_equal(text, "con\0tents", 9);
	assert_int_equal(qemu_ga_file_read(ga, handle, text, sizeof(text), PATIENCE), 0);
	assert_ok(qemu_ga_file_close(ga, handle, PATIENCE));
	assert_fails(qemu_ga_file_open(ga, "/no/such/file", "r", PATIENCE, &handle), EIO, VISO_STAGE_GUEST, "qemu-ga");
}

/* One that answers each line, but the first, with what it was given; the first it follows. */
struct liar {
	int socket;
	const char *answer;
	size_t size;
	unsigned repeats;
};

static bool read_request(int socket, char line[4096])
{
	size_t size = 0;
	while (size < 4095 && read(socket, line + size, 1) == 1)
		if (line[size++] == '\n') {
			line[size] = '\0';
			return true;
		}
	return false;
}

static void *lie(void *data)
{
	struct liar *liar = data;
	char line[4096], text[128];
	while (read_request(liar->socket, line)) {
		const char *id = strstr(line, "\"id\":");
		if (!id) {
			for (unsigned i = 0; i < liar->repeats; i++)
				if (send(liar->socket, liar->answer, liar->size, MSG_NOSIGNAL) < 0)
					break;
			continue;
		}
		/* Older answers come first. */
		int length =
			snprintf(text, sizeof(text), "{\"return\": 5}\n%c{\"return\": %lld}\n", 0xff, atoll(id + 5));
		(void)!send(liar->socket, text, (size_t)length, MSG_NOSIGNAL);
	}
	return NULL;
}

struct victim {
	struct liar liar;
	pthread_t thread;
	struct qemu_ga *ga;
};

static void begin_lying(struct victim *victim, const char *answer, size_t size, unsigned repeats)
{
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	victim->liar = (struct liar){.socket = ends[1], .answer = answer, .size = size, .repeats = repeats};
	assert_ok(qemu_ga_new(ends[0], &victim->ga));
	assert_int_equal(pthread_create(&victim->thread, NULL, lie, &victim->liar), 0);
}

static void end_lying(struct victim *victim)
{
	qemu_ga_free(victim->ga);
	pthread_join(victim->thread, NULL);
	close(victim->liar.socket);
}

static void assert_lie(const char *answer, size_t size, unsigned repeats, int timeout_ms, int error)
{
	struct victim victim;
	char *version = NULL;
	begin_lying(&victim, answer, size, repeats);
	assert_fails(qemu_ga_version(victim.ga, timeout_ms, &version), error, VISO_STAGE_GUEST, "qemu-ga");
	assert_null(version);
	end_lying(&victim);
}

static void test_lies(void **state)
{
	static const char *const nonsense[] = {"\n",
					       "{\n",
					       "[]\n",
					       "5\n",
					       "{\"return\": {}}\n",
					       "{\"return\": {\"version\": 7}}\n",
					       "{\"retur\": {}}\n",
					       "{\"return\":{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]"
					       "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}}\n",
					       "{\"return\": null}\n",
					       "\xff\xff\xff\n"};
	static char flood[65536];
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++)
		assert_lie(nonsense[i], strlen(nonsense[i]), 1, PATIENCE, EPROTO);
	assert_lie("{\"error\": {\"class\": 5}}\n", 24, 1, PATIENCE, EIO);
	assert_lie("", 0, 0, 200, ETIMEDOUT);
	assert_lie("{\"return", 8, 1, 200, ETIMEDOUT);
	memset(flood, ' ', sizeof(flood));
	assert_lie(flood, sizeof(flood), 2000, 60000, EPROTO);
}

static long peak_kib(void)
{
	struct rusage usage;
	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	return usage.ru_maxrss;
}

/* A value takes hundreds of bytes of the host's, an empty one three of the guest's. */
static void assert_takes_little(const char *part)
{
	enum { SIZE = 1 << 20, LITTLE_KIB = 64 << 10 };
	static const char begin[] = "{\"return\": [", last[] = "0]}\n";
	size_t length = strlen(part), size = strlen(begin);
	char *answer = malloc(SIZE + sizeof(last));
	assert_non_null(answer);
	memcpy(answer, begin, size);
	for (; size + length <= SIZE; size += length)
		memcpy(answer + size, part, length);
	memcpy(answer + size, last, strlen(last));
	long before = peak_kib();
	assert_lie(answer, size + strlen(last), 1, PATIENCE, EPROTO);
	assert_in_range(peak_kib() - before, 0, LITTLE_KIB);
	free(answer);
}

static void test_many_values_fill_no_memory(void **state)
{
	assert_takes_little("{},");
	assert_takes_little("[],");
	/* What looks like the begin of a text is none. */
	assert_takes_little("/*\"*/{},");
}

/* It is asked again and again, and each time it would be kept. */
static void test_output_before_the_end_is_none(void **state)
{
	static const char answer[] = "{\"return\": {\"exited\": false, \"out-data\": \"aGVsbG8=\", \"err-data\": 5}}\n";
	struct victim victim;
	struct qemu_ga_status status = {0};
	begin_lying(&victim, answer, strlen(answer), 1);
	assert_ok(qemu_ga_exec_status(victim.ga, 1, PATIENCE, &status));
	assert_false(status.has_exited);
	assert_null(status.output[0]);
	assert_int_equal(status.size[0], 0);
	end_lying(&victim);
}

static void test_what_it_says_steers_no_terminal(void **state)
{
	static const char answer[] = "{\"error\": {\"desc\": \"\\u001b[2J\\u007f\\nno\"}}\n";
	struct victim victim;
	begin_lying(&victim, answer, strlen(answer), 1);
	assert_fails(qemu_ga_ping(victim.ga, PATIENCE), EIO, VISO_STAGE_GUEST, "qemu-ga");
	assert_non_null(strstr(viso_error_message(), "?[2J??no"));
	end_lying(&victim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many_values_fill_no_memory),
		cmocka_unit_test(test_talk),
		cmocka_unit_test(test_exec),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_output_before_the_end_is_none),
		cmocka_unit_test(test_what_it_says_steers_no_terminal),
	};
	support_time_limit(50);
	return cmocka_run_group_tests_name("agent-qemu_ga", tests, set_up, tear_down);
}
