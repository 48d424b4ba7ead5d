/* SPDX-License-Identifier: MIT */
/* The inside of an agent, for its own files. */
#ifndef GUEST_AGENT_INSIDE_H
#define GUEST_AGENT_INSIDE_H

#include <poll.h>
#include <pthread.h>

#include "core/handle.h"
#include "guest/agent/agent.h"
#include "guest/agent/bytes.h"
#include "guest/agent/frames.h"
#include "sandbox/result.h"

enum {
	REQUESTS_MAX = 16,
	QUEUE_MAX = 16 << 20,      /* bytes on the way to the guest */
	CLOSE_PATIENCE_MS = 10000, /* how long a command may go on that was killed, or its output that was to end */
	HUNT_MAX = 4 << 20,        /* bytes that are skipped before the WELCOME */
	QUIET_MAX = 15,            /* heartbeats that may be missing in a row */
};

/* Where output of the guest goes. */
struct agent_output {
	bool is_ours;    /* it comes from the guest at all */
	bool has_ended;  /* OUTPUT_END */
	bool is_stopped; /* nobody reads it: what comes is dropped */
	int fd;          /* owned; -1: captured, or dropped */
	bool is_patient; /* the fd may block: it is written to in small pieces */
	bool is_awaited; /* the command ends not before all of it is there, as if the program had written it */
	bool captures;
	size_t max;
	struct captured_output captured;
	uint8_t *pending; /* AGENT_WINDOW bytes; what the fd has not taken */
	size_t begin, end;
	uint32_t used; /* of the window that the guest has */
};

/* Where input for the guest comes from. */
struct agent_input {
	int fd; /* owned; -1 where there is none, or no more */
	bool is_patient;
	uint32_t credit;
	bool has_ended;
};

enum command_state { COMMAND_SENT, COMMAND_STARTED, COMMAND_FAILED, COMMAND_EXITED };

struct agent_command {
	unsigned references; /* of the agent's list, and of its process; guarded by the agent's lock */
	struct agent *agent; /* a reference of the process's */
	struct agent_command *next;
	uint32_t id;
	enum command_state state;
	bool has_ended; /* told by end_fd: nothing of the result changes any more */
	int end_fd;     /* eventfd; owned */
	struct agent_input input;
	struct agent_output output[2];
	bool has_terminal;
	unsigned short columns, rows; /* that the guest has been told */
	int64_t started, ended;       /* CLOCK_MONOTONIC, ns */
	int64_t deadline;             /* ms; INT64_MAX for none */
	int64_t last_deadline;        /* when we end it whatever the guest says; INT64_MAX for none */
	bool is_killed, is_timed_out;
	bool is_lost;      /* the contact, or what was to come, is */
	bool is_forgotten; /* the session that knew it is over */
	uint32_t end, status;
	uint64_t used[AGENT_USED_COUNT];
	/* Of COMMAND_FAILED. */
	int stage, error;
	char object[AGENT_OBJECT_MAX + 1];
};

struct agent_request {
	uint32_t id;   /* 0: free */
	unsigned type; /* of the answer */
	bool is_done, is_abandoned;
	uint32_t error;
	uint8_t *data; /* of the answer; owned */
	size_t size;
};

enum agent_state { AGENT_GREETING, AGENT_READY, AGENT_BROKEN };

struct agent {
	struct handle handle;
	pthread_t thread;
	bool has_thread;
	int socket;
	int wake; /* eventfd: the thread is to look anew */
	unsigned heartbeat_ms;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	enum agent_state state;
	bool is_closing;
	bool is_to_refresh; /* as soon as it is ready */
	int error;          /* of AGENT_BROKEN, positive */
	char problem[160];  /* in words */
	uint64_t token, guest_token;
	unsigned features;
	int64_t heard; /* ms; 0 before */
	struct agent_watch watch;
	int64_t next_beat; /* when one must have come at the latest; ms */
	bool has_beaten;   /* something has come since the last one was due */
	unsigned quiet;    /* how many are missing; counted, since time goes on while the host program is stopped */
	int64_t next_hello;
	int64_t hello_pause;
	uint32_t last_id;
	struct agent_command *commands;
	size_t command_count;
	struct agent_request requests[REQUESTS_MAX];
	struct frame_reader reader;
	size_t skipped;
	uint8_t *queue; /* grows up to QUEUE_MAX */
	size_t queue_begin, queue_end, queue_room;
};

int64_t agent_now_ms(void);

/* With the lock held, all of these. */

/* 0, -ENOMEM, or -EAGAIN where the guest takes nothing; without the error. */
int agent_say(struct agent *agent, unsigned type, uint32_t id, const void *data, size_t size);
/* As agent_say() with a payload of any size, in parts. */
int agent_say_parts(struct agent *agent, unsigned part, unsigned last, uint32_t id, const void *data, size_t size);
void agent_wake(struct agent *agent);
uint32_t agent_next_id(struct agent *agent);
/* No more contact: all that runs and waits ends. The first reason stays. */
void agent_break(struct agent *agent, int error, const char *problem);
/* The session is over, and another one begins: what runs and waits ends. */
void agent_begin_anew(struct agent *agent, const char *problem);
/* 0 where it can be asked; else a negative errno with the error set. */
int agent_check(struct agent *agent, const char *object);

/* requests.c: what agent_refresh() has asked for. */
void agent_say_refresh(struct agent *agent);

/* receive.c: one frame of the guest's. What it must not say breaks the contact. */
void agent_take(struct agent *agent, const struct agent_frame *frame);

/* command.c */
struct agent_command *agent_find_command(struct agent *agent, uint32_t id);
/* What is to be done by time, or by what has come; the next time to look, in ms. */
int64_t agent_command_serve(struct agent_command *command);
/* Whether the guest will not name it any more, and nothing is to be written. */
bool agent_command_is_done(const struct agent_command *command);
void agent_command_lose(struct agent_command *command);
/* Out of the list. */
void agent_command_drop(struct agent *agent, struct agent_command **link);
struct agent_command *agent_command_free(struct agent_command *command);
void agent_kill_command(struct agent_command *command);

/* streams.c: the host's ends of a command's streams. */
enum { AGENT_POLLS = 3 };
int agent_open_streams(struct agent_command *command, const viso_command *settings, int out_host[3], int *out_terminal,
		       uint8_t out_modes[3]);
void agent_streams_poll(const struct agent_command *command, struct pollfd fds[AGENT_POLLS], bool has_room);
void agent_streams_serve(struct agent_command *command, const struct pollfd fds[AGENT_POLLS]);
/* Of a stream of the guest's. -EPROTO: more than its window. */
int agent_output_add(struct agent_command *command, int k, const uint8_t *data, size_t size);
void agent_output_flush(struct agent_command *command, int k);
void agent_streams_close(struct agent_command *command);

#endif
