/* SPDX-License-Identifier: MIT */
/*
 * Workers that keep something ready for the containers of one handle. Each waits at a channel of its own, which is lent
 * to one command at a time. Any thread may call these functions.
 */
#ifndef LAUNCH_POOL_H
#define LAUNCH_POOL_H

#include "launch/request.h"

struct pool;

/* An empty one; NULL without memory. The error is not set. */
struct pool *pool_new(void);
struct pool *pool_ref(struct pool *pool);
void pool_unref(struct pool *pool);

/*
 * Has as many workers prepared as are wanted, by a plan that says so, or lets those go that are too many. 0, or a
 * negative errno with the error set; then there are as many as before.
 */
int pool_resize(struct pool *pool, unsigned count, struct launch_request *request);

/* As request_send(), to a worker of the pool. 1 where none is free: nothing has been done then. */
int pool_send(struct pool *pool, struct launch_request *request, viso_process *process);

/* The process has ended: its worker is free for another one. */
void pool_give_back(viso_process *process);

/* Lets all go, and those that are lent once they come back; returns when what waited here has given everything up. */
void pool_close(struct pool *pool);

#endif
