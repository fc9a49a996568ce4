/* SPDX-License-Identifier: MIT */
/*
 * User runs and upcalls, with the vector registers around them. Components x87, SSE and AVX, which are all that a guest
 * may use; where there is no XSAVE, the first two.
 */
#define COMPONENTS 7
#define AREA 832
#define XSAVE_HEADER 512
#define CALL_USER_RUN 15
#define CALL_UPCALL_RETURN 17
#define PORT 0xca

	.code64
	.text

/* Both: rcx is the area; rax, rdx are lost. */
	.macro vectors_save
	mov $COMPONENTS, %eax
	xor %edx, %edx
	cmpb $0, cassin_vectors_xsave(%rip)
	je 1f
	xsave64 (%rcx)
	jmp 2f
1:	fxsave64 (%rcx)
2:	fninit
	ldmxcsr cassin_vectors_mxcsr(%rip)
	.endm

	.macro vectors_load
	mov $COMPONENTS, %eax
	xor %edx, %edx
	cmpb $0, cassin_vectors_xsave(%rip)
	je 1f
	xrstor64 (%rcx)
	jmp 2f
1:	fxrstor64 (%rcx)
2:
	.endm

/* rdi: space, rsi: frame, rdx: deadline, rcx: area or 0. The call keeps all of them. */
	.globl cassin_user_run
	.type cassin_user_run, @function
cassin_user_run:
	mov %rdx, %r8
	test %rcx, %rcx
	jz 3f
	vectors_load
3:	mov $CALL_USER_RUN, %eax
	mov %r8, %rdx
	out %al, $PORT
	test %rcx, %rcx
	jz 4f
	mov %rax, %r8
	vectors_save
	mov %r8, %rax
	ret
4:	fninit
	ldmxcsr cassin_vectors_mxcsr(%rip)
	ret
	.size cassin_user_run, . - cassin_user_run

/* rdi: events, rsi and rsp: the frame, which holds all general registers. */
	.globl cassin_upcall_entry
	.type cassin_upcall_entry, @function
cassin_upcall_entry:
	mov %rdi, %r12
	mov %rsi, %rbx
	xor %ebp, %ebp
	sub $AREA, %rsp
	and $-64, %rsp
	lea XSAVE_HEADER(%rsp), %rdi
	mov $8, %ecx
	xor %eax, %eax
	rep stosq
	mov %rsp, %rcx
	vectors_save
	mov %r12, %rdi
	mov %rbx, %rsi
	call *cassin_upcall_handler(%rip)
	mov %rax, %r12
	mov %rsp, %rcx
	vectors_load
	mov $CALL_UPCALL_RETURN, %eax
	mov %rbx, %rdi
	mov %r12, %rsi
	out %al, $PORT
	ud2
	.size cassin_upcall_entry, . - cassin_upcall_entry

	.section .rodata
	.balign 4
cassin_vectors_mxcsr:
	.long 0x1f80
	.section .note.GNU-stack, "", @progbits
