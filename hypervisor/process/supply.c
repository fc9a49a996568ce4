/* SPDX-License-Identifier: MIT */
/*
 * A tracee belongs to the thread that traces it, so one worker cannot take another's. Where no more can be made, a worker has a stub of
 * a guest of its own that has not run for longest do for another guest, and asks the worker that has most of them to end some, if it
 * has many more. One that has none at all makes one whatever the pool has left: without it nothing goes on. At a limit of the host's
 * its guest waits a little, and tries again.
 */
#include "process/supply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "process/charge.h"
#include "process/refusal.h"
#include "process/stubs.h"

#define MAKE_TRIES 3u
#define ROOM_TRIES 16u
#define GIVE_MOST 8u                /* stubs that a worker ends for others at a time */
#define AGAIN_NS UINT64_C(20000000) /* after which a guest that has got none at the host's limit tries again */

static struct process_backend *backend_of(const struct process_vcpu *v)
{
	return process_backend(v->vcpu.cell);
}

void supply_add(struct process_vcpu *v)
{
	struct process_backend *b = backend_of(v);
	pthread_mutex_lock(&b->lock);
	v->next = b->vcpus;
	b->vcpus = v;
	pthread_mutex_unlock(&b->lock);
}

void supply_remove(struct process_vcpu *v)
{
	struct process_backend *b = backend_of(v);
	pthread_mutex_lock(&b->lock);
	struct process_vcpu **link = &b->vcpus;
	while (*link && *link != v)
		link = &(*link)->next;
	if (*link)
		*link = v->next;
	pthread_mutex_unlock(&b->lock);
}

/* ---- Making ---- */

static int make_one(struct process_vcpu *v, bool whatever, struct stub **out, struct vcpu_exception *x)
{
	struct process_backend *b = backend_of(v);
	struct process_cell *c = process_cell(v->vcpu.cell);
	struct stub *s;
	const char *what;
	int r = maker_make(&b->maker, c->memory, &c->cell.account, whatever, &s);
	if (r) {
		char why[sizeof x->why - 24];
		limits_say(&b->maker.limits, r, why, sizeof why);
		snprintf(x->why, sizeof x->why, "no process for it: %s", why);
		return r;
	}
	s->v = v;
	r = stub_confine_process(s, c->pages + v->vcpu.worker, &what);
	if (r) {
		snprintf(x->why, sizeof x->why, "its process cannot be confined: %s: %s%s", what, strerror(-r),
			 r == -EPERM && !strcmp(what, NEEDS_PTRACE) ? " (kernel.yama.ptrace_scope?)" : "");
		maker_dispose(&b->maker, s);
		return r;
	}
	*out = s;
	return 0;
}

/* Again if it was ended from outside before it was traced. */
static int make(struct process_vcpu *v, bool whatever, struct stub **out, struct vcpu_exception *x)
{
	int r = -ESRCH;
	for (unsigned i = 0; i < MAKE_TRIES && (r == -ESRCH || r == -EPERM); i++)
		r = make_one(v, whatever, out, x);
	return r;
}

int supply_make(struct process_vcpu *v, struct stub **out, struct vcpu_exception *x)
{
	return make(v, false, out, x);
}

/* ---- At a limit ---- */

/* Ends all that nobody uses. */
static bool trim_all(struct process_backend *b)
{
	bool any = false;
	if (!atomic_load(&b->nblank))
		return false;
	pthread_mutex_lock(&b->lock);
	for (struct process_vcpu *v = b->vcpus; v; v = v->next)
		any |= stubs_trim(v);
	pthread_mutex_unlock(&b->lock);
	return any;
}

/* Asks the worker that has most stubs for some: the last one, too, for one that has none; else if it has many more. */
static void ask(struct process_backend *b, const struct tracer *mine)
{
	unsigned held = atomic_load(&mine->held), most = held ? 2 * held + 1 : 0;
	struct tracer *richest = NULL;
	for (struct tracer *t = b->tracers; t < b->tracers + WORKERS_MAX; t++) {
		unsigned n = atomic_load(&t->held);
		if (t != mine && n > most) {
			richest = t;
			most = n;
		}
	}
	if (!richest || !b->backend.ask)
		return;
	if (!held)
		atomic_store(&richest->wanted, true);
	b->backend.ask(b->backend.opaque, (unsigned)(richest - b->tracers));
}

static int none_left(struct process_vcpu *v, struct tracer *t, struct stub **out, struct vcpu_exception *x, int r)
{
	uint64_t now = monotonic_ns(), patience = v->vcpu.cell->frames.pool->patience;
	if (r == -ENOSPC)
		r = make(v, true, out, x);
	if (!limits_met(r))
		return r;
	if (!t->starving || now - t->tried > patience) /* or it was another's need */
		t->starving = now;
	t->tried = now;
	if (now - t->starving > patience)
		return r;
	ask(backend_of(v), t);
	cell_flush_owe(now + AGAIN_NS);
	return -EINTR;
}

static int find_room(struct process_vcpu *v, const struct cpu_state *cpu, struct tracer *t, struct stub **out,
		     struct vcpu_exception *x, int r)
{
	struct process_backend *b = backend_of(v);
	for (unsigned i = 0; limits_met(r) && i < ROOM_TRIES; i++) {
		if (trim_all(b)) {
			r = make(v, false, out, x);
			continue;
		}
		struct stub *s = stubs_evict(t, cpu);
		if (!s)
			break;
		ask(b, t);
		if (s->v == v && !stub_is_large(s)) {
			stub_charge_to(s, &v->vcpu.cell->account);
			*out = s;
			return 0;
		}
		maker_dispose(&b->maker, s);
		r = make(v, false, out, x);
	}
	return limits_met(r) ? none_left(v, t, out, x, r) : r;
}

int supply_get(struct process_vcpu *v, const struct cpu_state *cpu, struct stub **out, struct vcpu_exception *x)
{
	struct tracer *t = process_tracer(v);
	*out = stubs_take_blank(v);
	int r = *out ? 0 : make(v, false, out, x);
	if (limits_met(r))
		r = find_room(v, cpu, t, out, x, r);
	if (!r)
		t->starving = 0;
	return r;
}

/* ---- For the pool, and for other workers ---- */

bool supply_spare(struct backend *backend, unsigned worker)
{
	struct process_backend *b = CONTAINER_OF(backend, struct process_backend, backend);
	return atomic_load(&b->nblank) || atomic_load(&b->tracers[worker].held) > 1;
}

/* Guests that have not run for longest have theirs taken; the one that runs keeps its own, or nobody would get on. */
bool supply_reclaim(struct backend *backend, unsigned worker)
{
	struct process_backend *b = CONTAINER_OF(backend, struct process_backend, backend);
	struct tracer *t = &b->tracers[worker];
	bool last = atomic_exchange(&t->wanted, false), gave = trim_all(b);
	unsigned held = atomic_load(&t->held), most = (held + 1) / 2 < GIVE_MOST ? (held + 1) / 2 : GIVE_MOST;
	for (; most && (held > 1 || last); most--, held--) {
		struct stub *s = stubs_evict(t, NULL);
		if (!s)
			break;
		maker_dispose(&b->maker, s);
		gave = true;
	}
	return gave;
}
