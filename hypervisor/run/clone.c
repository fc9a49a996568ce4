/* SPDX-License-Identifier: MIT */
#include "run/clone.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/time.h"
#include "device/stream.h"
#include "device/stream_table.h"
#include "guest/device.h"
#include "guest/guest.h"
#include "guest/template.h"
#include "guest/trace_records.h"
#include "image/files.h"
#include "memory/freeze.h"
#include "run/life.h"
#include "run/parking.h"

#define OPERATIONS_PIECE 64u /* frozen, */
#define LISTENERS_PIECE 16u  /* or opened again in one piece */

/* ---- Freezing ---- */

/* Operations that mean the same when a clone starts them again. */
static bool may_start_again(const struct op *op)
{
	switch (op->request.op) {
	case CASSIN_OP_ACCEPT:
	case CASSIN_OP_TIMEOUT:
	case CASSIN_OP_CONSOLE_READ:
		return true;
	default:
		return false;
	}
}

static const char *op_name(uint8_t op)
{
	static const char *const names[] = {
		[CASSIN_OP_CONNECT] = "connect",
		[CASSIN_OP_RECV] = "recv",
		[CASSIN_OP_SEND] = "send",
	};
	return op < sizeof names / sizeof *names && names[op] ? names[op] : "another";
}

/* Puts down why it is no template. */
static void __attribute__((format(printf, 2, 3))) refuse(struct guest *g, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	free(g->freezing->why);
	if (vasprintf(&g->freezing->why, format, args) < 0)
		g->freezing->why = NULL;
	va_end(args);
}

static int freeze_state(struct guest *g, struct template *t)
{
	t->image = image_get(g->image);
	t->files = files_get(g->files);
	t->memory = g->spec.memory;
	t->regs = g->cpu.regs;
	t->fs_base = g->cpu.fs_base;
	t->boot = g->boot;
	t->boot_name = g->boot_name;
	t->ring = g->ring;
	t->upcall = *upcall_wanted(&g->upcalls);
	t->pending = g->upcalls.pending & ~(uint64_t)CASSIN_EVENT_STOP;
	t->wait_for = g->upcalls.wait_for;
	t->blocked = g->run == RUN_BLOCKED;
	t->wait_count = g->wait_count;
	t->wake_at = deadline_pending(&g->wake) ? g->wake.when : CASSIN_FOREVER;
	t->frozen = frozen_new();
	t->name = strdup(g->spec.name);
	t->domain = strdup(g->spec.domain);
	t->path = strdup(g->template ? g->template->path : g->spec.image);
	return t->frozen && t->name && t->domain && t->path ? 0 : -ENOMEM;
}

/* A guest's way into a template: one part after the other. */
struct freezer {
	struct template *template;
	enum { OPERATIONS, LISTENERS, ACCOUNT, MEMORY } part;
	const struct op *op; /* the next, and how many it and those behind it are */
	size_t ops;
	uint32_t place; /* in the table of handles */
	struct freezing memory;
	uint64_t charged;
};

static int freeze_ops(struct guest *g, struct freezer *f)
{
	struct template *t = f->template;
	for (unsigned n = 0; f->op && n < OPERATIONS_PIECE; n++, f->op = f->op->next) {
		if (!may_start_again(f->op)) {
			refuse(g, "an operation is under way that cannot be started again: %s, user_data 0x%llx",
			       op_name(f->op->request.op), (unsigned long long)f->op->request.user_data);
			return -EBUSY;
		}
		t->ops[--f->ops] = f->op->request; /* the list has the newest first */
	}
	return f->op != NULL;
}

/* Before it is known which pages are the image's. */
static int freeze_account(struct guest *g, struct freezer *f)
{
	uint64_t old = g->template ? g->template->frozen->npages : 0;
	f->charged = (g->memory.used + old) * (PAGE_SIZE + sizeof(uint64_t));
	int r = account_charge(&f->template->account, ACCOUNT_FROZEN, f->charged) ? -ENOMEM : 0;
	return r ? r : memory_freeze_begin(&g->memory, &f->memory, f->template->frozen);
}

/* 1: there is more; 0: that part is done; -errno. */
static int freeze_piece(struct guest *g, struct freezer *f)
{
	switch (f->part) {
	case OPERATIONS:
		return freeze_ops(g, f);
	case LISTENERS:
		return streams_freeze(g, f->template, &f->place);
	case ACCOUNT:
		return freeze_account(g, f);
	case MEMORY:
		break;
	}
	return memory_freeze_go_on(&g->memory, &f->memory, f->template->frozen);
}

static void freeze_end(struct guest *g, int r)
{
	struct freezer *f = g->freezing->under_way;
	struct template *t = f->template;
	g->freezing->under_way = NULL;
	g->freezing->result = r;
	if (r == -EBUSY && !g->freezing->why)
		refuse(g, f->part == LISTENERS ? "it has a connection" : "it has made another space");
	memory_freeze_end(&f->memory);
	if (r) {
		template_put(t);
	} else {
		account_uncharge(&t->account, ACCOUNT_FROZEN, f->charged - frozen_bytes(t->frozen));
		g->freezing->made = t;
	}
	free(f);
}

void guest_freeze_begin(struct guest *g)
{
	struct freezer *f = calloc(1, sizeof *f);
	struct template *t = calloc(1, sizeof *t);
	if (!f || !t) {
		free(f);
		free(t);
		g->freezing->result = -ENOMEM;
		return;
	}
	atomic_init(&t->refs, 1);
	t->created_ns = realtime_ns();
	account_init(&t->account, g->host->pool, UINT64_MAX);
	t->ops = calloc(g->nops + 1, sizeof *t->ops);
	t->nops = g->nops;
	*f = (struct freezer){.template = t, .op = g->ops, .ops = g->nops};
	g->freezing->under_way = f;
	if (!t->ops || freeze_state(g, t))
		freeze_end(g, -ENOMEM);
}

bool guest_freeze_some(struct guest *g)
{
	struct freezer *f = g->freezing ? g->freezing->under_way : NULL;
	if (!f)
		return false;
	int r = freeze_piece(g, f);
	if (r == 1 || (!r && f->part++ < MEMORY))
		return true;
	freeze_end(g, r);
	return false;
}

/* ---- Thawing ---- */

/* The boot record and the name stay where they are: the guest may have kept their addresses. */
static int write_own(struct guest *g)
{
	unsigned char seed[sizeof((struct cassin_boot *)0)->seed];
	char name[CASSIN_NAME_MAX + 1] = {0};
	if (getrandom(seed, sizeof seed, 0) != (ssize_t)sizeof seed)
		return -EIO;
	memcpy(name, g->spec.name, strlen(g->spec.name));
	int r = memory_copyout(&g->memory, gva(g->boot + offsetof(struct cassin_boot, seed)), seed, sizeof seed);
	return r ? r : memory_copyout(&g->memory, gva(g->boot_name), name, sizeof name);
}

int template_begin(struct guest *g)
{
	const struct template *t = g->template;
	g->cpu.regs = t->regs;
	g->cpu.fs_base = t->fs_base;
	g->boot = t->boot;
	g->boot_name = t->boot_name;
	g->ring = t->ring;
	int r = upcall_begin(g, t->pending, t->wait_for, &t->upcall);
	return r ? r : write_own(g);
}

int template_listen_some(struct guest *g, size_t *at)
{
	const struct template *t = g->template;
	int r = 0;
	for (unsigned n = 0; !r && *at < t->nlisteners && n < LISTENERS_PIECE; n++, ++*at) {
		struct stream *s = listener_new(g, t->listeners[*at].port);
		r = s ? stream_add_at(g, s, &listener_kind, t->listeners[*at].number) : -ENOMEM;
		if (s && r < 0)
			listener_kind.close(s);
		r = r < 0 ? r : 0;
	}
	for (uint32_t closed = 0; r && streams_end(g, &closed);) {
	}
	return r ? r : *at < t->nlisteners;
}

static void start_again(struct guest *g)
{
	const struct template *t = g->template;
	if (g->trace && t->blocked)
		trace_call(g, CASSIN_CALL_ENTER);
	for (size_t i = 0; i < t->nops; i++) {
		if (g->trace)
			trace_submit(g, &t->ops[i]);
		int32_t result = op_start(g, &t->ops[i]);
		if (result != OP_PENDING)
			ring_complete(g, &t->ops[i], result, 0);
	}
}

void template_resume(struct guest *g)
{
	const struct template *t = g->template;
	struct worker *w = guest_worker(g);
	upcall_resume(g);
	start_again(g);
	if (t->blocked)
		devices_first_wait(g);
	if (!t->blocked || guest_wait(g, t->wait_count, t->wake_at)) {
		worker_enqueue(w, g, SHARE_NEW);
	} else if (g->freezing) { /* a template of a clone that waits from the start */
		guest_freeze_begin(g);
		guest_end(g, END_EXIT, 0);
	} else {
		guest_park_later(g);
	}
}
