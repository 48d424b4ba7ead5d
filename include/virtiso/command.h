/* SPDX-License-Identifier: MIT */
/**
 * @file command.h
 * What to run: program, arguments, environment, directory, user, standard streams and limits.
 *
 * A command is a description. It can be run any number of times, in sandboxes of any strength; each run works on the
 * settings as they are at that moment.
 *
 * Defaults: a clean environment (PATH, HOME=/, LANG=C.UTF-8), directory `/`, standard streams inherited, no limits but
 * the host program's rlimits.
 */
#ifndef VIRTISO_COMMAND_H
#define VIRTISO_COMMAND_H

#include <stddef.h>
#include <stdint.h>
#include <virtiso/attributes.h>

VISO_BEGIN_DECLS

/** A command; opaque, reference counted. */
typedef struct viso_command viso_command;

/** The standard streams; the numbers are the fds that the program sees. */
typedef enum viso_stream {
	VISO_STDIN = 0,  /**< standard input */
	VISO_STDOUT = 1, /**< standard output */
	VISO_STDERR = 2, /**< standard error */
	VISO_STREAM_ENUM_WIDTH_ = 0x7fffffff /**< not a stream; fixes the width of the type */
} viso_stream;

/** Where a standard stream leads. */
typedef enum viso_stdio {
	VISO_STDIO_INHERIT = 0, /**< the host program's own stream (the default) */
	VISO_STDIO_NULL = 1,    /**< nothing to read; what is written is discarded */
	VISO_STDIO_PIPE = 2,    /**< a pipe whose other end viso_process_take_stream() gives */
	VISO_STDIO_STDOUT = 3,  /**< for VISO_STDERR: where standard output leads */
	VISO_STDIO_ENUM_WIDTH_ = 0x7fffffff /**< not a mode; fixes the width of the type */
} viso_stdio;

/** A scheduling policy; see sched(7). */
typedef enum viso_scheduler {
	VISO_SCHEDULER_OTHER = 0, /**< the usual one */
	VISO_SCHEDULER_FIFO = 1,  /**< real time, first in first out */
	VISO_SCHEDULER_RR = 2,    /**< real time, by turns */
	VISO_SCHEDULER_BATCH = 3, /**< for work that nobody waits for */
	VISO_SCHEDULER_IDLE = 5,  /**< only when nothing else wants to run */
	VISO_SCHEDULER_ENUM_WIDTH_ = 0x7fffffff /**< not a policy; fixes the width of the type */
} viso_scheduler;

/** A resource limit of setrlimit(2), for viso_command_set_rlimit(). */
typedef enum viso_rlimit {
	VISO_RLIMIT_ADDRESS_SPACE = 0, /**< RLIMIT_AS, bytes */
	VISO_RLIMIT_CORE = 1,          /**< RLIMIT_CORE, bytes; 0 unless set */
	VISO_RLIMIT_CPU = 2,           /**< RLIMIT_CPU, seconds */
	VISO_RLIMIT_DATA = 3,          /**< RLIMIT_DATA, bytes */
	VISO_RLIMIT_FILE_SIZE = 4,     /**< RLIMIT_FSIZE, bytes */
	VISO_RLIMIT_OPEN_FILES = 5,    /**< RLIMIT_NOFILE, one more than the highest fd */
	VISO_RLIMIT_PROCESSES = 6,     /**< RLIMIT_NPROC, processes of the user */
	VISO_RLIMIT_STACK = 7,         /**< RLIMIT_STACK, bytes */
	VISO_RLIMIT_LOCKED_MEMORY = 8, /**< RLIMIT_MEMLOCK, bytes */
	VISO_RLIMIT_ENUM_WIDTH_ = 0x7fffffff /**< not a limit; fixes the width of the type */
} viso_rlimit;

/** No limit, for viso_command_set_rlimit(). */
#define VISO_UNLIMITED UINT64_MAX

/**
 * Make a command. Its first argument (argv[0]) is `program`.
 *
 * @param program  a path within the sandbox's root, or a name without a slash, which is looked up there in the command's
 *                 PATH
 * @return a new command, owned by the caller; NULL with EINVAL or ENOMEM.
 * Threads: any.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT viso_command *viso_command_new(const char *program);

/**
 * Take one more reference.
 *
 * @param command  a command, or NULL
 * @return `command`.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC viso_command *viso_command_ref(viso_command *command);

/**
 * Give one reference back; the last one frees the command. What it started is not affected.
 *
 * @param command  a command, or NULL
 * @return NULL.
 * Threads: any at any time.
 * Since: 0.1
 */
VISO_PUBLIC viso_command *viso_command_unref(viso_command *command);

/**
 * Append one argument.
 *
 * @param command  a command
 * @param arg      the argument; any bytes but NUL
 * @return 0, or a negative errno: -EINVAL, -ENOMEM, -E2BIG more than 1,048,576 arguments or 2 MiB of them, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_command_add_arg(viso_command *command, const char *arg);

/**
 * Set one environment variable.
 *
 * @param command  a command
 * @param name     not empty, without `=`
 * @param value    the value; NULL takes the host program's own value, or removes the variable where it has none
 * @return 0, or a negative errno: -EINVAL, -ENOMEM, -E2BIG more than 2 MiB, -ECHILD.
 * Threads: one handle from one thread at a time; with `value` NULL no other thread may change the environment meanwhile.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_command_set_env(viso_command *command, const char *name, const char *value);

/**
 * Remove all environment variables, the default ones too.
 *
 * @param command  a command
 * @return 0, or a negative errno: -EINVAL, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC int viso_command_clear_env(viso_command *command);

/**
 * Set the working directory.
 *
 * @param command  a command
 * @param path     an absolute path within the root
 * @return 0, or a negative errno: -EINVAL `path` is not absolute, -ENOMEM, -ECHILD. A directory that is not there fails
 *         at the start, with stage VISO_STAGE_CWD.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_command_set_cwd(viso_command *command, const char *path);

/**
 * Run as this user and group, and no supplementary groups.
 *
 * The ids are those that the program sees. In a container of root they are mapped to ids that nobody on the host has; in a
 * container or jail of an ordinary user they are mapped to the caller's own; in a jail of root they are ids of the host.
 * Without this call the program runs as uid and gid 1000, and in a jail of root with ids of its own. An instance that an
 * ordinary user started with viso_sandbox_start() has uid and gid 1000 only: a start with others fails with -EINVAL and stage
 * VISO_STAGE_CREDENTIALS.
 *
 * @param command  a command
 * @param uid      user id, in a container below 65536, or mapped by viso_container_add_id_map()
 * @param gid      group id, likewise
 * @return 0, or a negative errno: -EINVAL an id is (unsigned)-1, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_command_set_user(viso_command *command, unsigned uid, unsigned gid);

/**
 * Set the supplementary groups.
 *
 * @param command  a command
 * @param groups   group ids as the program sees them; may be NULL where `count` is 0; copied
 * @param count    how many, at most 64
 * @return 0, or a negative errno: -EINVAL, -ENOMEM, -ECHILD. A start fails with -EPERM and stage
 *         VISO_STAGE_CREDENTIALS where the caller may not set groups (as an ordinary user).
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_command_set_groups(viso_command *command, const unsigned *groups, size_t count);

/**
 * Say where a standard stream leads.
 *
 * @param command  a command
 * @param stream   which stream
 * @param mode     where to
 * @return 0, or a negative errno: -EINVAL no such stream or mode, or VISO_STDIO_STDOUT for another stream than
 *         VISO_STDERR, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_command_set_stdio(viso_command *command, viso_stream stream, viso_stdio mode);

/**
 * Let a standard stream lead to an open file of the host.
 *
 * @param command  a command
 * @param stream   which stream
 * @param fd       an open fd; duplicated, so that the caller may close it at once
 * @return 0, or a negative errno: -EINVAL, -EBADF, -EMFILE, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_command_set_stdio_fd(viso_command *command, viso_stream stream, int fd);

/**
 * Hand an open file, socket or pipe of the host in: the program finds it under the given number.
 *
 * It is the only way in which a fd of the host gets into a sandbox beside the standard streams. Directories and O_PATH fds
 * are refused when the command starts (-EISDIR, stage VISO_STAGE_STDIO), since they would lead out of a jail. By a unix socket
 * its other end can hand in more fds, at its own risk; Landlock then closes what lies outside of a jail's root. Systemd's
 * convention is number 3 and the variable LISTEN_FDS=1.
 *
 * @param command  a command
 * @param fd       an open fd; duplicated, so that the caller may close it at once
 * @param number   the number that it has in the program, 3 to 1023; a second call for the same number replaces it
 * @return 0, or a negative errno: -EINVAL, -EBADF, -EMFILE also more than 32 of them, -ECHILD. A start in a guest
 *         fails with -EOPNOTSUPP where it is a socket of a family that guests do not have, with -EINVAL where it listens and
 *         blocks (set O_NONBLOCK), and any start with -EMFILE where `number` is not below the host program's hard RLIMIT_NOFILE.
 * Threads: one handle from one thread at a time.
 * Since: 0.2
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_command_add_fd(viso_command *command, int fd, int number);

/**
 * Give the program these bytes as its standard input.
 *
 * @param command  a command
 * @param data     the bytes; may be NULL where `size` is 0; copied
 * @param size     how many
 * @return 0, or a negative errno: -EINVAL, -ENOMEM, -EMFILE, -EFBIG more than the host program's RLIMIT_FSIZE, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_command_set_input(viso_command *command, const void *data, size_t size);

/**
 * Capture standard output and standard error, each up to a bound, for viso_result_output().
 *
 * What goes beyond the bound is read and discarded, and viso_result_output_truncated() says so.
 *
 * @param command  a command
 * @param max      the bound for each of the two streams in bytes, at most 1 GiB; 0 discards everything
 * @return 0, or a negative errno: -EINVAL, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_command_capture(viso_command *command, size_t max);

/**
 * Capture one output stream up to a bound.
 *
 * @param command  a command
 * @param stream   VISO_STDOUT or VISO_STDERR
 * @param max      as in viso_command_capture()
 * @return 0, or a negative errno: -EINVAL, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_command_capture_stream(viso_command *command, viso_stream stream, size_t max);

/**
 * Set a resource limit, soft and hard.
 *
 * @param command   a command
 * @param resource  which limit
 * @param value     in the unit named at the resource, or VISO_UNLIMITED
 * @return 0, or a negative errno: -EINVAL no such resource, -ECHILD. A start fails with -EPERM and stage
 *         VISO_STAGE_RLIMIT where the caller may not raise a limit.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 * See: setrlimit(2)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_command_set_rlimit(viso_command *command, viso_rlimit resource, uint64_t value);

/**
 * Limit the wall-clock time. When it is over, all that the command started is killed; the result's reason is
 * VISO_REASON_TIMED_OUT.
 *
 * @param command  a command
 * @param ms       milliseconds from the start; 0 for no limit
 * @return 0, or a negative errno: -EINVAL, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_command_set_timeout_ms(viso_command *command, uint64_t ms);

/**
 * Limit the CPU time of the program's process. When it is used up, all that the command started is killed; the result's
 * reason is VISO_REASON_CPU_TIME. Further processes that the program starts are each limited to the same time, rounded up
 * to seconds.
 *
 * @param command  a command
 * @param ms       milliseconds; 0 for no limit
 * @return 0, or a negative errno: -EINVAL, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.1
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_command_set_cpu_time_ms(viso_command *command, uint64_t ms);

/**
 * Give the program a terminal of its own for its standard streams, which is its controlling terminal:
 * viso_process_take_terminal(). What was set for the single streams does not hold then. It is one of the container's own devpts,
 * or in a jail one of the host's. viso_sandbox_run() is refused, since nobody could serve it.
 *
 * @param command  a command
 * @param columns  1 to 65535
 * @param rows     1 to 65535
 * @return 0, or a negative errno: -EINVAL, -ECHILD. A start in a guest fails with -EOPNOTSUPP, in a container without /dev/pts
 *         with -ENODEV, stage VISO_STAGE_STDIO.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: pty(7), devpts(5)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_command_set_terminal(viso_command *command, unsigned columns, unsigned rows);

/**
 * Set how willingly the kernel ends the program for want of memory.
 *
 * @param command     a command
 * @param adjustment  -1000 to 1000; below the host program's own it takes CAP_SYS_RESOURCE
 * @return 0, or a negative errno: -EINVAL, -ECHILD. A start fails with -EACCES and stage VISO_STAGE_RLIMIT. A start in a guest,
 *         or in a jail's instance that was started with viso_sandbox_start(), fails with -EOPNOTSUPP.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: proc_pid_oom_score_adj(5)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_command_set_oom_score_adj(viso_command *command, int adjustment);

/**
 * Choose the CPUs on which the program runs (affinity); it may change that itself within the container's CPUs.
 *
 * @param command  a command
 * @param cpus     a list such as "0-3,8"
 * @return 0, or a negative errno: -EINVAL, -ENOMEM, -ECHILD. A start fails with -EINVAL and stage VISO_STAGE_RLIMIT where none
 *         of
 *         them is there. A start in a guest fails with -EOPNOTSUPP.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: sched_setaffinity(2)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_command_set_cpu_affinity(viso_command *command, const char *cpus);

/**
 * Set the nice value of the program.
 *
 * @param command  a command
 * @param nice     -20 to 19; below the host program's own it takes CAP_SYS_NICE
 * @return 0, or a negative errno: -EINVAL, -ECHILD. A start fails with -EACCES and stage VISO_STAGE_RLIMIT. A start in a guest
 *         fails with -EOPNOTSUPP.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: setpriority(2)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_command_set_nice(viso_command *command, int nice);

/**
 * Set the scheduling policy of the program.
 *
 * @param command   a command
 * @param policy    which
 * @param priority  1 to 99 for VISO_SCHEDULER_FIFO and VISO_SCHEDULER_RR, else 0
 * @return 0, or a negative errno: -EINVAL, -ECHILD. A start fails with -EPERM and stage VISO_STAGE_RLIMIT. A start in a guest
 *         fails with -EOPNOTSUPP.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: sched_setscheduler(2)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_command_set_scheduler(viso_command *command, viso_scheduler policy, int priority);

/**
 * Set the file mode creation mask of the program. The default is 022.
 *
 * @param command  a command
 * @param mask     0 to 0777
 * @return 0, or a negative errno: -EINVAL, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.3
 * See: umask(2)
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_command_set_umask(viso_command *command, unsigned mask);

VISO_END_DECLS

#endif
