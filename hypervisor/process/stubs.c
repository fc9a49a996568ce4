/* SPDX-License-Identifier: MIT */
#include "process/stubs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "process/page.h"
#include "process/refusal.h"
#include "process/tables.h"

#define BLANK_MOST 32u /* kept for the next guests; more are ended */
#define MAKE_TRIES 3u
/* Unmapping takes up to 7 us for each mapping, and nobody interrupts it: a stub with more than this is not emptied by the worker, it
 * ends, on its own time, and another takes its place. */
#define EMPTIED_MOST 256u
#define GUEST_MAPPINGS (128u << 10) /* in all stubs of a guest: 32 MiB of the host's kernel */

/* ---- Lists ---- */

static void list_add(struct process_vcpu *v, struct stub *s)
{
	s->newer = NULL;
	s->older = v->newest;
	if (v->newest)
		v->newest->newer = s;
	else
		v->oldest = s;
	v->newest = s;
}

static void list_take(struct process_vcpu *v, struct stub *s)
{
	if (s->newer)
		s->newer->older = s->older;
	else
		v->newest = s->older;
	if (s->older)
		s->older->newer = s->newer;
	else
		v->oldest = s->newer;
}

static void take_from_guest(struct process_vcpu *v, struct stub *s)
{
	struct cpu_state *cpu = s->cpu;
	struct stub **link = &cpu->stubs;
	while (*link != s)
		link = &(*link)->next;
	*link = s->next;
	if (cpu->stub == s)
		cpu->stub = NULL;
	s->cpu = NULL;
	list_take(v, s);
}

static void give_to_guest(struct process_vcpu *v, struct stub *s, struct cpu_state *cpu, const struct tables *t,
			  unsigned space)
{
	s->cpu = cpu;
	s->root = tables_root(t, space);
	s->epoch = t->epoch;
	s->again = 0;
	s->stale = false;
	s->next = cpu->stubs;
	cpu->stubs = s;
	list_add(v, s);
}

/* ---- Ending ---- */

static void dispose(struct process_vcpu *v, struct stub *s)
{
	maker_dispose(&process_backend(v->vcpu.cell)->maker, s);
}

void stubs_lose(struct process_vcpu *v, struct stub *s)
{
	if (s->cpu)
		take_from_guest(v, s);
	dispose(v, s);
}

static void make_blank(struct process_vcpu *v, struct stub *s)
{
	take_from_guest(v, s);
	pthread_mutex_lock(&v->blank_lock);
	bool kept = !s->dead && s->mappings <= EMPTIED_MOST && v->nblank < BLANK_MOST;
	if (kept) {
		s->next = v->blank;
		v->blank = s;
		v->nblank++;
	}
	pthread_mutex_unlock(&v->blank_lock);
	if (!kept)
		dispose(v, s);
}

static struct stub *take_blank(struct process_vcpu *v)
{
	pthread_mutex_lock(&v->blank_lock);
	struct stub *s = v->blank;
	if (s) {
		v->blank = s->next;
		v->nblank--;
	}
	pthread_mutex_unlock(&v->blank_lock);
	return s;
}

void stubs_give_back(struct process_vcpu *v, struct cpu_state *cpu)
{
	while (cpu->stubs)
		make_blank(v, cpu->stubs);
	cpu->stub = NULL;
}

void stubs_trim(struct process_vcpu *v)
{
	struct stub *s;
	while ((s = take_blank(v)))
		dispose(v, s);
}

void stubs_end(struct process_vcpu *v)
{
	while (v->oldest)
		stubs_lose(v, v->oldest);
	stubs_trim(v);
}

/* ---- Extended state ---- */

int stubs_save(struct process_vcpu *v, struct cpu_state *cpu)
{
	size_t size = v->vcpu.cell->backend->extended.size;
	if (cpu->xstate || !cpu->stub)
		return 0;
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

/* ---- Making ---- */

static int make_one(struct process_vcpu *v, struct stub **out, struct vcpu_exception *x)
{
	struct process_backend *b = process_backend(v->vcpu.cell);
	struct process_cell *c = process_cell(v->vcpu.cell);
	struct stub *s = calloc(1, sizeof *s);
	const char *what;
	int r = s ? maker_make(&b->maker, c->memory, &s->pid) : -ENOMEM;
	if (r) {
		free(s);
		snprintf(x->why, sizeof x->why, "no process for it: %s: see %s", strerror(-r),
			 refusal_limit(r, b->limits));
		return r;
	}
	r = stub_confine_process(s, c->pages + v->vcpu.worker, &what);
	if (r) {
		snprintf(x->why, sizeof x->why, "its process cannot be confined: %s: %s%s", what, strerror(-r),
			 r == -EPERM && !strcmp(what, NEEDS_PTRACE) ? " (kernel.yama.ptrace_scope?)" : "");
		dispose(v, s);
		return r;
	}
	*out = s;
	return 0;
}

/* Again if it was ended from outside before it was traced. */
static int make(struct process_vcpu *v, struct stub **out, struct vcpu_exception *x)
{
	int r = -ESRCH;
	for (unsigned i = 0; i < MAKE_TRIES && (r == -ESRCH || r == -EPERM); i++)
		r = make_one(v, out, x);
	return r;
}

/* Whoever has not run for longest does without its stub from now on. One that was ended from outside is nobody's help. */
static int evict(struct process_vcpu *v)
{
	for (struct stub *s = v->oldest; s; s = s->newer) {
		if (stubs_save(v, s->cpu))
			continue;
		make_blank(v, s);
		return 0;
	}
	return -ENOENT;
}

static int acquire(struct process_vcpu *v, struct stub **out, struct vcpu_exception *x)
{
	*out = take_blank(v);
	int r = *out ? 0 : make(v, out, x);
	while ((r == -EAGAIN || r == -ENOMEM) && !evict(v)) {
		*out = take_blank(v);
		r = *out ? 0 : r;
	}
	return r;
}

/* Another process becomes that of s, which keeps its place and its extended state; the old one ends. */
static int renew(struct process_vcpu *v, struct stub *s)
{
	struct vcpu_exception x;
	size_t size = v->vcpu.cell->backend->extended.size;
	struct stub *fresh = take_blank(v), old = *s;
	int r = fresh ? 0 : make(v, &fresh, &x);
	if (r)
		return r;
	if (s->cpu->stub == s) {
		r = stub_get_extended(s, v->extended, &size);
		if (!r)
			r = stub_set_extended(fresh, v->extended, size);
	}
	if (!r) {
		s->pid = fresh->pid;
		s->mappings = fresh->mappings;
		s->odd_flags = fresh->odd_flags;
		s->cpu_number = fresh->cpu_number;
		fresh->pid = old.pid;
		fresh->dead = old.dead;
	}
	dispose(v, fresh);
	return r;
}

/* What a list has to begin with for a stub that is to have nothing else. */
static void begin_again(struct process_vcpu *v, struct stub *s, struct steps *steps)
{
	if (s->mappings > EMPTIED_MOST)
		renew(v, s); /* where that cannot be, the one that there is does it */
	if (s->mappings)
		steps_unmap_all(steps);
}

/* A guest whose stubs have too many mappings together does without the largest of the others. */
static void shed(struct process_vcpu *v, const struct stub *than)
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
	if (all > GUEST_MAPPINGS && most && !(most == cpu->stub && stubs_save(v, cpu)))
		make_blank(v, most);
}

int stubs_do(struct process_vcpu *v, struct stub *s, struct steps *steps)
{
	int error;
	bool had_some = s->mappings;
	steps_end(steps);
	s->mappings = (steps->anew ? 0 : s->mappings) + steps->n;
	if (stub_steps(s, v->page, steps->n, &error) == steps->n) {
		s->odd_flags = false;
		shed(v, s);
		return 0;
	}
	if (error != -ENOMEM || !had_some)
		return error;
	/* vm.max_map_count: what is needed comes back by faults. */
	struct steps all = {.list = steps->list};
	begin_again(v, s, &all);
	steps_end(&all);
	error = 0;
	if (all.n)
		stub_steps(s, v->page, all.n, &error);
	s->mappings = 0;
	return error;
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

void stubs_used(struct process_vcpu *v, struct stub *s)
{
	if (v->newest == s)
		return;
	list_take(v, s);
	list_add(v, s);
}

static bool is_root(const struct tables *t, frame_t root)
{
	for (unsigned space = 0; space < SPACES_MAX; space++) {
		if (tables_root(t, space) == root)
			return true;
	}
	return false;
}

int stubs_refresh(struct process_vcpu *v, struct cpu_state *cpu, const struct tables *t)
{
	int r = 0;
	for (struct stub *s = cpu->stubs, *next; s && !r; s = next) {
		next = s->next;
		s->epoch = t->epoch;
		s->stale = true;
		if (is_root(t, s->root))
			continue;
		r = s == cpu->stub ? stubs_save(v, cpu) : 0;
		make_blank(v, s);
	}
	return r;
}

/* One for a space that has none. */
static int acquire_filled(struct process_vcpu *v, struct cpu_state *cpu, const struct tables *t, unsigned space,
			  struct stub **out, struct vcpu_exception *x)
{
	int r;
	do {
		r = acquire(v, out, x);
		if (r)
			return r;
		give_to_guest(v, *out, cpu, t, space);
		r = fill(v, *out);
		if (r == -ESRCH)
			stubs_lose(v, *out); /* ended from outside, before anybody had it: the next one */
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
		stubs_lose(v, *out);
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
