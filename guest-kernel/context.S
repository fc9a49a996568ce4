/* SPDX-License-Identifier: MIT */
/*
 * kernel_context_switch(save, sp): what the System V ABI lets a function's caller keep is pushed on the calling thread's
 * stack; the same is popped from the other's. A new thread's stack looks as if it had come this way (thread.c).
 * The control words are loaded only if they differ: loading them is slow.
 */
	.code64
	.text
	.globl kernel_context_switch
	.type kernel_context_switch, @function
	.balign 64
kernel_context_switch:
	push %rbp
	push %rbx
	push %r12
	push %r13
	push %r14
	push %r15
	sub $8, %rsp
	stmxcsr (%rsp)
	fnstcw 4(%rsp)
	mov (%rsp), %eax
	movzwl 4(%rsp), %edx
	mov %rsp, (%rdi)
	mov %rsi, %rsp
	xor (%rsp), %eax
	xor 4(%rsp), %dx
	or %edx, %eax
	jnz 2f
1:	add $8, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbx
	pop %rbp
	ret
2:	ldmxcsr (%rsp)
	fldcw 4(%rsp)
	jmp 1b
	.size kernel_context_switch, . - kernel_context_switch
	.section .note.GNU-stack, "", @progbits
