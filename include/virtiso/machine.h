/* SPDX-License-Identifier: MIT */
/**
 * @file machine.h
 * What of this library works on this host for this user, and why something does not.
 */
#ifndef VIRTISO_MACHINE_H
#define VIRTISO_MACHINE_H

#include <virtiso/attributes.h>

VISO_BEGIN_DECLS

/** What was found out about a machine; opaque, reference counted, immutable. */
typedef struct viso_machine viso_machine;

/** Something that works on a host or does not. */
typedef enum viso_feature {
	VISO_FEATURE_JAIL = 0,             /**< viso_jail can run commands */
	VISO_FEATURE_CONTAINER = 1,        /**< viso_container can run commands */
	VISO_FEATURE_GUEST = 2,            /**< viso_guest can run commands */
	VISO_FEATURE_USER_NAMESPACES = 3,  /**< user namespaces for this user */
	VISO_FEATURE_LANDLOCK = 4,         /**< Landlock; the detail says which ABI */
	VISO_FEATURE_LANDLOCK_SCOPE = 5,   /**< Landlock scopes: signals and abstract sockets (ABI 6) */
	VISO_FEATURE_SECCOMP = 6,          /**< seccomp filters, in the kernel and in this build */
	VISO_FEATURE_MEMORY_LIMIT = 7,     /**< a control group for memory; the detail says which version */
	VISO_FEATURE_PROCESS_LIMIT = 8,    /**< a control group for process numbers */
	VISO_FEATURE_NEW_MOUNT_API = 9,    /**< open_tree, fsopen, move_mount, mount_setattr */
	VISO_FEATURE_KVM = 10,             /**< /dev/kvm can be opened and makes a virtual machine */
	VISO_FEATURE_KVM_RING0 = 11,       /**< KVM runs ring 0 natively, so that kernels can boot */
	VISO_FEATURE_KERNEL = 12,          /**< a kernel that is new enough; since 0.5, as those below */
	VISO_FEATURE_CPU_LIMIT = 13,       /**< a control group for CPU time */
	VISO_FEATURE_IO_LIMIT = 14,        /**< a control group for I/O of devices */
	VISO_FEATURE_ID_RANGES = 15,       /**< more ids than the user's own in a container */
	VISO_FEATURE_OVERLAY = 16,         /**< layers and writable uppers of containers */
	VISO_FEATURE_NETWORK_BRIDGE = 17,  /**< VISO_NETWORK_BRIDGE and its kind, NAT */
	VISO_FEATURE_NETWORK_USER = 18,    /**< VISO_NETWORK_USER, by pasta */
	VISO_FEATURE_CHECKPOINT = 19,      /**< checkpoints of containers, by criu */
	VISO_FEATURE_EROFS = 20,           /**< EROFS images, by mkfs.erofs */
	VISO_FEATURE_KERNEL_GUEST = 21,    /**< guests that boot a kernel */
	VISO_FEATURE_ENUM_WIDTH_ = 0x7fffffff /**< not a feature; fixes the width of the type */
} viso_feature;

/**
 * Examine this host. Nothing is executed and nothing is changed. The features are tried when the first of them is asked
 * for, which may take some milliseconds; all else is found out here.
 *
 * @return a new machine, owned by the caller; NULL with ENOMEM.
 * Threads: any.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT viso_machine *viso_machine_new(void);

/**
 * Examine a machine by what was captured of it, in a directory. It has files where the machine has them, as far as they
 * are of interest: proc/, sys/, etc/, run/, dev/ (devices and sockets as empty files), lib/modules/ and so on; and text
 * files for the rest, each of which may be missing:
 *  - `cpuid`: LEAF SUBLEAF: EAX EBX ECX EDX, in hexadecimal, on each line;
 *  - `msr`: NUMBER: VALUE, in hexadecimal;
 *  - `uname`: system, node, release, version and machine, each on a line;
 *  - `ns`: NAME: INODE, as in /proc/self/ns of the process that wrote it;
 *  - `root`: 1 where / is the root of a mount, 0 where it is another directory;
 *  - `errors`: ERRNO NAME for what could not be read there, as in "EACCES /proc/1/environ"; the name is an absolute
 *    path, or cpuid, msr, uname, root, ns/ with the name of a namespace.
 *
 * Features of a captured machine cannot be tried. The directory may come from anybody: no link leads out of it, and
 * nothing but regular files is opened.
 *
 * @param directory  the captured directory, which should not change as long as the machine is used
 * @return a new machine, owned by the caller; NULL with EINVAL for a bad argument, ENOMEM, or the errno with which the
 *         directory cannot be opened: ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG, EMFILE, ENFILE.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC VISO_CHECK_RESULT viso_machine *viso_machine_new_from(const char *directory);

/**
 * Write down all that this machine tells, for viso_machine_new_from(): what was read of files, what the processor says, and what could not
 * be read. Of environments nothing is kept but what containers say in them. An ordinary user may read less: ACPI's tables, the
 * environment of the first process and some of DMI are root's.
 *
 * @param directory  a directory that is made, or is empty; only its owner may enter it. After a failure it is as before
 * @return 0; -EINVAL bad argument, -ENOMEM out of memory, -ENOTEMPTY there is something in it, or the errno with which it cannot be made or
 *         written to: -EACCES, -EPERM, -ENOENT, -ENOTDIR, -ELOOP, -ENAMETOOLONG, -EROFS, -ENOSPC, -EDQUOT, -EIO, -EMFILE, -ENFILE.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC int viso_machine_capture(const char *directory);

/**
 * Take one more reference.
 *
 * @param machine  a machine, or NULL
 * @return `machine`.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC viso_machine *viso_machine_ref(viso_machine *machine);

/**
 * Give one reference back; the last one frees the machine.
 *
 * @param machine  a machine, or NULL
 * @return NULL.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC viso_machine *viso_machine_unref(viso_machine *machine);

/**
 * Whether a feature works here.
 *
 * @param machine  a machine
 * @param feature  a feature
 * @return 1 it works, 0 it does not; -EINVAL bad argument; -EOPNOTSUPP the machine was captured; -ENOMEM.
 * Threads: any.
 * Since: 0.1
 */
VISO_PUBLIC int viso_machine_feature(const viso_machine *machine, viso_feature feature);

/**
 * The detail of a feature: how it works here, or why it does not and what would help.
 *
 * @param machine  a machine
 * @param feature  a feature
 * @return a sentence, borrowed, valid as long as the machine; NULL with EINVAL for a bad argument,
 *         EOPNOTSUPP where the machine was captured, or ENOMEM.
 * Threads: any.
 * Since: 0.1
 */
VISO_PUBLIC const char *viso_machine_detail(const viso_machine *machine, viso_feature feature);

/**
 * The name of a feature, such as "user namespaces". Features are numbered from 0 without gaps.
 *
 * @param feature  a feature
 * @return a static string; NULL beyond the last feature.
 * Threads: any.
 * Since: 0.1
 */
VISO_PUBLIC const char *viso_feature_name(viso_feature feature);

VISO_END_DECLS

#endif
