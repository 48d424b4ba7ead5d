/* SPDX-License-Identifier: MIT */
/* What the devices of a computer must refuse at once, beside NULL handles. */
#include "bad_calls.h"

#include <string.h>

static viso_guest *guest;

static int set_up(void **state)
{
	guest = viso_guest_new(); /* NULL where the library was built without guests: then all is refused for that */
	return bad_calls_set_up(state);
}

static int tear_down(void **state)
{
	guest = viso_guest_unref(guest);
	return bad_calls_failures;
}

static void test_devices(void **state)
{
	char path[99];
	uint64_t value;
	memset(path, '/', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	REFUSED(viso_guest_add_disk(NULL, "/etc/passwd", 0));
	REFUSED(viso_guest_add_disk(guest, NULL, 0));
	REFUSED(viso_guest_add_disk(guest, "", 0));
	REFUSED(viso_guest_add_disk(guest, "/etc/passwd", 8));
	REFUSED(viso_guest_add_port(NULL, "a", 0));
	REFUSED(viso_guest_add_port(guest, NULL, 0));
	REFUSED(viso_guest_add_port(guest, "", 0));
	REFUSED(viso_guest_add_port(guest, "a b", 0));
	REFUSED(viso_guest_add_port(guest, "a/b", 0));
	REFUSED(viso_guest_add_network(NULL, 0, NULL));
	REFUSED(viso_guest_add_network(guest, 0, ""));
	REFUSED(viso_guest_add_network(guest, 0, "01:00:00:00:00:01"));
	REFUSED(viso_guest_set_vsock(NULL, 3, "/tmp/v"));
	REFUSED(viso_guest_set_vsock(guest, 2, "/tmp/v"));
	REFUSED(viso_guest_set_vsock(guest, UINT32_MAX, "/tmp/v"));
	REFUSED(viso_guest_set_vsock(guest, 3, NULL));
	REFUSED(viso_guest_set_vsock(guest, 3, "v"));
	REFUSED(viso_guest_set_vsock(guest, 3, path));
	REFUSED(viso_guest_share_directory(NULL, "/etc", "a"));
	REFUSED(viso_guest_share_directory(guest, NULL, "a"));
	REFUSED(viso_guest_share_directory(guest, "", "a"));
	REFUSED(viso_guest_share_directory(guest, "/etc", NULL));
	REFUSED(viso_guest_share_directory(guest, "/etc", ""));
	REFUSED(viso_guest_share_directory(guest, "/etc", "a b"));
	REFUSED(viso_guest_share_directory(guest, "/etc", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
	REFUSED(viso_guest_share_writable(NULL, "/etc", "a", 0));
	REFUSED(viso_guest_share_writable(guest, NULL, "a", 0));
	REFUSED(viso_guest_share_writable(guest, "/etc", NULL, 0));
	REFUSED(viso_guest_share_writable(guest, "/etc", "a", 2));
	REFUSED(viso_guest_set_disk_rate(NULL, 0, VISO_RATE_BYTES, 1, 0));
	REFUSED(viso_guest_set_disk_rate(guest, 0, (viso_rate)2, 1, 0));
	REFUSED(viso_guest_set_network_rate(NULL, 0, VISO_RATE_BYTES, 1, 0));
	REFUSED(viso_guest_set_network_rate(guest, 0, VISO_RATE_BYTES, 0, 1));
	REFUSED(viso_guest_set_balloon(NULL, 0));
	REFUSED(viso_guest_memory_figure(NULL, VISO_MEMORY_FREE, &value));
	REFUSED(viso_guest_memory_figure(guest, VISO_MEMORY_FREE, NULL));
	REFUSED(viso_guest_memory_figure(guest, (viso_memory_figure)9, &value));
	REFUSED(viso_guest_traffic(NULL, VISO_DEVICE_DISK, 0, VISO_TRAFFIC_BYTES_TO_GUEST));
	REFUSED(viso_guest_traffic(guest, (viso_device)6, 0, VISO_TRAFFIC_BYTES_TO_GUEST));
	REFUSED(viso_guest_traffic(guest, VISO_DEVICE_DISK, 0, (viso_traffic)4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_devices, set_up, tear_down),
	};
	return cmocka_run_group_tests_name("bad devices", tests, NULL, NULL);
}
