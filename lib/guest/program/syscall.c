/* SPDX-License-Identifier: MIT */
/* The table of system calls. */
#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "core/hot.h"
#include "core/log.h"
#include "guest/contact/hypercalls.h"
#include "guest/contact/ring.h"
#include "guest/contact/stay.h"
#include "guest/guest.h"
#include "guest/instance.h"
#include "guest/numbers.h"
#include "guest/program/calls.h"

/* fchmodat2(2) is from Linux 6.6; older headers lack it. */
enum { FCHMODAT2 = 452 };

static system_call *const table[PROGRAM_CALLS] = {
	[SYS_read] = call_read,
	[SYS_readv] = call_readv,
	[SYS_pread64] = call_pread64,
	[SYS_preadv] = call_preadv,
	[SYS_write] = call_write,
	[SYS_writev] = call_writev,
	[SYS_pwrite64] = call_pwrite64,
	[SYS_pwritev] = call_pwritev,
	[SYS_preadv2] = call_preadv2,
	[SYS_pwritev2] = call_pwritev2,
	[SYS_sendfile] = call_sendfile,

	[SYS_close] = call_close,
	[SYS_close_range] = call_close_range,
	[SYS_dup] = call_dup,
	[SYS_dup2] = call_dup2,
	[SYS_dup3] = call_dup3,
	[SYS_fcntl] = call_fcntl,
	[SYS_ioctl] = call_ioctl,
	[SYS_pipe] = call_pipe,
	[SYS_pipe2] = call_pipe2,
	[SYS_lseek] = call_lseek,
	[SYS_fsync] = call_sync,
	[SYS_fdatasync] = call_sync,
	[SYS_fadvise64] = call_sync,
	[SYS_readahead] = call_sync,
	[SYS_flock] = call_flock,
	[SYS_ftruncate] = call_ftruncate,
	[SYS_fallocate] = call_fallocate,
	[SYS_copy_file_range] = call_copy_file_range,
	[SYS_sync] = call_sync_all,
	[SYS_syncfs] = call_sync,
	[SYS_sync_file_range] = call_sync,
	[SYS_memfd_create] = call_memfd_create,

	[SYS_open] = call_open,
	[SYS_openat] = call_openat,
	[SYS_openat2] = call_openat2,
	[SYS_creat] = call_creat,
	[SYS_getdents64] = call_getdents64,
	[SYS_getcwd] = call_getcwd,
	[SYS_chdir] = call_chdir,
	[SYS_fchdir] = call_fchdir,
	[SYS_readlink] = call_readlink,
	[SYS_readlinkat] = call_readlinkat,

	[SYS_stat] = call_stat,
	[SYS_lstat] = call_lstat,
	[SYS_fstat] = call_fstat,
	[SYS_newfstatat] = call_newfstatat,
	[SYS_statx] = call_statx,
	[SYS_access] = call_access,
	[SYS_faccessat] = call_faccessat,
	[SYS_faccessat2] = call_faccessat2,
	[SYS_statfs] = call_statfs,
	[SYS_fstatfs] = call_fstatfs,

	[SYS_getxattr] = call_no_attributes,
	[SYS_lgetxattr] = call_no_attributes,
	[SYS_fgetxattr] = call_no_attributes,
	[SYS_listxattr] = call_no_attributes,
	[SYS_llistxattr] = call_no_attributes,
	[SYS_flistxattr] = call_no_attributes,
	[SYS_setxattr] = call_no_attributes,
	[SYS_lsetxattr] = call_no_attributes,
	[SYS_fsetxattr] = call_no_attributes,
	[SYS_removexattr] = call_no_attributes,
	[SYS_lremovexattr] = call_no_attributes,
	[SYS_fremovexattr] = call_no_attributes,

	[SYS_mkdir] = call_mkdir,
	[SYS_mkdirat] = call_mkdirat,
	[SYS_mknod] = call_mknod,
	[SYS_mknodat] = call_mknodat,
	[SYS_symlink] = call_symlink,
	[SYS_symlinkat] = call_symlinkat,
	[SYS_unlink] = call_unlink,
	[SYS_rmdir] = call_rmdir,
	[SYS_unlinkat] = call_unlinkat,
	[SYS_rename] = call_rename,
	[SYS_renameat] = call_renameat,
	[SYS_renameat2] = call_renameat2,
	[SYS_link] = call_link,
	[SYS_linkat] = call_linkat,
	[SYS_chmod] = call_chmod,
	[SYS_fchmod] = call_fchmod,
	[SYS_fchmodat] = call_fchmodat,
	[SYS_chown] = call_chown,
	[SYS_lchown] = call_lchown,
	[SYS_fchown] = call_fchown,
	[SYS_fchownat] = call_fchownat,
	[SYS_utimensat] = call_utimensat,
	[SYS_utimes] = call_utimes,
	[SYS_futimesat] = call_futimesat,
	[SYS_utime] = call_utime,
	[SYS_truncate] = call_truncate,
	[FCHMODAT2] = call_fchmodat2,
	[SYS_umask] = call_umask,

	[SYS_brk] = call_brk,
	[SYS_mmap] = call_mmap,
	[SYS_munmap] = call_munmap,
	[SYS_mprotect] = call_mprotect,
	[SYS_mremap] = call_mremap,
	[SYS_madvise] = call_madvise,
	[SYS_msync] = call_msync,
	[SYS_mlock] = call_mlock,
	[SYS_munlock] = call_mlock,
	[SYS_mlock2] = call_mlock,
	[SYS_mlockall] = call_mlock,
	[SYS_munlockall] = call_mlock,
	[SYS_mincore] = call_mincore,

	[SYS_clock_gettime] = call_clock_gettime,
	[SYS_clock_getres] = call_clock_getres,
	[SYS_gettimeofday] = call_gettimeofday,
	[SYS_time] = call_time,
	[SYS_nanosleep] = call_nanosleep,
	[SYS_clock_nanosleep] = call_clock_nanosleep,
	[SYS_times] = call_times,
	[SYS_getrusage] = call_getrusage,

	[SYS_eventfd] = call_eventfd,
	[SYS_eventfd2] = call_eventfd2,
	[SYS_timerfd_create] = call_timerfd_create,
	[SYS_timerfd_settime] = call_timerfd_settime,
	[SYS_timerfd_gettime] = call_timerfd_gettime,
	[SYS_epoll_create] = call_epoll_create,
	[SYS_epoll_create1] = call_epoll_create1,
	[SYS_epoll_ctl] = call_epoll_ctl,
	[SYS_epoll_wait] = call_epoll_wait,
	[SYS_epoll_pwait] = call_epoll_pwait,
	[SYS_epoll_pwait2] = call_epoll_pwait2,
	[SYS_splice] = call_splice,
	[SYS_tee] = call_splice,
	[SYS_vmsplice] = call_splice,

	[SYS_socket] = call_socket,
	[SYS_socketpair] = call_socketpair,
	[SYS_connect] = call_connect,
	[SYS_bind] = call_bind,
	[SYS_listen] = call_listen,
	[SYS_accept] = call_accept,
	[SYS_accept4] = call_accept4,
	[SYS_shutdown] = call_shutdown,
	[SYS_getsockname] = call_getsockname,
	[SYS_getpeername] = call_getpeername,
	[SYS_setsockopt] = call_setsockopt,
	[SYS_getsockopt] = call_getsockopt,
	[SYS_sendto] = call_sendto,
	[SYS_recvfrom] = call_recvfrom,
	[SYS_sendmsg] = call_sendmsg,
	[SYS_recvmsg] = call_recvmsg,
	[SYS_sendmmsg] = call_sendmmsg,
	[SYS_recvmmsg] = call_recvmmsg,

	[SYS_poll] = call_poll,
	[SYS_ppoll] = call_ppoll,
	[SYS_select] = call_select,
	[SYS_pselect6] = call_pselect6,
	[SYS_pause] = call_pause,
	[SYS_futex] = call_futex,

	[SYS_getpid] = call_getpid,
	[SYS_getppid] = call_getppid,
	[SYS_gettid] = call_gettid,
	[SYS_getuid] = call_getuid,
	[SYS_geteuid] = call_getuid,
	[SYS_getgid] = call_getgid,
	[SYS_getegid] = call_getgid,
	[SYS_getresuid] = call_getresuid,
	[SYS_getresgid] = call_getresgid,
	[SYS_getgroups] = call_getgroups,
	[SYS_setuid] = call_set_ids,
	[SYS_setgid] = call_set_ids,
	[SYS_setresuid] = call_setresuid,
	[SYS_setresgid] = call_setresgid,
	[SYS_setreuid] = call_setreuid,
	[SYS_setregid] = call_setregid,
	[SYS_setfsuid] = call_setfsuid,
	[SYS_setfsgid] = call_setfsgid,
	[SYS_capget] = call_capget,
	[SYS_getpgid] = call_getpgid,
	[SYS_getpgrp] = call_getpgrp,
	[SYS_setpgid] = call_setpgid,
	[SYS_getsid] = call_getsid,
	[SYS_setsid] = call_setsid,
	[SYS_uname] = call_uname,
	[SYS_sysinfo] = call_sysinfo,

	[SYS_exit] = call_exit,
	[SYS_exit_group] = call_exit_group,
	[SYS_clone] = call_clone,
	[SYS_clone3] = call_clone3,
	[SYS_fork] = call_fork,
	[SYS_vfork] = call_vfork,
	[SYS_execve] = call_execve,
	[SYS_execveat] = call_execveat,
	[SYS_wait4] = call_wait4,
	[SYS_waitid] = call_waitid,
	[SYS_arch_prctl] = call_arch_prctl,
	[SYS_prctl] = call_prctl,
	[SYS_set_tid_address] = call_set_tid_address,
	[SYS_set_robust_list] = call_set_robust_list,
	[SYS_get_robust_list] = call_get_robust_list,
	[SYS_getrlimit] = call_getrlimit,
	[SYS_setrlimit] = call_setrlimit,
	[SYS_prlimit64] = call_prlimit64,
	[SYS_sched_yield] = call_sched_yield,
	[SYS_sched_getaffinity] = call_sched_getaffinity,
	[SYS_sched_setaffinity] = call_sched_setaffinity,
	[SYS_sched_getscheduler] = call_sched_getscheduler,
	[SYS_sched_setscheduler] = call_sched_setscheduler,
	[SYS_sched_getparam] = call_sched_getparam,
	[SYS_sched_setparam] = call_sched_setparam,
	[SYS_sched_get_priority_max] = call_sched_get_priority_max,
	[SYS_sched_get_priority_min] = call_sched_get_priority_min,
	[SYS_sched_rr_get_interval] = call_sched_rr_get_interval,
	[SYS_membarrier] = call_membarrier,
	[SYS_getcpu] = call_getcpu,
	[SYS_getrandom] = call_getrandom,
	[SYS_personality] = call_personality,
	[SYS_getpriority] = call_getpriority,
	[SYS_setpriority] = call_setpriority,

	[SYS_rt_sigaction] = call_rt_sigaction,
	[SYS_rt_sigprocmask] = call_rt_sigprocmask,
	[SYS_rt_sigpending] = call_rt_sigpending,
	[SYS_sigaltstack] = call_sigaltstack,
	[SYS_kill] = call_kill,
	[SYS_tkill] = call_tkill,
	[SYS_tgkill] = call_tgkill,
	[SYS_rt_sigreturn] = call_rt_sigreturn,
	[SYS_rt_sigsuspend] = call_rt_sigsuspend,
	[SYS_rt_sigtimedwait] = call_rt_sigtimedwait,
	[SYS_rt_sigqueueinfo] = call_rt_sigqueueinfo,
	[SYS_rt_tgsigqueueinfo] = call_rt_tgsigqueueinfo,
	[SYS_signalfd] = call_signalfd,
	[SYS_signalfd4] = call_signalfd4,
	[SYS_pidfd_open] = call_pidfd_open,
	[SYS_pidfd_send_signal] = call_pidfd_send_signal,
	[SYS_getitimer] = call_getitimer,
	[SYS_setitimer] = call_setitimer,
	[SYS_alarm] = call_alarm,
	[SYS_timer_create] = call_timer_create,
	[SYS_timer_settime] = call_timer_settime,
	[SYS_timer_gettime] = call_timer_gettime,
	[SYS_timer_getoverrun] = call_timer_getoverrun,
	[SYS_timer_delete] = call_timer_delete,
};

static void count_unserved(struct program *program, uint64_t number)
{
	program->unserved++;
	if (number >= PROGRAM_CALLS || (program->unserved_seen[number / 64] >> number % 64 & 1))
		return;
	program->unserved_seen[number / 64] |= 1ull << number % 64;
	log_debug("guest: system call %llu is not served; the program gets ENOSYS", (unsigned long long)number);
}

/*
 * Calls that change nothing of a process but its memory and registers, so that a reset need not look at the rest
 * (snapshot/clone.c). All that are not named here count as changes.
 */
HOT static bool changes_process(struct program *program, uint64_t number, const uint64_t args[6])
{
	const struct file *file;
	switch (number) {
	case SYS_read:
	case SYS_write:
		file = program_file(program, (int)args[0]);
		return !file || file->kind != FILE_CONTACT;
	case SYS_mmap:
		/* What is written to a file by a mapping stays there when the mapping is gone. */
		return (args[3] & MAP_TYPE) != MAP_PRIVATE;
	case SYS_brk:
	case SYS_munmap:
	case SYS_mprotect:
	case SYS_mremap:
	case SYS_madvise:
	case SYS_getpid:
	case SYS_getppid:
	case SYS_gettid:
	case SYS_getuid:
	case SYS_geteuid:
	case SYS_getgid:
	case SYS_getegid:
	case SYS_clock_gettime:
	case SYS_gettimeofday:
	case SYS_time:
	case SYS_getrandom:
	case VISO_HYPERCALL_BASE + VISO_HYPERCALL_RECEIVE:
	case VISO_HYPERCALL_BASE + VISO_HYPERCALL_REPLY:
	case VISO_HYPERCALL_BASE + VISO_HYPERCALL_GENERATION:
	case VISO_HYPERCALL_BASE + VISO_HYPERCALL_RETURN:
		return false;
	default:
		return true;
	}
}

/* How often it looks for the next request while the host, whose thread may stand still, takes the answer is not its own
 * doing; the host is woken each time. */
static bool waits_for_host(const struct instance *instance, uint64_t number)
{
	return instance->ring && number == VISO_HYPERCALL_BASE + VISO_HYPERCALL_RING_RECEIVE &&
	       ring_has_untaken_answer(instance->ring);
}

/* Whether the guest may make one more system call. */
HOT static bool take_call(struct instance *instance, uint64_t number)
{
	uint64_t max = instance->guest->limits.syscalls_max;
	if (max && instance->ring && ring_has_new_request(instance->ring))
		instance->calls_made = 0;
	if (max && waits_for_host(instance, number))
		return true;
	if (!max || ++instance->calls_made <= max)
		return true;
	program_end(&instance->program, VISO_REASON_SYSCALLS_MAX, SIGKILL, NULL);
	return false;
}

HOT bool program_serve(struct program *program)
{
	struct kvm_regs *regs = program->vcpu->regs;
	struct task *task = program->task;
	const uint64_t args[6] = {regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9};
	uint64_t number = regs->rax;
	int64_t result = -ENOSYS;
	task->call_number = number;
	memcpy(task->call_args, args, sizeof(args));
	/* A signal handler was entered instead of waiting on. */
	if (task->hypercall && !task->again)
		hypercall_abandon(task->hypercall);
	bool is_first = !task->again;
	if (is_first) {
		if (!take_call(program->instance, number))
			return true;
		task->has_deadline = false;
		task->progress = 0;
		task->vfork_pid = 0;
	}
	task->is_repeated = task->again;
	task->again = false;
	task->object_count = 0;
	program->instance->has_changed |= changes_process(program, number, args);
	if (number < PROGRAM_CALLS && table[number])
		result = table[number](program, args);
	else if (number - VISO_HYPERCALL_BASE <= VISO_HYPERCALL_RING_REPLY)
		result = stay_serve(program, number - VISO_HYPERCALL_BASE, args);
	if (is_first)
		counts_add(&program->instance->guest->counts, number, result == -ENOSYS);
	/* By execve(2) the process may have another one. */
	task = program->task;
	if (task->keeps_registers) {
		task->keeps_registers = false;
		return true;
	}
	task->again = result == TASK_PARKED || result == -EINTR;
	if (task->again)
		return result == TASK_PARKED;
	if (result == -ENOSYS)
		count_unserved(program, number);
	signal_restore_mask(task);
	regs->rax = (uint64_t)result;
	return true;
}
