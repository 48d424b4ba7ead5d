/* SPDX-License-Identifier: MIT */
/* One virtual machine that runs one program, from its start to its result. */
#ifndef GUEST_INSTANCE_H
#define GUEST_INSTANCE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <virtiso/snapshot.h>

#include "guest/contact/stay.h"
#include "guest/memory/address_space.h"
#include "guest/memory/memory.h"
#include "guest/program/program.h"
#include "guest/scheduler.h"
#include "guest/vm/kick.h"
#include "guest/vm/vm.h"
#include "guest/x86_64/vcpu.h"

enum instance_state { INSTANCE_NEW, INSTANCE_RUNNING };

struct viso_guest;

struct instance {
	struct viso_guest *guest; /* its settings; borrowed while it runs */
	struct vm vm;
	struct guest_memory memory;
	struct address_space space;
	struct vcpu vcpu;
	struct kick kick;
	struct program program; /* the first one, with whose end everything ends */
	struct view view;       /* the files that its programs see */
	bool has_ended;         /* a process has, see processes_finish() */
	struct scheduler scheduler;
	struct stay stay;
	struct viso_snapshot *snapshot; /* of which it is a clone, a reference; else NULL */
	struct gate *gate;              /* to be locked where the guest is served */
	struct ring *ring;              /* NULL where the program has opened none */
	bool look_for_stop;             /* a stop may have come that ends neither a wait nor KVM_RUN */
	bool owns_guest;                /* a handler gave its last reference back */
	bool has_changed;               /* more than memory and registers, since it was as its snapshot */
	uint64_t generation;            /* viso_generation(): 0 before it is asked for, and where it is no clone */

	/* What the files of its programs have in common; see program/channel.h and program/events/epoll.h. */
	struct channel *channels;
	size_t channels_queued;
	unsigned files_on_way;
	struct channel_files *files_dropped;
	bool drops_files;
	unsigned epoll_items;
	uint64_t processes_made; /* beside the first */
	uint64_t looks;          /* at the readiness of files; see program/readiness.h */
	uint64_t calls_made;     /* in this command or call; see viso_guest_set_syscalls_max() */

	atomic_int state;
	pthread_t thread; /* that runs it, where has_thread */
	bool has_thread;
	int end_fd; /* the process's eventfd, borrowed: written at the end */
	uint64_t timeout_ms;
	uint64_t cpu_time_ms;

	bool has_core; /* one has been written, or could not be */

	/* What is left after the end. */
	int error; /* negative errno where it could not be run after all */
	char error_call[32];
	int64_t wall_end;
	uint64_t memory_peak;
	struct rusage usage;
	struct result_register registers[RESULT_REGISTERS_MAX];
	size_t register_count; /* 0 where it ended by itself */
};

/*
 * Makes the machine and loads the program. 0 or a negative errno with the error set; then nothing is left. Host ends of
 * pipes go to `out_host`.
 */
int instance_new(struct viso_guest *guest, const viso_command *command, int root_fd, uint64_t memory_max,
		 int out_host[3], struct instance **out_instance);

/* Runs the program to its end on the calling thread, gives the machine back and tells end_fd. */
void instance_run(struct instance *instance);

/*
 * Runs it on the calling thread until its program ends or leaves to the host (stay.h), with the time limits of the
 * command or with these (nanoseconds, 0 for none; now is CLOCK_MONOTONIC). 0 or a negative errno with the error set. Any thread may do it, one
 * at a time.
 */
int instance_run_initial(struct instance *instance);
int instance_run_until(struct instance *instance, int64_t now, int64_t deadline, int64_t cpu_limit);

/* For the result of a program that did not end by itself. While no thread runs it. */
void instance_keep_registers(struct instance *instance);

/* The last step of instance_run(). */
void instance_end(struct instance *instance);

/* Before it runs: it will not. As if it had been killed. */
void instance_abandon(struct instance *instance);

/* Frees it; it has ended, or was never started. */
struct instance *instance_free(struct instance *instance);

/* In a forked child: frees memory only. */
void instance_forget(struct instance *instance);

#endif
