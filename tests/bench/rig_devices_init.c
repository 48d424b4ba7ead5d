/* SPDX-License-Identifier: MIT */
/*
 * The first program of a kernel with a disk and a network interface: loads their drivers, and uses them. Between its
 * parts it writes marks to the serial port, past the kernel: bytes from RIG_MARK on, in the order of rig_devices.c.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rig_devices.h"

enum { SERIAL = 0x3f8, LINE_STATUS = 5, IS_EMPTY = 0x20, LARGE = 1 << 20, SMALL = 4096, BITS_PRIME = 7919 };

static void mark(void)
{
	static uint8_t next = RIG_MARK;
	while (!(inb(SERIAL + LINE_STATUS) & IS_EMPTY))
		;
	outb(next++, SERIAL);
}

static void stop(const char *what)
{
	perror(what);
	for (;;)
		pause();
}

static void load_modules(void)
{
	static const char *const names[] = {RIG_MODULES};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[64];
		snprintf(path, sizeof(path), "/modules/%s.ko", names[i]);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) < 0)
			stop(path);
		close(fd);
	}
}

static void use_disk(int fd, uint8_t *data, size_t size, unsigned count, int is_write)
{
	uint64_t blocks = (uint64_t)RIG_DISK / size;
	for (unsigned i = 0; i < count; i++) {
		off_t offset = (off_t)((uint64_t)i * BITS_PRIME % blocks * size);
		ssize_t done = is_write ? pwrite(fd, data, size, offset) : pread(fd, data, size, offset);
		if (done != (ssize_t)size)
			stop("disk");
	}
	mark();
}

static void use_disks(void)
{
	uint8_t *data = aligned_alloc(SMALL, LARGE);
	int fd = open("/dev/vda", O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd < 0 || !data)
		stop("/dev/vda");
	memset(data, 0x5a, LARGE);
	mark();
	use_disk(fd, data, SMALL, RIG_SMALL_COUNT, 0);
	use_disk(fd, data, SMALL, RIG_SMALL_COUNT, 1);
	use_disk(fd, data, LARGE, RIG_LARGE_COUNT, 0);
	use_disk(fd, data, LARGE, RIG_LARGE_COUNT, 1);
	close(fd);
}

static void set_address(const char *name)
{
	struct ifreq request = {0};
	struct sockaddr_in address = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	strncpy(request.ifr_name, name, sizeof(request.ifr_name) - 1);
	inet_pton(AF_INET, RIG_GUEST_ADDRESS, &address.sin_addr);
	memcpy(&request.ifr_addr, &address, sizeof(address));
	if (ioctl(fd, SIOCSIFADDR, &request) < 0)
		stop("address");
	inet_pton(AF_INET, "255.255.255.0", &address.sin_addr);
	memcpy(&request.ifr_netmask, &address, sizeof(address));
	if (ioctl(fd, SIOCSIFNETMASK, &request) < 0)
		stop("mask");
	request.ifr_flags = IFF_UP | IFF_RUNNING;
	if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		stop("up");
	close(fd);
}

static void use_network(void)
{
	static uint8_t data[64 << 10];
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(RIG_PORT)};
	inet_pton(AF_INET, RIG_HOST_ADDRESS, &address.sin_addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		stop("connect");
	mark();
	for (size_t sent = 0; sent < RIG_NET_BYTES;) {
		ssize_t n = write(fd, data, sizeof(data));
		if (n < 0)
			stop("write");
		sent += (size_t)n;
	}
	shutdown(fd, SHUT_WR);
	/* The other end sends as soon as it has got all. */
	if (read(fd, data, 1) != 1)
		stop("read");
	mark();
	while (read(fd, data, sizeof(data)) > 0)
		;
	mark();
}

int main(void)
{
	if (ioperm(SERIAL, 8, 1) < 0)
		stop("ports");
	mkdir("/dev", 0755);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	load_modules();
	const char *which = getenv(RIG_PART);
	if (which && strcmp(which, "block") == 0) {
		use_disks();
	} else {
		set_address("eth0");
		use_network();
	}
	for (;;)
		pause();
}
