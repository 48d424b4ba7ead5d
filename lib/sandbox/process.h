/* SPDX-License-Identifier: MIT */
/* The inside of a viso_process, for the backends that run one. */
#ifndef SANDBOX_PROCESS_H
#define SANDBOX_PROCESS_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>
#include <virtiso/process.h>

#include "core/handle.h"

struct process_list;
struct pool;
enum { STEPS = VISO_STEP_ENDED + 1 };

/* What a backend does for a process of its own. */
struct process_ops {
	/* viso_sandbox_spawn(): waits until the program is executing. NULL where the backend's spawn has waited. */
	int (*await_start)(viso_process *process);
	/* viso_sandbox_run(): works until the command has ended, on the calling thread. NULL where nothing is to be
	 * done. */
	void (*drive)(viso_process *process);
	/* Sends a signal. 0 or a negative errno with the error set; 0 where the program has just ended. */
	int (*signal)(viso_process *process, int signal);
	/* Kills the program and all that it started; reason KILLED. Returns at once. 0 or a negative errno. */
	int (*kill)(viso_process *process);
	/* The same where it has not helped for long: also by killing what should do it. NULL where nothing can be done.
	 */
	void (*insist)(viso_process *process);
	/* Has the ids of its processes written to the pipe (sandbox/pids.h). NULL where it has none of its own. */
	int (*pids)(viso_process *process, int pipe);
	/* Has its figures, or what came of pausing it, written to the pipe (sandbox/answer.h). NULL where it has none
	 * of its own. */
	int (*usage)(viso_process *process, int pipe);
	int (*pause)(viso_process *process, bool pause, int pipe);
	/* The host's end of its terminal has another size now. NULL where the kernel tells it by itself. */
	void (*resize)(viso_process *process, unsigned columns, unsigned rows);
	/*
	 * Called when `fd` is readable: makes the result. 0, or a negative errno with the error set: the command was
	 * not started after all, or its end was lost. 1 where it was not the end that made the fd readable.
	 */
	int (*collect)(viso_process *process, viso_result **out_result);
	/* Frees `data`; the program has ended, or the process is a forked copy (then memory only). */
	void (*release)(viso_process *process);
};

/* The network of a command, where something of it is made outside of its sandbox. */
struct process_network {
	const struct process_network_ops *ops;
};

struct process_network_ops {
	/*
	 * Makes it, from the calling thread's network namespace; `socket` is an rtnetlink socket of the sandbox's own
	 * network namespace, taken over. 0 or a negative errno with the error set.
	 */
	int (*connect)(struct process_network *network, int socket);
	/* As viso_process_addresses(). */
	int (*addresses)(struct process_network *network, char *buffer, size_t size);
	/* The command has ended, or its start has failed: undoes what was done. Leaves the error alone; may come twice.
	 */
	void (*disconnect)(struct process_network *network);
	/* Frees memory only. */
	void (*release)(struct process_network *network);
};

/* How the host's end of a terminal is known again. */
struct terminal_identity {
	bool is_taken;
	int fd;
	dev_t device;
	unsigned index; /* in that devpts */
};

struct viso_process {
	struct handle handle;
	const struct process_ops *ops;
	void *data; /* the backend's */
	int fd;     /* readable from the end on; owned */
	int pid;
	int stream[3]; /* host ends of pipes; owned; -1 where there is none */
	int terminal;  /* host end; owned; -1 where there is none, or it was taken; guarded by `lock` */
	struct terminal_identity taken_terminal;
	int notifications; /* seccomp listener; owned; -1 where there is none */
	int events;        /* where the backend tells events, until it has started; borrowed; -1 for nowhere */
	uint64_t serial;   /* by which they name it */
	int root;          /* O_PATH fd of the root as the instance sees it; owned; -1 where there is none */
	struct process_network *network; /* owned; NULL where the sandbox has none that could be told of */
	pthread_mutex_t lock;   /* guards result, collect_error, and ops->signal and ops->kill against collect */
	int64_t step_ns[STEPS]; /* CLOCK_MONOTONIC, by viso_step; 0 where it was not made or is not known */
	struct pool *pool;      /* from which its worker is lent; else NULL */
	int pool_worker;
	viso_result *result;
	int waiters;               /* threads that poll `fd`; guarded by `lock` */
	int collect_error;         /* negative errno of a failed collect */
	struct process_list *list; /* of its sandbox; NULL before it is started */
	viso_process *next;        /* in that list, with link; guarded by its lock */
	viso_process **link;       /* NULL where it is not in the list */
};

/* A process without backend yet (ops NULL, fds -1); NULL without memory. The error is not set. */
viso_process *process_new(void);

/* Waits for the end and collects the result into the process; as viso_process_wait(). */
int process_finish(viso_process *process, int timeout_ms);

/* The same for one that was killed: it is insisted on that. */
int process_await_end(viso_process *process);

#endif
