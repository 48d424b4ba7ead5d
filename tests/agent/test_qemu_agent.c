/* SPDX-License-Identifier: MIT */
/* Commands and files by QEMU's own guest agent, as an ordinary process, behind the public view of a sandbox. */
#include "agent_support.h"
#include "qemu_ga_support.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE = 10000 };

static pid_t pid;

static struct pretended *open_guest(void)
{
	int socket = qemu_ga_start(&pid);
	skip_without(socket >= 0, "qemu-ga (package qemu-guest-agent)");
	struct pretended *guest = pretended_with(qemu_agent_ops(), socket);
	assert_ok(guest->ops->await(guest->other, PATIENCE));
	return guest;
}

static void close_guest(struct pretended *guest)
{
	pretended_close(guest);
	qemu_ga_stop(pid);
}

static void test_ends(void **state)
{
	struct pretended *guest = open_guest();
	assert_end(run(guest, script("echo out; echo err >&2; exit 3")), VISO_REASON_EXITED, 3, "out\n");
	assert_end(run(guest, script("kill -SEGV $$")), VISO_REASON_SIGNALLED, SIGSEGV, "");
	viso_result *result = run(guest, script("echo err >&2"));
	assert_string_equal(viso_result_output(result, VISO_STDERR, NULL), "err\n");
	assert_true(viso_result_usage(result, VISO_USAGE_WALL_US) > 0);
	assert_end(result, VISO_REASON_EXITED, 0, "");
	close_guest(guest);
}

static void test_settings(void **state)
{
	struct pretended *guest = open_guest();
	viso_command *command = script("echo \"$A\"; cat");
	assert_ok(viso_command_set_env(command, "A", "b c"));
	assert_ok(viso_command_set_input(command, "in\0put", 6));
	viso_result *result = run(guest, command);
	size_t size;
	assert_memory_equal(viso_result_output(result, VISO_STDOUT, &size), "b c\nin\0put", 10);
	assert_int_equal(size, 10);
	viso_result_unref(result);
	command = viso_command_new("echo");
	assert_ok(viso_command_add_arg(command, "found"));
	assert_ok(viso_command_capture(command, 4));
	assert_ok(viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_NULL));
	result = run(guest, command);
	assert_true(viso_result_output_truncated(result, VISO_STDOUT));
	assert_end(result, VISO_REASON_EXITED, 0, "foun");
	close_guest(guest);
}

static void test_to_a_file(void **state)
{
	char text[16] = "";
	struct pretended *guest = open_guest();
	FILE *file = tmpfile();
	assert_non_null(file);
	viso_command *command = script("echo written");
	assert_ok(viso_command_set_stdio_fd(command, VISO_STDOUT, fileno(file)));
	assert_end(run(guest, command), VISO_REASON_EXITED, 0, NULL);
	assert_int_equal(pread(fileno(file), text, sizeof(text), 0), 8);
	assert_string_equal(text, "written\n");
	fclose(file);
	close_guest(guest);
}

static void refuse(struct pretended *guest, viso_command *command, const char *object)
{
	viso_process *process = NULL;
	assert_fails(viso_sandbox_spawn(&guest->sandbox, command, &process), EOPNOTSUPP, VISO_STAGE_COMMAND, object);
	assert_null(process);
	viso_command_unref(command);
}

static void test_refused(void **state)
{
	struct pretended *guest = open_guest();
	viso_command *command = script("true");
	assert_ok(viso_command_set_user(command, 1, 1));
	refuse(guest, command, "user");
	command = script("true");
	assert_ok(viso_command_set_cwd(command, "/tmp"));
	refuse(guest, command, "cwd");
	command = script("true");
	assert_ok(viso_command_set_cpu_time_ms(command, 1000));
	refuse(guest, command, "cpu_time");
	command = script("true");
	assert_ok(viso_command_set_terminal(command, 80, 25));
	refuse(guest, command, "terminal");
	command = script("true");
	assert_ok(viso_command_set_stdio(command, VISO_STDOUT, VISO_STDIO_PIPE));
	refuse(guest, command, "pipe");
	command = viso_command_new("/no/such/program");
	assert_ok(viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_NULL));
	assert_fails(viso_sandbox_run(&guest->sandbox, command, NULL), ENOENT, VISO_STAGE_EXEC, "/no/such/program");
	viso_command_unref(command);
	viso_process *process = spawn(guest, script("read x < /dev/null"));
	assert_fails(viso_process_signal(process, SIGTERM), EOPNOTSUPP, VISO_STAGE_PROCESS, "signal");
	viso_result_unref(finish(process));
	close_guest(guest);
}

static void test_killed(void **state)
{
	struct pretended *guest = open_guest();
	viso_process *process = spawn(guest, script("exec sleep 1000"));
	viso_process *other = spawn(guest, script("echo other"));
	assert_ok(viso_process_kill(process));
	assert_end(finish(process), VISO_REASON_KILLED, SIGKILL, "");
	assert_end(finish(other), VISO_REASON_EXITED, 0, "other\n");
	viso_command *command = script("exec sleep 1000");
	assert_ok(viso_command_set_timeout_ms(command, 50));
	assert_end(run(guest, command), VISO_REASON_TIMED_OUT, SIGKILL, "");
	close_guest(guest);
}

/* The agent dies amid a command: that ends at once, and the next one says why it cannot be. */
static void test_lost(void **state)
{
	struct pretended *guest = open_guest();
	viso_process *process = spawn(guest, script("sleep 5"));
	assert_int_equal(kill(pid, SIGKILL), 0);
	viso_result *result = finish(process);
	assert_non_null(strstr(viso_result_describe(result), "is gone"));
	assert_end(result, VISO_REASON_GUEST_FAULT, 0, "");
	viso_command *command = script("true");
	assert_fails(viso_sandbox_run(&guest->sandbox, command, NULL), EPIPE, VISO_STAGE_GUEST, "qemu-ga");
	viso_command_unref(command);
	close_guest(guest);
}

static void test_files(void **state)
{
	char text[16] = "", source[256], there[256], back[256];
	struct pretended *guest = open_guest();
	char *directory = support_temporary_directory();
	snprintf(source, sizeof(source), "%s/source", directory);
	snprintf(there, sizeof(there), "%s/there", directory);
	snprintf(back, sizeof(back), "%s/back", directory);
	int fd = open(source, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(write(fd, "contents", 8), 8);
	close(fd);
	assert_ok(viso_sandbox_start(&guest->sandbox));
	assert_ok(viso_sandbox_copy_in(&guest->sandbox, source, there));
	assert_ok(viso_sandbox_copy_out(&guest->sandbox, there, back));
	fd = open(back, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, text, sizeof(text)), 8);
	assert_string_equal(text, "contents");
	close(fd);
	assert_fails(viso_sandbox_copy_in(&guest->sandbox, directory, there), EOPNOTSUPP, VISO_STAGE_ROOT, directory);
	assert_fails(viso_sandbox_copy_out(&guest->sandbox, back, back), EEXIST, VISO_STAGE_ROOT, back);
	assert_int_equal(unlink(back), 0);
	assert_fails(viso_sandbox_copy_out(&guest->sandbox, back, back), ENOENT, VISO_STAGE_GUEST, back);
	assert_int_equal(access(back, F_OK), -1);
	support_remove_tree(directory);
	free(directory);
	close_guest(guest);
}

static void test_figures(void **state)
{
	uint64_t figures[AGENT_STATISTIC_COUNT];
	struct pretended *guest = open_guest();
	assert_ok(guest->ops->statistics(guest->other, PATIENCE, figures));
	assert_true(figures[AGENT_STATISTIC_MEMORY_TOTAL] > figures[AGENT_STATISTIC_MEMORY_AVAILABLE]);
	assert_true(figures[AGENT_STATISTIC_MEMORY_AVAILABLE] > 0);
	assert_true(figures[AGENT_STATISTIC_PROCESSES] > 0 && figures[AGENT_STATISTIC_TIME_NS] > 0);
	assert_true(figures[AGENT_STATISTIC_UPTIME_MS] > 0);
	assert_fails(guest->ops->set_time(guest->other, PATIENCE), EOPNOTSUPP, VISO_STAGE_GUEST, "time");
	assert_fails(guest->ops->shut_down(guest->other, VISO_SHUTDOWN_POWER_OFF, PATIENCE), EOPNOTSUPP,
		     VISO_STAGE_GUEST, "shutdown");
	close_guest(guest);
}

/* Many at once, whose handles are given back before they end. */
static void test_many(void **state)
{
	struct pretended *guest = open_guest();
	for (int i = 0; i < 20; i++)
		viso_process_unref(spawn(guest, script("sleep 0.2")));
	assert_end(run(guest, script("echo last")), VISO_REASON_EXITED, 0, "last\n");
	close_guest(guest);
}

/* An agent that has a file of this size, or of none (0), and gives of it without an end. */
struct endless {
	int socket;
	long long size;
	char text[48 << 10];
};

/* So many zeroes, in base64. */
static int put_contents(char *text, size_t room, long long count)
{
	static const char *const ends[] = {"", "AA==", "AAA="};
	int length = snprintf(text, room, "{\"return\": {\"count\": %lld, \"buf-b64\": \"", count);
	memset(text + length, 'A', (size_t)(count / 3 * 4));
	length += (int)(count / 3 * 4);
	return length + snprintf(text + length, room - (size_t)length, "%s\", \"eof\": false}}\n", ends[count % 3]);
}

static int answer(struct endless *endless, const char *line)
{
	const char *id = strstr(line, "\"id\":"), *count = strstr(line, "\"count\":");
	char *text = endless->text;
	if (id)
		return snprintf(text, 100, "%c{\"return\": %lld}\n", 0xff, atoll(id + 5));
	if (count)
		return put_contents(text, sizeof(endless->text), atoll(count + 8));
	if (strstr(line, "guest-file-open"))
		return snprintf(text, 100, "{\"return\": 1}\n");
	if (!strstr(line, "guest-file-seek"))
		return snprintf(text, 100, "{\"return\": {}}\n");
	if (endless->size == 0)
		return snprintf(text, 100, "{\"error\": {\"desc\": \"failed to seek file: Illegal seek\"}}\n");
	return snprintf(text, 100, "{\"return\": {\"position\": %lld, \"eof\": false}}\n",
			strstr(line, "\"whence\":2") ? endless->size : 0);
}

static void *be_endless(void *data)
{
	struct endless *endless = data;
	char line[4096];
	for (size_t size = 0; size < sizeof(line) - 1 && read(endless->socket, line + size, 1) == 1;) {
		if (line[size++] != '\n')
			continue;
		line[size] = '\0';
		size = 0;
		if (send(endless->socket, endless->text, (size_t)answer(endless, line), MSG_NOSIGNAL) < 0)
			break;
	}
	return NULL;
}

static void test_no_file_is_endless(void **state)
{
	static struct endless endless;
	static const long long sizes[] = {40000, 0};
	char back[256];
	struct stat st;
	char *directory = support_temporary_directory();
	snprintf(back, sizeof(back), "%s/back", directory);
	for (int i = 0; i < 2; i++) {
		int ends[2];
		pthread_t thread;
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
		endless.socket = ends[1];
		endless.size = sizes[i];
		assert_int_equal(pthread_create(&thread, NULL, be_endless, &endless), 0);
		struct pretended *guest = pretended_with(qemu_agent_ops(), ends[0]);
		assert_ok(viso_sandbox_start(&guest->sandbox));
		if (sizes[i]) {
			assert_ok(viso_sandbox_copy_out(&guest->sandbox, "/file", back));
			assert_int_equal(stat(back, &st), 0);
			assert_int_equal(st.st_size, sizes[i]);
			assert_int_equal(unlink(back), 0);
		} else {
			assert_fails(viso_sandbox_copy_out(&guest->sandbox, "/file", back), EFBIG, VISO_STAGE_GUEST,
				     back);
		}
		assert_int_equal(access(back, F_OK), -1);
		pretended_close(guest);
		pthread_join(thread, NULL);
		close(ends[1]);
	}
	support_remove_tree(directory);
	free(directory);
}

/* An agent that notes what it is told, and refuses `refused`. */
struct listener {
	int socket;
	const char *refused;
	char heard[4096];
};

static int hear(struct listener *listener, const char *line, char *text, size_t size)
{
	const char *id = strstr(line, "\"id\":");
	if (id)
		return snprintf(text, size, "%c{\"return\": %lld}\n", 0xff, atoll(id + 5));
	strncat(listener->heard, line, sizeof(listener->heard) - strlen(listener->heard) - 1);
	if (listener->refused && strstr(line, listener->refused))
		return snprintf(text, size, "{\"error\": {\"desc\": \"no\"}}\n");
	return snprintf(text, size, "{\"return\": %s}\n", strstr(line, "file-open") ? "7" : "{\"count\": 64}");
}

static void *listen_to_host(void *data)
{
	struct listener *listener = data;
	char line[1024], text[100];
	for (size_t size = 0; size < sizeof(line) - 1 && read(listener->socket, line + size, 1) == 1;) {
		if (line[size++] != '\n')
			continue;
		line[size] = '\0';
		size = 0;
		int length = hear(listener, line, text, sizeof(text));
		if (send(listener->socket, text, (size_t)length, MSG_NOSIGNAL) < 0)
			break;
	}
	return NULL;
}

/* What the agent of a clone is told before anything else, once; to be freed. */
static char *refreshed(const char *refused)
{
	static struct listener listener;
	int ends[2];
	pthread_t thread;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	listener = (struct listener){.socket = ends[1], .refused = refused};
	assert_int_equal(pthread_create(&thread, NULL, listen_to_host, &listener), 0);
	struct pretended *guest = pretended_with(qemu_agent_ops(), ends[0]);
	guest->ops->refresh(guest->other);
	assert_ok(guest->ops->await(guest->other, PATIENCE));
	assert_ok(guest->ops->await(guest->other, PATIENCE));
	pretended_close(guest);
	pthread_join(thread, NULL);
	close(ends[1]);
	return strdup(listener.heard);
}

static int count_of(const char *text, const char *word)
{
	int count = 0;
	for (; (text = strstr(text, word)); text += strlen(word))
		count++;
	return count;
}

static void test_clones_have_other_random_numbers(void **state)
{
	char *first = refreshed(NULL), *second = refreshed(NULL);
	assert_int_equal(count_of(first, "guest-file-open"), 1);
	assert_int_equal(count_of(first, "urandom"), 1);
	assert_int_equal(count_of(first, "guest-file-write"), 1);
	assert_int_equal(count_of(first, "guest-file-close"), 1);
	assert_int_equal(count_of(first, "guest-set-time"), 1);
	/* 64 bytes in base64, of which a slash is two characters in JSON. */
	const char *bytes = strstr(first, "\"buf-b64\":\""), *others = strstr(second, "\"buf-b64\":\"");
	assert_non_null(bytes);
	assert_non_null(others);
	assert_true(strcspn(bytes + strlen("\"buf-b64\":\""), "\"") >= 88);
	assert_memory_not_equal(bytes, others, 80);
	free(first);
	free(second);
	/* What is open is closed, and one without such a file has the time all the same. */
	first = refreshed("guest-file-write");
	assert_int_equal(count_of(first, "guest-file-close"), 1);
	free(first);
	first = refreshed("guest-file-open");
	assert_int_equal(count_of(first, "guest-file-write"), 0);
	assert_int_equal(count_of(first, "guest-set-time"), 1);
	free(first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_to_a_file),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_figures),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_no_file_is_endless),
		cmocka_unit_test(test_clones_have_other_random_numbers),
	};
	return cmocka_run_group_tests_name("qemu agent", tests, NULL, NULL);
}
