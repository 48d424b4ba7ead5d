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

/* Instructions in 16 bits that switch a PC off. */
#define PC_OFF 0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef

#endif
