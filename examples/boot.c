/* SPDX-License-Identifier: MIT */
/*
 * Boots a kernel in a virtual computer, with its console on the standard streams.
 *
 *     boot KERNEL [INITRAMFS [COMMAND LINE]]
 *
 * A kernel is Linux (bzImage or vmlinux), any other ELF file with a PVH entry, a Multiboot image, or a boot sector. The
 * exit code is 0 where the computer was switched off, 1 where it wanted to start anew, 2 where it could not be booted
 * or crashed.
 */
#include <stdio.h>
#include <virtiso.h>

static int boot(viso_guest *guest, int argc, char **argv, viso_process **out_process)
{
	int r = viso_guest_set_kernel(guest, argv[1]);
	if (r == 0 && argc > 2)
		r = viso_guest_set_initramfs(guest, argv[2]);
	if (r == 0)
		r = viso_guest_set_command_line(guest, argc > 3 ? argv[3] : "console=ttyS0 panic=-1");
	if (r == 0)
		r = viso_guest_set_memory_max(guest, 512u << 20);
	if (r < 0)
		return r;

	/* Of this command only the streams count: they are the first serial port. Without a setting they are ours. */
	viso_command *streams = viso_command_new("computer");
	r = viso_guest_boot(guest, streams, out_process);
	viso_command_unref(streams);
	return r;
}

int main(int argc, char **argv)
{
	if (argc < 2 || argc > 4) {
		fprintf(stderr, "usage: boot KERNEL [INITRAMFS [COMMAND LINE]]\n");
		return 2;
	}
	viso_guest *guest = viso_guest_new();
	viso_process *computer = NULL;
	viso_result *result = NULL;
	if (boot(guest, argc, argv, &computer) < 0 || viso_process_wait(computer, -1, &result) < 0)
		fprintf(stderr, "boot: %s\n", viso_error_message());
	else
		fprintf(stderr, "boot: %s\n", viso_result_describe(result));

	int exit_code = viso_result_exit_code(result); /* -1 without a result, and where it did not end by itself */
	viso_result_unref(result);
	viso_process_unref(computer);
	viso_guest_unref(guest);
	return exit_code < 0 ? 2 : exit_code;
}
