/* SPDX-License-Identifier: MIT */
/**
 * @file guest_pc.h
 * A computer that does not tell that it is virtual: VISO_PLATFORM_PC.
 *
 * It has what a PC of the time before PCI Express had: interrupt controllers, timers, a clock, keyboard and mouse ports, a display in text
 * mode, a serial port, up to four ATA disks (viso_guest_add_disk()), a PCI bus, and power management by ACPI. Neither processor nor tables
 * say that there is no such computer; of course whoever measures time can find out.
 *
 * Without a kernel (viso_guest_set_kernel()) its firmware boots the first disk: SeaBIOS, from the package seabios of most distributions,
 * together with its BIOS of the display, vgabios-isavga.bin, which is looked for beside it; where that is missing there is no text on the
 * screen. What the firmware reports goes to the log (VISO_LOG_DEBUG), from a thread of the library's.
 */
#ifndef VIRTISO_GUEST_PC_H
#define VIRTISO_GUEST_PC_H

#include <stddef.h>
#include <virtiso/attributes.h>
#include <virtiso/guest.h>

VISO_BEGIN_DECLS

/**
 * Read what the screen shows, as UTF-8: a line for each row, without blanks at its end, each with a newline. Empty rows at the end are left
 * out: an empty screen is an empty text.
 *
 * @param guest   a guest whose computer runs, a PC
 * @param buffer  where the text is put, with a zero byte; as much of it as there is room for whole characters
 * @param size    of the buffer; 0 asks for the length only
 * @return the length of the whole text, without the zero byte, at most 23820, or a negative errno: -EINVAL; -ESRCH no computer runs;
 *         -EOPNOTSUPP it is no PC; -ENODATA the screen shows a picture; -ENOMEM, -ESTALE, -ECHILD.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_screen(viso_guest *guest, char *buffer, size_t size);

/**
 * Type on the keyboard, which is of the United States: all characters of ASCII that print, "\n" (Enter), "\t", "\b" and "\033" (Escape).
 * The keys are pressed one after the other, some thirty a second, as the guest takes them.
 *
 * @param guest  a guest whose computer runs, a PC
 * @param text   what to type
 * @return 0 once it is noted, or a negative errno: -EINVAL also where a character has no key (nothing is typed then); -EAGAIN too many keys
 *         wait for the guest; -ESRCH no computer runs; -EOPNOTSUPP it is no PC; -ESTALE, -ECHILD.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_type(viso_guest *guest, const char *text);

/**
 * Press the power button: an operating system with ACPI usually shuts down. What it does, and whether it does anything, is its affair.
 *
 * @param guest  a guest whose computer runs
 * @return 0, or a negative errno: -EINVAL; -ESRCH no computer runs; -EOPNOTSUPP it has no power button; -ESTALE, -ECHILD.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_press_power_button(viso_guest *guest);

/**
 * Press the reset button: whatever it does, also where it is paused, the computer is about to start anew, and so ends with exit code 1, as
 * where its operating system resets it. viso_guest_boot() starts it anew.
 *
 * @param guest  a guest whose computer runs
 * @return 0, or a negative errno: -EINVAL; -ESRCH no computer runs; -ESTALE, -ECHILD.
 * Threads: any.
 * Since: 0.5
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_press_reset_button(viso_guest *guest);

VISO_END_DECLS

#endif
