/* SPDX-License-Identifier: MIT */
/**
 * @file container_security.h
 * What programs in a container may do: capabilities, system calls, Landlock. The defaults are strict and run most programs.
 */
#ifndef VIRTISO_CONTAINER_SECURITY_H
#define VIRTISO_CONTAINER_SECURITY_H

#include <stdint.h>
#include <virtiso/attributes.h>
#include <virtiso/container.h>

VISO_BEGIN_DECLS

/** The capability sets of a process; see capabilities(7). */
typedef enum viso_capability_set {
	VISO_CAPABILITY_EFFECTIVE = 1,    /**< what the kernel checks */
	VISO_CAPABILITY_PERMITTED = 2,    /**< what may be made effective */
	VISO_CAPABILITY_INHERITABLE = 4,  /**< kept over execve(2) by files with the same ones; empty by default (CVE-2022-29162) */
	VISO_CAPABILITY_BOUNDING = 8,     /**< what execve(2) can give at most */
	VISO_CAPABILITY_AMBIENT = 16,     /**< kept over execve(2) */
	VISO_CAPABILITY_SET_ENUM_WIDTH_ = 0x7fffffff /**< not a set; fixes the width of the type */
} viso_capability_set;

/** What happens at a system call; in the order of the kernel's precedence, the strictest last. */
typedef enum viso_syscall_action {
	VISO_SYSCALL_ALLOW = 0,        /**< it is made */
	VISO_SYSCALL_LOG = 1,          /**< it is made, and the kernel logs it */
	VISO_SYSCALL_NOTIFY = 2,       /**< the host program is asked: viso_process_next_notification() */
	VISO_SYSCALL_ERROR = 3,        /**< it fails with an errno */
	VISO_SYSCALL_TRAP = 4,         /**< the program gets SIGSYS, which it may handle */
	VISO_SYSCALL_KILL = 5,         /**< the program is ended with VISO_REASON_SECCOMP */
	VISO_SYSCALL_ENUM_WIDTH_ = 0x7fffffff /**< not an action; fixes the width of the type */
} viso_syscall_action;

/** What applies to system calls for which there is no rule. */
typedef enum viso_seccomp_profile {
	VISO_SECCOMP_DEFAULT = 0,    /**< the library's own profile: real programs run, dangerous calls are refused */
	VISO_SECCOMP_ALLOW = 1,      /**< all calls are allowed but those that rules forbid: a deny list */
	VISO_SECCOMP_DENY = 2,       /**< all calls are refused with EPERM but those that rules allow: an allow list */
	VISO_SECCOMP_KILL = 3,       /**< all calls end the program but those that rules allow */
	VISO_SECCOMP_NONE = 4,       /**< no filter at all */
	VISO_SECCOMP_ENUM_WIDTH_ = 0x7fffffff /**< not a profile; fixes the width of the type */
} viso_seccomp_profile;

/** Rights of viso_container_add_landlock_path(); to be combined by `|`. */
typedef enum viso_landlock_access {
	VISO_LANDLOCK_READ = 1,    /**< read files, list directories */
	VISO_LANDLOCK_WRITE = 2,   /**< write, truncate, make and remove files and directories, rename within */
	VISO_LANDLOCK_EXECUTE = 4, /**< execute programs, which takes reading these files, too */
	VISO_LANDLOCK_DEVICES = 8, /**< ioctl(2) on devices */
	VISO_LANDLOCK_ENUM_WIDTH_ = 0x7fffffff /**< not a right; fixes the width of the type */
} viso_landlock_access;

/**
 * Let the program have a capability, confined to the container's user namespace. By default it has none.
 *
 * The program gets it in all sets, so that it holds for any uid and whatever it executes. It is inheritable only since no
 * capability can be ambient without (CVE-2022-29162 was an inheritable set beyond the ambient one). With
 * "sys_admin" it can make its own mounts, and the root writable: what the modes and the mapped ids allow, it can change there.
 *
 * @param container   a container that has not run anything
 * @param capability  its name, with or without "CAP_", in any case: "net_bind_service"
 * @return 0, or a negative errno: -EINVAL no such capability, -EBUSY, -ESTALE, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 * See: capabilities(7)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_add_capability(viso_container *container, const char *capability);

/**
 * Put a capability into single sets, for programs that manage theirs. viso_container_add_capability() is what most want.
 *
 * These are the sets at execve(2) of the program, to which the rules of capabilities(7) apply: what is permitted without
 * being ambient is lost there, but for uid 0 without SECBIT_NOROOT, which gets the bounding set.
 *
 * @param container   a container that has not run anything
 * @param sets        of viso_capability_set, combined by `|`
 * @param capability  as in viso_container_add_capability()
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD. A start fails with -EINVAL and stage
 *         VISO_STAGE_CAPABILITIES where the sets cannot be together (effective without permitted, ambient without permitted and
 *         inheritable, inheritable without bounding).
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: capabilities(7)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_add_capability_to(viso_container *container, unsigned sets, const char *capability);

/**
 * Choose the secure bits of the program. The default is SECBIT_NOROOT and SECBIT_NO_SETUID_FIXUP, both locked, and no raising
 * of ambient capabilities, which is not limiting what viso_container_add_capability() gives.
 *
 * @param container  a container that has not run anything
 * @param bits       of linux/securebits.h, combined by `|`
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: capabilities(7), "The securebits flags"
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_securebits(viso_container *container, unsigned bits);

/**
 * Say whether programs may gain privileges by execve(2) (setuid and file capabilities). The default is that they may not.
 * Where they may, setuid bits and file capabilities in the root count; capabilities are limited by the bounding set, see
 * viso_container_add_capability_to(), and ids by those that the container has.
 *
 * @param container  a container that has not run anything
 * @param allowed    0 or 1; what is gained is confined to the container's user namespace
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD. A start fails with -EACCES and stage
 *         VISO_STAGE_SECCOMP where a seccomp filter is set and the caller has no right to do so without no_new_privs.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: PR_SET_NO_NEW_PRIVS(2const)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_new_privileges(viso_container *container, int allowed);

/**
 * Choose what applies to system calls for which there is no rule. The default is VISO_SECCOMP_DEFAULT.
 *
 * System calls of another architecture (i386, x32) end the program with every profile but VISO_SECCOMP_NONE. The start itself
 * works with every profile and rule, also where execve(2) is forbidden: the launcher's own calls bear a secret that the program
 * never sees, and the rules hold from the program's first instruction on.
 *
 * @param container  a container that has not run anything
 * @param profile    which; takes the place of one from viso_container_load_seccomp()
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD, -EOPNOTSUPP the library was built without seccomp. A start
 *         fails with -EINVAL and stage VISO_STAGE_SECCOMP where it is VISO_SECCOMP_NONE and there are rules.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_seccomp_profile(viso_container *container, viso_seccomp_profile profile);

/**
 * Add a rule for a system call, by name. A rule of the caller's goes before the profile; of several rules for one call the
 * strictest holds, and of several errnos that of the first rule.
 *
 * @param container  a container that has not run anything
 * @param name       of the system call, such as "ptrace"; a name that this processor does not have is passed over
 * @param action     what happens
 * @param error      the errno for VISO_SYSCALL_ERROR, 1 to 4095; else 0
 * @return 0, or a negative errno: -EINVAL also where no processor has such a call, -E2BIG more than 4096 rules, -EBUSY, -ESTALE,
 *         -ENOMEM, -ECHILD, -EOPNOTSUPP built without seccomp. A start fails with -E2BIG and stage VISO_STAGE_SECCOMP where the
 *         filter is longer than the kernel takes, with -EBUSY where VISO_SYSCALL_NOTIFY is a rule and such a filter is around the
 *         host program already, and with -EMFILE where the command's limit of open files leaves no room for the listener.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: seccomp(2), syscalls(2)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_add_syscall_rule(viso_container *container, const char *name, viso_syscall_action action,
								 int error);

/**
 * As viso_container_add_syscall_rule(), where an argument of the call fulfils a condition: (argument & mask) == value.
 *
 * @param container  a container that has not run anything
 * @param name       of the system call
 * @param argument   which, 0 to 5
 * @param mask       which bits are compared
 * @param value      what they must be, of the mask's bits only. The kernel looks at 32 bits of an int: so should the mask.
 * @param action     what happens
 * @param error      as above
 * @return as viso_container_add_syscall_rule().
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_add_syscall_rule_if(viso_container *container, const char *name, unsigned argument,
								    uint64_t mask, uint64_t value,
								    viso_syscall_action action, int error);

/**
 * Take a seccomp profile in the format of the OCI runtime specification ("linux.seccomp"), which Docker's and Podman's profiles
 * have as well. It takes the place of
 * the profile; conditions on architectures, kernels and capabilities (those in the bounding set) in it are heeded. Names of
 * calls that are not known are passed over. Stricter than written: what kills ends the whole process, other architectures stay
 * closed, and of several rules for one call the strictest holds.
 *
 * @param container  a container that has not run anything
 * @param path       a JSON file of the host
 * @return 0, or a negative errno: -EINVAL not such a profile, -EOPNOTSUPP it asks for what the library cannot do, such as a
 *         `listenerPath` (the message says what), -EFBIG more than 1 MiB, -E2BIG more than 4096 rules, -EBUSY, -ESTALE, -ENOMEM,
 *         -ECHILD, or what opening and reading the file gave: -ENOENT, -EACCES, -ENOTDIR, -ELOOP, -EMFILE, -EIO.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: OCI Runtime Specification 1.1, config-linux.md, "Seccomp"
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_load_seccomp(viso_container *container, const char *path);

/**
 * Restrict the files that programs can reach by Landlock to those beneath paths that are added here, on top of what mounts and
 * modes allow. The calls add up.
 *
 * The program itself must be executable by that, its libraries readable: else the start fails with -EACCES at its execution.
 * Programs can no longer change mounts then. Rights that came later than the kernel are left out: ioctl(2) before Linux 6.10,
 * truncating before 6.2.
 *
 * @param container  a container that has not run anything
 * @param path       absolute path in the container, without `..` and without symbolic links, which are not followed; where /bin
 *                   and /lib are links, as on Debian, it is /usr
 * @param access     of viso_landlock_access
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD. A start fails with stage VISO_STAGE_LANDLOCK, and
 *         with -EOPNOTSUPP where the kernel has no Landlock, -ENOENT or -ENOTDIR where the container has no such path, -ELOOP
 *         where a link is on it.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: landlock(7)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_add_landlock_path(viso_container *container, const char *path, unsigned access);

VISO_END_DECLS

#endif
