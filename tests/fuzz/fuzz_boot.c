/* SPDX-License-Identifier: MIT */
/* A kernel that somebody else wrote, put into a computer's memory by whatever protocol it says that it has; without
 * KVM. */
#include <errno.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest/kernel/boot/entry.h"
#include "guest/kernel/boot/load.h"
#include "guest/kernel/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of the computer; what lies beyond it AddressSanitizer guards. */
enum { MEMORY = 32 << 20, INITRAMFS = 100000 };
static uint8_t memory[MEMORY];

/* Ends the run; libFuzzer keeps the input. */
static void expect(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fuzz_boot: %s\n", what);
	abort();
}

static struct image make_image(const void *data, size_t size)
{
	struct image image = {.fd = memfd_create("fuzz", MFD_CLOEXEC), .size = size, .path = "fuzz"};
	expect(image.fd >= 0 && pwrite(image.fd, data, size, 0) == (ssize_t)size, "no memory file");
	return image;
}

/* The first byte says what is given beside the kernel. */
static void boot(const struct ram *ram, uint8_t choice, const struct image *kernel, const struct image *initramfs)
{
	struct boot_entry entry;
	struct kvm_regs regs;
	struct kvm_sregs sregs = {0};
	const struct boot_request request = {
		.ram = ram,
		.kernel = kernel,
		.initramfs = choice & 1 ? initramfs : NULL,
		.command_line = choice & 2 ? "console=ttyS0 and more" : "",
		.is_flat = choice & 4,
		.flat_address = (uint64_t)(choice >> 3) << 12,
		.rsdp = 0xe0000,
	};
	int r = boot_load(&request, &entry);
	expect(r == 0 || r == -ENOEXEC || r == -ENOSPC, "an errno that is not documented");
	if (r < 0)
		return;
	expect(entry.mode == BOOT_REAL || entry.mode == BOOT_PROTECTED || entry.mode == BOOT_LONG, "no such mode");
	expect(entry_prepare(&entry, ram, &regs, &sregs), "no room for the tables of the entry");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t zeros[INITRAMFS];
	struct ram ram;
	if (!size)
		return 0;
	memory_lay_out(&ram, MEMORY, memory);
	struct image kernel = make_image(data + 1, size - 1), initramfs = make_image(zeros, sizeof(zeros));
	boot(&ram, data[0], &kernel, &initramfs);
	image_close(&kernel);
	image_close(&initramfs);
	return 0;
}
