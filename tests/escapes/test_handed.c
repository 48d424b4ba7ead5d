/* SPDX-License-Identifier: MIT */
/* Ways out by what the host program left behind, or what an accomplice outside hands in or does. */
#include "box.h"
#include "scene.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "attacks/attack.h"

static void test_leaked_directory(void **state)
{
	struct scene scene;
	scene_begin(&scene, state, "leaked_directory");
	int fds[3] = {open("/", O_RDONLY | O_DIRECTORY), open("/", O_PATH | O_DIRECTORY), open(scene.outside, O_PATH)};
	assert_true(fds[0] >= 0 && fds[1] >= 0 && fds[2] >= 0);
	scene_must_hold(&scene);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

/* jailkit 2.23 closes fds up to the soft limit, above which they may lie as well. */
static void test_directory_leaked_above_the_limit(void **state)
{
	struct scene scene;
	struct rlimit before, limit;
	scene_begin(&scene, state, "leaked_directory");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	skip_without(before.rlim_max >= 512, "a limit of 512 open files");
	limit = before;
	limit.rlim_cur = 512;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	int low = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), high = fcntl(low, F_DUPFD, 500);
	assert_true(high >= 500);
	close(low);
	limit.rlim_cur = 256;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	scene_must_hold(&scene);
	close(high);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* Waits for a byte, then hands the directory over. */
static bool send_directory(int to, const char *path)
{
	char byte, control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {&byte, 1};
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (read(to, &byte, 1) != 1)
		return false;
	int directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	*header =
		(struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(header), &directory, sizeof(directory));
	bool sent = sendmsg(to, &message, MSG_NOSIGNAL) == 1;
	close(directory);
	return sent;
}

static void accomplice_at_socket(const struct scene *scene, int fd)
{
	while (send_directory(fd, scene->outside))
		;
}

static void accomplice_at_listener(const struct scene *scene, int listener)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		send_directory(fd, "/");
		close(fd);
	}
}

/* At a path, or at an abstract name, which begins with `@`. */
static int listen_at(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", name);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + (name[0] != '@'));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(fd, 16), 0); /* nobody may accept */
	return fd;
}

/* A file of each user, a program, and a socket: what the directory is good for. Returns the socket. */
static int furnish(const struct scene *scene)
{
	char *file = tree_path(scene->outside, "0"), *other = tree_path(scene->outside, "65534");
	char *path = tree_path(scene->outside, "socket");
	tree_write(scene->outside, "0", "", 0600);
	tree_write(scene->outside, "65534", "", 0600);
	assert_int_equal(chown(other, SCENE_USER, SCENE_USER), 0);
	tree_copy("/bin/busybox", scene->outside, "true");
	int listener = listen_at(path);
	assert_int_equal(chmod(path, 0777), 0);
	assert_int_equal(chmod(scene->outside, 0777), 0);
	free(file);
	free(other);
	free(path);
	return listener;
}

/* A jail has Landlock by itself. */
static void confine_to_root(const struct scene *scene, struct box *box)
{
	if (box->container && scene_landlock_abi() > 0)
		assert_ok(viso_container_add_landlock_path(
			box->container, "/", VISO_LANDLOCK_READ | VISO_LANDLOCK_WRITE | VISO_LANDLOCK_EXECUTE));
}

static void hand_over(void **state, const char *use, const char *leftover)
{
	struct scene scene;
	int ends[2];
	scene_begin(&scene, state, "passed_directory");
	int listener = furnish(&scene);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	scene.input = ends[0];
	scene.needs_landlock = 1;
	scene.leftover = leftover;
	scene.leftover_for_all = leftover != NULL;
	scene.leftover_in_containers = leftover;
	scene.configure = confine_to_root;
	scene_accomplice(&scene, accomplice_at_socket, ends[1]);
	scene_add_argument(&scene, "%s", use);
	scene_must_hold(&scene);
	close(listener);
	close(ends[0]);
	close(ends[1]);
}

static void test_handed_directory_read(void **state)
{
	hand_over(state, "read", NULL);
}

static void test_handed_directory_create(void **state)
{
	hand_over(state, "create", NULL);
}

static void test_handed_directory_execute(void **state)
{
	hand_over(state, "execute", NULL);
}

/* For these Landlock has no rights (landlock(7), "Current limitations"): where an accomplice hands in a directory, the
 * program may do there what the modes let it. */
static void test_handed_directory_change(void **state)
{
	hand_over(state, "change", "a Landlock that restricts chmod(2), against directories that are handed in");
}

static void test_handed_directory_watch(void **state)
{
	hand_over(state, "watch", "a Landlock that restricts inotify(7), against directories that are handed in");
}

static void test_handed_directory_connect(void **state)
{
	hand_over(state, "connect",
		  "a Landlock that restricts unix sockets by path, against directories that are handed in");
}

static void reach_abstract_socket(void **state, void (*configure)(const struct scene *, struct box *))
{
	struct scene scene;
	char name[64];
	scene_begin(&scene, state, "passed_directory");
	/* Not even a uid of its own protects. */
	skip_without(scene_landlock_abi() >= 6, "Landlock scopes (ABI 6)");
	snprintf(name, sizeof(name), "@viso-test-%d", (int)getpid());
	int listener = listen_at(name);
	scene_accomplice(&scene, accomplice_at_listener, listener);
	close(listener);
	scene_add_argument(&scene, "read");
	scene_add_argument(&scene, "%s", name);
	scene.configure = configure;
	scene_must_hold(&scene);
}

static void test_abstract_socket(void **state)
{
	reach_abstract_socket(state, NULL);
}

static void share_network(const struct scene *scene, struct box *box)
{
	assert_ok(box->jail ? viso_jail_set_network(box->jail, VISO_NETWORK_HOST)
			    : viso_container_set_network(box->container, VISO_NETWORK_HOST));
}

static void test_abstract_socket_in_a_shared_network(void **state)
{
	reach_abstract_socket(state, share_network);
}

/* Told by a byte that the program is in the directory, the accomplice moves it out; by the next one, back again. */
static void mover(const struct scene *scene, int fd)
{
	char byte;
	char *in = tree_path(scene->tree, "work/room"), *out = tree_path(scene->outside, "room");
	for (bool inside = true; read(fd, &byte, 1) == 1; inside = !inside)
		if (rename(inside ? in : out, inside ? out : in) < 0 || write(fd, &byte, 1) != 1)
			break;
	free(in);
	free(out);
}

static void test_moved_directory(void **state)
{
	struct scene scene;
	int ends[2];
	scene_begin(&scene, state, "moved_directory");
	tree_directory(scene.tree, "work/room", 0755);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	scene.input = ends[0];
	/* The outsider must be able to write in the parent, which in a root of the library's own nobody is. */
	scene.needs_landlock = 1;
	scene_accomplice(&scene, mover, ends[1]);
	scene_must_hold(&scene);
	close(ends[0]);
	close(ends[1]);
}

static void push_into_terminal(void **state, const char *variant, unsigned works_for)
{
	struct scene scene;
	char name[64];
	scene_begin(&scene, state, "terminal_input");
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	assert_int_equal(ptsname_r(master, name, sizeof(name)), 0);
	scene.terminal = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(scene.terminal >= 0);
	int terminal = scene.terminal;
	scene.works_for = works_for;
	scene.facility = "TIOCSTI without privileges (sysctl dev.tty.legacy_tiocsti)";
	scene_add_argument(&scene, "%s", variant);
	scene_must_hold(&scene);
	close(terminal);
	close(master);
	box_teardown(state);
}

static void test_terminal_input(void **state)
{
	push_into_terminal(state, "plain", FOR_ROOT);
	push_into_terminal(state, "high", FOR_ROOT);
}

static void test_terminal_input_without_privileges(void **state)
{
	push_into_terminal(state, "plain", FOR_USER);
	push_into_terminal(state, "high", FOR_USER);
}

static void test_console(void **state)
{
	static const char *const variants[] = {"console", "console-high"};
	for (int i = 0; i < 2; i++) {
		struct scene scene;
		scene_begin(&scene, state, "terminal_input");
		/* Not as controlling terminal: when its session ends, the fd is dead. */
		int console = open("/dev/tty63", O_RDWR | O_NOCTTY | O_CLOEXEC);
		skip_without(console >= 0, "a virtual console (CONFIG_VT, /dev/tty63)");
		scene.input = console;
		scene.works_for = FOR_ROOT;
		scene_add_argument(&scene, "%s", variants[i]);
		scene_must_hold(&scene);
		close(console);
		box_teardown(state);
	}
}

/* All that a host program may have and that is not to be passed on. */
static void become_untidy(void)
{
	const gid_t groups[] = {0, 7, 42};
	const struct rlimit core = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
	sigset_t mask;
	umask(0);
	setenv("LD_PRELOAD", "/no/such/library.so", 1);
	setenv("HOST_SECRET", SECRET, 1);
	setgroups(3, groups);
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signal(SIGTERM, SIG_IGN);
	setrlimit(RLIMIT_CORE, &core);
	assert_int_equal(chdir("/usr"), 0);
}

static void inherit(void **state, const char *what, unsigned works_for)
{
	struct scene scene;
	scene_begin(&scene, state, "inherited");
	scene.enter = become_untidy;
	scene.works_for = works_for;
	scene_add_argument(&scene, "%s", what);
	scene_must_hold(&scene);
	box_teardown(state);
}

static void test_what_is_inherited(void **state)
{
	static const char *const things[] = {"umask",   "environment", "blocked", "ignored",
					     "session", "directory",   "core"};
	for (size_t i = 0; i < sizeof(things) / sizeof(things[0]); i++)
		inherit(state, things[i], FOR_BOTH);
	/* The ordinary user of the bare chroot has given them up. */
	inherit(state, "groups", FOR_ROOT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_EACH_STRENGTH(test_leaked_directory),
		AT_EACH_STRENGTH(test_directory_leaked_above_the_limit),
		AT_EACH_STRENGTH(test_handed_directory_read),
		AT_EACH_STRENGTH(test_handed_directory_create),
		AT_EACH_STRENGTH(test_handed_directory_execute),
		AT_EACH_STRENGTH(test_handed_directory_change),
		AT_EACH_STRENGTH(test_handed_directory_watch),
		AT_EACH_STRENGTH(test_handed_directory_connect),
		AT_EACH_STRENGTH(test_abstract_socket),
		AT_EACH_STRENGTH(test_abstract_socket_in_a_shared_network),
		AT_EACH_STRENGTH(test_moved_directory),
		AT_EACH_STRENGTH(test_terminal_input),
		AT_EACH_STRENGTH(test_terminal_input_without_privileges),
		AT_EACH_STRENGTH(test_console),
		AT_EACH_STRENGTH(test_what_is_inherited),
	};
	return cmocka_run_group_tests_name("handed", tests, NULL, box_group_teardown);
}
