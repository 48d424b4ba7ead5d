/* SPDX-License-Identifier: MIT */
/* The calls that are about guests that boot an operating system; what untouched means is in untouched.h. */
#include "untouched.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In real mode: a letter to the serial port, then off; or for ever. */
static const unsigned char switches_off[] = {0xba, 0xf8, 0x03, 0xb0, 'x',  0xee, 0xba,
					     0x00, 0x06, 0xb0, 0x34, 0xee, 0xf4};
static const unsigned char for_ever[] = {0xeb, 0xfe};

static char *write_image(const char *directory, const char *name, const unsigned char *code, size_t size)
{
	char *path;
	assert_true(asprintf(&path, "%s/%s", directory, name) > 0);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(code, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
	return path;
}

static void set_all(viso_guest *guest, const char *image)
{
	UNTOUCHED(viso_guest_set_kernel(guest, image), == 0);
	UNTOUCHED(viso_guest_set_kernel(guest, "/nowhere"), == -ENOENT);
	UNTOUCHED(viso_guest_set_initramfs(guest, image), == 0);
	UNTOUCHED(viso_guest_set_command_line(guest, "quiet"), == 0);
	UNTOUCHED(viso_guest_set_processors(guest, 2), == 0);
	UNTOUCHED(viso_guest_set_platform(guest, VISO_PLATFORM_MICROVM), == 0);
	UNTOUCHED(viso_guest_set_agent(guest, VISO_AGENT_VISO), == 0);
	UNTOUCHED(viso_guest_set_root_medium(guest, VISO_ROOT_MEDIUM_DISK), == 0);
	UNTOUCHED(viso_guest_set_console(guest, VISO_CONSOLE_VIRTIO), == 0);
	UNTOUCHED(viso_guest_set_flat_image(guest, image, 0x8000), == 0);
}

static void test_boot(void **state)
{
	skip_without(access("/dev/kvm", R_OK | W_OK) == 0, "/dev/kvm");
	char *directory = support_temporary_directory();
	char *off = write_image(directory, "off", switches_off, sizeof(switches_off));
	char *ever = write_image(directory, "ever", for_ever, sizeof(for_ever));
	untouched_begin();
	viso_guest *guest = viso_guest_new(), *other = viso_guest_new();
	viso_process *process = NULL;
	viso_result *result = NULL;
	set_all(guest, off);
	UNTOUCHED(viso_guest_boot(guest, NULL, &process), == 0);
	UNTOUCHED(viso_process_wait(process, -1, &result), == 0);
	assert_string_equal(viso_result_output(result, VISO_STDOUT, NULL), "x");
	viso_result_unref(result);
	viso_process_unref(process);
	set_all(other, ever);
	UNTOUCHED(viso_guest_set_firmware(other, ever), == 0);
	UNTOUCHED(viso_guest_boot(other, NULL, &process), == -EOPNOTSUPP);
	viso_guest_unref(other);
	other = viso_guest_new();
	UNTOUCHED(viso_guest_set_flat_image(other, ever, 0x8000), == 0);
	UNTOUCHED(viso_guest_boot(other, NULL, &process), == 0);
	/* Nobody answers in it. */
	UNTOUCHED(viso_sandbox_start(viso_guest_sandbox(other)), == -EOPNOTSUPP);
	UNTOUCHED(viso_guest_set_clock(other, 100), == -EOPNOTSUPP);
	UNTOUCHED(viso_guest_statistic(other, VISO_STATISTIC_LOAD_1, 100), == -EOPNOTSUPP);
	UNTOUCHED(viso_guest_shut_down(other, VISO_SHUTDOWN_REBOOT, 100), == -EOPNOTSUPP);
	UNTOUCHED(viso_sandbox_pause(viso_guest_sandbox(other)), == 1);
	UNTOUCHED(viso_sandbox_resume(viso_guest_sandbox(other)), == 1);
	UNTOUCHED(viso_process_kill(process), == 0);
	UNTOUCHED(viso_process_wait(process, -1, NULL), == 0);
	viso_process_unref(process);
	viso_guest_unref(other);
	viso_guest_unref(guest);
	untouched_end();
	support_remove_tree(directory);
	free(directory);
	free(off);
	free(ever);
}

static void test_pc(void **state)
{
	char text[16];
	skip_without(access("/dev/kvm", R_OK | W_OK) == 0, "/dev/kvm");
	char *directory = support_temporary_directory();
	char *ever = write_image(directory, "ever", for_ever, sizeof(for_ever));
	untouched_begin();
	viso_guest *guest = viso_guest_new();
	viso_process *process = NULL;
	UNTOUCHED(viso_guest_set_platform(guest, VISO_PLATFORM_PC), == 0);
	UNTOUCHED(viso_guest_set_flat_image(guest, ever, 0x8000), == 0);
	UNTOUCHED(viso_guest_screen(guest, text, sizeof(text)), == -ESRCH);
	UNTOUCHED(viso_guest_boot(guest, NULL, &process), == 0);
	UNTOUCHED(viso_guest_screen(guest, text, sizeof(text)), == 0);
	UNTOUCHED(viso_guest_type(guest, "text\n"), == 0);
	UNTOUCHED(viso_guest_press_power_button(guest), == 0);
	UNTOUCHED(viso_guest_press_reset_button(guest), == 0);
	UNTOUCHED(viso_process_kill(process), == 0);
	UNTOUCHED(viso_process_wait(process, -1, NULL), == 0);
	viso_process_unref(process);
	viso_guest_unref(guest);
	untouched_end();
	support_remove_tree(directory);
	free(directory);
	free(ever);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_boot),
		cmocka_unit_test(test_pc),
	};
	return cmocka_run_group_tests_name("kernels untouched", tests, untouched_peculiar_host, NULL);
}
