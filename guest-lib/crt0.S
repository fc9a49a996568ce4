/* SPDX-License-Identifier: MIT */
/* The entry point: rdi is the boot record, rsp is aligned to 16. And the note that states the ABI. */
	.code64
	.section .note.cassin, "a", @note
	.balign 4
	.long 7, 8, 1
	.asciz "Cassin"
	.balign 4
	.long 1, 0

	.text
	.globl _start
	.type _start, @function
_start:
	xor %ebp, %ebp
	lea __ehdr_start(%rip), %rsi
	lea _DYNAMIC(%rip), %rdx
	call cassin_start
	ud2
	.size _start, . - _start
	.weak _DYNAMIC
	.hidden _DYNAMIC
	.weak __ehdr_start
	.hidden __ehdr_start
	.section .note.GNU-stack, "", @progbits
