/* SPDX-License-Identifier: MIT */
/*
 * swap_context(from, to): what the C library's swapcontext() does but for the signal mask: all registers that a call
 * keeps or passes arguments in, the x87 environment and MXCSR are saved in *from and loaded from *to (144 bytes each).
 */
	.code64
	.text
	.globl swap_context
	.type swap_context, @function
	.balign 64
swap_context:
	mov %rbx, 0(%rdi)
	mov %rbp, 8(%rdi)
	mov %r12, 16(%rdi)
	mov %r13, 24(%rdi)
	mov %r14, 32(%rdi)
	mov %r15, 40(%rdi)
	mov %rdi, 48(%rdi)
	mov %rsi, 56(%rdi)
	mov %rdx, 64(%rdi)
	mov %rcx, 72(%rdi)
	mov %r8, 80(%rdi)
	mov %r9, 88(%rdi)
	mov (%rsp), %rcx
	mov %rcx, 96(%rdi)
	lea 8(%rsp), %rcx
	mov %rcx, 104(%rdi)
	fnstenv 112(%rdi)
	fldenv 112(%rdi)
	stmxcsr 140(%rdi)
	fldenv 112(%rsi)
	ldmxcsr 140(%rsi)
	mov 104(%rsi), %rsp
	mov 0(%rsi), %rbx
	mov 8(%rsi), %rbp
	mov 16(%rsi), %r12
	mov 24(%rsi), %r13
	mov 32(%rsi), %r14
	mov 40(%rsi), %r15
	mov 96(%rsi), %rcx
	push %rcx
	mov 48(%rsi), %rdi
	mov 64(%rsi), %rdx
	mov 72(%rsi), %rcx
	mov 80(%rsi), %r8
	mov 88(%rsi), %r9
	mov 56(%rsi), %rsi
	ret
	.size swap_context, . - swap_context
	.section .note.GNU-stack, "", @progbits
