/* SPDX-License-Identifier: MIT */
/*
 * The guest tools of a kernel guest: viso-agent in it, or another agent, by which its sandbox runs commands and copies
 * files as those of other strengths do. A port for it is there whenever a VISO_PLATFORM_MICROVM boots; who looks for it
 * begins with the first command.
 */
#ifndef GUEST_KERNEL_TOOLS_H
#define GUEST_KERNEL_TOOLS_H

#include <pthread.h>
#include <stdbool.h>
#include <virtiso/guest.h>
#include <virtiso/guest_agent.h>

struct agent_ops;
struct kernel_guest;

struct tools {
	const struct agent_ops *ops; /* a setting: whose agent it is */
	viso_root_medium medium;     /* likewise */
	pthread_mutex_t start;       /* held while somebody boots for a command */

	/* Guarded by the lock of the kernel guest. */
	viso_process *computer; /* that was booted for commands; owned; NULL for none */
	int port;               /* the guest's end, while a computer is built; -1 else */
	int closed;             /* an eventfd, written to when nobody has the port open any more; -1 for none */
	int socket;             /* the host's end, before there is an agent; -1 else */
	void *agent;            /* of the computer that runs, or ran last */

	int initramfs;      /* while a computer is built: of the root, or of what leads to it; -1 else */
	int disk;           /* with the root, for the computer and its clones; -1 for none */
	const char *share;  /* likewise: the root's directory, borrowed; NULL else */
	char *command_line; /* likewise, with what starts the agent; NULL else */
};

void tools_init(struct tools *tools);

/* For clones of a snapshot from a file, which has no disk: the same root makes the same. 0 or a negative errno with the
 * error set. */
int tools_find_disk(viso_guest *guest);

/* For a clone. 0 or -ENOMEM. */
int tools_copy_disk(struct tools *to, const struct tools *from);

/*
 * Around the building of a computer: makes the port, and where the guest has a root and no initramfs of its own, one of
 * that. 0 or a negative errno with the error set.
 */
int tools_open(viso_guest *guest);
void tools_built(struct kernel_guest *kernel, bool has_failed);

/* The computer of a clone runs: where its agent was known, it is asked for at once. */
void tools_greet_clone(struct kernel_guest *kernel);

/* After its processes have ended; a second call does nothing. In a forked child (`is_forked`) memory only. */
void tools_close(struct kernel_guest *kernel, bool is_forked);

void tools_release(struct kernel_guest *kernel, bool is_forked);

/* The agent of the computer that runs, a reference. 0, or a negative errno with the error set; -ESRCH where none runs.
 */
int tools_agent(viso_guest *guest, const char *function, void **out_agent);

bool tools_computer_runs(struct kernel_guest *kernel);

/* Struct kernel_ops. */
int tools_start(viso_guest *guest);
int tools_spawn(viso_guest *guest, const viso_command *command, bool to_end, viso_process *process);
int tools_copy_in(viso_guest *guest, const char *source, const char *path);
int tools_copy_out(viso_guest *guest, const char *path, const char *destination);

#endif
