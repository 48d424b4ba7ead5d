/* SPDX-License-Identifier: MIT */
/*
 * viso-agent, the guest tools: runs commands for the host and looks after the guest, as its init or as a service. A
 * program of its own, static, without the library.
 *
 * One thread, one loop. What may block or fail in odd ways happens in processes of their own: each command has an
 * attendant (attendant.c), its parent and the reaper of all that it starts.
 */
#ifndef GUEST_AGENT_PROGRAM_AGENT_H
#define GUEST_AGENT_PROGRAM_AGENT_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "guest/agent/bytes.h"
#include "guest/agent/frames.h"
#include "guest/agent/program/spec.h"

/* QUEUE_FULL: beyond it nothing new is read; one more frame of each command still fits. */
enum { QUEUE_FULL = 256 << 10, QUEUE_ROOM = 1 << 20 };

struct agent {
	int port;         /* -1 while there is none */
	const char *path; /* of it; NULL to look for it */
	bool is_given;    /* it is an open fd, with whose end we end */
	bool is_init;
	bool is_in_charge;
	struct frame_reader reader;
	bool has_session;
	uint64_t host_token;
	unsigned heartbeat_ms;
	int64_t next_heartbeat;
	unsigned quiet; /* how often nothing has come amid a frame */
	uint8_t queue[QUEUE_ROOM];
	size_t queue_begin, queue_end;
	uint8_t *blob; /* of a SPAWN whose last piece has not come */
	size_t blob_size;
	uint32_t blob_id;
	unsigned shutdown; /* enum agent_shutdown, once it is asked for */
};

extern struct agent agent;

int64_t now_ms(void);

/* port.c: the way to the host. */
void port_open(void);
/* The device of the port of that name. */
bool port_find(const char *name, char *out_path, size_t size);
void port_close(void);
/* More frames than fit end the session. */
void say(unsigned type, uint32_t id, const void *data, size_t size);
bool queue_is_full(void);
void queue_flush(void);

/* session.c */
void session_read(void);
void session_take_all(void);
void session_end(void);
/* The host has gone: a port that is read then gives nothing, and takes nothing. */
void session_lose_host(void);

/* command.c */
void command_spawn(uint32_t id, uint8_t *blob, size_t size);
bool command_take(const struct agent_frame *frame); /* false: not one of a command */
size_t commands_count(void);
/* The session is over: those that run go on, and nobody hears of them. */
void commands_forget(void);
/* For poll(2): at most COMMAND_POLLS each. */
enum { COMMAND_POLLS = 4 };
nfds_t commands_poll(struct pollfd *fds);
void commands_serve(const struct pollfd *fds, nfds_t count);

/* attendant.c. `streams`: the program's, by number. */
_Noreturn void attendant_run(struct spec *spec, int control, const int streams[3]);

/* kill_tree.c: to everything that descends from this process; how many that were. */
int signal_descendants(int signal);

/* execute.c: becomes the program. Where that fails, tells it by the pipe and ends. */
_Noreturn void execute(struct spec *spec, int failure_pipe);

/* send.c: a tree to standard output (launch/copy/stream.h). 0 or an errno. */
int send_tree(const char *path);

/* requests.c */
void request_take(uint32_t id, struct unpacker *arguments);

/* power.c: does not come back, unless it is not possible. */
void power_shut_down(unsigned how);

/* stock.c: whether another agent is to serve, and serving by it. */
enum { STOCK_METHOD_MAX = 32 };
bool stock_is_wanted(char out_method[STOCK_METHOD_MAX]);
_Noreturn void stock_run(const char *method);

/* root.c: to the root, where the first file system is not that itself. False: it cannot be reached (errno). */
bool root_enter(void);

/* init.c: what a first process does. */
void init_start(void);

/* What an attendant tells its agent. */
enum report_kind { REPORT_STARTED = 1, REPORT_FAILED = 2, REPORT_ENDED = 3 };

struct failure {
	uint32_t stage;
	uint32_t error;
	char object[AGENT_OBJECT_MAX];
};

struct report {
	uint32_t kind;
	uint32_t pid;
	uint32_t end; /* enum agent_end */
	uint32_t status;
	uint64_t used[AGENT_USED_COUNT];
	struct failure failure;
};

/* What an agent tells an attendant: a signal for the program, or that all are to be killed. */
enum { ORDER_KILL = 0 };

#endif
