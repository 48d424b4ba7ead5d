/* SPDX-License-Identifier: MIT */
/*
 * Instances that go on without the host program, and are found again by a name in a directory of the caller's.
 *
 * NAME.state is locked (F_OFD_SETLK(2const)) by the holder as long as it lives, so a left-over is known, whatever
 * process has its number meanwhile; NAME.sock is where the holder gives its sockets to who attaches.
 */
#ifndef LAUNCH_DETACHED_H
#define LAUNCH_DETACHED_H

#include "launch/launched_instance.h"

enum { DETACHED_NAME_MAX = 64 };

struct detached_entry {
	char name[DETACHED_NAME_MAX + 1];
	int directory;
	int lock;
	int listener;
	int requests, control; /* of the launcher that is for this instance alone */
};

/* Whether that can be a name. */
bool detached_name_is_valid(const char *name);

/* The directory, which nobody else may write to: its fd, or a negative errno with the error set. */
int detached_open_directory(const char *directory);

/* -EEXIST with the error set where one of that name runs; else 0, or another negative errno. */
int detached_check_free(int directory, const char *name);

/* Takes the name, and starts a launcher. 0 or a negative errno with the error set and nothing left behind. */
int detached_begin(struct detached_entry *entry, int directory, const char *name);

/* Gives the holder of the request what it needs to go on by itself; `plans` and `channel` are the host's ends. */
void detached_add(struct launch_request *request, const struct detached_entry *entry, int plans, int channel);

/* Our part is over; where the instance did not start, its name is free again. */
void detached_finish(struct detached_entry *entry, bool started);

/* Finds one that runs. 0, or a negative errno with the error set. */
int detached_attach(int directory, const char *name, struct launched_instance *out_instance);

#endif
