/* SPDX-License-Identifier: MIT */
#include "scene.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attacks/attack.h"
#include "box.h"
#include "host.h"
#include "tree.h"

char outsider_memory[64];

/* Who runs the attack; the first has a uid that no other process has. */
enum { OF_ITS_OWN, AS_ROOT, AS_USER, USERS };
static const char *const user_names[] = {"a user of its own", "root", "an ordinary user"};

/* What the attacks on a sandbox came to: from the host program to the test. */
struct outcome {
	bool got_out[USERS];
};

int scene_landlock_abi(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

void scene_begin(struct scene *scene, void **state, const char *attack)
{
	char name[64], path[4096];
	skip_without(geteuid() == 0, "root, for a bare chroot");
	viso_isolation strength = box_open(state)->strength;
	*scene = (struct scene){.strength = strength,
				.attack = attack,
				.tree = box_new_tree(),
				.works_for = FOR_BOTH,
				.terminal = -1,
				.input = -1};
	scene->outside = support_temporary_directory();
	assert_int_equal(chmod(scene->outside, 0755), 0);
	assert_int_equal(chmod(scene->tree, 0755), 0);
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
	assert_true(i < SCENE_ARGUMENTS && vasprintf(&scene->arguments[i], format, args) >= 0);
	va_end(args);
}

static void become_user(void)
{
	if (setgroups(0, NULL) < 0 || setresgid(SCENE_USER, SCENE_USER, SCENE_USER) < 0 ||
	    setresuid(SCENE_USER, SCENE_USER, SCENE_USER) < 0)
		_exit(BROKEN);
}

/* A fork whose failed assertions end it, and do not go on with the next test. */
static pid_t fork_apart(void)
{
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		setenv("CMOCKA_TEST_ABORT", "1", 1);
	return pid;
}

static pid_t start_outsider(const struct scene *scene, bool as_user)
{
	struct ready_pipe ready;
	char line[16];
	ready_init(&ready);
	pid_t pid = fork_apart();
	if (pid == 0) {
		int fd = open(scene->secret, O_RDONLY);
		if (dup2(fd, OUTSIDER_FD) < 0 || chdir(scene->outside) < 0)
			_exit(BROKEN);
		strcpy(outsider_memory, SECRET);
		if (as_user)
			become_user();
		/* A change of uid takes both back. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_DUMPABLE, 1);
		ready_tell(&ready, "ready");
		for (;;)
			pause();
	}
	assert_true(ready_wait(&ready, line, sizeof(line)));
	ready_close(&ready);
	return pid;
}

void scene_outsiders(struct scene *scene)
{
	for (int i = 0; i < 2; i++)
		scene->outsiders[i] = start_outsider(scene, i == 1);
}

static void stop(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* The attack in the bare chroot may have ended them. */
static void restart_outsiders(struct scene *scene)
{
	if (!scene->outsiders[0])
		return;
	stop(scene->outsiders[0]);
	stop(scene->outsiders[1]);
	scene_outsiders(scene);
}

void scene_accomplice(struct scene *scene, void (*function)(const struct scene *, int), int argument)
{
	scene->accomplice = fork_apart();
	if (scene->accomplice == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		function(scene, argument);
		_exit(0);
	}
}

static void mount_at(const struct scene *scene, const char *source, const char *name, const char *type,
		     unsigned long flags)
{
	char *path = tree_path(scene->tree, name);
	assert_int_equal(mount(source, path, type, flags, NULL), 0);
	free(path);
}

/* What surrounds the attack, made in a process of its own: mounts in a namespace, the terminal. */
static void surround(const struct scene *scene)
{
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	if (scene->host_proc)
		mount_at(scene, "/proc", "proc", NULL, MS_BIND | MS_REC);
	if (scene->host_sys)
		mount_at(scene, "/sys", "sys", NULL, MS_BIND | MS_REC);
	if (scene->mounted)
		mount_at(scene, "none", "work", "tmpfs", MS_RDONLY);
	if (scene->terminal >= 0) {
		setsid();
		ioctl(scene->terminal, TIOCSCTTY, 1);
	}
	if (scene->enter)
		scene->enter();
}

static const char *argument_for(const struct scene *scene, int i, int user, char pid[16])
{
	const char *argument = scene->arguments[i];
	if (!argument || strcmp(argument, THE_OUTSIDER))
		return argument;
	snprintf(pid, 16, "%d", (int)scene->outsiders[user == AS_ROOT ? 0 : 1]);
	return pid;
}

static int input_of(const struct scene *scene)
{
	return scene->terminal >= 0 ? scene->terminal : scene->input;
}

/* chroot(2) as it was in 1979; what it does not do is the point. */
static void exec_in_bare_chroot(const struct scene *scene, int user)
{
	char path[128], pid[16];
	const char *argv[SCENE_ARGUMENTS + 3] = {scene->attack, scene->secret};
	alarm(20);
	for (int i = 0; i < SCENE_ARGUMENTS; i++)
		argv[i + 2] = argument_for(scene, i, user, pid);
	snprintf(path, sizeof(path), "/bin/%s", scene->attack);
	surround(scene);
	if (input_of(scene) >= 0)
		dup2(input_of(scene), 0);
	if (chroot(scene->tree) < 0)
		_exit(BROKEN);
	if (user == AS_USER)
		become_user();
	execv(path, (char *const *)argv);
	_exit(BROKEN);
}

static int run_in_bare_chroot(const struct scene *scene, int user)
{
	int status;
	pid_t pid = fork_apart();
	if (pid == 0)
		exec_in_bare_chroot(scene, user);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The run before, with another last argument. */
static struct scene run_before(const struct scene *scene)
{
	struct scene before = *scene;
	int last = SCENE_ARGUMENTS - 1;
	while (last > 0 && !before.arguments[last])
		last--;
	before.arguments[last] = (char *)scene->before;
	return before;
}

static void in_bare_chroot(const struct scene *scene, int user)
{
	if (scene->before) {
		struct scene before = run_before(scene);
		run_in_bare_chroot(&before, user);
	}
	int code = run_in_bare_chroot(scene, user);
	if (scene->facility)
		skip_without(code != UNABLE, scene->facility);
	if (code != GOT_OUT)
		print_error("%s: no attack in a bare chroot, by %s\n", scene->attack, user_names[user]);
	assert_int_equal(code, GOT_OUT);
	if (scene->succeeded)
		assert_true(scene->succeeded(scene, user == AS_ROOT));
}

static viso_command *make_command(const struct scene *scene, int user)
{
	char pid[16];
	viso_command *command = viso_command_new(scene->attack);
	assert_non_null(command);
	assert_ok(viso_command_add_arg(command, scene->secret));
	for (int i = 0; i < SCENE_ARGUMENTS && scene->arguments[i]; i++)
		assert_ok(viso_command_add_arg(command, argument_for(scene, i, user, pid)));
	assert_ok(viso_command_capture(command, 4096));
	assert_ok(viso_command_set_timeout_ms(command, 20000));
	if (input_of(scene) >= 0)
		assert_ok(viso_command_set_stdio_fd(command, VISO_STDIN, input_of(scene)));
	else
		assert_ok(viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_NULL));
	if (user != OF_ITS_OWN) {
		unsigned id = user == AS_ROOT ? 0 : SCENE_USER;
		assert_ok(viso_command_set_user(command, id, id));
	}
	return command;
}

static void attack_sandbox(const struct scene *scene, struct box *box, struct outcome *outcome, int user)
{
	if (scene->before) {
		struct scene before = run_before(scene);
		viso_result_unref(box_run(box, make_command(&before, user)));
	}
	viso_result *result = box_run(box, make_command(scene, user));
	int code = viso_result_reason(result) == VISO_REASON_EXITED ? viso_result_exit_code(result) : BROKEN;
	const char *detail = scene->arguments[0] && scene->arguments[1] ? scene->arguments[1] : scene->arguments[0];
	printf("# %s: %s %s, by %s: %s", viso_isolation_name(scene->strength), scene->attack, detail ? detail : "",
	       user_names[user], viso_result_output(result, VISO_STDOUT, NULL));
	if (code == GOT_OUT && (!scene->succeeded || scene->succeeded(scene, user == AS_ROOT))) {
		printf("got out\n");
		outcome->got_out[user] = true;
	} else if (scene->killed) {
		printf("killed\n");
		check_ended(result, VISO_REASON_SECCOMP, -1, SIGSYS);
	} else if (code == GOT_OUT) {
		printf("without effect\n");
	} else if (code != UNABLE) {
		/* What was there in a bare chroot and is not here was hidden. */
		check_ended(result, VISO_REASON_EXITED, REFUSED, 0);
	}
	viso_result_unref(result);
}

struct run {
	const struct scene *scene;
	struct outcome *outcome;
};

static void in_sandbox(void *argument)
{
	const struct run *run = argument;
	const struct scene *scene = run->scene;
	/* Without Landlock it is the uid of its own that protects. */
	bool jail = scene->strength == VISO_ISOLATION_JAIL;
	int users = jail && scene_landlock_abi() < scene->needs_landlock ? 1 : USERS;
	surround(scene);
	struct box *box = box_new(scene->strength, scene->tree);
	if (scene->configure)
		scene->configure(scene, box);
	/* Root's later containers are not made as the first ones are (test_below_root.c). */
	int rounds = jail || geteuid() != 0 ? 1 : 2;
	for (int i = 0; i < rounds * users; i++)
		attack_sandbox(scene, box, run->outcome, i % users);
	box_close(box);
}

void scene_end(struct scene *scene)
{
	stop(scene->accomplice);
	stop(scene->outsiders[0]);
	stop(scene->outsiders[1]);
	for (int i = 0; i < SCENE_ARGUMENTS; i++)
		free(scene->arguments[i]);
	support_remove_tree(scene->tree);
	support_remove_tree(scene->outside);
	free(scene->tree);
	free(scene->outside);
	free(scene->secret);
}

static struct outcome attack_sandboxes(const struct scene *scene)
{
	struct outcome *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(shared, MAP_FAILED);
	struct run run = {scene, shared};
	in_a_host(in_sandbox, &run);
	struct outcome outcome = *shared;
	munmap(shared, sizeof(*shared));
	return outcome;
}

void scene_must_hold(struct scene *scene)
{
	if (scene->works_for & FOR_ROOT)
		in_bare_chroot(scene, AS_ROOT);
	if (scene->works_for & FOR_USER)
		in_bare_chroot(scene, AS_USER);
	restart_outsiders(scene);
	struct outcome outcome = attack_sandboxes(scene);
	bool jail = scene->strength == VISO_ISOLATION_JAIL;
	scene_end(scene);
	for (int user = 0; user < USERS; user++)
		if (outcome.got_out[user]) {
			const char *leftover = jail ? scene->leftover : scene->leftover_in_containers;
			assert_true(leftover && (!jail || user != OF_ITS_OWN || scene->leftover_for_all));
			skip_without(false, leftover);
		}
	skip_without(!jail || scene_landlock_abi() >= scene->needs_landlock,
		     scene->needs_landlock < 6 ? "Landlock" : "Landlock scopes (ABI 6)");
}

void scene_plain(void **state, const char *attack, unsigned works_for, const char *facility, const char *argument)
{
	struct scene scene;
	scene_begin(&scene, state, attack);
	scene.works_for = works_for;
	scene.facility = facility;
	if (argument)
		scene_add_argument(&scene, "%s", argument);
	scene_must_hold(&scene);
	box_teardown(state);
}
