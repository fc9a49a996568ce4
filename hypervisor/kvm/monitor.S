/* SPDX-License-Identifier: MIT */
/*
 * Ring 0 of a cell. It is emulated, and slow, on some KVMs: nothing here is on the fast path. The hypervisor resumes
 * guests through the registers, so the stubs never return.
 */
#include "kvm/monitor.h"

	.section .rodata
	.code64
	.balign 64
	.globl monitor_start, monitor_end, monitor_stubs, monitor_commit, monitor_probe
monitor_start:
monitor_stubs:
	.set vector, 0
	.rept MONITOR_VECTORS
	.balign MONITOR_STUB_SIZE
	/* 8, 10 to 14, 17, 21, 29 and 30 push an error code themselves. */
	.if !((vector == 8) || ((vector >= 10) && (vector <= 14)) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30))
	pushq $0
	.endif
	pushq $vector
	out %al, $MONITOR_PORT_EXCEPTION
	.set vector, vector + 1
	.endr

	.balign 64
monitor_commit:
	test %rsi, %rsi
	jz 1f
	mov (%rdi), %rax
	mov 8(%rdi), %rdx
	mov %rdx, (%rax)
	add $16, %rdi
	dec %rsi
	jmp monitor_commit
1:	out %al, $MONITOR_PORT_COMMIT
	jmp 1b

	.balign 64
monitor_probe:
	rdtsc
	shl $32, %rdx
	or %rdx, %rax
	out %al, $0xca
	jmp monitor_probe
monitor_end:
	.section .note.GNU-stack, "", @progbits
