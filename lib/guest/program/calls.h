/* SPDX-License-Identifier: MIT */
/* The system calls that are served: functions of the arguments, which return what the guest gets in RAX. */
#ifndef GUEST_PROGRAM_CALLS_H
#define GUEST_PROGRAM_CALLS_H

#include "guest/fault.h"
#include "guest/program/program.h"

typedef int64_t system_call(struct program *program, const uint64_t args[6]);

/* data.c */
system_call call_read, call_readv, call_pread64, call_preadv, call_write, call_writev, call_pwrite64, call_sendfile;
/* fds.c */
system_call call_close, call_close_range, call_dup, call_dup2, call_dup3, call_fcntl, call_ioctl, call_pipe, call_pipe2,
	call_lseek, call_sync, call_flock, call_ftruncate;
/* files.c */
system_call call_open, call_openat, call_openat2, call_creat, call_getdents64, call_getcwd, call_chdir, call_fchdir,
	call_readlink, call_readlinkat;
/* status.c */
system_call call_stat, call_lstat, call_fstat, call_newfstatat, call_statx, call_access, call_faccessat,
	call_faccessat2, call_statfs, call_fstatfs, call_no_attributes;
/* changes.c */
system_call call_change_path, call_change_at, call_change_second_path, call_umask;
/* memory_calls.c */
system_call call_brk, call_mmap, call_munmap, call_mprotect, call_mremap, call_madvise, call_msync, call_mlock;
/* time.c */
system_call call_clock_gettime, call_clock_getres, call_gettimeofday, call_time, call_nanosleep, call_clock_nanosleep,
	call_times, call_getrusage;
/* wait.c */
system_call call_poll, call_ppoll, call_select, call_pselect6;
/* futex.c */
system_call call_futex, call_set_robust_list, call_get_robust_list;
/* identity.c */
system_call call_getpid, call_getppid, call_gettid, call_getuid, call_getgid, call_getresuid, call_getresgid,
	call_getgroups, call_set_ids, call_getpgid, call_uname, call_sysinfo;
/* process.c */
system_call call_arch_prctl, call_prctl, call_getrlimit, call_setrlimit, call_prlimit64, call_getrandom,
	call_personality;
/* thread.c */
system_call call_clone, call_clone3, call_exit, call_exit_group, call_set_tid_address;
/* sched.c */
system_call call_sched_yield, call_sched_getaffinity, call_sched_setaffinity, call_sched_getscheduler,
	call_sched_setscheduler, call_sched_getparam, call_sched_setparam, call_sched_get_priority_max,
	call_sched_get_priority_min, call_sched_rr_get_interval, call_membarrier, call_getcpu, call_getpriority,
	call_setpriority;
/* signal/calls.c */
system_call call_rt_sigaction, call_rt_sigprocmask, call_rt_sigpending, call_sigaltstack, call_rt_sigreturn, call_kill,
	call_tkill, call_tgkill, call_rt_sigqueueinfo, call_rt_tgsigqueueinfo;
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

/* Copies a path out of the guest into `out`, of PATH_MAX bytes. 0 or a negative errno. */
int call_path(struct program *program, uint64_t address, char *out);

#endif
