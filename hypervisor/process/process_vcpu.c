/* SPDX-License-Identifier: MIT */
/*
 * Runs guests in stubs. A hypercall is four system calls: the stub's registers are set, it is let go on, waited for, and its
 * registers are read.
 */
#include "process/process_vcpu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cell/pagetable.h"
#include "process/page.h"
#include "process/place.h"
#include "process/stops.h"
#include "process/stubs.h"
#include "process/supply.h"
#include "process/tables.h"

#define LOADED_MOST 512u /* changed entries between two looks at the kick */

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
	pthread_mutex_init(&v->blank_lock, NULL);
	supply_add(v);
	*out = &v->vcpu;
	return 0;
}

void process_vcpu_destroy(struct vcpu *vcpu)
{
	struct process_vcpu *v = process_vcpu(vcpu);
	supply_remove(v);
	stubs_trim(v);
	pthread_mutex_destroy(&v->blank_lock);
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
		if (s && !s->stale && !steps_page(&steps, va, tables_entry(v->vcpu.cell, s->root, va)))
			break;
	}
	*error = steps.n ? stubs_do(v, s, &steps) : 0;
	if (*error)
		stubs_lose(s);
	return n;
}

int process_vcpu_load(struct vcpu *vcpu, struct cpu_state *cpu, struct tables *t, unsigned space, uint64_t *commits)
{
	struct process_vcpu *v = process_vcpu(vcpu);
	uint32_t left = LOADED_MOST;
	int r = 0;
	(void)space;
	if (t->flush || (cpu->stubs && cpu->stubs->epoch != t->epoch)) {
		r = stubs_refresh(cpu, t);
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

/* ---- Registers ---- */

static void registers_out(const struct cpu_state *cpu, struct user_regs_struct *to)
{
	const struct cpu_registers *r = &cpu->regs;
	*to = (struct user_regs_struct){
		CPU_GENERAL_OF(r),       .eflags = (r->rflags & RFLAGS_KEPT) | STUB_FLAGS | cpu->step_flag,
		.cs = STUB_CS,           .ss = STUB_SS,
		.fs_base = cpu->fs_base, .orig_rax = ~0ull, /* no call that could be begun again */
	};
}

/* ---- Running ---- */

/* Sets what is to be set. -errno. */
static int prepare(struct run *u)
{
	struct user_regs_struct r;
	if (u->stub->again) {
		uint64_t again = u->stub->again;
		u->stub->again = 0;
		int e = run_map(u, page_down(again), !(again % PAGE_SIZE));
		if (e)
			return e;
	}
	if (!u->set)
		return 0;
	if (u->stub->odd_flags) {
		struct steps none = {.list = stub_page_list(u->v->page)};
		int e = stubs_do(u->v, u->stub, &none);
		if (e)
			return e;
	}
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
	int got = stubs_get(u.v, cpu, t, space, &u.stub, x);
	if (got)
		return got == -EINTR ? VCPU_INTERRUPTED : VCPU_BROKEN;
	cpu->extended_lost = false;
	stubs_used(u.stub);
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
			return run_lost(&u, "cannot be run: error", -r);
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
	(void)v;
	return stubs_save(cpu);
}

void process_vcpu_leave(struct vcpu *v, struct cpu_state *cpu)
{
	(void)v;
	stubs_give_back(cpu);
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
	stubs_give_back(cpu);
	v->generation = v->incarnation = 0;
}

int process_vcpu_recover(struct vcpu *v, struct cpu_state *cpu)
{
	(void)v;
	return cpu->stubs ? 0 : -EIO;
}
