/* SPDX-License-Identifier: MIT */
/*
 * bench-rig-devices: disk and network of a computer by the library and by QEMU in turn, with the same kernel and the
 * same first program (rig_devices_init.c): reads and writes of 4 KiB and 1 MiB, past the guest's cache, of a file in
 * memory; or a stream to and from the host by a tap device with offloads. In the rig.
 *
 *     bench-rig-devices block|net
 *
 * VISO_TEST_KERNELS names a directory with boot/vmlinux and lib/modules.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <virtiso.h>

#include "bench.h"
#include "rig_devices.h"
#include "rig_figures.h"

enum { MEMORY_MIB = 128, PATIENCE_MS = 600000, ROWS_MAX = 4 };

/* After the first mark each one ends one of these. The first program has the name in its environment. */
static const struct part {
	const char *name, *rows[ROWS_MAX];
	int count;
} parts[] = {
	{"block", {"rig/block-read-4k", "rig/block-write-4k", "rig/block-read-1m", "rig/block-write-1m"}, 4},
	{"net", {"rig/net-send", "rig/net-receive"}, 2},
};
static const struct part *part;

static char command_line[200];
static char initramfs[] = "/tmp/bench-initramfs", disk[] = "/tmp/bench-disk", kernel[PATH_MAX];

static void fail(const char *what)
{
	printf("%s: %s\n", what, viso_error_message());
	exit(rig_finish("devices", 1));
}

static void check(int r, const char *what)
{
	if (r < 0)
		fail(what);
}

static void run(const char *command)
{
	if (system(command) != 0)
		fail(command);
}

/* Beside this program. */
static void own_path(const char *name, char out[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
	out[n > 0 ? n : 0] = 0;
	char *slash = strrchr(out, '/');
	if (slash)
		snprintf(slash + 1, (size_t)(out + PATH_MAX - slash - 1), "%s", name);
}

/* Documentation/driver-api/early-userspace/buffer-format.rst: "newc". */
static void add_entry(FILE *file, const char *name, unsigned mode, const void *data, size_t size)
{
	static const char zeros[4];
	fprintf(file, "070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X%08X%08zX%08X", 1, mode, 0, 0, 1, 0, size, 0, 0,
		0, 0, strlen(name) + 1, 0);
	fwrite(name, 1, strlen(name) + 1, file);
	fwrite(zeros, 1, (size_t)(-ftell(file) & 3), file);
	fwrite(data, 1, size, file);
	fwrite(zeros, 1, (size_t)(-ftell(file) & 3), file);
}

static void add_file(FILE *file, const char *name, const char *path)
{
	static char data[4 << 20];
	FILE *from = fopen(path, "re");
	if (!from)
		fail(path);
	size_t size = fread(data, 1, sizeof(data), from);
	fclose(from);
	add_entry(file, name, 0100755, data, size);
}

static FILE *archive;

static int add_module(const char *path, const struct stat *st, int type, struct FTW *place)
{
	static const char *const modules[] = {RIG_MODULES};
	char name[64];
	for (size_t i = 0; type == FTW_F && i < sizeof(modules) / sizeof(modules[0]); i++) {
		snprintf(name, sizeof(name), "modules/%s.ko", modules[i]);
		if (strcmp(path + place->base, name + strlen("modules/")) == 0)
			add_file(archive, name, path);
	}
	return 0;
}

static void prepare(void)
{
	char path[PATH_MAX];
	const char *directory = getenv("VISO_TEST_KERNELS");
	if (!directory)
		fail("no kernel: see tests/rig/rig --kernels");
	snprintf(kernel, sizeof(kernel), "%s/boot/vmlinux", directory);
	archive = fopen(initramfs, "we");
	own_path("rig_devices_init", path);
	add_file(archive, "init", path);
	add_entry(archive, "modules", 040755, "", 0);
	snprintf(path, sizeof(path), "%s/lib/modules", directory);
	nftw(path, add_module, 16, FTW_PHYS);
	add_entry(archive, "TRAILER!!!", 0, "", 0);
	fclose(archive);
	static char zeros[1 << 20];
	FILE *file = fopen(disk, "we");
	for (int i = 0; i < RIG_DISK >> 20; i++)
		fwrite(zeros, 1, sizeof(zeros), file);
	fclose(file);
	run("modprobe tun 2>/dev/null || true");
}

/* The other end of the network, for all computers one after the other. */
static void serve_network(void)
{
	static char data[64 << 10];
	const int on = 1;
	const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(RIG_PORT)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(listener, 4) < 0)
		fail("listener");
	if (fork() != 0) {
		close(listener);
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	for (int fd; (fd = accept(listener, NULL, NULL)) >= 0; close(fd)) {
		while (read(fd, data, sizeof(data)) > 0)
			;
		for (size_t sent = 0; sent < RIG_NET_BYTES;) {
			ssize_t n = write(fd, data, sizeof(data));
			if (n <= 0)
				break;
			sent += (size_t)n;
		}
	}
	_exit(0);
}

/* Reads marks and tells figures, until the last one. */
static void follow(int fd, const char *who)
{
	uint8_t data[512];
	int64_t before = 0;
	struct pollfd poll_for = {.fd = fd, .events = POLLIN};
	for (int next = 0; next <= part->count;) {
		if (poll(&poll_for, 1, PATIENCE_MS) <= 0)
			fail("it has stopped");
		ssize_t n = read(fd, data, sizeof(data));
		if (n <= 0)
			fail("it has ended");
		for (ssize_t i = 0; i < n && next <= part->count; i++) {
			if (data[i] != RIG_MARK + next) {
				putchar(data[i]);
				continue;
			}
			int64_t now = bench_now();
			if (next > 0)
				rig_figure(part->rows[next - 1], who, (double)(now - before) / 1e6);
			before = now;
			next++;
		}
	}
}

static int open_tap(void)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, .ifr_name = "tap0"};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
		fail("tap");
	run("ip addr add " RIG_HOST_ADDRESS "/24 dev tap0 && ip link set tap0 up");
	return fd;
}

static void measure_own(void)
{
	viso_process *process;
	viso_guest *guest = viso_guest_new();
	viso_command *streams = viso_command_new("computer");
	int tap = open_tap();
	check(viso_guest_set_memory_max(guest, (uint64_t)MEMORY_MIB << 20), "memory");
	check(viso_guest_set_kernel(guest, kernel), "kernel");
	check(viso_guest_set_initramfs(guest, initramfs), "initramfs");
	check(viso_guest_set_command_line(guest, command_line), "command line");
	check(viso_guest_add_disk(guest, disk, 0), "disk");
	check(viso_guest_add_network(guest, tap, "02:00:00:00:00:02"), "network");
	close(tap);
	check(viso_command_set_stdio(streams, VISO_STDIN, VISO_STDIO_NULL), "stdin");
	check(viso_command_set_stdio(streams, VISO_STDOUT, VISO_STDIO_PIPE), "stdout");
	check(viso_guest_boot(guest, streams, &process), "boot");
	int output = viso_process_take_stream(process, VISO_STDOUT);
	follow(output, "library");
	viso_process_kill(process);
	check(viso_process_wait(process, -1, NULL), "wait");
	viso_process_unref(process);
	viso_command_unref(streams);
	viso_guest_unref(guest);
	close(output);
}

static void measure_peer(void)
{
	extern char **environ;
	char command[PATH_MAX + 1000];
	int ends[2];
	pid_t pid;
	snprintf(command, sizeof(command),
		 "exec qemu-system-x86_64 -M microvm -accel kvm -cpu host -m %dM -nodefaults -no-user-config "
		 "-no-reboot -display none -serial stdio -kernel %s -initrd %s -append '%s' "
		 "-drive if=none,id=d,format=raw,file=%s -device virtio-blk-device,drive=d "
		 "-netdev tap,id=n,ifname=tap0,script=no,downscript=no,vhost=off "
		 "-device virtio-net-device,netdev=n,mac=02:00:00:00:00:02",
		 MEMORY_MIB, kernel, initramfs, command_line, disk);
	char *const arguments[] = {"sh", "-c", command, NULL};
	posix_spawn_file_actions_t actions;
	run("ip tuntap add dev tap0 mode tap vnet_hdr && ip addr add " RIG_HOST_ADDRESS
	    "/24 dev tap0 && ip link set tap0 up");
	if (pipe2(ends, O_CLOEXEC) < 0)
		fail("pipe");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	if (posix_spawnp(&pid, arguments[0], &actions, NULL, arguments, environ) != 0)
		fail("qemu-system-x86_64");
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	follow(ends[0], "peer");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(ends[0]);
	run("ip link del tap0");
}

int main(int argc, char *argv[])
{
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (argc == 2 && strcmp(argv[1], parts[i].name) == 0)
			part = &parts[i];
	if (!part)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	snprintf(command_line, sizeof(command_line),
		 "console=ttyS0 quiet panic=-1 mitigations=off noxsave cryptomgr.notests net.ifnames=0 " RIG_PART "=%s",
		 part->name);
	prepare();
	serve_network();
	measure_own();
	measure_peer();
	return rig_finish("devices", 0);
}
