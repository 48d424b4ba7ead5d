/* SPDX-License-Identifier: MIT */
/*
 * What the host program and the process that serves a contained guest tell each other. The settings and the command go
 * over in a sealed memory file; over a socket of whole messages the host sends numbers of signals, and gets a report of
 * the start and, where that succeeded, the result. From the start on the other process is hostile: the host takes
 * nothing from it but these two messages, of fixed size, and believes no field that it has not checked.
 */
#ifndef GUEST_CONTAINED_MESSAGE_H
#define GUEST_CONTAINED_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "command/command.h"
#include "guest/counts.h"
#include "guest/files/settings.h"
#include "guest/limits.h"
#include "sandbox/result.h"

/* What is packed, but for the contents of files. */
enum { CONTAINED_MAGIC = 0x76697367, CONTAINED_SETTINGS_MAX = 4 << 20 };

/* The fds of the process beside its streams; those of the command follow. */
enum { CONTAINED_SOCKET = 3, CONTAINED_KVM, CONTAINED_SETTINGS, CONTAINED_ADDED };

/* How many fds of a command that leaves of those that a command can have. */
enum { CONTAINED_ADDED_MAX = COMMAND_FDS_MAX - 3 };

/* Where the root of the guest, and this program, lie in the container. */
#define CONTAINED_ROOT "/guest"
#define CONTAINED_PROGRAM "/viso-guest"
/* Where what is bound lies, each under its index among the guest's files; and the directory for what it writes. */
#define CONTAINED_BINDS "/binds"
#define CONTAINED_UPPER "/upper"

/* Beside what the other process has from its own standard streams. */
struct contained_settings {
	uint64_t memory_max;
	struct guest_limits limits;
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
	char detail[112];
	uint64_t counts[2][COUNTED_CALLS]; /* of system calls, as in struct guest_counts */
};

/* Sets the error that a report tells of: a negative errno, -EPROTO for what is none; 0 for a start that succeeded. */
int contained_take_report(const void *data, size_t size);

/* Makes a result of an answer. 0, a negative errno with the error set, or 1 where the answer is none. */
int contained_take_answer(const void *data, size_t size, viso_result **out_result);

#endif
