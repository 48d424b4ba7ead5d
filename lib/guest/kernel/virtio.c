/* SPDX-License-Identifier: MIT */
#include "guest/kernel/virtio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "guest/agent/agent_ops.h"
#include "guest/agent/root_medium.h"
#include "guest/device/virtio/balloon.h"
#include "guest/device/virtio/block.h"
#include "guest/device/virtio/console.h"
#include "guest/device/virtio/fs.h"
#include "guest/device/virtio/mmio.h"
#include "guest/device/virtio/net.h"
#include "guest/device/virtio/rng.h"
#include "guest/device/virtio/vsock.h"

static int fail(int r, const char *what)
{
	return error_fail(VISO_STAGE_GUEST, -r, what, "the guest's %s cannot be made: %s", what, strerrordesc_np(-r));
}

static int start_loop(void *device)
{
	int r = loop_start(device);
	return r < 0 ? fail(r, "thread of devices") : 0;
}

static void pause_loop(void *device)
{
	loop_pause(device);
}

static void resume_loop(void *device)
{
	loop_resume(device);
}

static void stop_loop(void *device)
{
	loop_stop(device);
}

static void release_loop(void *device, bool is_forked)
{
	if (!is_forked)
		loop_release(device);
	free(device);
}

/* The thread of all devices but the disks. It is the machine's before them, so that it is there longer. */
static int add_loop(struct machine *machine, struct loop **out)
{
	static const struct machine_device_ops ops = {.start = start_loop,
						      .pause = pause_loop,
						      .resume = resume_loop,
						      .stop = stop_loop,
						      .is_stateless = true,
						      .release = release_loop};
	struct loop *loop = malloc(sizeof(*loop));
	if (!loop)
		return error_memory();
	loop_init(loop);
	*out = loop;
	return machine_add_device(machine, &ops, loop);
}

static int start(void *device)
{
	int r = virtio_start(device);
	return r < 0 ? fail(r, "thread of a disk") : 0;
}

static void pause_device(void *device)
{
	virtio_pause(device);
}

static void resume(void *device)
{
	/* Its threads are there since the first time: it cannot fail now. */
	(void)virtio_start(device);
}

static void stop(void *device)
{
	virtio_stop(device);
}

static int save(void *device, struct state_writer *out)
{
	return virtio_save(device, out);
}

static int load(void *device, struct state_reader *in)
{
	return virtio_load(device, in);
}

static void release(void *device, bool is_forked)
{
	if (is_forked)
		virtio_forget(device);
	else
		virtio_release(device);
}

/* Its queues are notified without leaving the guest, by eventfds: worth two fds where there is much to do. */
static int add_doorbells(struct machine *machine, struct virtio *virtio, uint64_t base)
{
	int r = 0;
	for (unsigned i = 0; r == 0 && i < virtio->queue_count; i++) {
		int fd = virtio_doorbell(virtio, i);
		r = fd < 0 ? fail(fd, "doorbell") : machine_add_ioeventfd(machine, base + MMIO_QUEUE_NOTIFY, 4, i, fd);
	}
	return r;
}

/* The device is the machine's from now on, also on failure. */
static int add(struct machine *machine, const struct machine_place *place, struct virtio *virtio, bool has_doorbells)
{
	static const struct machine_device_ops ops = {.start = start,
						      .pause = pause_device,
						      .resume = resume,
						      .stop = stop,
						      .save = save,
						      .load = load,
						      .release = release};
	int r = machine_add_device(machine, &ops, virtio);
	if (r == 0)
		r = machine_add_bus(machine, place->base, MMIO_SIZE, &virtio_mmio_ops, virtio);
	if (r == 0 && has_doorbells)
		r = add_doorbells(machine, virtio, place->base);
	return r;
}

static int add_rng(struct machine *machine, struct loop *loop)
{
	struct machine_place place;
	struct virtio *rng;
	int r = machine_take_virtio(machine, &place);
	if (r < 0)
		return r;
	r = virtio_rng_new(&machine->ram, place.interrupt, loop, &rng);
	return r < 0 ? fail(r, "source of random bytes") : add(machine, &place, rng, false);
}

static int add_balloon(struct machine *machine, struct loop *loop)
{
	struct machine_place place;
	struct virtio *balloon;
	int r = machine_take_virtio(machine, &place);
	if (r < 0)
		return r;
	r = virtio_balloon_new(&machine->ram, place.interrupt, loop, &balloon);
	if (r < 0)
		return fail(r, "balloon");
	r = add(machine, &place, balloon, false);
	if (r == 0)
		machine->balloon = balloon;
	return r;
}

static int add_disk(struct machine *machine, const struct disk_setting *setting, unsigned number)
{
	struct machine_place place;
	struct virtio *block;
	struct disk *disk;
	char id[BLOCK_ID_MAX + 1];
	unsigned flags = setting->flags & VISO_DISK_READ_ONLY ? DISK_READ_ONLY : 0;
	flags |= setting->flags & VISO_DISK_DISCARD_WRITES ? DISK_DISCARD_WRITES : 0;
	int r = machine_take_virtio(machine, &place);
	if (r == 0)
		r = setting->fd < 0 ? disk_open(setting->path, flags, &disk)
				    : disk_open_again(setting->fd, setting->path, flags, &disk);
	if (r < 0)
		return r;
	machine->disks[number] = disk;
	snprintf(id, sizeof(id), "virtiso-%u", number);
	r = virtio_block_new(&machine->ram, place.interrupt, disk, id, setting->rates, &block);
	if (r < 0)
		return fail(r, "disk");
	machine_add_traffic(machine, VISO_DEVICE_DISK, disk_traffic(disk));
	return add(machine, &place, block, true);
}

static int add_port(struct virtio *console, const char *name, int fd)
{
	int own = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	int r = fd >= 0 && own < 0 ? -errno : virtio_console_add(console, name, own);
	return r < 0 ? fail(r, "port") : 0;
}

static int add_ports(struct virtio *console, const struct device_settings *settings, const struct tools *tools)
{
	int r = tools->port < 0 ? 0 : add_port(console, tools->ops->port, tools->port);
	int closed = tools->port < 0 || tools->closed < 0 ? -1 : fcntl(tools->closed, F_DUPFD_CLOEXEC, 3);
	if (r == 0 && closed >= 0)
		r = virtio_console_watch(console, tools->ops->port, closed);
	for (unsigned i = 0; r == 0 && i < settings->port_count; i++)
		r = add_port(console, settings->ports[i].name, settings->ports[i].fd);
	return r;
}

static size_t send_line(void *data, const void *bytes, size_t size)
{
	return console_send(data, bytes, size);
}

static void line_has_room(void *data)
{
	console_has_room(data);
}

static size_t room(void *data)
{
	return virtio_console_room(data);
}

static size_t receive(void *data, const void *bytes, size_t size)
{
	return virtio_console_receive(data, bytes, size);
}

static void resume_line(void *data)
{
	virtio_console_resume(data);
}

/* In the place of the serial port, the output of which goes to the same streams. */
static void connect_streams(struct machine *machine, struct virtio *virtio)
{
	struct console_line line = {.send = send_line, .has_room = line_has_room, .data = &machine->console};
	console_window(&machine->console, &line.columns, &line.rows);
	virtio_console_set_line(virtio, &line);
	if (machine->origin)
		virtio_console_offer_window(virtio);
	machine->console.guest =
		(struct console_guest){.room = room, .receive = receive, .resume = resume_line, .data = virtio};
}

static int add_console(struct machine *machine, struct loop *loop, const struct device_settings *settings,
		       const struct tools *tools)
{
	struct machine_place place;
	struct virtio *console;
	int r = machine_take_virtio(machine, &place);
	if (r < 0)
		return r;
	r = virtio_console_new(&machine->ram, place.interrupt, loop, &console);
	if (r < 0)
		return fail(r, "console");
	machine_add_traffic(machine, VISO_DEVICE_PORTS, &console->traffic);
	r = add(machine, &place, console, false);
	if (r == 0 && settings->console == VISO_CONSOLE_VIRTIO)
		connect_streams(machine, console);
	return r < 0 ? r : add_ports(console, settings, tools);
}

static int add_network(struct machine *machine, struct loop *loop, const struct network_setting *setting)
{
	struct machine_place place;
	struct virtio *net;
	int fd = setting->fd < 0 ? -1 : fcntl(setting->fd, F_DUPFD_CLOEXEC, 3);
	if (setting->fd >= 0 && fd < 0)
		return fail(-errno, "network interface");
	int r = machine_take_virtio(machine, &place);
	if (r < 0) {
		close_fd(fd);
		return r;
	}
	r = virtio_net_new(&machine->ram, place.interrupt, loop, fd, setting->mac, setting->rates, &net);
	if (r < 0)
		return fail(r, "network interface");
	machine_add_traffic(machine, VISO_DEVICE_NETWORK, virtio_net_traffic(net));
	return add(machine, &place, net, true);
}

/* The file of a socket, as long as the computer is there. */
struct socket_file {
	bool is_there;
	char path[VSOCK_PATH_MAX + 1];
};

static void remove_socket(void *device)
{
	struct socket_file *file = device;
	if (file->is_there)
		unlink(file->path);
	file->is_there = false;
}

static void release_socket(void *device, bool is_forked)
{
	/* A computer that was never started has it yet. */
	if (!is_forked)
		remove_socket(device);
	free(device);
}

/* A file of a host program that was killed stays: nobody listens there any more. */
static bool is_left_over(const struct sockaddr_un *address)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 && errno == ECONNREFUSED;
}

/* A fd, or a negative errno with the error set. */
static int listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	_cleanup_close_ int fd = fd_above_streams(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	if (fd < 0)
		return fail(-errno, "socket");
	int r = bind(fd, (const struct sockaddr *)&address, sizeof(address));
	if (r < 0 && errno == EADDRINUSE && is_left_over(&address) && unlink(path) == 0)
		r = bind(fd, (const struct sockaddr *)&address, sizeof(address));
	if (r < 0)
		return error_fail(VISO_STAGE_GUEST, errno, path,
				  "no socket can be made at %s: %s; give viso_guest_set_vsock() a "
				  "path where nothing is",
				  path, strerrordesc_np(errno));
	if (listen(fd, SOMAXCONN) < 0) {
		r = fail(-errno, "socket");
		unlink(path);
		return r;
	}
	return TAKE_FD(fd);
}

/* The listening fd, which is -1 without a path. A clone that was given none has the same devices as others. */
static int add_listener(struct machine *machine, const char *path, int *out_fd)
{
	static const struct machine_device_ops ops = {
		.stop = remove_socket, .is_stateless = true, .release = release_socket};
	struct socket_file *file = calloc(1, sizeof(*file));
	if (!file)
		return error_memory();
	_cleanup_close_ int fd = path ? listen_at(path) : -1;
	if (path && fd < 0) {
		free(file);
		return fd;
	}
	file->is_there = fd >= 0;
	snprintf(file->path, sizeof(file->path), "%s", path ? path : "");
	int r = machine_add_device(machine, &ops, file);
	if (r == 0)
		*out_fd = TAKE_FD(fd);
	return r;
}

static int add_vsock(struct machine *machine, struct loop *loop, const struct device_settings *settings)
{
	struct machine_place place;
	struct virtio *vsock;
	_cleanup_close_ int fd = -1;
	int r = add_listener(machine, settings->vsock_path, &fd);
	if (r == 0)
		r = machine_take_virtio(machine, &place);
	if (r < 0)
		return r;
	r = virtio_vsock_new(&machine->ram, place.interrupt, loop, settings->vsock_cid, settings->vsock_path,
			     TAKE_FD(fd), &vsock);
	if (r < 0)
		return fail(r, "vsock");
	machine_add_traffic(machine, VISO_DEVICE_VSOCK, &vsock->traffic);
	return add(machine, &place, vsock, true);
}

static int add_share(struct machine *machine, const struct share_setting *setting, uint64_t written_max)
{
	struct machine_place place;
	struct virtio *fs;
	const struct fuse_rights rights = {.writes = setting->is_writable,
					   .keeps_setid = setting->flags & VISO_SHARE_KEEP_SETID,
					   .written_max = written_max};
	int r = machine_take_virtio(machine, &place);
	if (r < 0)
		return r;
	/* For reading, not O_PATH: statvfs(3) is asked of it. */
	int fd = fd_above_streams(open(setting->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (fd < 0)
		return error_fail(VISO_STAGE_GUEST, errno, setting->path, NULL);
	r = virtio_fs_new(&machine->ram, place.interrupt, fd, setting->tag, &rights, &fs);
	if (r < 0)
		return fail(r, "shared directory");
	machine_add_traffic(machine, VISO_DEVICE_SHARE, &fs->traffic);
	return add(machine, &place, fs, true);
}

static int add_root_disk(struct machine *machine, int fd)
{
	static const struct rate unlimited[THROTTLE_KINDS];
	struct machine_place place;
	struct virtio *block;
	struct disk *disk;
	int r = machine_take_virtio(machine, &place);
	if (r == 0)
		r = disk_open_again(fd, "the root", DISK_READ_ONLY, &disk);
	if (r < 0)
		return r;
	r = virtio_block_new(&machine->ram, place.interrupt, disk, ROOT_DISK_ID, unlimited, &block);
	return r < 0 ? fail(r, "disk") : add(machine, &place, block, true);
}

/* After those that were asked for, whose names in the guest are by their order. */
static int add_root(struct machine *machine, const struct tools *tools)
{
	const struct share_setting share = {.path = (char *)tools->share, .tag = ROOT_SHARE_TAG};
	if (tools->share)
		return add_share(machine, &share, 0);
	return tools->disk < 0 ? 0 : add_root_disk(machine, tools->disk);
}

int virtio_add_devices(struct machine *machine, const struct device_settings *settings, const struct tools *tools,
		       uint64_t written_max)
{
	struct loop *loop = NULL;
	int r = add_loop(machine, &loop);
	if (r == 0)
		r = add_rng(machine, loop);
	if (r == 0)
		r = add_balloon(machine, loop);
	for (unsigned i = 0; r == 0 && i < settings->disk_count; i++)
		r = add_disk(machine, &settings->disks[i], i);
	if (r == 0 && (settings->port_count > 0 || tools->port >= 0 || settings->console == VISO_CONSOLE_VIRTIO))
		r = add_console(machine, loop, settings, tools);
	for (unsigned i = 0; r == 0 && i < settings->network_count; i++)
		r = add_network(machine, loop, &settings->networks[i]);
	for (unsigned i = 0; r == 0 && i < settings->share_count; i++)
		r = add_share(machine, &settings->shares[i], written_max);
	if (r == 0 && settings->vsock_cid)
		r = add_vsock(machine, loop, settings);
	return r < 0 ? r : add_root(machine, tools);
}
