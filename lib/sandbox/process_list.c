/* SPDX-License-Identifier: MIT */
#include "sandbox/process_list.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "core/error.h"
#include "sandbox/answer.h"
#include "sandbox/pids.h"

struct process_list {
	struct handle handle;
	pthread_mutex_t lock;
	pthread_cond_t removed;
	bool closed;
	viso_process *first;
	size_t count;
};

struct process_list *process_list_new(void)
{
	struct process_list *list = calloc(1, sizeof(*list));
	if (!list)
		return NULL;
	handle_init(&list->handle);
	pthread_mutex_init(&list->lock, NULL);
	pthread_cond_init(&list->removed, NULL);
	return list;
}

struct process_list *process_list_unref(struct process_list *list)
{
	if (list && handle_unref(&list->handle)) {
		pthread_cond_destroy(&list->removed);
		pthread_mutex_destroy(&list->lock);
		free(list);
	}
	return NULL;
}

int process_list_add(struct process_list *list, viso_process *process)
{
	int r = 0;
	pthread_mutex_lock(&list->lock);
	if (list->closed) {
		r = error_fail(VISO_STAGE_ARGUMENT, ESTALE, "sandbox",
			       "the sandbox was closed while the command started");
	} else {
		handle_ref(&list->handle);
		process->list = list;
		process->next = list->first;
		process->link = &list->first;
		if (process->next)
			process->next->link = &process->next;
		list->first = process;
		list->count++;
	}
	pthread_mutex_unlock(&list->lock);
	return r;
}

void process_list_remove(viso_process *process)
{
	struct process_list *list = process->list;
	if (!list)
		return;
	pthread_mutex_lock(&list->lock);
	if (process->link) {
		*process->link = process->next;
		if (process->next)
			process->next->link = process->link;
		process->link = NULL;
		list->count--;
		pthread_cond_broadcast(&list->removed);
	}
	pthread_mutex_unlock(&list->lock);
}

/*
 * References to all processes that are in the list now, so that they can be used without its lock; NULL-terminated, to
 * be freed. A process whose last reference is just being given back is left out: whoever does that kills and waits.
 */
static viso_process **process_list_all(struct process_list *list)
{
	pthread_mutex_lock(&list->lock);
	viso_process **all = calloc(list->count + 1, sizeof(*all));
	size_t n = 0;
	for (viso_process *process = list->first; all && process; process = process->next)
		if (handle_ref_if_alive(&process->handle))
			all[n++] = process;
	pthread_mutex_unlock(&list->lock);
	return all;
}

int process_list_signal(struct process_list *list, int signal)
{
	viso_process **all = process_list_all(list);
	if (!all)
		return error_memory();
	int count = 0;
	for (viso_process **process = all; *process; process++) {
		int r = signal == SIGKILL ? viso_process_kill(*process) : viso_process_signal(*process, signal);
		if (r == 0 && count >= 0)
			count++;
		else if (r < 0 && r != -ESRCH && count >= 0)
			count = r;
		viso_process_unref(*process);
	}
	free(all);
	return count;
}

static int ask_pids(void *data, int pipe)
{
	viso_process *process = data;
	pthread_mutex_lock(&process->lock);
	bool runs = !process->result && !process->collect_error;
	int r = runs ? process->ops->pids(process, pipe) : 0;
	pthread_mutex_unlock(&process->lock);
	return r;
}

int process_list_pids(struct process_list *list, struct pids *pids)
{
	viso_process **all = process_list_all(list);
	if (!all)
		return error_memory();
	int r = 0;
	for (viso_process **process = all; *process; process++) {
		if (r == 0 && (*process)->ops->pids)
			r = pids_collect(pids, ask_pids, *process);
		viso_process_unref(*process);
	}
	free(all);
	return r;
}

int process_list_usage(struct process_list *list, int64_t *figures, bool instance)
{
	viso_process **all = process_list_all(list);
	if (!all)
		return error_memory();
	int count = 0;
	for (viso_process **process = all; *process; process++) {
		bool alone = (*process)->ops->pause;
		int r = count >= 0 && (*process)->ops->usage && (alone || !instance) ? process_usage(*process, figures)
										     : 0;
		count = r < 0 ? r : count + r;
		viso_process_unref(*process);
	}
	free(all);
	return count;
}

int process_list_pause(struct process_list *list, bool pause)
{
	viso_process **all = process_list_all(list);
	if (!all)
		return error_memory();
	int count = 0;
	for (viso_process **process = all; *process; process++) {
		int r = (*process)->ops->pause ? process_pause(*process, pause) : 1;
		if (r < 0 && count >= 0)
			count = r;
		else if (count >= 0)
			count += r;
		viso_process_unref(*process);
	}
	free(all);
	return count;
}

viso_process *process_list_find(struct process_list *list, uint64_t serial)
{
	viso_process *found = NULL;
	pthread_mutex_lock(&list->lock);
	for (viso_process *process = list->first; process && !found; process = process->next)
		if (process->serial == serial && handle_ref_if_alive(&process->handle))
			found = process;
	pthread_mutex_unlock(&list->lock);
	return found;
}

/* One process of the list, killed and waited for; false where the list is empty. */
static bool end_one(struct process_list *list)
{
	pthread_mutex_lock(&list->lock);
	viso_process *process = list->first;
	if (process && !handle_ref_if_alive(&process->handle)) {
		/* Somebody else is ending it. */
		pthread_cond_wait(&list->removed, &list->lock);
		pthread_mutex_unlock(&list->lock);
		return true;
	}
	pthread_mutex_unlock(&list->lock);
	if (!process)
		return false;
	viso_process_kill(process);
	process_await_end(process);
	viso_process_unref(process);
	return true;
}

void process_list_close(struct process_list *list)
{
	pthread_mutex_lock(&list->lock);
	list->closed = true;
	pthread_mutex_unlock(&list->lock);
	/* All are told to end before the first is waited for. Without memory they are ended one by one. */
	process_list_signal(list, SIGKILL);
	while (end_one(list))
		;
}
