/* SPDX-License-Identifier: MIT */
/*
 * The Linux that a program in a guest sees: its files, identity, limits and signals, and the serving of its system
 * calls. Whatever comes from the guest is hostile.
 */
#ifndef GUEST_PROGRAM_PROGRAM_H
#define GUEST_PROGRAM_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <virtiso/result.h>

#include "command/command.h"
#include "guest/files/view.h"
#include "guest/memory/address_space.h"
#include "guest/program/file.h"
#include "guest/program/task.h"
#include "guest/stack.h"
#include "guest/vm/kick.h"
#include "guest/x86_64/vcpu.h"
#include "sandbox/result.h"

enum {
	PROGRAM_FILES_DEFAULT = 1024,
	PROGRAM_FILES_MAX = 4096,
	PROGRAM_CALLS = 512,
	PROGRAM_AUXILIARY = STACK_AUXILIARY
};

struct file_slot {
	struct file *file; /* owned reference, or NULL */
	bool close_on_exec;
};

struct instance;

/* Where in its memory execve(2) put what /proc shows of it. */
struct program_image {
	uint64_t auxiliary;
	uint64_t auxiliary_end;
	uint64_t arguments;
	uint64_t arguments_end;
	uint64_t environment_end;
};

/* One process. */
struct program {
	struct instance *instance; /* the guest that it is in, with all that its processes have in common */
	struct program *next;      /* the list of all processes, which begins with the first one */
	struct program *parent;    /* NULL for process 1 */
	int pid;
	uint64_t serial; /* of all that the guest has had; 0 for the first */
	int group;       /* process group */
	int session;
	int exit_signal;  /* what the parent gets at its end; 0 for none */
	int death_signal; /* prctl(PR_SET_PDEATHSIG) */
	bool is_zombie;   /* has ended and is to be waited for */
	int stopped_by;   /* the signal that has stopped it; 0 where it goes on */
	bool tells_stop;  /* its parent has not waited for that yet; or for its going on */
	bool tells_going_on;
	bool has_executed;       /* execve(2), after which its parent may not move it to another group */
	struct task *vfork_task; /* of the parent, that waits until this one has memory of its own */
	int64_t children_time;   /* CPU time of the children that were waited for */
	struct address_space *space;
	struct vcpu *vcpu;
	struct kick *kick;

	struct view *view; /* the guest's files; borrowed */
	char *cwd;         /* absolute, in the root */
	char *executable;  /* absolute, in the root */
	struct file_slot *slots;
	size_t slot_count;

	unsigned uid;
	unsigned gid;
	size_t group_count;
	unsigned groups[COMMAND_GROUPS_MAX];
	struct rlimit limits[RLIM_NLIMITS];
	unsigned umask;
	struct program_image image;
	char name[16]; /* of the first thread: prctl(PR_SET_NAME) */
	struct process_signals signals;
	struct task *task; /* the thread that runs, or ran last */
	struct task first_task;
	unsigned task_count; /* threads that have not ended */
	int64_t cpu_time;    /* of its threads, until they were switched away; see program_cpu_time() */
	int64_t wall_start;  /* CLOCK_MONOTONIC */

	struct captured_output captured[2];
	uint64_t unserved;                          /* calls that were answered with ENOSYS */
	uint64_t unserved_seen[PROGRAM_CALLS / 64]; /* which */

	bool ended;
	viso_reason reason;
	int exit_code;
	int signal;
	char detail[112];
	bool has_fault_address;
	uint64_t fault_address;                   /* whose access ended it */
	uint64_t auxiliary[PROGRAM_AUXILIARY][2]; /* what it was given at its start, up to AT_NULL */
};

/* Takes settings over from the command. 0 or a negative errno with the error set. */
int program_init(struct program *program, const viso_command *command, struct view *view);
/* Where a copy of a program is to be: an instance without threads, which may have no machine. */
struct program_place {
	struct instance *instance;
	struct address_space *space; /* of the first one: there already, a copy too */
	struct view *view;           /* its files, by view_copy() */
	int64_t frozen_ns;           /* for how long the program was frozen */
};

/*
 * A copy for a snapshot or a clone of the first program and all others, with their files, threads, and the memory of
 * those others. The same thread is the current one. 0 or a negative errno; then nothing is left.
 */
int program_copy(struct program *to, const struct program *from, const struct program_place *place);
/* A copy with one thread, which has made calls since that change nothing of it (program_serve()): as it was at first.
 */
void program_rewind(struct program *program, const struct program *origin);
/* Gives all of it back, but for the memory of the first one. In a forked child: frees memory only. */
void program_drop_copy(struct program *program);
void program_forget_copy(struct program *program);
void program_release(struct program *program);
/* In a forked child: frees memory only. */
void program_forget(struct program *program);

/* The standard streams. Host ends of pipes go to `out_host`. 0 or a negative errno with the error set. */
int program_open_streams(struct program *program, const viso_command *command, int out_host[3]);

/* The host program's own stream of this number, as for a command that inherits it. */
enum { PROGRAM_STREAMS = 3 };
int program_open_stream(struct program *program, int stream, struct file **out);

/*
 * Serves the system call that the registers tell of, and puts its result there. False where it was interrupted, by a
 * signal or since the guest must end: then nothing was put there, and it is to be made again.
 */
bool program_serve(struct program *program);

/* The CPU time of all its threads up to now, in nanoseconds; the serving of its calls is part of it, as of a process.
 */
int64_t program_cpu_time(const struct program *program);

/* Closes all files. */
void program_close_files(struct program *program);

/* A thread of the program, a thread of any program of the guest, and a program, by number; NULL where there is none. */
struct task *program_task(struct program *program, int tid);
struct task *program_find_task(struct instance *instance, int tid);
struct program *program_by_pid(struct program *program, int pid);

/* One thread ends. */
void program_end_task(struct task *task);

/* The program has ended. The first of these counts. */
void program_exit(struct program *program, int code);
void program_end(struct program *program, viso_reason reason, int signal, const char *detail);

/* What is pending of these signals is dropped, for the process and all its threads. */
void program_drop_signals(struct program *program, uint64_t set);

/* The program's open file, borrowed; NULL where there is none. */
struct file *program_file(struct program *program, int fd);

/* Gives a file the lowest free fd from `least` on, and takes the reference over, also on failure. The fd or -EMFILE. */
int program_add_file(struct program *program, struct file *file, int least, bool close_on_exec);

/* Takes an open fd out of the table. */
void program_close(struct program *program, int fd);

/* Counts a file as open, until it is freed; once only. 0 or -ENFILE, where the guest may have no more. */
int program_count_file(struct program *program, struct file *file);

/* The same of a file that is to hold a fd of the host. False where the guest may have no more. */
bool program_take_host_fd(struct program *program, struct file *file);

#endif
