/* SPDX-License-Identifier: MIT */
/* PCs that are frozen, and their clones: a program that has each device amid something, and a BIOS. */
#include "pc_support.h"

#include "initramfs.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* As lib/guest/snapshot/saved.h has it. */
enum { STATE_SIZE = 48, SUM = 64, HEAD = 96 };

struct computer {
	viso_guest *guest;
	viso_process *process;
	int to, from;
};

static void boot(struct computer *computer, viso_guest *guest)
{
	struct kernel_fixture fixture = {.guest = guest};
	computer->guest = guest;
	computer->process = kernel_boot_with_pipes(&fixture, &computer->to, &computer->from);
}

static void hear(const struct computer *computer, const char *text)
{
	char got[64] = "";
	size_t size = 0;
	for (ssize_t n; size < strlen(text) && (n = read(computer->from, got + size, strlen(text) - size)) > 0;)
		size += (size_t)n;
	assert_string_equal(got, text);
}

static void ask(const struct computer *computer, const char *question, const char *answer)
{
	assert_int_equal(write(computer->to, question, strlen(question)), strlen(question));
	hear(computer, answer);
}

static void finish(struct computer *computer)
{
	assert_int_equal(write(computer->to, "q", 1), 1);
	assert_switched_off(kernel_wait(computer->process), NULL);
	close(computer->to);
	close(computer->from);
}

/* Each sector of the disk is full of one letter. */
static char *make_disk(const struct kernel_fixture *fixture, const char *name)
{
	char bytes[16][512];
	for (int i = 0; i < 16; i++)
		memset(bytes[i], 'a' + i, 512);
	return kernel_write(fixture, name, bytes, sizeof(bytes));
}

static void set_program(viso_guest *guest, const char *disk, const char *cd, unsigned flags)
{
	assert_ok(viso_guest_set_flat_image(guest, FROZEN_PC, CODE));
	assert_ok(viso_guest_set_platform(guest, VISO_PLATFORM_PC));
	assert_ok(viso_guest_add_disk(guest, disk, flags));
	assert_ok(viso_guest_add_disk(guest, cd, VISO_DISK_CDROM));
}

/* What each of the devices was doing; the keys have not all been taken. */
static void expect_devices(const struct computer *computer)
{
	char screen[256];
	assert_true(viso_guest_screen(computer->guest, screen, sizeof(screen)) > 0);
	assert_string_equal(screen, "Hi\n");
	ask(computer, "ddcptkkd",
	    "ffm\x86t\x1e\x9e"
	    "f");
}

static void make_media(const struct kernel_fixture *fixture, char **out_disk, char **out_cd)
{
	need_kvm();
	*out_disk = make_disk(fixture, "disk");
	*out_cd = make_disk(fixture, "cd");
}

static viso_snapshot *freeze(struct computer *original, viso_guest *guest)
{
	viso_snapshot *snapshot = NULL;
	boot(original, guest);
	hear(original, "A");
	assert_ok(viso_guest_type(guest, "a"));
	assert_ok(viso_guest_snapshot(guest, &snapshot));
	return snapshot;
}

static viso_guest *clone_of(viso_snapshot *snapshot)
{
	viso_guest *guest = NULL;
	assert_ok(viso_snapshot_clone(snapshot, &guest));
	return guest;
}

static void test_devices_go_on(void **state)
{
	enum { CLONES = 3 };
	struct kernel_fixture *fixture = *state;
	struct computer original, clones[CLONES];
	char *disk, *cd;
	make_media(fixture, &disk, &cd);
	set_program(fixture->guest, disk, cd, VISO_DISK_DISCARD_WRITES);
	viso_snapshot *snapshot = freeze(&original, fixture->guest);
	for (int i = 0; i < CLONES; i++)
		boot(&clones[i], clone_of(snapshot));
	viso_snapshot_unref(snapshot);
	for (int i = 0; i < CLONES; i++)
		expect_devices(&clones[i]);
	expect_devices(&original);
	finish(&original);
	/* A clone is frozen like any other. */
	assert_ok(viso_guest_snapshot(clones[0].guest, &snapshot));
	for (int i = 0; i < CLONES; i++)
		finish(&clones[i]);
	struct computer grandchild;
	boot(&grandchild, clone_of(snapshot));
	ask(&grandchild, "dct", "fmt");
	finish(&grandchild);
	viso_guest_unref(grandchild.guest);
	viso_snapshot_unref(snapshot);
	for (int i = 0; i < CLONES; i++)
		viso_guest_unref(clones[i].guest);
	free(disk);
	free(cd);
}

static void test_a_disk_that_is_written_is_given_anew(void **state)
{
	struct kernel_fixture *fixture = *state;
	struct computer original, clone;
	viso_process *process = NULL;
	char *disk, *cd;
	make_media(fixture, &disk, &cd);
	char *copy = make_disk(fixture, "copy"), *small = kernel_write(fixture, "small", disk, 0);
	assert_int_equal(truncate(small, 1024), 0);
	set_program(fixture->guest, disk, cd, 0);
	viso_snapshot *snapshot = freeze(&original, fixture->guest);
	viso_guest *guest = clone_of(snapshot);
	assert_fails(viso_guest_boot(guest, NULL, &process), EINVAL, VISO_STAGE_ARGUMENT, "disk");
	assert_ok(viso_guest_add_disk(guest, small, 0));
	assert_fails(viso_guest_boot(guest, NULL, &process), EINVAL, VISO_STAGE_ARGUMENT, "disks");
	viso_guest_unref(guest);
	guest = clone_of(snapshot);
	assert_ok(viso_guest_add_disk(guest, copy, 0));
	boot(&clone, guest);
	expect_devices(&clone);
	finish(&clone);
	finish(&original);
	viso_guest_unref(guest);
	viso_snapshot_unref(snapshot);
	free(copy);
	free(small);
	free(disk);
	free(cd);
}

/* The file of a snapshot, whose original is gone. */
static char *save(struct kernel_fixture *fixture, const char *disk, const char *cd)
{
	struct computer original;
	char *path;
	set_program(fixture->guest, disk, cd, VISO_DISK_DISCARD_WRITES);
	viso_snapshot *snapshot = freeze(&original, fixture->guest);
	assert_true(asprintf(&path, "%s/saved", fixture->directory) > 0);
	assert_ok(viso_snapshot_save(snapshot, path));
	viso_snapshot_unref(snapshot);
	finish(&original);
	return path;
}

static void test_a_file_is_loaded(void **state)
{
	struct kernel_fixture *fixture = *state;
	struct computer clone;
	viso_snapshot *snapshot = NULL;
	char *disk, *cd;
	make_media(fixture, &disk, &cd);
	char *path = save(fixture, disk, cd);
	viso_guest *guest = viso_guest_new();
	set_program(guest, disk, cd, VISO_DISK_DISCARD_WRITES);
	assert_ok(viso_snapshot_load(path, guest, &snapshot));
	boot(&clone, clone_of(snapshot));
	expect_devices(&clone);
	finish(&clone);
	viso_guest_unref(clone.guest);
	viso_snapshot_unref(snapshot);
	viso_guest_unref(guest);
	free(path);
	free(disk);
	free(cd);
}

static uint8_t *read_state(const char *path, size_t *out_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t state_size;
	assert_int_equal(pread(fd, &state_size, sizeof(state_size), STATE_SIZE), sizeof(state_size));
	*out_size = HEAD + state_size;
	uint8_t *data = malloc(*out_size);
	assert_non_null(data);
	assert_int_equal(pread(fd, data, *out_size, 0), *out_size);
	close(fd);
	return data;
}

/* With the right checksum, as somebody would make it who wants to do harm. */
static void write_forged(const char *path, uint8_t *data, size_t size)
{
	struct sha256_ctx sum;
	memset(data + SUM, 0, SHA256_DIGEST_SIZE);
	sha256_init(&sum);
	sha256_update(&sum, size, data);
	sha256_digest(&sum, SHA256_DIGEST_SIZE, data + SUM);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, data, size, 0), size);
	close(fd);
}

/* Whatever it says: it is refused, or the clone does what a guest can do, and can be killed. */
static void try_forged(const char *path, const char *disk, const char *cd)
{
	viso_guest *guest = viso_guest_new(), *clone = NULL;
	viso_snapshot *snapshot = NULL;
	viso_process *process = NULL;
	set_program(guest, disk, cd, VISO_DISK_DISCARD_WRITES);
	if (viso_snapshot_load(path, guest, &snapshot) == 0) {
		assert_ok(viso_snapshot_clone(snapshot, &clone));
		viso_command *streams = viso_command_new("computer");
		assert_non_null(streams);
		assert_ok(viso_command_set_stdio(streams, VISO_STDIN, VISO_STDIO_NULL));
		assert_ok(viso_command_set_stdio(streams, VISO_STDOUT, VISO_STDIO_NULL));
		if (viso_guest_boot(clone, streams, &process) == 0) {
			assert_ok(viso_process_kill(process));
			viso_result_unref(kernel_wait(process));
		}
		viso_command_unref(streams);
	}
	viso_guest_unref(clone);
	viso_snapshot_unref(snapshot);
	viso_guest_unref(guest);
}

/* The devices are at the end of the state, behind the display's memory, which is where nothing can be wrong. */
static void test_forged_files_do_no_harm(void **state)
{
	static const uint64_t values[] = {0, 1, 0xff, 0x1000, 0xffffffff, INT64_MAX, UINT64_MAX, 1ull << 47};
	enum { TRIES = 40, DEVICES = 24 << 10 };
	struct kernel_fixture *fixture = *state;
	char *disk, *cd;
	make_media(fixture, &disk, &cd);
	char *path = save(fixture, disk, cd);
	size_t size;
	uint8_t *good = read_state(path, &size), *bad = malloc(size);
	assert_non_null(bad);
	assert_true(size > HEAD + DEVICES);
	srand(1);
	for (int i = 0; i < TRIES; i++) {
		memcpy(bad, good, size);
		size_t begin = i % 4 ? size - DEVICES : HEAD, at = begin + (size_t)rand() % (size - begin - 8);
		if (i % 2)
			memcpy(bad + (at & ~(size_t)7), &values[rand() % 8], 8);
		else
			bad[at] ^= (uint8_t)(1 << rand() % 8);
		write_forged(path, bad, size);
		try_forged(path, disk, cd);
	}
	free(bad);
	free(good);
	free(path);
	free(disk);
	free(cd);
}

/* A BIOS waits for a key, by interrupts; what is typed to one does not reach the other. */
static void test_a_bios_goes_on(void **state)
{
	static char bytes[1 << 20];
	struct kernel_fixture *fixture = *state;
	viso_snapshot *snapshot = NULL;
	pc_prepare(fixture);
	pc_need_firmware();
	FILE *file = fopen(BOOT_SECTOR, "re");
	assert_non_null(file);
	assert_int_equal(fread(bytes, 1, sizeof(bytes), file), 1024);
	fclose(file);
	char *disk = kernel_write(fixture, "disk", bytes, sizeof(bytes));
	assert_ok(viso_guest_add_disk(fixture->guest, disk, VISO_DISK_READ_ONLY));
	viso_process *process = kernel_boot(fixture, NULL);
	pc_await_screen(fixture, process, "nobody tells\n");
	assert_ok(viso_guest_snapshot(fixture->guest, &snapshot));
	struct kernel_fixture other = {.guest = clone_of(snapshot)};
	viso_process *clone = kernel_boot(&other, NULL);
	pc_await_screen(&other, clone, "booted\nnobody tells\n");
	assert_ok(viso_guest_type(other.guest, "clone\n"));
	assert_ok(viso_guest_type(fixture->guest, "original\n"));
	assert_switched_off(kernel_wait(process), "booted\r\nnobody tells\r\noriginal\r\n");
	viso_result *result = kernel_wait(clone);
	const char *output = viso_result_output(result, VISO_STDOUT, NULL);
	assert_non_null(strstr(output, "clone\r\n"));
	assert_int_equal(viso_result_reason(result), VISO_REASON_EXITED);
	viso_result_unref(result);
	viso_guest_unref(other.guest);
	viso_snapshot_unref(snapshot);
	free(disk);
}

static const char script[] =
	"for module in button evdev; do insmod /modules/$module.ko; done\n"
	"event=$(sed -n '/Power Button/,/^$/s/.*\\(event[0-9]*\\).*/\\1/p' /proc/bus/input/devices)\n"
	"exec 3</dev/input/$event; echo; echo press the button\n"
	"head -c 1 <&3 >/dev/null && sleep 0.2 && poweroff -f\n";

/* Linux waits for its power button, in the clone first: interrupts that have a level, and timers. */
static void test_linux_goes_on(void **state)
{
	struct kernel_fixture *fixture = *state;
	viso_snapshot *snapshot = NULL;
	char *initramfs;
	need_kernels();
	pc_prepare(fixture);
	skip_without(getenv("VISO_TEST_KERNELS"), "a kernel to boot (see tests/rig)");
	char *kernel = pc_kernel_path("boot/vmlinuz-*"), *line = kernel_pc_line();
	assert_true(asprintf(&initramfs, "%s/initramfs", fixture->directory) > 0);
	initramfs_write(initramfs, script);
	initramfs_add_module(initramfs, getenv("VISO_TEST_KERNELS"), "button");
	initramfs_add_module(initramfs, getenv("VISO_TEST_KERNELS"), "evdev");
	assert_ok(viso_guest_set_memory_max(fixture->guest, 256 << 20));
	assert_ok(viso_guest_set_kernel(fixture->guest, kernel));
	assert_ok(viso_guest_set_initramfs(fixture->guest, initramfs));
	assert_ok(viso_guest_set_command_line(fixture->guest, line));
	viso_process *process = pc_boot_patiently(fixture);
	pc_await_screen(fixture, process, "press the button");
	assert_ok(viso_guest_snapshot(fixture->guest, &snapshot));
	struct kernel_fixture other = {.guest = clone_of(snapshot)};
	viso_process *clone = pc_boot_patiently(&other);
	pc_await_screen(&other, clone, "press the button");
	assert_ok(viso_guest_press_power_button(other.guest));
	assert_switched_off(kernel_wait(clone), NULL);
	assert_ok(viso_guest_press_power_button(fixture->guest));
	assert_switched_off(kernel_wait(process), NULL);
	viso_guest_unref(other.guest);
	viso_snapshot_unref(snapshot);
	free(kernel);
	free(initramfs);
	free(line);
}

#define case_(name) cmocka_unit_test_setup_teardown(name, kernel_setup, kernel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		case_(test_devices_go_on),    case_(test_a_disk_that_is_written_is_given_anew),
		case_(test_a_file_is_loaded), case_(test_forged_files_do_no_harm),
		case_(test_a_bios_goes_on),   case_(test_linux_goes_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
