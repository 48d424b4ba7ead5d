/* SPDX-License-Identifier: MIT */
/*
 * A disk that SeaBIOS boots: its first sector reads the second one by the BIOS. That one writes to screen and serial
 * port, tells what betrays a virtual computer, repeats on the serial port what is typed up to Enter, and switches off.
 */
	.code16
	.globl _start
_start:
	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %es
	mov	%ax, %ss
	mov	$0x7c00, %sp
	cld
	mov	%dl, drive
	/* INT 13h, 42h: sectors by a packet. */
	mov	$0x42, %ah
	mov	$packet, %si
	int	$0x13
	jc	failed
	jmp	second
failed:
	mov	$text_failed, %si
	call	print
	jmp	off

print:
	lodsb
	test	%al, %al
	jz	1f
	call	put
	jmp	print
1:	ret

/* A character to both. */
put:
	push	%ax
	mov	$0x0e, %ah
	mov	$7, %bx
	int	$0x10
	pop	%ax
	mov	$0x3f8, %dx
	out	%al, %dx
	ret

off:
	mov	$0x604, %dx
	mov	$0x2000, %ax
	out	%ax, %dx
1:	hlt
	jmp	1b

packet:	.byte	16, 0
	.word	1
	.word	second, 0
	.quad	1
drive:	.byte	0
text_failed:
	.asciz	"cannot read the disk\r\n"

	.org	510
	.byte	0x55, 0xaa

second:
	mov	$text_booted, %si
	call	print
	/* The bit of hypervisors, and their leaves: beyond the range a processor gives what it likes, but no name. */
	mov	$1, %eax
	cpuid
	test	%ecx, %ecx
	js	told
	mov	$0x40000000, %eax
	cpuid
	cmp	$0x4b4d564b, %ebx /* "KVMK" */
	je	told
	/* What the firmware was told by, and its messages. */
	mov	$0x510, %dx
	xor	%ax, %ax
	out	%ax, %dx
	inc	%dx
	in	%dx, %al
	cmp	$0xff, %al
	jne	told
	mov	$0x402, %dx
	in	%dx, %al
	cmp	$0xff, %al
	jne	told
	mov	$text_silent, %si
	call	print
	jmp	type
told:
	mov	$text_told, %si
	call	print
type:
	xor	%ah, %ah
	int	$0x16
	push	%ax
	call	put
	pop	%ax
	cmp	$'\r', %al
	jne	type
	mov	$'\n', %al
	call	put
	jmp	off

text_booted:
	.asciz	"booted\r\n"
text_silent:
	.asciz	"nobody tells\r\n"
text_told:
	.asciz	"it is virtual\r\n"
	.org	1024
