/* SPDX-License-Identifier: MIT */
/*
 * The host's side of viso-agent, over a socket whose other end leads to a port of a guest.
 *
 * Each agent has one thread of the library's own, from agent_new() to agent_close(); it serves the socket and the
 * streams of all commands. Whatever comes from the guest may be a lie: it is bounded, checked against what was asked,
 * and what does not fit ends the contact (the guest itself is not touched). All functions may be called by any thread.
 */
#ifndef GUEST_AGENT_AGENT_H
#define GUEST_AGENT_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <virtiso/command.h>

#include "guest/agent/message.h"
#include "sandbox/process.h"

struct agent;

/* What else there is to be known of the guest: before the first command. */
struct agent_watch {
	int closed_fd; /* an eventfd, owned: readable when nobody has the port open any more; -1 for none */
	/* Whether the guest stands still, and so need not be heard of; NULL for never. Must not wait for long. */
	bool (*stands_still)(void *data);
	void *data;
};

/*
 * Begins to look for an agent behind the socket, which is taken over, also on failure. `heartbeat_ms`: how often it is
 * to say that it lives; 0 for never. 0 or a negative errno with the error set.
 */
int agent_new(int socket, unsigned heartbeat_ms, struct agent **out_agent);

/*
 * With it an agent that dies or hangs is noticed: all that runs and waits ends, and a new session is begun with whoever
 * answers next. The fd is the agent's.
 */
void agent_set_watch(struct agent *agent, const struct agent_watch *watch);

/* Ends contact and thread; commands that run end with VISO_REASON_GUEST_FAULT. A second call does nothing. */
void agent_close(struct agent *agent);

struct agent *agent_ref(struct agent *agent);
/* Returns NULL. The last one closes it; in a forked child memory alone is freed. */
struct agent *agent_unref(struct agent *agent);

/*
 * Waits until the agent has answered; -1 for as long as it takes. 0; -ETIMEDOUT, -EPIPE the contact has ended (the
 * message says why), -EPROTONOSUPPORT it speaks another version.
 */
int agent_await(struct agent *agent, int timeout_ms);

/* enum agent_feature, once agent_await() has succeeded. */
unsigned agent_features(struct agent *agent);

/* Milliseconds since something has come from it; -1 before. */
int64_t agent_silence_ms(struct agent *agent);

/*
 * Starts a command: sets ops, data, fd and streams of the process. 0 or a negative errno with the error set; what is
 * wrong in the guest is told by ops->await_start, or by collect.
 */
int agent_spawn(struct agent *agent, const viso_command *command, viso_process *process);

/* As viso_sandbox_copy_out(): what the guest sends is made at `destination`. */
int agent_copy_out(struct agent *agent, const char *path, const char *destination);

/*
 * Requests to the guest as a whole. 0 or a negative errno with the error set: -EPIPE, -ETIMEDOUT, -EAGAIN too many are
 * unanswered, -EPERM the agent is not in charge of its guest, -EPROTO, and what the guest's kernel says.
 */
int agent_ping(struct agent *agent, int timeout_ms);
int agent_statistics(struct agent *agent, int timeout_ms, uint64_t out[AGENT_STATISTIC_COUNT]);
/* The text of /proc/mounts as far as it fits; to be freed. */
int agent_mounts(struct agent *agent, int timeout_ms, char **out_text);
/*
 * The guest is a clone: as soon as its agent has answered, and before anything else is asked of it, it gets the host's
 * time and other random bytes. Whether that worked nobody hears.
 */
void agent_refresh(struct agent *agent);
/* That of the host. */
int agent_set_time(struct agent *agent, int timeout_ms);
/* From the host's own pool. */
int agent_add_entropy(struct agent *agent, int timeout_ms);
int agent_sync(struct agent *agent, int timeout_ms);
int agent_set_hostname(struct agent *agent, const char *name, int timeout_ms);
/* How many file systems. */
int agent_freeze(struct agent *agent, bool thaws, int timeout_ms);
/* 0 where it has agreed; the end itself is the machine's to tell. */
int agent_shut_down(struct agent *agent, enum agent_shutdown how, int timeout_ms);

#endif
