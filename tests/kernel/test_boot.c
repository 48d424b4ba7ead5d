/* SPDX-License-Identifier: MIT */
/* What the loaders put where, and what they refuse; without KVM. */
#include "support.h"

#include <asm/bootparam.h>
#include <elf.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <virtiso/error.h>

#include "guest/device/doorbell.h"
#include "guest/kernel/acpi/acpi.h"
#include "guest/kernel/boot/entry.h"
#include "guest/kernel/boot/load.h"
#include "guest/kernel/boot/memory_map.h"
#include "guest/kernel/cpuid.h"
#include "guest/kernel/layout.h"
#include "guest/kernel/memory.h"

enum { MEMORY = 64 << 20, BZIMAGE_SIZE = 4096, SETUP_SIZE = 1024, PREFERRED = 0x1000000, KERNEL = 0x100000 };

struct computer {
	uint8_t *memory;
	struct ram ram;
	struct image kernel, initramfs;
	struct boot_request request;
	struct boot_entry entry;
};

static struct image make_image(const void *data, size_t size)
{
	struct image image = {.fd = memfd_create("image", MFD_CLOEXEC), .size = size, .path = "image"};
	assert_true(image.fd >= 0);
	assert_int_equal(pwrite(image.fd, data, size, 0), size);
	return image;
}

static int setup(void **state)
{
	struct computer *computer = calloc(1, sizeof(*computer));
	assert_non_null(computer);
	computer->memory = memory_map(MEMORY);
	assert_non_null(computer->memory);
	memory_lay_out(&computer->ram, MEMORY, computer->memory);
	computer->kernel.fd = computer->initramfs.fd = -1;
	*state = computer;
	return 0;
}

static int teardown(void **state)
{
	struct computer *computer = *state;
	image_close(&computer->kernel);
	image_close(&computer->initramfs);
	memory_unmap(computer->memory, MEMORY);
	free(computer);
	return 0;
}

/* With "files" as the initramfs, and a command line. */
static int load(struct computer *computer, const void *data, size_t size)
{
	image_close(&computer->kernel);
	image_close(&computer->initramfs);
	computer->kernel = make_image(data, size);
	computer->initramfs = make_image("files", 5);
	computer->request.ram = &computer->ram;
	computer->request.kernel = &computer->kernel;
	computer->request.initramfs = &computer->initramfs;
	computer->request.rsdp = LAYOUT_ACPI;
	if (!computer->request.command_line)
		computer->request.command_line = "quiet";
	return boot_load(&computer->request, &computer->entry);
}

static const char *at(struct computer *computer, uint64_t address)
{
	return ram_at(&computer->ram, address, 1);
}

static struct setup_header *make_bzimage(uint8_t out[BZIMAGE_SIZE])
{
	memset(out, 0, BZIMAGE_SIZE);
	struct setup_header *header = (struct setup_header *)(out + 0x1f1);
	*header = (struct setup_header){
		.setup_sects = 1,
		.boot_flag = 0xaa55,
		.jump = 0x66eb,
		.header = 0x53726448,
		.version = 0x20f,
		.loadflags = LOADED_HIGH,
		.initrd_addr_max = 0x7fffffff,
		.kernel_alignment = 0x200000,
		.relocatable_kernel = 1,
		.xloadflags = XLF_KERNEL_64,
		.cmdline_size = 100,
		.pref_address = PREFERRED,
		.init_size = 0x400000,
	};
	memcpy(out + SETUP_SIZE, "kernel", 6);
	return header;
}

static void test_bzimage(void **state)
{
	struct computer *computer = *state;
	uint8_t image[BZIMAGE_SIZE];
	make_bzimage(image);
	assert_ok(load(computer, image, sizeof(image)));
	assert_int_equal(computer->entry.mode, BOOT_LONG);
	assert_int_equal(computer->entry.address, PREFERRED + 0x200);
	assert_int_equal(computer->entry.rsi, LAYOUT_ZERO_PAGE);
	assert_memory_equal(at(computer, PREFERRED), "kernel", 6);
	const struct boot_params *params = (const void *)at(computer, LAYOUT_ZERO_PAGE);
	assert_string_equal(at(computer, params->hdr.cmd_line_ptr), "quiet");
	assert_int_equal(params->hdr.ramdisk_size, 5);
	assert_int_equal(params->hdr.ramdisk_image, MEMORY - 4096);
	assert_memory_equal(at(computer, params->hdr.ramdisk_image), "files", 5);
	assert_int_equal(params->acpi_rsdp_addr, LAYOUT_ACPI);
	assert_int_equal(params->e820_entries, 4);
	assert_int_equal(params->e820_table[3].addr + params->e820_table[3].size, MEMORY);
}

/* Without a 64-bit entry; and where there is no room at the place that it prefers. */
static void test_bzimage_elsewhere(void **state)
{
	struct computer *computer = *state;
	uint8_t image[BZIMAGE_SIZE];
	struct setup_header *header = make_bzimage(image);
	header->xloadflags = 0;
	header->pref_address = MEMORY - 0x100000;
	assert_ok(load(computer, image, sizeof(image)));
	assert_int_equal(computer->entry.mode, BOOT_PROTECTED);
	assert_int_equal(computer->entry.address, 0x200000);
	header->relocatable_kernel = 0;
	assert_fails(load(computer, image, sizeof(image)), ENOSPC, VISO_STAGE_GUEST, "image");
}

static void test_bzimage_refused(void **state)
{
	struct computer *computer = *state;
	uint8_t image[BZIMAGE_SIZE];
	struct setup_header *header = make_bzimage(image);
	assert_fails(load(computer, image, SETUP_SIZE), ENOEXEC, VISO_STAGE_GUEST, "image");
	assert_fails(load(computer, image, 0x210), ENOEXEC, VISO_STAGE_GUEST, "image");
	header->init_size = 0xffffffff;
	assert_fails(load(computer, image, sizeof(image)), ENOSPC, VISO_STAGE_GUEST, "image");
	header = make_bzimage(image);
	header->init_size = MEMORY - PREFERRED;
	assert_fails(load(computer, image, sizeof(image)), ENOSPC, VISO_STAGE_GUEST, "image");
	header = make_bzimage(image);
	header->cmdline_size = 4;
	assert_fails(load(computer, image, sizeof(image)), ENOSPC, VISO_STAGE_GUEST, "command line");
	header = make_bzimage(image);
	header->version = 0x200;
	assert_fails(load(computer, image, sizeof(image)), ENOEXEC, VISO_STAGE_GUEST, "image");
	header = make_bzimage(image);
	header->kernel_alignment = 0x300000;
	header->pref_address = UINT64_MAX - 0x1000;
	assert_fails(load(computer, image, sizeof(image)), ENOSPC, VISO_STAGE_GUEST, "image");
}

struct elf_file {
	Elf64_Ehdr header;
	Elf64_Phdr segments[2];
	struct {
		Elf64_Nhdr head;
		char name[4];
		uint32_t entry;
	} note;
	char code[64];
};

static struct elf_file make_elf(void)
{
	struct elf_file file = {
		.header =
			{
				.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
				.e_type = ET_EXEC,
				.e_machine = EM_X86_64,
				.e_entry = KERNEL + 8,
				.e_phoff = offsetof(struct elf_file, segments),
				.e_phentsize = sizeof(Elf64_Phdr),
				.e_phnum = 2,
			},
		.segments =
			{
				{
					.p_type = PT_LOAD,
					.p_offset = offsetof(struct elf_file, code),
					.p_paddr = KERNEL,
					.p_filesz = 64,
					.p_memsz = 0x10000,
				},
				{
					.p_type = PT_NOTE,
					.p_offset = offsetof(struct elf_file, note),
					.p_filesz = sizeof(file.note),
				},
			},
		.note = {.head = {.n_namesz = 4, .n_descsz = 4, .n_type = 18}, .name = "Xen", .entry = KERNEL + 16},
		.code = "code",
	};
	return file;
}

static void test_pvh(void **state)
{
	struct computer *computer = *state;
	const struct elf_file file = make_elf();
	assert_ok(load(computer, &file, sizeof(file)));
	assert_int_equal(computer->entry.mode, BOOT_PROTECTED);
	assert_int_equal(computer->entry.address, KERNEL + 16);
	assert_string_equal(at(computer, KERNEL), "code");
	const uint32_t *info = (const void *)at(computer, computer->entry.rbx);
	assert_int_equal(info[0], 0x336ec578);
	assert_int_equal(info[3], 1);
	const uint64_t *module = (const void *)at(computer, info[4]);
	assert_int_equal(module[1], 5);
	assert_memory_equal(at(computer, module[0]), "files", 5);
	assert_string_equal(at(computer, info[6]), "quiet");
	assert_int_equal(info[8], LAYOUT_ACPI);
}

static void test_elf(void **state)
{
	struct computer *computer = *state;
	struct elf_file file = make_elf();
	file.note.head.n_type = 1;
	assert_ok(load(computer, &file, sizeof(file)));
	assert_int_equal(computer->entry.mode, BOOT_LONG);
	assert_int_equal(computer->entry.address, KERNEL + 8);
	assert_int_equal(computer->entry.rsi, LAYOUT_ZERO_PAGE);
	const struct boot_params *params = (const void *)at(computer, LAYOUT_ZERO_PAGE);
	assert_int_equal(params->hdr.header, 0x53726448);
	assert_memory_equal(at(computer, params->hdr.ramdisk_image), "files", 5);
}

static void test_elf_refused(void **state)
{
	struct computer *computer = *state;
	struct elf_file file = make_elf();
	for (size_t size = 4; size < offsetof(struct elf_file, code) + sizeof(file.code); size++)
		assert_true(load(computer, &file, size) == -ENOEXEC);
	file.segments[0].p_paddr = 0x1000;
	assert_fails(load(computer, &file, sizeof(file)), ENOEXEC, VISO_STAGE_GUEST, "image");
	file = make_elf();
	file.segments[0].p_filesz = 0x20000;
	assert_fails(load(computer, &file, sizeof(file)), ENOEXEC, VISO_STAGE_GUEST, "image");
	file = make_elf();
	file.segments[0].p_memsz = UINT64_MAX - KERNEL;
	assert_fails(load(computer, &file, sizeof(file)), ENOSPC, VISO_STAGE_GUEST, "image");
	file = make_elf();
	file.segments[0].p_paddr = UINT64_MAX - 16;
	assert_fails(load(computer, &file, sizeof(file)), ENOSPC, VISO_STAGE_GUEST, "image");
	file = make_elf();
	file.header.e_machine = EM_AARCH64;
	assert_fails(load(computer, &file, sizeof(file)), ENOEXEC, VISO_STAGE_GUEST, "image");
	file = make_elf();
	file.header.e_phoff = UINT64_MAX - 8;
	assert_fails(load(computer, &file, sizeof(file)), ENOEXEC, VISO_STAGE_GUEST, "image");
	file = make_elf();
	file.note.head.n_namesz = UINT32_MAX;
	assert_ok(load(computer, &file, sizeof(file)));
	assert_int_equal(computer->entry.mode, BOOT_LONG);
}

static void test_multiboot(void **state)
{
	struct computer *computer = *state;
	uint32_t image[64] = {0x1badb002, 0x10003, -(0x1badb002u + 0x10003), KERNEL,
			      KERNEL,     0,       KERNEL + 0x1000,          KERNEL + 32};
	assert_ok(load(computer, image, sizeof(image)));
	assert_int_equal(computer->entry.mode, BOOT_PROTECTED);
	assert_int_equal(computer->entry.address, KERNEL + 32);
	assert_int_equal(computer->entry.rax, 0x2badb002);
	assert_memory_equal(at(computer, KERNEL), image, sizeof(image));
	const uint32_t *info = (const void *)at(computer, computer->entry.rbx);
	assert_string_equal(at(computer, info[4]), "quiet");
	assert_int_equal(info[2], (MEMORY - KERNEL) / 1024);
	assert_int_equal(info[5], 1);
	const uint32_t *module = (const void *)at(computer, info[6]);
	assert_int_equal(module[1] - module[0], 5);
	assert_memory_equal(at(computer, module[0]), "files", 5);

	image[1] |= 0x10, image[2] = -(image[0] + image[1]);
	assert_fails(load(computer, image, sizeof(image)), ENOEXEC, VISO_STAGE_GUEST, "image");
	image[1] = 0x10003, image[2] = -(image[0] + image[1]);
	image[3] = KERNEL - 4;
	assert_fails(load(computer, image, sizeof(image)), ENOEXEC, VISO_STAGE_GUEST, "image");
	image[3] = KERNEL, image[5] = 1;
	assert_fails(load(computer, image, sizeof(image)), ENOEXEC, VISO_STAGE_GUEST, "image");
	image[5] = 0, image[6] = UINT32_MAX;
	assert_fails(load(computer, image, sizeof(image)), ENOSPC, VISO_STAGE_GUEST, "image");
}

static void test_real_mode(void **state)
{
	struct computer *computer = *state;
	struct kvm_regs regs;
	struct kvm_sregs sregs = {.cs.base = 0xffff0000};
	uint8_t sector[512] = {0xf4};
	assert_fails(load(computer, sector, sizeof(sector)), ENOEXEC, VISO_STAGE_GUEST, "image");
	sector[510] = 0x55, sector[511] = 0xaa;
	assert_ok(load(computer, sector, sizeof(sector)));
	assert_int_equal(computer->entry.mode, BOOT_REAL);
	assert_int_equal(computer->entry.address, 0x7c00);
	computer->request.is_flat = true;
	computer->request.flat_address = 0x12345;
	assert_ok(load(computer, sector, sizeof(sector)));
	assert_true(entry_prepare(&computer->entry, &computer->ram, &regs, &sregs));
	assert_int_equal(sregs.cs.base, 0x12340);
	assert_int_equal(sregs.cs.selector, 0x1234);
	assert_int_equal(regs.rip, 5);
	assert_fails(load(computer, sector, 0), ENOEXEC, VISO_STAGE_GUEST, "image");
}

/* More than 3 GiB of memory goes on beyond the hole. */
static void test_memory_map(void **state)
{
	struct ram ram;
	struct memory_range ranges[MEMORY_MAP_MAX];
	memory_lay_out(&ram, 5ull << 30, NULL);
	assert_int_equal(ram.count, 3);
	int count = memory_map_list(&ram, ranges);
	assert_int_equal(count, 5);
	assert_int_equal(ranges[3].base + ranges[3].size, LAYOUT_HOLE_BEGIN);
	assert_int_equal(ranges[4].base, 1ull << 32);
	assert_int_equal(ranges[4].size, 2ull << 30);
	/* What is shared with the host is no memory, and in its order. */
	ram.reserved = LAYOUT_DOORBELL;
	ram.reserved_size = DOORBELL_SIZE;
	assert_int_equal(memory_map_list(&ram, ranges), 6);
	assert_int_equal(ranges[4].base, LAYOUT_DOORBELL);
	assert_int_equal(ranges[4].type, MEMORY_RESERVED);
	assert_int_equal(ranges[5].base, 1ull << 32);
}

static uint8_t sum_of(const uint8_t *data, size_t size)
{
	uint8_t sum = 0;
	for (size_t i = 0; i < size; i++)
		sum = (uint8_t)(sum + data[i]);
	return sum;
}

/* Each table that the RSDP leads to has the right sum; as many processors, as many devices as there are. */
static void test_acpi(void **state)
{
	struct computer *computer = *state;
	uint8_t rsdp[ACPI_RSDP_SIZE];
	for (int platform = 0; platform < 2; platform++) {
		const struct acpi_setting setting = {.platform = (viso_platform)platform,
						     .processors = 64,
						     .virtio_count = 18,
						     .base = 0xe0040,
						     .size = 0xff00};
		assert_true(acpi_build(&setting, &computer->ram, rsdp));
		assert_int_equal(sum_of(rsdp, 20), 0);
		assert_int_equal(sum_of(rsdp, sizeof(rsdp)), 0);
		uint64_t xsdt;
		memcpy(&xsdt, rsdp + 24, sizeof(xsdt));
		const uint8_t *table = (const uint8_t *)at(computer, xsdt);
		uint32_t size = table[4];
		assert_memory_equal(table, "XSDT", 4);
		assert_int_equal(size, 36 + 2 * 8);
		assert_int_equal(sum_of(table, size), 0);
		for (uint32_t i = 36; i < size; i += 8) {
			uint64_t address;
			uint32_t length;
			memcpy(&address, table + i, sizeof(address));
			memcpy(&length, at(computer, address + 4), sizeof(length));
			assert_int_equal(sum_of((const uint8_t *)at(computer, address), length), 0);
		}
		assert_true(mp_build(&setting, &computer->ram));
		assert_int_equal(sum_of((const uint8_t *)at(computer, LAYOUT_MP), 16), 0);
		assert_memory_equal(at(computer, LAYOUT_MP + 16), "PCMP", 4);
	}
	const struct acpi_setting small = {.processors = 64, .base = 0xe0040, .size = 256};
	assert_false(acpi_build(&small, &computer->ram, rsdp));
}

/* A PC has no sign of a hypervisor; neither has virtualisation of its own, and each processor an id. */
static void test_cpuid(void **state)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[KERNEL_CPUID_MAX];
	} cpuid;
	for (int platform = 0; platform < 2; platform++) {
		cpuid.head.nent = 4;
		cpuid.entries[0] = (struct kvm_cpuid_entry2){.function = 1, .ebx = 0xff000800, .ecx = UINT32_MAX};
		cpuid.entries[1] = (struct kvm_cpuid_entry2){.function = 0xb};
		cpuid.entries[2] = (struct kvm_cpuid_entry2){.function = 0x40000000, .ebx = 0x4b4d564b};
		cpuid.entries[3] = (struct kvm_cpuid_entry2){.function = 0x80000001, .ecx = 4};
		kernel_cpuid_filter(&cpuid.head, (viso_platform)platform, 2, 3);
		int found = 0;
		for (uint32_t i = 0; i < cpuid.head.nent; i++)
			found += cpuid.entries[i].function >> 28 == 4;
		assert_int_equal(found, platform == VISO_PLATFORM_PC ? 0 : 4);
		assert_int_equal(cpuid.entries[0].ecx >> 31, platform == VISO_PLATFORM_PC ? 0 : 1);
		assert_int_equal(cpuid.entries[0].ecx & 0x20, 0);
		assert_int_equal(cpuid.entries[0].ebx, 2 << 24 | 4 << 16 | 0x800);
		assert_int_equal(cpuid.entries[1].edx, 2);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_bzimage),
		TEST(test_bzimage_elsewhere),
		TEST(test_bzimage_refused),
		TEST(test_pvh),
		TEST(test_elf),
		TEST(test_elf_refused),
		TEST(test_multiboot),
		TEST(test_real_mode),
		TEST(test_memory_map),
		TEST(test_acpi),
		TEST(test_cpuid),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
