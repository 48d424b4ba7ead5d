/* SPDX-License-Identifier: MIT */
/*
 * The host's side of the QEMU guest agent's protocol, for guests that have that one: JSON, a line each way, one request
 * at a time (docs/interop/qemu-ga.rst and qga/qapi-schema.json of QEMU). Without a thread: each call speaks to the
 * guest on the caller's, within its time. Answers are the guest's: bounded in size, number and depth.
 */
#ifndef GUEST_AGENT_QEMU_GA_H
#define GUEST_AGENT_QEMU_GA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QEMU_GA_PORT_NAME "org.qemu.guest_agent.0"

struct qemu_ga;

struct qemu_ga_status {
	bool has_exited;
	int exit_code; /* -1 where a signal ended it */
	int signal;
	char *output[2]; /* stdout, stderr, each followed by a NUL that is not counted; to be freed */
	size_t size[2];
	bool is_truncated[2];
};

/*
 * All of these: 0 or what is said, or a negative errno with the error set: -ETIMEDOUT; -EPIPE the port is closed;
 * -EPROTO the answer makes no sense or is too long, after which the next call finds its place again; -EIO the agent
 * refuses (its message is in the error's); -ENOMEM.
 */

/* Takes the socket over, also on failure. */
int qemu_ga_new(int socket, struct qemu_ga **out_ga);
/* Returns NULL. */
struct qemu_ga *qemu_ga_free(struct qemu_ga *ga);

int qemu_ga_ping(struct qemu_ga *ga, int timeout_ms);
/* Its version, to be freed. */
int qemu_ga_version(struct qemu_ga *ga, int timeout_ms, char **out_version);
/* "powerdown", "reboot" or "halt". There is no answer where it is done. */
int qemu_ga_shut_down(struct qemu_ga *ga, const char *mode, int timeout_ms);
/* Nanoseconds since 1970. */
int qemu_ga_set_time(struct qemu_ga *ga, int64_t ns, int timeout_ms);
int qemu_ga_get_time(struct qemu_ga *ga, int timeout_ms, int64_t *out_ns);

/* Starts a program, `argv` and `env` NULL-terminated, and tells its number. */
int qemu_ga_exec(struct qemu_ga *ga, const char *const *argv, const char *const *env, const void *input,
		 size_t input_size, bool captures, int timeout_ms, int64_t *out_pid);
/* How it is with it. After its end it can be asked once. */
int qemu_ga_exec_status(struct qemu_ga *ga, int64_t pid, int timeout_ms, struct qemu_ga_status *out);

/* A handle of a file in the guest. `mode` as for fopen(3). */
int qemu_ga_file_open(struct qemu_ga *ga, const char *path, const char *mode, int timeout_ms, int64_t *out_handle);
/* How large it says that the file is, which is read from its begin on afterwards; 0 also where it has no size. */
int64_t qemu_ga_file_size(struct qemu_ga *ga, int64_t handle, int timeout_ms);
/* How many bytes, 0 at the end; at most 32 KiB at once. */
int qemu_ga_file_read(struct qemu_ga *ga, int64_t handle, void *data, size_t size, int timeout_ms);
int qemu_ga_file_write(struct qemu_ga *ga, int64_t handle, const void *data, size_t size, int timeout_ms);
int qemu_ga_file_close(struct qemu_ga *ga, int64_t handle, int timeout_ms);

/* How many file systems. */
int qemu_ga_freeze(struct qemu_ga *ga, bool thaws, int timeout_ms);

#endif
