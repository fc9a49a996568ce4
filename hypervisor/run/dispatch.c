/* SPDX-License-Identifier: MIT */
/* Puts guests on the worker's vCPUs and decides what follows: run on, put aside, block, end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "run/dispatch.h"
#include "base/time.h"
#include "base/vectors.h"
#include "cell/pagetable.h"
#include "cell/vcpu.h"
#include "guest/device.h"
#include "guest/guest.h"
#include "guest/trace_records.h"
#include "memory/park.h"
#include "run/clone.h"
#include "run/debugger.h"
#include "run/door.h"
#include "run/exceptions.h"
#include "run/hypercall.h"
#include "run/life.h"
#include "run/move.h"
#include "run/parking.h"

#define BOOT_MOST_NS UINT64_C(100000000)     /* a guest that computes for so long counts as booted */
#define BOOT_LONGEST_NS UINT64_C(2000000000) /* and one that has not waited for anything in this time */
#define LONE_SLICE_NS UINT64_C(20000000)     /* a turn while nobody else wants the CPU, */
#define FIRST_SLICE_NS (4 * SLICE_NS)        /* and the first of them */

/* ---- One turn ---- */

enum turn { TURN_ON, TURN_AGAIN, TURN_YIELD, TURN_BLOCK, TURN_STOP, TURN_END };

/* ---- User mode ---- */

static uint64_t right_of(uint64_t error)
{
	return error & PF_FETCH ? CASSIN_EXEC : error & PF_WRITE ? CASSIN_WRITE : CASSIN_READ;
}

/* An exception in user code is its kernel's business. */
static enum turn user_exception(struct guest *g, const struct vcpu_exception *x)
{
	struct user_end end = {.vector = x->vector, .error = x->error};
	if (x->vector == VECTOR_PAGE) {
		end.error = right_of(x->error);
		end.address = x->address;
	}
	user_leave(g, CASSIN_USER_FAULT, &end);
	return TURN_ON;
}

/* Whatever KVM could not go on from, too: to the guest it is a protection fault. */
static enum turn user_broken(struct vcpu *v, struct guest *g)
{
	static const struct vcpu_exception x = {.vector = VECTOR_PROTECTION};
	int r = vcpu_recover(v, &g->cpu);
	if (!r)
		return user_exception(g, &x);
	guest_crash(g, "the vCPU cannot be taken back: %s", strerror(-r));
	return TURN_END;
}

/* What has come for g takes effect before it runs on: the end of a user's run, an upcall. False: its own end, or it waits for memory. */
static bool take_events(struct guest *g)
{
	if (upcall_wanted(&g->upcalls)->timer || g->upcalls.pending || g->user.space) {
		uint64_t now = monotonic_ns();
		upcall_look(g, now);
		upcall_show(g); /* it may have touched the page only now */
		uint64_t events = upcall_due(g);
		if (!g->doomed)
			user_end_if_due(g, now, events);
		if (!g->doomed && events)
			upcall_deliver(g, events);
	}
	if (g->doomed)
		guest_crash(g, "%s", g->doomed);
	return !g->doomed && !guest_wants(g);
}

/* When g wants to be looked at, at the latest. */
static uint64_t next_moment(const struct guest *g)
{
	uint64_t timer = upcall_wanted(&g->upcalls)->timer;
	uint64_t run = g->user.space ? g->user.caller->deadline : CASSIN_FOREVER;
	return timer && timer < run ? timer : run;
}

/* ---- Exits ---- */

/* Where ring 3 can write protection keys, user code could deny its kernel and other users their memory: they are taken away. */
static bool keys_in_the_way(struct vcpu *v, struct guest *g, const struct vcpu_exception *x)
{
	return x->error & PF_PKEY && memory_has_spaces(&g->memory) && !vcpu_drop_keys(v, &g->cpu);
}

static enum turn page_fault(struct vcpu *v, struct guest *g, const struct vcpu_exception *x)
{
	if (keys_in_the_way(v, g, x))
		return TURN_ON;
	struct memory *m = &g->memory;
	bool current = v->generation == m->tables.generation;
	m->starved = false;
	int r = memory_fault(m, g->user.space, gva(x->address), x->error);
	if (current && !m->tables.ncommits && !m->tables.flush)
		v->generation = m->tables.generation; /* see memory_fault() */
	atomic_fetch_add_explicit(&g->count.faults, 1, memory_order_relaxed);
	if (!r)
		return TURN_ON;
	bool full = g->memory.starved;
	if (guest_starved(g, r))
		return TURN_AGAIN;
	if (g->user.space && r == -EFAULT)
		return user_exception(g, x);
	if (g->user.space) {
		user_leave(g, r, NULL);
		return TURN_ON;
	}
	const char *how = x->error & PF_FETCH ? "execution of" : x->error & PF_WRITE ? "write to" : "read of";
	if (r == -ENOMEM)
		guest_crash(g, "%s: %s 0x%llx found no memory",
			    full                                              ? "pool exhausted"
			    : m->table_frames >= memory_tables_most(m->pages) ? "quota exhausted"
									      : "the host or its cell is full",
			    how, (unsigned long long)x->address);
	else
		guest_crash(g, "page fault: %s 0x%llx, %s", how, (unsigned long long)x->address,
			    memory_describe(m, x->address, g->cpu.regs.rsp));
	return TURN_END;
}

static enum turn carry_on(struct guest *g)
{
	switch (hypercall(g)) {
	case NEXT_RUN:
		return TURN_ON;
	case NEXT_AGAIN:
		return TURN_AGAIN;
	case NEXT_YIELD:
		return TURN_YIELD;
	case NEXT_BLOCK:
		return TURN_BLOCK;
	case NEXT_EXIT:
		break;
	}
	return TURN_END;
}

static enum turn after_call(struct guest *g)
{
	if (g->user.space) {
		user_leave(g, CASSIN_USER_CALL, NULL);
		return TURN_ON;
	}
	atomic_fetch_add_explicit(&guest_worker(g)->hypercalls, 1, memory_order_relaxed);
	return carry_on(g);
}

/* An exception of a debugged guest. False: it is not the debugger's. */
static bool debugged(struct guest *g, const struct vcpu_exception *x, enum turn *out)
{
	enum debug_answer answer = debug_exception(g, x);
	*out = answer == DEBUG_HOLD ? TURN_STOP : TURN_ON;
	return answer != DEBUG_NOT_MINE;
}

/* An `out` or `in` that is no hypercall. */
static enum turn forbidden(struct vcpu *v, struct guest *g)
{
	if (g->cpu.step_flag)
		debug_called(g, v);
	if (g->user.space)
		return user_broken(v, g);
	if (g->debugger)
		debug_forbidden(g);
	guest_crash(g, "forbidden port or form of in/out (only `out %%al, $0x%x` is a hypercall)", CASSIN_PORT);
	return TURN_END;
}

/* A call is over, or waits, unless it is to go on. */
static enum turn debugged_call(struct guest *g, enum turn t)
{
	return g->debugger && t != TURN_END && !g->in_call && debug_after_call(g, t == TURN_BLOCK) ? TURN_STOP : t;
}

static enum turn after_exit(struct vcpu *v, struct guest *g, enum vcpu_exit exit, const struct vcpu_exception *x)
{
	enum turn t;
	switch (exit) {
	case VCPU_OUT:
		if (!came_by_door(g))
			return forbidden(v, g);
		if (g->cpu.step_flag)
			debug_called(g, v);
		t = after_call(g);
		return debugged_call(g, t);
	case VCPU_INTERRUPTED:
		return TURN_AGAIN;
	case VCPU_EXCEPTION:
		if (g->debugger && debugged(g, x, &t))
			return t;
		if (x->vector == VECTOR_PAGE)
			return page_fault(v, g, x);
		if (g->user.space)
			return user_exception(g, x);
		guest_crash(g, "%s", vector_name(x->vector));
		return TURN_END;
	case VCPU_BAD_IO:
		return forbidden(v, g);
	case VCPU_BROKEN:
		if (g->user.space)
			return user_broken(v, g);
		break;
	}
	guest_crash(g, "%s", x->why);
	vcpu_reset(v, &g->cpu);
	return TURN_END;
}

/* Runs g until its turn ends. */
static enum turn run_turn(struct worker *w, struct vcpu *v, struct guest *g)
{
	if (g->in_call && !g->doomed) { /* before anything else: the registers are not the guest's to run with */
		enum turn t = debugged_call(g, carry_on(g));
		if (t != TURN_ON)
			return t;
	}
	for (;;) {
		uint64_t commits = 0;
		if (!take_events(g))
			return g->doomed ? TURN_END : TURN_AGAIN;
		if (v->generation != g->memory.tables.generation || v->incarnation != g->cpu.incarnation ||
		    g->memory.tables.ncommits || g->memory.tables.flush || v->unsaved) {
			int r = vcpu_load(v, &g->cpu, &g->memory.tables, g->user.space, &commits);
			atomic_fetch_add_explicit(&w->commits, commits, memory_order_relaxed);
			if (r == -EAGAIN && kick_due(&w->kick))
				return TURN_AGAIN;
			if (r == -EAGAIN)
				continue;
			if (r) {
				guest_crash(g, "the vCPU cannot be loaded: %s", strerror(-r));
				vcpu_reset(v, &g->cpu);
				return TURN_END;
			}
		}
		struct vcpu_exception x = {0};
		enum vcpu_exit exit = vcpu_run(v, &g->cpu, &g->memory.tables, g->user.space, &w->kick, &x);
		atomic_fetch_add_explicit(&w->exits, 1, memory_order_relaxed);
		atomic_fetch_add_explicit(&g->count.exits, 1, memory_order_relaxed);
		enum turn t = after_exit(v, g, exit, &x);
		if (t != TURN_ON)
			return t;
		if (kick_due(&w->kick) || cell_flush_owed() || guest_wants(g))
			return TURN_AGAIN; /* the slice's end is a kick too */
	}
}

/* From now on the worker is kicked when a slice of `ns` is over. */
static void slice_begin(struct worker *w, uint64_t now, uint64_t ns)
{
	w->kick.kicked = 0;
	w->slice_end = now + ns;
	atomic_signal_fence(memory_order_seq_cst);
	worker_slice(w, now);
}

static uint64_t within_cap(struct guest *g, uint64_t now, uint64_t ns)
{
	uint64_t until, left = bandwidth_left(g->cap, now, &until);
	return left < ns ? left : ns;
}

/* While nobody waits for the CPU a turn is long. But no deadline of anyone here is late by more than a slice; and what comes to the
 * loop waits for a few slices at most where the watcher does not look: it does from a guest's second turn in a row on. */
static uint64_t slice_for(const struct worker *w, const struct guest *g, uint64_t now)
{
	uint64_t next = deadlines_next(&w->deadlines), most = g->used_slice ? LONE_SLICE_NS : FIRST_SLICE_NS;
	if (worker_busy(w) || next <= now + SLICE_NS)
		return SLICE_NS;
	return next - now < most ? next - now : most;
}

static void turn_begin(struct worker *w, struct guest *g)
{
	uint64_t now = monotonic_ns();
	g->run = RUN_ON_CPU;
	g->dispatched_at = now;
	w->watched = g->used_slice; /* what becomes ready meanwhile does not wait for the slice's end */
	if (w->watched)
		watcher_arm(&w->team->watcher, w);
	slice_begin(w, now, within_cap(g, now, slice_for(w, g, now)));
	if (g->upcalls.handler || g->user.space)
		worker_turn_until(w, next_moment(g));
	if (!atomic_load_explicit(&g->cell->busy, memory_order_relaxed))
		atomic_store_explicit(&g->cell->busy, true, memory_order_relaxed);
	atomic_fetch_add_explicit(&g->count.dispatches, 1, memory_order_relaxed);
}

/* What its turn begins with, in its own time: little is unparked at once, and what takes longer was done as its work. 0, or
 * why its memory stays parked. */
static int prepare(struct guest *g)
{
	int r = memory_unpark(&g->memory);
	struct cassin_info_page *info = memory_info(&g->memory);
	if (info) {
		info->virtual_ns = g->virtual_ns;
		info->dispatched_at = g->dispatched_at;
		info->pending = g->upcalls.pending;
	}
	return r;
}

static void turn_end(struct worker *w, struct guest *g)
{
	uint64_t ran = monotonic_ns() - g->dispatched_at;
	g->virtual_ns += ran;
	g->held_until = cell_flush_take();
	g->dispatched_at += ran;
	guest_charge_turn(g, ran);
	guest_want_end(g);
	atomic_fetch_add_explicit(&g->count.virtual_ns, ran, memory_order_relaxed);
	atomic_store_explicit(&g->count.frames, g->memory.used, memory_order_relaxed);
	atomic_store_explicit(&g->count.table_frames, g->memory.table_frames, memory_order_relaxed);
	w->slice_end = 0;
	w->left_at = g->dispatched_at;
	if (w->watched)
		watcher_disarm(&w->team->watcher, w);
	w->watched = false;
	worker_left(w, g);
}

static void booted(struct guest *g)
{
	g->memory.booting = false;
	g->host->ready(g);
}

static void put_aside(struct worker *w, struct vcpu *v, struct guest *g)
{
	vcpu_keep(v, &g->cpu); /* another's state may be on it: g went on with a call, and was not loaded */
	if (guest_wants(g)) {
		worker_enqueue(w, g, SHARE_RAN);
		return;
	}
	g->used_slice = true;
	atomic_fetch_add_explicit(&w->preemptions, 1, memory_order_relaxed);
	if (g->memory.booting &&
	    (g->virtual_ns > BOOT_MOST_NS || monotonic_ns() - g->record.started_mono > BOOT_LONGEST_NS))
		booted(g);
	if (!worker_rebalance(w, g))
		worker_enqueue(w, g, SHARE_RAN);
}

static void block(struct worker *w, struct vcpu *v, struct guest *g)
{
	g->used_slice = false;
	vcpu_lose_extended(v, &g->cpu); /* it may have been put aside since its call */
	if (g->memory.booting)
		booted(g);
	devices_first_wait(g);
	/* What it waits for may have come while it was being put aside. */
	if (guest_wait(g, g->wait_count, g->wait_until)) {
		worker_enqueue(w, g, SHARE_RAN);
	} else if (g->freezing && (g->template || g->freezing->at_wait)) {
		guest_freeze_begin(g);
		guest_end(g, END_EXIT, 0);
	} else {
		guest_park_later(g);
		work_schedule(g);
	}
}

static void finish(struct vcpu *v, struct guest *g)
{
	if (g->crash && g->debugger)
		debug_turn_over(g, v);
	else if (g->crash)
		guest_end(g, END_CRASH, 0);
	else
		guest_end(g, END_EXIT, g->exit_value);
}

static void dispatch(struct worker *w, struct guest *g)
{
	struct vcpu *v;
	int r = vcpu_get(g->cell, w->number, &v);
	if (v && v->incarnation != g->cpu.incarnation)
		atomic_fetch_add_explicit(&w->switches, 1, memory_order_relaxed);
	cell_flush_take(); /* whatever came before was not its doing */
	turn_begin(w, g);
	guest_want_begin(g);
	int asleep = prepare(g);
	bool waits = guest_starved(g, asleep);
	if (!waits)
		guest_unparked(g);
	if (g->trace && !g->user.space && !waits)
		trace_return(g);
	enum turn t = TURN_END;
	if (asleep && !waits)
		guest_crash(g, "%s", guest_asleep_why(asleep));
	else if (r)
		guest_crash(g, "cannot make a vCPU: %s%s", strerror(-r), vcpu_limit(r));
	else if (waits)
		t = TURN_AGAIN;
	else if (g->debugger && !g->in_call && debug_due(g))
		t = TURN_STOP;
	else
		t = run_turn(w, v, g);
	turn_end(w, g);
	switch (t) {
	case TURN_ON:
	case TURN_AGAIN:
		put_aside(w, v, g);
		break;
	case TURN_YIELD:
		g->used_slice = false;
		worker_enqueue(w, g, SHARE_YIELDS);
		break;
	case TURN_BLOCK:
		block(w, v, g);
		break;
	case TURN_STOP:
		debug_turn_over(g, v);
		break;
	case TURN_END:
		finish(v, g);
		break;
	}
}

/* Back to where it belongs after a turn for its work: with its own computing, or what is left of the work, or nowhere. */
static void put_back(struct worker *w, struct guest *g)
{
	if (g->run == RUN_RUNNABLE)
		worker_enqueue(w, g, SHARE_RAN);
	else
		work_schedule(g);
}

/* A guest in the queue may have used up its cap there, by what was done for it meanwhile. */
static bool throttled(struct worker *w, struct guest *g)
{
	uint64_t until;
	if (!g->cap || bandwidth_left(g->cap, monotonic_ns(), &until))
		return false;
	worker_left(w, g);
	put_back(w, g);
	return true;
}

/* A turn for the work that waits for g. */
static void serve(struct worker *w, struct guest *g)
{
	uint64_t now = monotonic_ns();
	slice_begin(w, now, within_cap(g, now, SLICE_NS));
	work_run(w, g);
	w->slice_end = 0;
	w->left_at = g->work.ended;
	worker_left(w, g);
	put_back(w, g);
}

/* A turn for a guest that ends or moves. */
static void pass(struct worker *w, struct guest *g)
{
	slice_begin(w, monotonic_ns(), SLICE_NS);
	bool more = passage_run(w, g);
	w->slice_end = 0;
	w->left_at = g->work.ended;
	if (!more)
		passage_finish(g);
}

void worker_turn(struct worker *w)
{
	struct guest *g = passage_next(w);
	if (g) {
		pass(w, g);
		return;
	}
	g = worker_next(w);
	if (!g || throttled(w, g))
		return;
	if (g->run == RUN_RUNNABLE && !g->doomed)
		guest_wakes_first(g);
	if (work_due(g)) {
		serve(w, g);
	} else {
		g->work.had_turn = false;
		dispatch(w, g);
	}
}
