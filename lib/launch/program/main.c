/* SPDX-License-Identifier: MIT */
/*
 * The launcher's first process. It keeps workers ready, and when the host program dies it lets them end what they supervise,
 * ends what is left, and removes the trees that the host left to it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/remove_tree.h"
#include "launcher.h"

enum { READY_WORKERS = 2 };

static struct launcher_shared *shared;
static int worker_count;
static int wake_fd;

struct guarded {
	struct guarded *next;
	char path[];
};
static struct guarded *guarded;

/*
 * As after boot: nothing ignored, nothing blocked, whatever the host had. By system call, since musl keeps three signals to
 * itself, which the host may have ignored.
 */
static void reset_signals(void)
{
	struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		unsigned long mask;
	} action = {0};
	for (int i = 1; i <= 64; i++)
		syscall(SYS_rt_sigaction, i, &action, NULL, sizeof(action.mask));
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &action.mask, NULL, sizeof(action.mask));
}

/* Nothing of the host may be seen through the launcher: its streams, directory, session, signals. */
static void become_nobody_in_particular(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; null >= 0 && i < 3; i++)
		dup3(null, i, O_CLOEXEC);
	for (int fd = LAUNCHER_FD_REQUESTS; fd <= LAUNCHER_FD_HOST; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	setsid();
	chdir("/");
	umask(022);
	reset_signals();
	signal(SIGPIPE, SIG_IGN);
	/* Captured output goes to memfds: the host's own RLIMIT_FSIZE must show as a failed write. */
	signal(SIGXFSZ, SIG_IGN);
	prctl(PR_SET_NAME, "viso-launcher");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}

/* The slot of a worker; of a free one with pid 0; NULL where there is none. */
static struct worker_slot *find_slot(pid_t pid)
{
	for (int i = 0; i < WORKERS_MAX; i++)
		if (shared->slots[i].pid == pid)
			return &shared->slots[i];
	return NULL;
}

/* The host's limit on fds may be hardly enough for itself; programs get it back. */
static void make_room_for_fds(void)
{
	enum { ENOUGH = 256 };
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= ENOUGH)
		return;
	worker.host_files[0] = limit.rlim_cur;
	worker.host_files[1] = limit.rlim_max;
	limit.rlim_cur = limit.rlim_max < ENOUGH ? limit.rlim_max : ENOUGH;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static bool add_worker(void)
{
	struct worker_slot *slot = find_slot(0);
	if (!slot)
		return false;
	/* Counted here, so that a burst of requests does not make one worker for each glance at the counter. */
	atomic_fetch_add(&shared->idle_workers, 1);
	pid_t pid = fork();
	if (pid == 0)
		worker_main(shared, slot, wake_fd);
	if (pid < 0) {
		atomic_fetch_sub(&shared->idle_workers, 1);
		return false;
	}
	slot->pid = pid;
	worker_count++;
	return true;
}

static void keep_workers_ready(void)
{
	while (atomic_load(&shared->idle_workers) < READY_WORKERS)
		if (!add_worker())
			return;
}

/*
 * Kills what was left by a worker that was killed, and came to us: it must not go on without supervision. Workers are the
 * other children.
 */
static void kill_orphans(void)
{
	char text[4096];
	int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	close_quietly(fd);
	if (n <= 0)
		return;
	text[n] = '\0';
	for (char *next = text; *next;) {
		pid_t pid = (pid_t)strtol(next, &next, 10);
		if (pid > 0 && !find_slot(pid))
			kill(pid, SIGKILL);
		next += strspn(next, " ");
	}
}

/* A worker that ended by itself has left no group. */
static void remove_left_cgroups(struct worker_slot *slot)
{
	for (int i = 0; i < CGROUPS; i++) {
		for (int tries = 0; slot->cgroups[i][0] && tries < 1000; tries++) {
			if (rmdir(slot->cgroups[i]) == 0 || errno != EBUSY)
				break;
			kill_orphans();
			usleep(1000);
		}
		slot->cgroups[i][0] = '\0';
	}
}

static void reap(int flags)
{
	pid_t pid;
	while ((pid = waitpid(-1, NULL, flags | __WALL)) > 0) {
		struct worker_slot *slot = find_slot(pid);
		if (!slot)
			continue;
		slot->pid = 0;
		worker_count--;
		kill_orphans();
		remove_left_cgroups(slot);
	}
}

/* False where the host program closed its end. */
static bool serve_control(void)
{
	static struct guard guard;
	ssize_t n = recv(LAUNCHER_FD_CONTROL, &guard, sizeof(guard), 0);
	if (n <= 0)
		return n < 0 && errno == EINTR;
	((char *)&guard)[(size_t)n < sizeof(guard) ? (size_t)n : sizeof(guard) - 1] = '\0';

	if (guard.add) {
		struct guarded *entry = malloc(sizeof(*entry) + strlen(guard.path) + 1);
		if (entry) {
			strcpy(entry->path, guard.path);
			entry->next = guarded;
			guarded = entry;
		}
		return true;
	}
	for (struct guarded **link = &guarded; *link; link = &(*link)->next)
		if (!strcmp((*link)->path, guard.path)) {
			struct guarded *entry = *link;
			*link = entry->next;
			free(entry);
			break;
		}
	return true;
}

static void serve_until_host_ends(int signals)
{
	struct pollfd polls[] = {
		{.fd = LAUNCHER_FD_HOST, .events = POLLIN},
		{.fd = LAUNCHER_FD_CONTROL, .events = POLLIN},
		{.fd = wake_fd, .events = POLLIN},
		{.fd = signals, .events = POLLIN},
	};
	for (;;) {
		keep_workers_ready();
		if (poll(polls, 4, -1) < 0 && errno != EINTR)
			return;
		if (polls[0].revents)
			return;
		if (polls[1].revents && !serve_control())
			return;
		if (polls[2].revents) {
			uint64_t count;
			(void)!read(wake_fd, &count, sizeof(count));
		}
		if (polls[3].revents) {
			struct signalfd_siginfo info;
			(void)!read(signals, &info, sizeof(info));
			reap(WNOHANG);
			kill_orphans();
		}
	}
}

/* The host's last messages may still be unread: they arrived before its end. */
static void read_last_guards(void)
{
	struct pollfd control = {.fd = LAUNCHER_FD_CONTROL, .events = POLLIN};
	while (poll(&control, 1, 0) > 0 && (control.revents & POLLIN) && serve_control())
		;
}

int main(void)
{
	become_nobody_in_particular();
	make_room_for_fds();

	sigset_t child;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	int signals = signalfd(-1, &child, SFD_CLOEXEC);
	wake_fd = eventfd(0, EFD_CLOEXEC);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (signals < 0 || wake_fd < 0 || shared == MAP_FAILED)
		return 1;

	serve_until_host_ends(signals);

	/* Idle workers see the end of the request socket, busy ones the host's pidfd. */
	shutdown(LAUNCHER_FD_REQUESTS, SHUT_RDWR);
	read_last_guards();
	while (worker_count > 0)
		reap(0);
	kill_orphans();
	for (struct guarded *entry = guarded; entry; entry = entry->next)
		remove_tree(entry->path);
	return 0;
}
