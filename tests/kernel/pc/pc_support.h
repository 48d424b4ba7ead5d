/* SPDX-License-Identifier: MIT */
/* For tests of PCs: what is on the screen. */
#ifndef TEST_KERNEL_PC_SUPPORT_H
#define TEST_KERNEL_PC_SUPPORT_H

#include "kernel_support.h"

/* Makes the guest a PC; skips where SeaBIOS is not there. */
void pc_prepare(struct kernel_fixture *fixture);
void pc_need_firmware(void);

/* Waits until the screen has this text; the test fails where the computer ends before, or the watchdog of the tests
 * barks. */
void pc_await_screen(struct kernel_fixture *fixture, viso_process *process, const char *text);

/* Boots it; what it has to show is on the screen. On a machine with other work, emulation takes minutes. */
viso_process *pc_boot_patiently(struct kernel_fixture *fixture);

/* What a pattern finds in the rig's kernels, to be freed. */
char *pc_kernel_path(const char *pattern);

/* Instructions in 16 bits that switch a PC off. */
#define PC_OFF 0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef

#endif
