/* SPDX-License-Identifier: MIT */
#include "scene.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attacks/attack.h"
#include "box.h"
#include "host.h"
#include "tree.h"

void scene_begin(struct scene *scene, void **state, const char *attack)
{
	char name[64], path[4096];
	box_open(state); /* skips without root */
	*scene = (struct scene){.attack = attack, .tree = box_new_tree(), .terminal = -1};
	scene->outside = support_temporary_directory();
	scene->secret = tree_path(scene->outside, "secret");
	tree_write(scene->outside, "secret", SECRET, 0644);
	snprintf(name, sizeof(name), "bin/%s", attack);
	snprintf(path, sizeof(path), "%s/%s", ATTACKS_PATH, attack);
	tree_copy(path, scene->tree, name);
}

void scene_add_argument(struct scene *scene, const char *format, ...)
{
	va_list args;
	int i = 0;
	while (scene->arguments[i])
		i++;
	va_start(args, format);
	assert_true(i < SCENE_ARGUMENTS && vasprintf(&scene->arguments[i], format, args) > 0);
	va_end(args);
}

static void become_user(void)
{
	if (setgroups(0, NULL) < 0 || setresgid(SCENE_USER, SCENE_USER, SCENE_USER) < 0 ||
	    setresuid(SCENE_USER, SCENE_USER, SCENE_USER) < 0)
		_exit(BROKEN);
}

pid_t scene_outsider(struct scene *scene)
{
	int ready[2];
	char byte;
	assert_int_equal(pipe(ready), 0);
	scene->accomplice = fork();
	if (scene->accomplice == 0) {
		alarm(60);
		become_user();
		/* A change of uid has made it closed to others; a program that is executed is open to its user again.
		 */
		dup2(ready[1], 1);
		execl("/bin/busybox", "busybox", "sh", "-c", "echo; exec /bin/busybox sleep 60", NULL);
		_exit(BROKEN);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	usleep(20000);
	close(ready[0]);
	close(ready[1]);
	return scene->accomplice;
}

static void mount_host_proc(const struct scene *scene)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/proc", scene->tree);
	/* In a mount namespace of this host program's own. */
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	if (scene->host_proc)
		assert_int_equal(mount("/proc", path, NULL, MS_BIND | MS_REC, NULL), 0);
}

/* chroot(2) as it was in 1979; what it does not do is the point. */
static int in_bare_chroot(const struct scene *scene)
{
	char path[128];
	const char *argv[SCENE_ARGUMENTS + 3] = {scene->attack, scene->secret};
	int status;
	memcpy(argv + 2, scene->arguments, sizeof(scene->arguments));
	snprintf(path, sizeof(path), "/bin/%s", scene->attack);
	pid_t pid = fork();
	if (pid == 0) {
		alarm(20);
		mount_host_proc(scene);
		if (scene->terminal >= 0) {
			setsid();
			ioctl(scene->terminal, TIOCSCTTY, 1);
			dup2(scene->terminal, 0);
		}
		if (chroot(scene->tree) < 0)
			_exit(BROKEN);
		if (scene->as_user)
			become_user();
		execv(path, (char *const *)argv);
		_exit(BROKEN);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static viso_command *make_command(const struct scene *scene)
{
	viso_command *command = viso_command_new(scene->attack);
	assert_non_null(command);
	assert_ok(viso_command_add_arg(command, scene->secret));
	for (int i = 0; i < SCENE_ARGUMENTS && scene->arguments[i]; i++)
		assert_ok(viso_command_add_arg(command, scene->arguments[i]));
	assert_ok(viso_command_capture(command, 4096));
	assert_ok(viso_command_set_timeout_ms(command, 20000));
	if (scene->terminal >= 0)
		assert_ok(viso_command_set_stdio_fd(command, VISO_STDIN, scene->terminal));
	else
		assert_ok(viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_NULL));
	return command;
}

static void in_jail(void *argument)
{
	const struct scene *scene = argument;
	mount_host_proc(scene);
	if (scene->terminal >= 0) {
		setsid();
		ioctl(scene->terminal, TIOCSCTTY, 1);
	}
	struct box *box = box_new(VISO_ISOLATION_JAIL, scene->tree);
	for (int i = 0; i <= scene->as_user; i++) {
		viso_command *command = make_command(scene);
		if (i == 1)
			assert_ok(viso_command_set_user(command, SCENE_USER, SCENE_USER));
		viso_result *result = box_run(box, command);
		printf("# %s: %s", scene->attack, viso_result_output(result, VISO_STDOUT, NULL));
		assert_ended(result, VISO_REASON_EXITED, REFUSED, 0);
	}
	box_close(box);
}

static void scene_end(struct scene *scene)
{
	if (scene->accomplice > 0) {
		kill(scene->accomplice, SIGKILL);
		waitpid(scene->accomplice, NULL, 0);
	}
	for (int i = 0; i < SCENE_ARGUMENTS; i++)
		free(scene->arguments[i]);
	support_remove_tree(scene->tree);
	support_remove_tree(scene->outside);
	free(scene->tree);
	free(scene->outside);
	free(scene->secret);
}

void scene_must_hold(struct scene *scene)
{
	assert_int_equal(in_bare_chroot(scene), GOT_OUT);
	in_a_host(in_jail, scene);
	scene_end(scene);
}
