/* SPDX-License-Identifier: MIT */
/* Linux's own image, a bzImage, by its 64-bit entry, or the 32-bit one where it has no other. */
#include "guest/kernel/boot/linux.h"

#include <string.h>

#include "guest/kernel/boot/memory_map.h"
#include "guest/kernel/layout.h"

/* boot.rst: offsets in the file, and where the 64-bit entry is from where the kernel was loaded. */
enum { HEADER = 0x1f1, HEADER_LENGTH_BYTE = 0x201, HEADER_LENGTH_FROM = 0x202, SECTOR = 512, ENTRY_64 = 0x200 };
enum { SECTORS_DEFAULT = 4, LOADER_OTHER = 0xff, VIDEO_NORMAL = 0xffff };

/* Protocols: the command line's length is told; the 64-bit entry and where it may be. */
enum { VERSION_COMMAND_LINE = 0x206, VERSION_INIT_SIZE = 0x20a, VERSION_64 = 0x20c };

static bool take_memory_map(const struct ram *ram, struct boot_params *params)
{
	struct memory_range ranges[MEMORY_MAP_MAX];
	int count = memory_map_list(ram, ranges);
	for (int i = 0; i < count; i++)
		params->e820_table[i] = (struct boot_e820_entry){
			.addr = ranges[i].base, .size = ranges[i].size, .type = (uint32_t)ranges[i].type};
	params->e820_entries = (uint8_t)count;
	return ram_write(ram, LAYOUT_ZERO_PAGE, params, sizeof(*params));
}

/* As the code that runs in real mode, if it did, would find the display: mode 3 of a VGA. */
static void describe_display(struct screen_info *screen)
{
	enum { TEXT_80_25 = 3, LINES = 25, COLUMNS = 80, POINTS = 16, IS_VGA = 1 };
	screen->orig_video_mode = TEXT_80_25;
	screen->orig_video_lines = LINES;
	screen->orig_video_cols = COLUMNS;
	screen->orig_video_points = POINTS;
	screen->orig_video_isVGA = IS_VGA;
}

int linux_finish(const struct boot_request *request, const struct setup_header *header, uint64_t end)
{
	uint64_t initramfs;
	struct boot_params params = {.hdr = *header, .acpi_rsdp_addr = request->rsdp};
	int r = boot_put_command_line(request, (uint64_t)header->cmdline_size + 1);
	if (r == 0)
		r = boot_put_initramfs(request, end, (uint64_t)header->initrd_addr_max + 1, &initramfs);
	if (r < 0)
		return r;
	if (request->has_display)
		describe_display(&params.screen_info);
	params.hdr.type_of_loader = LOADER_OTHER;
	params.hdr.vid_mode = VIDEO_NORMAL;
	params.hdr.cmd_line_ptr = LAYOUT_COMMAND_LINE;
	params.hdr.setup_data = 0;
	params.hdr.ramdisk_image = (uint32_t)initramfs;
	params.hdr.ramdisk_size = initramfs ? (uint32_t)request->initramfs->size : 0;
	return take_memory_map(request->ram, &params)
		       ? 0
		       : image_fail_space(request->kernel, "the guest has too little memory for it");
}

static int read_header(const struct image *kernel, struct setup_header *out)
{
	uint8_t length;
	*out = (struct setup_header){0};
	int r = image_read(kernel, HEADER_LENGTH_BYTE, &length, 1);
	if (r < 0)
		return r;
	uint64_t size = (uint64_t)HEADER_LENGTH_FROM + length - HEADER;
	r = image_read(kernel, HEADER, out, size < sizeof(*out) ? size : sizeof(*out));
	if (r < 0)
		return r;
	if (out->version < VERSION_COMMAND_LINE || !(out->loadflags & LOADED_HIGH))
		return image_fail(kernel, "it is a Linux kernel older than 2.6.22");
	if (out->version < VERSION_INIT_SIZE) {
		out->pref_address = LAYOUT_KERNEL;
		out->init_size = 0;
	}
	if (!out->setup_sects)
		out->setup_sects = SECTORS_DEFAULT;
	return 0;
}

static bool fits(uint64_t address, uint64_t size, uint64_t end)
{
	return address >= LAYOUT_KERNEL && address < end && size <= end - address;
}

/* Where it wants to be, or else where it can be; 0 where it has no room. */
static uint64_t find_place(const struct setup_header *header, uint64_t size, uint64_t end)
{
	uint64_t align = header->kernel_alignment;
	if (fits(header->pref_address, size, end))
		return header->pref_address;
	if (!header->relocatable_kernel || !align || (align & (align - 1)))
		return 0;
	uint64_t lowest = (LAYOUT_KERNEL + align - 1) & ~(align - 1);
	return fits(lowest, size, end) ? lowest : 0;
}

int boot_load_linux(const struct boot_request *request, struct boot_entry *out)
{
	struct setup_header header;
	const struct image *kernel = request->kernel;
	int r = read_header(kernel, &header);
	if (r < 0)
		return r;
	const uint64_t begin = ((uint64_t)header.setup_sects + 1) * SECTOR;
	if (begin >= kernel->size)
		return image_fail(kernel, "it is cut after its header");
	const uint64_t image_size = kernel->size - begin;
	/* With the room in which it unpacks itself. */
	const uint64_t size = header.init_size > image_size ? header.init_size : image_size;
	uint64_t place = find_place(&header, size, boot_low_end(request->ram));
	if (!place)
		return image_fail_space(kernel, "it does not fit into the guest's memory");
	r = image_load(kernel, begin, request->ram, place, image_size);
	if (r == 0)
		r = linux_finish(request, &header, place + size);
	if (r < 0)
		return r;
	bool is_64 = header.version >= VERSION_64 && (header.xloadflags & XLF_KERNEL_64);
	*out = (struct boot_entry){
		.mode = is_64 ? BOOT_LONG : BOOT_PROTECTED,
		.address = is_64 ? place + ENTRY_64 : place,
		.rsi = LAYOUT_ZERO_PAGE,
	};
	return 0;
}
