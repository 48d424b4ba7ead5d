/* SPDX-License-Identifier: MIT */
/* PCs with programs of a few instructions, and with SeaBIOS and a boot sector, which kvm_pvm can emulate, too. */
#include "pc_support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void test_switches_off_by_acpi(void **state)
{
	struct kernel_fixture *fixture = *state;
	pc_prepare(fixture);
	set_code(fixture, PUT('p'), PUT('c'), PC_OFF, HALT);
	assert_switched_off(kernel_run(fixture), "pc");
}

static void test_resets(void **state)
{
	struct kernel_fixture *fixture = *state;
	static const unsigned char codes[][16] = {
		{OUT(0xcf9, 0x06), FOR_EVER}, {OUT(0x64, 0xfe), FOR_EVER}, {OUT(0x92, 0x01), FOR_EVER}};
	pc_prepare(fixture);
	kernel_set_code(fixture, codes[0], sizeof(codes[0]));
	for (int i = 0; i < 3; i++) {
		FILE *file = fopen(fixture->image, "we");
		assert_int_equal(fwrite(codes[i], 1, sizeof(codes[i]), file), sizeof(codes[i]));
		fclose(file);
		viso_result *result = kernel_run(fixture);
		assert_int_equal(viso_result_reason(result), VISO_REASON_EXITED);
		assert_int_equal(viso_result_exit_code(result), 1);
		viso_result_unref(result);
	}
}

/* Waits for a bit of PM1_STS: 1: in dx, ax; test ah, 1; jz 1b. */
#define AWAIT_POWER_BUTTON 0xba, 0x00, 0x06, 0xed, 0xf6, 0xc4, 0x01, 0x74, 0xfa

static void test_power_button(void **state)
{
	struct kernel_fixture *fixture = *state;
	pc_prepare(fixture);
	set_code(fixture, AWAIT_POWER_BUTTON, PC_OFF, HALT);
	viso_process *process = kernel_boot(fixture, NULL);
	assert_ok(viso_guest_press_power_button(fixture->guest));
	assert_switched_off(kernel_wait(process), "");
	assert_fails(viso_guest_press_power_button(fixture->guest), ESRCH, VISO_STAGE_GUEST, "press_power_button");
}

/* Waits for a key's scan code and sends it: 1: in al, 0x64; test al, 1; jz 1b; in al, 0x60; mov dx, 0x3f8; out dx, al.
 */
#define SEND_KEY 0xe4, 0x64, 0xa8, 0x01, 0x74, 0xfa, 0xe4, 0x60, 0xba, 0xf8, 0x03, 0xee

/* Writes "Hi" to the screen: mov ax, 0xb800; mov es, ax; mov word [es:0], 'H' | 7 << 8; the same for the next. */
#define SHOW_HI                                                                                                        \
	0xb8, 0x00, 0xb8, 0x8e, 0xc0, 0x26, 0xc7, 0x06, 0x00, 0x00, 'H', 0x07, 0x26, 0xc7, 0x06, 0x02, 0x00, 'i', 0x07

static void test_screen(void **state)
{
	struct kernel_fixture *fixture = *state;
	char part[2] = "xx";
	pc_prepare(fixture);
	/* It comes with a key; before that there is an empty text. */
	set_code(fixture, SEND_KEY, SHOW_HI, FOR_EVER);
	assert_fails(viso_guest_screen(fixture->guest, NULL, 0), ESRCH, VISO_STAGE_GUEST, "viso_guest_screen");
	viso_process *process = kernel_boot(fixture, NULL);
	assert_int_equal(viso_guest_screen(fixture->guest, part, sizeof(part)), 0);
	assert_string_equal(part, "");
	assert_ok(viso_guest_type(fixture->guest, "h"));
	pc_await_screen(fixture, process, "Hi\n");
	assert_int_equal(viso_guest_screen(fixture->guest, NULL, 0), 3);
	assert_int_equal(viso_guest_screen(fixture->guest, part, sizeof(part)), 3);
	assert_string_equal(part, "H");
	assert_int_equal(viso_guest_screen(fixture->guest, NULL, 1), -EINVAL);
	assert_ok(viso_sandbox_kill(viso_guest_sandbox(fixture->guest)));
	assert_ended(kernel_wait(process), VISO_REASON_KILLED);
}

static void test_keyboard(void **state)
{
	struct kernel_fixture *fixture = *state;
	pc_prepare(fixture);
	set_code(fixture, SEND_KEY, SEND_KEY, SEND_KEY, SEND_KEY, PC_OFF, HALT);
	viso_process *process = kernel_boot(fixture, NULL);
	assert_int_equal(viso_guest_type(fixture->guest, "\x80"), -EINVAL);
	assert_int_equal(viso_guest_type(fixture->guest, NULL), -EINVAL);
	assert_ok(viso_guest_type(fixture->guest, "A"));
	assert_switched_off(kernel_wait(process), "\x2a\x1e\x9e\xaa");
}

/* The clock's interrupt comes through the second interrupt controller: unmask, enable, wait, see. */
static void test_interrupt_of_the_clock(void **state)
{
	struct kernel_fixture *fixture = *state;
	pc_prepare(fixture);
	set_code(fixture,
		 /* The vector of IRQ 8: mov word [0x1c0], 0x8000 + 0x60; mov word [0x1c2], 0. */
		 0xc7, 0x06, 0xc0, 0x01, 0x60, 0x80, 0xc7, 0x06, 0xc2, 0x01, 0x00, 0x00,
		 /* The controllers: from vectors 0x08 and 0x70 on, one behind line 2 of the other. */
		 0xb0, 0x11, 0xe6, 0x20, 0xe6, 0xa0, 0xb0, 0x08, 0xe6, 0x21, 0xb0, 0x70, 0xe6, 0xa1, 0xb0, 0x04, 0xe6,
		 0x21, 0xb0, 0x02, 0xe6, 0xa1, 0xb0, 0x01, 0xe6, 0x21, 0xe6, 0xa1, 0xb0, 0xfb, 0xe6, 0x21, 0xb0, 0xfe,
		 0xe6, 0xa1,
		 /* Register C is read, B has periodic interrupts: sti; hlt. */
		 0xb0, 0x0c, 0xe6, 0x70, 0xe4, 0x71, 0xb0, 0x0b, 0xe6, 0x70, 0xb0, 0x42, 0xe6, 0x71, 0xfb, 0xf4, 0xf4,
		 0xeb, 0xfd,
		 /* At 0x8060. */
		 [0x60] = PUT('8'), PC_OFF, HALT);
	assert_switched_off(kernel_run(fixture), "8");
}

static void test_pause(void **state)
{
	struct kernel_fixture *fixture = *state;
	pc_prepare(fixture);
	set_code(fixture, SHOW_HI, SEND_KEY, PC_OFF, HALT);
	viso_process *process = kernel_boot(fixture, NULL);
	pc_await_screen(fixture, process, "Hi");
	assert_ok(viso_sandbox_pause(viso_guest_sandbox(fixture->guest)));
	assert_ok(viso_guest_type(fixture->guest, "a"));
	pc_await_screen(fixture, process, "Hi");
	assert_ok(viso_sandbox_resume(viso_guest_sandbox(fixture->guest)));
	assert_switched_off(kernel_wait(process), "\x1e");
}

static char *make_disk(const struct kernel_fixture *fixture, const char *name)
{
	const char *sector = getenv("VISO_TEST_BOOT_SECTOR");
	static char bytes[1 << 20];
	assert_non_null(sector);
	FILE *file = fopen(sector, "re");
	assert_non_null(file);
	assert_int_equal(fread(bytes, 1, sizeof(bytes), file), 1024);
	fclose(file);
	return kernel_write(fixture, name, bytes, sizeof(bytes));
}

/* The whole way: firmware, disk, BIOS calls, screen, keyboard, off; and nothing tells. */
static void test_boots_a_disk(void **state)
{
	struct kernel_fixture *fixture = *state;
	pc_prepare(fixture);
	pc_need_firmware();
	char *disk = make_disk(fixture, "disk");
	assert_ok(viso_guest_add_disk(fixture->guest, disk, VISO_DISK_READ_ONLY));
	viso_process *process = kernel_boot(fixture, NULL);
	pc_await_screen(fixture, process, "booted\nnobody tells\n");
	assert_ok(viso_guest_type(fixture->guest, "Hello, BIOS!\n"));
	assert_switched_off(kernel_wait(process), "booted\r\nnobody tells\r\nHello, BIOS!\r\n");
	free(disk);
}

/*
 * A CD of that disk: El Torito 1.0, without emulation. Its boot record is in sector 17, the catalog in 18, and what is
 * booted in 19; what that reads, sector 1 of its drive, is one of 2048 bytes here.
 */
static char *make_cd(const struct kernel_fixture *fixture)
{
	static unsigned char sectors[32][2048];
	unsigned char *record = sectors[17], *catalog = sectors[18];
	char *disk = make_disk(fixture, "image");
	FILE *file = fopen(disk, "re");
	assert_non_null(file);
	assert_int_equal(fread(sectors[19], 1, 512, file), 512);
	assert_int_equal(fread(sectors[1], 1, 512, file), 512);
	fclose(file);
	free(disk);
	memcpy(record, "\0CD001\1EL TORITO SPECIFICATION", 30);
	record[0x47] = 18;
	catalog[0] = 1;
	catalog[0x1c] = 0xaa; /* the words of the entry add up to 0 */
	catalog[0x1e] = 0x55;
	catalog[0x1f] = 0xaa;
	catalog[0x20] = 0x88;
	catalog[0x26] = 1;
	catalog[0x28] = 19;
	return kernel_write(fixture, "cd", sectors, sizeof(sectors));
}

static void test_boots_a_cd(void **state)
{
	struct kernel_fixture *fixture = *state;
	static const char empty[4096];
	pc_prepare(fixture);
	pc_need_firmware();
	char *cd = make_cd(fixture), *disk = kernel_write(fixture, "disk", empty, sizeof(empty));
	assert_ok(viso_guest_add_disk(fixture->guest, disk, 0));
	assert_ok(viso_guest_add_disk(fixture->guest, cd, VISO_DISK_CDROM));
	viso_process *process = kernel_boot(fixture, NULL);
	pc_await_screen(fixture, process, "booted\nnobody tells\n");
	assert_true(viso_guest_traffic(fixture->guest, VISO_DEVICE_DISK, 1, VISO_TRAFFIC_BYTES_TO_GUEST) >= 4 * 2048);
	assert_ok(viso_guest_type(fixture->guest, "Hello, CD!\n"));
	assert_switched_off(kernel_wait(process), "booted\r\nnobody tells\r\nHello, CD!\r\n");
	free(cd);
	free(disk);
}

static void assert_boot_fails(struct kernel_fixture *fixture, int error, const char *object)
{
	viso_process *process = NULL;
	int fds = support_count_fds();
	assert_fails(viso_guest_boot(fixture->guest, NULL, &process), error, VISO_STAGE_GUEST, object);
	assert_null(process);
	support_assert_nothing_left(fds);
}

static void test_firmware_that_is_none(void **state)
{
	struct kernel_fixture *fixture = *state;
	pc_prepare(fixture);
	assert_int_equal(viso_guest_set_firmware(fixture->guest, "/nowhere"), -ENOENT);
	static const char bytes[70000];
	char *small = kernel_write(fixture, "small", bytes, 1024), *odd = kernel_write(fixture, "odd", bytes, 70000);
	assert_ok(viso_guest_set_firmware(fixture->guest, small));
	assert_boot_fails(fixture, ENOEXEC, small);
	viso_guest *other = viso_guest_new();
	assert_non_null(other);
	viso_guest_unref(fixture->guest);
	fixture->guest = other;
	pc_prepare(fixture);
	assert_ok(viso_guest_set_firmware(fixture->guest, odd));
	assert_boot_fails(fixture, ENOEXEC, odd);
	free(small);
	free(odd);
}

static void test_too_little_memory(void **state)
{
	struct kernel_fixture *fixture = *state;
	pc_prepare(fixture);
	pc_need_firmware();
	assert_ok(viso_guest_set_firmware(fixture->guest, "/usr/share/seabios/bios.bin"));
	assert_ok(viso_guest_set_memory_max(fixture->guest, 4 << 20));
	assert_boot_fails(fixture, ENOSPC, "memory");
}

static void test_too_many_disks(void **state)
{
	struct kernel_fixture *fixture = *state;
	pc_prepare(fixture);
	set_code(fixture, PC_OFF);
	char *disk = make_disk(fixture, "disk");
	for (int i = 0; i < 5; i++)
		assert_ok(viso_guest_add_disk(fixture->guest, disk, VISO_DISK_READ_ONLY));
	assert_boot_fails(fixture, EOPNOTSUPP, "disk");
	free(disk);
}

static void test_a_disk_that_is_not_there(void **state)
{
	struct kernel_fixture *fixture = *state;
	pc_prepare(fixture);
	set_code(fixture, PC_OFF);
	char *disk = make_disk(fixture, "disk");
	assert_ok(viso_guest_add_disk(fixture->guest, disk, 0));
	assert_int_equal(unlink(disk), 0);
	assert_boot_fails(fixture, ENOENT, "disk");
	free(disk);
}

static void test_a_cd_that_is_none(void **state)
{
	struct kernel_fixture *fixture = *state;
	static const char small[512];
	char *cd = kernel_write(fixture, "cd", small, sizeof(small));
	viso_process *process = NULL;
	need_kvm();
	set_code(fixture, PC_OFF);
	assert_ok(viso_guest_add_disk(fixture->guest, cd, VISO_DISK_CDROM));
	assert_fails(viso_guest_boot(fixture->guest, NULL, &process), EOPNOTSUPP, VISO_STAGE_GUEST, "viso_guest_boot");
	pc_prepare(fixture);
	assert_boot_fails(fixture, EINVAL, "cd");
	free(cd);
}

static void test_another_platform(void **state)
{
	struct kernel_fixture *fixture = *state;
	char text[100];
	need_kvm();
	set_code(fixture, FOR_EVER);
	viso_process *process = kernel_boot(fixture, NULL);
	assert_fails(viso_guest_screen(fixture->guest, text, sizeof(text)), EOPNOTSUPP, VISO_STAGE_GUEST, "screen");
	assert_fails(viso_guest_type(fixture->guest, "x"), EOPNOTSUPP, VISO_STAGE_GUEST, "type");
	assert_ok(viso_sandbox_kill(viso_guest_sandbox(fixture->guest)));
	assert_ended(kernel_wait(process), VISO_REASON_KILLED);
}

#define case_(name) cmocka_unit_test_setup_teardown(name, kernel_setup, kernel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		case_(test_switches_off_by_acpi),
		case_(test_resets),
		case_(test_power_button),
		case_(test_screen),
		case_(test_keyboard),
		case_(test_interrupt_of_the_clock),
		case_(test_pause),
		case_(test_boots_a_disk),
		case_(test_boots_a_cd),
		case_(test_firmware_that_is_none),
		case_(test_too_little_memory),
		case_(test_too_many_disks),
		case_(test_a_disk_that_is_not_there),
		case_(test_a_cd_that_is_none),
		case_(test_another_platform),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
