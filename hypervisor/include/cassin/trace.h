/* SPDX-License-Identifier: MIT */
/*
 * Tracing a guest: what it asks of the hypervisor, as it happens. The engine keeps the last CASSIN_TRACE_RECORDS_MAX records for
 * whoever traces it and counts those that were not read in time. One tracer for a guest; a trace outlives restarts, and the guest's
 * end. Its memory, about 640 KiB, is in the guest's account.
 */
#ifndef CASSIN_TRACE_H
#define CASSIN_TRACE_H

#include <cassin/engine.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CASSIN_TRACE_RECORDS_MAX 4096u
#define CASSIN_TRACE_TEXT_MAX 32u

enum cassin_trace_kind {
	CASSIN_TRACE_CALL,     /* a hypercall begins: number, args */
	CASSIN_TRACE_RETURN,   /* it is over: number, result, took_ns */
	CASSIN_TRACE_SUBMIT,   /* an operation is consumed from the ring: number, the fields of the submission */
	CASSIN_TRACE_COMPLETE, /* it is complete: the same, result, took_ns */
	CASSIN_TRACE_UPCALL,   /* an upcall is delivered: args, enum cassin_trace_upcall_arg */
	CASSIN_TRACE_END,      /* the guest ends: how, and result: its exit code, as in struct cassin_guest_status */
};

/* Where in `args` a CASSIN_TRACE_RETURN of user_run has what its frame tells, if its result is a reason. */
enum cassin_trace_user_arg {
	CASSIN_TRACE_USER_RIP,
	CASSIN_TRACE_USER_VECTOR,
	CASSIN_TRACE_USER_ERROR,
	CASSIN_TRACE_USER_ADDRESS,
	CASSIN_TRACE_USER_EVENTS
};
/* The events; where the guest was; the frame. */
enum cassin_trace_upcall_arg { CASSIN_TRACE_UPCALL_EVENTS, CASSIN_TRACE_UPCALL_RIP, CASSIN_TRACE_UPCALL_FRAME };

enum cassin_trace_end { CASSIN_TRACE_EXITED, CASSIN_TRACE_CRASHED, CASSIN_TRACE_KILLED };

struct cassin_trace_record {
	enum cassin_trace_kind kind;
	uint64_t at_ns; /* CLOCK_REALTIME */
	uint64_t took_ns;
	uint64_t number; /* of the call or the operation, which may be unknown; of the end: enum cassin_trace_end */
	int64_t result;  /* or a negated errno code */
	uint64_t args[6];
	int32_t handle; /* this and the next: of a submission (docs/abi.md) */
	uint8_t flags;
	uint8_t text_len;
	char text[CASSIN_TRACE_TEXT_MAX]; /* the first bytes of what was written, sent or received */
	uint64_t addr, len, offset, user_data;
};

struct cassin_trace;

/* Takes over the trace that waits for a reader, if there is one; else one begins. -ENOENT, -EBUSY: somebody reads it, -ENOMEM. Blocks
 * until its owner has answered. */
int cassin_engine_trace_start(struct cassin_engine *e, uint64_t id, struct cassin_trace **out);
/* Spawns as cassin_engine_guest_spawn() does, traced from the first instruction. With out NULL the trace waits for a reader, and goes
 * with the guest when that is removed. */
int cassin_engine_trace_spawn(struct cassin_engine *e, const struct cassin_guest_spec *spec, uint64_t *id,
			      struct cassin_trace **out, struct cassin_error_text *err);
/* Takes at most `most` records, the oldest first; *lost is the number that were lost before them. Any thread, does not block.
 * The count. */
size_t cassin_engine_trace_read(struct cassin_trace *t, struct cassin_trace_record *out, size_t most, uint64_t *lost);
/* Blocks likewise. Must come before cassin_engine_destroy(). */
void cassin_engine_trace_stop(struct cassin_trace *t);

#ifdef __cplusplus
}
#endif

#endif
