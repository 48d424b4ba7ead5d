/* SPDX-License-Identifier: MIT */
/**
 * @file guest_kernel.h
 * Kernel guests: a virtual computer that boots an operating system of its own.
 *
 * A guest that was given a kernel, a flat image or firmware is one. It has processors, memory (viso_guest_set_memory_max(), 256 MiB
 * without it), a serial console and the devices of its platform; whatever it does stays within it. viso_guest_boot() switches it on. The
 * viso_process that comes of it stands for the whole computer: it ends with the computer, and viso_process_kill(), viso_sandbox_pause() and
 * time limits work on it.
 *
 * The standard streams of that process are the first serial port (ttyS0, COM1), or what viso_guest_set_console() says: what the guest
 * writes there goes to standard output, and standard input goes to the guest. Standard error gets nothing. Up to 64 KiB that nobody has
 * read yet are kept; then the guest waits, a second at most, and from then on what it writes is lost until somebody reads. So a console
 * that is not read never stops a guest.
 *
 * On VISO_PLATFORM_MICROVM its system can call the host program and be called by it, as <virtiso/doorbell.h> says: guest_hypercalls.h and
 * guest_calls.h have the host's side.
 *
 * The result of a computer: VISO_REASON_EXITED with exit code 0 where it was switched off, with exit code 1 where it was about to start
 * anew (reset); VISO_REASON_GUEST_FAULT where a processor could not go on (a triple fault, say); else as for other commands.
 */
#ifndef VIRTISO_GUEST_KERNEL_H
#define VIRTISO_GUEST_KERNEL_H

#include <stdint.h>
#include <virtiso/attributes.h>
#include <virtiso/command.h>
#include <virtiso/guest.h>
#include <virtiso/process.h>

VISO_BEGIN_DECLS

/** The computer that a kernel guest finds. */
typedef enum viso_platform {
	VISO_PLATFORM_MICROVM = 0, /**< small and quick: serial port, virtio devices described by ACPI, KVM's clock (the default) */
	VISO_PLATFORM_PC = 1,      /**< a PC that does not tell that it is virtual: PIT, PIC, RTC, keyboard, VGA, IDE, ACPI */
	VISO_PLATFORM_ENUM_WIDTH_ = 0x7fffffff /**< not a platform; fixes the width of the type */
} viso_platform;

/**
 * Boot this kernel. What it is, its contents tell: a Linux bzImage; an ELF file with a PVH entry, such as vmlinux; a 64-bit ELF file of
 * Linux without one; an image with a Multiboot (version 1) header; or a boot sector (0x55 0xAA at its bytes 510 and 511), which is
 * loaded at 0x7c00 and runs in real mode.
 *
 * @param guest  a guest that has not run anything
 * @param path   a file of the host; it is read when the guest boots
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD, -ENOENT, -ENOTDIR, -EACCES, -EISDIR, -ELOOP, -ENAMETOOLONG, -ENOMEM.
 * Threads: one handle from one thread at a time.
 * Since: 0.5
 * See: Documentation/arch/x86/boot.rst, the Multiboot Specification 0.6.96, docs/misc/pvh.pandoc of Xen
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_set_kernel(viso_guest *guest, const char *path);

/**
 * Boot an image without any header: it is copied to an address and begins there in 16-bit real mode, with interrupts off and zero in
 * all registers but the stack pointer (0x7000) and, from address 0x10000 on, CS. Takes the place of viso_guest_set_kernel().
 *
 * @param guest    a guest that has not run anything
 * @param path     a file of the host; it is read when the guest boots
 * @param address  where it goes, from 0x500 to below 0xa0000
 * @return 0, or a negative errno: as viso_guest_set_kernel().
 * Threads: one handle from one thread at a time.
 * Since: 0.5
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_set_flat_image(viso_guest *guest, const char *path, uint64_t address);

/**
 * Give the kernel a first file system: Linux's initramfs or initrd, the first module of a PVH or Multiboot kernel.
 *
 * @param guest  a guest that has not run anything
 * @param path   a file of the host; it is read when the guest boots
 * @return 0, or a negative errno: as viso_guest_set_kernel().
 * Threads: one handle from one thread at a time.
 * Since: 0.5
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_set_initramfs(viso_guest *guest, const char *path);

/**
 * Set the kernel's command line, which is empty without this call. "console=ttyS0" shows a Linux kernel on the streams.
 *
 * @param guest  a guest that has not run anything
 * @param text   the command line, up to 4095 bytes; the kernel may take fewer
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD, -ENOMEM.
 * Threads: one handle from one thread at a time.
 * Since: 0.5
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_set_command_line(viso_guest *guest, const char *text);

/**
 * Set how many processors the computer has. Without this call it is one. Each is a thread of the host program,
 * or of the process that VISO_PLACEMENT_CONTAINED makes.
 *
 * @param guest  a guest that has not run anything
 * @param count  1 to 64
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD, -ENOMEM.
 * Threads: one handle from one thread at a time.
 * Since: 0.5
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_set_processors(viso_guest *guest, unsigned count);

/**
 * Choose the computer.
 *
 * @param guest     a guest that has not run anything
 * @param platform  which one
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD, -ENOMEM.
 * Threads: one handle from one thread at a time.
 * Since: 0.5
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_set_platform(viso_guest *guest, viso_platform platform);

/** What the standard streams of a computer lead to. */
typedef enum viso_console {
	VISO_CONSOLE_SERIAL = 0, /**< its first serial port, byte by byte: every system can use it (the default) */
	VISO_CONSOLE_VIRTIO = 1, /**< a console of virtio (hvc0), many bytes at once; what is written to the serial port is seen, too */
	VISO_CONSOLE_ENUM_WIDTH_ = 0x7fffffff /**< not a console; fixes the width of the type */
} viso_console;

/**
 * Choose what the standard streams of a computer lead to. With VISO_CONSOLE_VIRTIO, "console=hvc0" on the command line shows a Linux kernel
 * there from the time on at which it has the driver (virtio_console), which Debian's kernels load as a module; "console=ttyS0 console=hvc0"
 * shows what comes before, too, and the rest twice. The guest is told the size of the window where standard output is a terminal.
 * VISO_PLATFORM_PC has the serial port alone.
 *
 * @param guest    a guest that has not run anything
 * @param console  which one
 * @return 0, or a negative errno: -EINVAL, -EBUSY, -ESTALE, -ECHILD, -ENOMEM.
 * Threads: one handle from one thread at a time.
 * Since: 0.5
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_set_console(viso_guest *guest, viso_console console);

/**
 * Boot by this BIOS, on VISO_PLATFORM_PC. Without this call a PC without a kernel takes SeaBIOS from /usr/share/seabios/bios.bin.
 *
 * @param guest  a guest that has not run anything
 * @param path   a file of the host, 64 KiB to 4 MiB in size; it is read when the guest boots
 * @return 0, or a negative errno: as viso_guest_set_kernel().
 * Threads: one handle from one thread at a time.
 * Since: 0.5
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_set_firmware(viso_guest *guest, const char *path);

/**
 * Switch the computer on. One computer of a guest runs at a time. That of a clone goes on from its snapshot (<virtiso/snapshot.h>) in place
 * of booting.
 *
 * @param guest        a guest with a kernel, a flat image or firmware
 * @param streams      a command of which the streams, bounds of captured output and time limits count, and nothing else: a CPU time limit
 *                     is for all processors together; NULL: no input, up to 1 MiB of output captured, no limits
 * @param out_process  where the process that stands for the computer is put, owned by the caller; untouched on failure
 * @return 0 once the processors run, or a negative errno: -EINVAL also without a kernel, or more memory than 1 TiB, or a clone that lacks a
 *         disk or has other devices; -EBUSY one runs already, or a disk is another guest's; -EADDRINUSE something is where
 *         viso_guest_set_vsock() wants its socket; -ENOEXEC the kernel is none, or is damaged; -ENOSPC it, its initramfs, or its command
 *         line does not fit into the memory or into what the kernel can take; -ENOENT, -EACCES, -EISDIR and others of open(2) and read(2)
 *         for the files; -ENODEV no usable /dev/kvm; -EOPNOTSUPP a setting that such a guest cannot have, or what the host's KVM cannot do
 *         (the message names it); -EFBIG in a container, the host program's RLIMIT_FSIZE is too small for what is shared with it; -ENOMEM,
 *         -EMFILE, -ENFILE, -EAGAIN, -ESTALE, -ECHILD.
 * Threads: one handle from one thread at a time.
 * Since: 0.5
 */
VISO_PUBLIC VISO_CHECK_RESULT int viso_guest_boot(viso_guest *guest, const viso_command *streams, viso_process **out_process);

VISO_END_DECLS

#endif
