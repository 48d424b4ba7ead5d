/* SPDX-License-Identifier: MIT */
#include "guest/kernel/device_settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/device/disk.h"
#include "guest/device/virtio/backend.h"
#include "guest/device/virtio/console.h"
#include "guest/device/virtio/fs.h"
#include "guest/device/virtio/vsock.h"
#include "guest/kernel/kernel.h"
#include "guest/kernel/machine.h"

void device_settings_release(struct device_settings *settings, bool is_forked)
{
	for (unsigned i = 0; i < settings->disk_count; i++) {
		free(settings->disks[i].path);
		close_fd(is_forked ? -1 : settings->disks[i].fd);
	}
	for (unsigned i = 0; i < settings->port_count; i++) {
		free(settings->ports[i].name);
		close_fd(is_forked ? -1 : settings->ports[i].fd);
	}
	for (unsigned i = 0; i < settings->network_count; i++)
		close_fd(is_forked ? -1 : settings->networks[i].fd);
	for (unsigned i = 0; i < settings->share_count; i++) {
		free(settings->shares[i].path);
		free(settings->shares[i].tag);
	}
	free(settings->vsock_path);
}

static bool writes_to_file(const struct disk_setting *disk)
{
	return !(disk->flags & (VISO_DISK_READ_ONLY | VISO_DISK_DISCARD_WRITES | VISO_DISK_CDROM));
}

static bool copy_disk(struct disk_setting *to, const struct disk_setting *from)
{
	*to = *from;
	to->is_taken = from->is_taken || writes_to_file(from);
	to->is_bound = false;
	to->path = strdup(from->path);
	to->fd = from->fd < 0 || to->is_taken ? -1 : fcntl(from->fd, F_DUPFD_CLOEXEC, 3);
	return to->path && (to->fd >= 0 || from->fd < 0 || to->is_taken);
}

static bool copy_port(struct port_setting *to, const struct port_setting *from)
{
	*to = *from;
	to->fd = -1;
	to->name = strdup(from->name);
	return to->name;
}

static bool copy_network(struct network_setting *to, const struct network_setting *from)
{
	*to = *from;
	to->fd = -1;
	to->is_bound = false;
	return true;
}

static bool copy_share(struct share_setting *to, const struct share_setting *from)
{
	*to = *from;
	to->path = strdup(from->path);
	to->tag = strdup(from->tag);
	return to->path && to->tag;
}

/* Each counts as soon as all of it that is owned can be released. */
int device_settings_copy(struct device_settings *to, const struct device_settings *from)
{
	bool fits = true;
	for (unsigned i = 0; i < from->disk_count && fits; i++, to->disk_count++)
		fits = copy_disk(&to->disks[i], &from->disks[i]);
	for (unsigned i = 0; i < from->port_count && fits; i++, to->port_count++)
		fits = copy_port(&to->ports[i], &from->ports[i]);
	for (unsigned i = 0; i < from->network_count && fits; i++, to->network_count++)
		fits = copy_network(&to->networks[i], &from->networks[i]);
	for (unsigned i = 0; i < from->share_count && fits; i++, to->share_count++)
		fits = copy_share(&to->shares[i], &from->shares[i]);
	to->vsock_cid = from->vsock_cid;
	to->console = from->console;
	return fits ? 0 : -ENOMEM;
}

bool device_settings_have_cd(const struct device_settings *settings)
{
	for (unsigned i = 0; i < settings->disk_count; i++)
		if (settings->disks[i].flags & VISO_DISK_CDROM)
			return true;
	return false;
}

static struct disk_setting *find_unbound(struct device_settings *settings)
{
	for (unsigned i = 0; i < settings->disk_count; i++)
		if (settings->disks[i].is_taken && !settings->disks[i].is_bound)
			return &settings->disks[i];
	return NULL;
}

int device_settings_check_clone(struct device_settings *settings, const char *function)
{
	const struct disk_setting *disk = find_unbound(settings);
	return disk ? error_fail(VISO_STAGE_ARGUMENT, EINVAL, disk->path,
				 "%s: the guest of the snapshot writes to its disk %s, which a clone must not; give "
				 "the clone a copy by viso_guest_add_disk()",
				 function, disk->path)
		    : 0;
}

void device_settings_unbind(struct device_settings *settings)
{
	for (unsigned i = 0; i < settings->disk_count; i++)
		settings->disks[i].is_bound = false;
	for (unsigned i = 0; i < settings->network_count; i++)
		settings->networks[i].is_bound = false;
}

int device_settings_keep_disks(struct device_settings *settings, const struct machine *machine)
{
	for (unsigned i = 0; i < settings->disk_count; i++) {
		struct disk_setting *disk = &settings->disks[i];
		if (disk->is_taken || disk->fd >= 0 || !machine->disks[i])
			continue;
		disk->fd = fcntl(disk_fd(machine->disks[i]), F_DUPFD_CLOEXEC, 3);
		if (disk->fd < 0)
			return error_fail(VISO_STAGE_GUEST, errno, disk->path, NULL);
	}
	return 0;
}

static int fail_full(const char *function, const char *what, int max)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSPC, function, "%s: a computer has at most %d %s", function, max,
			  what);
}

/* A copy that is kept, out of the places of the standard streams. */
static int copy_fd(int fd, const char *function, int *out_copy)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0)
		return error_fail(VISO_STAGE_ARGUMENT, errno, function, "%s: the fd %d cannot be copied: %s", function,
				  fd, strerrordesc_np(errno));
	*out_copy = copy;
	return 0;
}

static int fail_no_more(const char *function, const char *what)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOSPC, function,
			  "%s: the guest of the snapshot has no %s that this clone could be given anew", function,
			  what);
}

/* The path is taken over, also on failure. */
static int bind_disk(struct device_settings *settings, char *path, unsigned flags, const char *function)
{
	struct disk_setting *disk = find_unbound(settings);
	if (!disk) {
		free(path);
		return fail_no_more(function, "further disk to which it writes, and");
	}
	free(disk->path);
	disk->path = path;
	disk->flags = flags;
	disk->is_bound = true;
	return 0;
}

int viso_guest_add_disk(viso_guest *guest, const char *path, unsigned flags)
{
	struct kernel_guest *kernel = NULL;
	int r = kernel_bindings(guest, __func__, &kernel);
	if (r < 0)
		return r;
	if (flags & ~(unsigned)(VISO_DISK_READ_ONLY | VISO_DISK_DISCARD_WRITES | VISO_DISK_CDROM))
		return error_argument(__func__, "there is no such flag");
	struct device_settings *settings = &kernel->devices;
	if (!kernel_is_new_clone(guest) && settings->disk_count == DEVICE_DISKS_MAX)
		return fail_full(__func__, "disks", DEVICE_DISKS_MAX);
	char *absolute = NULL;
	r = kernel_set_path(&absolute, path, __func__);
	if (r == 0 && kernel_is_new_clone(guest))
		return bind_disk(settings, absolute, flags, __func__);
	if (r == 0)
		settings->disks[settings->disk_count++] =
			(struct disk_setting){.path = absolute, .flags = flags, .fd = -1};
	return r;
}

static struct port_setting *find_port(struct device_settings *settings, const char *name)
{
	for (unsigned i = 0; i < settings->port_count; i++)
		if (strcmp(settings->ports[i].name, name) == 0)
			return &settings->ports[i];
	return NULL;
}

static int check_port(const char *name, int fd, const char *function)
{
	int type = 0;
	socklen_t size = sizeof(type);
	if (!name || !virtio_console_is_name(name))
		return error_argument(function,
				      "the name is not 1 to 63 printable characters without blanks and slashes");
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 && errno != ENOTSOCK)
		return error_fail(VISO_STAGE_ARGUMENT, errno, function, "%s: the fd %d is not open", function, fd);
	if (type != SOCK_STREAM)
		return error_fail(VISO_STAGE_ARGUMENT, ENOTSOCK, function,
				  "%s: the fd %d is no stream socket; give one end of a socketpair(2)", function, fd);
	return 0;
}

static int check_new_port(struct device_settings *settings, const char *name, const char *function)
{
	if (find_port(settings, name))
		return error_fail(VISO_STAGE_ARGUMENT, EEXIST, name, "%s: there is a port %s already", function, name);
	return settings->port_count == DEVICE_PORTS_MAX ? fail_full(function, "ports", DEVICE_PORTS_MAX) : 0;
}

/* Its place is taken by a copy of the fd. */
static int bind_fd(int *place, int fd, const char *function)
{
	int copy = -1;
	int r = copy_fd(fd, function, &copy);
	if (r < 0)
		return r;
	close_fd(*place);
	*place = copy;
	return 0;
}

static int add_port(struct device_settings *settings, const char *name, int fd, const char *function)
{
	int r = check_new_port(settings, name, function);
	if (r < 0)
		return r;
	_cleanup_free_ char *copy = strdup(name);
	if (!copy)
		return error_memory();
	struct port_setting *port = &settings->ports[settings->port_count];
	r = copy_fd(fd, function, &port->fd);
	if (r < 0)
		return r;
	port->name = TAKE_PTR(copy);
	settings->port_count++;
	return 0;
}

int viso_guest_add_port(viso_guest *guest, const char *name, int fd)
{
	struct kernel_guest *kernel = NULL;
	int r = kernel_bindings(guest, __func__, &kernel);
	if (r == 0)
		r = check_port(name, fd, __func__);
	if (r < 0 || !kernel_is_new_clone(guest))
		return r < 0 ? r : add_port(&kernel->devices, name, fd, __func__);
	struct port_setting *port = find_port(&kernel->devices, name);
	return port ? bind_fd(&port->fd, fd, __func__) : fail_no_more(__func__, "port of that name");
}

/* Six numbers; not of a group of interfaces, whose first one is odd. */
static bool parse_mac(const char *text, uint8_t out[DEVICE_MAC_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	if (strlen(text) != 3 * DEVICE_MAC_SIZE - 1)
		return false;
	for (int i = 0; i < DEVICE_MAC_SIZE; i++, text += 3) {
		const char *high = strchr(digits, text[0] | 0x20), *low = strchr(digits, text[1] | 0x20);
		if (!high || !low || (i + 1 < DEVICE_MAC_SIZE && text[2] != ':'))
			return false;
		out[i] = (uint8_t)((high - digits) << 4 | (low - digits));
	}
	return !(out[0] & 1);
}

/* Of those that nobody has been given: locally administered. */
static void random_mac(uint8_t out[DEVICE_MAC_SIZE])
{
	while (getrandom(out, DEVICE_MAC_SIZE, 0) < 0 && errno == EINTR)
		;
	out[0] = (uint8_t)((out[0] & 0xfc) | 0x02);
}

static int check_network(int fd, const char *function)
{
	if (fcntl(fd, F_GETFD) < 0)
		return error_fail(VISO_STAGE_ARGUMENT, errno, function, "%s: the fd %d is not open", function, fd);
	return backend_is_fd(fd)
		       ? 0
		       : error_argument(function, "the fd is neither a tap device with IFF_NO_PI nor a socket");
}

/* The next one in order. The guest's driver has the address already. */
static int bind_network(struct device_settings *settings, int fd, const char *mac, const char *function)
{
	if (mac)
		return error_argument(function, "a clone's interface has the address that it had in the snapshot; "
						"give NULL");
	unsigned i = 0;
	while (i < settings->network_count && settings->networks[i].is_bound)
		i++;
	if (i == settings->network_count)
		return fail_no_more(function, "further network interface");
	int r = bind_fd(&settings->networks[i].fd, fd, function);
	settings->networks[i].is_bound = r == 0;
	return r;
}

int viso_guest_add_network(viso_guest *guest, int fd, const char *mac)
{
	struct kernel_guest *kernel = NULL;
	struct network_setting network = {0};
	int r = kernel_bindings(guest, __func__, &kernel);
	if (r < 0)
		return r;
	if (mac && !parse_mac(mac, network.mac))
		return error_argument(__func__,
				      "the address is not one of a single interface, such as 02:00:00:00:00:01");
	r = check_network(fd, __func__);
	if (r < 0 || kernel_is_new_clone(guest))
		return r < 0 ? r : bind_network(&kernel->devices, fd, mac, __func__);
	if (!mac)
		random_mac(network.mac);
	if (kernel->devices.network_count == DEVICE_NETWORKS_MAX)
		return fail_full(__func__, "network interfaces", DEVICE_NETWORKS_MAX);
	r = copy_fd(fd, __func__, &network.fd);
	if (r == 0)
		kernel->devices.networks[kernel->devices.network_count++] = network;
	return r;
}

static int check_rate(viso_rate what, uint64_t per_second, uint64_t burst, const char *function)
{
	if (what != VISO_RATE_BYTES && what != VISO_RATE_OPERATIONS)
		return error_argument(function, "there is no such rate");
	return per_second == 0 && burst > 0 ? error_argument(function, "without a rate there is no burst") : 0;
}

static int set_rate(struct rate *rates, viso_rate what, uint64_t per_second, uint64_t burst)
{
	rates[what == VISO_RATE_BYTES ? THROTTLE_BYTES : THROTTLE_OPERATIONS] = (struct rate){per_second, burst};
	return 0;
}

static int fail_unknown(const char *function, const char *what, unsigned index)
{
	return error_fail(VISO_STAGE_ARGUMENT, ENOENT, function, "%s: there is no %s %u: the first one is 0", function,
			  what, index);
}

int viso_guest_set_disk_rate(viso_guest *guest, unsigned disk, viso_rate what, uint64_t per_second, uint64_t burst)
{
	struct kernel_guest *kernel = NULL;
	int r = kernel_settings(guest, __func__, &kernel);
	if (r == 0)
		r = check_rate(what, per_second, burst, __func__);
	if (r == 0 && disk >= kernel->devices.disk_count)
		return fail_unknown(__func__, "disk", disk);
	return r < 0 ? r : set_rate(kernel->devices.disks[disk].rates, what, per_second, burst);
}

int viso_guest_set_network_rate(viso_guest *guest, unsigned network, viso_rate what, uint64_t per_second,
				uint64_t burst)
{
	struct kernel_guest *kernel = NULL;
	int r = kernel_settings(guest, __func__, &kernel);
	if (r == 0)
		r = check_rate(what, per_second, burst, __func__);
	if (r == 0 && network >= kernel->devices.network_count)
		return fail_unknown(__func__, "network interface", network);
	return r < 0 ? r : set_rate(kernel->devices.networks[network].rates, what, per_second, burst);
}

int viso_guest_set_vsock(viso_guest *guest, unsigned cid, const char *path)
{
	struct kernel_guest *kernel = NULL;
	int r = kernel_bindings(guest, __func__, &kernel);
	if (r < 0)
		return r;
	if (kernel_is_new_clone(guest) && !kernel->devices.vsock_cid)
		return fail_no_more(__func__, "device for sockets");
	if (cid < VSOCK_CID_MIN || cid == UINT32_MAX)
		return error_argument(__func__, "the address is not between 3 and 4294967294");
	if (!path || path[0] != '/' || strlen(path) > VSOCK_PATH_MAX)
		return error_argument(__func__, "the path is not absolute, or longer than 96 bytes");
	char *copy = strdup(path);
	if (!copy)
		return error_memory();
	free(kernel->devices.vsock_path);
	kernel->devices.vsock_path = copy;
	kernel->devices.vsock_cid = cid;
	return 0;
}

static int check_share(const struct device_settings *settings, const char *tag, const char *function)
{
	if (!tag || strlen(tag) > FS_TAG_MAX || !virtio_console_is_name(tag))
		return error_argument(function,
				      "the tag is not 1 to 36 printable characters without blanks and slashes");
	for (unsigned i = 0; i < settings->share_count; i++)
		if (strcmp(settings->shares[i].tag, tag) == 0)
			return error_fail(VISO_STAGE_ARGUMENT, EEXIST, tag, "%s: there is a tag %s already", function,
					  tag);
	return settings->share_count == DEVICE_SHARES_MAX ? fail_full(function, "shared directories", DEVICE_SHARES_MAX)
							  : 0;
}

static int check_directory(const char *path, const char *function)
{
	struct stat st;
	if (!path || !*path)
		return error_argument(function, "the path is empty");
	int error = stat(path, &st) < 0 ? errno : S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
	if (error) {
		return error_fail(VISO_STAGE_ARGUMENT, error, path, "%s: %s: %s", function, path,
				  strerrordesc_np(error));
	}
	return 0;
}

static int share(viso_guest *guest, const char *path, const char *tag, const struct share_setting *setting,
		 const char *function)
{
	struct kernel_guest *kernel = NULL;
	int r = kernel_settings(guest, function, &kernel);
	if (r == 0 && (setting->flags & ~(unsigned)VISO_SHARE_KEEP_SETID))
		return error_argument(function, "there is no such flag");
	if (r == 0)
		r = check_share(&kernel->devices, tag, function);
	if (r == 0)
		r = check_directory(path, function);
	if (r < 0)
		return r;
	_cleanup_free_ char *absolute = realpath(path, NULL), *copy = strdup(tag);
	if (!absolute || !copy)
		return error_memory();
	struct share_setting *place = &kernel->devices.shares[kernel->devices.share_count++];
	*place = *setting;
	place->path = TAKE_PTR(absolute);
	place->tag = TAKE_PTR(copy);
	return 0;
}

int viso_guest_share_directory(viso_guest *guest, const char *path, const char *tag)
{
	return share(guest, path, tag, &(struct share_setting){0}, __func__);
}

int viso_guest_share_writable(viso_guest *guest, const char *path, const char *tag, unsigned flags)
{
	return share(guest, path, tag, &(struct share_setting){.is_writable = true, .flags = flags}, __func__);
}
