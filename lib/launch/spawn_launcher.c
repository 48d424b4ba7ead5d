/* SPDX-License-Identifier: MIT */
/*
 * The launcher is executed from a sealed memfd, so that no file has to be found and nobody can change it, not even
 * through /proc/PID/exe (CVE-2019-5736).
 *
 * It must not be a child of the host: the host's wait(2) would wait for it. So an intermediate process makes it and
 * ends; that one has no exit signal, so neither the host's SIGCHLD handling nor its wait(-1) meets it. Both are made
 * with vfork semantics on stacks of their own, because a copy of a large heap is slow. Between clone and exec only
 * system calls are made.
 */
#include "launch/spawn_launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "core/log.h"
#include "core/memfd.h"
#include "launch/explain/subjects.h"
#include "launch/explain/surroundings.h"
#include "launch/plan/plan.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

/* The program, from launcher_image.S. */
extern const char launcher_image[], launcher_image_end[];

enum { STACK_SIZE = 32768, LAUNCHER_FD_PROGRAM = LAUNCHER_FD_HOST + 1, SAFE_FD = LAUNCHER_FD_PROGRAM + 1 };

struct launch_arguments {
	int fds[4]; /* requests, control, host, program */
	char *stack;
	int error;
	const char *failed; /* call */
};

/* A fd, or a negative errno. */
static int program_memfd(void)
{
	size_t size = (size_t)(launcher_image_end - launcher_image);
	_cleanup_close_ int fd = memfd_with("viso-launcher", MFD_EXEC, launcher_image, size);
	/* Before Linux 6.3 every memfd may be executed and the flag is unknown. */
	if (fd == -EINVAL)
		fd = memfd_with("viso-launcher", 0, launcher_image, size);
	if (fd < 0)
		return fd;
	int r = memfd_seal(fd);
	return r < 0 ? r : TAKE_FD(fd);
}

/* Its fds in their places, all others closed. */
static int arrange_fds(const int fds[4])
{
	int safe[4];
	for (int i = 0; i < 4; i++)
		if ((safe[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, SAFE_FD)) < 0)
			return -1;
	for (int i = 0; i < 4; i++)
		if (dup3(safe[i], LAUNCHER_FD_REQUESTS + i, i == 3 ? O_CLOEXEC : 0) < 0)
			return -1;
	if (syscall(SYS_close_range, LAUNCHER_FD_PROGRAM + 1u, ~0u, 0) == 0)
		return 0;
	/* Before Linux 5.9: what the host has open without close-on-exec would go along. */
	long limit = sysconf(_SC_OPEN_MAX);
	for (int fd = LAUNCHER_FD_PROGRAM + 1; fd < limit; fd++)
		close(fd);
	return 0;
}

static int launcher_child(void *data)
{
	struct launch_arguments *arguments = data;
	char *const argv[] = {(char *)"viso-launcher", NULL};
	char *const env[] = {NULL};
	if (arrange_fds(arguments->fds) == 0)
		syscall(SYS_execveat, LAUNCHER_FD_PROGRAM, "", argv, env, AT_EMPTY_PATH);
	else if (errno == EINVAL || errno == EBADF)
		errno = EMFILE; /* no place for them: they are at or above the limit (fcntl(2), dup(2)) */
	arguments->error = errno;
	_exit(127);
}

static int intermediate_child(void *data)
{
	struct launch_arguments *arguments = data;
	if (clone(launcher_child, arguments->stack + STACK_SIZE, CLONE_VM | CLONE_VFORK | SIGCHLD, data) < 0) {
		arguments->error = errno;
		arguments->failed = "clone";
	}
	_exit(0);
}

static int fail_spawn(int error, const char *call)
{
	char advice[ADVICE_MAX] = "";
	if (error == EAGAIN)
		explain_clone(advice, sizeof(advice), error);
	return error_fail(VISO_STAGE_LAUNCHER, error, call, "the launcher cannot be started: %s%s%s",
			  strerrordesc_np(error), advice[0] ? "; " : "", advice);
}

static int clone_and_exec(struct launch_arguments *arguments)
{
	char *stacks =
		mmap(NULL, 2 * STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stacks == MAP_FAILED)
		return error_memory();
	arguments->stack = stacks;

	/*
	 * No handler of the host may run in a process that shares its memory, and this thread must not be cancelled
	 * between. By system call, since glibc leaves the signals out that it uses itself.
	 */
	unsigned long all = ~0ul, old;
	int cancel;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, sizeof(all));
	pid_t pid = clone(intermediate_child, stacks + 2 * STACK_SIZE, CLONE_VM | CLONE_VFORK, arguments);
	int error = pid < 0 ? errno : 0;
	/* Another thread may wait for everything there is; then it is reaped as well. */
	while (pid > 0 && waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, sizeof(old));
	pthread_setcancelstate(cancel, NULL);
	munmap(stacks, 2 * STACK_SIZE);
	if (!error)
		error = arguments->error;
	return error ? fail_spawn(error, pid < 0 ? "clone" : arguments->failed) : 0;
}

/* The first for the host program, the second for the launcher. */
static int make_sockets(int sockets[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
		return -1;
	sockets[0] = fd_above_streams(sockets[0]);
	return sockets[0] < 0 ? -1 : 0;
}

int spawn_launcher(bool detached, int *out_requests, int *out_control)
{
	int requests[2] = {-1, -1}, control[2] = {-1, -1};
	_cleanup_close_ int program = program_memfd();
	/* What a detached one waits for instead never happens. */
	_cleanup_close_ int host = detached ? eventfd(0, EFD_CLOEXEC) : (int)syscall(SYS_pidfd_open, getpid(), 0);
	int r = 0;

	if (program < 0) {
		r = error_fail(VISO_STAGE_LAUNCHER, -program, "memfd_create",
			       "the launcher cannot be started: memfd: %s", strerrordesc_np(-program));
	} else if (host < 0 || make_sockets(requests) < 0 || make_sockets(control) < 0) {
		const char *what = host >= 0 ? "socketpair" : detached ? "eventfd" : "pidfd_open";
		r = error_fail(VISO_STAGE_LAUNCHER, errno, what, "the launcher cannot be started: %s: %s", what,
			       strerrordesc_np(errno));
	} else {
		struct launch_arguments arguments = {.fds = {requests[1], control[1], host, program},
						     .failed = "execveat"};
		r = clone_and_exec(&arguments);
	}
	close_fd(requests[1]);
	close_fd(control[1]);
	if (r < 0) {
		close_fd(requests[0]);
		close_fd(control[0]);
		return r;
	}
	log_debug("the launcher was started");
	*out_requests = requests[0];
	*out_control = control[0];
	return 0;
}
