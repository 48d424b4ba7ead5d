/* SPDX-License-Identifier: MIT */
/* The program that serves contained guests, in the library's read-only data; PROGRAM_PATH is set by the build. */
	.section .rodata
	.balign 16
	.hidden contained_image, contained_image_end
	.globl contained_image, contained_image_end
contained_image:
	.incbin PROGRAM_PATH
contained_image_end:
	.section .note.GNU-stack, "", @progbits
