/* SPDX-License-Identifier: MIT */
/* Ways out of a chroot. Each works in a bare one and is closed in a jail. */
#include "box.h"
#include "marked.h"
#include "scene.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/landlock.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "attacks/attack.h"

static int landlock_abi(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

static void test_nested_chroot(void **state)
{
	struct scene scene;
	scene_begin(&scene, state, "nested_chroot");
	scene_must_hold(&scene);
}

static void test_leaked_directory(void **state)
{
	struct scene scene;
	scene_begin(&scene, state, "leaked_directory");
	int fds[3] = {open("/", O_RDONLY | O_DIRECTORY), open("/", O_PATH | O_DIRECTORY), open(scene.outside, O_PATH)};
	assert_true(fds[0] >= 0 && fds[1] >= 0 && fds[2] >= 0);
	assert_int_equal(dup2(fds[0], 1000), 1000);
	scene_must_hold(&scene);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	close(1000);
}

static void test_outside_working_directory(void **state)
{
	struct scene scene;
	scene_begin(&scene, state, "outside_cwd");
	scene_must_hold(&scene);
}

static void test_device(void **state)
{
	struct scene scene;
	scene_begin(&scene, state, "device");
	scene_must_hold(&scene);
}

static void test_mount(void **state)
{
	struct scene scene;
	scene_begin(&scene, state, "mount_proc");
	scene_must_hold(&scene);
	box_teardown(state);
	scene_begin(&scene, state, "mount_new");
	scene_must_hold(&scene);
}

static void test_trace_outsider(void **state)
{
	struct scene scene;
	scene_begin(&scene, state, "trace_outsider");
	scene.as_user = true;
	scene_add_argument(&scene, "%d", (int)scene_outsider(&scene));
	scene_add_argument(&scene, "400000");
	scene_must_hold(&scene);
}

static void test_kill_outsider(void **state)
{
	struct scene scene;
	scene_begin(&scene, state, "kill_outsider");
	scene_add_argument(&scene, "%d", (int)scene_outsider(&scene));
	/* A jail that was given the same user is kept from it by Landlock alone. */
	scene.as_user = landlock_abi() >= 6;
	scene_must_hold(&scene);
	skip_without(landlock_abi() >= 6, "Landlock scopes (ABI 6)");
}

static void test_root_of_outsider(void **state)
{
	struct scene scene;
	scene_begin(&scene, state, "root_of_outsider");
	scene.host_proc = true;
	scene_add_argument(&scene, "%d", (int)scene_outsider(&scene));
	scene.as_user = landlock_abi() >= 1;
	scene_must_hold(&scene);
	skip_without(landlock_abi() >= 1, "Landlock");
}

/* Hands a directory of the host to whoever connects. */
static pid_t accomplice_with_socket(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "%s", name);
	assert_int_equal(bind(listener, (struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name))),
			 0);
	assert_int_equal(listen(listener, 5), 0);
	pid_t pid = fork();
	if (pid == 0) {
		alarm(60);
		for (;;) {
			char control[CMSG_SPACE(sizeof(int))] = {0};
			struct iovec iov = {(void *)"x", 1};
			struct msghdr message = {.msg_iov = &iov,
						 .msg_iovlen = 1,
						 .msg_control = control,
						 .msg_controllen = sizeof(control)};
			struct cmsghdr *header = CMSG_FIRSTHDR(&message);
			int directory = open("/", O_PATH | O_DIRECTORY), fd = accept(listener, NULL, NULL);
			*header = (struct cmsghdr){
				.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
			memcpy(CMSG_DATA(header), &directory, sizeof(directory));
			sendmsg(fd, &message, MSG_NOSIGNAL);
			close(fd);
			close(directory);
		}
	}
	close(listener);
	return pid;
}

static void test_abstract_socket(void **state)
{
	struct scene scene;
	char name[64];
	scene_begin(&scene, state, "abstract_socket");
	skip_without(landlock_abi() >= 6, "Landlock scopes (ABI 6)");
	snprintf(name, sizeof(name), "viso-test-%d", (int)getpid());
	scene.accomplice = accomplice_with_socket(name);
	scene.as_user = true;
	scene_add_argument(&scene, "%s", name);
	scene_must_hold(&scene);
}

static void test_shared_memory(void **state)
{
	struct scene scene;
	scene_begin(&scene, state, "shared_memory");
	key_t key = 0x56490000 + getpid() % 0x10000;
	int id = shmget(key, 4096, IPC_CREAT | IPC_EXCL | 0666);
	assert_true(id >= 0);
	char *memory = shmat(id, NULL, 0);
	strcpy(memory, SECRET);
	scene_add_argument(&scene, "%#x", (unsigned)key);
	scene.as_user = true;
	scene_must_hold(&scene);
	shmdt(memory);
	shmctl(id, IPC_RMID, NULL);
}

static void push_into_terminal(void **state, const char *variant)
{
	struct scene scene;
	char name[64];
	scene_begin(&scene, state, "terminal_input");
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	assert_int_equal(ptsname_r(master, name, sizeof(name)), 0);
	scene.terminal = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(scene.terminal >= 0);
	scene_add_argument(&scene, "%s", variant);
	scene_must_hold(&scene);
	close(scene.terminal);
	close(master);
	box_teardown(state);
}

static void test_terminal_input(void **state)
{
	push_into_terminal(state, "plain");
	push_into_terminal(state, "high");
}

static void test_keyring(void **state)
{
	struct scene scene;
	char name[64];
	scene_begin(&scene, state, "keyring");
	/* A session keyring for this test alone. */
	skip_without(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0, "kernel keyrings (CONFIG_KEYS)");
	snprintf(name, sizeof(name), "viso-test-%d", (int)getpid());
	long key = syscall(SYS_add_key, "user", name, SECRET, strlen(SECRET), KEY_SPEC_SESSION_KEYRING);
	assert_true(key >= 0);
	scene_add_argument(&scene, "%s", name);
	scene_must_hold(&scene);
	syscall(SYS_keyctl, KEYCTL_UNLINK, key, KEY_SPEC_SESSION_KEYRING);
}

static void test_file_handle(void **state)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} file = {.handle.handle_bytes = MAX_HANDLE_SZ};
	char hex[2 * MAX_HANDLE_SZ + 1] = "";
	struct scene scene;
	int mount_id;
	scene_begin(&scene, state, "file_handle");
	skip_without(name_to_handle_at(AT_FDCWD, scene.secret, &file.handle, &mount_id, 0) == 0,
		     "file handles on the file system of the test");
	for (unsigned i = 0; i < file.handle.handle_bytes; i++)
		sprintf(hex + 2 * i, "%02x", file.handle.f_handle[i]);
	scene_add_argument(&scene, "%d", file.handle.handle_type);
	scene_add_argument(&scene, "%s", hex);
	scene_must_hold(&scene);
}

static void test_setuid_program(void **state)
{
	struct scene scene;
	scene_begin(&scene, state, "setuid");
	char *path = tree_path(scene.tree, "bin/setuid");
	assert_int_equal(chown(path, 0, 0), 0);
	assert_int_equal(chmod(path, 04755), 0);
	char *plain = tree_path(scene.tree, "bin/again");
	assert_int_equal(rename(path, plain), 0);
	tree_copy(plain, scene.tree, "bin/setuid");
	scene.as_user = true;
	scene_add_argument(&scene, "/bin/again");
	scene_must_hold(&scene);
	free(path);
	free(plain);
}

/* CVE-2019-5736: what runs in a sandbox must not be able to change the program that started it. */
static void test_launcher_cannot_be_overwritten(void **state)
{
	struct box *box = box_open(state);
	unsigned mark = mark_new();
	pid_t pids[8];
	char path[64];
	mark_this_process(mark);
	assert_prints(box, probe("cwd", NULL), "/\n");
	/* Started before it was marked, or now: what it supervises is marked in any case only where it is. */
	int count = marked_processes(mark, "viso-launcher", 0, pids, 8);
	assert_true(count >= 1);
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pids[0]);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	const int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
	assert_int_equal(fcntl(fd, F_GET_SEALS) & seals, seals);
	close(fd);
	assert_int_equal(open(path, O_WRONLY | O_CLOEXEC), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_JAIL(test_launcher_cannot_be_overwritten),
		AT_JAIL(test_nested_chroot),
		AT_JAIL(test_leaked_directory),
		AT_JAIL(test_outside_working_directory),
		AT_JAIL(test_device),
		AT_JAIL(test_mount),
		AT_JAIL(test_trace_outsider),
		AT_JAIL(test_kill_outsider),
		AT_JAIL(test_root_of_outsider),
		AT_JAIL(test_abstract_socket),
		AT_JAIL(test_shared_memory),
		AT_JAIL(test_terminal_input),
		AT_JAIL(test_keyring),
		AT_JAIL(test_file_handle),
		AT_JAIL(test_setuid_program),
	};
	return cmocka_run_group_tests_name("escapes", tests, NULL, box_group_teardown);
}
