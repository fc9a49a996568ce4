/* SPDX-License-Identifier: MIT */
#include "process/stubs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "process/charge.h"
#include "process/page.h"
#include "process/supply.h"
#include "process/tables.h"

#define BLANK_MOST 32u              /* kept for the next guests; more are ended */
#define GUEST_MAPPINGS (128u << 10) /* in all stubs of a guest: 32 MiB of the host's kernel */
#define RECOUNT_LEAST 1024u
#define RECOUNT_TABLES 256u /* that are looked at: a tenth of a millisecond */
#define OWN_FEW 3u          /* stubs that a guest may have at a limit before it gives its own up first */

/* ---- Lists ---- */

static void list_add(struct tracer *t, struct stub *s)
{
	s->newer = NULL;
	s->older = t->newest;
	if (t->newest)
		t->newest->newer = s;
	else
		t->oldest = s;
	t->newest = s;
	s->used = ++t->ticks;
}

static void list_take(struct tracer *t, struct stub *s)
{
	if (s->newer)
		s->newer->older = s->older;
	else
		t->newest = s->older;
	if (s->older)
		s->older->newer = s->newer;
	else
		t->oldest = s->newer;
}

static void take_from_guest(struct stub *s)
{
	struct tracer *t = process_tracer(s->v);
	struct cpu_state *cpu = s->cpu;
	struct stub **link = &cpu->stubs;
	while (*link != s)
		link = &(*link)->next;
	*link = s->next;
	if (cpu->stub == s)
		cpu->stub = NULL;
	s->cpu = NULL;
	list_take(t, s);
	atomic_fetch_sub(&t->held, 1);
}

static void give_to_guest(struct process_vcpu *v, struct stub *s, struct cpu_state *cpu, const struct tables *t,
			  unsigned space)
{
	s->cpu = cpu;
	s->root = tables_root(t, space);
	s->epoch = t->epoch;
	s->again = 0;
	s->stale = s->tight = false;
	s->next = cpu->stubs;
	cpu->stubs = s;
	list_add(process_tracer(v), s);
	atomic_fetch_add(&process_tracer(v)->held, 1);
	if (cpu->account)
		stub_charge_to(s, cpu->account);
}

/* ---- Ending ---- */

static void dispose(struct stub *s)
{
	maker_dispose(&process_backend(s->v->vcpu.cell)->maker, s);
}

/* A process of a guest's is about to end: on its own time, which nobody else pays for. */
static void owe(struct cpu_state *cpu, const struct stub *s)
{
	if (!s->dead)
		cpu->owed_ns += maker_end_ns(&process_backend(s->v->vcpu.cell)->maker, s->mappings);
}

void stubs_lose(struct stub *s)
{
	if (s->cpu) {
		owe(s->cpu, s);
		take_from_guest(s);
	}
	dispose(s);
}

static bool keep_blank(struct stub *s)
{
	struct process_vcpu *v = s->v;
	pthread_mutex_lock(&v->blank_lock);
	bool kept = !s->dead && !stub_is_large(s) && v->nblank < BLANK_MOST;
	if (kept) {
		stub_charge_to(s, &v->vcpu.cell->account);
		s->next = v->blank;
		v->blank = s;
		v->nblank++;
		atomic_fetch_add(&process_backend(v->vcpu.cell)->nblank, 1);
	}
	pthread_mutex_unlock(&v->blank_lock);
	return kept;
}

static void make_blank(struct stub *s)
{
	struct cpu_state *cpu = s->cpu;
	take_from_guest(s);
	if (keep_blank(s))
		return;
	owe(cpu, s);
	dispose(s);
}

struct stub *stubs_take_blank(struct process_vcpu *v)
{
	pthread_mutex_lock(&v->blank_lock);
	struct stub *s = v->blank;
	if (s) {
		v->blank = s->next;
		v->nblank--;
		atomic_fetch_sub(&process_backend(v->vcpu.cell)->nblank, 1);
	}
	pthread_mutex_unlock(&v->blank_lock);
	return s;
}

void stubs_give_back(struct cpu_state *cpu)
{
	while (cpu->stubs)
		make_blank(cpu->stubs);
	cpu->stub = NULL;
}

bool stubs_trim(struct process_vcpu *v)
{
	struct stub *s;
	bool any = false;
	for (; (s = stubs_take_blank(v)); any = true)
		dispose(s);
	return any;
}

/* ---- Extended state ---- */

int stubs_save(struct cpu_state *cpu)
{
	if (cpu->xstate || !cpu->stub || cpu->extended_lost)
		return 0;
	size_t size = cpu->stub->v->vcpu.cell->backend->extended.size;
	void *image = malloc(size);
	if (!image)
		return -ENOMEM;
	int r = stub_get_extended(cpu->stub, image, &size);
	if (r) {
		free(image);
		return r;
	}
	cpu->xstate = image;
	return 0;
}

/* Its extended state is in s from now on. */
static int bring_extended(struct process_vcpu *v, struct cpu_state *cpu, struct stub *s)
{
	const struct extended *usual = &v->vcpu.cell->backend->extended;
	size_t size = usual->size;
	int r = 0;
	void *image = cpu->xstate;
	if (!image && cpu->stub) {
		image = v->extended;
		r = stub_get_extended(cpu->stub, image, &size);
	}
	if (!r)
		r = stub_set_extended(s, image ? image : usual->initial, size);
	if (r)
		return r;
	free(cpu->xstate);
	cpu->xstate = NULL;
	cpu->stub = s;
	return 0;
}

/* ---- Doing without ---- */

/* A guest with many spaces does not live at others' cost. */
static struct stub *of_its_own(const struct cpu_state *cpu)
{
	struct stub *oldest = NULL;
	unsigned n = 0;
	for (struct stub *s = cpu->stubs; s; s = s->next, n++) {
		if (!oldest || s->used < oldest->used)
			oldest = s;
	}
	return n > OWN_FEW ? oldest : NULL;
}

static int let_go(struct stub *s)
{
	struct cpu_state *cpu = s->cpu;
	int r = s == cpu->stub ? stubs_save(cpu) : 0;
	if (r)
		return r;
	take_from_guest(s);
	if (stub_is_large(s)) /* it is of no use to another */
		owe(cpu, s);
	return 0;
}

struct stub *stubs_evict(struct tracer *t, const struct cpu_state *cpu)
{
	struct stub *own = cpu ? of_its_own(cpu) : NULL;
	if (own && !let_go(own))
		return own;
	for (struct stub *s = t->oldest; s; s = s->newer) {
		if (s != t->pinned && !let_go(s)) /* one that was ended from outside is nobody's help */
			return s;
	}
	return NULL;
}

/* ---- Mappings ---- */

/* Another process becomes that of s, which keeps its place and its extended state; the old one ends. */
static int renew(struct process_vcpu *v, struct stub *s)
{
	struct vcpu_exception x;
	size_t size = v->vcpu.cell->backend->extended.size;
	struct stub *fresh = stubs_take_blank(v), old = *s;
	int r = fresh ? 0 : supply_make(v, &fresh, &x);
	if (r)
		return r;
	if (s->cpu->stub == s) {
		r = stub_get_extended(s, v->extended, &size);
		if (!r)
			r = stub_set_extended(fresh, v->extended, size);
	}
	if (!r) {
		owe(s->cpu, s);
		stub_charge_mappings(s, fresh->mappings);
		s->pid = fresh->pid;
		s->odd_flags = fresh->odd_flags;
		s->cpu_number = fresh->cpu_number;
		fresh->pid = old.pid;
		fresh->dead = old.dead;
	}
	dispose(fresh);
	return r;
}

/* What a list has to begin with for a stub that is to have nothing else. */
static void begin_again(struct process_vcpu *v, struct stub *s, struct steps *steps)
{
	if (stub_is_large(s))
		renew(v, s); /* where that cannot be, the one that there is does it */
	if (s->mappings)
		steps_unmap_all(steps);
}

/* A guest whose stubs have too many mappings together does without the largest of the others. */
static void shed(const struct stub *than)
{
	struct cpu_state *cpu = than->cpu;
	struct stub *most = NULL;
	unsigned all = than->mappings;
	for (struct stub *s = cpu->stubs; s; s = s->next) {
		if (s == than)
			continue;
		all += s->mappings;
		if (!most || s->mappings > most->mappings)
			most = s;
	}
	if (all > GUEST_MAPPINGS && most && !(most == cpu->stub && stubs_save(cpu)))
		make_blank(most);
}

/* Nothing is mapped in it any more: what is needed comes back by faults. */
static int empty(struct process_vcpu *v, struct stub *s)
{
	struct steps all = {.list = stub_page_list(v->page)};
	int error = 0;
	begin_again(v, s, &all);
	steps_end(&all);
	if (all.n)
		stub_steps(s, v->page, all.n, &error);
	s->recount = 0;
	stub_charge_mappings(s, 0);
	return error;
}

/* How many mappings it has with n more steps. Steps that replace others' make fewer than were counted: when they have become twice as
 * many, the tables are looked at. */
static unsigned mappings_with(const struct process_vcpu *v, struct stub *s, const struct steps *steps)
{
	unsigned n = (steps->anew ? 0 : s->mappings) + steps->n, shown;
	if (n <= RECOUNT_LEAST || n <= s->recount)
		return n;
	if (tables_runs(v->vcpu.cell, s->root, RECOUNT_TABLES, &shown) && shown + steps->n < n)
		n = shown + steps->n;
	s->recount = 2 * n;
	return n;
}

int stubs_do(struct process_vcpu *v, struct stub *s, struct steps *steps)
{
	int error;
	bool had_some = s->mappings;
	unsigned n = mappings_with(v, s, steps);
	process_tracer(v)->pinned = s;
	int refused = n > GUEST_MAPPINGS ? -ENOMEM : stub_charge_mappings(s, n);
	process_tracer(v)->pinned = NULL;
	if (refused) {
		memset(steps->list, 0, steps->n * sizeof *steps->list); /* nobody's business but this guest's */
		s->tight = true;
		return empty(v, s);
	}
	s->tight &= n <= MAPPINGS_FREELY;
	steps_end(steps);
	if (stub_steps(s, v->page, steps->n, &error) == steps->n) {
		s->odd_flags = false;
		shed(s);
		return 0;
	}
	return error == -ENOMEM && had_some ? empty(v, s) : error; /* vm.max_map_count */
}

/* A stub that begins with what the space shows already. */
static int fill(struct process_vcpu *v, struct stub *s)
{
	struct steps steps = {.list = stub_page_list(v->page)};
	begin_again(v, s, &steps);
	steps_space(&steps, v->vcpu.cell, s->root);
	int r = steps.n ? stubs_do(v, s, &steps) : 0;
	s->stale = r;
	return r;
}

struct stub *stubs_find(const struct cpu_state *cpu, frame_t root)
{
	struct stub *s = cpu->stubs;
	while (s && s->root != root)
		s = s->next;
	return s;
}

void stubs_used(struct stub *s)
{
	struct tracer *t = process_tracer(s->v);
	if (t->newest == s)
		return;
	list_take(t, s);
	list_add(t, s);
}

static bool is_root(const struct tables *t, frame_t root)
{
	for (unsigned space = 0; space < SPACES_MAX; space++) {
		if (tables_root(t, space) == root)
			return true;
	}
	return false;
}

int stubs_refresh(struct cpu_state *cpu, const struct tables *t)
{
	int r = 0;
	for (struct stub *s = cpu->stubs, *next; s && !r; s = next) {
		next = s->next;
		s->epoch = t->epoch;
		s->stale = true;
		if (is_root(t, s->root))
			continue;
		r = s == cpu->stub ? stubs_save(cpu) : 0;
		make_blank(s);
	}
	return r;
}

/* One for a space that has none. */
static int acquire_filled(struct process_vcpu *v, struct cpu_state *cpu, const struct tables *t, unsigned space,
			  struct stub **out, struct vcpu_exception *x)
{
	int r;
	do {
		r = supply_get(v, cpu, out, x);
		if (r)
			return r;
		give_to_guest(v, *out, cpu, t, space);
		r = fill(v, *out);
		if (r == -ESRCH)
			stubs_lose(*out); /* ended from outside, before anybody had it: the next one */
	} while (r == -ESRCH);
	return r;
}

/* The stub of a space, which it is given now if it has none, with no mappings of older tables. */
static int find(struct process_vcpu *v, struct cpu_state *cpu, const struct tables *t, unsigned space,
		struct stub **out, struct vcpu_exception *x)
{
	int r = 0;
	*out = stubs_find(cpu, tables_root(t, space));
	if (*out)
		r = (*out)->stale ? fill(v, *out) : 0;
	else
		r = acquire_filled(v, cpu, t, space, out, x);
	if (r && *out) {
		snprintf(x->why, sizeof x->why, "its process cannot map its memory: %s%s", strerror(-r),
			 r == -EPERM ? " (vm.mmap_min_addr?)" : "");
		stubs_lose(*out);
	}
	return r;
}

int stubs_get(struct process_vcpu *v, struct cpu_state *cpu, const struct tables *t, unsigned space, struct stub **out,
	      struct vcpu_exception *x)
{
	int r = 0;
	if (cpu->stub && cpu->stub->root == tables_root(t, space) && !cpu->stub->stale)
		*out = cpu->stub;
	else
		r = find(v, cpu, t, space, out, x);
	if (!r && (cpu->stub != *out || cpu->xstate)) {
		r = bring_extended(v, cpu, *out);
		if (r)
			snprintf(x->why, sizeof x->why, "its process does not take its registers: %s", strerror(-r));
	}
	return r;
}
