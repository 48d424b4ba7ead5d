/* SPDX-License-Identifier: MIT */
/* What the host program does for a contained guest while it runs: handlers of hypercalls, connections, core files. */
#ifndef GUEST_CONTAINED_SERVICE_H
#define GUEST_CONTAINED_SERVICE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include <virtiso/guest.h>
#include <virtiso/process.h>

#include "guest/contained/link.h"
#include "guest/contained/message.h"

/* A core file that the process writes, by way of the host. */
struct contained_core {
	int fd;          /* -1 where none is open */
	bool was_opened; /* a guest has one */
	bool has_failed;
	uint64_t left; /* bytes that may be written to it */
};

/* A snapshot that the process tells, as it was asked to. */
struct contained_receiving {
	int fd;        /* owned by who has asked; -1 where nobody has */
	uint64_t size; /* so far */
	uint64_t max;
	int error; /* of writing it, a positive errno: then the rest is only heard */
};

struct service {
	viso_guest *guest; /* borrowed: its end is that of its processes */
	struct contained_link *link;
	int socket;           /* owned by the holder of the service, as what follows */
	viso_process *server; /* NULL before it is started */
	int end_fd;           /* of the guest's process, borrowed: an eventfd */
	struct contained_core core;
	struct contained_receiving receiving;
	bool owns_guest; /* a handler gave its last reference back */
	bool is_still;   /* the guest does not run: nothing is asked in its name */
	bool is_liar;    /* what it has said was no message */
	int64_t until;   /* CLOCK_MONOTONIC: no message is awaited longer, and the process is killed; 0 for ever */
	bool is_late;    /* it was */
	pthread_t thread;
	bool has_thread;
	size_t last_size; /* of the message that was no event, in `message`; 0 for none */
	uint8_t message[sizeof(struct contained_event) + CONTAINED_PIECE];
};

/* Whether the guest has settings that take a service. */
bool service_is_needed(const viso_guest *guest);

/* Fills in what the process has to know of these. */
void service_describe(const viso_guest *guest, struct contained_settings *settings);

/* Serves on the calling thread, up to a message that is no event or the end of the process. */
void service_run(struct service *service);

/*
 * The next message, in `message`: its whole size, which may be larger than that; 0 where the process has ended or has
 * been killed.
 */
size_t service_receive(struct service *service);

/* Sends the process a message of these parts. False where it takes none any more. */
bool service_send(struct service *service, const struct iovec *parts, size_t count);

/* What it has said makes no sense: it is killed. */
void service_is_lied_to(struct service *service);

/* The system calls that the guest has made since they were told before. */
void service_add_counts(viso_guest *guest, const uint64_t counts[2][COUNTED_CALLS]);

/* The result of a process that has ended without an answer. 0 or -ENOMEM with the error set. */
int service_result_of_end(const struct service *service, const viso_result *server, viso_result **out_result);

/* As service_run(), in a thread of its own and with service_end(). 0 or a negative errno with the error set. */
int service_start(struct service *service);

/* After it was served: waits until the process has ended, and tells end_fd. */
void service_end(struct service *service);

/* The process has ended, and end_fd was told where it was served: nothing is left but the fds. May come twice. */
void service_close(struct service *service);

/* contained/cloned.c: false for a piece that nobody has asked for. */
bool contained_receive_piece(struct contained_receiving *receiving, const void *data, size_t size, uint64_t offset);

/* contained/core.c */
int contained_core_open(struct contained_core *core, const viso_guest *guest);
/* False where it is more than a guest can have. */
bool contained_core_write(struct contained_core *core, const void *data, size_t size, uint64_t offset);
/* 0 or a negative errno. Also where the process has ended within: `failed` then. */
int contained_core_end(struct contained_core *core, const viso_guest *guest, uint64_t size, bool failed);

#endif
