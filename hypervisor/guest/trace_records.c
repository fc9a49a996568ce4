/* SPDX-License-Identifier: MIT */
#include "guest/trace_records.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/time.h"
#include "guest/guest.h"

struct cassin_trace *trace_new(void)
{
	struct cassin_trace *t = calloc(1, sizeof *t);
	if (!t)
		return NULL;
	t->records = calloc(CASSIN_TRACE_RECORDS_MAX, sizeof *t->records);
	if (!t->records) {
		free(t);
		return NULL;
	}
	pthread_mutex_init(&t->lock, NULL);
	return t;
}

void trace_free(struct cassin_trace *t)
{
	pthread_mutex_destroy(&t->lock);
	free(t->records);
	free(t);
}

size_t trace_take(struct cassin_trace *t, struct cassin_trace_record *out, size_t most, uint64_t *lost)
{
	size_t n = 0;
	pthread_mutex_lock(&t->lock);
	*lost = t->lost;
	t->lost = 0;
	for (; n < most && t->count; n++) {
		out[n] = t->records[t->first];
		t->first = (t->first + 1) % CASSIN_TRACE_RECORDS_MAX;
		t->count--;
	}
	pthread_mutex_unlock(&t->lock);
	return n;
}

/* A full ring loses its oldest. */
static void put(struct cassin_trace *t, struct cassin_trace_record *r)
{
	r->at_ns = realtime_ns();
	pthread_mutex_lock(&t->lock);
	if (t->count == CASSIN_TRACE_RECORDS_MAX) {
		t->first = (t->first + 1) % CASSIN_TRACE_RECORDS_MAX;
		t->count--;
		t->lost++;
	}
	t->records[(t->first + t->count++) % CASSIN_TRACE_RECORDS_MAX] = *r;
	pthread_mutex_unlock(&t->lock);
}

/* The first bytes at addr; none if they cannot be read. */
static void take_text(struct guest *g, struct cassin_trace_record *r, uint64_t addr, uint64_t len)
{
	size_t n = len < CASSIN_TRACE_TEXT_MAX ? len : CASSIN_TRACE_TEXT_MAX;
	if (n && !memory_copyin(&g->memory, r->text, gva(addr), n))
		r->text_len = (uint8_t)n;
}

/* ---- Calls ---- */

void trace_call(struct guest *g, uint64_t number)
{
	const struct cpu_registers *regs = &g->cpu.regs;
	struct cassin_trace *t = g->trace;
	struct cassin_trace_record r = {
		.kind = CASSIN_TRACE_CALL,
		.number = number,
		.args = {regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9},
	};
	if (number == CASSIN_CALL_LOG)
		take_text(g, &r, regs->rdi, regs->rsi);
	t->in_call = true;
	t->number = number;
	t->called_ns = monotonic_ns();
	put(t, &r);
}

static void put_return(struct guest *g, struct cassin_trace_record *r)
{
	struct cassin_trace *t = g->trace;
	if (!t->in_call)
		return;
	r->kind = CASSIN_TRACE_RETURN;
	r->number = t->number;
	r->result = (int64_t)g->cpu.regs.rax;
	r->took_ns = monotonic_ns() - t->called_ns;
	t->in_call = false;
	put(t, r);
}

void trace_return(struct guest *g)
{
	struct cassin_trace_record r = {.kind = CASSIN_TRACE_RETURN};
	put_return(g, &r);
}

void trace_user_return(struct guest *g, const struct cassin_user_frame *frame)
{
	struct cassin_trace_record r = {.args = {[CASSIN_TRACE_USER_RIP] = frame->regs.rip,
						 [CASSIN_TRACE_USER_VECTOR] = frame->vector,
						 [CASSIN_TRACE_USER_ERROR] = frame->error,
						 [CASSIN_TRACE_USER_ADDRESS] = frame->address,
						 [CASSIN_TRACE_USER_EVENTS] = frame->events}};
	put_return(g, &r);
}

void trace_upcall(struct guest *g, uint64_t events, uint64_t rip, uint64_t frame)
{
	struct cassin_trace_record r = {.kind = CASSIN_TRACE_UPCALL,
					.args = {[CASSIN_TRACE_UPCALL_EVENTS] = events,
						 [CASSIN_TRACE_UPCALL_RIP] = rip,
						 [CASSIN_TRACE_UPCALL_FRAME] = frame}};
	put(g->trace, &r);
}

void trace_gone(struct guest *g)
{
	g->trace->in_call = false;
}

/* ---- Operations ---- */

static struct cassin_trace_record of_submission(enum cassin_trace_kind kind, const struct request *request)
{
	return (struct cassin_trace_record){
		.kind = kind,
		.number = request->op,
		.handle = request->handle,
		.flags = request->flags,
		.addr = request->addr,
		.len = request->len,
		.offset = request->offset,
		.user_data = request->user_data,
	};
}

void trace_submit(struct guest *g, const struct request *request)
{
	struct cassin_trace_record r = of_submission(CASSIN_TRACE_SUBMIT, request);
	if (request->op == CASSIN_OP_SEND || request->op == CASSIN_OP_CONSOLE_WRITE || request->op == CASSIN_OP_CONNECT)
		take_text(g, &r, request->addr, request->len);
	put(g->trace, &r);
}

void trace_complete(struct guest *g, const struct request *request, int32_t result, uint64_t began)
{
	struct cassin_trace_record r = of_submission(CASSIN_TRACE_COMPLETE, request);
	r.result = result;
	r.took_ns = began ? monotonic_ns() - began : 0;
	if (result > 0 && (request->op == CASSIN_OP_RECV || request->op == CASSIN_OP_CONSOLE_READ))
		take_text(g, &r, request->addr, (uint64_t)result);
	put(g->trace, &r);
}

void trace_end(struct guest *g, enum cassin_trace_end how, int code)
{
	struct cassin_trace_record r = {.kind = CASSIN_TRACE_END, .number = how, .result = code};
	g->trace->in_call = false;
	put(g->trace, &r);
}
