/* SPDX-License-Identifier: MIT */
/*
 * What SPAWN brings, after its pieces were put together:
 *
 *	u32 flags, u32 uid, u32 gid, u16 columns, u16 rows, u64 CPU time in milliseconds or 0, u8 enum agent_stream of
 *each standard stream; u8 count of groups, u32 each; u8 count of limits, each u8 resource as Linux numbers it, u64
 *soft, u64 hard; a string, the directory; and three lists of strings: where the program may be, its arguments, its
 *environment.
 *
 * A list is a u32 count and its strings; a string is a u32 length that counts its NUL, and the bytes with that NUL.
 */
#ifndef GUEST_AGENT_SPAWN_MESSAGE_H
#define GUEST_AGENT_SPAWN_MESSAGE_H

enum agent_spawn_flag {
	AGENT_SPAWN_HAS_USER = 1 << 0, /* else the agent chooses: 1000, or where it is not root, itself */
	AGENT_SPAWN_TERMINAL = 1 << 1,
	AGENT_SPAWN_RECEIVES =
		1 << 2,             /* no program: makes a tree that comes by standard input (launch/copy/stream.h) */
	AGENT_SPAWN_SENDS = 1 << 3, /* no program: sends a tree by standard output */
	AGENT_SPAWN_FLAGS = (1 << 4) - 1,
};

enum agent_stream { AGENT_STREAM_NULL = 0, AGENT_STREAM_HOST = 1, AGENT_STREAM_STDOUT = 2 };

enum { AGENT_DEFAULT_ID = 1000 };

#endif
