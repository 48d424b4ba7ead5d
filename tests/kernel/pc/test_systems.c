/* SPDX-License-Identifier: MIT */
/* Systems that know nothing of us, on a PC: GRUB, memtest86+, and Debian's kernel. They need a KVM that runs ring 0. */
#include "pc_support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "initramfs.h"

enum { SECTOR = 512, DISK = 1 << 20 };

static void prepare(struct kernel_fixture *fixture)
{
	need_kernels();
	pc_prepare(fixture);
	assert_ok(viso_guest_set_memory_max(fixture->guest, 256 << 20));
}

/* A BIOS keeps sixteen keys, and on a machine with other work its system takes longer to ask for them than they take to
 * be typed. */
static void type_at_prompt(struct kernel_fixture *fixture, viso_process *process, const char *text)
{
	enum { PIECE = 8 };
	char shown[80] = "grub> ", piece[PIECE + 1] = "";
	for (; *text; text += strlen(piece)) {
		snprintf(piece, sizeof(piece), "%.*s", PIECE, text);
		assert_ok(viso_guest_type(fixture->guest, piece));
		strcat(shown, piece);
		pc_await_screen(fixture, process, shown);
	}
	assert_ok(viso_guest_type(fixture->guest, "\n"));
}

static void test_grub(void **state)
{
	static const char disk[] = "/usr/lib/grub-rescue/grub-rescue-floppy.img";
	struct kernel_fixture *fixture = *state;
	prepare(fixture);
	pc_need_firmware();
	skip_without(access(disk, R_OK) == 0, "the package grub-rescue-pc");
	assert_ok(viso_guest_add_disk(fixture->guest, disk, VISO_DISK_DISCARD_WRITES));
	viso_process *process = pc_boot_patiently(fixture);
	pc_await_screen(fixture, process, "*GNU/Linux");
	assert_ok(viso_guest_type(fixture->guest, "c"));
	pc_await_screen(fixture, process, "grub>");
	type_at_prompt(fixture, process, "echo \"on (${root})\"");
	pc_await_screen(fixture, process, "\non (hd0");
	type_at_prompt(fixture, process, "halt");
	assert_switched_off(kernel_wait(process), "");
}

/* Of Debian's ISO, which boots the BIOS way of today: El Torito without emulation, and the rest by the BIOS. */
static void test_grub_of_a_cd(void **state)
{
	static const char cd[] = "/usr/lib/grub-rescue/grub-rescue-cdrom.iso";
	struct kernel_fixture *fixture = *state;
	prepare(fixture);
	pc_need_firmware();
	skip_without(access(cd, R_OK) == 0, "the package grub-rescue-pc");
	assert_ok(viso_guest_add_disk(fixture->guest, cd, VISO_DISK_CDROM));
	viso_process *process = pc_boot_patiently(fixture);
	pc_await_screen(fixture, process, "*GNU/Linux");
	assert_ok(viso_guest_type(fixture->guest, "c"));
	pc_await_screen(fixture, process, "grub>");
	assert_ok(viso_guest_press_reset_button(fixture->guest));
	viso_result *result = kernel_wait(process);
	assert_int_equal(viso_result_reason(result), VISO_REASON_EXITED);
	viso_result_unref(result);
}

static void test_memtest(void **state)
{
	static const char program[] = "/boot/memtest86+x64.bin";
	struct kernel_fixture *fixture = *state;
	prepare(fixture);
	skip_without(access(program, R_OK) == 0, "the package memtest86+");
	assert_ok(viso_guest_set_memory_max(fixture->guest, 16 << 20));
	assert_ok(viso_guest_set_kernel(fixture->guest, program));
	viso_process *process = kernel_boot(fixture, NULL);
	pc_await_screen(fixture, process, "Memtest86+");
	pc_await_screen(fixture, process, "<F1>");
	assert_ok(viso_guest_type(fixture->guest, "\n"));
	pc_await_screen(fixture, process, "Status: Testing");
	/* Its menu, from which it reboots. */
	assert_ok(viso_guest_type(fixture->guest, "\033"));
	viso_result *result = kernel_wait(process);
	assert_int_equal(viso_result_reason(result), VISO_REASON_EXITED);
	assert_int_equal(viso_result_exit_code(result), 1);
	viso_result_unref(result);
}

static const char script[] =
	"for module in scsi_common scsi_mod libata ata_piix sd_mod cdrom sr_mod button evdev; do insmod "
	"/modules/$module.ko; done\n"
	"until test -b /dev/sda -a -b /dev/sr0; do sleep 0.1; done\n"
	"head -c 5 /dev/sda; echo\n"
	"echo cd: $(cat /sys/block/sr0/size) $(md5sum < /dev/sr0)\n"
	"echo written | dd of=/dev/sda bs=512 seek=1 conv=fsync 2>/dev/null\n"
	"echo; echo hypervisors: $(grep -c hypervisor /proc/cpuinfo), $(cat /sys/hypervisor/type 2>/dev/null)\n"
	"echo clock: $(cat /sys/class/rtc/rtc0/name)\n"
	"event=$(sed -n '/Power Button/,/^$/s/.*\\(event[0-9]*\\).*/\\1/p' /proc/bus/input/devices)\n"
	/* Events are for those who have opened the device before. */
	"exec 3</dev/input/$event; echo; echo press the button\n"
	"head -c 1 <&3 >/dev/null && poweroff -f\n";

static char *make_disk(const struct kernel_fixture *fixture)
{
	static char bytes[DISK] = "first";
	return kernel_write(fixture, "disk", bytes, sizeof(bytes));
}

/* An odd number of pages, each with its number in it. */
static char *make_cd(const struct kernel_fixture *fixture)
{
	enum { SECTORS = 333 };
	static uint32_t words[SECTORS][512];
	for (unsigned i = 0; i < SECTORS; i++)
		for (unsigned j = 0; j < 512; j++)
			words[i][j] = i * 2654435761u + j;
	return kernel_write(fixture, "cd", words, sizeof(words));
}

static void assert_written(const char *disk)
{
	char bytes[8] = "";
	int fd = open(disk, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, bytes, 7, SECTOR), 7);
	close(fd);
	assert_string_equal(bytes, "written");
}

static void test_linux(void **state)
{
	struct kernel_fixture *fixture = *state;
	static const char *const modules[] = {"scsi_common", "scsi_mod", "libata", "ata_piix", "sd_mod",
					      "cdrom",       "sr_mod",   "button", "evdev",    NULL};
	prepare(fixture);
	skip_without(getenv("VISO_TEST_KERNELS"), "a kernel to boot (see tests/rig)");
	char *kernel = pc_kernel_path("boot/vmlinuz-*"), *line = kernel_pc_line(), *disk = make_disk(fixture),
	     *cd = make_cd(fixture), *initramfs;
	assert_true(asprintf(&initramfs, "%s/initramfs", fixture->directory) > 0);
	initramfs_write(initramfs, script);
	for (int i = 0; modules[i]; i++)
		initramfs_add_module(initramfs, getenv("VISO_TEST_KERNELS"), modules[i]);
	assert_ok(viso_guest_set_kernel(fixture->guest, kernel));
	assert_ok(viso_guest_set_initramfs(fixture->guest, initramfs));
	assert_ok(viso_guest_set_command_line(fixture->guest, line));
	assert_ok(viso_guest_add_disk(fixture->guest, disk, 0));
	assert_ok(viso_guest_add_disk(fixture->guest, cd, VISO_DISK_CDROM));
	viso_process *process = pc_boot_patiently(fixture);
	pc_await_screen(fixture, process, "press the button");
	pc_await_screen(fixture, process, "first\n");
	pc_await_screen(fixture, process, "hypervisors: 0,\n");
	pc_await_screen(fixture, process, "clock: rtc_cmos");
	pc_await_screen(fixture, process, "cd: 1332 4ffb3d5b99a83e8939790305cb2f3bb5");
	assert_ok(viso_guest_press_power_button(fixture->guest));
	assert_switched_off(kernel_wait(process), NULL);
	assert_written(disk);
	free(kernel);
	free(initramfs);
	free(line);
	free(disk);
	free(cd);
}

#define case_(name) cmocka_unit_test_setup_teardown(name, kernel_setup, kernel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		case_(test_linux),
		case_(test_memtest),
		case_(test_grub),
		case_(test_grub_of_a_cd),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
