/* SPDX-License-Identifier: MIT */
/* Making the plan for a start, from what all launched strengths have in common, and starting it. */
#ifndef LAUNCH_REQUEST_H
#define LAUNCH_REQUEST_H

#include <stddef.h>

#include "command/command.h"
#include "launch/cgroup/cgroup.h"
#include "launch/plan/plan.h"
#include "sandbox/process.h"
#include "sandbox/sandbox.h"

struct launch_request {
	struct plan *plan; /* grows: never keep a pointer into it */
	size_t capacity;
	int error; /* the first failure of an addition, a negative errno */
	int fds[PLAN_FDS_MAX];
	int fd_count;
	int owned[PLAN_FDS_MAX]; /* fds to be closed after sending */
	int owned_count;
	int host_ends[3]; /* of pipes; -1 where there is none */
	int terminal;     /* the host's end, where that is known before the start; -1 where it is not */
	bool complete;    /* nothing is added any more */
	struct cgroup_limits limits;
	bool wants_freezer;   /* beside its limits a group to freeze it by, where that can be had */
	bool filters_devices; /* by those below, which are borrowed */
	const struct cgroup_device *devices;
	size_t device_count;
	const char *cgroup_parent; /* borrowed; NULL for one that is found */
};

/*
 * Begins a plan: command, streams, limits; where the control groups are made is decided when it is sent. 0 or a
 * negative errno with the error set. In any case the request is to be released.
 */
int request_init(struct launch_request *request, enum plan_isolation isolation, const viso_sandbox *sandbox,
		 const viso_command *command, int root_fd, bool to_end);

/* The same for an instance, without a command. */
int request_init_instance(struct launch_request *request, enum plan_isolation isolation, const viso_sandbox *sandbox,
			  int root_fd);

/*
 * The same for a command in an instance, whose control groups it shares. Where `base` is not NULL, all that is not the
 * command's is as in that plan, the instance's own.
 */
int request_init_in_instance(struct launch_request *request, enum plan_isolation isolation, const viso_sandbox *sandbox,
			     const viso_command *command, int root_fd, bool to_end, const struct plan *base);

void request_release(struct launch_request *request);

/* Adds a string to the plan; a failure shows in request->error. */
plan_offset request_add_string(struct launch_request *request, const char *string);

/* Adds raw bytes, aligned to 8. */
plan_offset request_add_bytes(struct launch_request *request, const void *data, size_t size);

/* The same without a content yet, and right behind what was added before. */
plan_offset request_add_room(struct launch_request *request, size_t size);

/* Sends a fd with the plan, which stays the caller's: its index among the fds of the message, for the launcher's
 * job->fds. */
uint32_t request_add_fd(struct launch_request *request, int fd);

/* The same for one that the request closes once it is sent. */
uint32_t request_add_own_fd(struct launch_request *request, int fd);

/* Sends the request and makes `process` the one that it starts. 0 or a negative errno with the error set. */
int request_send(struct launch_request *request, viso_process *process);

/* The same for one in an instance, to its socket. */
int request_send_to_instance(struct launch_request *request, int socket, viso_process *process);

/*
 * The steps of sending. What depends on the host as it is now, once: control groups, and where events are told, for a
 * process; 0 or a negative errno with the error set. The time, just before; and afterwards, the process becomes the one
 * behind the channel.
 */
int request_complete(struct launch_request *request, viso_process *process, bool in_instance);
void request_note_sent(viso_process *process);
void request_hand_over(struct launch_request *request, viso_process *process, int channel, bool keep);

#endif
