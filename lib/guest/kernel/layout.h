/* SPDX-License-Identifier: MIT */
/* What lies where in the computer of a kernel guest. */
#ifndef GUEST_KERNEL_LAYOUT_H
#define GUEST_KERNEL_LAYOUT_H

#include <stdint.h>

/* Memory that is there ends below the first hole (VGA and option ROMs), goes on at 0xc0000, and beyond the second hole
 * at 4 GiB. */
/* Below are the interrupt vectors and the data area of a BIOS. */
enum { LAYOUT_FLAT_MIN = 0x500 };

#define LAYOUT_LOW_END 0xa0000ull
#define LAYOUT_HIGH_BEGIN 0xc0000ull
#define LAYOUT_HOLE_BEGIN 0xc0000000ull
#define LAYOUT_HOLE_END 0x100000000ull

/* What the loaders put into low memory; the operating system has it for itself afterwards. */
enum {
	LAYOUT_STACK = 0x7000, /* grows down */
	LAYOUT_GDT = 0x7100,
	LAYOUT_START_INFO = 0x7200, /* hvm_start_info or Multiboot information, with what it points to */
	LAYOUT_START_INFO_END = 0x8000,
	LAYOUT_ZERO_PAGE = 0x8000,   /* boot_params of Linux */
	LAYOUT_PAGE_TABLES = 0x9000, /* six pages: identity for 4 GiB */
	LAYOUT_COMMAND_LINE = 0x20000,
	LAYOUT_COMMAND_LINE_MAX = 0x1000,
	LAYOUT_EXTENDED_BIOS = 0x9fc00, /* reserved: the extended BIOS data area */
	LAYOUT_KERNEL = 0x100000,
};

/* Reserved for tables, where a BIOS would be. RSDP and MP table are looked for from 0xe0000, and from 0xf0000. */
enum {
	LAYOUT_ACPI = 0xe0000,
	LAYOUT_ACPI_END = 0xef000,
	LAYOUT_GENERATION = 0xef000, /* MICROVM: what tells clones apart */
	LAYOUT_GENERATION_SIZE = 16,
	LAYOUT_MP = 0xf0000,
	LAYOUT_MP_END = 0x100000,
};

/* virtio over mmio: a page and an interrupt line for each device. */
#define LAYOUT_VIRTIO 0xd0000000ull
enum { LAYOUT_VIRTIO_SIZE = 0x1000, LAYOUT_VIRTIO_LINE = 5, LAYOUT_VIRTIO_COUNT = 18 };

/* The pages of the doorbell (virtiso/doorbell.h), on MICROVM. */
#define LAYOUT_DOORBELL 0xd0100000ull

/* Intel's VT-x needs pages that the guest does not use: KVM_SET_IDENTITY_MAP_ADDR and KVM_SET_TSS_ADDR. */
#define LAYOUT_IDENTITY_MAP 0xfffbc000ull
#define LAYOUT_TSS 0xfffbd000ull

#define LAYOUT_LOCAL_APIC 0xfee00000u
#define LAYOUT_IO_APIC 0xfec00000u

/* Ports. */
enum {
	LAYOUT_SERIAL = 0x3f8,
	LAYOUT_SERIAL2 = 0x2f8, /* PC, where it has an agent */
	LAYOUT_POWER = 0x600,   /* MICROVM: sleep control, sleep status, reset; PC: the power management of ACPI */
	LAYOUT_DOORBELL_PORT = 0x610, /* MICROVM */
	LAYOUT_RESET = 0xcf9,         /* PC */
};

/* Interrupt lines. */
enum {
	LAYOUT_GENERATION_LINE = 1, /* MICROVM: it is a clone */
	LAYOUT_DOORBELL_LINE = 3,   /* MICROVM */
	LAYOUT_SERIAL2_LINE = 3,    /* PC */
	LAYOUT_SERIAL_LINE = 4,
	LAYOUT_SCI_LINE = 9,    /* PC */
	LAYOUT_EVENT_LINE = 23, /* MICROVM: the power button */
};

#endif
