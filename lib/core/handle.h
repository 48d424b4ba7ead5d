/* SPDX-License-Identifier: MIT */
/* What every public handle begins with: its reference count and the process that made it. */
#ifndef CORE_HANDLE_H
#define CORE_HANDLE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "core/own_process.h"

struct handle {
	atomic_uint references;
	struct process_mark owner;
};

void handle_init(struct handle *handle);

/* 0; or -EINVAL where `handle` is NULL, -ECHILD after a fork, with the error set in the name of `function`. */
int handle_check(const struct handle *handle, const char *function);

/* True where this process made the handle. In a forked child, releasing a handle must free memory only. */
bool handle_is_mine(const struct handle *handle);

void handle_ref(struct handle *handle);

/* For weak pointers: false where the last reference is gone already. */
bool handle_ref_if_alive(struct handle *handle);

/* Gives a reference back, but not the last one: false. */
bool handle_unref_unless_last(struct handle *handle);

/* Gives a reference back; true where it was the last one. */
bool handle_unref(struct handle *handle);

#endif
