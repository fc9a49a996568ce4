/* SPDX-License-Identifier: MIT */
/*
 * The two user programs. Each is copied to a page of its own and runs at USER_CODE, so it names its data relative to rip.
 * A system call is the door's instruction: number in rax, arguments in rdi and rsi, result in rax.
 */
#define EXIT 0
#define WRITE 1
#define SLEEP 2

	.macro system_call number
	mov $\number, %eax
	out %al, $0xca
	.endm

	.section .rodata
/* Says something three times, sleeps between, and ends with 7. */
	.globl ticker, ticker_end
ticker:
	mov $3, %ebx
1:	push %rbx /* the first use of the stack is a fault, which the kernel answers with a page */
	lea tick(%rip), %rdi
	mov $tick_end - tick, %esi
	system_call WRITE
	mov $5000000, %edi
	system_call SLEEP
	pop %rbx
	dec %ebx
	jnz 1b
	mov $7, %edi
	system_call EXIT
tick:	.ascii "tick\n"
tick_end:
ticker_end:

/* Computes for as long as some turns last, with its vector registers in use, then follows a null pointer. */
	.globl counter, counter_end
counter:
	mov $42, %eax
	movq %rax, %xmm5
	mov $30000000, %ecx
1:	dec %ecx
	jnz 1b
	movq %xmm5, %rax
	cmp $42, %rax
	jne 2f
	lea counted(%rip), %rdi
	mov $counted_end - counted, %esi
	system_call WRITE
	mov $8, %edi /* no address of this program: refused */
	mov $1, %esi
	system_call WRITE
	cmp $-14, %rax
	jne 2f
	xor %eax, %eax
	mov (%rax), %rax
2:	mov $1, %edi
	system_call EXIT
counted: .ascii "counted\n"
counted_end:
counter_end:
	.section .note.GNU-stack, "", @progbits
