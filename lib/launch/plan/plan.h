/* SPDX-License-Identifier: MIT */
/*
 * What the host program and its launcher say to each other. Both are built from one tree, so the structures go over the
 * socket as they are.
 *
 * A start is one message on the request socket: a flat plan, with the fds that it needs, first among them the channel
 * of the new process. All later messages about that process go over its channel: reports to the host, orders from it.
 *
 * With PLAN_KEEP_CHANNEL the worker is the channel's from then on: after the end it takes the next plan from there,
 * which then comes without the channel's fd, until the host closes its end. That saves making, sending and closing
 * sockets.
 */
#ifndef LAUNCH_PLAN_PLAN_H
#define LAUNCH_PLAN_PLAN_H

#include <stdint.h>

#include "launch/plan/attributes.h"
#include "launch/plan/cgroups.h"
#include "launch/plan/detached.h"
#include "launch/plan/hooks.h"
#include "launch/plan/mounts.h"
#include "launch/plan/namespaces.h"
#include "launch/plan/network.h"
#include "launch/plan/pool.h"
#include "launch/plan/restore.h"
#include "launch/plan/security.h"

enum {
	PLAN_INLINE_MAX = 32768, /* a longer plan is sent as a memfd; its message is a struct plan_head only */
	PLAN_SIZE_MAX = 1 << 30, /* its offsets have 32 bits */
	PLAN_GROUPS_MAX = 64,
	PLAN_RLIMITS_MAX = 16,
	PLAN_ADDED_MAX = 32,
	PLAN_OWN_FDS_MAX = 96, /* of a container's parts: mounts, layers, namespaces */
	PLAN_FDS_MAX = 6 + PLAN_ADDED_MAX +
		       PLAN_OWN_FDS_MAX, /* channel, root, three streams, those handed in, memfd of the plan */
	REPORT_OBJECT_MAX = 256,
	GUARD_PATH_MAX = 4096,
	PLAN_STEPS = 10, /* viso_step */
};

enum plan_isolation { PLAN_JAIL = 1, PLAN_CONTAINER = 2 };

/* Where a stream of the program comes from. */
enum plan_stream_kind { PLAN_STREAM_NULL, PLAN_STREAM_FD, PLAN_STREAM_STDOUT, PLAN_STREAM_CAPTURE };

enum plan_flags {
	PLAN_HOST_NETWORK = 1u << 0,
	PLAN_REPORT_START = 1u << 1, /* send REPORT_STARTED; else the end is the only report */
	PLAN_HAS_USER = 1u << 2,     /* uid and gid are the caller's choice */
	PLAN_KEEP_CHANNEL = 1u << 3, /* the channel is for further plans, too */
	PLAN_BARE = 1u << 8,         /* a jail without hardening */
	PLAN_INSTANCE = 1u << 9,     /* no command, but an instance; `instance_fd` is the socket of its plans */
	PLAN_RECEIVE = 1u << 11,  /* in an instance: files come by stdin; argv is where they are made, and their name */
	PLAN_DETACHED = 1u << 10, /* an instance that goes on without its host */
};

struct plan_head {
	uint32_t size;        /* of the whole plan, this head included */
	uint32_t fd_count;    /* the channel and those that come with the message, but for the memfd of a long plan */
	uint32_t own_channel; /* the channel comes with the message, although that came over a channel that was kept */
	uint32_t unused;
};

struct plan {
	struct plan_head head;
	uint32_t isolation;
	uint32_t flags;
	uint32_t instance_fd; /* index among the fds of the message */
	struct plan_strings argv;
	struct plan_strings env;
	struct plan_strings programs; /* paths to try, in order */
	plan_offset cwd;
	uint32_t uid; /* as the program sees it */
	uint32_t gid;
	uint32_t group_count;
	uint32_t groups[PLAN_GROUPS_MAX];
	struct {
		uint32_t kind;
		uint32_t fd; /* index among the fds of the message */
		uint64_t max;
	} streams[3];
	uint32_t added_count;
	struct {
		uint32_t fd;     /* index among the fds of the message */
		uint32_t number; /* that it has in the program, above 2; no two are the same */
	} added[PLAN_ADDED_MAX];
	uint32_t rlimit_count;
	struct {
		uint32_t resource;
		uint64_t value; /* the soft limit */
		uint64_t hard;
	} rlimits[PLAN_RLIMITS_MAX];
	struct {
		uint32_t columns, rows;
	} terminal;          /* 0: none; a jail's is its stdin */
	uint64_t timeout_ns; /* 0: none */
	uint64_t cpu_time_ns;
	uint64_t memory_max; /* for the size of /tmp; the limit itself is the cgroup's */
	/* The parts that have a header of their own. */
	struct plan_detached detached;
	struct plan_attributes attributes;
	struct plan_cgroups cgroups;
	struct plan_security security;
	/* Of a container only: */
	struct plan_namespaces namespaces;
	struct plan_mounts mounts;
	struct plan_network network;
	struct plan_pool pool;
	struct plan_hooks hooks;
	struct plan_restore restore;
};

enum report_kind { REPORT_STARTED = 1, REPORT_FAILED = 2, REPORT_ENDED = 3, REPORT_FD = 4 };

/* What REPORT_FD brings, before REPORT_STARTED; whoever has it in the launcher sends it (report_fd()). */
enum report_fd_kind {
	REPORT_FD_TERMINAL,     /* the host's end of the program's terminal */
	REPORT_FD_NOTIFICATION, /* the seccomp listener */
	REPORT_FD_ROOT,         /* O_PATH fd of an instance's root directory, as its mount namespace has it */
	REPORT_FD_NETWORK,      /* rtnetlink socket of a container's init, which waits for ORDER_CONTINUE */
	REPORT_FD_KINDS,
};

enum report_reason { END_BY_ITSELF = 0, END_TIMED_OUT, END_CPU_TIME, END_OUT_OF_MEMORY, END_KILLED };

struct report_failure {
	uint32_t stage; /* viso_stage */
	int32_t error;  /* positive errno; 0 for no failure */
	int32_t status; /* of a hook that was executed, as of wait(2); else 0 */
	char object[REPORT_OBJECT_MAX];
};

/* Of struct rusage, whose layout differs between the C libraries of host and launcher. */
struct report_usage {
	uint64_t user_us;
	uint64_t system_us;
	uint64_t max_rss_kib;
	uint64_t minor_faults;
	uint64_t major_faults;
	uint64_t blocks_in;
	uint64_t blocks_out;
	uint64_t voluntary_switches;
	uint64_t involuntary_switches;
};

struct report_end {
	uint32_t reason;
	int32_t status; /* as of wait(2) */
	struct report_usage usage;
	uint64_t wall_us;
	int64_t figures[PLAN_FIGURES]; /* of the control groups, by viso_usage; -1: not known */
	uint64_t output_size[2];
	uint8_t output_truncated[2];
	uint8_t output_fd[2]; /* whether a memfd with the output comes along, in this order */
};

struct report {
	uint32_t kind;
	int32_t pid;
	uint32_t fd_kind;              /* of REPORT_FD */
	int64_t step_ns[PLAN_STEPS];   /* CLOCK_MONOTONIC, by viso_step; 0 for those that were not made */
	struct report_failure failure; /* with REPORT_STARTED and REPORT_ENDED that of a hook that is not to harm */
	struct report_end end;
};

/*
 * From ORDER_PIDS to ORDER_RESUME each brings a pipe for the answer: the number of processes and then their ids, as
 * many as there is room for; int64_t[PLAN_FIGURES], by viso_usage; for PAUSE and RESUME an int32_t, 0 or an errno.
 */
enum order_kind {
	ORDER_SIGNAL = 1,
	ORDER_KILL = 2,
	ORDER_PIDS = 3,
	ORDER_USAGE = 4,
	ORDER_PAUSE = 5,
	ORDER_RESUME = 6,
	ORDER_CONTINUE = 7, /* brings none: the host has made the container's network */
};

/* Not as long as any message with a plan. */
struct order {
	uint32_t kind;
	int32_t signal;
	uint32_t unused;
};

enum guard_kind { GUARD_TREE, GUARD_BRIDGE, GUARD_STOPPED };

/*
 * On the control socket: what is to be removed when the host program dies, or no longer; or GUARD_STOPPED, without more,
 * that workers which somebody has stopped are to be killed, since the host waits for one. A directory tree; or a bridge
 * where no interface is left on it, after all interfaces of the group, which are the host's.
 */
struct guard {
	uint8_t add;
	uint8_t kind;
	uint32_t group;
	char path[GUARD_PATH_MAX]; /* or name */
};

/* The fds with which the launcher is executed. */
enum { LAUNCHER_FD_REQUESTS = 3, LAUNCHER_FD_CONTROL = 4, LAUNCHER_FD_HOST = 5 };

#endif
