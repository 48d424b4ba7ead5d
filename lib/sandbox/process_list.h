/* SPDX-License-Identifier: MIT */
/* The processes of a sandbox whose results have not been collected. It outlives the sandbox as long as one of them
 * does. */
#ifndef SANDBOX_PROCESS_LIST_H
#define SANDBOX_PROCESS_LIST_H

#include "sandbox/process.h"

struct process_list *process_list_new(void);
struct process_list *process_list_unref(struct process_list *list);

/* 0; -ESTALE, with the error set, where the list was closed. */
int process_list_add(struct process_list *list, viso_process *process);

/* Takes the process out, where it is in a list. */
void process_list_remove(viso_process *process);

/* Signals every process; the number of them, or the first negative errno. */
int process_list_signal(struct process_list *list, int signal);

/* Adds the processes of every one. 0 or a negative errno with the error set. */
struct pids;
int process_list_pids(struct process_list *list, struct pids *pids);

/* Adds what every one uses, as answer_usage(); with `instance` only of those that are not part of one. How many were
 * asked, or a negative errno with the error set. */
int process_list_usage(struct process_list *list, int64_t *figures, bool instance);

/* Stops all, or lets them go on; those of an instance have been. How many, or the first negative errno. */
int process_list_pause(struct process_list *list, bool pause);

/* A reference to the process with that number; NULL where it is not in the list. */
viso_process *process_list_find(struct process_list *list, uint64_t serial);

/* Lets no more in, kills all, and waits until all have ended. */
void process_list_close(struct process_list *list);

#endif
