/* SPDX-License-Identifier: MIT */
/*
 * The launcher's first process. It keeps workers ready, and when the host program dies it lets them end what they
 * supervise, ends what is left, and removes the trees that the host left to it.
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
static struct {
	pid_t pid;
	struct start_page *page;
} workers[WORKERS_MAX];
static int worker_count;
static int wake_fd;
static int handed_on; /* main's end of worker.other_worker */

/* Control groups of workers that were killed: they go when what is in them has ended. */
struct left_cgroup {
	struct left_cgroup *next;
	char path[];
};
static struct left_cgroup *left_cgroups;

struct guarded {
	struct guarded *next;
	uint32_t group;
	uint8_t kind;
	char path[];
};
static struct guarded *guarded;

/*
 * As after boot: nothing ignored, nothing blocked, whatever the host had. By system call, since musl keeps three
 * signals to itself, which the host may have ignored.
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
static bool become_nobody_in_particular(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; null >= 0 && i < 3; i++)
		dup3(null, i, O_CLOEXEC);
	for (int fd = LAUNCHER_FD_REQUESTS; fd <= LAUNCHER_FD_HOST; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	setsid();
	/* Or the init of a container would keep a directory of the host: pivot_root(2) moves who is in the root. */
	if (chdir("/") < 0)
		return false;
	umask(022);
	reset_signals();
	signal(SIGPIPE, SIG_IGN);
	/* Captured output goes to memfds: the host's own RLIMIT_FSIZE must show as a failed write. */
	signal(SIGXFSZ, SIG_IGN);
	prctl(PR_SET_NAME, "viso-launcher");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	return true;
}

/*
 * A host that the OOM killer is to spare, as many services are, does not spare its programs: they would be the last to
 * go. A score above zero stays.
 */
static void take_usual_oom_score(void)
{
	char score[16] = "";
	int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	if (fd >= 0 && read(fd, score, sizeof(score) - 1) > 0 && score[0] == '-')
		(void)!write(fd, "0", 1);
	if (fd >= 0)
		close(fd);
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

/* An idle one; or, where `received` is not 0, one for the plan that was taken in. False with errno. */
static bool add_worker(ssize_t received)
{
	errno = EAGAIN;
	if (worker_count == WORKERS_MAX)
		return false;
	struct start_page *page = page_take();
	if (!page)
		return false;
	/* Counted here, so that a burst of requests does not make one worker for each glance at the counter. */
	int idle = received == 0;
	atomic_store(&page->idle, idle);
	atomic_fetch_add(&shared->idle_workers, idle);
	pid_t pid = fork();
	if (pid == 0) {
		close(handed_on);
		worker_main(shared, page, wake_fd, received);
	}
	if (pid < 0) {
		int error = errno;
		atomic_fetch_sub(&shared->idle_workers, idle);
		page_give_back(page);
		errno = error;
		return false;
	}
	workers[worker_count].pid = pid;
	workers[worker_count++].page = page;
	return true;
}

/* False where that was not possible. */
static bool keep_workers_ready(void)
{
	while (atomic_load(&shared->idle_workers) < READY_WORKERS)
		if (!add_worker(0))
			return false;
	return true;
}

/* A plan that came to a worker which cannot serve it. */
static void serve_handed_on(void)
{
	ssize_t received = worker_take_in(handed_on);
	if (received > 0)
		worker_let_go(add_worker(received) ? 0 : errno);
}

static void remember_cgroup(const char *path)
{
	struct left_cgroup *left = malloc(sizeof(*left) + strlen(path) + 1);
	if (!left)
		return;
	strcpy(left->path, path);
	left->next = left_cgroups;
	left_cgroups = left;
}

static void remove_left_cgroups(void)
{
	for (struct left_cgroup **link = &left_cgroups; *link;) {
		struct left_cgroup *left = *link;
		if (rmdir(left->path) < 0 && errno == EBUSY) {
			link = &left->next;
			continue;
		}
		*link = left->next;
		free(left);
	}
}

static void leave_cgroups(const struct cgroup *groups)
{
	for (int i = 0; i < CGROUPS; i++)
		if (groups[i].version) {
			cgroup_kill_left(&groups[i]);
			remember_cgroup(groups[i].path);
		}
}

/* A worker has ended; where it was killed, its page says what it would have put right. */
static void forget_worker(int index, bool killed)
{
	struct start_page *page = workers[index].page;
	if (atomic_load(&page->idle))
		atomic_fetch_sub(&shared->idle_workers, 1);
	leave_cgroups(page->cgroups);
	leave_cgroups(page->spare);
	members_kill_left(page->members);
	/* What a killed one has left may still write to its page: nobody else gets it. */
	if (!killed)
		page_give_back(page);
	workers[index] = workers[--worker_count];
}

static int find_worker(pid_t pid)
{
	for (int i = 0; i < worker_count; i++)
		if (workers[i].pid == pid)
			return i;
	return -1;
}

static bool is_worker(pid_t pid)
{
	return find_worker(pid) >= 0;
}

/* Reaps one child; false where none has ended, or there is none. One that was killed may have left others. */
static bool reap(int flags, bool *out_killed)
{
	int status;
	pid_t pid = waitpid(-1, &status, flags | __WALL);
	if (pid <= 0)
		return false;
	*out_killed = *out_killed || WIFSIGNALED(status);
	int index = find_worker(pid);
	if (index >= 0)
		forget_worker(index, WIFSIGNALED(status));
	return true;
}

/* The host waits for one of them, which will never tell. */
static void kill_stopped_workers(void)
{
	for (int i = 0; i < worker_count; i++) {
		if (is_stopped(workers[i].pid))
			kill(workers[i].pid, SIGKILL);
		else
			kill_stopped_zygotes(workers[i].pid);
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

	if (guard.kind == GUARD_STOPPED) {
		kill_stopped_workers();
		return true;
	}
	if (guard.add) {
		for (struct guarded *entry = guarded; entry; entry = entry->next)
			if (entry->kind == guard.kind && !strcmp(entry->path, guard.path))
				return true;
		struct guarded *entry = malloc(sizeof(*entry) + strlen(guard.path) + 1);
		if (entry) {
			strcpy(entry->path, guard.path);
			entry->kind = guard.kind;
			entry->group = guard.group;
			entry->next = guarded;
			guarded = entry;
		}
		return true;
	}
	for (struct guarded **link = &guarded; *link; link = &(*link)->next)
		if ((*link)->kind == guard.kind && !strcmp((*link)->path, guard.path)) {
			struct guarded *entry = *link;
			*link = entry->next;
			free(entry);
			break;
		}
	return true;
}

/* A plan for which there is no worker and none to come soon: its sender must not wait for ever. */
static void refuse_plan(void)
{
	if (!add_worker(0)) {
		int error = errno;
		if (worker_take_in(LAUNCHER_FD_REQUESTS) > 0)
			worker_let_go(error);
	}
}

static void serve_until_host_ends(int signals)
{
	struct pollfd polls[] = {
		{.fd = LAUNCHER_FD_HOST, .events = POLLIN}, {.fd = LAUNCHER_FD_CONTROL, .events = POLLIN},
		{.fd = wake_fd, .events = POLLIN},          {.fd = signals, .events = POLLIN},
		{.fd = handed_on, .events = POLLIN},        {.fd = -1, .events = POLLIN},
	};
	for (;;) {
		bool ready = keep_workers_ready();
		polls[5].fd = ready || worker_count > 0 ? -1 : LAUNCHER_FD_REQUESTS;
		remove_left_cgroups();
		hollow_make_where_wanted(shared);
		/* What could not be done now is tried again. */
		if (poll(polls, 6, left_cgroups ? 5 : ready ? -1 : 50) < 0) {
			/* What `polls` says is old then, and reading for it could wait for ever. */
			if (errno == EINTR || errno == ENOMEM)
				continue;
			return;
		}
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
			bool killed = false;
			while (reap(WNOHANG, &killed))
				;
			/*
			 * A child that is no worker was left by one that was killed: nobody supervises it. Looked for
			 * only then: among thousands it takes long.
			 */
			if (killed)
				kill_children(is_worker);
		}
		if (polls[4].revents)
			serve_handed_on();
		if (polls[5].fd >= 0 && polls[5].revents)
			refuse_plan();
	}
}

/* The host's last messages may still be unread: they arrived before its end. */
static void read_last_guards(void)
{
	struct pollfd control = {.fd = LAUNCHER_FD_CONTROL, .events = POLLIN};
	while (poll(&control, 1, 0) > 0 && (control.revents & POLLIN) && serve_control())
		;
}

int main(int argc, char **argv)
{
	/* As the interpreter of a file in some root, which says `#!/proc/self/exe` (CVE-2019-5736). */
	if (argc != 1)
		return 127;
	if (!become_nobody_in_particular())
		return 1;
	make_room_for_fds();
	take_usual_oom_score();

	sigset_t child;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	int others[2];
	int signals = signalfd(-1, &child, SFD_CLOEXEC);
	wake_fd = eventfd(0, EFD_CLOEXEC);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	worker.launcher_pid = getpid();
	worker.launcher = (int)syscall(SYS_pidfd_open, worker.launcher_pid, 0);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, others) < 0)
		return 1;
	handed_on = others[0];
	worker.other_worker = others[1];
	if (signals < 0 || wake_fd < 0 || shared == MAP_FAILED || worker.launcher < 0)
		return 1;

	serve_until_host_ends(signals);

	/*
	 * Idle workers see the end of the request socket, busy ones the host's pidfd; and those that wait at a channel
	 * of their own, whose other end a child of the host may hold, the signal. One that somebody has stopped goes
	 * on.
	 */
	shutdown(LAUNCHER_FD_REQUESTS, SHUT_RDWR);
	close(handed_on); /* nor may one wait there until there is room */
	for (int i = 0; i < worker_count; i++) {
		kill(workers[i].pid, SIGUSR1);
		kill(workers[i].pid, SIGCONT);
	}
	read_last_guards();
	bool killed = true;
	do {
		if (killed)
			kill_children(is_worker);
		killed = false;
	} while (reap(0, &killed));
	for (int i = 0; left_cgroups && i < 1000; i++) {
		remove_left_cgroups();
		usleep(1000);
	}
	for (struct guarded *entry = guarded; entry; entry = entry->next)
		if (entry->kind == GUARD_BRIDGE)
			interfaces_remove(entry->path, entry->group);
		else
			remove_tree(entry->path);
	return 0;
}
