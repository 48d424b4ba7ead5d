/* SPDX-License-Identifier: MIT */
#include "machine/child.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_UNPOISON_MEMORY_REGION(address, size)
#endif

enum { STACK_SIZE = 64 * 1024 };

/* As the kernel has it (64 signals). glibc's pthread_sigmask() leaves out the two that it uses itself. */
static void change_signal_mask(uint64_t new, uint64_t *old)
{
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &new, old, sizeof(new));
}

/* The timer and the disposition are the child's own: a clone without CLONE_SIGHAND has copies, and no timers. */
static void set_watchdog(unsigned timeout_ms)
{
	const struct itimerval timer = {
		.it_value = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000},
	};
	const struct sigaction kill = {.sa_handler = SIG_DFL};
	sigaction(SIGALRM, &kill, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	change_signal_mask(~(UINT64_C(1) << (SIGALRM - 1)), NULL);
}

static int child_main(void *argument)
{
	const struct child *child = argument;
	if (child->timeout_ms)
		set_watchdog(child->timeout_ms);
	child->work(child->data);
	/* Not exit(3): the handlers and streams are the caller's. */
	syscall(SYS_exit_group, 0);
	return 0;
}

/*
 * CLONE_VM: the cost does not grow with the memory of the host program. CLONE_VFORK: only this thread waits, which also
 * makes its errno the child's for that time. Exit signal 0: no SIGCHLD, and no status that the host's own waitpid(2)
 * would see (without __WALL, which is why ECHILD from ours is no failure). Signals are blocked, as in posix_spawn(3),
 * since a handler of the host must not run in the child on shared memory; and cancellation, which would unwind the
 * stack of the caller there.
 */
int child_run(const struct child *child, unsigned flags)
{
	uint64_t mask;
	int cancel_state;
	int saved = errno;

	char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stack == MAP_FAILED)
		return -ENOMEM;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	change_signal_mask(~UINT64_C(0), &mask);
	int pid = clone(child_main, stack + STACK_SIZE, (int)(CLONE_VM | CLONE_VFORK | flags), (void *)child);
	int r = pid < 0 ? -errno : 0;
	if (pid > 0)
		while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
			;
	change_signal_mask(mask, NULL);
	pthread_setcancelstate(cancel_state, NULL);
	/* The child never returned from the frames that it had there. */
	ASAN_UNPOISON_MEMORY_REGION(stack, STACK_SIZE);
	munmap(stack, STACK_SIZE);
	errno = saved;
	return r;
}
