/* SPDX-License-Identifier: MIT */
/* The BIOS of a PC: SeaBIOS, or another one that knows the interface of fw_cfg. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/device/pc/smbios.h"
#include "guest/kernel/acpi/acpi.h"
#include "guest/kernel/boot/load.h"
#include "guest/kernel/layout.h"
#include "guest/kernel/pc/pc.h"

static const char default_path[] = "/usr/share/seabios/bios.bin", video_name[] = "vgabios-isavga.bin";

enum {
	FIRMWARE_MIN = 64 << 10,
	FIRMWARE_MAX = 4 << 20,
	FIRMWARE_ALIGN = 4096,
	VIDEO_MAX = 64 << 10,
	BELOW_1M = 128 << 10, /* of the firmware is there, too: from 0xe0000 on */
};

static int fail(const char *path, int error, const char *what)
{
	return error_fail(VISO_STAGE_GUEST, error, path, "%s cannot be the firmware: %s", path, what);
}

/* All of a file, in pages of its own. */
static int read_file(const char *path, size_t min, size_t max, uint8_t **out_data, size_t *out_size)
{
	struct stat st;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(path, errno, strerrordesc_np(errno));
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)min || st.st_size > (off_t)max || st.st_size % 512)
		return fail(path, ENOEXEC, "it is no file of the right size");
	size_t size = (size_t)st.st_size;
	void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (data == MAP_FAILED)
		return error_memory();
	ssize_t done = pread(fd, data, size, 0);
	if (done != (ssize_t)size) {
		int error = done < 0 ? errno : EIO;
		munmap(data, size);
		return fail(path, error, "it cannot be read");
	}
	*out_data = data;
	*out_size = size;
	return 0;
}

/* At the end of 4 GiB, where a processor begins, and below 1 MiB, where it goes on. */
static int load(struct pc *pc, const char *path)
{
	int r = read_file(path, FIRMWARE_MIN, FIRMWARE_MAX, &pc->firmware, &pc->firmware_size);
	if (r < 0)
		return r;
	if (pc->firmware_size % FIRMWARE_ALIGN)
		return fail(path, ENOEXEC, "its size is no multiple of 4096");
	size_t below = pc->firmware_size < BELOW_1M ? pc->firmware_size : BELOW_1M;
	if (!ram_write(&pc->machine->ram, (1 << 20) - below, pc->firmware + pc->firmware_size - below, below))
		return error_fail(VISO_STAGE_GUEST, ENOSPC, "memory", "the guest has too little memory for a BIOS");
	return machine_add_memory(pc->machine, LAYOUT_HOLE_END - pc->firmware_size, pc->firmware, pc->firmware_size,
				  true);
}

/* The BIOS of the display lies beside; without one there is no text on the screen, but all else goes on. */
static int add_video_bios(struct pc *pc, const char *path)
{
	char beside[4096];
	uint8_t *data;
	size_t size;
	const char *slash = strrchr(path, '/');
	int length = snprintf(beside, sizeof(beside), "%.*s%s", slash ? (int)(slash + 1 - path) : 0, path, video_name);
	if (length >= (int)sizeof(beside) || access(beside, R_OK) < 0)
		return 0;
	int r = read_file(beside, 512, VIDEO_MAX, &data, &size);
	if (r < 0)
		return r;
	r = fw_cfg_add_file(&pc->fw_cfg, "vgaroms/vga.bin", data, size);
	munmap(data, size);
	return r;
}

struct memory_map {
	uint8_t data[8 * 20];
	size_t size;
};

static void put_range(struct memory_map *map, uint64_t base, uint64_t size, uint32_t type)
{
	uint8_t *at = &map->data[map->size];
	bus_put(at, 8, base);
	bus_put(at + 8, 8, size);
	bus_put(at + 16, 4, type);
	map->size += 20;
}

/* Ranges as BIOS call 0xe820 has them; what is below 1 MiB the firmware knows itself. */
static int add_memory_map(struct pc *pc)
{
	enum { MEMORY = 1, RESERVED = 2 };
	struct memory_map map = {.size = 0};
	const struct ram *ram = &pc->machine->ram;
	uint64_t tables = boot_low_end(ram) - PC_TABLES;
	put_range(&map, 0, tables, MEMORY);
	put_range(&map, tables, PC_TABLES, RESERVED);
	for (int i = 0; i < ram->count; i++)
		if (ram->regions[i].base >= LAYOUT_HOLE_END)
			put_range(&map, ram->regions[i].base, ram->regions[i].size, MEMORY);
	return fw_cfg_add_file(&pc->fw_cfg, "etc/e820", map.data, map.size);
}

static int add_smbios(struct pc *pc)
{
	uint8_t tables[SMBIOS_TABLES_MAX], entry[SMBIOS_ENTRY];
	size_t size = smbios_tables(tables);
	smbios_entry(tables, size, entry);
	int r = fw_cfg_add_file(&pc->fw_cfg, "etc/smbios/smbios-tables", tables, size);
	return r < 0 ? r : fw_cfg_add_file(&pc->fw_cfg, "etc/smbios/smbios-anchor", entry, sizeof(entry));
}

/* The one command of a script that SeaBIOS runs: to put a file somewhere from 0xf0000 on (src/fw/romfile_loader.h
 * there). */
struct __attribute__((packed)) allocate {
	uint32_t command;
	char file[FW_CFG_NAME_MAX];
	uint32_t align;
	uint8_t zone;
	uint8_t rest[63];
};

/* The tables have their place already; the firmware lays down the one by which they are found. */
static int add_acpi(struct pc *pc)
{
	enum { ALLOCATE = 1, ZONE_LOW = 2, ALIGNMENT = 16 };
	static const char name[] = "etc/acpi/rsdp";
	const struct ram *ram = &pc->machine->ram;
	uint8_t rsdp[ACPI_RSDP_SIZE];
	const struct acpi_setting setting = {
		.platform = VISO_PLATFORM_PC,
		.processors = pc->machine->processor_count,
		.base = (uint32_t)(boot_low_end(ram) - PC_TABLES),
		.size = PC_TABLES,
	};
	struct allocate allocate = {.command = ALLOCATE, .align = ALIGNMENT, .zone = ZONE_LOW};
	_Static_assert(sizeof(allocate) == 128, "size of a command");
	memcpy(allocate.file, name, sizeof(name));
	if (!acpi_build(&setting, ram, rsdp))
		return error_fail(VISO_STAGE_GUEST, ENOSPC, "ACPI",
				  "the tables of ACPI do not fit into the guest's memory");
	int r = fw_cfg_add_file(&pc->fw_cfg, name, rsdp, sizeof(rsdp));
	return r < 0 ? r : fw_cfg_add_file(&pc->fw_cfg, "etc/table-loader", &allocate, sizeof(allocate));
}

static void silence(void *data)
{
	fw_cfg_silence(data);
}

static int describe(struct pc *pc, const char *path)
{
	unsigned processors = pc->machine->processor_count;
	struct fw_cfg *fw_cfg = &pc->fw_cfg;
	int r = fw_cfg_add_number(fw_cfg, FW_CFG_PROCESSORS, processors, 2);
	if (r == 0)
		r = fw_cfg_add_number(fw_cfg, FW_CFG_PROCESSORS_MAX, processors, 2);
	if (r == 0)
		r = fw_cfg_add_number(fw_cfg, FW_CFG_BOOT_MENU, 0, 2);
	if (r == 0)
		r = add_memory_map(pc);
	if (r == 0)
		r = add_acpi(pc);
	if (r == 0)
		r = add_smbios(pc);
	if (r == 0)
		r = add_video_bios(pc, path);
	return r < 0 ? r : fw_cfg_add_directory(fw_cfg);
}

int pc_add_firmware(struct pc *pc, const char *path)
{
	path = path ? path : default_path;
	if (boot_low_end(&pc->machine->ram) < (uint64_t)(8 << 20))
		return error_fail(VISO_STAGE_GUEST, ENOSPC, "memory", "a BIOS needs at least 8 MiB of memory");
	int r = load(pc, path);
	if (r == 0)
		r = describe(pc, path);
	if (r == 0)
		r = machine_add_ports(pc->machine, FW_CFG_PORTS, FW_CFG_PORT_COUNT, &fw_cfg_ops, &pc->fw_cfg);
	if (r == 0)
		r = machine_add_ports(pc->machine, FW_CFG_DEBUG_PORT, 1, &fw_cfg_debug_ops, &pc->fw_cfg);
	pc->chipset.sealed = silence;
	pc->chipset.sealed_data = &pc->fw_cfg;
	return r;
}
