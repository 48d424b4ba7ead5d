/* SPDX-License-Identifier: MIT */
/* Agents that die or hang amid commands, behind a port that stays: as services of guests do. */
#include "agent_support.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* HEARTBEAT_MS: fifteen may be missing, for which a machine with much other work must not be slow enough. */
enum { PATIENCE = 20000, HEARTBEAT_MS = 500, QUICK_MS = 10 };

struct scene {
	struct agent *agent;
	int ends[2];
	int closed; /* as the port's device tells it */
	pid_t pid;
};

static pid_t start_at(int fd)
{
	const char *program = getenv("VISO_TEST_AGENT");
	assert_non_null(program);
	pid_t pid = fork();
	if (pid == 0) {
		char number[12];
		snprintf(number, sizeof(number), "%d", fcntl(fd, F_DUPFD, 10));
		execl(program, program, "--fd", number, NULL);
		_exit(127);
	}
	return pid;
}

static void stop(pid_t pid)
{
	int status;
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

static struct scene open_scene(unsigned heartbeat_ms, bool (*stands_still)(void *data), void *data)
{
	struct scene scene;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, scene.ends), 0);
	scene.closed = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	scene.pid = start_at(scene.ends[1]);
	assert_ok(agent_new(scene.ends[0], heartbeat_ms, &scene.agent));
	const struct agent_watch watch = {
		.closed_fd = fcntl(scene.closed, F_DUPFD_CLOEXEC, 3), .stands_still = stands_still, .data = data};
	agent_set_watch(scene.agent, &watch);
	assert_ok(agent_await(scene.agent, PATIENCE));
	return scene;
}

static void close_scene(struct scene *scene)
{
	agent_close(scene->agent);
	agent_unref(scene->agent);
	close(scene->ends[1]);
	close(scene->closed);
	stop(scene->pid);
}

static viso_process *spawn_at(const struct scene *scene, const char *text)
{
	viso_process *process = process_new();
	viso_command *command = script(text);
	assert_non_null(process);
	assert_ok(agent_spawn(scene->agent, command, process));
	assert_ok(process->ops->await_start(process));
	viso_command_unref(command);
	return process;
}

static void assert_lost(viso_process *process)
{
	assert_end(finish(process), VISO_REASON_GUEST_FAULT, 0, "");
}

static void assert_again(const struct scene *scene)
{
	assert_ok(agent_await(scene->agent, PATIENCE));
	assert_end(finish(spawn_at(scene, "echo again")), VISO_REASON_EXITED, 0, "again\n");
}

/* All commands end at once, long before any time limit, and the next agent at the port serves. */
static void test_dies(void **state)
{
	struct scene scene = open_scene(0, NULL, NULL);
	viso_process *first = spawn_at(&scene, "sleep 1000"), *second = spawn_at(&scene, "sleep 1000");
	stop(scene.pid);
	eventfd_write(scene.closed, 1);
	assert_lost(first);
	assert_lost(second);
	scene.pid = start_at(scene.ends[1]);
	assert_again(&scene);
	close_scene(&scene);
}

/* What is asked meanwhile is answered. */
static void *ask(void *data)
{
	const struct scene *scene = data;
	int r = agent_ping(scene->agent, PATIENCE);
	return (void *)(intptr_t)r;
}

static void test_request_is_lost(void **state)
{
	pthread_t thread;
	void *r;
	struct scene scene = open_scene(0, NULL, NULL);
	/* It does not answer any more, and the question is on its way. */
	assert_int_equal(kill(scene.pid, SIGSTOP), 0);
	assert_int_equal(pthread_create(&thread, NULL, ask, &scene), 0);
	char byte;
	while (recv(scene.ends[1], &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0)
		usleep(1000);
	eventfd_write(scene.closed, 1);
	assert_int_equal(pthread_join(thread, &r), 0);
	assert_int_equal((intptr_t)r, -EPIPE);
	assert_int_equal(kill(scene.pid, SIGCONT), 0);
	assert_again(&scene);
	close_scene(&scene);
}

static void test_hangs(void **state)
{
	struct scene scene = open_scene(HEARTBEAT_MS, NULL, NULL);
	viso_process *process = spawn_at(&scene, "sleep 1000");
	assert_int_equal(kill(scene.pid, SIGSTOP), 0);
	viso_result *result = finish(process);
	assert_non_null(strstr(viso_result_describe(result), "heard"));
	assert_end(result, VISO_REASON_GUEST_FAULT, 0, "");
	assert_int_equal(kill(scene.pid, SIGCONT), 0);
	assert_again(&scene);
	close_scene(&scene);
}

static bool count(void *data)
{
	atomic_fetch_add((atomic_int *)data, 1);
	return true;
}

/* Of a guest that is paused nothing is to be heard. */
static void test_stands_still(void **state)
{
	atomic_int looks = 0;
	struct scene scene = open_scene(QUICK_MS, count, &looks);
	viso_process *process = spawn_at(&scene, "read x; echo on");
	assert_int_equal(kill(scene.pid, SIGSTOP), 0);
	while (atomic_load(&looks) < 50)
		usleep(1000);
	assert_int_equal(kill(scene.pid, SIGCONT), 0);
	assert_end(finish(process), VISO_REASON_EXITED, 0, "on\n");
	close_scene(&scene);
}

struct asked {
	atomic_bool is_asked, may_answer;
	atomic_bool was_late;
};

/* As one who needs a lock for it that somebody has who asks the agent something. */
static bool answer_when_allowed(void *data)
{
	enum { STEP_US = 1000 };
	struct asked *asked = data;
	atomic_store(&asked->is_asked, true);
	for (int waited = 0; waited < PATIENCE && !atomic_load(&asked->may_answer) && !atomic_load(&asked->was_late);
	     waited++)
		usleep(STEP_US);
	if (!atomic_load(&asked->may_answer))
		atomic_store(&asked->was_late, true);
	return true;
}

static void test_whoever_is_asked_may_ask(void **state)
{
	struct asked asked = {0};
	struct scene scene = open_scene(QUICK_MS, answer_when_allowed, &asked);
	assert_int_equal(kill(scene.pid, SIGSTOP), 0);
	while (!atomic_load(&asked.is_asked))
		usleep(1000);
	assert_true(agent_silence_ms(scene.agent) >= 0);
	agent_refresh(scene.agent);
	atomic_store(&asked.may_answer, true);
	assert_int_equal(kill(scene.pid, SIGCONT), 0);
	assert_again(&scene);
	close_scene(&scene);
	assert_false(atomic_load(&asked.was_late));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dies),
		cmocka_unit_test(test_request_is_lost),
		cmocka_unit_test(test_hangs),
		cmocka_unit_test(test_stands_still),
		cmocka_unit_test(test_whoever_is_asked_may_ask),
	};
	return cmocka_run_group_tests_name("lost agents", tests, NULL, NULL);
}
