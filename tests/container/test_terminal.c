/* SPDX-License-Identifier: MIT */
/* A terminal for the program, in jails and containers, by itself and in an instance. */
#include "box.h"
#include "outside.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static char shown[8192];

/* What the program shows until `until` is among it, or it shows nothing more. */
static const char *read_until(int terminal, const char *until)
{
	size_t size = 0;
	ssize_t n;
	shown[0] = '\0';
	while (size < sizeof(shown) - 1 && !strstr(shown, until) &&
	       (n = read(terminal, shown + size, sizeof(shown) - 1 - size)) > 0) {
		size += (size_t)n;
		shown[size] = '\0';
	}
	return shown;
}

static viso_process *spawn(struct box *box, viso_command *command, int *out_terminal)
{
	assert_ok(viso_command_set_terminal(command, 80, 25));
	viso_process *process = box_spawn(box, command);
	*out_terminal = viso_process_take_terminal(process);
	assert_ok(*out_terminal);
	assert_int_equal(fcntl(*out_terminal, F_GETFD), FD_CLOEXEC);
	return process;
}

static void finish(viso_process *process, int terminal, int exit_code)
{
	assert_ended(box_wait(process), VISO_REASON_EXITED, exit_code, 0);
	viso_process_unref(process);
	close(terminal);
}

static struct box *open_with(void **state, bool instance)
{
	struct box *box = box_open(state);
	if (instance)
		assert_ok(viso_sandbox_start(box->sandbox));
	return box;
}

static void check_terminal(struct box *box)
{
	int terminal;
	viso_process *process = spawn(box, probe("own-terminal", NULL), &terminal);
	assert_string_equal(read_until(terminal, "\n"), "tty tty tty 80x25 own controlling foreground\r\n");
	assert_string_equal(read_until(terminal, "\n"), ""); /* hung up: nobody else has it open */
	finish(process, terminal, 0);
}

static void test_terminal(void **state)
{
	check_terminal(open_with(state, false));
}

static void test_terminal_in_an_instance(void **state)
{
	struct box *box = open_with(state, true);
	check_terminal(box);
	check_terminal(box);
}

static void check_use(struct box *box)
{
	int terminal;
	viso_process *process = spawn(box, probe("cat", NULL), &terminal);
	assert_int_equal(write(terminal, "hello\n\004", 7), 7);
	read_until(terminal, "hello\r\nhello\r\n"); /* echoed, then printed */
	assert_non_null(strstr(shown, "hello\r\nhello\r\n"));
	finish(process, terminal, 0);
	process = spawn(box, probe("trap", "2", NULL), &terminal);
	read_until(terminal, "ready");
	assert_int_equal(write(terminal, "\003", 1), 1);
	finish(process, terminal, 40 + SIGINT);
	process = spawn(box, probe("trap", "1", NULL), &terminal);
	read_until(terminal, "ready");
	close(terminal);
	finish(process, -1, 40 + SIGHUP);
	process = spawn(box, probe("sleep", NULL), &terminal);
	close(terminal);
	assert_ended(box_wait(process), VISO_REASON_SIGNALLED, -1, SIGHUP);
	viso_process_unref(process);
}

static void test_typing_interrupt_hang_up(void **state)
{
	check_use(open_with(state, false));
}

static void test_typing_interrupt_hang_up_in_an_instance(void **state)
{
	check_use(open_with(state, true));
}

static void test_resize(void **state)
{
	struct box *box = open_with(state, false);
	int terminal;
	viso_process *process = spawn(
		box, shell("trap 'exec probe own-terminal' WINCH; echo ready; while :; do sleep 0.05; done"), &terminal);
	read_until(terminal, "ready");
	assert_ok(viso_process_resize_terminal(process, 132, 50));
	assert_non_null(strstr(read_until(terminal, "132x50"), "132x50"));
	finish(process, terminal, 0);
}

static void test_resize_knows_its_terminal(void **state)
{
	struct box *box = open_with(state, false);
	int terminal;
	viso_process *process = spawn(box, probe("trap", "1", NULL), &terminal);
	assert_ok(viso_process_resize_terminal(process, 132, 50));
	/* Under its number there is another one now, or none. */
	int other = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(other >= 0);
	read_until(terminal, "ready");
	assert_int_equal(dup2(other, terminal), terminal);
	assert_fails(viso_process_resize_terminal(process, 10, 10), EBADF, VISO_STAGE_STDIO, "resize");
	close(terminal);
	close(other);
	assert_fails(viso_process_resize_terminal(process, 10, 10), EBADF, VISO_STAGE_STDIO, "resize");
	finish(process, -1, 40 + SIGHUP);
}

/* Nothing of the host is by that number: it is of the container's own devpts. */
static void test_it_is_the_containers_own(void **state)
{
	struct box *box = open_with(state, true);
	char inside[64];
	struct stat host, own;
	int terminal;
	viso_process *process = spawn(box, shell("tty; read line"), &terminal);
	assert_non_null(strstr(read_until(terminal, "\n"), "/dev/pts/0"));
	skip_without(geteuid() == 0, "root, to look at the files of others");
	snprintf(inside, sizeof(inside), "/proc/%d/root/dev/pts", viso_process_pid(process));
	assert_int_equal(stat(inside, &own), 0);
	assert_int_equal(stat("/dev/pts", &host), 0);
	assert_true(own.st_dev != host.st_dev);
	assert_int_equal(fstat(terminal, &host), 0);
	assert_true(own.st_dev == host.st_dev);
	assert_int_equal(write(terminal, "\n", 1), 1);
	finish(process, terminal, 0);
}

/* An image whose /dev/pts, /dev/ptmx and /dev/console lead elsewhere (CVE-2025-52565). */
static void test_hostile_image(void **state)
{
	static const char *const links[] = {"dev/pts", "dev/ptmx", "dev/console", "dev/tty"};
	char path[4096], victim[4096];
	struct stat before, after;
	box_open(state);
	char *tree = box_new_tree();
	char *elsewhere = support_temporary_directory();
	snprintf(victim, sizeof(victim), "%s/ptmx", elsewhere);
	close(open(victim, O_CREAT | O_RDWR, 0600));
	stat(victim, &before);
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", tree, links[i]);
		assert_int_equal(symlink(i == 0 ? elsewhere : victim, path), 0);
	}
	struct box *box = box_new(VISO_ISOLATION_CONTAINER, tree);
	check_terminal(box);
	assert_ok(viso_sandbox_start(box->sandbox));
	check_terminal(box);
	stat(victim, &after);
	assert_true(before.st_uid == after.st_uid && before.st_mode == after.st_mode &&
		    before.st_ctim.tv_nsec == after.st_ctim.tv_nsec && after.st_size == 0);
	box_close(box);
	support_remove_tree(elsewhere);
	support_remove_tree(tree);
	free(elsewhere);
	free(tree);
}

static void test_run_is_refused(void **state)
{
	struct box *box = box_open(state);
	viso_command *command = probe("cwd", NULL);
	assert_ok(viso_command_set_terminal(command, 80, 25));
	assert_fails(viso_sandbox_run(box->sandbox, command, NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_sandbox_run");
	viso_command_unref(command);
}

static void test_guests_have_none(void **state)
{
	struct box *box = box_open(state);
	viso_command *command = probe("cwd", NULL);
	viso_process *process;
	assert_ok(viso_command_set_terminal(command, 80, 25));
	assert_fails(viso_sandbox_spawn(box->sandbox, command, &process), EOPNOTSUPP, VISO_STAGE_STDIO, "terminal");
	viso_command_unref(command);
}

static void test_arguments(void **state)
{
	struct box *box = box_open(state);
	viso_command *command = probe("sleep", NULL);
	assert_int_equal(viso_command_set_terminal(NULL, 1, 1), -EINVAL);
	assert_int_equal(viso_command_set_terminal(command, 0, 1), -EINVAL);
	assert_int_equal(viso_command_set_terminal(command, 1, 65536), -EINVAL);
	viso_process *process = box_spawn(box, command);
	assert_fails(viso_process_take_terminal(process), EBADF, VISO_STAGE_STDIO, "take_terminal");
	assert_fails(viso_process_resize_terminal(process, 1, 1), EBADF, VISO_STAGE_STDIO, "resize_terminal");
	assert_int_equal(viso_process_resize_terminal(process, 0, 1), -EINVAL);
	assert_int_equal(viso_process_resize_terminal(NULL, 1, 1), -EINVAL);
	assert_int_equal(viso_process_take_terminal(NULL), -EINVAL);
	viso_process_unref(process);
	command = probe("sleep", NULL);
	assert_ok(viso_command_set_terminal(command, 65535, 65535));
	process = box_spawn(box, command);
	int terminal = viso_process_take_terminal(process);
	assert_ok(terminal);
	assert_fails(viso_process_take_terminal(process), EBADF, VISO_STAGE_STDIO, "take_terminal");
	close(terminal);
	viso_process_unref(process);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_EACH_STRENGTH(test_terminal),
		AT_EACH_STRENGTH(test_terminal_in_an_instance),
		AT_EACH_STRENGTH(test_typing_interrupt_hang_up),
		AT_EACH_STRENGTH(test_typing_interrupt_hang_up_in_an_instance),
		AT_EACH_STRENGTH(test_resize),
		AT_EACH_STRENGTH(test_resize_knows_its_terminal),
		AT_CONTAINER(test_it_is_the_containers_own),
		AT_CONTAINER(test_hostile_image),
		AT_EACH_STRENGTH(test_run_is_refused),
		AT_GUEST(test_guests_have_none),
		AT_EACH_STRENGTH(test_arguments),
	};
	return cmocka_run_group_tests_name("terminal", tests, NULL, box_group_teardown);
}
