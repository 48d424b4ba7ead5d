/* SPDX-License-Identifier: MIT */
#include "errors.h"

#include <errno.h>
#include <stddef.h>
#include <sys/syscall.h>

static const struct {
	int number;
	const char *name;
	int errors[ERRORS_MAX];
} calls[] = {
#define CALL(name, ...)                                                                                                \
	{                                                                                                              \
		SYS_##name, #name,                                                                                     \
		{                                                                                                      \
			__VA_ARGS__                                                                                    \
		}                                                                                                      \
	}
	/* Files. */
	CALL(openat, EMFILE, EINTR, ENOENT, EACCES, ENFILE, ENOMEM),
	CALL(openat2, EMFILE, EAGAIN, ENOENT, EACCES, ENOSYS),
	CALL(read, EIO, EINTR, EAGAIN),
	CALL(pread64, EIO, EINTR),
	CALL(write, ENOSPC, EINTR, EIO, EPERM, EBUSY),
	CALL(pwrite64, ENOSPC, EINTR),
	CALL(writev, ENOSPC, EINTR),
	CALL(close, EIO, EINTR),
	CALL(close_range, ENOMEM, ENOSYS),
	CALL(fstat, ENOMEM),
	CALL(newfstatat, ENOMEM, EACCES, ENOENT),
	CALL(statx, ENOMEM, ENOSYS),
	CALL(fstatfs, EIO, ENOSYS),
	CALL(faccessat, EACCES, ENOENT),
	CALL(faccessat2, EACCES, ENOSYS),
	CALL(readlinkat, ENOMEM, ENOENT),
	CALL(getdents64, EIO, ENOENT),
	CALL(ftruncate, ENOSPC, EINTR),
	CALL(fchdir, EACCES, EIO),
	CALL(chdir, EACCES, ENOENT, EIO),
	CALL(mkdirat, ENOSPC, EEXIST, EACCES),
	CALL(mknodat, EPERM, ENOSPC),
	CALL(symlinkat, ENOSPC, EEXIST, EROFS),
	CALL(linkat, EPERM, ENOSPC),
	CALL(unlinkat, EBUSY, EIO, EPERM),
	CALL(renameat2, ENOSPC, EINVAL),
	CALL(fchmod, EPERM, EIO),
	CALL(fchmodat, EPERM, EIO),
	CALL(fchown, EPERM, EIO),
	CALL(fchownat, EPERM, EIO),
	CALL(fcntl, EMFILE, EPERM),
	CALL(dup, EMFILE),
	CALL(dup3, EMFILE, EBUSY, EINTR),
	CALL(pipe2, EMFILE, ENFILE),
	CALL(eventfd2, EMFILE, ENOMEM),
	CALL(signalfd4, EMFILE, ENOMEM),
	CALL(timerfd_create, EMFILE, ENOMEM),
	CALL(inotify_init1, EMFILE),
	CALL(memfd_create, EMFILE, ENOMEM, ENOSYS),
	CALL(ppoll, EINTR, ENOMEM),
	CALL(ioctl, EPERM, ENOTTY),
	CALL(utimensat, EPERM),
	/* Sockets. */
	CALL(socket, EMFILE, ENOBUFS, EAFNOSUPPORT),
	CALL(socketpair, EMFILE, ENFILE, ENOMEM),
	CALL(bind, EADDRINUSE, EACCES),
	CALL(sendmsg, ENOBUFS, EINTR, ENOMEM, ETOOMANYREFS, EPIPE),
	CALL(sendto, ENOBUFS, EINTR, ENOMEM),
	CALL(recvmsg, ENOMEM, EINTR, EMFILE),
	CALL(recvfrom, ENOMEM, EINTR),
	CALL(shutdown, ENOTCONN),
	/* Memory. */
	CALL(mmap, ENOMEM, EAGAIN),
	CALL(munmap, ENOMEM),
	CALL(mprotect, ENOMEM),
	/* Processes; kill(2) of a child that was not waited for cannot fail. */
	CALL(clone, EAGAIN, ENOMEM, EPERM, ENOSPC, EUSERS),
	CALL(clone3, EAGAIN, ENOMEM, EPERM, ENOSPC, ENOSYS),
	CALL(execve, ENOMEM, EACCES, ENOENT, E2BIG, ETXTBSY),
	CALL(execveat, ENOMEM, EACCES, ENOSYS),
	CALL(wait4, EINTR),
	CALL(waitid, EINTR),
	CALL(pidfd_open, EMFILE, ENOSYS, ESRCH),
	CALL(pidfd_send_signal, EPERM, ESRCH, ENOSYS),
	CALL(futex, EINTR, EAGAIN),
	CALL(prctl, EPERM, EINVAL),
	CALL(prlimit64, EPERM),
	CALL(setsid, EPERM),
	CALL(sched_setaffinity, EINVAL, EPERM),
	CALL(setpriority, EACCES),
	/* Namespaces and mounts. */
	CALL(unshare, ENOSPC, EPERM, ENOMEM, EUSERS),
	CALL(setns, EPERM, ENOMEM, EINVAL),
	CALL(sethostname, EPERM),
	CALL(setdomainname, EPERM),
	CALL(mount, EPERM, ENOMEM),
	CALL(umount2, EBUSY, EINVAL, EPERM),
	CALL(pivot_root, EINVAL, EBUSY, EPERM),
	CALL(chroot, EPERM, EACCES),
	CALL(fsopen, EPERM, EMFILE, ENODEV, ENOSYS),
	CALL(fsconfig, EPERM, EINVAL, ENOMEM, EBUSY),
	CALL(fsmount, EPERM, EMFILE, ENOSPC),
	CALL(open_tree, EPERM, EMFILE, ENOENT, ENOSYS),
	CALL(move_mount, EPERM, ENOENT, EINVAL, ENOSPC),
	CALL(mount_setattr, EPERM, ENOSYS, EINVAL),
	/* Rights. */
	CALL(setgroups, EPERM, ENOMEM),
	CALL(setresgid, EPERM, EINVAL),
	CALL(setresuid, EAGAIN, EPERM, EINVAL),
	CALL(setuid, EAGAIN, EPERM),
	CALL(setgid, EPERM),
	CALL(capset, EPERM),
	CALL(seccomp, ENOMEM, EINVAL, EACCES, EBUSY),
	CALL(keyctl, EDQUOT, ENOSYS, ENOMEM),
	CALL(landlock_create_ruleset, ENOMEM, ENOSYS, EOPNOTSUPP),
	CALL(landlock_add_rule, ENOMEM, EINVAL),
	CALL(landlock_restrict_self, EPERM, E2BIG),
	CALL(bpf, EPERM, ENOMEM),
#ifdef SYS_open
	/* Those that newer processors do not have any more. */
	CALL(open, EMFILE, EINTR, ENOENT, EACCES, ENFILE),
	CALL(stat, ENOMEM, EACCES),
	CALL(lstat, ENOMEM, EACCES),
	CALL(access, EACCES, ENOENT),
	CALL(readlink, ENOMEM, ENOENT),
	CALL(mkdir, ENOSPC, EEXIST, EACCES, EROFS),
	CALL(mknod, EPERM, ENOSPC),
	CALL(symlink, ENOSPC, EEXIST),
	CALL(rmdir, EBUSY, EPERM),
	CALL(unlink, EBUSY, EPERM),
	CALL(chmod, EPERM),
	CALL(chown, EPERM),
	CALL(dup2, EMFILE, EBUSY),
	CALL(poll, EINTR, ENOMEM),
	CALL(fork, EAGAIN, ENOMEM),
	CALL(vfork, EAGAIN, ENOMEM),
#endif
#undef CALL
};

const int *errors_of_call(int number)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i].number == number)
			return calls[i].errors;
	return NULL;
}

const char *name_of_call(int number)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i].number == number)
			return calls[i].name;
	return "another";
}
