/* SPDX-License-Identifier: MIT */
/**
 * @file error.h
 * Why the last failed call of this thread failed: errno, the stage, the object, and a sentence for a person.
 *
 * The error is thread-local. Every failing call sets it anew; a successful call leaves it alone. Strings returned
 * here are borrowed and valid until the next failing call of the same thread.
 */
#ifndef VIRTISO_ERROR_H
#define VIRTISO_ERROR_H

#include <virtiso/attributes.h>

VISO_BEGIN_DECLS

/** The part of the work in which a call failed. */
typedef enum viso_stage {
	VISO_STAGE_NONE = 0,         /**< no error has happened in this thread */
	VISO_STAGE_ARGUMENT = 1,     /**< an argument or the order of calls */
	VISO_STAGE_MEMORY = 2,       /**< the host's memory */
	VISO_STAGE_ROOT = 3,         /**< collecting or building a root file system */
	VISO_STAGE_ELF = 4,          /**< reading an ELF file */
	VISO_STAGE_COMMAND = 5,      /**< preparing the command */
	VISO_STAGE_LAUNCHER = 6,     /**< the launcher process */
	VISO_STAGE_CLONE = 7,        /**< creating a process */
	VISO_STAGE_USER_NAMESPACE = 8, /**< creating or mapping a user namespace */
	VISO_STAGE_NAMESPACE = 9,    /**< any other namespace */
	VISO_STAGE_MOUNT = 10,       /**< a mount */
	VISO_STAGE_PIVOT = 11,       /**< entering the new root of a container */
	VISO_STAGE_CHROOT = 12,      /**< entering the root of a jail */
	VISO_STAGE_CGROUP = 13,      /**< control groups */
	VISO_STAGE_RLIMIT = 14,      /**< resource limits */
	VISO_STAGE_CREDENTIALS = 15, /**< user, group and supplementary groups */
	VISO_STAGE_CAPABILITIES = 16, /**< capabilities, securebits, no_new_privs */
	VISO_STAGE_LANDLOCK = 17,    /**< Landlock */
	VISO_STAGE_SECCOMP = 18,     /**< seccomp */
	VISO_STAGE_STDIO = 19,       /**< standard streams */
	VISO_STAGE_CWD = 20,         /**< the working directory */
	VISO_STAGE_EXEC = 21,        /**< executing the program */
	VISO_STAGE_NETWORK = 22,     /**< network set-up */
	VISO_STAGE_KVM = 23,         /**< KVM and its ioctls */
	VISO_STAGE_GUEST = 24,       /**< loading a program into a guest, or serving it */
	VISO_STAGE_PROCESS = 25,     /**< waiting for or signalling a process */
	VISO_STAGE_MACHINE = 26,     /**< examining the host */
	VISO_STAGE_IMAGE = 27,       /**< packing a root, or unpacking an archive or image */
	VISO_STAGE_HOOK = 28,        /**< a hook of a container */
	VISO_STAGE_CHECKPOINT = 29,  /**< checkpoint and restore */
	VISO_STAGE_ENUM_WIDTH_ = 0x7fffffff /**< not a stage; fixes the width of the type */
} viso_stage;

/**
 * The errno of this thread's last failed call.
 *
 * @return a positive errno, or 0 where no call has failed yet.
 * Threads: any; each thread has its own.
 * Since: 0.1
 */
VISO_PUBLIC int viso_error_number(void);

/**
 * The stage in which this thread's last failed call failed.
 *
 * @return the stage; VISO_STAGE_NONE where no call has failed yet.
 * Threads: any; each thread has its own.
 * Since: 0.1
 */
VISO_PUBLIC viso_stage viso_error_stage(void);

/**
 * What the last failed call of this thread failed on: a path, a system call, an ioctl, a setting.
 *
 * @return a string, borrowed; "" where there is no object. Long objects are cut.
 * Threads: any; each thread has its own.
 * Since: 0.1
 */
VISO_PUBLIC const char *viso_error_object(void);

/**
 * A sentence for a person about this thread's last failed call: what failed, on what, why, and where known what to do.
 *
 * @return a string, borrowed; "" where no call has failed yet.
 * Threads: any; each thread has its own.
 * Since: 0.1
 */
VISO_PUBLIC const char *viso_error_message(void);

/**
 * Forget this thread's error.
 *
 * Threads: any; each thread has its own.
 * Since: 0.1
 */
VISO_PUBLIC void viso_error_clear(void);

/**
 * The name of a stage, such as "user namespace".
 *
 * @param stage  a stage
 * @return a static string; NULL for a value that is no stage.
 * Threads: any.
 * Since: 0.1
 */
VISO_PUBLIC const char *viso_stage_name(viso_stage stage);

VISO_END_DECLS

#endif
