/* SPDX-License-Identifier: MIT */
#include "guest/kernel/boot/load.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "core/error.h"
#include "guest/kernel/layout.h"

enum { PAGE = 4096, LINUX_HEADER = 0x202, BOOT_SIGNATURE = 510, SECTOR = 512, BOOT_SECTOR_ADDRESS = 0x7c00 };

uint64_t boot_low_end(const struct ram *ram)
{
	const struct ram_region *region = &ram->regions[ram->count > 1 ? 1 : 0];
	return region->base + region->size;
}

int boot_put_command_line(const struct boot_request *request, uint64_t max)
{
	uint64_t size = strlen(request->command_line) + 1;
	if (size > max || size > LAYOUT_COMMAND_LINE_MAX)
		return error_fail(VISO_STAGE_GUEST, ENOSPC, "command line",
				  "the command line has %llu bytes, of which the kernel takes %llu",
				  (unsigned long long)size - 1, (unsigned long long)max - 1);
	if (!ram_write(request->ram, LAYOUT_COMMAND_LINE, request->command_line, size))
		return image_fail_space(request->kernel, "the guest has too little memory for it");
	return 0;
}

int boot_put_initramfs(const struct boot_request *request, uint64_t begin, uint64_t limit, uint64_t *out_address)
{
	const struct image *initramfs = request->initramfs;
	uint64_t end = boot_low_end(request->ram);
	*out_address = 0;
	if (!initramfs || !initramfs->size)
		return 0;
	if (end > limit)
		end = limit;
	if (end < begin || initramfs->size > end - begin)
		return image_fail_space(initramfs, "beside the kernel it does not fit into the guest's memory");
	uint64_t address = (end - initramfs->size) & ~(uint64_t)(PAGE - 1);
	if (address < begin)
		return image_fail_space(initramfs, "beside the kernel it does not fit into the guest's memory");
	int r = image_load(initramfs, 0, request->ram, address, initramfs->size);
	if (r == 0)
		*out_address = address;
	return r;
}

int boot_load_flat(const struct boot_request *request, uint64_t address, struct boot_entry *out)
{
	const struct image *kernel = request->kernel;
	if (!kernel->size)
		return image_fail(kernel, "it is empty");
	if (address >= LAYOUT_LOW_END || kernel->size > LAYOUT_LOW_END - address)
		return image_fail_space(kernel, "it does not fit below 640 KiB");
	*out = (struct boot_entry){.mode = BOOT_REAL, .address = address, .rsp = LAYOUT_STACK};
	return image_load(kernel, 0, request->ram, address, kernel->size);
}

static bool is_linux(const uint8_t *begin, uint64_t size)
{
	return size >= LINUX_HEADER + 4 && !memcmp(begin + LINUX_HEADER, "HdrS", 4);
}

static bool is_boot_sector(const uint8_t *begin, uint64_t size)
{
	return size >= SECTOR && begin[BOOT_SIGNATURE] == 0x55 && begin[BOOT_SIGNATURE + 1] == 0xaa;
}

int boot_load(const struct boot_request *request, struct boot_entry *out)
{
	uint8_t begin[2 * SECTOR] = {0};
	uint64_t header;
	const struct image *kernel = request->kernel;
	if (request->is_flat)
		return boot_load_flat(request, request->flat_address, out);
	const uint64_t size = kernel->size < sizeof(begin) ? kernel->size : sizeof(begin);
	int r = image_read(kernel, 0, begin, size);
	if (r < 0)
		return r;
	if (is_linux(begin, size))
		return boot_load_linux(request, out);
	bool is_elf = size >= SELFMAG && !memcmp(begin, ELFMAG, SELFMAG);
	r = boot_find_multiboot(kernel, &header);
	if (r < 0)
		return r;
	/* A kernel that has a PVH entry, too, knows more about the computer by that one. */
	if (is_elf && (!r || boot_elf_has_pvh(kernel)))
		return boot_load_elf(request, out);
	if (r > 0)
		return boot_load_multiboot(request, header, out);
	if (is_boot_sector(begin, size))
		return boot_load_flat(request, BOOT_SECTOR_ADDRESS, out);
	return image_fail(kernel,
			  "it is no bzImage, no ELF file, has no Multiboot header, and is no boot sector; an image "
			  "without a header is set by viso_guest_set_flat_image()");
}
