/* SPDX-License-Identifier: MIT */
/**
 * @file result.h
 * How a command ended: reason, exit code or signal, time, memory, captured output. A result never changes.
 */
#ifndef VIRTISO_RESULT_H
#define VIRTISO_RESULT_H

#include <stddef.h>
#include <stdint.h>
#include <virtiso/attributes.h>
#include <virtiso/command.h>

VISO_BEGIN_DECLS

/** A result; opaque, reference counted, immutable. */
typedef struct viso_result viso_result;

/** Why a command ended. */
typedef enum viso_reason {
	VISO_REASON_EXITED = 1,        /**< by itself, with an exit code */
	VISO_REASON_SIGNALLED = 2,     /**< by a signal that none of the reasons below explains */
	VISO_REASON_TIMED_OUT = 3,     /**< its wall-clock time was over */
	VISO_REASON_CPU_TIME = 4,      /**< its CPU time was used up */
	VISO_REASON_OUT_OF_MEMORY = 5, /**< the memory limit was reached and the kernel or the guest ended it */
	VISO_REASON_KILLED = 6,        /**< killed by the host program (kill, close) */
	VISO_REASON_SECCOMP = 7,       /**< ended for a forbidden system call */
	VISO_REASON_GUEST_FAULT = 8,   /**< the virtual machine failed in a way that is no signal of the program's own */
	VISO_REASON_SYSCALLS_MAX = 9,  /**< the system calls of viso_guest_set_syscalls_max() were used up */
	VISO_REASON_ENUM_WIDTH_ = 0x7fffffff /**< not a reason; fixes the width of the type */
} viso_reason;

/** A figure of viso_result_usage(). */
typedef enum viso_usage {
	VISO_USAGE_WALL_US = 0,              /**< wall-clock time from start to end, microseconds */
	VISO_USAGE_USER_US = 1,              /**< CPU time in user mode, microseconds */
	VISO_USAGE_SYSTEM_US = 2,            /**< CPU time in the kernel, microseconds */
	VISO_USAGE_MEMORY_PEAK = 3,          /**< peak memory in bytes: of the control group where there is one, else of the largest process */
	VISO_USAGE_MINOR_FAULTS = 4,         /**< page faults without input/output */
	VISO_USAGE_MAJOR_FAULTS = 5,         /**< page faults with input/output */
	VISO_USAGE_BLOCKS_IN = 6,            /**< blocks read from a device */
	VISO_USAGE_BLOCKS_OUT = 7,           /**< blocks written to a device */
	VISO_USAGE_VOLUNTARY_SWITCHES = 8,   /**< context switches by waiting */
	VISO_USAGE_INVOLUNTARY_SWITCHES = 9, /**< context switches by pre-emption */
	VISO_USAGE_MEMORY = 10,              /**< memory in use now, bytes, of the control group */
	VISO_USAGE_SWAP = 11,                /**< swap in use now, bytes */
	VISO_USAGE_SWAP_PEAK = 12,           /**< most swap that was in use, bytes (version 2, Linux 6.5) */
	VISO_USAGE_PROCESSES = 13,           /**< processes and threads now */
	VISO_USAGE_PROCESSES_PEAK = 14,      /**< most that there were at once (version 2, Linux 6.1) */
	VISO_USAGE_CPU_THROTTLED_US = 15,    /**< time for which viso_container_set_cpu_max() held them back, microseconds */
	VISO_USAGE_READ_BYTES = 16,          /**< bytes read from block devices, by the io or blkio controller; from the disks of a kernel guest */
	VISO_USAGE_WRITTEN_BYTES = 17,       /**< bytes written to block devices, likewise */
	VISO_USAGE_OOM_KILLS = 18,           /**< processes that the kernel ended for want of memory */
	VISO_USAGE_MEMORY_MAX_EVENTS = 19,   /**< how often the memory limit was reached */
	VISO_USAGE_PROCESSES_MAX_EVENTS = 20, /**< how often a process could not be made for the limit of processes */
	VISO_USAGE_CPU_PRESSURE_US = 21,     /**< time in which some process waited for a CPU (PSI), microseconds (version 2) */
	VISO_USAGE_MEMORY_PRESSURE_US = 22,  /**< time in which some process waited for memory (PSI), microseconds */
	VISO_USAGE_IO_PRESSURE_US = 23,      /**< time in which some process waited for input or output (PSI), microseconds */
	VISO_USAGE_EXITS = 24,               /**< how often the processors of a kernel guest were left for the library */
	VISO_USAGE_EXITS_PORT = 25,          /**< of these: since the guest used a port */
	VISO_USAGE_EXITS_MEMORY = 26,        /**< since it used an address behind which a device is */
	VISO_USAGE_EXITS_INTERRUPTED = 27,   /**< since the library interrupted them */
	VISO_USAGE_EXITS_KVM = 28,           /**< how often they were left in all, mostly for KVM alone; this and what follows is known of a kernel guest that was paused, as of then, or has ended (Linux 5.14) */
	VISO_USAGE_EXITS_HALT = 29,          /**< of these: since a processor had nothing to do */
	VISO_USAGE_EXITS_HYPERCALL = 30,     /**< since it made a hypercall of KVM's */
	VISO_USAGE_EXITS_WINDOW = 31,        /**< since it could take an interrupt at last */
	VISO_USAGE_INTERRUPTS = 32,          /**< interrupts that the processors were given */
	VISO_USAGE_ENUM_WIDTH_ = 0x7fffffff  /**< not a figure; fixes the width of the type */
} viso_usage;

/**
 * Take one more reference.
 *
 * @param result  a result, or NULL
 * @return `result`.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC viso_result *viso_result_ref(viso_result *result);

/**
 * Give one reference back; the last one frees the result.
 *
 * @param result  a result, or NULL
 * @return NULL.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC viso_result *viso_result_unref(viso_result *result);

/**
 * Why the command ended.
 *
 * @param result  a result
 * @return the reason, a positive number; -EINVAL where `result` is NULL.
 * Threads: any.
 * Since: 0.1
 */
VISO_PUBLIC int viso_result_reason(const viso_result *result);

/**
 * The exit code.
 *
 * @param result  a result
 * @return 0 to 255; -1 where the program did not exit by itself or `result` is NULL.
 * Threads: any.
 * Since: 0.1
 */
VISO_PUBLIC int viso_result_exit_code(const viso_result *result);

/**
 * The signal that ended the program.
 *
 * @param result  a result
 * @return the number of the signal; 0 where none did or `result` is NULL.
 * Threads: any.
 * Since: 0.1
 */
VISO_PUBLIC int viso_result_signal(const viso_result *result);

/**
 * How the command ended, in words: "exited with code 3", "timed out", "killed by signal 11 (Segmentation fault)".
 *
 * @param result  a result
 * @return a string, borrowed; "" where `result` is NULL.
 * Threads: any.
 * Since: 0.1
 */
VISO_PUBLIC const char *viso_result_describe(const viso_result *result);

/**
 * One figure of what the command used.
 *
 * @param result  a result
 * @param usage   which figure
 * @return the figure in the unit named at it; -EINVAL bad argument, -ENODATA this strength does not count it.
 * Threads: any.
 * Since: 0.1
 * See: getrusage(2)
 */
VISO_PUBLIC int64_t viso_result_usage(const viso_result *result, viso_usage usage);

/**
 * The captured output of one stream.
 *
 * @param result    a result
 * @param stream    VISO_STDOUT or VISO_STDERR
 * @param out_size  where the length in bytes is put, or NULL
 * @return the bytes, borrowed, followed by a NUL that is not counted; "" and 0 where the stream was not captured; NULL
 *         with EINVAL for a bad argument.
 * Threads: any.
 * Since: 0.1
 */
VISO_PUBLIC const char *viso_result_output(const viso_result *result, viso_stream stream, size_t *out_size);

/**
 * Whether output went beyond the bound of its capture and was cut.
 *
 * @param result  a result
 * @param stream  VISO_STDOUT or VISO_STDERR
 * @return 1 or 0; -EINVAL bad argument.
 * Threads: any.
 * Since: 0.1
 */
VISO_PUBLIC int viso_result_output_truncated(const viso_result *result, viso_stream stream);

/**
 * A register at the moment when a program of a guest ended in another way than by exiting: by a signal, a fault, or since its time
 * was over.
 *
 * @param result     a result
 * @param name       "rax" to "r15", "rip", "rflags", "fs_base", "gs_base"
 * @param out_value  where it is put; untouched on failure
 * @return 0; -ENODATA there are none, as of a program that exited and for other strengths, -EINVAL also no such register, -ECHILD.
 * Threads: any.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_result_register(const viso_result *result, const char *name, uint64_t *out_value);

/**
 * The address whose access ended a program of a guest.
 *
 * @param result       a result
 * @param out_address  where it is put; untouched on failure
 * @return 0; -ENODATA it did not end by that, -EINVAL, -ECHILD.
 * Threads: any.
 * Since: 0.4
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_result_fault_address(const viso_result *result, uint64_t *out_address);

VISO_END_DECLS

#endif
