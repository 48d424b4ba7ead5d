/* SPDX-License-Identifier: MIT */
/* The system calls that are served: functions of the arguments, which return what the guest gets in RAX. */
#ifndef GUEST_PROGRAM_CALLS_H
#define GUEST_PROGRAM_CALLS_H

#include <sys/utsname.h>

#include "guest/memory/fault.h"
#include "guest/program/program.h"

typedef int64_t system_call(struct program *program, const uint64_t args[6]);

/* data.c */
system_call call_read, call_readv, call_pread64, call_preadv, call_write, call_writev, call_pwrite64, call_pwritev,
	call_preadv2, call_pwritev2;
/* copy.c */
system_call call_sendfile, call_copy_file_range;
/* fds.c */
system_call call_close, call_close_range, call_dup, call_dup2, call_dup3, call_fcntl, call_ioctl, call_lseek, call_sync,
	call_sync_all, call_flock;
/* pipe.c */
system_call call_pipe, call_pipe2, call_splice;
/* events/ */
system_call call_eventfd, call_eventfd2, call_timerfd_create, call_timerfd_settime, call_timerfd_gettime,
	call_epoll_create, call_epoll_create1, call_epoll_ctl, call_epoll_wait, call_epoll_pwait, call_epoll_pwait2;
/* sockets/ */
system_call call_socket, call_socketpair, call_connect, call_bind, call_listen, call_accept, call_accept4,
	call_shutdown, call_getsockname, call_getpeername, call_setsockopt, call_getsockopt, call_sendto, call_recvfrom,
	call_sendmsg, call_recvmsg, call_sendmmsg, call_recvmmsg;
/* files.c */
system_call call_open, call_openat, call_openat2, call_creat, call_memfd_create, call_getdents64, call_getcwd,
	call_chdir, call_fchdir, call_readlink, call_readlinkat;
/* status.c */
system_call call_stat, call_lstat, call_fstat, call_newfstatat, call_statx, call_access, call_faccessat,
	call_faccessat2, call_statfs, call_fstatfs, call_no_attributes;
/* changes.c */
system_call call_mkdir, call_mkdirat, call_mknod, call_mknodat, call_symlink, call_symlinkat, call_unlink, call_rmdir,
	call_unlinkat, call_rename, call_renameat, call_renameat2, call_link, call_linkat, call_umask;
/* attributes.c */
system_call call_chmod, call_fchmod, call_fchmodat, call_fchmodat2, call_chown, call_lchown, call_fchown, call_fchownat,
	call_utimensat, call_utimes, call_futimesat, call_utime, call_truncate, call_ftruncate, call_fallocate;
/* memory_calls.c */
system_call call_brk, call_mmap, call_munmap, call_mprotect, call_mremap, call_madvise, call_msync, call_mlock,
	call_mincore;
/* time.c */
system_call call_clock_gettime, call_clock_getres, call_gettimeofday, call_time, call_nanosleep, call_clock_nanosleep,
	call_times, call_getrusage;
/* wait.c */
system_call call_poll, call_ppoll, call_select, call_pselect6;
/* futex.c */
system_call call_futex, call_set_robust_list, call_get_robust_list;
/* identity.c */
system_call call_getpid, call_gettid, call_getuid, call_getgid, call_getresuid, call_getresgid, call_getgroups,
	call_set_ids, call_setresuid, call_setresgid, call_setreuid, call_setregid, call_setfsuid, call_setfsgid,
	call_capget, call_uname, call_sysinfo;
/* process.c */
system_call call_arch_prctl, call_prctl, call_getrlimit, call_setrlimit, call_prlimit64, call_getrandom,
	call_personality;
/* clone.c */
system_call call_clone, call_clone3, call_fork, call_vfork;
/* exec_calls.c */
system_call call_execve, call_execveat;
/* wait_calls.c */
system_call call_wait4, call_waitid;
/* groups.c */
system_call call_getppid, call_getpgid, call_getpgrp, call_setpgid, call_getsid, call_setsid;
/* thread.c */
system_call call_exit, call_exit_group, call_set_tid_address;
/* sched.c */
system_call call_sched_yield, call_sched_getaffinity, call_sched_setaffinity, call_sched_getscheduler,
	call_sched_setscheduler, call_sched_getparam, call_sched_setparam, call_sched_get_priority_max,
	call_sched_get_priority_min, call_sched_rr_get_interval, call_membarrier, call_getcpu, call_getpriority,
	call_setpriority;
/* signal/calls.c */
system_call call_rt_sigaction, call_rt_sigprocmask, call_rt_sigpending, call_sigaltstack, call_rt_sigreturn, call_kill,
	call_tkill, call_tgkill, call_rt_sigqueueinfo, call_rt_tgsigqueueinfo, call_pidfd_send_signal;
/* signal/signalfd.c */
system_call call_signalfd, call_signalfd4;
/* pidfd.c */
system_call call_pidfd_open;
/* signal/wait_calls.c */
system_call call_pause, call_rt_sigsuspend, call_rt_sigtimedwait;
/* signal/timer_calls.c */
system_call call_getitimer, call_setitimer, call_alarm, call_timer_create, call_timer_settime, call_timer_gettime,
	call_timer_getoverrun, call_timer_delete;

/* Moves bytes between a file and host memory, at `offset` or with -1 where the file stands. As read(2) and write(2). */
int64_t data_read(struct program *program, struct file *file, const struct iovec *pieces, int count, size_t size,
		  int64_t offset);
int64_t data_write(struct program *program, struct file *file, const struct iovec *pieces, int count, size_t size,
		   int64_t offset);

/* Copies a small value out of host pieces, which hold it, or into them; the latter gives `size`. */
void pieces_get(const struct iovec *pieces, int count, void *out, size_t size);
int64_t pieces_put(const struct iovec *pieces, int count, const void *data, size_t size);

/* Gives two files fds, which are written to `out` in the guest. Takes both over, also on failure. 0 or an error. */
int64_t program_add_pair(struct program *program, struct file *files[2], uint64_t out, bool close_on_exec);

/*
 * A moment of CLOCK_MONOTONIC from a struct timespec of the guest that begins now; INT64_MAX where `address` is 0. 0 or
 * -EFAULT, -EINVAL.
 */
int call_moment(struct program *program, uint64_t address, int64_t *out);
/* The same of milliseconds, of which negative ones are for ever. */
int64_t call_moment_ms(int milliseconds);

/* Copies a path out of the guest into `out`, of PATH_MAX bytes. 0 or a negative errno. */
int call_path(struct program *program, uint64_t address, char *out);

/* The kernel that uname(2) and /proc tell of. */
extern const struct utsname guest_kernel_name;

#endif
