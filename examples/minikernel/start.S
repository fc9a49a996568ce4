/* SPDX-License-Identifier: MIT */
/* The kernel's assembly: the note, the entry, the upcall's entry, the way from one thread to another, the user run. */
#define CALL_USER_RUN 15
#define PORT 0xca
#define COMPONENTS 7 /* x87, SSE, AVX: all that a guest may use */

	.section .note.cassin, "a", @note
	.balign 4
	.long 7, 8, 1
	.asciz "Cassin"
	.balign 4
	.long 1, 1

	.text
	.globl _start
_start:
	xor %ebp, %ebp
	call kernel_main
	ud2

/* rdi: events, rsi: the frame, on the upcall stack; everything is masked. thread_interrupted() does not return. */
	.globl upcall_entry
upcall_entry:
	xor %ebp, %ebp
	call thread_interrupted
	ud2

/* switch_away(frame): the caller's registers to its frame, as if it had been interrupted where this call returns. */
	.globl switch_away
switch_away:
	mov %rbx, 8(%rdi)
	mov %rbp, 48(%rdi)
	mov %r12, 96(%rdi)
	mov %r13, 104(%rdi)
	mov %r14, 112(%rdi)
	mov %r15, 120(%rdi)
	mov (%rsp), %rax
	mov %rax, 128(%rdi)
	lea 8(%rsp), %rax
	mov %rax, 56(%rdi)
	movq $0, 136(%rdi)
	movq $0, 144(%rdi)
	movq $-1, 152(%rdi)
	sub $8, %rsp
	call schedule
	ud2

/* user_run(space, frame, deadline, vectors): the kernel itself has no vector state, so it is the user's all along. */
	.globl user_run
user_run:
	mov %rdx, %r8
	mov $COMPONENTS, %eax
	xor %edx, %edx
	cmpb $0, have_xsave(%rip)
	je 1f
	xrstor64 (%rcx)
	jmp 2f
1:	fxrstor64 (%rcx)
2:	mov %r8, %rdx
	mov $CALL_USER_RUN, %eax
	out %al, $PORT
	mov %rax, %r8
	mov $COMPONENTS, %eax
	xor %edx, %edx
	cmpb $0, have_xsave(%rip)
	je 3f
	xsave64 (%rcx)
	jmp 4f
3:	fxsave64 (%rcx)
4:	mov %r8, %rax
	ret
	.section .note.GNU-stack, "", @progbits
