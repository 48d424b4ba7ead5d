/* SPDX-License-Identifier: MIT */
/**
 * @file jail.h
 * A chroot jail: a root directory of its own and nothing else, on the host's kernel, hardened by default.
 *
 * chroot(2) alone is no security boundary. A jail therefore drops all capabilities, gets a uid of its own, and is locked in by
 * no_new_privs, Landlock (where the kernel has it) and seccomp. Its processes still see the host's process ids and share its
 * kernel: where that matters, take a container or a guest.
 *
 * A jail of root has a uid of its own. An ordinary user has jails where user namespaces are allowed; one is used for chroot(2),
 * and to bind the host's null, zero, full, random, urandom and tty into the root's /dev where that is empty, since the user cannot
 * make device nodes. The program has the caller's own uid, seen inside as 1000 or what viso_command_set_user() says. It keeps
 * the caller's supplementary groups, and has no limits by control groups unless some are delegated to the caller.
 *
 * With viso_command_set_user(), or as an ordinary user, the program shares its uid with whoever else has it: before Linux 6.12
 * (Landlock scopes) it can then signal their processes.
 *
 * The root is the directory itself, shared by all jails that use it, and without a /tmp of its own for each command: in a root that
 * the library built, a program of root's jails can write nowhere. In an existing directory it can write wherever the modes let
 * everybody. An ordinary user's program may change whatever the user owns, in a built root too.
 *
 * A program inherits nothing of the host's but its nice value, CPU affinity, resource limits that are not set, and an OOM score
 * above zero.
 */
#ifndef VIRTISO_JAIL_H
#define VIRTISO_JAIL_H

#include <stdint.h>
#include <virtiso/attributes.h>
#include <virtiso/root.h>
#include <virtiso/sandbox.h>

VISO_BEGIN_DECLS

/** A jail; opaque, reference counted. */
typedef struct viso_jail viso_jail;

/** How much of a jail's hardening is in force; each level has all of those below it. */
typedef enum viso_hardening {
	VISO_HARDENING_NONE = 0,       /**< chroot(2) as of 1979: a program with privileges, or with help from outside, walks out */
	VISO_HARDENING_PRIVILEGES = 1, /**< no capabilities, no_new_privs, seccomp, no fds and no keys of the host */
	VISO_HARDENING_FILES = 2,      /**< Landlock: no file outside of the root, whatever path or directory leads to it */
	VISO_HARDENING_SCOPES = 3,     /**< Landlock scopes (Linux 6.12): no abstract unix socket and no signal to the outside */
	VISO_HARDENING_ENUM_WIDTH_ = 0x7fffffff /**< not a level; fixes the width of the type */
} viso_hardening;

/**
 * Make a jail with the default settings. Nothing is started yet.
 *
 * @return a new jail, owned by the caller; NULL with ENOMEM.
 * Threads: any.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT viso_jail *viso_jail_new(void);

/**
 * Take one more reference.
 *
 * @param jail  a jail, or NULL
 * @return `jail`.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC viso_jail *viso_jail_ref(viso_jail *jail);

/**
 * Give one reference back; the last one closes the jail as viso_sandbox_close() does and frees it.
 *
 * @param jail  a jail, or NULL
 * @return NULL.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC viso_jail *viso_jail_unref(viso_jail *jail);

/**
 * The view through which commands run in the jail.
 *
 * @param jail  a jail
 * @return the sandbox, borrowed, valid as long as the jail; NULL with EINVAL where `jail` is NULL.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC viso_sandbox *viso_jail_sandbox(viso_jail *jail);

/**
 * Set the root file system. The jail takes a reference of its own.
 *
 * @param jail  a jail that has not run anything
 * @param root  the root; shared with other sandboxes at will
 * @return 0, or a negative errno: -EINVAL, -EBUSY it has run something already, -ESTALE it is closed, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_jail_set_root(viso_jail *jail, viso_root *root);

/**
 * Limit the memory of each command with all that it starts, by a control group. Without this call there is no limit.
 *
 * A program that uses more is ended with VISO_REASON_OUT_OF_MEMORY.
 *
 * @param jail  a jail that has not run anything
 * @param bytes  the limit in bytes, at least 1 MiB; 0 for none
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD. A start fails with -EOPNOTSUPP and stage
 *         VISO_STAGE_CGROUP where the host gives the caller no memory controller.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_jail_set_memory_max(viso_jail *jail, uint64_t bytes);

/**
 * Limit how many processes and threads each command may have at once, by a control group. Without this call there is no limit.
 *
 * A program that wants more gets EAGAIN from fork(2).
 *
 * @param jail  a jail that has not run anything
 * @param count  the limit; 0 for none
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD. A start fails with -EOPNOTSUPP and stage
 *         VISO_STAGE_CGROUP where the host gives the caller no pids controller.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_jail_set_processes_max(viso_jail *jail, uint64_t count);

/**
 * Choose what the jail can reach by network. A jail has no network of its own: VISO_NETWORK_NONE means that seccomp refuses
 * sockets other than unix ones. The default is VISO_NETWORK_NONE.
 *
 * @param jail    a jail that has not run anything
 * @param network  what it can reach
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_jail_set_network(viso_jail *jail, viso_network network);

/**
 * Switch the hardening of the jail on or off. It is on by default. Off is for programs that need privileges within their
 * root, and for comparison: chroot(2) alone is no security boundary, and viso_jail_warning() says so.
 *
 * Without it, a command that runs as root (viso_command_set_user() with uid 0) keeps root's capabilities, set-user-ID programs
 * work, and every system call and socket can be made. The host's fds, environment, terminal and session keyring stay out
 * all the same.
 *
 * @param jail     a jail that has not run anything
 * @param enabled  0 for VISO_HARDENING_NONE, anything else for all that this kernel has
 * @return 0, or a negative errno: -EINVAL `enabled` is 0 where a level was demanded, -EBUSY, -ESTALE, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.2
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_jail_set_hardening(viso_jail *jail, int enabled);

/**
 * Demand a level: where this kernel reaches less, a start fails with -EOPNOTSUPP instead of going on with less.
 *
 * @param jail   a jail that has not run anything
 * @param level  the least level
 * @return 0, or a negative errno: -EINVAL no such level, or more than VISO_HARDENING_NONE where the hardening is switched
 *         off, -EBUSY, -ESTALE, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.2
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_jail_demand_hardening(viso_jail *jail, viso_hardening level);

/**
 * The level that a command in the jail has on this kernel.
 *
 * @param jail  a jail
 * @return a viso_hardening; -EINVAL, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.2
 */
VISO_PUBLIC int viso_jail_hardening(viso_jail *jail);

/**
 * The name of a level: "none", "privileges", "files", "scopes".
 *
 * @param level  a level
 * @return a static string; NULL for a value that is none.
 * Threads: any.
 * Since: 0.2
 */
VISO_PUBLIC const char *viso_hardening_name(viso_hardening level);

/**
 * What stays open in this jail, with its settings, its commands so far, on this kernel, for this user, and with the modes of its
 * root once that is there: one sentence for each door that can be seen to be open.
 *
 * @param jail   a jail
 * @param index  which one, from 0
 * @return a static string; NULL where there is no such warning, that is behind the last one.
 * Threads: one handle from one thread at a time.
 * Since: 0.2
 */
VISO_PUBLIC const char *viso_jail_warning(viso_jail *jail, unsigned index);

VISO_END_DECLS

#endif
