/* SPDX-License-Identifier: MIT */
/* What the settings and calls of a guest that boots must refuse at once: by subject, as the headers have them. */
#include "bad_calls.h"

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

static void test_boot(void **state)
{
	viso_process *process = NULL;
	REFUSED(viso_guest_set_kernel(NULL, "/bin/sh"));
	REFUSED(viso_guest_set_kernel(guest, NULL));
	REFUSED(viso_guest_set_kernel(guest, ""));
	REFUSED(viso_guest_set_flat_image(NULL, "/bin/sh", 0x8000));
	REFUSED(viso_guest_set_flat_image(guest, NULL, 0x8000));
	REFUSED(viso_guest_set_flat_image(guest, "/bin/sh", 0x4ff));
	REFUSED(viso_guest_set_flat_image(guest, "/bin/sh", 0xa0000));
	REFUSED(viso_guest_set_initramfs(NULL, "/bin/sh"));
	REFUSED(viso_guest_set_initramfs(guest, NULL));
	REFUSED(viso_guest_set_firmware(NULL, "/bin/sh"));
	REFUSED(viso_guest_set_firmware(guest, NULL));
	REFUSED(viso_guest_set_command_line(NULL, "quiet"));
	REFUSED(viso_guest_set_command_line(guest, NULL));
	REFUSED(viso_guest_set_processors(NULL, 1));
	REFUSED(viso_guest_set_processors(guest, 0));
	REFUSED(viso_guest_set_processors(guest, 65));
	REFUSED(viso_guest_set_platform(NULL, VISO_PLATFORM_PC));
	REFUSED(viso_guest_set_platform(guest, (viso_platform)-1));
	REFUSED(viso_guest_set_platform(guest, (viso_platform)2));
	REFUSED(viso_guest_set_agent(NULL, VISO_AGENT_VISO));
	REFUSED(viso_guest_set_agent(guest, (viso_agent)-1));
	REFUSED(viso_guest_set_agent(guest, (viso_agent)2));
	REFUSED(viso_guest_set_root_medium(NULL, VISO_ROOT_MEDIUM_DISK));
	REFUSED(viso_guest_set_root_medium(guest, (viso_root_medium)-1));
	REFUSED(viso_guest_set_root_medium(guest, (viso_root_medium)4));
	REFUSED(viso_guest_set_console(NULL, VISO_CONSOLE_VIRTIO));
	REFUSED(viso_guest_set_console(guest, (viso_console)2));
	REFUSED(viso_guest_boot(NULL, NULL, &process));
	REFUSED(viso_guest_boot(guest, NULL, NULL));
	REFUSED(viso_guest_boot(guest, NULL, &process)); /* without a kernel */
}

static void test_agent(void **state)
{
	REFUSED(viso_guest_shut_down(NULL, VISO_SHUTDOWN_POWER_OFF, 1000));
	REFUSED(viso_guest_shut_down(guest, VISO_SHUTDOWN_POWER_OFF, 0));
	REFUSED(viso_guest_shut_down(guest, (viso_shutdown)0, 1000));
	REFUSED(viso_guest_shut_down(guest, (viso_shutdown)3, 1000));
	REFUSED(viso_guest_set_clock(NULL, 1000));
	REFUSED(viso_guest_set_clock(guest, -1));
	REFUSED(viso_guest_statistic(NULL, VISO_STATISTIC_LOAD_1, 1000));
	REFUSED(viso_guest_statistic(guest, (viso_statistic)-1, 1000));
	REFUSED(viso_guest_statistic(guest, (viso_statistic)12, 1000));
	REFUSED(viso_guest_statistic(guest, VISO_STATISTIC_LOAD_1, 0));
}

#define SWITCHED_OFF(call) assert_fails((int)(call), ESRCH, VISO_STAGE_GUEST, "")

/* Whatever needs a computer that runs says so alike: of a guest that has none, and of one that was not switched on. */
static void test_switched_off(void **state)
{
	viso_snapshot *snapshot = NULL;
	uint64_t figure;
	skip_without(guest, "a library with guests");
	for (int with_kernel = 0; with_kernel < 2; with_kernel++) {
		if (with_kernel)
			assert_ok(viso_guest_set_kernel(guest, "/bin/sh"));
		SWITCHED_OFF(viso_guest_shut_down(guest, VISO_SHUTDOWN_POWER_OFF, 1000));
		SWITCHED_OFF(viso_guest_set_clock(guest, 1000));
		SWITCHED_OFF(viso_guest_statistic(guest, VISO_STATISTIC_LOAD_1, 1000));
		SWITCHED_OFF(viso_guest_set_balloon(guest, 4096));
		SWITCHED_OFF(viso_guest_memory_figure(guest, VISO_MEMORY_FREE, &figure));
		SWITCHED_OFF(viso_guest_traffic(guest, VISO_DEVICE_SERIAL, 0, VISO_TRAFFIC_BYTES_TO_GUEST));
		SWITCHED_OFF(viso_guest_screen(guest, NULL, 0));
		SWITCHED_OFF(viso_guest_type(guest, "text"));
		SWITCHED_OFF(viso_guest_press_power_button(guest));
		SWITCHED_OFF(viso_guest_press_reset_button(guest));
	}
	SWITCHED_OFF(viso_guest_snapshot(guest, &snapshot));
	SWITCHED_OFF(viso_guest_call(guest, "add", NULL, 0, 1000, NULL));
	SWITCHED_OFF(viso_guest_request(guest, "x", 1, NULL, 0, 1000));
}

static void test_pc(void **state)
{
	char text[16];
	REFUSED(viso_guest_screen(NULL, text, sizeof(text)));
	REFUSED(viso_guest_screen(guest, NULL, 1));
	REFUSED(viso_guest_type(NULL, "text"));
	REFUSED(viso_guest_type(guest, NULL));
	REFUSED(viso_guest_press_power_button(NULL));
	REFUSED(viso_guest_press_reset_button(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_boot, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_agent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_switched_off, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_pc, set_up, tear_down),
	};
	return cmocka_run_group_tests_name("bad kernels", tests, NULL, NULL);
}
