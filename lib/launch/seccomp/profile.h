/* SPDX-License-Identifier: MIT */
/* The table of the default profile: which system calls are refused where, and why. */
#ifndef LAUNCH_SECCOMP_PROFILE_H
#define LAUNCH_SECCOMP_PROFILE_H

#include <errno.h>
#include <linux/capability.h>

enum { IN_JAIL = 1, IN_CONTAINER = 2, IN_BOTH = 3, NO_CAPABILITY = -1 };

struct refusal {
	const char *call;
	int where;
	int error;
	int lifted_by; /* capability, or NO_CAPABILITY */
};

/* The newest system call that was looked at for this table (mseal, Linux 6.10); newer ones are ENOSYS. */
enum { NEWEST_CALL = 462 };

static const struct refusal refusals[] = {
	/* The host's kernel: modules, other kernels, its log, its time, its quota and swap. */
	{"init_module", IN_BOTH, EPERM, NO_CAPABILITY},
	{"finit_module", IN_BOTH, EPERM, NO_CAPABILITY},
	{"delete_module", IN_BOTH, EPERM, NO_CAPABILITY},
	{"create_module", IN_BOTH, EPERM, NO_CAPABILITY},
	{"get_kernel_syms", IN_BOTH, EPERM, NO_CAPABILITY},
	{"query_module", IN_BOTH, EPERM, NO_CAPABILITY},
	{"kexec_load", IN_BOTH, EPERM, NO_CAPABILITY},
	{"kexec_file_load", IN_BOTH, EPERM, NO_CAPABILITY},
	{"reboot", IN_BOTH, EPERM, NO_CAPABILITY},
	{"syslog", IN_BOTH, EPERM, NO_CAPABILITY},
	{"settimeofday", IN_BOTH, EPERM, NO_CAPABILITY},
	{"clock_settime", IN_BOTH, EPERM, NO_CAPABILITY},
	{"clock_adjtime", IN_BOTH, EPERM, NO_CAPABILITY},
	{"adjtimex", IN_BOTH, EPERM, NO_CAPABILITY},
	{"swapon", IN_BOTH, EPERM, NO_CAPABILITY},
	{"swapoff", IN_BOTH, EPERM, NO_CAPABILITY},
	{"quotactl", IN_BOTH, EPERM, NO_CAPABILITY},
	{"quotactl_fd", IN_BOTH, EPERM, NO_CAPABILITY},
	{"acct", IN_BOTH, EPERM, NO_CAPABILITY},
	{"nfsservctl", IN_BOTH, EPERM, NO_CAPABILITY},
	{"_sysctl", IN_BOTH, EPERM, NO_CAPABILITY},
	{"sysfs", IN_BOTH, EPERM, NO_CAPABILITY},
	{"ustat", IN_BOTH, EPERM, NO_CAPABILITY},
	{"uselib", IN_BOTH, EPERM, NO_CAPABILITY},
	{"lookup_dcookie", IN_BOTH, EPERM, NO_CAPABILITY},
	{"vhangup", IN_BOTH, EPERM, NO_CAPABILITY},
	{"iopl", IN_BOTH, EPERM, NO_CAPABILITY},
	{"ioperm", IN_BOTH, EPERM, NO_CAPABILITY},
	/* Large attack surfaces of the kernel that few programs need. */
	{"bpf", IN_BOTH, EPERM, NO_CAPABILITY},
	{"perf_event_open", IN_BOTH, EPERM, NO_CAPABILITY},
	{"userfaultfd", IN_BOTH, EPERM, NO_CAPABILITY},
	{"fanotify_init", IN_BOTH, EPERM, NO_CAPABILITY},
	{"fanotify_mark", IN_BOTH, EPERM, NO_CAPABILITY},
	{"io_uring_setup", IN_BOTH, ENOSYS, NO_CAPABILITY},
	{"io_uring_enter", IN_BOTH, ENOSYS, NO_CAPABILITY},
	{"io_uring_register", IN_BOTH, ENOSYS, NO_CAPABILITY},
	{"vm86", IN_BOTH, EPERM, NO_CAPABILITY},
	{"vm86old", IN_BOTH, EPERM, NO_CAPABILITY},
	{"migrate_pages", IN_BOTH, EPERM, NO_CAPABILITY},
	{"move_pages", IN_BOTH, EPERM, NO_CAPABILITY},
	/* Files by handle ignore the root: CVE-2014-3519 and "shocker". */
	{"open_by_handle_at", IN_BOTH, EPERM, NO_CAPABILITY},
	{"name_to_handle_at", IN_BOTH, EPERM, NO_CAPABILITY},
	/* The host's keys. */
	{"add_key", IN_BOTH, EPERM, NO_CAPABILITY},
	{"request_key", IN_BOTH, EPERM, NO_CAPABILITY},
	{"keyctl", IN_BOTH, EPERM, NO_CAPABILITY},
	/* Roots, mounts and namespaces. The new calls are ENOSYS: their structures cannot be looked into. */
	{"chroot", IN_BOTH, EPERM, CAP_SYS_CHROOT},
	{"pivot_root", IN_BOTH, EPERM, CAP_SYS_ADMIN},
	{"mount", IN_BOTH, EPERM, CAP_SYS_ADMIN},
	{"umount", IN_BOTH, EPERM, CAP_SYS_ADMIN},
	{"umount2", IN_BOTH, EPERM, CAP_SYS_ADMIN},
	{"open_tree", IN_BOTH, ENOSYS, CAP_SYS_ADMIN},
	{"move_mount", IN_BOTH, ENOSYS, CAP_SYS_ADMIN},
	{"fsopen", IN_BOTH, ENOSYS, CAP_SYS_ADMIN},
	{"fsconfig", IN_BOTH, ENOSYS, CAP_SYS_ADMIN},
	{"fsmount", IN_BOTH, ENOSYS, CAP_SYS_ADMIN},
	{"fspick", IN_BOTH, ENOSYS, CAP_SYS_ADMIN},
	{"mount_setattr", IN_BOTH, ENOSYS, CAP_SYS_ADMIN},
	{"setns", IN_BOTH, EPERM, CAP_SYS_ADMIN},
	{"unshare", IN_BOTH, EPERM, CAP_SYS_ADMIN},
	{"sethostname", IN_BOTH, EPERM, CAP_SYS_ADMIN},
	{"setdomainname", IN_BOTH, EPERM, CAP_SYS_ADMIN},
	{"clone3", IN_BOTH, ENOSYS, CAP_SYS_ADMIN},
	/* A jail sees the host's processes and their fds and memory. */
	{"ptrace", IN_JAIL, EPERM, NO_CAPABILITY},
	{"process_vm_readv", IN_JAIL, EPERM, NO_CAPABILITY},
	{"process_vm_writev", IN_JAIL, EPERM, NO_CAPABILITY},
	{"process_madvise", IN_JAIL, EPERM, NO_CAPABILITY},
	{"pidfd_getfd", IN_JAIL, EPERM, NO_CAPABILITY},
	{"kcmp", IN_BOTH, EPERM, NO_CAPABILITY},
	/* A jail shares the host's System V and POSIX IPC, whose keys and names are global. */
	{"shmget", IN_JAIL, EPERM, NO_CAPABILITY},
	{"shmat", IN_JAIL, EPERM, NO_CAPABILITY},
	{"shmctl", IN_JAIL, EPERM, NO_CAPABILITY},
	{"semget", IN_JAIL, EPERM, NO_CAPABILITY},
	{"semop", IN_JAIL, EPERM, NO_CAPABILITY},
	{"semtimedop", IN_JAIL, EPERM, NO_CAPABILITY},
	{"semctl", IN_JAIL, EPERM, NO_CAPABILITY},
	{"msgget", IN_JAIL, EPERM, NO_CAPABILITY},
	{"msgsnd", IN_JAIL, EPERM, NO_CAPABILITY},
	{"msgrcv", IN_JAIL, EPERM, NO_CAPABILITY},
	{"msgctl", IN_JAIL, EPERM, NO_CAPABILITY},
	{"mq_open", IN_JAIL, EPERM, NO_CAPABILITY},
	{"mq_unlink", IN_JAIL, EPERM, NO_CAPABILITY},
};

#endif
