/* SPDX-License-Identifier: MIT */
/*
 * A hostile driver of each virtio device, without KVM. The input is a program: accesses to registers of any width,
 * writes to memory and rings, notifications, resets, and what the host's side does meanwhile. Its first byte chooses
 * the device.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/remove_tree.h"
#include "guest/device/virtio/balloon.h"
#include "guest/device/virtio/block.h"
#include "guest/device/virtio/console.h"
#include "guest/device/virtio/fs.h"
#include "guest/device/virtio/mmio.h"
#include "guest/device/virtio/net.h"
#include "guest/device/virtio/rng.h"
#include "guest/device/virtio/vsock.h"
#include "guest/device/virtio/worker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	REGION = 64 << 10,
	HIGH = 1 << 20,
	BASE = 0x10000000,
	HOST_FDS = 3,
	STEPS_MAX = 400,
	DISK_BYTES = 64 << 10,
	ROUNDS_MAX = 20000
};

/* Beside the kind in the first byte. */
enum { FROM_SNAPSHOT = 0x80 };

enum kind { RNG, CONSOLE, BLOCK, BLOCK_KEPT, NET_STREAM, NET_MESSAGES, VSOCK, BALLOON, FS, FS_WRITING, KINDS };

struct world {
	const uint8_t *program;
	size_t left;
	struct ram ram;
	struct bus bus;
	struct loop loop;
	struct virtio *device;
	enum kind kind;
	int host[HOST_FDS]; /* the other ends */
	int host_count;
	size_t line_room; /* of a console's other end */
};

static void expect(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fuzz_virtio: %s\n", what);
	abort();
}

/* The next bytes of the program; zeroes behind its end. */
static uint64_t take(struct world *world, unsigned bytes)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < bytes && world->left > 0; i++, world->left--)
		value |= (uint64_t)*world->program++ << (8 * i);
	return value;
}

static int socket_end(struct world *world, int type)
{
	int ends[2];
	expect(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) == 0, "no sockets");
	world->host[world->host_count++] = ends[0];
	return ends[1];
}

static struct disk *open_disk(enum disk_flags flags)
{
	struct disk *disk;
	char path[64];
	int fd = memfd_create("disk", MFD_CLOEXEC);
	expect(fd >= 0 && ftruncate(fd, DISK_BYTES) == 0, "no file");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	expect(disk_open(path, flags, &disk) == 0, "no disk");
	close(fd);
	return disk;
}

static char share[64];

static void remove_share(void)
{
	remove_tree(share);
}

static struct {
	char directory[64];
	struct sockaddr_un address[2]; /* of the guest's listener, and of port 1 of the host */
	int listener[2];
} sockets;

static void remove_sockets(void)
{
	unlink(sockets.address[0].sun_path);
	unlink(sockets.address[1].sun_path);
	rmdir(sockets.directory);
}

static void make_sockets(void)
{
	strcpy(sockets.directory, "/tmp/fuzz_virtio.XXXXXX");
	expect(mkdtemp(sockets.directory) != NULL, "no directory");
	atexit(remove_sockets);
	for (int i = 0; i < 2; i++) {
		struct sockaddr_un *address = &sockets.address[i];
		address->sun_family = AF_UNIX;
		snprintf(address->sun_path, sizeof(address->sun_path), "%s/v%s", sockets.directory, i ? "_1" : "");
		sockets.listener[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		expect(bind(sockets.listener[i], (const struct sockaddr *)address, sizeof(*address)) == 0 &&
			       listen(sockets.listener[i], 200) == 0,
		       "no listener");
	}
}

/* Port 1 of the host listens, and the guest's listener has two clients. */
static void make_vsock(struct world *world)
{
	const struct interrupt nobody = {0};
	if (!sockets.directory[0])
		make_sockets();
	expect(virtio_vsock_new(&world->ram, nobody, &world->loop, 3, sockets.address[0].sun_path,
				dup(sockets.listener[0]), &world->device) == 0,
	       "no vsock");
	for (int i = 0; i < 2; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		expect(connect(fd, (const struct sockaddr *)&sockets.address[0], sizeof(sockets.address[0])) == 0,
		       "no client");
		world->host[world->host_count++] = fd;
	}
}

/* Whoever was not accepted is no matter of the next run. */
static void empty_listeners(void)
{
	for (int i = 0, fd; i < 2 && sockets.directory[0]; i++)
		while ((fd = accept(sockets.listener[i], NULL, NULL)) >= 0)
			close(fd);
}

/* A directory with a file "a", one "d/b", and a link "l" that leads out. */
static int open_share(void)
{
	if (!share[0]) {
		strcpy(share, "/tmp/fuzz_virtio.XXXXXX");
		expect(mkdtemp(share) != NULL, "no directory");
		atexit(remove_share);
	}
	int directory = open(share, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mkdirat(directory, "d", 0700);
	if (symlinkat("/etc", directory, "l") < 0)
		return directory; /* it was filled before */
	for (int i = 0; i < 2; i++) {
		int fd = openat(directory, i ? "d/b" : "a", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		expect(write(fd, "contents", 8) == 8, "no file");
		close(fd);
	}
	return directory;
}

/* What a guest has written is no matter of the next run, and it was written there. */
static void empty_share(void)
{
	int directory = open(share, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	expect(remove_contents(directory) == 0, "what the guest has made cannot be removed");
	close(directory);
	expect(chmod(share, 0700) == 0, "the directory is gone");
}

/* Takes what it was told to, and nothing is left of it then. */
static size_t send_line(void *data, const void *bytes, size_t size)
{
	struct world *world = data;
	size_t taken = size < world->line_room ? size : world->line_room;
	volatile uint8_t sum = 0;
	for (size_t i = 0; i < taken; i++)
		sum ^= ((const uint8_t *)bytes)[i];
	world->line_room -= taken;
	return taken;
}

static void line_has_room(void *data)
{
}

static void make_device(struct world *world)
{
	const struct console_line line = {
		.send = send_line, .has_room = line_has_room, .data = world, .columns = 80, .rows = 25};
	static const uint8_t mac[NET_MAC_SIZE] = {2};
	const struct interrupt nobody = {0};
	/* So much that nothing waits: what comes when must not depend on the time. */
	static const struct rate rates[THROTTLE_KINDS] = {{UINT64_MAX, UINT64_MAX}, {UINT64_MAX, UINT64_MAX}};
	struct fuse_rights rights = {.written_max = 1 << 20};
	int r = -EINVAL;
	switch (world->kind) {
	case RNG:
		r = virtio_rng_new(&world->ram, nobody, &world->loop, &world->device);
		break;
	case CONSOLE:
		r = virtio_console_new(&world->ram, nobody, &world->loop, &world->device);
		expect(r == 0 && virtio_console_add(world->device, "other", socket_end(world, SOCK_STREAM)) == 0 &&
			       virtio_console_add(world->device, "name", socket_end(world, SOCK_STREAM)) == 0,
		       "no ports");
		virtio_console_set_line(world->device, &line);
		break;
	case BLOCK:
	case BLOCK_KEPT:
		r = virtio_block_new(&world->ram, nobody, open_disk(world->kind == BLOCK ? DISK_DISCARD_WRITES : 0),
				     "id", rates, &world->device);
		break;
	case NET_STREAM:
	case NET_MESSAGES:
		r = virtio_net_new(&world->ram, nobody, &world->loop,
				   socket_end(world, world->kind == NET_STREAM ? SOCK_STREAM : SOCK_SEQPACKET), mac,
				   rates, &world->device);
		break;
	case VSOCK:
		make_vsock(world);
		return;
	case BALLOON:
		r = virtio_balloon_new(&world->ram, nobody, &world->loop, &world->device);
		break;
	case FS:
	case FS_WRITING:
		rights.writes = world->kind == FS_WRITING;
		r = virtio_fs_new(&world->ram, nobody, open_share(), "share", &rights, &world->device);
		break;
	case KINDS:
		break;
	}
	expect(r == 0, "no device");
}

static bool has_worker(const struct world *world)
{
	return world->kind == BLOCK || world->kind == BLOCK_KEPT || world->kind == FS || world->kind == FS_WRITING;
}

/* A thread of its own would make every run another one: the fuzzer is its thread. */
static void start(struct world *world)
{
	if (has_worker(world))
		world->device->is_started = true;
	else
		expect(virtio_start(world->device) == 0, "no start");
}

static void pause_device(struct world *world)
{
	if (has_worker(world))
		world->device->is_started = false;
	else
		virtio_pause(world->device);
}

static void stop(struct world *world)
{
	if (has_worker(world))
		world->device->is_started = false;
	else
		virtio_stop(world->device);
}

static void set(struct world *world, unsigned offset, uint32_t value)
{
	bus_write(&world->bus, BASE + offset, &value, sizeof(value));
}

static uint64_t ring_address(unsigned queue, unsigned area)
{
	return (queue % 2 ? HIGH : 0) + 0x1000U + (queue / 2) * 0x800U % 0x8000U + area * 0x200U;
}

/* As a driver does it, so that what follows gets far. */
static void set_up(struct world *world)
{
	uint64_t features = take(world, 5) | 1ULL << VIRTIO_F_VERSION_1;
	uint32_t size = 1U << take(world, 1) % 6;
	set(world, VIRTIO_MMIO_STATUS, 0);
	set(world, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_DRIVER);
	for (uint32_t word = 0; word < 2; word++) {
		set(world, VIRTIO_MMIO_DRIVER_FEATURES_SEL, word);
		set(world, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)((features & world->device->offered) >> (32 * word)));
	}
	set(world, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK);
	for (unsigned queue = 0; queue < world->device->queue_count; queue++) {
		set(world, VIRTIO_MMIO_QUEUE_SEL, queue);
		set(world, VIRTIO_MMIO_QUEUE_NUM, size);
		for (unsigned area = 0; area < 3; area++) {
			memset(ram_at(&world->ram, ring_address(queue, area), 0x200), 0, 0x200);
			set(world, VIRTIO_MMIO_QUEUE_DESC_LOW + 0x10 * area, (uint32_t)ring_address(queue, area));
			set(world, VIRTIO_MMIO_QUEUE_DESC_HIGH + 0x10 * area, 0);
		}
		set(world, VIRTIO_MMIO_QUEUE_READY, 1);
	}
	set(world, VIRTIO_MMIO_STATUS,
	    VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
}

static void put_on_bus(struct world *world)
{
	world->bus.count = 0;
	expect(bus_add(&world->bus, BASE, MMIO_SIZE, &virtio_mmio_ops, world->device), "no place");
}

/* A request of a guest that has mounted the directory, and its answer. */
static void ask(struct world *world, uint32_t opcode, uint64_t node, const char *name)
{
	enum { QUEUE = 1, IN = 0x9000, OUT = 0x9800, ROOM = 0x400 };
	struct {
		struct fuse_in_header header;
		char argument[32];
	} in = {.header = {.opcode = opcode, .nodeid = node}};
	const struct vring_desc descriptors[2] = {
		{.addr = IN, .len = sizeof(in), .flags = VRING_DESC_F_NEXT, .next = 1},
		{.addr = OUT, .len = ROOM, .flags = VRING_DESC_F_WRITE}};
	uint16_t ring[3] = {0};
	in.header.len = sizeof(in);
	snprintf(in.argument, sizeof(in.argument), "%s", name);
	ram_write(&world->ram, IN, &in, sizeof(in));
	ram_write(&world->ram, ring_address(QUEUE, 0), descriptors, sizeof(descriptors));
	ram_read(&world->ram, ring_address(QUEUE, 1), ring, sizeof(ring));
	ring[1]++;
	ram_write(&world->ram, ring_address(QUEUE, 1), ring, sizeof(ring));
	worker_serve(world->device);
}

/* So that there is something to be saved. */
static void know_files(struct world *world)
{
	world->device->is_started = true;
	ask(world, FUSE_LOOKUP, FS_ROOT, "d");
	ask(world, FUSE_LOOKUP, FS_ROOT + 1, "b");
	ask(world, FUSE_LOOKUP, FS_ROOT, "a");
	for (uint64_t node = FS_ROOT; node < FS_ROOT + 4; node++)
		ask(world, node % 2 ? FUSE_OPEN : FUSE_OPENDIR, node, "");
	world->device->is_started = false;
}

/*
 * It goes on from what one of the same kind was, as somebody would write it who wants to do harm. What becomes of it is
 * false where it was refused: then it is not used. The bytes stay for as long as it is there.
 */
static bool begin_from_snapshot(struct world *world, struct state_writer *saved)
{
	set_up(world);
	if (world->kind == FS || world->kind == FS_WRITING)
		know_files(world);
	expect(virtio_save(world->device, saved) == 0, "not saved");
	virtio_release(world->device);
	for (int i = 0; i < world->host_count; i++)
		close(world->host[i]);
	world->host_count = 0;
	make_device(world);
	put_on_bus(world);
	for (uint64_t changes = take(world, 1) % 8; changes > 0; changes--) {
		uint64_t place = take(world, 2) % saved->size;
		saved->data[place] = (uint8_t)take(world, 1);
	}
	struct state_reader in = {.data = saved->data, .left = saved->size};
	return virtio_load(world->device, &in) == 0;
}

static void access_register(struct world *world, bool is_write)
{
	uint64_t offset = take(world, 2) % (MMIO_SIZE + 8), data = 0;
	unsigned size = 1 + (unsigned)take(world, 1) % BUS_ACCESS_MAX;
	if (is_write) {
		data = take(world, size);
		bus_write(&world->bus, BASE + offset, &data, size);
	} else {
		bus_read(&world->bus, BASE + offset, &data, size);
	}
}

static void write_memory(struct world *world)
{
	uint64_t address = take(world, 3);
	uint8_t bytes[64];
	size_t size = take(world, 1) % sizeof(bytes);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)take(world, 1);
	ram_write(&world->ram, address, bytes, size);
}

static void write_descriptor(struct world *world)
{
	unsigned queue = (unsigned)take(world, 1) % VIRTIO_QUEUES_MAX, index = (unsigned)take(world, 1) % 32;
	struct vring_desc descriptor = {.addr = take(world, 3),
					.len = (uint32_t)take(world, 3),
					.flags = (uint16_t)take(world, 1) & 7,
					.next = (uint16_t)take(world, 1)};
	ram_write(&world->ram, ring_address(queue, 0) + index * sizeof(descriptor), &descriptor, sizeof(descriptor));
}

static void make_available(struct world *world)
{
	unsigned queue = (unsigned)take(world, 1) % VIRTIO_QUEUES_MAX;
	uint16_t head = (uint16_t)take(world, 1), index;
	uint32_t size = world->device->queues[queue].size;
	ram_read(&world->ram, ring_address(queue, 1) + 2, &index, sizeof(index));
	if (size > 0)
		ram_write(&world->ram, ring_address(queue, 1) + 4 + 2 * (index % size), &head, sizeof(head));
	index++;
	ram_write(&world->ram, ring_address(queue, 1) + 2, &index, sizeof(index));
}

static void notify(struct world *world)
{
	set(world, VIRTIO_MMIO_QUEUE_NOTIFY, (uint32_t)take(world, 1));
	if (has_worker(world))
		worker_serve(world->device);
}

/* In the place of one of the guest's clients: what the guest has connected to. */
static void accept_port(struct world *world)
{
	int fd = accept4(sockets.listener[1], NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (world->host[1] >= 0)
		close(world->host[1]);
	world->host[1] = fd;
}

static void host_side(struct world *world)
{
	uint8_t bytes[256] = {0};
	uint64_t what = take(world, 1);
	size_t size = take(world, 1);
	uint64_t value;
	if (world->kind == BALLOON) {
		virtio_balloon_set(world->device, (uint32_t)size);
		virtio_balloon_statistic(world->device, (unsigned)what, &value);
	}
	if (world->kind == CONSOLE && what & 0x08) {
		world->line_room += size;
		virtio_console_resume(world->device);
		size_t room = virtio_console_room(world->device);
		expect(virtio_console_receive(world->device, bytes, size) >= (room < size ? room : size),
		       "there is less room than was told");
	}
	if (world->host_count == 0)
		return;
	if (world->kind == VSOCK && what & 0x10)
		accept_port(world);
	int *fd = &world->host[what % (unsigned)world->host_count];
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)take(world, 1);
	if (what & 0x80) {
		while (recv(*fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
			;
	} else if (what & 0x40 && what & 0x20) {
		*fd = *fd >= 0 ? close(*fd) - 1 : -1;
	} else if (send(*fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		return;
	}
}

static void step(struct world *world)
{
	switch (take(world, 1) % 10) {
	case 0:
		set_up(world);
		break;
	case 1:
		access_register(world, true);
		break;
	case 2:
		access_register(world, false);
		break;
	case 3:
		write_memory(world);
		break;
	case 4:
	case 5:
		write_descriptor(world);
		break;
	case 6:
		make_available(world);
		break;
	case 7:
		notify(world);
		break;
	case 8:
		host_side(world);
		break;
	case 9:
		pause_device(world);
		start(world);
		break;
	}
	int rounds = 0;
	while (loop_run_once(&world->loop, 0))
		expect(rounds++ < ROUNDS_MAX, "the loop never comes to rest");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world world = {.program = data, .left = size};
	/* Pages, so that a balloon can take them. */
	uint8_t *low = aligned_alloc(BALLOON_PAGE, REGION), *high = aligned_alloc(BALLOON_PAGE, REGION);
	expect(low && high, "no memory");
	loop_init(&world.loop);
	memset(low, 0, REGION);
	memset(high, 0, REGION);
	world.ram = (struct ram){.count = 2, .regions = {{0, REGION, low}, {HIGH, REGION, high}}};
	const uint64_t first = take(&world, 1);
	struct state_writer saved = {0};
	world.kind = (enum kind)((first & ~(uint64_t)FROM_SNAPSHOT) % KINDS);
	make_device(&world);
	put_on_bus(&world);
	if (!(first & FROM_SNAPSHOT) || begin_from_snapshot(&world, &saved)) {
		start(&world);
		for (int i = 0; i < STEPS_MAX && world.left > 0; i++)
			step(&world);
		stop(&world);
	}
	virtio_release(world.device);
	state_release(&saved);
	loop_release(&world.loop);
	empty_listeners();
	if (world.kind == FS_WRITING)
		empty_share();
	for (int i = 0; i < world.host_count; i++)
		if (world.host[i] >= 0)
			close(world.host[i]);
	free(low);
	free(high);
	return 0;
}
