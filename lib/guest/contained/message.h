/* SPDX-License-Identifier: MIT */
/*
 * What the host program and the process that serves a contained guest tell each other. The settings and the command go
 * over in a sealed memory file. Then there are two sockets of whole messages. On the one the process speaks: it reports
 * its start, tells events, waits for the reply to those that have one, and last gives the result. On the other one the
 * host speaks, from any thread: signals, and requests about hypercalls, each of which is answered before the next.
 *
 * From the start on the other process is hostile: the host takes nothing from it but these messages, believes no field
 * that it has not checked, and waits for none without an end.
 */
#ifndef GUEST_CONTAINED_MESSAGE_H
#define GUEST_CONTAINED_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command/command.h"
#include "guest/counts.h"
#include "guest/files/settings.h"
#include "guest/limits.h"
#include "guest/numbers.h"
#include "sandbox/result.h"

/* What is packed, but for the contents of files. */
enum { CONTAINED_MAGIC = 0x76697367, CONTAINED_SETTINGS_MAX = 4 << 20, CONTAINED_NUMBERS = VISO_HYPERCALL_MAX + 1 };

/* The fds of the process beside its streams; those of the command follow. */
enum { CONTAINED_SOCKET = 3, CONTAINED_CONTROL, CONTAINED_KVM, CONTAINED_SETTINGS, CONTAINED_ADDED };

/* Of a clone, which has no fds of a command: what it goes on from. And the argument that says so. */
enum { CONTAINED_SNAPSHOT = CONTAINED_ADDED };
#define CONTAINED_CLONE "clone"

/* How many fds of a command that leaves of those that a command can have. */
enum { CONTAINED_ADDED_MAX = COMMAND_FDS_MAX - 4 };

/* Where the root of the guest, and this program, lie in the container. */
#define CONTAINED_ROOT "/guest"
#define CONTAINED_PROGRAM "/viso-guest"
/* Where what is bound lies, each under its index among the guest's files; and the directory for what it writes. */
#define CONTAINED_BINDS "/binds"
#define CONTAINED_UPPER "/upper"

/* What becomes of a hypercall. */
enum contained_hypercall { HYPERCALL_UNKNOWN, HYPERCALL_HANDLED, HYPERCALL_QUEUED };

/* Beside what the other process has from its own standard streams. */
struct contained_settings {
	uint64_t memory_max;
	struct guest_limits limits;
	uint8_t hypercalls[CONTAINED_NUMBERS]; /* enum contained_hypercall */
	uint8_t connects;                      /* somebody makes connections */
	uint8_t writes_core;
	uint8_t stays; /* up to its first contained_return, and for calls */
};

/* Packs them, to be freed. 0 or -ENOMEM, -E2BIG with the error set. */
int contained_pack(const struct contained_settings *settings, const struct guest_files *files,
		   const viso_command *command, void **out_data, size_t *out_size);

/*
 * The other way round; the command's streams and fds are those of this process. What the files are bound to is not open
 * yet: fd is 0, -1 for a file with contents; upper_fd is -1. 0, -EBADMSG where it is not what contained_pack() makes,
 * or -ENOMEM.
 */
int contained_unpack(const void *data, size_t size, struct contained_settings *out_settings,
		     struct guest_files *out_files, viso_command **out_command);

/* How the start went. */
struct contained_report {
	uint32_t magic;
	int32_t error; /* 0, or a positive errno; with it, the rest */
	int32_t stage;
	char object[128];
	char message[512];
};

/* The result, but for what the host knows better: what was captured. */
struct contained_answer {
	uint32_t magic;
	int32_t error; /* it could not be run after all, a positive errno, by the call `detail` */
	int32_t reason;
	int32_t exit_code;
	int32_t signal;
	uint32_t has_fault_address;
	uint64_t fault_address;
	int64_t usage[RESULT_USAGE_COUNT];
	uint32_t register_count;
	uint32_t reserved;
	struct result_register registers[RESULT_REGISTERS_MAX];
	char detail[120];
	uint64_t counts[2][COUNTED_CALLS]; /* of system calls, as in struct guest_counts */
};

enum contained_event_kind {
	EVENT_HYPERCALL, /* `id`, `number`, `args`; has a reply */
	EVENT_GONE,      /* nobody waits for the hypercall `id` any more */
	EVENT_CONNECT,   /* the address as data; has a reply, with the socket where its value is 0 */
	EVENT_CORE_OPEN, /* a core file is to be written; has a reply */
	EVENT_CORE_DATA, /* a piece of it, at args[0] */
	EVENT_CORE_END,  /* args[0] bytes long, args[1] where it has failed; has a reply */
	EVENT_SNAPSHOT,  /* a piece of one that the host has asked for, at args[0], behind all before */
	EVENT_KINDS,
};

/* Data of messages comes in pieces, of what a socket takes at once everywhere. */
enum { CONTAINED_PIECE = 64 << 10, CONTAINED_ADDRESS_MAX = 4200, CONTAINED_EVENT_MAGIC = 0x76697365 };

/* Data follows. */
struct contained_event {
	uint32_t magic;
	uint32_t kind;
	uint64_t id;
	uint64_t args[6];
	uint32_t number;
	uint32_t size; /* of the data */
};

struct contained_reply {
	int64_t value;        /* of a handler; else 0 or a negative errno */
	uint32_t is_deferred; /* the answer to the hypercall comes later, over the other socket */
	uint32_t reserved;
};

enum contained_request_kind {
	REQUEST_SIGNAL,  /* `value`; is not answered */
	REQUEST_RELEASE, /* the host has the hypercall no longer; is not answered */
	REQUEST_READ,
	REQUEST_WRITE, /* data follows */
	REQUEST_DEFER,
	REQUEST_SETTLE, /* `value` for the program */
};

struct contained_request {
	uint32_t kind;
	uint32_t size; /* of the data, there or back */
	uint64_t serial;
	uint64_t id; /* of the hypercall */
	uint64_t address;
	int64_t value;
};

/* Data follows that of REQUEST_READ. */
struct contained_response {
	uint64_t serial; /* of the request */
	int32_t error;   /* 0 or a positive errno */
	uint32_t size;
};

/* The bytes of a call, each way: BYTES_MAX of contact/calls.c, and where answers of requests end. */
enum { CONTAINED_BYTES_MAX = 16 << 20, CONTAINED_RETURN_MAGIC = 0x76697372 };

/*
 * What the host asks of a guest that stays: a public call, with its arguments. It comes on the socket on which the
 * process speaks, followed by the name without its end; then by the bytes in pieces. Up to the contained_return the
 * process tells events as always; it gives its contained_answer in the place of that where the program has ended.
 */
struct contained_call {
	uint64_t serial;
	uint32_t kind; /* enum contained_call_kind */
	int32_t timeout_ms;
	uint64_t args[6];
	uint32_t name_size;
	uint32_t reserved;
	uint64_t in_size;
	uint64_t out_max;
	uint64_t signals; /* how many were sent before, which come first */
};

enum contained_call_kind {
	CALL_NUMBERS,
	CALL_BYTES,
	CALL_REQUEST,
	CALL_HANDLERS, /* is no call, and has no return: the contained_settings, for hypercalls and connections, as
			  bytes */
	CALL_FREEZE,   /* tells a snapshot by events; gives its size */
	CALL_RESET,    /* a clone is what its snapshot has */
};

/* What it gave; `value` bytes follow in pieces for CALL_BYTES and CALL_REQUEST. Serial 0: the program is ready. */
struct contained_return {
	uint32_t magic;
	int32_t error; /* 0, or a positive errno of one that has left the program as it was; with it, the texts */
	int32_t stage;
	uint32_t reserved;
	uint64_t serial; /* of the call */
	uint64_t value;
	uint64_t counts[2][COUNTED_CALLS]; /* of system calls, since they were told before */
	char object[128];
	char message[512];
};

/* The size of the next piece of so many bytes. */
static inline size_t contained_piece(size_t left)
{
	return left < CONTAINED_PIECE ? left : CONTAINED_PIECE;
}

/* A text of theirs: it ends from now on, and holds nothing that would steer a terminal to which somebody prints it. */
void contained_tame(char *text, size_t size);

/* An event, with `size` bytes of it all: whether it is one. */
bool contained_is_event(const void *data, size_t size);

/* The address of EVENT_CONNECT, of `size` bytes: whether it is in a form in which handlers get them. */
bool contained_is_address(const char *address, size_t size);

/* The errno of a response to a request, negative, or 0; -EPROTO where it is none. */
int contained_take_response(const struct contained_request *request, const void *data, size_t size);

/* Sets the error that a report tells of: a negative errno, -EPROTO for what is none; 0 for a start that succeeded. */
int contained_take_report(const void *data, size_t size);

/*
 * What a call gave, or the initialisation (a call of serial 0). False for what is none: of another call, with more
 * bytes than there is room for, or with an errno that only an end has.
 */
bool contained_take_return(const struct contained_call *call, const void *data, size_t size,
			   struct contained_return *out_return);

/* Sets its error: the negative errno, or 0 where it has none. */
int contained_set_error(const struct contained_return *returned);

/* Makes a result of an answer. 0, a negative errno with the error set, or 1 where the answer is none. */
int contained_take_answer(const void *data, size_t size, viso_result **out_result);

#endif
