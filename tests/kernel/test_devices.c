/* SPDX-License-Identifier: MIT */
/*
 * The virtio devices of a computer: how they are asked for, and a small guest that drives them (virtio_program.c). With
 * the argument "contained" it is driven in a container.
 */
#include "kernel_support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { SECTORS = 64, SECTOR = 512 };

static bool is_contained;

/* The guest that drives them. */
static void set_program(struct kernel_fixture *fixture)
{
	const char *path = getenv("VISO_TEST_VIRTIO_PROGRAM");
	assert_non_null(path);
	need_kvm();
	assert_ok(viso_guest_set_flat_image(fixture->guest, path, CODE));
	if (is_contained)
		assert_ok(viso_guest_set_placement(fixture->guest, VISO_PLACEMENT_CONTAINED));
}

/* Sector n has n in each of its bytes. */
static char *make_disk(const struct kernel_fixture *fixture)
{
	static unsigned char bytes[SECTORS][SECTOR];
	for (int i = 0; i < SECTORS; i++)
		memset(bytes[i], i, SECTOR);
	return kernel_write(fixture, "disk", bytes, sizeof(bytes));
}

static unsigned char byte_of(const char *path, off_t offset)
{
	unsigned char byte = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, &byte, 1, offset), 1);
	close(fd);
	return byte;
}

static int socket_pair(int type, int *out_other)
{
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends), 0);
	*out_other = ends[1];
	return ends[0];
}

static void test_a_source_of_random_bytes_is_there(void **state)
{
	struct kernel_fixture *fixture = *state;
	set_program(fixture);
	assert_switched_off(kernel_run(fixture), "rng 00000020 random interrupt\nend\n");
}

static void test_a_disk_is_read_and_written(void **state)
{
	struct kernel_fixture *fixture = *state;
	char *disk = make_disk(fixture);
	set_program(fixture);
	assert_ok(viso_guest_add_disk(fixture->guest, disk, 0));
	viso_result *result = kernel_run(fixture);
	assert_true(viso_result_usage(result, VISO_USAGE_READ_BYTES) >= SECTOR);
	assert_int_equal(viso_result_usage(result, VISO_USAGE_WRITTEN_BYTES), SECTOR);
	assert_true(viso_result_usage(result, VISO_USAGE_EXITS_MEMORY) > 0);
	assert_switched_off(result, "rng 00000020 random interrupt\n"
				    "block 00000040 read 00000000 01010101 write 00000000 flush 00000000\nend\n");
	assert_int_equal(byte_of(disk, 2 * SECTOR), 'w');
	assert_int_equal(byte_of(disk, 3 * SECTOR), 3);
	free(disk);
}

static void test_disks_keep_what_they_are_told_to(void **state)
{
	struct kernel_fixture *fixture = *state;
	char *disk = make_disk(fixture);
	set_program(fixture);
	assert_ok(viso_guest_add_disk(fixture->guest, disk, VISO_DISK_READ_ONLY));
	assert_ok(viso_guest_add_disk(fixture->guest, disk, VISO_DISK_DISCARD_WRITES));
	assert_switched_off(kernel_run(fixture),
			    "rng 00000020 random interrupt\n"
			    "block 00000040 read 00000000 01010101 write 00000001 flush 00000000\n"
			    "block 00000040 read 00000000 01010101 write 00000000 flush 00000000\nend\n");
	assert_int_equal(byte_of(disk, 2 * SECTOR), 2);
	free(disk);
}

/* Three operations, of which the first one is free: slower is no failure, but faster is. */
static void test_a_rate_holds(void **state)
{
	enum { PER_SECOND = 4, AT_LEAST_US = 2 * 1000000 / PER_SECOND };
	struct kernel_fixture *fixture = *state;
	char *disk = make_disk(fixture);
	set_program(fixture);
	assert_ok(viso_guest_add_disk(fixture->guest, disk, 0));
	assert_ok(viso_guest_set_disk_rate(fixture->guest, 0, VISO_RATE_OPERATIONS, PER_SECOND, 1));
	viso_result *result = kernel_run(fixture);
	assert_true(viso_result_usage(result, VISO_USAGE_WALL_US) >= AT_LEAST_US);
	assert_switched_off(result, "rng 00000020 random interrupt\n"
				    "block 00000040 read 00000000 01010101 write 00000000 flush 00000000\nend\n");
	free(disk);
}

static void test_a_port_carries_both_ways(void **state)
{
	struct kernel_fixture *fixture = *state;
	char got[16] = {0};
	int host, guest = socket_pair(SOCK_STREAM, &host);
	set_program(fixture);
	assert_ok(viso_guest_add_port(fixture->guest, "org.example.0", guest));
	close(guest);
	assert_int_equal(write(host, "HELLO", 5), 5);
	assert_switched_off(kernel_run(fixture),
			    "rng 00000020 random interrupt\nport org.example.0 00000005 echoed\nend\n");
	assert_int_equal(recv(host, got, sizeof(got), MSG_DONTWAIT), 5);
	assert_string_equal(got, "hello");
	close(host);
}

/* The streams lead to it, and what is written to the serial port is seen, too. */
static void test_a_console_carries_both_ways(void **state)
{
	struct kernel_fixture *fixture = *state;
	viso_command *streams = viso_command_new("computer");
	set_program(fixture);
	assert_ok(viso_guest_set_console(fixture->guest, VISO_CONSOLE_VIRTIO));
	assert_ok(viso_command_set_input(streams, "HELLO", 5));
	assert_ok(viso_command_capture(streams, 1 << 20));
	assert_switched_off(kernel_wait(kernel_boot(fixture, streams)),
			    "rng 00000020 random interrupt\nconsole speaks\nconsole 00000005 hello echoed\nend\n");
	viso_command_unref(streams);
}

/* What nobody reads is lost after a while, and the guest goes on. */
static void test_a_console_that_nobody_reads_stops_no_guest(void **state)
{
	struct kernel_fixture *fixture = *state;
	viso_command *streams = viso_command_new("computer");
	int ends[2];
	set_program(fixture);
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	char full[4096] = {0};
	while (write(ends[1], full, sizeof(full)) > 0)
		;
	assert_ok(viso_guest_set_console(fixture->guest, VISO_CONSOLE_VIRTIO));
	assert_ok(viso_command_set_input(streams, "FLOOD", 5));
	assert_ok(viso_command_set_stdio_fd(streams, VISO_STDOUT, ends[1]));
	viso_result *result = kernel_wait(kernel_boot(fixture, streams));
	assert_int_equal(viso_result_reason(result), VISO_REASON_EXITED);
	viso_result_unref(result);
	viso_command_unref(streams);
	close(ends[0]);
	close(ends[1]);
}

static void test_frames_go_both_ways(void **state)
{
	struct kernel_fixture *fixture = *state;
	char frame[60], got[128];
	int host, guest = socket_pair(SOCK_SEQPACKET, &host);
	set_program(fixture);
	assert_ok(viso_guest_add_network(fixture->guest, guest, "02:00:00:00:00:01"));
	close(guest);
	memset(frame, 'h', sizeof(frame));
	assert_int_equal(send(host, frame, sizeof(frame), 0), sizeof(frame));
	assert_switched_off(kernel_run(fixture), "rng 00000020 random interrupt\nnet sent 00000048 h\nend\n");
	assert_int_equal(recv(host, got, sizeof(got), MSG_DONTWAIT), 60);
	assert_int_equal(got[0], 'n');
	close(host);
}

/* Waits for the device, which is the one thing that the guest does: the pause comes amid it. */
static void test_a_pause_loses_nothing(void **state)
{
	struct kernel_fixture *fixture = *state;
	int host, guest = socket_pair(SOCK_STREAM, &host);
	set_program(fixture);
	assert_ok(viso_guest_add_port(fixture->guest, "org.example.0", guest));
	close(guest);
	viso_sandbox *sandbox = viso_guest_sandbox(fixture->guest);
	viso_process *process = kernel_boot(fixture, NULL);
	assert_ok(viso_sandbox_pause(sandbox));
	assert_int_equal(write(host, "HELLO", 5), 5);
	assert_ok(viso_sandbox_resume(sandbox));
	assert_switched_off(kernel_wait(process),
			    "rng 00000020 random interrupt\nport org.example.0 00000005 echoed\nend\n");
	close(host);
}

static void test_a_second_boot_has_the_same_devices(void **state)
{
	struct kernel_fixture *fixture = *state;
	char *disk = make_disk(fixture);
	const int fds = support_count_fds();
	set_program(fixture);
	assert_ok(viso_guest_add_disk(fixture->guest, disk, VISO_DISK_DISCARD_WRITES));
	for (int i = 0; i < 2; i++)
		assert_switched_off(kernel_run(fixture),
				    "rng 00000020 random interrupt\n"
				    "block 00000040 read 00000000 01010101 write 00000000 flush 00000000\nend\n");
	assert_int_equal(support_count_fds(), fds);
	free(disk);
}

static void test_a_guest_that_is_killed_leaves_nothing(void **state)
{
	struct kernel_fixture *fixture = *state;
	char *disk = make_disk(fixture);
	int host, guest = socket_pair(SOCK_STREAM, &host);
	set_program(fixture);
	assert_ok(viso_guest_add_disk(fixture->guest, disk, 0));
	assert_ok(viso_guest_add_port(fixture->guest, "org.example.0", guest));
	close(guest);
	const int fds = support_count_fds();
	viso_process *process = kernel_boot(fixture, NULL);
	assert_ok(viso_process_kill(process));
	assert_ended(kernel_wait(process), VISO_REASON_KILLED);
	assert_int_equal(support_count_fds(), fds);
	close(host);
	free(disk);
}

static struct sockaddr_un unix_address(const struct kernel_fixture *fixture, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", fixture->directory, name);
	return address;
}

static void test_the_socket_of_vsock_is_there_as_long_as_the_computer(void **state)
{
	struct kernel_fixture *fixture = *state;
	const struct sockaddr_un address = unix_address(fixture, "v");
	set_program(fixture);
	/* One of a host program that was killed. */
	int stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(stale, (const struct sockaddr *)&address, sizeof(address)), 0);
	close(stale);
	assert_ok(viso_guest_set_vsock(fixture->guest, 3, address.sun_path));
	assert_switched_off(kernel_run(fixture), "rng 00000020 random interrupt\n?\nend\n");
	assert_int_equal(access(address.sun_path, F_OK), -1);
	/* And one that is somebody's. */
	int live = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	viso_process *process = NULL;
	assert_int_equal(bind(live, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(live, 1), 0);
	assert_fails(viso_guest_boot(fixture->guest, NULL, &process), EADDRINUSE, VISO_STAGE_GUEST, address.sun_path);
	assert_int_equal(access(address.sun_path, F_OK), 0);
	close(live);
}

static void test_a_boot_that_fails_leaves_no_socket(void **state)
{
	struct kernel_fixture *fixture = *state;
	const struct sockaddr_un address = unix_address(fixture, "v");
	viso_process *process = NULL;
	need_kvm();
	char *image = kernel_write(fixture, "gone", "", 1);
	assert_ok(viso_guest_set_flat_image(fixture->guest, image, CODE));
	assert_ok(viso_guest_set_vsock(fixture->guest, 3, address.sun_path));
	assert_int_equal(unlink(image), 0);
	assert_fails(viso_guest_boot(fixture->guest, NULL, &process), ENOENT, VISO_STAGE_GUEST, "gone");
	assert_int_equal(access(address.sun_path, F_OK), -1);
	free(image);
}

static void test_the_balloon_is_of_a_computer_that_runs(void **state)
{
	struct kernel_fixture *fixture = *state;
	uint64_t value = 7;
	assert_fails(viso_guest_set_balloon(fixture->guest, 4096), ESRCH, VISO_STAGE_GUEST, "");
	set_program(fixture);
	/* It waits at its port. */
	int host, guest = socket_pair(SOCK_STREAM, &host);
	assert_ok(viso_guest_add_port(fixture->guest, "a", guest));
	close(guest);
	viso_process *process = kernel_boot(fixture, NULL);
	assert_ok(viso_guest_set_balloon(fixture->guest, 1 << 20));
	assert_ok(viso_guest_set_balloon(fixture->guest, 4095)); /* rounded down */
	assert_fails(viso_guest_set_balloon(fixture->guest, 1ull << 40), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_ok(viso_guest_memory_figure(fixture->guest, VISO_MEMORY_BALLOON, &value));
	assert_int_equal(value, 0);
	assert_int_equal(viso_guest_traffic(fixture->guest, VISO_DEVICE_PORTS, 0, VISO_TRAFFIC_BYTES_TO_GUEST), 0);
	assert_fails(viso_guest_memory_figure(fixture->guest, VISO_MEMORY_FREE, &value), ENODATA, VISO_STAGE_GUEST, "");
	assert_ok(viso_process_kill(process));
	assert_ended(kernel_wait(process), VISO_REASON_KILLED);
	assert_fails(viso_guest_memory_figure(fixture->guest, VISO_MEMORY_BALLOON, &value), ESRCH, VISO_STAGE_GUEST,
		     "");
	close(host);
}

static void test_bad_disks_are_refused(void **state)
{
	struct kernel_fixture *fixture = *state;
	viso_guest *guest = fixture->guest;
	char *disk = make_disk(fixture);
	assert_fails(viso_guest_add_disk(guest, "/nonexistent", 0), ENOENT, VISO_STAGE_ARGUMENT, "/nonexistent");
	assert_fails(viso_guest_add_disk(guest, fixture->directory, 0), EISDIR, VISO_STAGE_ARGUMENT,
		     fixture->directory);
	assert_fails(viso_guest_add_disk(guest, "", 0), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_guest_add_disk(guest, NULL, 0), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_guest_add_disk(guest, disk, 8), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_guest_add_disk(NULL, disk, 0), EINVAL, VISO_STAGE_ARGUMENT, "");
	for (int i = 0; i < 8; i++)
		assert_ok(viso_guest_add_disk(guest, disk, VISO_DISK_READ_ONLY));
	assert_fails(viso_guest_add_disk(guest, disk, 0), ENOSPC, VISO_STAGE_ARGUMENT, "");
	free(disk);
}

static void test_a_disk_of_another_guest_is_busy(void **state)
{
	struct kernel_fixture *fixture = *state;
	char *disk = make_disk(fixture);
	viso_process *process = NULL;
	set_program(fixture);
	assert_ok(viso_guest_add_disk(fixture->guest, disk, 0));
	assert_ok(viso_guest_add_disk(fixture->guest, disk, VISO_DISK_READ_ONLY));
	assert_fails(viso_guest_boot(fixture->guest, NULL, &process), EBUSY, VISO_STAGE_GUEST, "disk");
	assert_null(process);
	free(disk);
}

static void test_bad_ports_are_refused(void **state)
{
	struct kernel_fixture *fixture = *state;
	viso_guest *guest = fixture->guest;
	int other, fd = socket_pair(SOCK_STREAM, &other), datagrams, end = socket_pair(SOCK_DGRAM, &datagrams);
	assert_fails(viso_guest_add_port(guest, NULL, fd), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_guest_add_port(guest, "", fd), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_guest_add_port(guest, "two words", fd), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_guest_add_port(guest, "a/b", fd), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_guest_add_port(guest, "a", -1), EBADF, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_guest_add_port(guest, "a", end), ENOTSOCK, VISO_STAGE_ARGUMENT, "");
	assert_ok(viso_guest_add_port(guest, "a", fd));
	assert_fails(viso_guest_add_port(guest, "a", fd), EEXIST, VISO_STAGE_ARGUMENT, "a");
	for (char name[] = "b"; name[0] < 'g'; name[0]++)
		assert_ok(viso_guest_add_port(guest, name, fd));
	assert_fails(viso_guest_add_port(guest, "g", fd), ENOSPC, VISO_STAGE_ARGUMENT, "");
	close(fd);
	close(other);
	close(end);
	close(datagrams);
}

static void test_bad_networks_are_refused(void **state)
{
	struct kernel_fixture *fixture = *state;
	viso_guest *guest = fixture->guest;
	static const char *const bad[] = {"",
					  "02:00:00:00:00",
					  "02:00:00:00:00:0g",
					  "01:00:00:00:00:01",
					  "02-00-00-00-00-01",
					  "02:00:00:00:00:011",
					  " 2:00:00:00:00:01"};
	int other, fd = socket_pair(SOCK_STREAM, &other), ends[2];
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_fails(viso_guest_add_network(guest, fd, bad[i]), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_guest_add_network(guest, -1, NULL), EBADF, VISO_STAGE_ARGUMENT, "");
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_fails(viso_guest_add_network(guest, ends[0], NULL), EINVAL, VISO_STAGE_ARGUMENT, "");
	for (int i = 0; i < 4; i++)
		assert_ok(viso_guest_add_network(guest, fd, i ? NULL : "02:AB:cd:00:00:01"));
	assert_fails(viso_guest_add_network(guest, fd, NULL), ENOSPC, VISO_STAGE_ARGUMENT, "");
	close(ends[0]);
	close(ends[1]);
	close(fd);
	close(other);
}

static void test_bad_shares_are_refused(void **state)
{
	struct kernel_fixture *fixture = *state;
	viso_guest *guest = fixture->guest;
	char *disk = make_disk(fixture);
	assert_fails(viso_guest_share_directory(guest, "/nonexistent", "a"), ENOENT, VISO_STAGE_ARGUMENT,
		     "/nonexistent");
	assert_fails(viso_guest_share_directory(guest, disk, "a"), ENOTDIR, VISO_STAGE_ARGUMENT, "disk");
	assert_ok(viso_guest_share_directory(guest, fixture->directory, "a"));
	assert_fails(viso_guest_share_directory(guest, fixture->directory, "a"), EEXIST, VISO_STAGE_ARGUMENT, "a");
	assert_ok(viso_guest_share_directory(guest, fixture->directory, "b"));
	assert_fails(viso_guest_share_directory(guest, fixture->directory, "c"), ENOSPC, VISO_STAGE_ARGUMENT, "");
	free(disk);
}

/* All that can be asked for has a place in the computer. */
static void test_every_device_has_a_place(void **state)
{
	struct kernel_fixture *fixture = *state;
	viso_guest *guest = fixture->guest;
	char *disk = make_disk(fixture);
	int other, fd = socket_pair(SOCK_STREAM, &other);
	need_kvm();
	set_code(fixture, POWER_OFF, HALT);
	for (int i = 0; i < 8; i++)
		assert_ok(viso_guest_add_disk(guest, disk, VISO_DISK_READ_ONLY));
	for (char name[] = "a"; name[0] < 'g'; name[0]++)
		assert_ok(viso_guest_add_port(guest, name, fd));
	for (int i = 0; i < 4; i++)
		assert_ok(viso_guest_add_network(guest, fd, NULL));
	for (char tag[] = "a"; tag[0] < 'c'; tag[0]++)
		assert_ok(viso_guest_share_directory(guest, fixture->directory, tag));
	assert_ok(viso_guest_set_vsock(guest, 3, unix_address(fixture, "v").sun_path));
	const int fds = support_count_fds();
	assert_switched_off(kernel_run(fixture), "");
	assert_int_equal(support_count_fds(), fds);
	close(fd);
	close(other);
	free(disk);
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_source_of_random_bytes_is_there, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(test_a_disk_is_read_and_written, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(test_disks_keep_what_they_are_told_to, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(test_a_rate_holds, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(test_a_port_carries_both_ways, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(test_a_console_carries_both_ways, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(test_a_console_that_nobody_reads_stops_no_guest, kernel_setup,
						kernel_teardown),
		cmocka_unit_test_setup_teardown(test_frames_go_both_ways, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(test_a_pause_loses_nothing, kernel_setup, kernel_teardown),
		/* Of the host program's own fds, of what is not contained, and of settings. */
		cmocka_unit_test_setup_teardown(test_a_second_boot_has_the_same_devices, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(test_a_guest_that_is_killed_leaves_nothing, kernel_setup,
						kernel_teardown),
		cmocka_unit_test_setup_teardown(test_the_socket_of_vsock_is_there_as_long_as_the_computer, kernel_setup,
						kernel_teardown),
		cmocka_unit_test_setup_teardown(test_a_boot_that_fails_leaves_no_socket, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(test_the_balloon_is_of_a_computer_that_runs, kernel_setup,
						kernel_teardown),
		cmocka_unit_test_setup_teardown(test_bad_disks_are_refused, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(test_a_disk_of_another_guest_is_busy, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(test_bad_ports_are_refused, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(test_bad_networks_are_refused, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(test_bad_shares_are_refused, kernel_setup, kernel_teardown),
		cmocka_unit_test_setup_teardown(test_every_device_has_a_place, kernel_setup, kernel_teardown),
	};
	enum { COUNT = sizeof(tests) / sizeof(tests[0]), CONTAINED_COUNT = 9 };
	is_contained = argc == 2 && strcmp(argv[1], "contained") == 0;
	return _cmocka_run_group_tests("devices", tests, is_contained ? CONTAINED_COUNT : COUNT, NULL, NULL);
}
