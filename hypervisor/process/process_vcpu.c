/* SPDX-License-Identifier: MIT */
/*
 * Runs guests in stubs. A hypercall is four system calls: the stub's registers are set, it is let go on, waited for, and its
 * registers are read; its `out` is a general protection fault, which is told from others by the instruction's bytes. What the
 * stub lacks of what the guest's tables show is mapped on the way, and nobody above hears of it.
 */
#include "process/process_vcpu.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>

#include "cell/pagetable.h"
#include "process/fault.h"
#include "process/page.h"
#include "process/place.h"
#include "process/stubs.h"
#include "process/tables.h"

#define LOADED_MOST 512u /* changed entries between two looks at the kick */
#define AROUND 128u      /* pages that are mapped with one that is missing */
#define INSTRUCTION_MOST 15u
#define FLAGS_SET UINT64_C(0x202)
#define USER_CS 0x33u
#define USER_SS 0x2bu
#define EXTENDED_FCW_AT 0u
#define EXTENDED_FSW_AT 2u

#define VECTOR_DB 1u
#define VECTOR_UD 6u
#define VECTOR_SS 12u
#define VECTOR_GP 13u
#define VECTOR_PF 14u

/* One run of a guest in a stub. */
struct run {
	struct process_vcpu *v;
	struct cpu_state *cpu;
	struct stub *stub;
	struct vcpu_exception *x;
	bool set;    /* the stub's registers are to be set */
	bool failed; /* the stub's next stop is that of an instruction that failed: it may not be put aside before */
};

/* What a stop comes to: an exit, or nothing that anybody need know. */
enum outcome { OUTCOME_EXIT, OUTCOME_ON };

int process_vcpu_create(struct cell *c, unsigned worker, struct vcpu **out)
{
	struct process_vcpu *v = calloc(1, sizeof *v);
	void *extended = malloc(c->backend->extended.size);
	if (!v || !extended) {
		free(v);
		free(extended);
		return -ENOMEM;
	}
	v->vcpu.cell = c;
	v->vcpu.worker = worker;
	v->page = cell_frame(c, process_cell(c)->pages + worker);
	v->extended = extended;
	*out = &v->vcpu;
	return 0;
}

void process_vcpu_destroy(struct vcpu *vcpu)
{
	struct process_vcpu *v = process_vcpu(vcpu);
	stubs_end(v);
	free(v->extended);
	free(v);
}

/* ---- Tables ---- */

/* Changes of one space, as far as they fit one list; returns how many entries those were. */
static uint32_t load_some(struct process_vcpu *v, struct cpu_state *cpu, const struct tables *t, uint32_t most,
			  int *error)
{
	const struct commit *first = &t->commits[t->committed];
	unsigned space = first->va % PAGE_SIZE;
	struct stub *s = stubs_find(cpu, tables_root(t, space));
	struct steps steps = {.list = stub_page_list(v->page)};
	uint32_t n = 0;
	for (; n < most && first[n].va % PAGE_SIZE == space; n++) {
		uint64_t va = page_down(first[n].va);
		if (s && !steps_page(&steps, va, tables_entry(v->vcpu.cell, s->root, va)))
			break;
	}
	*error = steps.n ? stubs_do(v, s, &steps) : 0;
	if (*error)
		stubs_lose(v, s);
	return n;
}

int process_vcpu_load(struct vcpu *vcpu, struct cpu_state *cpu, struct tables *t, unsigned space, uint64_t *commits)
{
	struct process_vcpu *v = process_vcpu(vcpu);
	uint32_t left = LOADED_MOST;
	int r = 0;
	(void)space;
	if (t->flush || (cpu->stubs && cpu->stubs->epoch != t->epoch)) {
		r = stubs_refresh(v, cpu, t);
		t->committed = t->ncommits;
		t->flush = false;
	}
	while (!r && t->committed < t->ncommits && left) {
		uint32_t waiting = t->ncommits - t->committed;
		uint32_t n = load_some(v, cpu, t, waiting < left ? waiting : left, &r);
		t->committed += n;
		left -= n;
		++*commits;
	}
	if (r || t->committed < t->ncommits)
		return r ? r : -EAGAIN;
	tables_committed(t);
	vcpu->generation = t->generation;
	vcpu->incarnation = cpu->incarnation;
	return 0;
}

/* Maps a page that the stub lacks, and those behind it. */
static int map_missing(struct run *u, uint64_t va, unsigned most)
{
	struct steps steps = {.list = stub_page_list(u->v->page)};
	steps_run(&steps, u->v->vcpu.cell, u->stub->root, va, most);
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

/* ---- Registers ---- */

static void registers_out(const struct cpu_state *cpu, struct user_regs_struct *to)
{
	const struct cpu_registers *r = &cpu->regs;
	*to = (struct user_regs_struct){
		.rax = r->rax,
		.rbx = r->rbx,
		.rcx = r->rcx,
		.rdx = r->rdx,
		.rsi = r->rsi,
		.rdi = r->rdi,
		.rsp = r->rsp,
		.rbp = r->rbp,
		.r8 = r->r8,
		.r9 = r->r9,
		.r10 = r->r10,
		.r11 = r->r11,
		.r12 = r->r12,
		.r13 = r->r13,
		.r14 = r->r14,
		.r15 = r->r15,
		.rip = r->rip,
		.eflags = (r->rflags & RFLAGS_KEPT) | FLAGS_SET | cpu->step_flag,
		.cs = USER_CS,
		.ss = USER_SS,
		.fs_base = cpu->fs_base,
		.orig_rax = ~0ull, /* no call that could be begun again */
	};
}

static void registers_in(struct cpu_state *cpu, const struct user_regs_struct *r)
{
	cpu->regs = (struct cpu_registers){
		.rax = r->rax,
		.rbx = r->rbx,
		.rcx = r->rcx,
		.rdx = r->rdx,
		.rsi = r->rsi,
		.rdi = r->rdi,
		.rsp = r->rsp,
		.rbp = r->rbp,
		.r8 = r->r8,
		.r9 = r->r9,
		.r10 = r->r10,
		.r11 = r->r11,
		.r12 = r->r12,
		.r13 = r->r13,
		.r14 = r->r14,
		.r15 = r->r15,
		.rip = r->rip,
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

static enum vcpu_exit lost(struct run *u, const char *what, int number)
{
	snprintf(u->x->why, sizeof u->x->why, "its process %s %d", what, number);
	stubs_lose(u->v, u->stub);
	return VCPU_BROKEN;
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
	return instruction_port(code, n, (uint16_t)r->rdx, CASSIN_PORT) ? VCPU_BAD_IO : exception(u, VECTOR_GP, 0);
}

static bool writes(struct run *u, uint64_t address)
{
	unsigned char code[INSTRUCTION_MOST];
	size_t n = code_at(u, u->cpu->regs.rip, code, sizeof code);
	return instruction_access(code, n, &u->cpu->regs, address) == ACCESS_WRITE;
}

/* A page fault: of the stub's only, where the tables show what was wanted; or the guest's. */
static enum outcome take_fault(struct run *u, const siginfo_t *info, enum vcpu_exit *out)
{
	uint64_t address = (uintptr_t)info->si_addr, va = page_down(address);
	uint64_t entry = tables_entry(u->v->vcpu.cell, u->stub->root, va), error = PF_USER;
	bool missing = info->si_code == SEGV_MAPERR;
	bool fetch = (!entry || entry & PTE_NX) && address - u->cpu->regs.rip < INSTRUCTION_MOST;
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
		int r = map_missing(u, va, missing ? AROUND : 1);
		if (!r)
			return OUTCOME_ON;
		*out = lost(u, "does not map its memory: error", -r);
		return OUTCOME_EXIT;
	}
	u->stub->again = va | missing;
	*out = exception(u, VECTOR_PF, error);
	return OUTCOME_EXIT;
}

static enum outcome take_segv(struct run *u, enum vcpu_exit *out)
{
	unsigned char code[OUT_SIZE];
	siginfo_t info;
	struct cpu_registers *r = &u->cpu->regs;
	if (code_at(u, r->rip, code, sizeof code) == sizeof code && code[0] == 0xe6 && code[1] == CASSIN_PORT) {
		r->rip += OUT_SIZE;
		*out = VCPU_OUT;
		return OUTCOME_EXIT;
	}
	if (ptrace(PTRACE_GETSIGINFO, u->stub->pid, 0, &info)) {
		*out = lost(u, "does not say what happened: error", errno);
		return OUTCOME_EXIT;
	}
	if (info.si_code <= 0)
		return OUTCOME_ON; /* somebody has sent it */
	if (info.si_code != SI_KERNEL)
		return take_fault(u, &info, out);
	*out = take_protection(u);
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
	u->x->address = (uintptr_t)info->si_call_addr;
	u->cpu->regs.rsp -= sizeof(uint64_t);
	return exception(u, VECTOR_PF, PF_USER | PF_FETCH);
}

static enum outcome take_signal(struct run *u, int signal, enum vcpu_exit *out)
{
	siginfo_t info = {0};
	if (signal == SIGSEGV)
		return take_segv(u, out);
	if (ptrace(PTRACE_GETSIGINFO, u->stub->pid, 0, &info) || info.si_code <= 0)
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
		if (info.si_code == BUS_ADRALN)
			return OUTCOME_ON;
		*out = info.si_code == SI_KERNEL ? exception(u, VECTOR_SS, 0) : lost(u, "got signal", signal);
		return OUTCOME_EXIT;
	default:
		return OUTCOME_ON;
	}
}

static enum outcome take_stop(struct run *u, const struct stub_stop *stop, enum vcpu_exit *out)
{
	struct user_regs_struct r;
	if (u->stub->dead) {
		*out = lost(u,
			    stop->died_of & 0x100 ? "ended from outside, status" : "was ended from outside by signal",
			    stop->died_of & 0xff);
		return OUTCOME_EXIT;
	}
	int e = stub_get(u->stub, &r);
	if (e) {
		*out = lost(u, "does not give its registers: error", -e);
		return OUTCOME_EXIT;
	}
	registers_in(u->cpu, &r);
	u->failed = stop->event && stub_failed(u->stub);
	if (stop->call) {
		*out = take_call(u, &r);
		return OUTCOME_EXIT;
	}
	return stop->event ? OUTCOME_ON : take_signal(u, stop->signal, out);
}

/* ---- Running ---- */

/* Sets what is to be set. -errno. */
static int prepare(struct run *u)
{
	struct user_regs_struct r;
	if (u->stub->again) {
		uint64_t again = u->stub->again;
		u->stub->again = 0;
		int e = map_missing(u, page_down(again), again % PAGE_SIZE ? AROUND : 1);
		if (e)
			return e;
	}
	if (!u->set)
		return 0;
	u->set = false;
	registers_out(u->cpu, &r);
	return stub_set(u->stub, &r);
}

/* Who kicks stores first and then looks for the stub; here it is the other way round. A kick that comes between this and the run
 * has interrupted the stub already, which then stops at once. */
static bool announce(struct run *u, struct kick *k)
{
	atomic_store(&u->v->current, u->stub);
	atomic_store(&k->running, &u->v->vcpu);
	return u->failed || (!k->kicked && !atomic_load(&k->posted));
}

static void withdraw(struct run *u, struct kick *k)
{
	atomic_store_explicit(&k->running, NULL, memory_order_relaxed); /* who still sees it kicks in vain */
	atomic_store(&u->v->current, NULL);
}

enum vcpu_exit process_vcpu_run(struct vcpu *vcpu, struct cpu_state *cpu, const struct tables *t, unsigned space,
				struct kick *k, struct vcpu_exception *x)
{
	struct run u = {.v = process_vcpu(vcpu), .cpu = cpu, .x = x, .set = true};
	struct stub_stop stop = {0};
	enum vcpu_exit out = VCPU_BROKEN;
	if (stubs_get(u.v, cpu, t, space, &u.stub, x))
		return VCPU_BROKEN;
	stubs_used(u.v, u.stub);
	stub_place(u.stub);
	do {
		int r = prepare(&u);
		if (!r && !announce(&u, k)) {
			withdraw(&u, k);
			return VCPU_INTERRUPTED;
		}
		if (!r)
			r = stub_run(u.stub, &stop);
		withdraw(&u, k);
		if (r)
			return lost(&u, "cannot be run: error", -r);
	} while (take_stop(&u, &stop, &out) == OUTCOME_ON);
	return out;
}

void process_vcpu_stop(struct vcpu *v)
{
	const struct stub *s = atomic_load_explicit(&process_vcpu(v)->current, memory_order_relaxed);
	if (s)
		stub_interrupt(s);
}

/* ---- Extended state ---- */

int process_vcpu_save(struct vcpu *v, struct cpu_state *cpu)
{
	return stubs_save(process_vcpu(v), cpu);
}

void process_vcpu_forget(struct vcpu *v, struct cpu_state *cpu)
{
	stubs_give_back(process_vcpu(v), cpu);
}

void process_vcpu_leave(struct vcpu *v, struct cpu_state *cpu)
{
	stubs_give_back(process_vcpu(v), cpu);
}

/* It stays where it is. */
void process_vcpu_keep(struct vcpu *v, struct cpu_state *cpu)
{
	(void)v;
	(void)cpu;
}

int process_vcpu_drop_keys(struct vcpu *v, struct cpu_state *cpu)
{
	size_t at = process_backend(v->cell)->keys_at, size = v->cell->backend->extended.size;
	unsigned char *image = process_vcpu(v)->extended;
	if (!at || !cpu->stub)
		return -ENOENT;
	int r = stub_get_extended(cpu->stub, image, &size);
	if (r)
		return r;
	memset(image + at, 0, sizeof(uint32_t));
	return stub_set_extended(cpu->stub, image, size);
}

void process_vcpu_reset(struct vcpu *v, struct cpu_state *cpu)
{
	stubs_give_back(process_vcpu(v), cpu);
	v->generation = v->incarnation = 0;
}

int process_vcpu_recover(struct vcpu *v, struct cpu_state *cpu)
{
	(void)v;
	return cpu->stubs ? 0 : -EIO;
}
