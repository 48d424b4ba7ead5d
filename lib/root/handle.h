/* SPDX-License-Identifier: MIT */
/* The inside of a viso_root, for the files of this room that implement its calls. */
#ifndef ROOT_HANDLE_H
#define ROOT_HANDLE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <virtiso/root.h>

#include "core/handle.h"
#include "root/accounts.h"
#include "root/build/place.h"
#include "root/build/settings.h"
#include "root/closure/collected.h"
#include "root/manifest.h"
#include "root/source.h"

struct viso_root {
	struct handle handle;
	pthread_mutex_t lock; /* guards all below but `cancelled` */
	struct source source; /* where everything is taken from */
	struct collected collected;
	struct manifest manifest;
	struct accounts accounts;
	struct place *scratches; /* directories of our own with what bases contain, until it is built */
	size_t scratch_count;
	unsigned providers_off; /* bit 1 << viso_provider */
	char *named;            /* viso_root_set_path(); NULL for a directory of our own */
	char *used;             /* viso_root_use_directory(); then there is no manifest */
	struct settings settings;
	atomic_bool cancelled;
	bool built;
	bool removed;       /* viso_root_remove() */
	struct place place; /* where, once it is built */
};

/* Locks the root. 0; -EINVAL, -ECHILD, or -EDEADLK from within its progress handler, with the error set. */
int root_lock(viso_root *root, const char *function);

/*
 * Locks the root where something may be added to it, and opens a transaction. 0, or a negative errno with the error set
 * in the name of the public `function`.
 */
int root_begin(viso_root *root, const char *function, size_t *out_mark);

/* Keeps what was added, or takes it back, and unlocks; only_documented(r, documented). */
int root_end(viso_root *root, size_t mark, int r, const int *documented);

/* What bases contain is in the built root, or the root goes away. */
void root_drop_scratches(viso_root *root);

/* -EBUSY, "function: why". */
int root_busy(const char *function, const char *why);

#endif
