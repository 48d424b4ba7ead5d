/* SPDX-License-Identifier: MIT */
/*
 * An allow list: what the serving of a guest calls, and the start-up of a static program. Among them is none that makes
 * a socket but pairs of the guest's own, a process, a program or a mount, that looks at other processes, or that steers
 * a terminal.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <virtiso/container_security.h>

#include "core/error.h"
#include "guest/contained/contained.h"

static const char *const calls[] = {
	"arch_prctl",
	"brk",
	"clock_getres",
	"clock_gettime",
	"clock_nanosleep",
	"close",
	"copy_file_range",
	"dup",
	"dup2",
	"dup3",
	"epoll_create1",
	"epoll_ctl",
	"epoll_pwait",
	"epoll_wait",
	"eventfd2",
	"exit",
	"exit_group",
	"faccessat",
	"faccessat2",
	"fadvise64",
	"fdatasync",
	"fstat",
	"fstatfs",
	"fsync",
	"futex",
	"getdents64",
	"getegid",
	"geteuid",
	"getgid",
	"getpid",
	"getppid",
	"getpriority",
	"getrandom",
	"getpeername",
	"getrlimit",
	"getsockname",
	"getsockopt",
	"setsockopt",
	"shutdown",
	"getrusage",
	"gettid",
	"gettimeofday",
	"getuid",
	"lseek",
	"madvise",
	"mincore",
	"mmap",
	"mprotect",
	"mremap",
	"munmap",
	"nanosleep",
	"newfstatat",
	"pipe2",
	"poll",
	"ppoll",
	"pread64",
	"preadv",
	"preadv2",
	"pwrite64",
	"pwritev",
	"pwritev2",
	"read",
	"readahead",
	"readlink",
	"readlinkat",
	"readv",
	"recvfrom",
	"recvmsg",
	"restart_syscall",
	"rseq",
	"rt_sigaction",
	"rt_sigpending",
	"rt_sigprocmask",
	"rt_sigqueueinfo",
	"rt_sigreturn",
	"rt_sigtimedwait",
	"rt_tgsigqueueinfo",
	"sched_getaffinity",
	"sched_getparam",
	"sched_getscheduler",
	"sched_yield",
	"sendfile",
	"sendmsg",
	"sendto",
	"set_robust_list",
	"set_tid_address",
	"stat",
	"statfs",
	"statx",
	"sysinfo",
	"tgkill",
	"timer_create",
	"timer_delete",
	"timer_getoverrun",
	"timer_gettime",
	"timer_settime",
	"timerfd_create",
	"timerfd_gettime",
	"timerfd_settime",
	"times",
	"uname",
	"write",
	"writev",
};

/* What files of the host are changed with; none but these go beyond an open file. */
static const char *const changes[] = {
	"fallocate", "ftruncate", "linkat", "mkdirat", "renameat", "renameat2", "symlinkat", "unlinkat", "utimensat",
};

/*
 * No programs that run as the host's user: set_mode() of files/layer_host.c never asks for S_ISUID or S_ISGID. A new
 * file has such bits as well where it is asked for with them; openat2(2), which takes them from memory that a filter
 * cannot see, is none of the calls.
 */
static int allow_without_rights(viso_container *container, const char *call, unsigned mode_argument)
{
	return viso_container_add_syscall_rule_if(container, call, mode_argument, S_ISUID | S_ISGID, 0,
						  VISO_SYSCALL_ALLOW, 0);
}

static int allow_opening(viso_container *container)
{
	int r = allow_without_rights(container, "open", 2);
	return r ? r : allow_without_rights(container, "openat", 3);
}

static int allow_changes(viso_container *container)
{
	int r = allow_without_rights(container, "chmod", 1);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]) && r == 0; i++)
		r = viso_container_add_syscall_rule(container, changes[i], VISO_SYSCALL_ALLOW, 0);
	return r;
}

/* The kind of an ioctl(2) lies in bits 8 to 15; terminals' is 'T', of which asking is allowed alone. */
static int allow_ioctls(viso_container *container)
{
	static const unsigned terminal[] = {TCGETS, TIOCGWINSZ, FIONREAD, TIOCGPTN};
	int r = viso_container_add_syscall_rule_if(container, "ioctl", 1, 0xff00, KVMIO << 8, VISO_SYSCALL_ALLOW, 0);
	for (size_t i = 0; i < sizeof(terminal) / sizeof(terminal[0]) && r == 0; i++)
		r = viso_container_add_syscall_rule_if(container, "ioctl", 1, 0xffffffff, terminal[i],
						       VISO_SYSCALL_ALLOW, 0);
	return r;
}

/*
 * To copy a fd and to ask. Files and streams of the host are open here: a lock or lease of one would keep others of the
 * host waiting, and the flags of an open file, the size of a pipe and seals are the host program's own.
 */
static int allow_fcntl(viso_container *container, const unsigned *commands, size_t count)
{
	int r = 0;
	for (size_t i = 0; i < count && r == 0; i++)
		r = viso_container_add_syscall_rule_if(container, "fcntl", 1, 0xffffffff, commands[i],
						       VISO_SYSCALL_ALLOW, 0);
	return r;
}

static int allow_fds(viso_container *container)
{
	static const unsigned commands[] = {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL};
	return allow_fcntl(container, commands, sizeof(commands) / sizeof(commands[0]));
}

/* Threads, but no processes. glibc takes clone(2) where clone3(2), whose flags a filter cannot see, is not there. */
static int allow_threads(viso_container *container)
{
	int r = viso_container_add_syscall_rule(container, "clone3", VISO_SYSCALL_ERROR, ENOSYS);
	return r ? r
		 : viso_container_add_syscall_rule_if(container, "clone", 0, CLONE_THREAD, CLONE_THREAD,
						      VISO_SYSCALL_ALLOW, 0);
}

/* getrlimit(3) of glibc is this call; limits are read alone. */
static int allow_limits(viso_container *container)
{
	return viso_container_add_syscall_rule_if(container, "prlimit64", 2, UINT64_MAX, 0, VISO_SYSCALL_ALLOW, 0);
}

/* Both ends are the guest's. */
static int allow_pairs(viso_container *container)
{
	return viso_container_add_syscall_rule_if(container, "socketpair", 0, 0xffffffff, AF_UNIX, VISO_SYSCALL_ALLOW,
						  0);
}

int contained_set_policy(viso_container *container, bool writes)
{
	int r = viso_container_set_seccomp_profile(container, VISO_SECCOMP_DENY);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]) && r == 0; i++)
		r = viso_container_add_syscall_rule(container, calls[i], VISO_SYSCALL_ALLOW, 0);
	if (r == 0)
		r = allow_opening(container);
	if (r == 0)
		r = allow_ioctls(container);
	if (r == 0)
		r = allow_fds(container);
	if (r == 0)
		r = allow_limits(container);
	if (r == 0)
		r = allow_pairs(container);
	if (r == 0 && writes)
		r = allow_changes(container);
	return r == 0 ? allow_threads(container) : r;
}

/* A tap device that was attached outside: its header and what it may leave to others, but not which one it is. */
static int allow_taps(viso_container *container)
{
	static const unsigned requests[] = {TUNGETIFF, TUNSETVNETHDRSZ, TUNSETOFFLOAD};
	int r = 0;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]) && r == 0; i++)
		r = viso_container_add_syscall_rule_if(container, "ioctl", 1, 0xffffffff, requests[i],
						       VISO_SYSCALL_ALLOW, 0);
	return r;
}

int contained_set_computer_policy(viso_container *container, bool has_networks)
{
	/* Its devices do not wait for what is behind them. */
	static const unsigned set_flags = F_SETFL;
	int r = contained_set_policy(container, false);
	if (r == 0)
		r = allow_fcntl(container, &set_flags, 1);
	if (r == 0)
		r = viso_container_add_syscall_rule(container, "fallocate", VISO_SYSCALL_ALLOW, 0);
	return r == 0 && has_networks ? allow_taps(container) : r;
}
