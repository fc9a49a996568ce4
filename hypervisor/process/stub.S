/* SPDX-License-Identifier: MIT */
/*
 * A stub: the smallest program that waits for its tracer, and the page of ours that stays in it when it is confined. The ELF
 * header is written out here, so that nothing has to be built or installed beside the engine.
 */
#include "process/layout.h"

#define SYS_MMAP 9
#define SYS_MUNMAP 11
#define SYS_PAUSE 34
#define SYS_PRCTL 157
#define SYS_SECCOMP 317

#define PROT_READ_EXEC 5
#define SHARED_FIXED 0x11 /* MAP_SHARED | MAP_FIXED */
#define PR_SET_DUMPABLE 4
#define PR_SET_NAME 15
#define SET_MODE_FILTER 1
#define SPEC_ALLOW 4 /* a filter alone shall not slow a guest down: it shares its process with nobody */

	.section .rodata
	.code64
	.balign 4096
	.globl stub_program, stub_program_end, stub_confine
	.globl stub_code, stub_code_end, stub_batch, stub_call_end, stub_flags
stub_program:
	.byte 0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0
	.short 2, 62	/* ET_EXEC, EM_X86_64 */
	.long 1
	.quad STUB_VA + (boot - stub_program)
	.quad program_header - stub_program
	.quad 0
	.long 0
	.short 64, 56, 1, 0, 0, 0
program_header:
	.long 1, 5	/* PT_LOAD, readable and executable */
	.quad 0, STUB_VA, STUB_VA
	.quad stub_program_end - stub_program, stub_program_end - stub_program
	.quad 4096

name:
	.asciz "cassin-guest"

	/* Until its tracer sends it on. */
boot:
	mov $SYS_PAUSE, %eax
	syscall
	jmp boot

	/* Takes its name (what it was before may have been stopped anywhere), maps our page and goes on there. */
stub_confine:
	mov $SYS_PRCTL, %eax
	mov $PR_SET_NAME, %edi
	lea name(%rip), %rsi
	syscall
	mov $SYS_MMAP, %eax
	movabs $PAGE_VA, %rdi
	mov $4096, %esi
	mov $PROT_READ_EXEC, %edx
	mov $SHARED_FIXED, %r10d
	mov $STUB_MEMORY, %r8d
	mov %r12, %r9
	syscall
	movabs $PAGE_VA, %rdi
	cmp %rdi, %rax
	jne 2f
	add $(confine_rest - stub_code), %rdi
	jmp *%rdi
2:	hlt

	/* ---- Our page: position-independent ---- */
	.balign 64
stub_code:
	/* Takes the flags that a tracer cannot set from stub_flags, where rsp is; then does one step after another. At the end
	 * rbx is at the one that failed, with rax saying why, or at the last. */
stub_batch:
	popfq
1:	mov 24(%rbx), %rdx
	mov (%rbx), %rdi
	mov 8(%rbx), %rsi
	cmp $STEP_END, %edx
	je 3f
	mov $SYS_MUNMAP, %eax
	cmp $STEP_UNMAP, %edx
	je 2f
	mov 16(%rbx), %r9
	mov %edx, %r10d
	and $STEP_POPULATE, %r10d
	or $SHARED_FIXED, %r10d
	and $7, %edx
	mov $STUB_MEMORY, %r8d
	mov $SYS_MMAP, %eax
2:	syscall
stub_call_end:
	cmp $-4096, %rax
	ja 3f
	add $32, %rbx
	jmp 1b
3:	hlt
	.balign 8
stub_flags:
	.quad 0x202

	/* Everything but this page goes, what the kernel put there included; then the filter. rax: 0, or the error of what failed. */
confine_rest:
	mov $SYS_PRCTL, %eax
	mov $PR_SET_DUMPABLE, %edi
	xor %esi, %esi
	syscall
	mov $SYS_MUNMAP, %eax
	xor %edi, %edi
	movabs $PAGE_VA, %rsi
	syscall
	test %rax, %rax
	jnz 4f
	mov $SYS_MUNMAP, %eax
	movabs $(PAGE_VA + 4096), %rdi
	movabs $(STUB_END - PAGE_VA - 4096), %rsi
	syscall
	test %rax, %rax
	jnz 4f
	mov $SYS_SECCOMP, %eax
	mov $SET_MODE_FILTER, %edi
	mov $SPEC_ALLOW, %esi
	movabs $(PAGE_VA + PAGE_FILTER), %rdx
	syscall
4:	hlt
stub_code_end:
stub_program_end:
	.section .note.GNU-stack, "", @progbits
