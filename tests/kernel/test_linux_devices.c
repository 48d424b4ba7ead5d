/* SPDX-License-Identifier: MIT */
/* The virtio devices of a computer with the drivers of Debian's cloud kernel. It needs a KVM that runs ring 0: here in
 * the rig. */
#include "kernel_support.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "initramfs.h"

enum { DISK_SIZE = 8 << 20, PATIENCE_MS = 200000 };

static const char *const modules[] = {
	"virtio",
	"virtio_ring",
	"virtio_mmio",
	"virtio_balloon",
	"virtio_blk",
	"virtio_console",
	"failover",
	"net_failover",
	"virtio_net",
	"virtio-rng",
	"vsock",
	"vmw_vsock_virtio_transport_common",
	"vmw_vsock_virtio_transport",
	"fuse",
	"virtiofs",
};

static const char script[] =
	"for m in virtio_ring virtio virtio_mmio virtio_balloon virtio_blk virtio_console failover net_failover "
	"virtio_net virtio-rng "
	"vsock "
	"vmw_vsock_virtio_transport_common vmw_vsock_virtio_transport fuse virtiofs; do insmod /modules/$m.ko; done\n"
	"exec 5<>/dev/hvc0; echo hvc0 speaks >&5; read line <&5; exec 5<&-; echo hvc0 reads $line\n"
	"echo rng $(cat /sys/class/misc/hw_random/rng_current) $(dd if=/dev/hwrng bs=64 count=1 2>/dev/null | wc -c)\n"
	"echo vda $(cat /sys/block/vda/size) $(cat /sys/block/vda/serial) $(md5sum </dev/vda)\n"
	"dd if=/dev/vda of=/dev/vdb bs=1M 2>/dev/null && sync && echo 3 >/proc/sys/vm/drop_caches && echo vdb $(md5sum "
	"</dev/vdb)\n"
	"echo x >/dev/vdc || echo vdc $(cat /sys/block/vdc/ro)\n"
	"port=$(basename $(dirname $(grep -l org.example.0 /sys/class/virtio-ports/*/name)))\n"
	"exec 3<>/dev/$port\n"
	"read line <&3; echo \"guest has $line\" >&3\n"
	"ip link set eth0 up; ip addr add 10.9.8.7/24 dev eth0; echo eth0 $(cat /sys/class/net/eth0/address)\n"
	"arping -c 3 -w 5 -I eth0 10.9.8.1 | grep -c 'reply from'\n"
	"mkdir /mnt; mount -t virtiofs share /mnt && echo share $(ls /mnt/d | wc -l) $(cat /mnt/d/50) $(md5sum "
	"</mnt/big)\n"
	"cat /mnt/out; touch /mnt/new || echo share is for reading; umount /mnt\n"
	"mkdir /own; mount -t virtiofs own /own; cd /own\n"
	"echo text >a; mkdir d; mv a d/b; ln d/b c; ln -s ../d/b d/l; mkfifo p; chmod 4751 c; chown 5 c || echo own "
	"stays\n"
	"dd if=/dev/vda of=big bs=64k 2>/dev/null; sync; echo 3 >/proc/sys/vm/drop_caches; echo own $(cat d/l) "
	"$(md5sum "
	"<big)\n"
	"exec 4<>t; rm t; echo more >t; echo unlinked >&4; echo own $(cat t /proc/self/fd/4) $(ls | wc -l); exec 4<&-\n"
	"mknod x c 1 3 || echo own no devices; echo $(ls -l c); rm -r d p; cd /; umount /own\n"
	"/bin/vsock-peer\n"
	"poweroff -f\n";

/* The file below the directory where the rig has unpacked the kernel. */
static char *kernel_path(const char *kernel)
{
	char *pattern;
	glob_t found;
	assert_true(asprintf(&pattern, "%s/boot/vmlinu*", kernel) > 0);
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	free(pattern);
	char *path = strdup(found.gl_pathv[0]);
	globfree(&found);
	return path;
}

static void prepare(struct kernel_fixture *fixture)
{
	const char *kernel = getenv("VISO_TEST_KERNELS");
	need_kernels();
	skip_without(kernel, "a kernel to boot (see tests/rig)");
	char *image = kernel_path(kernel), *initramfs;
	assert_true(asprintf(&initramfs, "%s/initramfs", fixture->directory) > 0);
	initramfs_write(initramfs, script);
	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
		initramfs_add_module(initramfs, kernel, modules[i]);
	initramfs_add(initramfs, "bin/vsock-peer", VSOCK_PEER);
	assert_ok(viso_guest_set_kernel(fixture->guest, image));
	assert_ok(viso_guest_set_initramfs(fixture->guest, initramfs));
	assert_ok(viso_guest_set_command_line(fixture->guest, KERNEL_LINE));
	free(image);
	free(initramfs);
}

static char *make_disk(const struct kernel_fixture *fixture, const char *name, unsigned multiplier)
{
	uint32_t *words = calloc(1, DISK_SIZE);
	for (uint32_t i = 0; i < DISK_SIZE / sizeof(words[0]); i++)
		words[i] = i * multiplier;
	char *path = kernel_write(fixture, name, words, DISK_SIZE);
	free(words);
	return path;
}

static int socket_pair(int type, int *out_other)
{
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends), 0);
	*out_other = ends[1];
	return ends[0];
}

static struct sockaddr_un unix_address(const struct kernel_fixture *fixture, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", fixture->directory, name);
	return address;
}

/* A hundred small files, a large one, and a link that leads out where somebody follows it on the host. */
static void make_share(const struct kernel_fixture *fixture)
{
	char path[300];
	snprintf(path, sizeof(path), "%s/share", fixture->directory);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/share/d", fixture->directory);
	assert_int_equal(mkdir(path, 0755), 0);
	for (int i = 0; i < 100; i++) {
		char name[32], text[32];
		snprintf(name, sizeof(name), "share/d/%d", i);
		snprintf(text, sizeof(text), "number %d", i);
		free(kernel_write(fixture, name, text, strlen(text)));
	}
	free(make_disk(fixture, "share/big", 2654435761u));
	snprintf(path, sizeof(path), "%s/share/out", fixture->directory);
	assert_int_equal(symlink("/../../../../../../../../etc/os-release", path), 0);
	snprintf(path, sizeof(path), "%s/share", fixture->directory);
	assert_ok(viso_guest_share_directory(fixture->guest, path, "share"));
	snprintf(path, sizeof(path), "%s/own", fixture->directory);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_ok(viso_guest_share_writable(fixture->guest, path, "own", 0));
}

static void await(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	assert_int_equal(poll(&poll_fd, 1, PATIENCE_MS), 1);
}

/* A line, or what there is of it at the end. */
static void read_line(int fd, char *out, size_t size)
{
	size_t length = 0;
	do {
		await(fd);
		ssize_t got = read(fd, out + length, 1);
		assert_true(got >= 0);
		length += (size_t)got;
		if (got == 0)
			break;
	} while (out[length - 1] != '\n' && length < size - 1);
	out[length] = '\0';
}

/* The host's side of the cable: who has 10.9.8.1? We have. */
static void answer_arp(int fd, int count)
{
	static const uint8_t own[6] = {0x02, 0, 0, 0, 0, 2};
	while (count > 0) {
		uint8_t frame[2048];
		await(fd);
		ssize_t size = recv(fd, frame, sizeof(frame), 0);
		/* ARP, a request, for the last of our address. */
		if (size < 42 || frame[12] != 8 || frame[13] != 6 || frame[21] != 1 || frame[41] != 1)
			continue;
		uint8_t asked[10];
		memcpy(asked, frame + 22, sizeof(asked));
		memcpy(frame, frame + 6, 6);
		memcpy(frame + 6, own, 6);
		frame[21] = 2;
		memcpy(frame + 22, own, 6);
		memcpy(frame + 28, frame + 38, 4);
		memcpy(frame + 32, asked, sizeof(asked));
		assert_int_equal(send(fd, frame, (size_t)size, 0), size);
		count--;
	}
}

static void talk_by_vsock(const struct kernel_fixture *fixture, int listener)
{
	char line[64] = {0};
	await(listener);
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	await(fd);
	assert_int_equal(recv(fd, line, sizeof(line), 0), 5);
	assert_string_equal(line, "ready");
	assert_int_equal(write(fd, "answer", 6), 6);
	read_line(fd, line, sizeof(line));
	assert_string_equal(line, "");
	close(fd);
	/* And the other way round. */
	const struct sockaddr_un address = unix_address(fixture, "v");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(write(fd, "CONNECT 55\nping\n", 16), 16);
	read_line(fd, line, sizeof(line));
	assert_int_equal(strncmp(line, "OK ", 3), 0);
	read_line(fd, line, sizeof(line));
	assert_string_equal(line, "ping\n");
	close(fd);
}

/* The guest waits for us in accept(2) meanwhile. */
static void shrink(viso_guest *guest)
{
	const uint64_t wanted = 8 << 20;
	uint64_t total = 0, given = 0;
	assert_ok(viso_guest_memory_figure(guest, VISO_MEMORY_TOTAL, &total));
	assert_true(total > 100 << 20 && total < 256 << 20);
	assert_ok(viso_guest_set_balloon(guest, wanted));
	for (int i = 0; i < PATIENCE_MS / 50 && given != wanted; i++) {
		assert_ok(viso_guest_memory_figure(guest, VISO_MEMORY_BALLOON, &given));
		usleep(50000);
	}
	assert_int_equal(given, wanted);
	assert_fails(viso_guest_set_balloon(guest, 1ull << 40), EINVAL, VISO_STAGE_ARGUMENT, "");
}

static void assert_says(const char *output, const char *text)
{
	if (!strstr(output, text))
		fail_msg("not in the output: %s; it is\n%s", text, output);
}

/* What the guest has left in the directory that it may write to. */
static void check_own(const struct kernel_fixture *fixture, const char *sum)
{
	char command[700], line[200] = {0};
	snprintf(command, sizeof(command), "cd %s/own && echo $(ls) $(stat -c %%a%%h c) $(cat c t) $(md5sum <big)",
		 fixture->directory);
	FILE *pipe = popen(command, "re");
	assert_true(fread(line, 1, sizeof(line) - 1, pipe) > 0);
	pclose(pipe);
	snprintf(command, sizeof(command), "big c t 7511 text more %s -\n", sum);
	assert_string_equal(line, command);
}

static void check_output(const struct kernel_fixture *fixture, viso_result *result)
{
	const char *output = viso_result_output(result, VISO_STDOUT, NULL);
	char command[300], sum[64] = {0}, expected[200];
	snprintf(command, sizeof(command), "md5sum <%s/a", fixture->directory);
	FILE *pipe = popen(command, "re");
	assert_int_equal(fread(sum, 1, 32, pipe), 32);
	pclose(pipe);
	assert_says(output, "hvc0 speaks\r\n");
	assert_says(output, "hvc0 reads what was typed\r\n");
	assert_says(output, "rng virtio_rng.0 64\r\n");
	snprintf(expected, sizeof(expected), "vda 16384 virtiso-0 %s", sum);
	assert_says(output, expected);
	snprintf(expected, sizeof(expected), "vdb %s", sum);
	assert_says(output, expected);
	assert_says(output, "vdc 1\r\n");
	assert_says(output, "eth0 02:00:00:00:00:01\r\n3\r\n");
	snprintf(expected, sizeof(expected), "share 100 number 50 %s", sum);
	assert_says(output, expected);
	assert_says(output, "cat: can't open '/mnt/out': No such file or directory\r\n");
	assert_says(output, "share is for reading\r\n");
	snprintf(expected, sizeof(expected), "own text %s", sum);
	assert_says(output, expected);
	assert_says(output, "own stays\r\n");
	assert_says(output, "own more unlinked 5\r\n");
	assert_says(output, "own no devices\r\n");
	assert_says(output, "-rwxr-x--x 2 0 0 5 ");
	assert_says(output, "vsock answer\r\n");
	check_own(fixture, sum);
}

static void test_all_devices(void **state)
{
	struct kernel_fixture *fixture = *state;
	viso_guest *guest = fixture->guest;
	char line[64];
	int port, cable, fd;
	prepare(fixture);
	char *disks[3] = {make_disk(fixture, "a", 2654435761u), make_disk(fixture, "b", 1), make_disk(fixture, "c", 2)};
	assert_ok(viso_guest_add_disk(guest, disks[0], 0));
	assert_ok(viso_guest_add_disk(guest, disks[1], VISO_DISK_DISCARD_WRITES));
	assert_ok(viso_guest_add_disk(guest, disks[2], VISO_DISK_READ_ONLY));
	fd = socket_pair(SOCK_STREAM, &port);
	assert_ok(viso_guest_add_port(guest, "org.example.0", fd));
	close(fd);
	fd = socket_pair(SOCK_SEQPACKET, &cable);
	assert_ok(viso_guest_add_network(guest, fd, "02:00:00:00:00:01"));
	close(fd);
	make_share(fixture);
	const struct sockaddr_un address = unix_address(fixture, "v_7");
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_ok(viso_guest_set_vsock(guest, 42, unix_address(fixture, "v").sun_path));

	assert_ok(viso_guest_set_console(guest, VISO_CONSOLE_VIRTIO));
	viso_command *streams = viso_command_new("computer");
	assert_ok(viso_command_set_input(streams, "what was typed\n", 15));
	assert_ok(viso_command_capture(streams, 1 << 20));
	assert_ok(viso_command_set_timeout_ms(streams, PATIENCE_MS));

	viso_process *process = kernel_boot(fixture, streams);
	viso_command_unref(streams);
	assert_int_equal(write(port, "hello\n", 6), 6);
	read_line(port, line, sizeof(line));
	assert_string_equal(line, "guest has hello\n");
	answer_arp(cable, 3);
	shrink(guest);
	talk_by_vsock(fixture, listener);
	viso_result *result = kernel_wait(process);
	check_output(fixture, result);
	assert_switched_off(result, NULL);
	close(listener);
	close(port);
	close(cable);
	for (int i = 0; i < 3; i++)
		free(disks[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all_devices, kernel_setup, kernel_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
