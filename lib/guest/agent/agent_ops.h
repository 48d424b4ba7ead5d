/* SPDX-License-Identifier: MIT */
/* What a computer can ask of the agent in it, whichever that is. */
#ifndef GUEST_AGENT_AGENT_OPS_H
#define GUEST_AGENT_AGENT_OPS_H

#include <virtiso/guest_agent.h>

#include "guest/agent/agent.h"
#include "sandbox/sandbox.h"

/* 0 or a negative errno with the error set. */
struct agent_ops {
	const char *port; /* the name of its port */

	/* Takes the socket over, and the fd of the watch, also on failure. 0 or a negative errno with the error set. */
	int (*open)(int socket, const struct agent_watch *watch, void **out);
	/* No more contact, and no thread. A second call does nothing. */
	void (*close)(void *agent);
	void *(*ref)(void *agent);
	/* The last one closes it; in a forked child memory alone is freed. NULL does nothing. */
	void (*unref)(void *agent);

	/* Whether it has ever said anything. Does not wait. */
	bool (*was_heard)(void *agent);
	/* It is that of a clone, which is to have the time, and other random numbers; NULL where it cannot. */
	void (*refresh)(void *agent);
	/* Until it has answered for the first time. */
	int (*await)(void *agent, int timeout_ms);
	int (*spawn)(void *agent, const viso_command *command, viso_process *process);
	int (*copy_in)(void *agent, viso_sandbox *sandbox, const char *source, const char *path);
	/* How many entries were left out. */
	int (*copy_out)(void *agent, const char *path, const char *destination);
	int (*shut_down)(void *agent, viso_shutdown how, int timeout_ms);
	int (*set_time)(void *agent, int timeout_ms);
	int (*statistics)(void *agent, int timeout_ms, uint64_t out[AGENT_STATISTIC_COUNT]);
};

/* viso-agent; and the QEMU guest agent: NULL in a library without json-c. */
extern const struct agent_ops viso_agent_ops;
const struct agent_ops *qemu_agent_ops(void);

#endif
