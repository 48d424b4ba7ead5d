/* SPDX-License-Identifier: MIT */
/* The devices of a computer; what untouched means is in untouched.h. */
#include "untouched.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Switches off: out of 0x34 to port 0x600. */
static const unsigned char code[] = {0xba, 0x00, 0x06, 0xb0, 0x34, 0xee, 0xf4};

static void write_file(const char *path, const void *data, size_t size)
{
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static void test_devices(void **state)
{
	skip_without(access("/dev/kvm", R_OK | W_OK) == 0, "/dev/kvm");
	char *directory = support_temporary_directory();
	char image[200], disk[200], vsock[200];
	snprintf(image, sizeof(image), "%s/image", directory);
	snprintf(disk, sizeof(disk), "%s/disk", directory);
	snprintf(vsock, sizeof(vsock), "%s/v", directory);
	write_file(image, code, sizeof(code));
	write_file(disk, (char[4096]){0}, 4096);
	untouched_begin();
	viso_guest *guest = viso_guest_new();
	viso_process *process = NULL;
	viso_result *result = NULL;
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_ok(viso_guest_set_flat_image(guest, image, 0x8000));
	UNTOUCHED(viso_guest_add_disk(guest, disk, 0), == 0);
	UNTOUCHED(viso_guest_add_disk(guest, "/nowhere", 0), == -ENOENT);
	UNTOUCHED(viso_guest_add_port(guest, "org.example.0", ends[0]), == 0);
	UNTOUCHED(viso_guest_add_port(guest, "org.example.1", -1), == -EBADF);
	UNTOUCHED(viso_guest_add_network(guest, ends[1], NULL), == 0);
	UNTOUCHED(viso_guest_set_vsock(guest, 3, vsock), == 0);
	UNTOUCHED(viso_guest_share_directory(guest, directory, "share"), == 0);
	UNTOUCHED(viso_guest_share_directory(guest, disk, "disk"), == -ENOTDIR);
	UNTOUCHED(viso_guest_share_writable(guest, directory, "written", 0), == 0);
	UNTOUCHED(viso_guest_share_writable(guest, directory, "full", 0), == -ENOSPC);
	UNTOUCHED(viso_guest_set_disk_rate(guest, 0, VISO_RATE_BYTES, 1 << 20, 0), == 0);
	UNTOUCHED(viso_guest_set_disk_rate(guest, 1, VISO_RATE_BYTES, 1 << 20, 0), == -ENOENT);
	UNTOUCHED(viso_guest_set_network_rate(guest, 0, VISO_RATE_OPERATIONS, 100, 10), == 0);
	uint64_t value;
	UNTOUCHED(viso_guest_set_balloon(guest, 4096), == -ESRCH);
	UNTOUCHED(viso_guest_memory_figure(guest, VISO_MEMORY_FREE, &value), == -ESRCH);
	UNTOUCHED(viso_guest_traffic(guest, VISO_DEVICE_DISK, 0, VISO_TRAFFIC_BYTES_TO_GUEST), == -ESRCH);
	UNTOUCHED(viso_guest_boot(guest, NULL, &process), == 0);
	UNTOUCHED(viso_process_wait(process, 20000, &result), == 0);
	viso_result_unref(result);
	viso_process_unref(process);
	viso_guest_unref(guest);
	close(ends[0]);
	close(ends[1]);
	untouched_end();
	assert_int_equal(access(vsock, F_OK), -1);
	support_remove_tree(directory);
	free(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_devices),
	};
	return cmocka_run_group_tests(tests, untouched_peculiar_host, NULL);
}
