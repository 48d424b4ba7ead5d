/* SPDX-License-Identifier: MIT */
/* The launcher program, carried in the library's read-only data; LAUNCHER_PATH is set by the build. */
	.section .rodata
	.balign 16
	.hidden launcher_image, launcher_image_end
	.globl launcher_image, launcher_image_end
launcher_image:
	.incbin LAUNCHER_PATH
launcher_image_end:
	.section .note.GNU-stack, "", @progbits
