/* SPDX-License-Identifier: MIT */
/*
 * Putting a kernel into the memory of a computer as its boot protocol wants it. Everything in its file is as hostile as
 * what runs afterwards; nothing here needs KVM.
 */
#ifndef GUEST_KERNEL_BOOT_LOAD_H
#define GUEST_KERNEL_BOOT_LOAD_H

#include <stdbool.h>

#include "guest/device/ram.h"
#include "guest/kernel/boot/image.h"

struct boot_request {
	const struct ram *ram;
	const struct image *kernel;
	const struct image *initramfs; /* NULL for none */
	const char *command_line;
	bool is_flat; /* loaded at flat_address, whatever it is */
	uint64_t flat_address;
	uint64_t rsdp;    /* of ACPI; 0 for none */
	bool has_display; /* a VGA in text mode */
};

enum boot_mode {
	BOOT_REAL,      /* 16 bits; from 0x10000 on CS is the address of the image */
	BOOT_PROTECTED, /* 32 bits, flat, no paging */
	BOOT_LONG,      /* 64 bits, the first 4 GiB mapped as they are */
};

/* Where the first processor begins. What is not here is 0. */
struct boot_entry {
	enum boot_mode mode;
	uint64_t address;
	uint64_t rax, rbx, rsi, rsp;
};

/* 0; or -ENOEXEC, -ENOSPC and others as viso_guest_boot(), with the error set. */
int boot_load(const struct boot_request *request, struct boot_entry *out);

/* By protocol: the same for a kernel that is known to be of it. */
int boot_load_flat(const struct boot_request *request, uint64_t address, struct boot_entry *out);
int boot_load_linux(const struct boot_request *request, struct boot_entry *out);
int boot_load_multiboot(const struct boot_request *request, uint64_t header, struct boot_entry *out);
/* With a PVH entry, or a 64-bit Linux without one. */
int boot_load_elf(const struct boot_request *request, struct boot_entry *out);

/* Whether it is an ELF file with a PVH entry. */
bool boot_elf_has_pvh(const struct image *kernel);

/* 1 or 0: whether there is a header of Multiboot, and where. A negative errno, with the error set, where it cannot be
 * read. */
int boot_find_multiboot(const struct image *kernel, uint64_t *out_header);

/* The end of memory below the hole. */
uint64_t boot_low_end(const struct ram *ram);

/* Puts the command line where it belongs. -ENOSPC where it is longer than `max` bytes with its NUL. */
int boot_put_command_line(const struct boot_request *request, uint64_t max);

/*
 * Puts the initramfs as high as it goes below `limit`, and not below `begin`, on a page of its own. Its address, 0
 * where there is none.
 */
int boot_put_initramfs(const struct boot_request *request, uint64_t begin, uint64_t limit, uint64_t *out_address);

#endif
