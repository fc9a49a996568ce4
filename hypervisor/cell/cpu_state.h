/* SPDX-License-Identifier: MIT */
/* What a vCPU runs: registers, whosever they are, and the page tables that they see. */
#ifndef CPU_STATE_H
#define CPU_STATE_H

#include "base/types.h"

struct cpu_registers {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp, r8, r9, r10, r11, r12, r13, r14, r15, rip, rflags;
};

/* The general registers and rip of *r, as initialisers: what the ABI hands over and what ptrace does have the same names. */
/* clang-format off */
#define CPU_GENERAL_OF(r) \
	.rax = (r)->rax, .rbx = (r)->rbx, .rcx = (r)->rcx, .rdx = (r)->rdx, \
	.rsi = (r)->rsi, .rdi = (r)->rdi, .rsp = (r)->rsp, .rbp = (r)->rbp, \
	.r8 = (r)->r8, .r9 = (r)->r9, .r10 = (r)->r10, .r11 = (r)->r11, \
	.r12 = (r)->r12, .r13 = (r)->r13, .r14 = (r)->r14, .r15 = (r)->r15, .rip = (r)->rip
/* clang-format on */

#define RFLAGS_KEPT UINT64_C(0xcd5) /* status flags and DF: the guest's; all others are the hypervisor's */

struct account;
struct stub;

struct cpu_state {
	struct cpu_registers regs; /* of the code that is to run: a guest's own, or its user's */
	uint64_t fs_base;          /* likewise */
	uint64_t step_flag;        /* RFLAGS_TF while it is stepped, else 0 */
	uint64_t
		incarnation; /* unique in the process; a new one after every move, too: which vCPU's extended state is its own */
	void *xstate;            /* extended state that was taken off a vCPU, malloc'd; NULL: initial */
	bool extended_lost;      /* nobody misses what a backend may still hold of it */
	struct account *account; /* for what a backend holds of the host's memory; NULL: its cell's is */
	uint64_t owed_ns;        /* CPU time that a backend has others spend for it, and that is not charged yet */
	struct stub *stubs;      /* what a backend holds for each space; its own business */
	struct stub *stub;       /* the one of them that has the extended state; NULL: none has */
};

/* A live entry that was changed, which must take effect before the guest runs on. */
struct commit {
	uint64_t entry; /* guest-physical address of the page-table entry */
	uint64_t value;
	uint64_t va; /* of the page; and its space, in the lowest bits */
};
#define COMMITS_RUN 128u    /* of one run of the monitor */
#define COMMITS_MOST 16384u /* that may wait: of four calls at their largest; beyond, the cell is flushed */

#define SPACES_MAX 64

struct tables {
	frame_t root;  /* of space 0; FRAME_NONE: there is none */
	frame_t *more; /* of the others, SPACES_MAX - 1 of them, malloc'd when one is first made; NULL: none was */
	uint64_t generation; /* unique in the process; a new one whenever a live entry changes, */
	uint64_t epoch;      /* and the last of these for which the commits do not say what has changed */
	struct commit *commits;
	uint32_t ncommits, commits_size;
	uint32_t committed; /* of them; both are 0 again when all are */
	bool flush;         /* too many commits, or no memory for them: flush the cell instead */
};

/* The root of a space; FRAME_NONE: there is no such space. */
static inline frame_t tables_root(const struct tables *t, unsigned space)
{
	return !space ? t->root : t->more ? t->more[space - 1] : FRAME_NONE;
}

#endif
