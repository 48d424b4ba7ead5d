/* SPDX-License-Identifier: MIT */
/* A guest that is none: the real viso-agent as a process of the test's, behind the public view of a sandbox. */
#ifndef TEST_AGENT_SUPPORT_H
#define TEST_AGENT_SUPPORT_H

#include "support.h"

#include <sys/types.h>
#include <virtiso.h>

#include "guest/agent/agent.h"
#include "guest/agent/agent_ops.h"
#include "guest/agent/frames.h"
#include "sandbox/sandbox.h"

struct pretended {
	viso_sandbox sandbox;        /* first */
	struct agent *agent;         /* NULL where another one serves */
	const struct agent_ops *ops; /* of that one */
	void *other;
	pid_t pid; /* of viso-agent; 0 for none */
};

/* Has greeted. To be closed by pretended_close(), which checks that nothing is left. */
struct pretended *pretended_open(void);
void pretended_close(struct pretended *guest);

/* With an agent over this socket, which is taken over; it has not greeted. */
struct pretended *pretended_over(int socket);

/* The same with an agent of another kind. */
struct pretended *pretended_with(const struct agent_ops *ops, int socket);

/* Starts viso-agent with one end of a socket pair; the other one is returned. */
int start_agent(pid_t *out_pid);
/* Waits for its end; its socket is closed. */
void end_agent(pid_t pid);

/* /bin/sh -c SCRIPT, with its output captured. */
viso_command *script(const char *text);

/* Runs it to its end and releases the command. */
viso_result *run(struct pretended *guest, viso_command *command);
viso_process *spawn(struct pretended *guest, viso_command *command);
viso_result *finish(viso_process *process);

/* Checks and releases a result. */
void assert_end(viso_result *result, viso_reason reason, int code, const char *output);

/* A frame by hand. */
void send_frame(int socket, unsigned type, uint32_t id, uint64_t token, const void *data, size_t size);
/* The next one; false at the end of the socket, or after ten seconds. */
bool next_frame(int socket, struct frame_reader *reader, struct agent_frame *out);

#endif
