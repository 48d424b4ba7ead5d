/* SPDX-License-Identifier: MIT */
/* For tests of kernel guests: images of a few instructions, and what comes of booting them. */
#ifndef TEST_KERNEL_SUPPORT_H
#define TEST_KERNEL_SUPPORT_H

#include "support.h"

#include <virtiso.h>

/* Each test has a guest, and a directory for its images. */
struct kernel_fixture {
	char *directory;
	char *image; /* a path in it */
	viso_guest *guest;
};

int kernel_setup(void **state);
int kernel_teardown(void **state);

/*
 * What a Linux kernel is told in the rig. noxsave, since QEMU's emulation of SVM lets a guest's XSETBV pass by KVM: that puts
 * the XCR0 which it knows back when the guest goes on, and XSAVE leaves registers out (kvm_load_guest_xsave_state() in
 * arch/x86/kvm/x86.c). The library has no part in it; on processors no kernel needs it.
 */
#define KERNEL_LINE "console=ttyS0 quiet panic=-1 mitigations=off noxsave"

/* For a PC, to be freed: its clock is not measured, since against timers that are emulated twice it seems wrong, and
 * the kernel takes slow ones instead. */
char *kernel_pc_line(void);

/* Skips where there is no KVM; and where it does not run ring 0, as on kvm_pvm. */
void need_kvm(void);
void need_kernels(void);

/* Writes a file into the directory; its path, to be freed. */
char *kernel_write(const struct kernel_fixture *fixture, const char *name, const void *data, size_t size);

/* Gives the guest a flat image that is loaded to CODE. */
enum { CODE = 0x8000 };
void kernel_set_code(struct kernel_fixture *fixture, const void *code, size_t size);
#define set_code(fixture, ...)                                                                                         \
	do {                                                                                                           \
		const unsigned char code_[] = {__VA_ARGS__};                                                           \
		kernel_set_code(fixture, code_, sizeof(code_));                                                        \
	} while (0)

/* A Multiboot image with that code at its entry, where the processor is in protected mode. */
enum { MULTIBOOT_CODE = 0x100020 };
void kernel_set_multiboot(struct kernel_fixture *fixture, const void *code, size_t size);

/* Instructions in 16 bits: `out`s of constants, and to stop. And those in 32 bits. */
#define OUT(port, value) 0xba, (port)&0xff, (port) >> 8, 0xb0, (value), 0xee
#define OUT32(port, value) 0xba, (port)&0xff, (port) >> 8, 0, 0, 0xb0, (value), 0xee
#define PUT32(character) OUT32(0x3f8, character)
#define POWER_OFF32 OUT32(0x600, 0x34)
#define PUT(character) OUT(0x3f8, character)
#define POWER_OFF OUT(0x600, 0x34)
#define FOR_EVER 0xeb, 0xfe
#define HALT 0xfa, 0xf4, 0xeb, 0xfd

/* Boots it, with a time limit, and waits for its end. To be released. */
viso_process *kernel_boot(struct kernel_fixture *fixture, const viso_command *streams);
/* The same, with a pipe from its serial port, and one to it. */
viso_process *kernel_boot_with_pipes(struct kernel_fixture *fixture, int *out_to, int *out_from);
viso_result *kernel_wait(viso_process *process);
viso_result *kernel_run(struct kernel_fixture *fixture);

/* Checks the result and releases it. */
void assert_switched_off(viso_result *result, const char *output);
void assert_ended(viso_result *result, viso_reason reason);

#endif
