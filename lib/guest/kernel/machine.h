/* SPDX-License-Identifier: MIT */
/*
 * The computer of a kernel guest: KVM's virtual machine, its memory, processors and devices, and its life.
 *
 * Each processor is a thread. One thread more, the attendant, looks after the streams and times, and takes the computer
 * apart at its end. Devices may have threads of their own. None of them ever sees a signal of the host program's.
 */
#ifndef GUEST_KERNEL_MACHINE_H
#define GUEST_KERNEL_MACHINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <virtiso/guest_devices.h>
#include <virtiso/guest_kernel.h>
#include <virtiso/snapshot.h>

#include "guest/device/bus.h"
#include "guest/device/interrupt.h"
#include "guest/device/ram.h"
#include "guest/device/state.h"
#include "guest/device/traffic.h"
#include "guest/kernel/console.h"
#include "guest/kernel/exits.h"
#include "guest/vm/kick.h"
#include "guest/vm/vm.h"
#include "sandbox/result.h"

enum { MACHINE_DEVICES_MAX = 64, MACHINE_DISKS_MAX = 8, MACHINE_PROCESSORS_MAX = 64, MACHINE_DETAIL_MAX = 120 };

/* What the machine does with a device, beside what its buses do. Each may be NULL. */
struct machine_device_ops {
	/* Before the processors run; may start threads. 0 or a negative errno with the error set. */
	int (*start)(void *device);
	/* The processors stand still: when it returns, the device does not touch the guest's memory any more either,
	 * and what it was told by then is done or kept for later. */
	void (*pause)(void *device);
	void (*resume)(void *device);
	/* The processors have ended: its threads end. Also after a failed start. */
	void (*stop)(void *device);
	/* While it is paused, and before it is started: 0 or a negative errno with the error set. */
	int (*save)(void *device, struct state_writer *out);
	int (*load)(void *device, struct state_reader *in);
	bool is_stateless; /* there is nothing to be saved; else no snapshot is made of what cannot be */
	/* Frees it. In a forked child, too, where it frees memory only (handle_is_mine()). */
	void (*release)(void *device, bool is_forked);
};

struct machine_device {
	const struct machine_device_ops *ops;
	void *device;
	bool is_started;
};

struct disk;
struct doorbell;
struct machine;
struct pc;
struct virtio;

struct machine_cpu {
	struct machine *machine;
	unsigned index; /* also its APIC id */
	struct vm vm;   /* its fd and struct kvm_run alone */
	struct kick kick;
	pthread_t thread;
	bool has_thread;
	atomic_int thread_id; /* 0 before it runs */
	struct rusage usage;  /* once its thread has ended */
	struct exits exits;

	/* Guarded by the machine's lock. */
	bool is_outside;   /* runs a handler of the host program's: counts as parked */
	bool is_left;      /* there it was when the machine ended, and nobody waits for it */
	bool has_finished; /* its thread is about to end */
};

/* What is counted of a device. */
struct machine_traffic {
	viso_device device;
	const struct traffic *traffic;
};

enum machine_state { MACHINE_NEW, MACHINE_RUNNING, MACHINE_PAUSED, MACHINE_ENDED };

struct machine {
	atomic_uint references; /* the owner's, and one of each thread that was left in a handler */
	viso_platform platform;
	int vm_fd;
	uint8_t *memory; /* of the host; NULL where there is none */
	uint64_t memory_size;
	uint32_t slot_count; /* of KVM's, that are taken */
	struct ram ram;
	struct bus ports, bus; /* what is at ports, and at physical addresses */
	unsigned virtio_count; /* of its places that are taken */
	struct machine_device devices[MACHINE_DEVICES_MAX];
	int device_count;
	struct machine_traffic traffic[MACHINE_DEVICES_MAX];
	int traffic_count;
	struct machine_cpu *processors;
	unsigned processor_count;
	struct console console;
	struct pc *pc;                         /* what VISO_PLATFORM_PC has beside; one of the devices */
	struct virtio *balloon;                /* one of the devices; NULL for none */
	struct doorbell *doorbell;             /* likewise */
	struct disk *disks[MACHINE_DISKS_MAX]; /* of devices, in the order of their settings */
	viso_snapshot *origin;                 /* that it is a clone of; NULL for none */

	pthread_mutex_t
		turns; /* whoever pauses it, lets it go on, or ends its devices: one at a time; taken before `lock` */
	pthread_mutex_t lock;   /* guards what follows */
	pthread_cond_t changed; /* the state, or how many processors are parked */
	enum machine_state state;
	unsigned parked;
	viso_reason reason;
	int exit_code;
	char detail[MACHINE_DETAIL_MAX];
	struct result_register registers[RESULT_REGISTERS_MAX];
	size_t register_count;

	pthread_t attendant;
	bool has_attendant;
	int wake_fd;   /* an eventfd by which the attendant is told to look */
	int end_fd;    /* the process's eventfd, borrowed: written at the end */
	int64_t begin; /* CLOCK_MONOTONIC, nanoseconds */
	uint64_t timeout_ms, cpu_time_ms;
	int64_t wall_end;
	uint64_t memory_peak;
	struct rusage usage; /* of all its threads, at the end */

	void (*press_power_button)(struct machine *machine);

	/* Called by the attendant at the end, before the machine is taken apart: nobody reaches it afterwards. */
	void (*ended)(void *data);
	void *ended_data;
};

/* The computer without devices, processors standing still. 0 or a negative errno with the error set. */
int machine_new(viso_platform platform, uint64_t memory, unsigned processors, struct machine **out_machine);

/*
 * Frees it; it has ended, or was never started. Of one with a thread that is in a handler of the host program's still
 * nothing is left but the memory that the thread looks at, which it frees. And in a forked child: memory only.
 */
struct machine *machine_free(struct machine *machine);
void machine_unref(struct machine *machine);
void machine_forget(struct machine *machine);

/* Gives back what the kernel holds for it, memory included. */
void machine_take_apart(struct machine *machine);

/* Begins: devices, then threads. 0 or a negative errno with the error set; then it can only be freed. */
int machine_start(struct machine *machine);

/*
 * From any thread: it ends, for this reason unless there is one already. `detail` is for a person, may be NULL.
 * Returns at once.
 */
void machine_end(struct machine *machine, viso_reason reason, int exit_code, const char *detail);
void machine_power_off(struct machine *machine);
void machine_reset(struct machine *machine);

/* All processors and devices stand still when it returns; or go on. Nothing where the machine has ended. */
void machine_pause(struct machine *machine);
void machine_resume(struct machine *machine);

/* Whether it stands still. */
bool machine_is_paused(struct machine *machine);

/*
 * Lets `use` have it while all of it stands still, and nobody lets it go on. What that returns; -ESRCH, with the error
 * set, where it has ended.
 */
int machine_use_paused(struct machine *machine, int (*use)(struct machine *machine, void *data), void *data);

/* Waits for the end of its threads. */
void machine_join(struct machine *machine);

/* For the attendant, at the end. */
void machine_join_processors(struct machine *machine);
void machine_stop_devices(struct machine *machine);

/* For devices, while the machine is made. */

/* Adds it to the life of the machine, which owns it from now on, also on failure. */
int machine_add_device(struct machine *machine, const struct machine_device_ops *ops, void *device);

/* It counts what goes through it, as long as it is there. Those of a kind are numbered in this order. */
void machine_add_traffic(struct machine *machine, viso_device device, const struct traffic *traffic);

/* Memory of the host's that the guest has there, beside struct ram; both addresses and the size are whole pages. A
 * write to what is read-only goes to the bus. 0 or a negative errno with the error set. */
int machine_add_memory(struct machine *machine, uint64_t base, void *host, uint64_t size, bool is_read_only);

/* As bus_add(), with the error set. */
int machine_add_ports(struct machine *machine, uint64_t base, uint64_t size, const struct bus_ops *ops, void *device);
int machine_add_bus(struct machine *machine, uint64_t base, uint64_t size, const struct bus_ops *ops, void *device);

/* The next place for a device of virtio over mmio; DSDT and command line tell of it. */
struct machine_place {
	uint64_t base;              /* LAYOUT_VIRTIO_SIZE bytes */
	struct interrupt interrupt; /* level-triggered */
};
int machine_take_virtio(struct machine *machine, struct machine_place *out_place);

/* A line of the interrupt controllers (a GSI): any thread may set it. */
struct interrupt machine_interrupt(struct machine *machine, unsigned line);

/*
 * KVM writes to the eventfd when the guest writes `value` (where `size` is not 0, of that many bytes; else anything)
 * there, without an exit. And a write to the eventfd makes an edge on the line. 0 or a negative errno with the error
 * set.
 */
int machine_add_ioeventfd(struct machine *machine, uint64_t address, unsigned size, uint64_t value, int fd);
/* The same for any write to a port. */
int machine_add_port_eventfd(struct machine *machine, uint16_t port, int fd);
int machine_add_irqfd(struct machine *machine, unsigned line, int fd);

/* What it uses now, by viso_usage; -1 is not known. False where it has ended. */
bool machine_usage(struct machine *machine, int64_t figures[RESULT_USAGE_COUNT]);
/* The figures of exits and disks, at any time until it is freed. */
void machine_put_counts(const struct machine *machine, int64_t figures[RESULT_USAGE_COUNT]);

#endif
