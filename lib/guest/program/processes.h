/* SPDX-License-Identifier: MIT */
/*
 * The processes of a guest: who is whose child, how they end, and who is told. The first one is the child of process 1,
 * which is the library: what has lost its parent becomes its child, and is forgotten once it has ended.
 */
#ifndef GUEST_PROGRAM_PROCESSES_H
#define GUEST_PROGRAM_PROCESSES_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct instance;
struct program;
struct task;

enum { INIT_PID = 1 };

/* A process of the guest, by its number; those that have ended and were not waited for included. NULL for none. */
struct program *process_find(struct instance *instance, int pid);

/* How many processes have ended and are still to be waited for. */
unsigned process_count_zombies(const struct instance *instance);

/* All processes but the first that have ended since the last time: what they had is given back, and others are told. */
void processes_finish(struct instance *instance);

/* One that has ended has been waited for, or nobody will wait for it. */
void process_forget(struct program *program);

/* One that has not begun: it never was. */
void process_abandon(struct program *program);

/* It shares the memory of the process that made it by vfork(2) no longer: that one goes on. */
void process_release_parent(struct program *program);

/* Leaves its address space, which may be shared with another process. */
void process_leave_space(struct program *program);

/*
 * A signal stops it: none of its threads runs until it goes on; that is for SIGCONT, and SIGKILL. The first process is
 * never stopped, and by SIGTSTP and the like none is in a group that nobody outside of it looks after (orphaned, see
 * setpgid(2)).
 */
void process_stop(struct program *program, int signal);
void process_go_on(struct program *program);

/* What there is to tell wait4(2) of it: of its end, its being stopped, its going on. */
int process_status(const struct program *program);

/* What waitid(2) and SIGCHLD tell of it. */
siginfo_t process_describe(const struct program *program);

/* With the end of the guest, and in a forked child of the host: all but the first. */
void processes_release(struct instance *instance);
void processes_forget_all(struct instance *instance);

#endif
