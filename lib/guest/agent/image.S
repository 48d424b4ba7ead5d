/* SPDX-License-Identifier: MIT */
/* viso-agent, carried in the library's read-only data; AGENT_PATH is set by the build. */
	.section .rodata
	.balign 16
	.hidden agent_image, agent_image_end
	.globl agent_image, agent_image_end
agent_image:
	.incbin AGENT_PATH
agent_image_end:
	.section .note.GNU-stack, "", @progbits
