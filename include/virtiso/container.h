/* SPDX-License-Identifier: MIT */
/**
 * @file container.h
 * A container: namespaces of its own for mounts, processes, IPC, host name, network, control groups and users, on the host's
 * kernel. It needs no privilege where the host allows user namespaces to ordinary users.
 *
 * Inside: the root, read-only; /proc; /dev with the usual nodes; an empty /tmp in memory; a loopback interface; no
 * capabilities; a default seccomp profile. What the root itself has below /dev, /proc and /tmp is hidden. Files in /tmp count
 * as memory of the command.
 */
#ifndef VIRTISO_CONTAINER_H
#define VIRTISO_CONTAINER_H

#include <stdint.h>
#include <virtiso/attributes.h>
#include <virtiso/command.h>
#include <virtiso/root.h>
#include <virtiso/sandbox.h>

VISO_BEGIN_DECLS

/** A container; opaque, reference counted. */
typedef struct viso_container viso_container;

/**
 * Make a container with the default settings. Nothing is started yet.
 *
 * @return a new container, owned by the caller; NULL with ENOMEM.
 * Threads: any.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT viso_container *viso_container_new(void);

/**
 * Take one more reference.
 *
 * @param container  a container, or NULL
 * @return `container`.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC viso_container *viso_container_ref(viso_container *container);

/**
 * Give one reference back; the last one closes the container as viso_sandbox_close() does and frees it.
 *
 * @param container  a container, or NULL
 * @return NULL.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC viso_container *viso_container_unref(viso_container *container);

/**
 * The view through which commands run in the container.
 *
 * @param container  a container
 * @return the sandbox, borrowed, valid as long as the container; NULL with EINVAL where `container` is NULL.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC viso_sandbox *viso_container_sandbox(viso_container *container);

/**
 * Set the root file system. The container takes a reference of its own.
 *
 * @param container  a container that has not run anything
 * @param root       the root; shared with other sandboxes at will
 * @return 0, or a negative errno: -EINVAL, -EBUSY it has run something already, -ESTALE it is closed, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_root(viso_container *container, viso_root *root);

/** When a hook of viso_container_add_hook() runs; as the OCI runtime specification has them. */
typedef enum viso_hook {
	VISO_HOOK_CREATE_RUNTIME = 1,   /**< on the host, when the namespaces are made, before the root is entered */
	VISO_HOOK_CREATE_CONTAINER = 2, /**< a program of the host in the container's namespaces, before the root is
					     entered; with the ids and all capabilities of the container's root */
	VISO_HOOK_START_CONTAINER = 3,  /**< a program of the container, before the command's, as confined as that */
	VISO_HOOK_POSTSTART = 4,        /**< on the host, when the program is executing, before the start returns */
	VISO_HOOK_POSTSTOP = 5,         /**< on the host, when everything is gone; after a start that failed, too */
	VISO_HOOK_ENUM_WIDTH_ = 0x7fffffff /**< not a hook; fixes the width of the type */
} viso_hook;

/**
 * Keep containers prepared, so that a start costs little more than execve(2): for very many commands in identical containers,
 * one after the other or at once. The settings are frozen.
 *
 * Each command still has a container of its own. Prepared ahead are the mounts that no program can change and an empty network
 * namespace, which is used again only where no packet was sent in it, no counter has changed and no socket is left. Namespaces
 * of all other kinds, ids, control groups, /proc, /tmp, /dev/shm and /dev/pts are made for each command, so what one writes
 * never reaches another one.
 *
 * /dev is read-only in such a container, and sockets are made of the families unix, netlink, inet and inet6 only, the latter for
 * TCP, UDP and ICMP (EAFNOSUPPORT, EPROTONOSUPPORT); with capabilities, or system call rules of its own, it has a new network
 * namespace each time instead. Where more commands run at once than are kept ready, or the launcher was killed meanwhile, the
 * others start as without this; calling it again makes up the number.
 *
 * @param container  a container with a root
 * @param count      how many are kept ready, at most 1024; 0 gives them back. Each takes a process, one fd of the caller and
 *                   about 300 KiB of the kernel's memory.
 * @return 0, or a negative errno as viso_sandbox_spawn(), and -EOPNOTSUPP as an ordinary user, or with a setting that cannot be
 *         prepared, which the message names: a writable root, mounts, joined or shared namespaces, id maps, clocks, kernel
 *         parameters, networks with addresses.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_prepare(viso_container *container, unsigned count);

/**
 * Make a container, and the command of its process, from an OCI bundle: a directory with config.json and a root.
 *
 * What the file asks for and the library cannot do is an error, not silence. "process" becomes the command, with the standard
 * streams inherited, or with a terminal. Relative paths are those of the bundle.
 *
 * Where the file says nothing, the library is stricter than other runtimes: a user namespace is made in any case; without
 * "noNewPrivileges" programs gain none, and it takes `false` to let them; without "seccomp" the library's own profile holds, and
 * without "capabilities" there are none. The device filter is left out for ordinary users, who have no device nodes to filter;
 * so is a mount of control groups where the host has them in version 1, or the container sees the host's. The group of
 * "cgroupsPath" has a name of the library's choice, below the parent of the path.
 *
 * @param directory      the bundle
 * @param out_container  where the container is put, owned by the caller; untouched on failure
 * @param out_command    where the command is put, owned by the caller; NULL where it is not wanted
 * @return 0, or a negative errno: -EINVAL not such a bundle (the message names the place in the file), -ENOENT, -EACCES,
 *         -EFBIG,
 *         -EOPNOTSUPP a feature that is not there (named as well), and what the setters return.
 * Threads: any.
 * Since: 0.3
 * See: OCI Runtime Specification 1.1, bundle.md and config.md
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_load_bundle(const char *directory, viso_container **out_container,
							    viso_command **out_command);

/**
 * Run a program at a certain moment of each start of an instance, with the state of the container as JSON on its standard
 * input: once for a command, or once for the instance of viso_sandbox_start(). Hooks of a moment run in the order of the calls.
 *
 * Where one does not exit with 0 before the program runs, the start fails; later on that is a warning of the log. A hook that
 * takes longer than the time limit of its command, or 30 seconds where that has none, is killed and has failed. Its standard
 * output and error are the null device, and what it leaves running is ended. Those on the host have the rights of the host
 * program. The state has "pid" as the hook sees it, of the container's init, and the detached container's name as "id".
 *
 * @param container  a container that has not run anything
 * @param when       the moment
 * @param command    program of the host (in the container for VISO_HOOK_START_CONTAINER) by an absolute path, with arguments,
 *                   environment, working directory and time limit; copied
 * @return 0, or a negative errno: -EINVAL also where the command has a user, groups, fds or a terminal, -E2BIG more than 64,
 *         -EBUSY, -ESTALE, -ENOMEM, -ECHILD. A start fails with stage VISO_STAGE_HOOK and the path as the object: -ECANCELED it
 *         did not exit with 0, -ETIMEDOUT, or why it could not be executed; -EOPNOTSUPP VISO_HOOK_CREATE_RUNTIME together with an
 *         interface that the library makes (VISO_NETWORK_BRIDGE and the like).
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: OCI Runtime Specification 1.1, config.md, "POSIX-platform Hooks"
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_add_hook(viso_container *container, viso_hook when, const viso_command *command);

/**
 * Let the instance of viso_sandbox_start() go on when the host program ends, and be found again by a name.
 *
 * A directory of the caller's holds a socket and a small file for each; viso_sandbox_close() ends the instance and removes
 * them, while releasing the handle leaves it running. Nobody else than the same user and root can attach. Commands of the host
 * program end with it, what they left running goes on. What is left of a container that was killed is recognised and replaced.
 * A service manager that ends everything in the host program's control group ends the container, too. Its files are those of the
 * root: take one at a place of its own (viso_root_set_path()), since a root in the library's directory goes with the host program.
 *
 * @param container  a container that has not run anything
 * @param directory  an existing directory of the host, the caller's own or root's, writable by nobody else
 * @param name       1 to 64 of the characters a-z A-Z 0-9 . _ -, not beginning with a dot
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ENOMEM, -ECHILD, -EEXIST one of that name runs, -ENOENT,
 *         -ENOTDIR, -EACCES, -EPERM others can write to the directory.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_set_detached(viso_container *container, const char *directory, const char *name);

/**
 * Find a detached container that still runs, by its name: after a restart of the host program, or in another one of the same
 * user. Its settings are those with which it was started.
 *
 * @param directory      as in viso_container_set_detached()
 * @param name           likewise
 * @param out_container  where it is put, owned by the caller; untouched on failure. Releasing it does not end the instance;
 *                       viso_sandbox_close() does
 * @return 0, or a negative errno: -EINVAL, -ENOENT none of that name runs, -ENOTDIR, -EACCES it is another user's, -EPERM others
 *         can write to the directory, -EPROTO it was started by another version of the library, -ETIMEDOUT its holder does not
 *         answer, -ENOMEM, -EMFILE.
 * Threads: any.
 * Since: 0.3
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_attach(const char *directory, const char *name, viso_container **out_container);

/**
 * Write the state of a running instance of viso_sandbox_start() to a directory, by criu(8), and end it. It takes root of the
 * host, criu with its helpers (tar, nftables) and a kernel with CONFIG_CHECKPOINT_RESTORE. What commands have left in the
 * background is kept, with the files beneath the container's own /tmp and /dev; it is stopped for a while (SIGSTOP). Where it
 * fails, the instance goes on and the directory is empty.
 *
 * Not each container can be kept so: its root is read-only, its network VISO_NETWORK_NONE, and it has no mounts, layers, masks,
 * namespaces, id maps, clocks, sysctls, limits by control groups, hooks, Landlock, or VISO_SYSCALL_NOTIFY of choice. What runs
 * in the background must have a session of its own, as setsid(1) gives it, and no stream of the host.
 *
 * @param container  a container with a running instance
 * @param directory  an existing, empty directory of the host. It gets mode 0750 and a group that is nobody's: what is written
 *                   there is the memory of programs
 * @return 0, or a negative errno: -EINVAL also without an instance, -ENOENT, -ENOTDIR, -EACCES, -EMFILE, -ENOTEMPTY, -EBUSY a
 *         command runs, -EOPNOTSUPP criu is not installed or cannot do it here (the message has its last words), the caller is
 *         not root, nothing runs in the background, the container was attached to, or has a setting (the error's object) that
 *         would not be restored; -ETIMEDOUT, -EAGAIN as viso_sandbox_pause(), -ESRCH the instance has ended, -ENOMEM, -ESTALE,
 *         -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: criu(8)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_checkpoint(viso_container *container, const char *directory);

/**
 * Start the instance of a container from what viso_container_checkpoint() wrote, instead of viso_sandbox_start(). It is like
 * any other then: commands run in it, and it ends with the sandbox and with the host program. Its network namespace is a new one
 * with a loopback interface; connections are lost. A failed restore may be tried again.
 *
 * criu gives the programs the rights that are written in the images, so whoever can change them is root: keep them safe.
 *
 * @param container  a container with the same settings and the same root file system, that has not run anything
 * @param directory  as above; it stays as it is, and restore.log in there has what criu said
 * @return 0, or a negative errno: -EOPNOTSUPP criu is not installed or could not do it, the caller is not root, or a setting (the
 *         error's object) is not restored; -ENOENT nothing was written there, -EPERM others can write to the directory, -EBUSY
 *         settings are frozen, or the host ids that the container had belong to another one now; -EINVAL, -ENOTDIR, -EACCES,
 *         -ESRCH, -ETIMEDOUT, -EPIPE, -EMFILE, -ENOMEM, -ESTALE, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: criu(8)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_container_restore(viso_container *container, const char *directory);

VISO_END_DECLS

/* The settings, by subject. */
#include <virtiso/container_filesystem.h>
#include <virtiso/container_limits.h>
#include <virtiso/container_namespaces.h>
#include <virtiso/container_network.h>
#include <virtiso/container_security.h>

#endif
