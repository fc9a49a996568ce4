/* SPDX-License-Identifier: MIT */
/* How an incarnation begins, ends, and begins again. */
#include "run/life.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "base/time.h"
#include "cell/cell.h"
#include "cell/vcpu.h"
#include "guest/device.h"
#include "guest/guest.h"
#include "guest/template.h"
#include "guest/trace_records.h"
#include "run/boot.h"
#include "run/clone.h"
#include "run/debugger.h"
#include "run/parking.h"

#define OPERATIONS_PIECE 16u /* dropped in one piece */
#define CRASH_CODE (128 + 6)
#define KILL_CODE (128 + 9)
#define BACKOFF_FIRST_NS UINT64_C(100000000)
#define BACKOFF_MOST_NS UINT64_C(10000000000)
#define PATH_PATIENCE_NS UINT64_C(5000000000) /* with ports at paths, at a restart */
#define STABLE_NS UINT64_C(10000000000)       /* a run this long forgives the restarts before it */

static int cannot_begin(struct guest *g, int r, struct cassin_error_text *err)
{
	if (r == -E2BIG)
		return cassin_error_set(err, r, "%s: \"memory\": %llu KiB do not hold the image and its stack",
					g->spec.name, (unsigned long long)g->spec.memory / 1024);
	if (g->beginning.listens)
		return cassin_error_set(err, r, "%s: no memory for the clone", g->spec.name);
	return cassin_error_set(err, r, "%s: no memory: the pool of %llu MiB is exhausted", g->spec.name,
				(unsigned long long)(g->host->pool->limit * PAGE_SIZE >> 20));
}

static int begin_first(struct guest *g)
{
	g->beginning = (struct beginning){0};
	return begin_memory(g);
}

/* What is not the memory's. */
static int begin_state(struct guest *g)
{
	g->waking.fn = guest_wake_some;
	g->virtual_ns = 0;
	g->has_waited = false;
	g->used_slice = g->stopping = g->in_call = g->submission.begun = false;
	g->submission.done = 0;
	g->doomed = NULL;
	upcall_forget(g);
	if (g->template)
		return template_begin(g);
	g->cpu.regs = (struct cpu_registers){.rip = g->image->entry, .rdi = g->boot, .rsp = g->boot, .rflags = 2};
	g->cpu.fs_base = 0;
	g->ring = (struct ring){0};
	return 0;
}

/* 1: there is more; 0: it can run; -errno: nothing is held. */
static int begin_piece(struct guest *g)
{
	struct beginning *b = &g->beginning;
	int r;
	if (!b->listens) {
		r = begin_memory_go_on(g);
		if (r)
			return r;
		b->listens = true;
		b->at = 0;
		r = begin_state(g);
		if (!r)
			return 1;
	} else {
		r = g->template ? template_listen_some(g, &b->at) : 0;
	}
	if (r < 0)
		guest_abandon(g);
	if (r)
		return r;
	g->cpu.incarnation = incarnation_next();
	atomic_store(&g->count.frames, g->memory.used);
	atomic_store(&g->count.table_frames, g->memory.table_frames);
	return 0;
}

int guest_begin(struct guest *g, struct cassin_error_text *err)
{
	int r = begin_first(g);
	if (!r)
		do
			r = begin_piece(g);
		while (r == 1);
	return r ? cannot_begin(g, r, err) : 0;
}

void guest_abandon(struct guest *g)
{
	struct cell_image *ci = g->memory.image;
	memory_destroy(&g->memory);
	cell_image_put(g->cell, ci);
}

static void forget_on_vcpus(struct guest *g, struct worker *w)
{
	struct vcpu *v = g->cell->vcpus[w->number];
	vcpu_forget(v, &g->cpu);
}

static bool may_restart(const struct guest *g)
{
	return !g->stopping && g->spec.restart != CASSIN_RESTART_NO &&
	       (!g->spec.restart_max || g->restart.row < g->spec.restart_max);
}

static bool wants_restart(struct guest *g, enum end_kind kind, int code, uint64_t ran)
{
	bool failed = kind == END_CRASH || code != 0;
	if (kind == END_KILL || (g->spec.restart == CASSIN_RESTART_ON_FAILURE && !failed))
		return false;
	if (ran >= STABLE_NS)
		g->restart.row = 0;
	return may_restart(g);
}

static void restart_fire(struct deadline *d)
{
	struct guest *g = CONTAINER_OF(d, struct guest, timer);
	uint64_t began = guest_work_begin(g);
	g->timer_on = false;
	guest_restart(g, NULL);
	guest_worked(g, began);
}

static void backoff(struct guest *g, struct worker *w)
{
	uint64_t wait = BACKOFF_FIRST_NS << (g->restart.row < 8 ? g->restart.row : 8);
	if (wait > BACKOFF_MOST_NS)
		wait = BACKOFF_MOST_NS;
	g->restart.row++;
	g->timer.fire = restart_fire;
	g->timer_on = true;
	worker_deadline(w, &g->timer, monotonic_ns() + wait);
}

static int exit_code(enum end_kind kind, int code)
{
	return kind == END_EXIT ? code : kind == END_CRASH ? CRASH_CODE : KILL_CODE;
}

/* One part of an incarnation after the other; the template that is made of it comes first. */
enum part { PART_TEMPLATE, PART_OPERATIONS, PART_DEVICES, PART_MEMORY };

static bool part_step(struct guest *g)
{
	switch ((enum part)g->ending.part) {
	case PART_TEMPLATE:
		return guest_freeze_some(g);
	case PART_OPERATIONS:
		return op_drop_some(g, OPERATIONS_PIECE);
	case PART_DEVICES:
		return devices_end(g, &g->ending.walk);
	case PART_MEMORY:
		break;
	}
	return memory_destroy_some(&g->memory);
}

static bool end_step(struct guest *g)
{
	return part_step(g) || g->ending.part++ < PART_MEMORY;
}

/* Nothing is left of the incarnation. */
static void ended(struct guest *g)
{
	const struct ending *e = &g->ending;
	cell_image_put(g->cell, g->ending.image);
	free(g->cpu.xstate);
	g->cpu.xstate = NULL;
	user_forget(g);
	upcall_forget(g);
	g->run = RUN_NONE;
	atomic_store(&g->count.frames, 0);
	atomic_store(&g->count.table_frames, 0);
	bool again = wants_restart(g, e->kind, e->code, e->ran);
	if (again)
		backoff(g, guest_worker(g));
	else
		guest_ports_refuse(g);
	g->host->ended(g, &(struct guest_ending){e->kind, exit_code(e->kind, e->code), again, e->report});
	passage_over(g);
}

void guest_end(struct guest *g, enum end_kind kind, int code)
{
	struct worker *w = guest_worker(g);
	g->ending = (struct ending){.kind = kind,
				    .code = code,
				    .ran = monotonic_ns() - g->record.started_mono,
				    .report = g->crash,
				    .image = g->memory.image};
	g->crash = NULL;
	if (g->debugger)
		debug_ended(g, kind, code);
	if (g->trace)
		trace_end(g,
			  kind == END_EXIT    ? CASSIN_TRACE_EXITED
			  : kind == END_CRASH ? CASSIN_TRACE_CRASHED
					      : CASSIN_TRACE_KILLED,
			  exit_code(kind, code));
	worker_forget(w, g);
	g->timer_on = false;
	work_drop(g, &g->parking);
	work_drop(g, &g->waking);
	guest_unparked(g);
	guest_want_forget(g);
	if (g->swapping)
		g->swapping->waits = false;
	forget_on_vcpus(g, w);
	passage_begin(g, end_step, ended);
}

/* That others have the pool is not its own failure: its policy tries again later. Who asked for the restart is told instead. */
static void restart_failed(struct guest *g, int r, const struct cassin_error_text *why)
{
	bool again = r == -ENOMEM && !g->restart.err && may_restart(g);
	if (g->restart.err)
		*g->restart.err = *why;
	if (again)
		backoff(g, guest_worker(g));
	g->host->restart_failed(g, why->text, again);
}

static bool begin_step(struct guest *g)
{
	g->restart.result = begin_piece(g);
	return g->restart.result == 1;
}

static void begun(struct guest *g)
{
	struct cassin_error_text why;
	g->run = RUN_NONE;
	if (g->restart.result) {
		guest_ports_refuse(g);
		cannot_begin(g, g->restart.result, &why);
		restart_failed(g, g->restart.result, &why);
	} else {
		g->host->restarted(g);
		guest_start(g);
	}
	passage_over(g);
}

/* Its ports listen. */
static int begin_again(struct guest *g, struct cassin_error_text *why)
{
	int r = begin_first(g);
	if (!r) {
		passage_begin(g, begin_step, begun);
	} else {
		guest_ports_refuse(g);
		cannot_begin(g, r, why);
	}
	return r;
}

/* What came of its ports: 0, or -errno with *why; then it begins, or does not. */
static void ports_resumed(struct guest *g, int r, struct cassin_error_text *why)
{
	if (!r)
		r = begin_again(g, why);
	if (!r)
		return;
	restart_failed(g, r, why);
	g->restart.result = r;
}

/* The wait for its ports is over. Whoever asked for the restart hears of what comes now. */
static void wait_no_more(struct guest *g)
{
	g->ports_then = NULL;
	g->timer_on = false;
	deadlines_clear(&guest_worker(g)->deadlines, &g->timer);
}

static void ports_then(struct guest *g)
{
	struct cassin_error_text why;
	int r = guest_ports_resume(g, false, &why);
	if (r == -EINPROGRESS)
		return;
	wait_no_more(g);
	ports_resumed(g, r, &why);
	guest_let_go(g);
}

static void patience_fire(struct deadline *d)
{
	struct guest *g = CONTAINER_OF(d, struct guest, timer);
	struct cassin_error_text why;
	wait_no_more(g);
	guest_ports_refuse(g);
	int r = cassin_error_set(&why, -ETIMEDOUT, "%s: a port at a path: the file system there does not answer",
				 g->spec.name);
	ports_resumed(g, r, &why);
	guest_let_go(g);
}

void guest_restart(struct guest *g, struct cassin_error_text *err)
{
	struct cassin_error_text why;
	console_reopen(&g->console);
	g->restart.err = err;
	int r = guest_ports_resume(g, true, &why);
	if (r != -EINPROGRESS) {
		ports_resumed(g, r, &why);
		return;
	}
	g->ports_then = ports_then;
	g->timer.fire = patience_fire;
	g->timer_on = true;
	worker_deadline(guest_worker(g), &g->timer, monotonic_ns() + PATH_PATIENCE_NS);
}

void guest_restart_then(struct guest *g, struct guest_call *c, void (*fn)(struct guest *g, struct guest_call *c))
{
	if (g->ports_then)
		guest_hold(g, c, fn);
	else
		passage_then(g, c, fn);
}

void guest_restart_give_up(struct guest *g)
{
	if (!g->ports_then)
		return;
	wait_no_more(g);
	guest_ports_refuse(g);
	g->restart.result = -ECANCELED;
	if (g->restart.err)
		cassin_error_set(g->restart.err, -ECANCELED, "%s: it was ended meanwhile", g->spec.name);
	guest_let_go(g);
}

int guest_restarted(const struct guest *g)
{
	return g->restart.result;
}

void guest_start(struct guest *g)
{
	if (g->template)
		template_resume(g);
	else
		worker_enqueue(guest_worker(g), g, SHARE_NEW);
}
