/* SPDX-License-Identifier: MIT */
/*
 * A guest's `out` is a general protection fault, which is told from others by the instruction's bytes. What the stub lacks of what
 * the guest's tables show is mapped on the way, and nobody above hears of it.
 */
#include "process/stops.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>

#include "cell/pagetable.h"
#include "process/fault.h"
#include "process/page.h"
#include "process/stubs.h"
#include "process/tables.h"

#define AROUND 128u /* pages that are mapped with one that is missing */
#define INSTRUCTION_MOST 15u
#define INT_SIZE 2u /* of `int $n` */
#define VSYSCALL_VA UINT64_C(0xffffffffff600000)
#define EXTENDED_FCW_AT 0u
#define EXTENDED_FSW_AT 2u
#define VECTOR_DB 1u
#define VECTOR_UD 6u
#define VECTOR_SS 12u
#define VECTOR_GP 13u
#define VECTOR_PF 14u
#define VECTOR_AC 17u
#define RFLAGS_AC UINT64_C(0x40000)

int run_map(struct run *u, uint64_t va, bool only)
{
	struct steps steps = {.list = stub_page_list(u->v->page)};
	steps_run(&steps, u->v->vcpu.cell, u->stub->root, va, only || u->stub->tight ? 1 : AROUND);
	u->set = true;
	return steps.n ? stubs_do(u->v, u->stub, &steps) : 0;
}

/* Up to n bytes of code at rip, as far as they may be executed. */
static size_t code_at(const struct run *u, uint64_t rip, unsigned char *to, size_t n)
{
	size_t got = 0;
	while (got < n) {
		uint64_t at = rip + got, entry = tables_entry(u->v->vcpu.cell, u->stub->root, page_down(at));
		size_t part = PAGE_SIZE - at % PAGE_SIZE;
		part = part < n - got ? part : n - got;
		if (!entry || entry & PTE_NX)
			break;
		const unsigned char *page = cell_frame(u->v->vcpu.cell, (frame_t)((entry & PTE_FRAME) >> PAGE_SHIFT));
		memcpy(to + got, page + at % PAGE_SIZE, part);
		got += part;
	}
	return got;
}

static void registers_in(struct cpu_state *cpu, const struct user_regs_struct *r)
{
	cpu->regs = (struct cpu_registers){
		CPU_GENERAL_OF(r),
		.rflags = r->eflags,
	};
}

/* ---- Stops ---- */

static enum vcpu_exit exception(struct run *u, unsigned vector, uint64_t error)
{
	u->x->vector = vector;
	u->x->error = error;
	return VCPU_EXCEPTION;
}

enum vcpu_exit run_lost(struct run *u, const char *what, int number)
{
	struct stub_stop stop = {0};
	if (number == ESRCH && !u->stub->dead && !stub_wait(u->stub, &stop) && u->stub->dead) {
		what = "was ended from outside by signal";
		number = stop.died_of & 0xff;
	}
	snprintf(u->x->why, sizeof u->x->why, "its process %s %d", what, number);
	stubs_lose(u->stub);
	return VCPU_BROKEN;
}

/* The guest has executed what is there in the stub and in no other machine: our page, or the kernel's for old programs. */
static enum vcpu_exit not_its_code(struct run *u, uint64_t rip)
{
	u->cpu->regs.rip = u->x->address = rip;
	return exception(u, VECTOR_PF, PF_USER | PF_FETCH);
}

/* A call that the kernel has not carried out. What it did to rcx and r11 is the guest's loss. */
static enum vcpu_exit take_call(struct run *u, const struct user_regs_struct *r)
{
	unsigned char code[2] = {0};
	u->cpu->regs.rax = r->orig_rax;
	u->cpu->regs.rip -= sizeof code;
	bool by_interrupt = code_at(u, u->cpu->regs.rip, code, sizeof code) == sizeof code && code[0] == 0xcd;
	return exception(u, by_interrupt ? VECTOR_GP : VECTOR_UD, 0);
}

/* A general protection fault: a port, or something that is not the guest's to do. */
static enum vcpu_exit take_protection(struct run *u)
{
	unsigned char code[INSTRUCTION_MOST];
	const struct cpu_registers *r = &u->cpu->regs;
	size_t n = code_at(u, r->rip, code, sizeof code);
	if (r->rip - VSYSCALL_VA < PAGE_SIZE)
		return not_its_code(u, r->rip);
	return instruction_port(code, n, (uint16_t)r->rdx, CASSIN_PORT) ? VCPU_BAD_IO : exception(u, VECTOR_GP, 0);
}

static bool writes(struct run *u, uint64_t address)
{
	unsigned char code[INSTRUCTION_MOST];
	size_t n = code_at(u, u->cpu->regs.rip, code, sizeof code);
	return instruction_access(code, n, &u->cpu->regs, address) == ACCESS_WRITE;
}

/* Whether an address that cannot be executed is where the instruction goes on, or begins. */
static bool fetched(const struct run *u, uint64_t address)
{
	unsigned char code[INSTRUCTION_MOST];
	uint64_t rip = u->cpu->regs.rip;
	return address == rip ||
	       (address - rip < INSTRUCTION_MOST && !instruction_whole(code, code_at(u, rip, code, sizeof code)));
}

/* A page fault: of the stub's only, where the tables show what was wanted; or the guest's. */
static enum outcome take_fault(struct run *u, const siginfo_t *info, enum vcpu_exit *out)
{
	uint64_t address = (uintptr_t)info->si_addr, va = page_down(address);
	uint64_t entry = tables_entry(u->v->vcpu.cell, u->stub->root, va), error = PF_USER;
	bool missing = info->si_code == SEGV_MAPERR;
	bool fetch = (!entry || entry & PTE_NX) && fetched(u, address);
	u->x->address = address;
	if (info->si_code == SEGV_PKUERR)
		error |= PF_PRESENT | PF_PKEY;
	else if (fetch)
		error |= PF_FETCH | (entry ? PF_PRESENT : 0);
	else if (!entry)
		error |= writes(u, address) ? PF_WRITE : 0;
	else if (!missing && !(entry & PTE_W))
		error |= PF_WRITE | PF_PRESENT;
	else {
		int r = run_map(u, va, !missing);
		if (!r)
			return OUTCOME_ON;
		*out = run_lost(u,
				r == -EPERM ? "maps nothing so low (vm.mmap_min_addr): error"
					    : "does not map its memory: error",
				-r);
		return OUTCOME_EXIT;
	}
	u->stub->again = va | missing;
	*out = exception(u, VECTOR_PF, error);
	return OUTCOME_EXIT;
}

/* Whether the signal may be that of an `int $4`, which looks as a protection fault does, but behind the instruction: where these bytes
 * end another one, RF tells. The processor sets it for an instruction that failed, and not for one that was done. */
static bool perhaps_overflow(const struct run *u)
{
	unsigned char code[INT_SIZE];
	return !(u->cpu->regs.rflags & RFLAGS_RF) && process_backend(u->v->vcpu.cell)->failed_set_rf &&
	       code_at(u, u->cpu->regs.rip - sizeof code, code, sizeof code) == sizeof code && code[0] == 0xcd &&
	       code[1] == 4;
}

static enum outcome take_segv(struct run *u, enum vcpu_exit *out)
{
	unsigned char code[OUT_SIZE];
	siginfo_t info;
	struct cpu_registers *r = &u->cpu->regs;
	bool overflow = perhaps_overflow(u);
	if (!overflow && code_at(u, r->rip, code, sizeof code) == sizeof code && code[0] == 0xe6 &&
	    code[1] == CASSIN_PORT) {
		r->rip += OUT_SIZE;
		*out = VCPU_OUT;
		return OUTCOME_EXIT;
	}
	if (ptrace(PTRACE_GETSIGINFO, u->stub->pid, 0, &info)) {
		*out = run_lost(u, "does not say what happened: error", errno);
		return OUTCOME_EXIT;
	}
	if (info.si_code <= 0)
		return OUTCOME_ON; /* somebody has sent it */
	if (info.si_code != SI_KERNEL)
		return take_fault(u, &info, out);
	if (overflow)
		r->rip -= INT_SIZE;
	*out = overflow ? exception(u, VECTOR_GP, 0) : take_protection(u);
	return OUTCOME_EXIT;
}

static enum vcpu_exit take_fpe(struct run *u, const siginfo_t *info)
{
	size_t size = u->v->vcpu.cell->backend->extended.size;
	uint16_t fcw = 0, fsw = 0;
	if (!stub_get_extended(u->stub, u->v->extended, &size)) {
		memcpy(&fcw, (unsigned char *)u->v->extended + EXTENDED_FCW_AT, sizeof fcw);
		memcpy(&fsw, (unsigned char *)u->v->extended + EXTENDED_FSW_AT, sizeof fsw);
	}
	return exception(u, fpe_vector(info->si_code, fsw, fcw), 0);
}

/* int3 and int 3 are not the guest's to call: a protection fault, at the instruction. */
static enum vcpu_exit take_trap(struct run *u, const siginfo_t *info)
{
	unsigned char code[2];
	struct cpu_registers *r = &u->cpu->regs;
	if (info->si_code != SI_KERNEL)
		return exception(u, VECTOR_DB, 0);
	r->rip -= code_at(u, r->rip - 1, code, 1) == 1 && code[0] == 0xcc ? 1 : 2;
	return exception(u, VECTOR_GP, 0);
}

/* The kernel has made believe that the call into the vsyscall page returned. */
static enum vcpu_exit take_refused(struct run *u, const siginfo_t *info)
{
	u->cpu->regs.rsp -= sizeof(uint64_t);
	return not_its_code(u, (uintptr_t)info->si_call_addr);
}

static enum outcome take_signal(struct run *u, int signal, enum vcpu_exit *out)
{
	siginfo_t info = {0};
	if (signal == SIGSEGV)
		return take_segv(u, out);
	if (!stub_cause(u->stub, &info))
		return OUTCOME_ON; /* sent from outside */
	switch (signal) {
	case SIGILL:
		*out = exception(u, VECTOR_UD, 0);
		return OUTCOME_EXIT;
	case SIGFPE:
		*out = take_fpe(u, &info);
		return OUTCOME_EXIT;
	case SIGTRAP:
		*out = take_trap(u, &info);
		return OUTCOME_EXIT;
	case SIGSYS:
		*out = take_refused(u, &info);
		return OUTCOME_EXIT;
	case SIGBUS:
		u->set = true; /* without the flag that makes it care for alignment */
		if (info.si_code == BUS_ADRALN && u->cpu->regs.rflags & RFLAGS_AC)
			return OUTCOME_ON;
		if (info.si_code == BUS_ADRALN) { /* a lock over two lines of the cache, where the host forbids that */
			*out = exception(u, VECTOR_AC, 0);
			return OUTCOME_EXIT;
		}
		*out = info.si_code == SI_KERNEL ? exception(u, VECTOR_SS, 0) : run_lost(u, "got signal", signal);
		return OUTCOME_EXIT;
	default:
		return OUTCOME_ON;
	}
}

enum outcome take_stop(struct run *u, const struct stub_stop *stop, enum vcpu_exit *out)
{
	struct user_regs_struct r;
	siginfo_t info;
	if (u->stub->dead) {
		*out = run_lost(
			u, stop->died_of & 0x100 ? "ended from outside, status" : "was ended from outside by signal",
			stop->died_of & 0xff);
		return OUTCOME_EXIT;
	}
	int e = stub_get(u->stub, &r);
	if (e) {
		*out = run_lost(u, "does not give its registers: error", -e);
		return OUTCOME_EXIT;
	}
	registers_in(u->cpu, &r);
	u->stub->odd_flags |= r.eflags & STUB_FLAGS_ODD;
	u->failed = stop->event && stub_failed(u->stub);
	if (r.rip - PAGE_VA < PAGE_SIZE && (stop->call || (!stop->event && stub_cause(u->stub, &info)))) {
		*out = not_its_code(u, r.rip);
		return OUTCOME_EXIT;
	}
	if (!stop->event &&
	    r.cs != STUB_CS) { /* a far jump to code of another kind, which guests' machines do not have */
		*out = exception(u, VECTOR_GP, 0);
		return OUTCOME_EXIT;
	}
	if (stop->call) {
		*out = take_call(u, &r);
		return OUTCOME_EXIT;
	}
	return stop->event ? OUTCOME_ON : take_signal(u, stop->signal, out);
}
