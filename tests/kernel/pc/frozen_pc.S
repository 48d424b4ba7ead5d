/* SPDX-License-Identifier: MIT */
/*
 * A program of 16 bits that has each device of a PC amid something, says A, and then answers what it is asked by a byte at
 * its serial port: d the next word of the disk, c a byte of the clock's memory, p what the PCI bus has, k a key, t ('t', after two
 * ticks of the timer). Until q, when it switches off.
 */
	.code16
	.globl _start
_start:
	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %ss
	mov	$0x7c00, %sp
	movw	$tick, 8 * 4
	movw	$0, 8 * 4 + 2
	/* The interrupt controllers, from vectors 0x08 and 0x70 on: line 0 alone. */
	mov	$0x11, %al
	out	%al, $0x20
	out	%al, $0xa0
	mov	$0x08, %al
	out	%al, $0x21
	mov	$0x70, %al
	out	%al, $0xa1
	mov	$0x04, %al
	out	%al, $0x21
	mov	$0x02, %al
	out	%al, $0xa1
	mov	$0x01, %al
	out	%al, $0x21
	out	%al, $0xa1
	mov	$0xff, %al
	out	%al, $0xa1
	mov	$0xfe, %al
	out	%al, $0x21
	/* The timer: a hundred times a second. */
	mov	$0x34, %al
	out	%al, $0x43
	mov	$11932 & 0xff, %al
	out	%al, $0x40
	mov	$11932 >> 8, %al
	out	%al, $0x40
	mov	$0x40, %al
	out	%al, $0x70
	mov	$'m', %al
	out	%al, $0x71
	mov	$0x80000000, %eax
	mov	$0xcf8, %dx
	out	%eax, %dx
	/* Sector 5 of the disk, by polling. */
	mov	$0x3f6, %dx
	mov	$2, %al
	out	%al, %dx
	mov	$0x1f2, %dx
	mov	$1, %al
	out	%al, %dx
	inc	%dx
	mov	$5, %al
	out	%al, %dx
	inc	%dx
	xor	%al, %al
	out	%al, %dx
	inc	%dx
	out	%al, %dx
	inc	%dx
	mov	$0xe0, %al
	out	%al, %dx
	inc	%dx
	mov	$0x20, %al
	out	%al, %dx
1:	in	%dx, %al
	and	$0x88, %al
	cmp	$0x08, %al
	jne	1b
	mov	$0xb800, %ax
	mov	%ax, %es
	movw	$'H' | 7 << 8, %es:0
	movw	$'i' | 7 << 8, %es:2
	mov	$'A', %al
	call	send
	sti
next:
	call	receive
	cmp	$'d', %al
	je	disk
	cmp	$'c', %al
	je	clock
	cmp	$'p', %al
	je	bus
	cmp	$'k', %al
	je	key
	cmp	$'t', %al
	je	time
	cmp	$'q', %al
	jne	next
	mov	$0x604, %dx
	mov	$0x2000, %ax
	out	%ax, %dx
1:	hlt
	jmp	1b
disk:
	mov	$0x1f0, %dx
	in	%dx, %ax
	jmp	answer
clock:
	in	$0x71, %al
	jmp	answer
bus:
	mov	$0xcfc, %dx
	in	%dx, %eax
	jmp	answer
key:
	in	$0x64, %al
	test	$1, %al
	jz	key
	in	$0x60, %al
	jmp	answer
time:
	movw	$0, ticks
1:	cmpw	$2, ticks
	jb	1b
	mov	$'t', %al
answer:
	call	send
	jmp	next

send:
	mov	$0x3f8, %dx
	out	%al, %dx
	ret

receive:
	mov	$0x3fd, %dx
1:	in	%dx, %al
	test	$1, %al
	jz	1b
	mov	$0x3f8, %dx
	in	%dx, %al
	ret

tick:
	push	%ax
	incw	%ss:ticks
	mov	$0x20, %al
	out	%al, $0x20
	pop	%ax
	iret

ticks:	.word	0
