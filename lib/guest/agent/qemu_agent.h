/* SPDX-License-Identifier: MIT */
/*
 * The QEMU guest agent as the agent of a computer, for its own files. One thread looks after all commands, since the
 * protocol tells nothing by itself; whoever asks for something else talks to the guest on its own thread. One speaks at
 * a time.
 */
#ifndef GUEST_AGENT_QEMU_AGENT_H
#define GUEST_AGENT_QEMU_AGENT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <virtiso/command.h>

#include "core/handle.h"
#include "guest/agent/agent_ops.h"
#include "guest/agent/qemu_ga.h"
#include "sandbox/process.h"
#include "sandbox/result.h"

/* CALL_MS: for each answer. INPUT_MAX: for a program, which goes in one line. */
enum { QEMU_CALL_MS = 10000, QEMU_INPUT_MAX = 16 << 20 };

struct qemu_agent;

struct qemu_output {
	int fd; /* owned; -1: captured, or dropped */
	bool captures;
	size_t max;
	struct captured_output captured;
};

struct qemu_command {
	unsigned references;      /* of the agent's list, and of its process; guarded by the agent's lock */
	struct qemu_agent *agent; /* a reference of the process's */
	struct qemu_command *next;
	int64_t pid;
	int end_fd; /* eventfd; owned */
	struct qemu_output output[2];
	int64_t started, ended;          /* CLOCK_MONOTONIC, ns */
	int64_t deadline, last_deadline; /* ms; INT64_MAX for none */
	int64_t next_look, pause;        /* ms */

	/* Guarded by the agent's lock. */
	bool has_ended, is_killed, is_timed_out, is_kill_sent;
	bool is_lost;
	struct qemu_ga_status status;
	char problem[RESULT_DESCRIPTION_MAX];
};

struct qemu_agent {
	struct handle handle;
	int socket; /* that of `ga`, for shutdown(2) alone */
	pthread_t thread;
	bool has_thread;
	atomic_bool is_closing;

	pthread_mutex_t talk; /* held while somebody speaks; taken before `lock` */
	struct qemu_ga *ga;   /* guarded by it */
	atomic_bool is_greeted;
	atomic_bool is_to_refresh; /* before the next that is asked */

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	struct qemu_command *commands;
	unsigned command_count;
};

int64_t qemu_agent_now_ms(void);

/* qemu_command.c */
int qemu_agent_spawn(struct qemu_agent *agent, const viso_command *settings, viso_process *process);
/* The agent's thread, with the lock held, which is given back meanwhile: when to look again, in ms. */
int64_t qemu_command_look(struct qemu_command *command);
void qemu_command_lose(struct qemu_command *command, const char *problem);
void qemu_command_unref(struct qemu_command *command);

/* qemu_files.c */
int qemu_agent_copy_in(struct qemu_agent *agent, const char *source, const char *path);
int qemu_agent_copy_out(struct qemu_agent *agent, const char *path, const char *destination);
int qemu_agent_statistics(struct qemu_agent *agent, int timeout_ms, uint64_t out[]);

/* What the guest's words of the last error mean: the errno of the same words, or `r`. With the error set anew. */
int qemu_agent_explain(int r, const char *object);

#endif
