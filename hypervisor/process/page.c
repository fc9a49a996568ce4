/* SPDX-License-Identifier: MIT */
/*
 * The filter of a stub admits two calls, both from one instruction of our page: munmap of guests' addresses, and mmap of the cell's
 * memory there, shared, at a fixed place, never writable and executable at once. Everything else is a signal, and so the guest's
 * end. Calls of the guest's own do not come so far: the kernel stops them before (PTRACE_SYSEMU), but for those into the vsyscall
 * page, which it carries out itself unless a filter refuses.
 */
#include "process/page.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define CALL_END (PAGE_VA + (uint64_t)(stub_call_end - stub_code))
#define LOW(v) ((uint32_t)((v)&0xffffffff))
#define HIGH(v) ((uint32_t)((v) >> 32))
#define AT(member) (uint32_t) offsetof(struct seccomp_data, member)
#define ARGUMENT(n) (uint32_t)(offsetof(struct seccomp_data, args) + 8 * (n))
#define VA_TOP 0x80u /* the upper half of CASSIN_VA_END */

#define LOAD(at) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at)
/* Goes on if it holds, else refuses. */
#define NEED_EQUAL(k) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, 1, 0), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP)
#define NEED_BELOW(k) BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, k, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP)
#define NEED_NOT(k) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP)

void stub_page_build(void *page)
{
	const struct sock_filter filter[] = {
		LOAD(AT(arch)),
		NEED_EQUAL(AUDIT_ARCH_X86_64),
		LOAD(AT(instruction_pointer)),
		NEED_EQUAL(LOW(CALL_END)),
		LOAD(AT(instruction_pointer) + 4),
		NEED_EQUAL(HIGH(CALL_END)),
		/* Both calls: guests' addresses, and no longer than those. */
		LOAD(ARGUMENT(0) + 4),
		NEED_BELOW(VA_TOP),
		LOAD(ARGUMENT(1) + 4),
		NEED_BELOW(VA_TOP + 1),
		LOAD(AT(nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_munmap, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		NEED_EQUAL(SYS_mmap),
		LOAD(ARGUMENT(2) + 4),
		NEED_EQUAL(0),
		LOAD(ARGUMENT(2)),
		NEED_BELOW(8),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, PROT_WRITE | PROT_EXEC),
		NEED_NOT(PROT_WRITE | PROT_EXEC),
		LOAD(ARGUMENT(3)),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ~(uint32_t)MAP_POPULATE),
		NEED_EQUAL(MAP_SHARED | MAP_FIXED),
		LOAD(ARGUMENT(4)),
		NEED_EQUAL(STUB_MEMORY),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {
		.len = sizeof filter / sizeof *filter,
		.filter = (struct sock_filter *)(PAGE_VA + PAGE_FILTER + sizeof program), /* as the stub sees it */
	};
	unsigned char *to = page;
	_Static_assert(PAGE_FILTER + sizeof program + sizeof filter <= PAGE_LIST, "the filter fits");
	_Static_assert(PAGE_LIST + PAGE_STEPS * sizeof(struct map_step) <= 4096, "the list fits");
	memcpy(to, stub_code, (size_t)(stub_code_end - stub_code));
	memcpy(to + PAGE_FILTER, &program, sizeof program);
	memcpy(to + PAGE_FILTER + sizeof program, filter, sizeof filter);
}
