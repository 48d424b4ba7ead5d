/* SPDX-License-Identifier: MIT */
/*
 * What viso-agent, in a guest, and the host say to each other over a stream of bytes (a port of a virtio console, a
 * socket). Both are built from this file; neither trusts the other.
 *
 * Everything is little-endian. A frame is a header and a payload:
 *
 *	u32 magic, u32 size of the payload, u16 type, u16 0, u32 id, u64 token
 *
 * The token is a random number that the receiver has chosen: HELLO brings that of the host (in its own token), WELCOME
 * that of the agent (in its payload). Contents of files and streams that somebody else made can thus never be taken for
 * frames where the two have lost step, as after a guest was restored or cloned in the middle of a frame: then a new
 * HELLO begins a new session, and all before it is skipped. The host repeats HELLO until the WELCOME comes.
 *
 * `id` names a command or a request; the host chooses it, and not again before it is done. A command is done when the
 * agent has said FAILED; or EXITED and, for each output that leads to the host, OUTPUT_END. Then the agent does not
 *name it any more.
 *
 * Streams have windows: whoever sends has AGENT_WINDOW bytes at first for each stream, and as many more as CREDIT
 *gives.
 */
#ifndef GUEST_AGENT_MESSAGE_H
#define GUEST_AGENT_MESSAGE_H

enum { AGENT_VERSION = 1 };

#define AGENT_MAGIC UINT32_C(0x41534956) /* "VISA" */
#define AGENT_PORT_NAME "org.libvirtiso.agent.0"

enum {
	AGENT_HEADER = 24,
	AGENT_PAYLOAD_MAX = 32 << 10,
	AGENT_WINDOW = 128 << 10,
	AGENT_COMMAND_MAX = 5 << 20, /* what SPAWN brings in all */
	AGENT_COMMANDS_MAX = 256,
	AGENT_OBJECT_MAX = 256,
	AGENT_GROUPS_MAX = 64,
	AGENT_RLIMITS_MAX = 16,
	AGENT_ENTROPY_MAX = 512,
};

enum agent_message {
	/* The host's. */
	AGENT_HELLO = 1,       /* u16 lowest, u16 highest version, u32 milliseconds between HEARTBEATs or 0 */
	AGENT_PING = 2,        /* anything short, which PONG brings back */
	AGENT_SPAWN_PART = 3,  /* a piece of a SPAWN that is longer than a frame; the others follow at once */
	AGENT_SPAWN = 4,       /* the last piece: see spawn_message.h */
	AGENT_INPUT = 5,       /* bytes for standard input, or typed */
	AGENT_INPUT_END = 6,   /* there are no more */
	AGENT_CREDIT = 7,      /* u8 stream (1, 2), u32 bytes */
	AGENT_STOP_OUTPUT = 8, /* u8 stream: nobody reads it any more; OUTPUT_END still comes */
	AGENT_SIGNAL = 9,      /* u8 signal for the program */
	AGENT_KILL = 10,       /* the program and all that it started */
	AGENT_RESIZE = 11,     /* u16 columns, u16 rows of its terminal */
	AGENT_REQUEST = 12,    /* u8 enum agent_request, arguments */

	/* The agent's. */
	AGENT_WELCOME = 128,      /* u16 version, u16 0, u32 features, u64 token of the agent */
	AGENT_PONG = 129,         /* as PING */
	AGENT_HEARTBEAT = 130,    /* nothing */
	AGENT_STARTED = 131,      /* u32 process id in the guest */
	AGENT_FAILED = 132,       /* u32 viso_stage, u32 errno, bytes of the object */
	AGENT_OUTPUT = 133,       /* u8 stream, bytes */
	AGENT_OUTPUT_END = 134,   /* u8 stream */
	AGENT_INPUT_CREDIT = 135, /* u32 bytes */
	AGENT_INPUT_CLOSED = 136, /* nobody reads standard input any more */
	AGENT_EXITED = 137,       /* u32 enum agent_end, u32 status of wait(2), 8 u64: enum agent_used */
	AGENT_ANSWER = 138,       /* u32 errno or 0, then what the request asked for */
};

/* What an agent can do, beside running commands. */
enum agent_feature {
	AGENT_IS_INIT = 1 << 0,      /* pid 1 of its guest */
	AGENT_IS_ROOT = 1 << 1,      /* may become others */
	AGENT_IS_IN_CHARGE = 1 << 2, /* of the guest: shuts it down, sets its time */
};

enum agent_end { AGENT_END_ITSELF = 0, AGENT_END_CPU_TIME = 1, AGENT_END_LOST = 2 };

enum agent_used {
	AGENT_USED_USER_US,
	AGENT_USED_SYSTEM_US,
	AGENT_USED_MEMORY_PEAK, /* bytes */
	AGENT_USED_MINOR_FAULTS,
	AGENT_USED_MAJOR_FAULTS,
	AGENT_USED_BLOCKS_IN,
	AGENT_USED_BLOCKS_OUT,
	AGENT_USED_SWITCHES, /* voluntary */
	AGENT_USED_COUNT,
};

enum agent_request_kind {
	AGENT_REQUEST_STATISTICS = 1, /* answer: u8 count, u64 each, by enum agent_statistic */
	AGENT_REQUEST_MOUNTS = 2,     /* answer: text of /proc/mounts, cut at the size of a frame */
	AGENT_REQUEST_SET_TIME = 3,   /* u64 nanoseconds since 1970 */
	AGENT_REQUEST_ENTROPY = 4,    /* up to AGENT_ENTROPY_MAX random bytes, which are believed */
	AGENT_REQUEST_SYNC = 5,
	AGENT_REQUEST_SHUTDOWN = 6, /* u8 enum agent_shutdown; answered before it begins */
	AGENT_REQUEST_FREEZE = 7,   /* file systems; answer: u32 how many */
	AGENT_REQUEST_THAW = 8,
	AGENT_REQUEST_HOSTNAME = 9, /* bytes of the new name */
};

enum agent_shutdown { AGENT_POWER_OFF = 1, AGENT_REBOOT = 2, AGENT_HALT = 3 };

enum agent_statistic {
	AGENT_STATISTIC_MEMORY_TOTAL, /* bytes */
	AGENT_STATISTIC_MEMORY_FREE,
	AGENT_STATISTIC_MEMORY_AVAILABLE,
	AGENT_STATISTIC_SWAP_TOTAL,
	AGENT_STATISTIC_SWAP_FREE,
	AGENT_STATISTIC_LOAD_1, /* thousandths */
	AGENT_STATISTIC_LOAD_5,
	AGENT_STATISTIC_LOAD_15,
	AGENT_STATISTIC_PROCESSES,
	AGENT_STATISTIC_UPTIME_MS,
	AGENT_STATISTIC_TIME_NS,  /* of the guest's clock, since 1970 */
	AGENT_STATISTIC_COMMANDS, /* of ours that run */
	AGENT_STATISTIC_COUNT,
};

#endif
