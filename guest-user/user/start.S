/* SPDX-License-Identifier: MIT */
/* The entry point of a user program: rdi is argc, rsi argv, rsp is aligned to 16. And a note that tells it from a guest. */
	.code64
	.section .note.cassin, "a", @note
	.balign 4
	.long 7, 4, 256
	.asciz "Cassin"
	.balign 4
	.long 1

	.text
	.globl _start
	.type _start, @function
_start:
	xor %ebp, %ebp
	call main
	mov %eax, %edi
	call user_exit
	ud2
	.size _start, . - _start
	.section .note.GNU-stack, "", @progbits
