/* SPDX-License-Identifier: MIT */
/* Puts guests on the worker's vCPUs and decides what follows: run on, put aside, block, move, end. Round robin. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "guest.h"
#include "pagetable.h"
#include "vcpu.h"

void worker_enqueue(struct worker *w, struct guest *g)
{
	g->run = RUN_RUNNABLE;
	g->queue_next = NULL;
	*w->queue_end = g;
	w->queue_end = &g->queue_next;
	atomic_fetch_add_explicit(&w->runnable, 1, memory_order_relaxed);
}

void worker_dequeue(struct worker *w, struct guest *g)
{
	struct guest **link = &w->queue;
	while (*link != g)
		link = &(*link)->queue_next;
	*link = g->queue_next;
	if (!*link)
		w->queue_end = link;
	atomic_fetch_sub_explicit(&w->runnable, 1, memory_order_relaxed);
}

void guest_wake(struct guest *g)
{
	struct worker *w = guest_worker(g);
	if (g->run != RUN_BLOCKED)
		return;
	deadlines_clear(&w->deadlines, &g->wake);
	worker_enqueue(w, g);
}

/* ---- Moving ---- */

static void on_arrival(struct worker *w, struct message *m)
{
	struct guest *g = ((struct guest_call *)m)->guest;
	free(m);
	streams_attach(g);
	for (struct op *op = g->ops; op; op = op->next) {
		if (op->timed)
			worker_deadline(w, &op->deadline, op->deadline.when);
	}
	if (g->timer_on)
		worker_deadline(w, &g->timer, g->timer.when);
	worker_enqueue(w, g);
}

/* Hands a runnable guest that is in no queue to another worker. */
static bool move(struct worker *w, struct guest *g, struct worker *to)
{
	struct guest_call *c = malloc(sizeof *c);
	struct vcpu *v = g->cell->vcpus[w->number];
	if (!c || (v && v->unsaved == g && vcpu_save_extended(v))) {
		free(c);
		return false;
	}
	streams_detach(g);
	for (struct op *op = g->ops; op; op = op->next)
		deadlines_clear(&w->deadlines, &op->deadline);
	deadlines_clear(&w->deadlines, &g->timer);
	g->incarnation = incarnation_next(); /* what this worker's vCPU holds is no longer its state */
	c->guest = g;
	c->message.fn = on_arrival;
	atomic_fetch_sub(&w->guests, 1);
	atomic_fetch_add(&to->guests, 1);
	atomic_fetch_add(&w->moves, 1);
	worker_post_arrival(to, g, &c->message);
	return true;
}

static struct worker *idle_worker(struct worker *w)
{
	for (unsigned i = 0; i < w->engine->nworkers; i++) {
		struct worker *other = &w->engine->workers[i];
		if (other != w && !atomic_load_explicit(&other->runnable, memory_order_relaxed))
			return other;
	}
	return NULL;
}

/* ---- One turn ---- */

enum turn { TURN_ON, TURN_AGAIN, TURN_YIELD, TURN_BLOCK, TURN_END };

static const char *vector_name(uint64_t vector)
{
	static const char *const names[MONITOR_VECTORS] = {
		[0] = "divide error", [1] = "single step", [3] = "breakpoint", [4] = "overflow",
		[5] = "bound range exceeded", [6] = "invalid opcode", [7] = "device not available", [8] = "double fault",
		[10] = "invalid TSS", [11] = "segment not present", [12] = "stack segment fault",
		[13] = "general protection fault (a privileged instruction, a forbidden port, or a non-canonical address)",
		[16] = "x87 floating-point error", [17] = "alignment check", [19] = "SIMD floating-point error",
	};
	return vector < MONITOR_VECTORS && names[vector] ? names[vector] : "unexpected exception";
}

static enum turn page_fault(struct vcpu *v, struct guest *g, const struct vcpu_exception *x)
{
	struct memory *m = &g->memory;
	bool current = v->generation == m->generation;
	int r = memory_fault(m, 0, gva(x->address), x->error);
	if (current && !m->ncommits && !m->flush)
		v->generation = m->generation; /* see memory_fault() */
	atomic_fetch_add_explicit(&g->count.faults, 1, memory_order_relaxed);
	if (!r)
		return TURN_ON;
	const char *how = x->error & PF_FETCH ? "execution of" : x->error & PF_WRITE ? "write to" : "read of";
	if (r == -ENOMEM)
		guest_crash(g, "%s: %s 0x%llx found no memory",
			    m->tables >= m->pages / 64 + 64 ? "quota exhausted" : "pool exhausted", how,
			    (unsigned long long)x->address);
	else
		guest_crash(g, "page fault: %s 0x%llx, %s", how, (unsigned long long)x->address,
			    memory_describe(m, x->address));
	return TURN_END;
}

static enum turn after_call(struct guest *g)
{
	switch (hypercall(g)) {
	case NEXT_RUN:
		return TURN_ON;
	case NEXT_YIELD:
		return TURN_YIELD;
	case NEXT_BLOCK:
		return TURN_BLOCK;
	case NEXT_EXIT:
	case NEXT_CRASH:
		break;
	}
	return TURN_END;
}

static enum turn after_exit(struct vcpu *v, struct guest *g, enum vcpu_exit exit, const struct vcpu_exception *x)
{
	switch (exit) {
	case VCPU_HYPERCALL:
		return after_call(g);
	case VCPU_INTERRUPTED:
		return TURN_AGAIN;
	case VCPU_EXCEPTION:
		if (x->vector == 14)
			return page_fault(v, g, x);
		guest_crash(g, "%s", vector_name(x->vector));
		return TURN_END;
	case VCPU_BAD_IO:
		guest_crash(g, "forbidden port or form of in/out (only `out %%al, $0x%x` is a hypercall)", CASSIN_PORT);
		return TURN_END;
	case VCPU_BROKEN:
		break;
	}
	guest_crash(g, "stopped by KVM (exit reason %llu)", (unsigned long long)x->error);
	vcpu_reset(v);
	return TURN_END;
}

/* Runs g until its turn ends. */
static enum turn run_turn(struct worker *w, struct vcpu *v, struct guest *g)
{
	for (;;) {
		uint64_t commits = 0;
		if (v->generation != g->memory.generation || v->incarnation != g->incarnation || g->memory.ncommits ||
		    g->memory.flush || v->unsaved) {
			int r = vcpu_load(v, g, &commits);
			atomic_fetch_add_explicit(&w->commits, commits, memory_order_relaxed);
			if (r) {
				guest_crash(g, "the vCPU cannot be loaded: %s", strerror(-r));
				vcpu_reset(v);
				return TURN_END;
			}
		}
		struct vcpu_exception x = {0};
		enum vcpu_exit exit = vcpu_run(v, g, w, &x);
		atomic_fetch_add_explicit(&w->exits, 1, memory_order_relaxed);
		atomic_fetch_add_explicit(&g->count.exits, 1, memory_order_relaxed);
		enum turn t = after_exit(v, g, exit, &x);
		if (t != TURN_ON)
			return t;
		if (w->kicked || monotonic_ns() >= w->slice_end)
			return TURN_AGAIN;
	}
}

static void turn_begin(struct worker *w, struct guest *g)
{
	uint64_t now = monotonic_ns();
	g->run = RUN_ON_CPU;
	g->dispatched_at = now;
	w->kicked = 0;
	w->slice_end = now + SLICE_NS;
	atomic_signal_fence(memory_order_seq_cst);
	w->watched = g->hog && !w->queue;
	if (w->watched)
		watcher_arm(&w->engine->watcher, w); /* nobody waits: run until something happens */
	else if (!w->slice_armed)
		worker_slice(w);
	struct cassin_info_page *info = memory_info(&g->memory);
	if (info) {
		info->virtual_ns = g->virtual_ns;
		info->dispatched_at = now;
	}
	if (!atomic_load_explicit(&g->cell->busy, memory_order_relaxed))
		atomic_store_explicit(&g->cell->busy, true, memory_order_relaxed);
	atomic_fetch_add_explicit(&g->count.dispatches, 1, memory_order_relaxed);
}

static void turn_end(struct worker *w, struct guest *g)
{
	uint64_t ran = monotonic_ns() - g->dispatched_at;
	g->virtual_ns += ran;
	g->dispatched_at += ran;
	atomic_fetch_add_explicit(&g->count.virtual_ns, ran, memory_order_relaxed);
	atomic_store_explicit(&g->count.frames, g->memory.used, memory_order_relaxed);
	atomic_store_explicit(&g->count.table_frames, g->memory.tables, memory_order_relaxed);
	w->slice_end = 0;
	if (w->watched)
		watcher_disarm(&w->engine->watcher, w);
	w->watched = false;
	atomic_fetch_sub_explicit(&w->runnable, 1, memory_order_relaxed);
}

static void put_aside(struct worker *w, struct vcpu *v, struct guest *g)
{
	v->unsaved = g;
	g->hog = true;
	atomic_fetch_add_explicit(&w->preemptions, 1, memory_order_relaxed);
	struct worker *idle = w->queue ? idle_worker(w) : NULL;
	if (!idle || !move(w, g, idle))
		worker_enqueue(w, g);
}

static void block(struct guest *g)
{
	g->run = RUN_BLOCKED;
	g->hog = false;
	if (g->memory.booting) {
		g->memory.booting = false;
		engine_guest_ready(g);
	}
	/* What it waits for may have come while it was being put aside. */
	if (g->doomed || ring_unread(&g->ring) >= g->wait_count)
		guest_wake(g);
}

static void finish(struct guest *g)
{
	if (g->crash)
		guest_end(g, END_CRASH, 0);
	else
		guest_end(g, END_EXIT, g->exit_value);
}

void worker_dispatch(struct worker *w, struct guest *g)
{
	struct vcpu *v;
	int r = vcpu_get(g->cell, w->number, &v);
	if (v && v->incarnation != g->incarnation)
		atomic_fetch_add_explicit(&w->switches, 1, memory_order_relaxed);
	turn_begin(w, g);
	enum turn t = TURN_END;
	if (r)
		guest_crash(g, "cannot make a vCPU: %s", strerror(-r));
	else if (g->doomed)
		guest_crash(g, "%s", g->doomed);
	else
		t = run_turn(w, v, g);
	turn_end(w, g);
	switch (t) {
	case TURN_ON:
	case TURN_AGAIN:
		put_aside(w, v, g);
		break;
	case TURN_YIELD:
		g->hog = false;
		worker_enqueue(w, g);
		break;
	case TURN_BLOCK:
		block(g);
		break;
	case TURN_END:
		finish(g);
		break;
	}
}
