/* SPDX-License-Identifier: MIT */
/* A shared directory with a driver of the test's own, and what a guest's kernel would ask of it. */
#ifndef TEST_DEVICE_FS_BENCH_H
#define TEST_DEVICE_FS_BENCH_H

#include <linux/fuse.h>

#include "driver.h"
#include "guest/device/virtio/fs.h"
#include "guest/device/virtio/fs_nodes.h"

enum { REQUESTS = 1, ROOM = 70000 };

struct bench {
	struct driver driver;
	char *directory; /* with "shared", and "secret" beside it */
	int shared;
	uint64_t room; /* for answers */
	const uint8_t *answer;
	uint32_t answer_size;
};

/* As the setup of a test: for reading, or with these rights. */
int set_up(void **state);
int set_up_with(void **state, const struct fuse_rights *rights);
int tear_down(void **state);

/*
 * Another device in the place of this one, for the same directory, that goes on from what it was. What virtio_load()
 * says, and -EINVAL for bytes behind that; after a failure there is a device that has not been used. The saved bytes may be changed before by `forge`,
 * which may be NULL.
 */
int replace_device(struct bench *bench, const struct fuse_rights *rights, void (*forge)(uint8_t *state, size_t size));

void write_at(int directory, const char *name, const char *text);

/* Its error, and in bench->answer what is behind the header; 1 for no answer. */
int ask(struct bench *bench, uint32_t opcode, uint64_t node, const void *argument, uint32_t size);
int ask_within(struct bench *bench, uint32_t opcode, uint64_t node, const void *argument, uint32_t size, uint32_t room);

int look_up(struct bench *bench, uint64_t parent, const char *name, struct fuse_entry_out *out);
uint64_t node_of(struct bench *bench, uint64_t parent, const char *name);
int open_node(struct bench *bench, uint32_t opcode, uint64_t node, uint32_t flags, uint64_t *out_handle);
int read_handle(struct bench *bench, uint32_t opcode, uint64_t handle, uint64_t offset, uint32_t size);

#endif
