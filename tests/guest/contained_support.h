/* SPDX-License-Identifier: MIT */
/* Guests that are served in a container, and processes that serve them and misbehave. */
#ifndef CONTAINED_SUPPORT_H
#define CONTAINED_SUPPORT_H

#include "guest_support.h"

#include <sys/types.h>
#include <sys/user.h>

/* new_guest(), contained. */
viso_guest *contained(struct fixture *fixture);

/* Whether it is such a process still; and one whose standard input is this file; and the one, where no other one has
 * it; 0 for none. */
bool is_server(pid_t pid);
bool has_input(pid_t pid, const char *input);
pid_t find_server(const char *input);

/* The command's standard input from now on. */
void set_input(viso_command *command, const char *input);

/* A new file with this text; to be freed. */
char *make_file(const char *directory, const char *name, const char *text);

/* A process that misbehaves, and where in it a call can be made. */
struct victim {
	pid_t pid;
	struct user_regs_struct regs;
	uint64_t text;
	uint64_t stack;
};

/* Stops it, in a system call: as if the guest's program had got the better of it. */
struct victim seize(pid_t pid);

/* Once it is in this system call. */
struct victim seize_in(pid_t pid, long number);

/* Lets it go on with the system call in which it was seized. */
void release_victim(const struct victim *victim);

/* Makes it call the kernel. */
long remote_call4(pid_t pid, const struct user_regs_struct *at, uint64_t text, long number, long a, long b, long c,
		  long d);
long remote_call(pid_t pid, const struct user_regs_struct *at, uint64_t text, long number, long a, long b, long c);

/* To its stack. */
void put_string(const struct victim *victim, const char *text);
void put_bytes(const struct victim *victim, const void *data, size_t size);

/* Lets the process say something that its code never does. */
long say(const struct victim *victim, int fd, const void *data, size_t size);

#endif
