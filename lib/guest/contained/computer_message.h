/* SPDX-License-Identifier: MIT */
/*
 * A computer that runs in a process of its own: what it is made of, and what the host program asks of it. As in
 * message.h, of which it takes report and answer, the other process is hostile from its start on.
 */
#ifndef GUEST_CONTAINED_COMPUTER_MESSAGE_H
#define GUEST_CONTAINED_COMPUTER_MESSAGE_H

#include <stdint.h>

#include "guest/contained/message.h"
#include "guest/kernel/device_settings.h"
#include "guest/kernel/layout.h"

enum { CONTAINED_COMPUTER_MAGIC = 0x76697363, CONTAINED_NAME_MAX = 64 };

/*
 * The other side of the doorbell is the host program's, so that no call and no answer goes by way of the process: its
 * pages; an eventfd to which KVM writes when the guest rings; and a socket for requests of message.h, REQUEST_READ and
 * REQUEST_WRITE with physical addresses, and REQUEST_SIGNAL for its interrupt. That is none by an eventfd: whoever has
 * one of those, too, can make others wait who write to it.
 */
enum { COMPUTER_PAGES = CONTAINED_ADDED, COMPUTER_RING, COMPUTER_LINK, COMPUTER_ADDED };

/*
 * In the sealed file, and all of it. The fds from COMPUTER_ADDED on are those of the image, the initramfs, the agent's
 * port, what tells of its end, the root, the disks, the ports and the networks. A clone has in the place of image and
 * initramfs two sealed files: what the memory was, and all else of computer_pack(). What it was not given anew is
 * missing.
 */
struct computer_settings {
	uint32_t magic;
	uint32_t processors;
	uint64_t memory_max, flat_address;
	uint64_t timeout_ms, cpu_time_ms;
	uint8_t is_flat, has_initramfs, has_agent, has_closed, has_root_disk, has_input, has_output;
	uint8_t has_origin;
	uint32_t disk_count, port_count, network_count;
	uint32_t has_port, has_network; /* a bit for each */
	uint32_t console;               /* viso_console */
	uint32_t disk_flags[DEVICE_DISKS_MAX];
	struct rate disk_rates[DEVICE_DISKS_MAX][THROTTLE_KINDS];
	struct rate network_rates[DEVICE_NETWORKS_MAX][THROTTLE_KINDS];
	char ports[DEVICE_PORTS_MAX][CONTAINED_NAME_MAX];
	uint8_t macs[DEVICE_NETWORKS_MAX][DEVICE_MAC_SIZE];
	char agent_port[CONTAINED_NAME_MAX];
	char image[CONTAINED_NAME_MAX]; /* its name, for errors */
	char command_line[LAYOUT_COMMAND_LINE_MAX];
};

enum computer_call {
	COMPUTER_PAUSE, /* these have a pipe for their answer: an int32_t, 0 or a positive errno */
	COMPUTER_RESUME,
	COMPUTER_USAGE,        /* likewise; int64_t[RESULT_USAGE_COUNT], or nothing where it has ended */
	COMPUTER_FREEZE,       /* has a stream socket for a contained_report, and without an error what follows below */
	COMPUTER_POWER_BUTTON, /* these are public calls of these names, with their arguments, and have a response */
	COMPUTER_RESET_BUTTON,
	COMPUTER_SET_BALLOON,
	COMPUTER_MEMORY_FIGURE,
	COMPUTER_TRAFFIC,
};

struct computer_request {
	uint64_t serial;
	uint32_t call;
	uint32_t reserved;
	uint64_t args[3];
};

struct computer_response {
	uint64_t serial; /* of the request */
	int64_t value;   /* or a negative errno; with it, the rest */
	char message[256];
};

/*
 * What a computer is: this, with its state behind it, and then pages, each run of them behind a struct computer_run, in
 * ascending order; the last one has none.
 */
struct computer_frozen {
	uint64_t state_size;
	uint32_t devices, reserved;
};

struct computer_run {
	uint64_t at;
	uint64_t size; /* at most FROZEN_CHUNK, and within one */
};

/* What a response says to a call: its value, or a negative errno with the error set; -EPROTO for what is none. */
int64_t contained_take_value(struct computer_response *response, enum computer_call call, const char *function);

#endif
