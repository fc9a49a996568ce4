/* SPDX-License-Identifier: MIT */
/*
 * pid_t child_of(int (*run)(void *), void *argument, void *stack_end, int *number): clone(2) with the memory shared and a stack of
 * its own for the child, which nobody traces who traces this process: it can have one tracer only, and that is us. *number is its
 * number until it has the memory no longer, after an exec or at its end; then it is 0, and who waits there is woken, futex(2). By its
 * own instruction, since a sanitizer takes the functions of the C library for a fork(2). Its callee ends in an exec or an exit.
 * -errno.
 */
#define SYS_CLONE 56
/* CLONE_UNTRACED, CLONE_VM, CLONE_PARENT_SETTID, CLONE_CHILD_CLEARTID and SIGCHLD: sandbox/calls.c admits no others. */
#define FLAGS 0xb00111

	.text
	.code64
	.globl child_of
	.type child_of, @function
child_of:
	.cfi_startproc
	mov %rdi, -8(%rdx)	/* what the child takes from its stack */
	mov %rsi, -16(%rdx)
	lea -16(%rdx), %rsi
	mov $FLAGS, %edi
	mov %rcx, %rdx
	mov %rcx, %r10
	xor %r8d, %r8d
	mov $SYS_CLONE, %eax
	syscall
	test %eax, %eax
	jz 1f
	ret
	.cfi_endproc
1:	pop %rdi
	pop %rax
	xor %ebp, %ebp
	call *%rax
	ud2
	.size child_of, . - child_of

	.section .note.GNU-stack, "", @progbits
