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
#include "guest/device/virtio/backend.h"
#include "guest/device/virtio/console.h"
#include "guest/device/virtio/fs.h"
#include "guest/device/virtio/vsock.h"
#include "guest/kernel/kernel.h"

void device_settings_release(struct device_settings *settings, bool is_forked)
{
	for (unsigned i = 0; i < settings->disk_count; i++)
		free(settings->disks[i].path);
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

int viso_guest_add_disk(viso_guest *guest, const char *path, unsigned flags)
{
	struct kernel_guest *kernel = NULL;
	int r = kernel_settings(guest, __func__, &kernel);
	if (r < 0)
		return r;
	if (flags & ~(unsigned)(VISO_DISK_READ_ONLY | VISO_DISK_DISCARD_WRITES))
		return error_argument(__func__, "there is no such flag");
	struct device_settings *settings = &kernel->devices;
	if (settings->disk_count == DEVICE_DISKS_MAX)
		return fail_full(__func__, "disks", DEVICE_DISKS_MAX);
	char *absolute = NULL;
	r = kernel_set_path(&absolute, path, __func__);
	if (r == 0)
		settings->disks[settings->disk_count++] = (struct disk_setting){.path = absolute, .flags = flags};
	return r;
}

static int check_port(const struct device_settings *settings, const char *name, int fd, const char *function)
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
	for (unsigned i = 0; i < settings->port_count; i++)
		if (strcmp(settings->ports[i].name, name) == 0)
			return error_fail(VISO_STAGE_ARGUMENT, EEXIST, name, "%s: there is a port %s already", function,
					  name);
	return settings->port_count == DEVICE_PORTS_MAX ? fail_full(function, "ports", DEVICE_PORTS_MAX) : 0;
}

int viso_guest_add_port(viso_guest *guest, const char *name, int fd)
{
	struct kernel_guest *kernel = NULL;
	int r = kernel_settings(guest, __func__, &kernel);
	if (r == 0)
		r = check_port(&kernel->devices, name, fd, __func__);
	if (r < 0)
		return r;
	_cleanup_free_ char *copy = strdup(name);
	if (!copy)
		return error_memory();
	struct port_setting *port = &kernel->devices.ports[kernel->devices.port_count];
	r = copy_fd(fd, __func__, &port->fd);
	if (r < 0)
		return r;
	port->name = TAKE_PTR(copy);
	kernel->devices.port_count++;
	return 0;
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

int viso_guest_add_network(viso_guest *guest, int fd, const char *mac)
{
	struct kernel_guest *kernel = NULL;
	struct network_setting network = {0};
	int r = kernel_settings(guest, __func__, &kernel);
	if (r < 0)
		return r;
	if (mac && !parse_mac(mac, network.mac))
		return error_argument(__func__,
				      "the address is not one of a single interface, such as 02:00:00:00:00:01");
	if (!mac)
		random_mac(network.mac);
	if (kernel->devices.network_count == DEVICE_NETWORKS_MAX)
		return fail_full(__func__, "network interfaces", DEVICE_NETWORKS_MAX);
	r = copy_fd(fd, __func__, &network.fd);
	if (r < 0)
		return r;
	if (!backend_is_fd(network.fd)) {
		close_fd(network.fd);
		return error_argument(__func__, "the fd is neither a tap device with IFF_NO_PI nor a socket");
	}
	kernel->devices.networks[kernel->devices.network_count++] = network;
	return 0;
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
	int r = kernel_settings(guest, __func__, &kernel);
	if (r < 0)
		return r;
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
