/* SPDX-License-Identifier: MIT */
/* viso-agent itself, by frames that are made by hand: sessions, hostile hosts, and as the first process of its kind. */
#include "agent_support.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest/agent/bytes.h"
#include "guest/agent/spawn_message.h"

struct talk {
	pid_t pid;
	int socket;
	uint64_t token, theirs;
	struct frame_reader reader;
};

static void hello(struct talk *talk, uint64_t token)
{
	uint8_t data[8];
	struct packer packer = {.data = data, .room = sizeof(data)};
	pack_u16(&packer, AGENT_VERSION);
	pack_u16(&packer, AGENT_VERSION);
	pack_u32(&packer, 0);
	talk->token = token;
	frames_init(&talk->reader, token, 0);
	send_frame(talk->socket, AGENT_HELLO, 0, token, data, sizeof(data));
}

static bool welcome(struct talk *talk)
{
	struct agent_frame frame;
	if (!next_frame(talk->socket, &talk->reader, &frame) || frame.type != AGENT_WELCOME)
		return false;
	struct unpacker unpacker = {.data = frame.data, .left = frame.size};
	assert_int_equal(unpack_u16(&unpacker), AGENT_VERSION);
	unpack_u16(&unpacker);
	unpack_u32(&unpacker);
	talk->theirs = unpack_u64(&unpacker);
	assert_false(unpacker.is_bad);
	return true;
}

static void ping(struct talk *talk, const char *text)
{
	struct agent_frame frame;
	send_frame(talk->socket, AGENT_PING, 9, talk->theirs, text, strlen(text));
	assert_true(next_frame(talk->socket, &talk->reader, &frame));
	assert_int_equal(frame.type, AGENT_PONG);
	assert_int_equal(frame.id, 9);
	assert_int_equal(frame.size, strlen(text));
	assert_memory_equal(frame.data, text, frame.size);
}

static struct talk *begin(void)
{
	struct talk *talk = calloc(1, sizeof(*talk));
	assert_non_null(talk);
	talk->socket = start_agent(&talk->pid);
	hello(talk, 0x1234);
	assert_true(welcome(talk));
	return talk;
}

static void end(struct talk *talk)
{
	close(talk->socket);
	end_agent(talk->pid);
	free(talk);
}

/* A command of /bin/sh with the given flags and streams. */
static void spawn_by_hand(struct talk *talk, uint32_t id, const char *text, uint8_t mode)
{
	uint8_t data[1024];
	const char *const words[] = {"/bin/sh", "-c", text};
	struct packer packer = {.data = data, .room = sizeof(data)};
	for (int i = 0; i < 3; i++)
		pack_u32(&packer, 0);
	pack_u32(&packer, 0);
	pack_u64(&packer, 0);
	for (int i = 0; i < 3; i++)
		pack_u8(&packer, mode);
	pack_u16(&packer, 0);
	pack_string(&packer, "/");
	pack_u32(&packer, 1);
	pack_string(&packer, words[0]);
	pack_u32(&packer, 3);
	for (int i = 0; i < 3; i++)
		pack_string(&packer, words[i]);
	pack_u32(&packer, 0);
	send_frame(talk->socket, AGENT_SPAWN, id, talk->theirs, data, packer.used);
}

static void expect(struct talk *talk, unsigned type, uint32_t id)
{
	struct agent_frame frame;
	assert_true(next_frame(talk->socket, &talk->reader, &frame));
	assert_int_equal(frame.type, type);
	assert_int_equal(frame.id, id);
}

/* What is lost, or is not for it, is skipped; a new HELLO begins anew. */
static void test_sessions(void **state)
{
	char garbage[100000];
	struct talk *talk = begin();
	uint64_t first = talk->theirs;
	ping(talk, "one");
	hello(talk, 0x1234);
	assert_true(welcome(talk));
	assert_int_equal(talk->theirs, first);
	hello(talk, 0x5678);
	assert_true(welcome(talk));
	assert_int_not_equal(talk->theirs, first);
	ping(talk, "two");
	memset(garbage, 'g', sizeof(garbage));
	assert_int_equal(write(talk->socket, garbage, sizeof(garbage)), sizeof(garbage));
	hello(talk, 0x9abc);
	assert_true(welcome(talk));
	ping(talk, "three");
	end(talk);
}

/* As after a clone was made while a frame was on its way. */
static void test_stalled_frame(void **state)
{
	uint8_t header[AGENT_HEADER];
	struct talk *talk = begin();
	frames_put_header(header, AGENT_INPUT, 1, talk->theirs, AGENT_PAYLOAD_MAX);
	assert_int_equal(write(talk->socket, header, sizeof(header)), sizeof(header));
	sleep(3);
	hello(talk, 0x5678);
	assert_true(welcome(talk));
	ping(talk, "again");
	end(talk);
}

/* Frames within what a stranger made are none, even where he knows of a HELLO. */
static void test_forged_frames(void **state)
{
	struct talk *talk = begin();
	char path[] = "/tmp/viso-forged-XXXXXX", text[100];
	int fd = mkstemp(path);
	close(fd);
	unlink(path);
	snprintf(text, sizeof(text), "touch %s", path);
	uint64_t real = talk->theirs;
	/* The host's token is seen by nobody else; so neither is the agent's. */
	send_frame(talk->socket, AGENT_HELLO, 0, 0x666, "\1\0\1\0\0\0\0\0", 8);
	talk->theirs = 0x666;
	spawn_by_hand(talk, 1, text, 0);
	talk->theirs = real;
	hello(talk, 0x5678);
	assert_true(welcome(talk));
	ping(talk, "real");
	assert_int_equal(access(path, F_OK), -1);
	end(talk);
}

static void test_commands_outlive_sessions(void **state)
{
	struct agent_frame frame;
	struct talk *talk = begin();
	spawn_by_hand(talk, 1, "echo $$; exec sleep 1000", AGENT_STREAM_HOST);
	/* Which comes first is a matter of chance. */
	do
		assert_true(next_frame(talk->socket, &talk->reader, &frame));
	while (frame.type == AGENT_STARTED);
	assert_int_equal(frame.type, AGENT_OUTPUT);
	int pid = atoi((const char *)frame.data + 1);
	assert_true(pid > 1);
	hello(talk, 0x5678);
	assert_true(welcome(talk));
	ping(talk, "x");
	assert_int_equal(kill(pid, 0), 0);
	/* The same number is another one now. */
	spawn_by_hand(talk, 1, "exit 3", 0);
	expect(talk, AGENT_STARTED, 1);
	expect(talk, AGENT_EXITED, 1);
	end(talk);
	await_that(kill(pid, 0) < 0);
}

/* The agent lives on, whatever it is told. */
static void test_nonsense(void **state)
{
	uint8_t noise[AGENT_PAYLOAD_MAX];
	struct talk *talk = begin();
	unsigned seed = 1;
	for (unsigned type = 1; type < 16; type++)
		for (int round = 0; round < 20; round++) {
			size_t size = (size_t)rand_r(&seed) % 200;
			for (size_t i = 0; i < size; i++)
				noise[i] = (uint8_t)rand_r(&seed);
			if (type == AGENT_HELLO || type == AGENT_PING || type == AGENT_REQUEST)
				continue;
			send_frame(talk->socket, type, (uint32_t)rand_r(&seed) % 3, talk->theirs, noise, size);
		}
	/* More than any command: the session ends, and the agent does not grow. */
	hello(talk, 0x5678);
	assert_true(welcome(talk));
	memset(noise, 0, sizeof(noise));
	for (int i = 0; i < AGENT_COMMAND_MAX / AGENT_PAYLOAD_MAX + 10; i++)
		send_frame(talk->socket, AGENT_SPAWN_PART, 1, talk->theirs, noise, sizeof(noise));
	hello(talk, 0x9abc);
	assert_true(welcome(talk));
	ping(talk, "alive");
	end(talk);
}

/* PINGs whose answers nobody reads. */
static void test_deaf_host(void **state)
{
	struct talk *talk = begin();
	uint8_t noise[AGENT_PAYLOAD_MAX] = {0}, frame[AGENT_HEADER + AGENT_PAYLOAD_MAX];
	frames_put_header(frame, AGENT_PING, 1, talk->theirs, sizeof(noise));
	memcpy(frame + AGENT_HEADER, noise, sizeof(noise));
	fcntl(talk->socket, F_SETFL, O_NONBLOCK);
	size_t sent = 0;
	for (int quiet = 0; quiet < 20;) {
		ssize_t n = send(talk->socket, frame, sizeof(frame), MSG_NOSIGNAL);
		sent += n > 0 ? (size_t)n : 0;
		quiet = n > 0 ? 0 : quiet + 1;
		if (n > 0 && (size_t)n < sizeof(frame))
			break;
		if (n < 0)
			usleep(10000);
	}
	/* Bounded by the buffers of the socket and the queue. */
	assert_true(sent < 8 << 20);
	end(talk);
}

/* In namespaces of the test's own. */
static int run_as_init(void *data)
{
	const int *fd = data;
	const char *program = getenv("VISO_TEST_AGENT");
	char number[12];
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("proc", "/proc", "proc", 0, NULL) < 0)
		_exit(126);
	snprintf(number, sizeof(number), "%d", *fd);
	fcntl(*fd, F_SETFD, 0);
	/* It must change nothing outside: no clock, no power, no modules. */
	execlp("setpriv", "setpriv", "--bounding-set=-sys_time,-sys_boot,-sys_module,-sys_admin,-mknod", program,
	       "--fd", number, NULL);
	_exit(127);
}

static void test_as_init(void **state)
{
	static char stack[256 << 10];
	int ends[2], status;
	char *mounts = NULL;
	skip_without(geteuid() == 0, "root");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	pid_t pid = clone(run_as_init, stack + sizeof(stack),
			  CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWIPC | SIGCHLD, &ends[1]);
	assert_true(pid > 0);
	close(ends[1]);
	struct pretended *guest = pretended_over(ends[0]);
	assert_ok(agent_await(guest->agent, 10000));
	assert_int_equal(agent_features(guest->agent), AGENT_IS_INIT | AGENT_IS_ROOT | AGENT_IS_IN_CHARGE);
	assert_fails(agent_set_time(guest->agent, 5000), EPERM, VISO_STAGE_GUEST, "time");
	/* Orphans are reaped by it. */
	assert_end(run(guest, script("(setsid sleep 0.1 &) ; echo done")), VISO_REASON_EXITED, 0, "done\n");
	assert_end(run(guest, script("while ps -e -o comm= | grep -q sleep; do sleep 0; done; echo reaped")),
		   VISO_REASON_EXITED, 0, "reaped\n");
	assert_ok(agent_mounts(guest->agent, 5000, &mounts));
	free(mounts);
	viso_process *process = spawn(guest, script("trap '' TERM; sleep 1000"));
	assert_ok(agent_shut_down(guest->agent, AGENT_POWER_OFF, 5000));
	viso_result_unref(finish(process));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	pretended_close(guest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sessions),      cmocka_unit_test(test_stalled_frame),
		cmocka_unit_test(test_forged_frames), cmocka_unit_test(test_commands_outlive_sessions),
		cmocka_unit_test(test_nonsense),      cmocka_unit_test(test_deaf_host),
		cmocka_unit_test(test_as_init),
	};
	support_time_limit(50);
	return cmocka_run_group_tests_name("agent-program", tests, NULL, NULL);
}
