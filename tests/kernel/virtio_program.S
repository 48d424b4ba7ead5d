/* SPDX-License-Identifier: MIT */
/* A flat image: from real mode at 0x8000 into flat protected mode, then to run(). */
	.code16
	.text
	.globl _start
_start:
	cli
	xorw %ax, %ax
	movw %ax, %ds
	lgdtl table_address
	movl %cr0, %eax
	orl $1, %eax
	movl %eax, %cr0
	ljmpl $8, $protected
	.code32
protected:
	movw $16, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movl $0x7000, %esp
	call run
	/* Off, by the sleep control register of ACPI. */
	movw $0x600, %dx
	movb $0x34, %al
	outb %al, %dx
1:	hlt
	jmp 1b
	.align 8
table:
	.quad 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
table_address:
	.word . - table - 1
	.long table
	.section .note.GNU-stack, "", @progbits
