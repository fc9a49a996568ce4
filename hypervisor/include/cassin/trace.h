/* SPDX-License-Identifier: MIT */
/*
 * Tracing a guest: what it asks of the hypervisor, as it happens. The engine keeps the last TRACE_RECORDS_MAX records for
 * whoever traces it and counts those that were not read in time. One tracer for a guest; a trace outlives restarts.
 */
#ifndef CASSIN_TRACE_H
#define CASSIN_TRACE_H

#include <cassin/engine.h>

#define TRACE_RECORDS_MAX 4096u
#define TRACE_TEXT_MAX 32u

enum trace_kind {
	TRACE_CALL,     /* a hypercall begins: number, args */
	TRACE_RETURN,   /* it is over: number, result, took_ns */
	TRACE_SUBMIT,   /* an operation is consumed from the ring: number, the fields of the submission */
	TRACE_COMPLETE, /* it is complete: the same, result, took_ns */
	TRACE_UPCALL,   /* an upcall is delivered: args, enum trace_upcall_arg */
	TRACE_END,      /* the guest ends: how, and result: its exit code, as in struct guest_status */
};

/* Where in `args` a TRACE_RETURN of user_run has what its frame tells, if its result is a reason. */
enum trace_user_arg { TRACE_USER_RIP, TRACE_USER_VECTOR, TRACE_USER_ERROR, TRACE_USER_ADDRESS, TRACE_USER_EVENTS };
/* The events; where the guest was; the frame. */
enum trace_upcall_arg { TRACE_UPCALL_EVENTS, TRACE_UPCALL_RIP, TRACE_UPCALL_FRAME };

enum trace_end { TRACE_EXITED, TRACE_CRASHED, TRACE_KILLED };

struct trace_record {
	enum trace_kind kind;
	uint64_t at_ns; /* CLOCK_REALTIME */
	uint64_t took_ns;
	uint64_t number; /* of the call or the operation, which may be unknown; of the end: enum trace_end */
	int64_t result;  /* or a negated errno code */
	uint64_t args[6];
	int32_t handle; /* this and the next: of a submission (docs/abi.md) */
	uint8_t flags;
	uint8_t text_len;
	char text[TRACE_TEXT_MAX]; /* the first bytes of what was written, sent or received */
	uint64_t addr, len, offset, user_data;
};

struct trace;

/* -ENOENT, -EBUSY: it is being traced, -ENOMEM. Blocks until its owner has answered. */
int engine_trace_start(struct engine *e, uint64_t id, struct trace **out);
/* Takes at most `most` records, the oldest first; *lost is the number that were lost before them. Any thread, does not block.
 * The count. */
size_t engine_trace_read(struct trace *t, struct trace_record *out, size_t most, uint64_t *lost);
/* Blocks likewise. Must come before engine_destroy(). */
void engine_trace_stop(struct trace *t);

#endif
