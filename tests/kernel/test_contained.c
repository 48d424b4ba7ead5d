/* SPDX-License-Identifier: MIT */
/* Computers that run in a container (VISO_PLACEMENT_CONTAINED), of a few instructions. */
#include "kernel_support.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static void contain(struct kernel_fixture *fixture)
{
	need_kvm();
	assert_ok(viso_guest_set_placement(fixture->guest, VISO_PLACEMENT_CONTAINED));
}

static void renew(struct kernel_fixture *fixture)
{
	viso_guest_unref(fixture->guest);
	fixture->guest = viso_guest_new();
	assert_non_null(fixture->guest);
	contain(fixture);
}

/* In a loop: wait for a byte, send it back plus one. */
#define ECHO 0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74, 0xfb, 0xba, 0xf8, 0x03, 0xec, 0xfe, 0xc0, 0xee, 0xeb, 0xef

static void assert_answers(int to, int from)
{
	char byte = 'a';
	assert_int_equal(write(to, &byte, 1), 1);
	assert_int_equal(read(from, &byte, 1), 1);
	assert_int_equal(byte, 'b');
}

static void test_writes_and_switches_off(void **state)
{
	struct kernel_fixture *fixture = *state;
	contain(fixture);
	set_code(fixture, PUT('h'), PUT('i'), PUT('\n'), POWER_OFF, HALT);
	for (int i = 0; i < 2; i++) {
		viso_result *result = kernel_run(fixture);
		assert_true(viso_result_usage(result, VISO_USAGE_EXITS_PORT) >= 4);
		assert_true(viso_result_usage(result, VISO_USAGE_MEMORY_PEAK) > 0);
		assert_switched_off(result, "hi\n");
	}
}

static void test_triple_fault(void **state)
{
	struct kernel_fixture *fixture = *state;
	uint64_t value;
	contain(fixture);
	const unsigned char code[] = {0x0f, 0x0b};
	kernel_set_multiboot(fixture, code, sizeof(code));
	viso_result *result = kernel_run(fixture);
	assert_non_null(strstr(viso_result_describe(result), "processor 0"));
	assert_ok(viso_result_register(result, "rip", &value));
	assert_ended(result, VISO_REASON_GUEST_FAULT);
}

static void test_time_limits(void **state)
{
	struct kernel_fixture *fixture = *state;
	contain(fixture);
	set_code(fixture, PUT('x'), FOR_EVER);
	for (int i = 0; i < 2; i++) {
		viso_command *streams = viso_command_new("computer");
		assert_ok(viso_command_set_stdio(streams, VISO_STDIN, VISO_STDIO_NULL));
		assert_ok(viso_command_capture(streams, 100));
		assert_ok(i ? viso_command_set_cpu_time_ms(streams, 100) : viso_command_set_timeout_ms(streams, 100));
		viso_result *result = kernel_wait(kernel_boot(fixture, streams));
		viso_command_unref(streams);
		assert_ended(result, i ? VISO_REASON_CPU_TIME : VISO_REASON_TIMED_OUT);
	}
}

/* No part of the machine is in this process: neither a processor's thread nor anything of KVM. */
static void assert_nothing_here(void)
{
	char path[512], text[64];
	DIR *directory = opendir("/proc/self/task");
	for (const struct dirent *entry; (entry = readdir(directory));) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		FILE *file = fopen(path, "re");
		if (file && fgets(text, sizeof(text), file))
			assert_null(strstr(text, "viso-cpu"));
		if (file)
			fclose(file);
	}
	closedir(directory);
	directory = opendir("/proc/self/fd");
	for (const struct dirent *entry; (entry = readdir(directory));) {
		snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
		ssize_t n = readlink(path, text, sizeof(text) - 1);
		text[n > 0 ? n : 0] = 0;
		assert_null(strstr(text, "kvm"));
	}
	closedir(directory);
}

static void test_life(void **state)
{
	struct kernel_fixture *fixture = *state;
	viso_guest *guest = fixture->guest;
	viso_process *other = NULL;
	uint64_t value;
	int to, from;
	contain(fixture);
	set_code(fixture, ECHO);
	viso_process *process = kernel_boot_with_pipes(fixture, &to, &from);
	viso_sandbox *sandbox = viso_guest_sandbox(guest);
	assert_answers(to, from);
	assert_nothing_here();
	assert_fails(viso_guest_boot(guest, NULL, &other), EBUSY, VISO_STAGE_GUEST, "boot");
	assert_int_equal(viso_guest_traffic(guest, VISO_DEVICE_SERIAL, 0, VISO_TRAFFIC_BYTES_TO_GUEST), 1);
	assert_fails((int)viso_guest_traffic(guest, VISO_DEVICE_DISK, 0, VISO_TRAFFIC_BYTES_TO_GUEST), ENODEV,
		     VISO_STAGE_GUEST, "traffic");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(viso_sandbox_pause(sandbox), 1);
		assert_true(viso_process_usage(process, VISO_USAGE_MEMORY) > 0);
		assert_int_equal(viso_sandbox_resume(sandbox), 1);
		assert_answers(to, from);
	}
	assert_ok(viso_guest_set_balloon(guest, 1 << 20));
	assert_fails(viso_guest_set_balloon(guest, 1ull << 40), EINVAL, VISO_STAGE_GUEST, "balloon");
	assert_ok(viso_guest_memory_figure(guest, VISO_MEMORY_BALLOON, &value));
	assert_int_equal(value, 0);
	assert_ok(viso_guest_press_power_button(guest));
	assert_fails(viso_process_signal(process, SIGTERM), EOPNOTSUPP, VISO_STAGE_PROCESS, "signal");
	assert_int_equal(viso_sandbox_pause(sandbox), 1);
	assert_ok(viso_guest_press_reset_button(guest));
	viso_result *result = kernel_wait(process);
	assert_int_equal(viso_result_reason(result), VISO_REASON_EXITED);
	assert_int_equal(viso_result_exit_code(result), 1);
	viso_result_unref(result);
	assert_fails(viso_guest_press_reset_button(guest), ESRCH, VISO_STAGE_GUEST, "reset");
	close(to);
	close(from);
}

static void test_killed_and_closed(void **state)
{
	struct kernel_fixture *fixture = *state;
	int fds = support_count_fds();
	contain(fixture);
	set_code(fixture, HALT);
	for (int i = 0; i < 3; i++) {
		viso_process *process = kernel_boot(fixture, NULL);
		assert_int_equal(viso_process_wait(process, 0, NULL), -ETIMEDOUT);
		if (i == 0)
			assert_ok(viso_process_kill(process));
		else if (i == 1)
			assert_int_equal(viso_sandbox_kill(viso_guest_sandbox(fixture->guest)), 1);
		else
			assert_ok(viso_sandbox_close(viso_guest_sandbox(fixture->guest)));
		assert_ended(kernel_wait(process), VISO_REASON_KILLED);
	}
	viso_guest_unref(fixture->guest);
	fixture->guest = NULL;
	/* The launcher's own stay, which has been started meanwhile. */
	int again = support_count_fds();
	fixture->guest = viso_guest_new();
	contain(fixture);
	set_code(fixture, POWER_OFF, HALT);
	assert_switched_off(kernel_run(fixture), "");
	viso_guest_unref(fixture->guest);
	fixture->guest = NULL;
	assert_int_equal(support_count_fds(), again);
	assert_true(again >= fds);
}

/* The guest that drives them, see test_devices.c. */
static void test_disks_and_ports(void **state)
{
	enum { SECTOR = 512 };
	struct kernel_fixture *fixture = *state;
	const char *program = getenv("VISO_TEST_VIRTIO_PROGRAM");
	static unsigned char bytes[64][SECTOR];
	unsigned char byte;
	char got[16] = {0};
	int ends[2];
	assert_non_null(program);
	contain(fixture);
	for (int i = 0; i < 64; i++)
		memset(bytes[i], i, SECTOR);
	char *disk = kernel_write(fixture, "disk", bytes, sizeof(bytes));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_ok(viso_guest_set_flat_image(fixture->guest, program, CODE));
	assert_ok(viso_guest_add_disk(fixture->guest, disk, 0));
	assert_ok(viso_guest_add_port(fixture->guest, "org.example.0", ends[0]));
	assert_int_equal(write(ends[1], "HELLO", 5), 5);
	viso_result *result = kernel_run(fixture);
	assert_int_equal(viso_result_usage(result, VISO_USAGE_WRITTEN_BYTES), SECTOR);
	assert_switched_off(result, "rng 00000020 random interrupt\n"
				    "block 00000040 read 00000000 01010101 write 00000000 flush 00000000\n"
				    "port org.example.0 00000005 echoed\nend\n");
	assert_int_equal(recv(ends[1], got, sizeof(got), MSG_DONTWAIT), 5);
	assert_string_equal(got, "hello");
	FILE *file = fopen(disk, "re");
	assert_int_equal(fseek(file, 2 * SECTOR, SEEK_SET), 0);
	assert_int_equal(fread(&byte, 1, 1, file), 1);
	assert_int_equal(byte, 'w');
	fclose(file);
	close(ends[0]);
	close(ends[1]);
	free(disk);
}

/* Of a network of its own; and a socket that sees what comes out of it on the host's side. */
static int open_tap(int *out_packets)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, .ifr_name = "tap0"};
	int old = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	skip_without(access("/dev/net/tun", R_OK | W_OK) == 0, "/dev/net/tun");
	skip_without(unshare(CLONE_NEWNET) == 0, "root");
	int tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	assert_int_equal(ioctl(tap, TUNSETIFF, &request), 0);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	request.ifr_flags = IFF_UP;
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
	*out_packets = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	const struct sockaddr_ll address = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex("tap0")};
	assert_int_equal(bind(*out_packets, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(setns(old, CLONE_NEWNET), 0);
	close(old);
	return tap;
}

static void test_a_tap(void **state)
{
	struct kernel_fixture *fixture = *state;
	const char *program = getenv("VISO_TEST_VIRTIO_PROGRAM");
	unsigned char frame[60], got[2048];
	int packets;
	contain(fixture);
	int tap = open_tap(&packets);
	assert_ok(viso_guest_set_flat_image(fixture->guest, program, CODE));
	assert_ok(viso_guest_add_network(fixture->guest, tap, "02:00:00:00:00:01"));
	close(tap);
	memset(frame, 'h', sizeof(frame));
	assert_int_equal(send(packets, frame, sizeof(frame), 0), sizeof(frame));
	viso_result *result = kernel_run(fixture);
	assert_non_null(strstr(viso_result_output(result, VISO_STDOUT, NULL), "net sent "));
	assert_null(strstr(viso_result_output(result, VISO_STDOUT, NULL), "net sent ffffffff"));
	assert_switched_off(result, NULL);
	/* The kernel has packets of its own there, for IPv6, and ours is among them. */
	do
		assert_true(recv(packets, got, sizeof(got), MSG_DONTWAIT) > 0);
	while (got[0] != 'n');
	close(packets);
}

/* A disk that a contained computer writes to is no other's. */
static void test_a_disk_is_locked(void **state)
{
	struct kernel_fixture *fixture = *state;
	viso_process *process = NULL;
	contain(fixture);
	char *disk = kernel_write(fixture, "disk", "", 0);
	assert_int_equal(truncate(disk, 1 << 16), 0);
	set_code(fixture, HALT);
	assert_ok(viso_guest_add_disk(fixture->guest, disk, 0));
	viso_process *first = kernel_boot(fixture, NULL);
	viso_guest *other = viso_guest_new();
	assert_ok(viso_guest_set_flat_image(other, fixture->image, CODE));
	assert_ok(viso_guest_add_disk(other, disk, VISO_DISK_READ_ONLY));
	assert_fails(viso_guest_boot(other, NULL, &process), EBUSY, VISO_STAGE_GUEST, disk);
	assert_ok(viso_process_kill(first));
	assert_ended(kernel_wait(first), VISO_REASON_KILLED);
	viso_guest_unref(other);
	free(disk);
}

static void test_what_cannot_be_contained(void **state)
{
	struct kernel_fixture *fixture = *state;
	viso_process *process = NULL;
	contain(fixture);
	set_code(fixture, HALT);
	assert_ok(viso_guest_set_platform(fixture->guest, VISO_PLATFORM_PC));
	assert_fails(viso_guest_boot(fixture->guest, NULL, &process), EOPNOTSUPP, VISO_STAGE_GUEST, "VISO_PLATFORM_PC");
	renew(fixture);
	set_code(fixture, HALT);
	assert_ok(viso_guest_share_directory(fixture->guest, fixture->directory, "share"));
	assert_fails(viso_guest_boot(fixture->guest, NULL, &process), EOPNOTSUPP, VISO_STAGE_GUEST,
		     "viso_guest_share_directory");
	renew(fixture);
	set_code(fixture, HALT);
	assert_ok(viso_guest_set_vsock(fixture->guest, 3, "/tmp/never"));
	assert_fails(viso_guest_boot(fixture->guest, NULL, &process), EOPNOTSUPP, VISO_STAGE_GUEST,
		     "viso_guest_set_vsock");
}

/* The host program has a limit for files, and is not ended by it. */
static void test_a_limit_of_files(void **state)
{
	struct kernel_fixture *fixture = *state;
	viso_process *process = NULL;
	struct rlimit old, small;
	contain(fixture);
	set_code(fixture, HALT);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = (struct rlimit){.rlim_cur = 256 << 10, .rlim_max = old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	int r = viso_guest_boot(fixture->guest, NULL, &process);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(r, -EFBIG);
	assert_null(process);
}

static void test_refused_at_boot(void **state)
{
	struct kernel_fixture *fixture = *state;
	viso_process *process = NULL;
	contain(fixture);
	char *text = kernel_write(fixture, "text", "no kernel\n", 10);
	assert_ok(viso_guest_set_kernel(fixture->guest, text));
	assert_fails(viso_guest_boot(fixture->guest, NULL, &process), ENOEXEC, VISO_STAGE_GUEST, "text");
	assert_int_equal(unlink(text), 0);
	assert_fails(viso_guest_boot(fixture->guest, NULL, &process), ENOENT, VISO_STAGE_GUEST, "text");
	assert_null(process);
	free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kernel_setup, kernel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_writes_and_switches_off),
		TEST(test_triple_fault),
		TEST(test_time_limits),
		TEST(test_life),
		TEST(test_killed_and_closed),
		TEST(test_disks_and_ports),
		TEST(test_a_tap),
		TEST(test_a_disk_is_locked),
		TEST(test_what_cannot_be_contained),
		TEST(test_a_limit_of_files),
		TEST(test_refused_at_boot),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
