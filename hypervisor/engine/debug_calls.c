/* SPDX-License-Identifier: MIT */
/* What a debugger asks of its guest, from its own thread. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "engine/owner_call.h"
#include "engine/engine_private.h"
#include "run/debugger.h"

struct debug_call {
	struct owner_call wait;
	struct cassin_debugger *debugger;
	bool flag; /* step; set */
	uint64_t va;
	size_t len;
	void *bytes;
	const void *from;
	struct cassin_debug_registers *registers;
	const struct cassin_debug_registers *set;
};

static int call_debugged(struct cassin_debugger *d, struct debug_call *c,
			 void (*fn)(struct guest *g, struct guest_call *c))
{
	c->debugger = d;
	return call_owner(engine_of(d->guest), d->guest, &c->wait, fn);
}

/* What a call needs of its guest. */
static int attached(const struct guest *g, const struct debug_call *c, bool stopped)
{
	if (g->debugger != c->debugger)
		return -ESRCH;
	return stopped && g->run != RUN_STOPPED ? -EBUSY : 0;
}

/* ---- Attaching ---- */

static void on_attach(struct guest *g, struct guest_call *call)
{
	struct debug_call *c = (struct debug_call *)call;
	if (g->run == RUN_NONE) {
		owner_answer(&c->wait, -ESRCH);
	} else if (g->debugger || g->freezing) {
		owner_answer(&c->wait, -EBUSY);
	} else if (guest_wakes_first(g)) {
		guest_hold(g, call, on_attach); /* a debugger never finds its memory asleep */
	} else {
		debug_take(g, c->debugger);
		debug_hold(g, SIGTRAP);
		owner_answer(&c->wait, 0);
	}
}

int cassin_engine_debug_attach(struct cassin_engine *e, uint64_t id, void (*notify)(void *opaque), void *opaque,
			       struct cassin_debugger **out)
{
	struct guest *g = engine_guest_get(e, id);
	struct cassin_debugger *d = g ? debugger_new(notify, opaque) : NULL;
	struct debug_call c = {0};
	if (!d) {
		int r = g ? -ENOMEM : -ENOENT;
		if (g)
			guest_put(g);
		return r;
	}
	d->guest = g;
	int r = call_debugged(d, &c, on_attach);
	if (r)
		debugger_free(d);
	else
		*out = d;
	return r;
}

int cassin_engine_debug_spawn(struct cassin_engine *e, const struct cassin_guest_spec *spec, uint64_t *id,
			      void (*notify)(void *opaque), void *opaque, struct cassin_debugger **out,
			      struct cassin_error_text *err)
{
	struct cassin_debugger *d = debugger_new(notify, opaque);
	struct guest *g;
	if (!d)
		return cassin_error_set(err, -ENOMEM, "%s: no memory", spec->name);
	int r = engine_spawn(e, spec, &(struct spawn_how){.debugger = d}, &g, err);
	if (r) {
		debugger_free(d);
		return r;
	}
	*id = g->id;
	guest_put(g);
	*out = d;
	return 0;
}

static void on_detach(struct guest *g, struct guest_call *call)
{
	struct debug_call *c = (struct debug_call *)call;
	if (g->debugger == c->debugger && c->debugger->nbreakpoints && guest_wakes_first(g)) {
		guest_hold(g, call, on_detach);
		return;
	}
	if (g->debugger == c->debugger)
		debug_detach(g);
	owner_answer(&c->wait, 0);
}

void cassin_engine_debug_detach(struct cassin_debugger *d)
{
	struct debug_call c = {0};
	call_debugged(d, &c, on_detach);
	debugger_free(d);
}

bool cassin_engine_debug_event(struct cassin_debugger *d, struct cassin_debug_event *out)
{
	pthread_mutex_lock(&d->lock);
	bool any = d->pending;
	*out = d->event;
	d->pending = false;
	pthread_mutex_unlock(&d->lock);
	return any;
}

uint64_t cassin_engine_debug_offset(const struct cassin_debugger *d)
{
	return d->guest->image->moved;
}

uint64_t cassin_engine_debug_guest(const struct cassin_debugger *d)
{
	return d->guest->id;
}

/* ---- Stopping and going on ---- */

static void on_stop(struct guest *g, struct guest_call *call)
{
	struct debug_call *c = (struct debug_call *)call;
	int r = attached(g, c, false);
	if (!r && g->run != RUN_STOPPED && guest_wakes_first(g)) {
		guest_hold(g, call, on_stop);
		return;
	}
	if (!r && g->run != RUN_STOPPED)
		debug_hold(g, SIGINT);
	owner_answer(&c->wait, r);
}

int cassin_engine_debug_stop(struct cassin_debugger *d)
{
	struct debug_call c = {0};
	return call_debugged(d, &c, on_stop);
}

static void on_resume(struct guest *g, struct guest_call *call)
{
	struct debug_call *c = (struct debug_call *)call;
	int r = attached(g, c, true);
	owner_answer(&c->wait, r ? r : debug_resume(g, c->flag));
}

int cassin_engine_debug_resume(struct cassin_debugger *d, bool step)
{
	struct debug_call c = {.flag = step};
	return call_debugged(d, &c, on_resume);
}

/* ---- Registers ---- */

static void on_registers(struct guest *g, struct guest_call *call)
{
	struct debug_call *c = (struct debug_call *)call;
	int r = attached(g, c, true);
	if (!r)
		debug_registers_get(g, c->registers);
	owner_answer(&c->wait, r);
}

int cassin_engine_debug_registers(struct cassin_debugger *d, struct cassin_debug_registers *out)
{
	struct debug_call c = {.registers = out};
	return call_debugged(d, &c, on_registers);
}

static void on_set_registers(struct guest *g, struct guest_call *call)
{
	struct debug_call *c = (struct debug_call *)call;
	int r = attached(g, c, true);
	owner_answer(&c->wait, r ? r : debug_registers_set(g, c->set));
}

int cassin_engine_debug_set_registers(struct cassin_debugger *d, const struct cassin_debug_registers *r)
{
	struct debug_call c = {.set = r};
	return call_debugged(d, &c, on_set_registers);
}

/* ---- Memory ---- */

/* Of the space whose code is stopped: the guest's own, or a user's. As far as it can be read. */
static void on_read(struct guest *g, struct guest_call *call)
{
	struct debug_call *c = (struct debug_call *)call;
	int r = attached(g, c, true);
	size_t done = 0;
	while (!r && done < c->len) {
		size_t room = PAGE_SIZE - (c->va + done) % PAGE_SIZE,
		       take = c->len - done < room ? c->len - done : room;
		r = memory_copyin_from(&g->memory, g->user.space, (unsigned char *)c->bytes + done, gva(c->va + done),
				       take);
		done += r ? 0 : take;
	}
	if (!g->user.space)
		breakpoints_hide(c->debugger, c->va, c->bytes, done);
	c->len = done;
	owner_answer(&c->wait, done ? 0 : r);
}

long cassin_engine_debug_read(struct cassin_debugger *d, uint64_t va, void *to, size_t len)
{
	struct debug_call c = {.va = va, .bytes = to, .len = len < CASSIN_DEBUG_IO_MAX ? len : CASSIN_DEBUG_IO_MAX};
	int r = call_debugged(d, &c, on_read);
	return r ? r : (long)c.len;
}

static void on_write(struct guest *g, struct guest_call *call)
{
	struct debug_call *c = (struct debug_call *)call;
	unsigned char bytes[CASSIN_DEBUG_IO_MAX];
	int r = attached(g, c, true);
	if (!r && g->user.space)
		r = -EFAULT;
	if (!r) {
		r = memory_check_for(&g->memory, gva(c->va), c->len, CASSIN_READ);
		memcpy(bytes, c->from, c->len);
	}
	if (!r) {
		breakpoints_keep(g->debugger, c->va, bytes, c->len);
		r = memory_poke(&g->memory, gva(c->va), bytes, c->len);
	}
	owner_answer(&c->wait, r);
}

int cassin_engine_debug_write(struct cassin_debugger *d, uint64_t va, const void *from, size_t len)
{
	struct debug_call c = {.va = va, .from = from, .len = len};
	return len > CASSIN_DEBUG_IO_MAX ? -EINVAL : call_debugged(d, &c, on_write);
}

/* ---- Breakpoints ---- */

static void on_breakpoint(struct guest *g, struct guest_call *call)
{
	struct debug_call *c = (struct debug_call *)call;
	int r = attached(g, c, true);
	if (!r)
		r = c->flag ? breakpoint_set(g, c->va) : breakpoint_clear(g, c->va);
	owner_answer(&c->wait, r);
}

int cassin_engine_debug_breakpoint(struct cassin_debugger *d, uint64_t va, bool set)
{
	struct debug_call c = {.va = va, .flag = set};
	return call_debugged(d, &c, on_breakpoint);
}
