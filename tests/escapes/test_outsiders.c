/* SPDX-License-Identifier: MIT */
/*
 * Ways out by another process of the same user, outside: root's where uid 0 runs in the jail, an ordinary user's where
 * that one does. A jail with a uid of its own has no such process; it tries that of the ordinary user.
 */
#include "box.h"
#include "outside.h"
#include "scene.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <mqueue.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attacks/attack.h"

/* The outsider, what is done with it, an address in its memory, a fd of its. */
static void begin(struct scene *scene, void **state, const char *attack, const char *method)
{
	scene_begin(scene, state, attack);
	scene_outsiders(scene);
	scene_add_argument(scene, "%s", THE_OUTSIDER);
	scene_add_argument(scene, "%s", method);
	scene_add_argument(scene, "%lx", (unsigned long)outsider_memory);
	scene_add_argument(scene, "%d", OUTSIDER_FD);
}

static void attack_outsider(void **state, const char *attack, const char *method, int landlock)
{
	struct scene scene;
	begin(&scene, state, attack, method);
	scene.needs_landlock = landlock;
	scene_must_hold(&scene);
	box_teardown(state);
}

static void test_trace(void **state)
{
	attack_outsider(state, "trace_outsider", "attach", 0);
	attack_outsider(state, "trace_outsider", "seize", 0);
}

static void test_memory(void **state)
{
	attack_outsider(state, "trace_outsider", "read", 0);
	attack_outsider(state, "trace_outsider", "write", 0);
}

static void test_fd_by_pidfd(void **state)
{
	attack_outsider(state, "trace_outsider", "getfd", 0);
}

static void test_signals(void **state)
{
	static const char *const calls[] = {
		"kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal"};
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		attack_outsider(state, "kill_outsider", calls[i], 6);
}

/*
 * The outsider is no child of the program that runs the jail: what is seen is whether it is there. Who has got the
 * signal ends when it runs next, which on a busy machine is not at once; pending it stays to the end, since what ends
 * its process is not taken from the queue (complete_signal() in kernel/signal.c).
 */
static bool has_ended(const struct scene *scene, bool as_root)
{
	char text[64];
	int outsider = scene->outsiders[as_root ? 0 : 1];
	if (kill(outsider, 0) < 0)
		return true;
	return strtoul(outside_status(outsider, "ShdPnd", text, sizeof(text)), NULL, 16) & 1ul << (SIGTERM - 1);
}

static void test_signal_by_file(void **state)
{
	struct scene scene;
	begin(&scene, state, "signal_by_file", "");
	scene.needs_landlock = 6;
	scene.succeeded = has_ended;
	scene_must_hold(&scene);
}

static void test_proc_of_the_host(void **state)
{
	static const char *const ways[] = {"root", "cwd", "task", "fd", "mem"};
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct scene scene;
		begin(&scene, state, "proc_of_outsider", ways[i]);
		scene.host_proc = true;
		scene.needs_landlock = 1;
		scene_must_hold(&scene);
		box_teardown(state);
	}
}

static void test_proc_makes_a_victim(void **state)
{
	struct scene scene;
	begin(&scene, state, "proc_of_outsider", "oom_score_adj");
	scene.host_proc = true;
	scene.leftover = "a root without the host's /proc, or a jail with a uid of its own, against oom_score_adj";
	scene_must_hold(&scene);
}

static void test_proc_changes_the_host(void **state)
{
	struct scene scene;
	scene_begin(&scene, state, "host_setting");
	scene.works_for = FOR_ROOT;
	scene.host_proc = true;
	scene.leftover = "a root without the host's /proc, or a jail of another user than root, against /proc/sys";
	scene_must_hold(&scene);
}

static void change(void **state, const char *call, const char *leftover)
{
	struct scene scene;
	begin(&scene, state, "slow_outsider", call);
	scene.facility = call;
	scene.leftover = leftover;
	scene_must_hold(&scene);
}

static void test_prlimit(void **state)
{
	change(state, "prlimit", NULL);
}

/* Threads have such numbers too, so that no filter can tell a thread of the program from a process outside. */
#define WHO_GETS_TIME(call)                                                                                            \
	static void test_##call(void **state)                                                                          \
	{                                                                                                              \
		change(state, #call, "a jail with a uid of its own, against " #call "(2)");                            \
	}
WHO_GETS_TIME(setpriority)
WHO_GETS_TIME(sched_setaffinity)
WHO_GETS_TIME(sched_setscheduler)
WHO_GETS_TIME(ioprio_set)

static key_t key_of_ipc(void)
{
	return 0x56490000 + getpid() % 0x10000;
}

static void test_shared_memory(void **state)
{
	struct scene scene;
	scene_begin(&scene, state, "shared_memory");
	int id = shmget(key_of_ipc(), 4096, IPC_CREAT | IPC_EXCL | 0666);
	skip_without(id >= 0 || errno != ENOSYS, "System V IPC (CONFIG_SYSVIPC)");
	assert_true(id >= 0);
	char *memory = shmat(id, NULL, 0);
	strcpy(memory, SECRET);
	scene_add_argument(&scene, "%#x", (unsigned)key_of_ipc());
	scene_must_hold(&scene);
	shmdt(memory);
	shmctl(id, IPC_RMID, NULL);
}

static void test_semaphore(void **state)
{
	struct scene scene;
	scene_begin(&scene, state, "semaphore");
	int id = semget(key_of_ipc(), 1, IPC_CREAT | IPC_EXCL | 0666);
	skip_without(id >= 0 || errno != ENOSYS, "System V IPC (CONFIG_SYSVIPC)");
	assert_true(id >= 0);
	scene_add_argument(&scene, "%#x", (unsigned)key_of_ipc());
	scene_must_hold(&scene);
	semctl(id, 0, IPC_RMID);
}

static void test_message_queue(void **state)
{
	struct {
		long type;
		char text[64];
	} message = {1, SECRET};
	struct scene scene;
	scene_begin(&scene, state, "messages");
	int id = msgget(key_of_ipc(), IPC_CREAT | IPC_EXCL | 0666);
	skip_without(id >= 0 || errno != ENOSYS, "System V IPC (CONFIG_SYSVIPC)");
	assert_true(id >= 0 && msgsnd(id, &message, sizeof(message.text), 0) == 0);
	scene_add_argument(&scene, "%#x", (unsigned)key_of_ipc());
	scene_must_hold(&scene);
	msgctl(id, IPC_RMID, NULL);
}

static void test_posix_message_queue(void **state)
{
	struct mq_attr attributes = {.mq_maxmsg = 4, .mq_msgsize = 64};
	struct scene scene;
	char name[64];
	scene_begin(&scene, state, "posix_queue");
	snprintf(name, sizeof(name), "/viso-test-%d", (int)getpid());
	mode_t mask = umask(0);
	mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666, &attributes);
	umask(mask);
	skip_without(queue >= 0 || errno != ENOSYS, "POSIX message queues (CONFIG_POSIX_MQUEUE)");
	assert_true(queue >= 0);
	assert_int_equal(mq_send(queue, SECRET, sizeof(SECRET), 0), 0);
	scene_add_argument(&scene, "%s", name);
	scene_must_hold(&scene);
	mq_close(queue);
	mq_unlink(name);
}

static long add_key(const char *name, int ring)
{
	return syscall(SYS_add_key, "user", name, SECRET, strlen(SECRET), ring);
}

static void test_keys_of_the_session(void **state)
{
	struct scene scene;
	char name[64];
	scene_begin(&scene, state, "keyring");
	/* A session keyring for this test alone. */
	skip_without(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0, "kernel keyrings (CONFIG_KEYS)");
	snprintf(name, sizeof(name), "viso-test-%d", (int)getpid());
	long key = add_key(name, KEY_SPEC_SESSION_KEYRING);
	assert_true(key >= 0);
	scene_add_argument(&scene, "%s", name);
	scene_add_argument(&scene, "session");
	scene_must_hold(&scene);
	syscall(SYS_keyctl, KEYCTL_UNLINK, key, KEY_SPEC_SESSION_KEYRING);
}

/* Puts the key into the ring of the user that it runs as, or takes it out; that ring has to be possessed. */
static bool change_key(const char *name, bool add)
{
	syscall(SYS_keyctl, KEYCTL_LINK, KEY_SPEC_USER_KEYRING, KEY_SPEC_PROCESS_KEYRING);
	if (add)
		return add_key(name, KEY_SPEC_USER_KEYRING) >= 0;
	long key = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_USER_KEYRING, "user", name, 0);
	return key >= 0 && syscall(SYS_keyctl, KEYCTL_UNLINK, key, KEY_SPEC_USER_KEYRING) >= 0;
}

static void change_key_of_both(const char *name, bool add)
{
	static const uid_t users[] = {0, SCENE_USER};
	for (int i = 0; i < 2; i++) {
		int status;
		pid_t pid = fork();
		if (pid == 0)
			_exit(setresuid(users[i], users[i], users[i]) < 0 || !change_key(name, add));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

static void test_keys_of_the_user(void **state)
{
	struct scene scene;
	char name[64];
	scene_begin(&scene, state, "keyring");
	skip_without(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0, "kernel keyrings (CONFIG_KEYS)");
	snprintf(name, sizeof(name), "viso-test-user-%d", (int)getpid());
	change_key_of_both(name, true);
	scene_add_argument(&scene, "%s", name);
	scene_add_argument(&scene, "user");
	scene_must_hold(&scene);
	change_key_of_both(name, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_EACH_STRENGTH(test_trace),
		AT_EACH_STRENGTH(test_memory),
		AT_EACH_STRENGTH(test_fd_by_pidfd),
		AT_EACH_STRENGTH(test_signals),
		AT_EACH_STRENGTH(test_signal_by_file),
		AT_EACH_STRENGTH(test_proc_of_the_host),
		AT_EACH_STRENGTH(test_proc_makes_a_victim),
		AT_EACH_STRENGTH(test_proc_changes_the_host),
		AT_EACH_STRENGTH(test_prlimit),
		AT_EACH_STRENGTH(test_setpriority),
		AT_EACH_STRENGTH(test_sched_setaffinity),
		AT_EACH_STRENGTH(test_sched_setscheduler),
		AT_EACH_STRENGTH(test_ioprio_set),
		AT_EACH_STRENGTH(test_shared_memory),
		AT_EACH_STRENGTH(test_semaphore),
		AT_EACH_STRENGTH(test_message_queue),
		AT_EACH_STRENGTH(test_posix_message_queue),
		AT_EACH_STRENGTH(test_keys_of_the_session),
		AT_EACH_STRENGTH(test_keys_of_the_user),
	};
	return cmocka_run_group_tests_name("outsiders", tests, NULL, box_group_teardown);
}
