/* SPDX-License-Identifier: MIT */
/* What jail, container and guest embed, and the table through which the shared view reaches them. */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <virtiso/root.h>
#include <virtiso/sandbox.h>

#include "core/handle.h"
#include "sandbox/pids.h"

/* What commands find in a sandbox. */
enum sandbox_nature {
	SANDBOX_SHARED,   /* the kernel of the host */
	SANDBOX_PROGRAM,  /* they are served by the library: nothing stays, is paused, or tells what it uses meanwhile */
	SANDBOX_COMPUTER, /* an operating system, which may have a root of its own */
};

struct backend {
	viso_isolation isolation;
	/* NULL for SANDBOX_SHARED. It changes by settings alone. */
	enum sandbox_nature (*nature)(const viso_sandbox *sandbox);
	/*
	 * Starts the command. `root_fd` is an O_PATH fd of the root's directory, borrowed. `process` is new; the
	 * backend sets ops, data, fd, pid and stream. With `to_end` the caller will drive and wait at once, and learns
	 * of a failed start from collect. 0, or a negative errno with the error set and nothing left behind; the
	 * process is then released without its ops.
	 */
	int (*spawn)(viso_sandbox *sandbox, const viso_command *command, int root_fd, bool to_end,
		     viso_process *process);
	/*
	 * Starts an instance that stays; once it has succeeded, spawn runs commands in it. Called again, and by several
	 * threads at once, it does nothing where one runs. NULL where the strength has none.
	 */
	int (*start)(viso_sandbox *sandbox, int root_fd);
	/* Adds the processes of that instance. NULL as above. */
	int (*pids)(viso_sandbox *sandbox, struct pids *pids);
	/* An O_PATH fd of the root of that instance, borrowed; -1 where there is none. NULL as above. */
	int (*root)(viso_sandbox *sandbox, int *out_root);
	/* Files into that instance, and out of it; as the public functions. NULL as above. */
	int (*copy_in)(viso_sandbox *sandbox, const char *source, const char *path);
	int (*copy_out)(viso_sandbox *sandbox, const char *path, const char *destination);
	/*
	 * What that instance uses, added as by answer_usage(); and pausing it: 1 where there is one. NULL as above.
	 */
	int (*usage)(viso_sandbox *sandbox, int64_t *figures);
	int (*pause)(viso_sandbox *sandbox, bool pause);
	/* Signals what the handle itself runs beside its processes: how much that was, or a negative errno. May be
	 * NULL. */
	int (*signal)(viso_sandbox *sandbox, int signal);
	/* Whether viso_sandbox_close() would wait for its own caller: -EDEADLK, with the error set. May be NULL. */
	int (*check_close)(viso_sandbox *sandbox);
	/* Gives back what the handle itself holds from the kernel, after its processes have ended; may be NULL. */
	void (*close)(viso_sandbox *sandbox);
};

struct viso_sandbox {
	struct handle handle;
	const struct backend *backend;
	pthread_mutex_t lock; /* guards all below */
	bool frozen;
	atomic_bool closed;  /* changed with the lock held */
	bool attached;       /* to an instance that others started: there is no root to start from */
	bool keeps_instance; /* which viso_sandbox_close() ends, but not the last reference */
	viso_root *root;
	uint64_t memory_max;
	uint64_t processes_max;
	viso_network network;
	int events[2];                  /* the host's end and the launchers'; -1 before viso_sandbox_fd() */
	uint64_t last_serial;           /* of its processes */
	struct process_list *processes; /* those that have not been collected */
};

/* 0 or -ENOMEM with the error set. */
int sandbox_init(viso_sandbox *sandbox, const struct backend *backend);

/* Gives a reference back; the last one closes the sandbox. True where the caller must free its handle now. */
bool sandbox_unref(viso_sandbox *sandbox);

/* Starts a command that will be driven and waited for at once. As viso_sandbox_spawn(). */
int sandbox_spawn_to_end(viso_sandbox *sandbox, const viso_command *command, const char *function,
			 viso_process **out_process);

/* 0 where a setter may change the sandbox now; else -EINVAL, -ECHILD, -ESTALE, -EBUSY in the name of `function`. */
int sandbox_check_setter(viso_sandbox *sandbox, const char *function);

/*
 * Freezes the settings and takes what a start needs, so that no lock is held while the command starts: an O_PATH fd of
 * the root, the caller's. 0 or a negative errno with the error set.
 */
int sandbox_prepare_start(viso_sandbox *sandbox, const char *function, int *out_root_fd);
/* Whether there is such a thing as viso_sandbox_start() of it. */
bool sandbox_has_instance(const viso_sandbox *sandbox);

/* Freezes the settings of one that needs no root. 0 or -ESTALE with the error set. */
int sandbox_freeze(viso_sandbox *sandbox, const char *function);

/* 0 where it may be used now; else -EINVAL, -ECHILD, -ESTALE in the name of `function`. */
int sandbox_check_use(viso_sandbox *sandbox, const char *function);

/* The setters that all strengths have. `function` is the public function's name, for errors. */
int sandbox_set_root(viso_sandbox *sandbox, viso_root *root, const char *function);
int sandbox_set_memory_max(viso_sandbox *sandbox, uint64_t bytes, uint64_t least, const char *function);
int sandbox_set_processes_max(viso_sandbox *sandbox, uint64_t count, const char *function);
int sandbox_set_network(viso_sandbox *sandbox, viso_network network, const char *function);

#endif
