/* SPDX-License-Identifier: MIT */
/* What a viso_guest has that boots an operating system. guest.c knows of it by its table alone: see struct kernel_ops.
 */
#ifndef GUEST_KERNEL_KERNEL_H
#define GUEST_KERNEL_KERNEL_H

#include <pthread.h>
#include <stdbool.h>
#include <virtiso/guest_kernel.h>
#include <virtiso/snapshot.h>

#include "guest/contained/computer_message.h"
#include "guest/kernel/device_settings.h"
#include "guest/kernel/tools.h"

struct contained_computer;
struct doorbell_request;
struct kernel_guest;
struct machine;

/* So that the program that serves contained guests has guest.c without all this. */
struct kernel_ops {
	/* As struct backend has it. */
	int (*spawn)(viso_guest *guest, const viso_command *command, bool to_end, viso_process *process);
	int (*start)(viso_guest *guest);
	int (*copy_in)(viso_guest *guest, const char *source, const char *path);
	int (*copy_out)(viso_guest *guest, const char *path, const char *destination);
	void (*close)(viso_guest *guest);
	/* Those of <virtiso/snapshot.h>; all arguments have been checked but for what concerns computers. */
	int (*freeze)(viso_guest *guest, viso_snapshot **out_snapshot);
	int (*clone)(viso_snapshot *snapshot, viso_guest **out_guest);
	int (*reset)(viso_guest *guest);
	int (*save)(const viso_snapshot *snapshot, const char *path);
	int (*load)(const char *path, viso_guest *guest, viso_snapshot **out_snapshot);
	/* The same settings but for what binds them to the host, for a guest that has none yet. NULL with the error
	 * set. */
	struct kernel_guest *(*copy)(const struct kernel_guest *kernel);
	/* What the host asks of the system by the doorbell. As viso_guest_request() and viso_guest_cancel(). */
	int64_t (*call)(viso_guest *guest, const struct doorbell_request *request, const char *function);
	int (*cancel)(viso_guest *guest);
	/* `is_forked`: memory only. */
	void (*release)(struct kernel_guest *kernel, bool is_forked);
};

struct kernel_guest {
	const struct kernel_ops *ops;
	char *image; /* absolute; NULL for none */
	bool is_flat;
	uint64_t flat_address;
	char *initramfs;
	char *firmware;
	char *command_line;  /* NULL: empty */
	unsigned processors; /* 0: one */
	viso_platform platform;
	struct device_settings devices;
	struct tools tools;
	viso_snapshot *origin; /* of a clone, which goes on from there; NULL else */
	int given;             /* the fd of the image, in the program of a contained one; 0: it is opened */
	int given_bell; /* likewise, of the doorbell's pages; it rings by the next one; 0: all of it is made here */

	pthread_mutex_t lock;                 /* guards what follows */
	pthread_cond_t let_go;                /* nobody holds the machine any more */
	struct machine *machine;              /* that runs; NULL for none */
	unsigned holders;                     /* of the machine */
	struct contained_computer *contained; /* that runs in a container, or ran last; NULL for none */
	bool is_booting;
};

/* For setters: what a guest has of it, made where there is nothing yet. 0 or a negative errno with the error set. */
int kernel_settings(viso_guest *guest, const char *function, struct kernel_guest **out_kernel);

/* The same for setters of what binds a computer to the host, which a clone is given anew before it is switched on. */
int kernel_bindings(viso_guest *guest, const char *function, struct kernel_guest **out_kernel);

bool kernel_is_new_clone(const viso_guest *guest);

/* An absolute copy of the path of a file that exists, into `*out`, whose former value is freed. */
int kernel_set_path(char **out, const char *path, const char *function);

/*
 * Lets `use` do something with the computer that runs, which cannot end meanwhile. What it returns; -ESRCH, with the
 * error set, where none runs. `use` must not wait.
 */
int kernel_use_machine(viso_guest *guest, const char *function, int (*use)(struct machine *machine, void *data),
		       void *data);

/* With the lock. */
bool kernel_computer_runs(const struct kernel_guest *kernel);

/* The computer that runs in a container: a reference; NULL for none. */
struct contained_computer *kernel_contained(struct kernel_guest *kernel);

/* Where the computer runs in a container it is asked in place of the machine: true, and what came of it. */
bool kernel_ask_contained(viso_guest *guest, const char *function, enum computer_call call, const uint64_t args[3],
			  int64_t *out_value);

/* The same for what waits: until kernel_let_go() it is there, though it may have ended. */
int kernel_hold_machine(viso_guest *guest, const char *function, struct machine **out_machine);
void kernel_let_go(viso_guest *guest);

#endif
