/* SPDX-License-Identifier: MIT */
/* A guest's trace: begun and ended by its worker, so both are the thread pool's; what comes goes out as it is found. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "follow.h"
#include "pool.h"
#include "reply.h"
#include "../common/trace_json.h"

#define RECORDS_PIECE 64u
#define RESTART_NS UINT64_C(1000000000) /* a guest that is being restarted is over for a while */

struct trace_follower {
	struct follower follower;
	struct job work;
	struct daemon *daemon;
	struct connection *connection; /* held until the trace has begun */
	uint64_t id;
	struct cassin_trace *trace;
	int result;
	uint64_t over_ns; /* since when the guest has been over; 0: it is not */
};

/* ---- The end ---- */

static void stop_run(struct job *work)
{
	struct trace_follower *f = work->data;
	cassin_engine_trace_stop(f->trace);
}

static void stop_done(struct job *work)
{
	free(work->data);
}

static void trace_drop(struct follower *follower)
{
	struct trace_follower *f = (struct trace_follower *)follower;
	pool_add(f->daemon->pool, LANE_CONTROL, &f->work, stop_run, stop_done);
}

/* ---- What comes ---- */

static bool trace_advance(struct follower *follower)
{
	struct trace_follower *f = (struct trace_follower *)follower;
	struct connection *c = follower->connection;
	struct cassin_guest_status s;
	bool over = cassin_engine_guest_status(f->daemon->engine, f->id, &s) < 0 || s.state == CASSIN_GUEST_EXITED ||
		    s.state == CASSIN_GUEST_CRASHED || s.state == CASSIN_GUEST_KILLED;
	f->over_ns = !over ? 0 : f->over_ns ? f->over_ns : now_ns();
	while (!follower->gone && c->backlog < FOLLOW_BACKLOG) {
		struct cassin_trace_record records[RECORDS_PIECE];
		uint64_t lost;
		size_t n = cassin_engine_trace_read(f->trace, records, RECORDS_PIECE, &lost);
		if (lost)
			stream_json(c, trace_json_lost(lost));
		if (!n)
			return !over || now_ns() - f->over_ns < RESTART_NS;
		for (size_t i = 0; i < n; i++)
			stream_json(c, trace_json(&records[i]));
	}
	return true;
}

/* ---- The beginning ---- */

static void start_run(struct job *work)
{
	struct trace_follower *f = work->data;
	f->result = cassin_engine_trace_start(f->daemon->engine, f->id, &f->trace);
}

static void start_done(struct job *work)
{
	struct trace_follower *f = work->data;
	struct connection *c = f->connection;
	if (f->result == -EBUSY)
		reply_error(c, 409, "it is being traced already");
	else if (f->result < 0)
		reply_error(c, api_status_of(f->result), "%s",
			    f->result == -ENOENT ? "the guest has been removed" : strerror(-f->result));
	else if (c->closed)
		trace_drop(&f->follower);
	else
		follow_start(c, &f->follower, "application/x-ndjson");
	if (f->result < 0)
		free(f);
	connection_release(c);
}

void api_guest_trace(struct connection *c, const struct target *t)
{
	uint64_t id;
	if (api_guest_find(c, t, &id) < 0)
		return;
	if (c->head) {
		reply_body(c, 200, "application/x-ndjson", "", NULL, 0);
		return;
	}
	struct trace_follower *f = calloc(1, sizeof *f);
	if (!f) {
		reply_error(c, 507, "no memory for the request");
		return;
	}
	*f = (struct trace_follower){.follower = {.advance = trace_advance, .drop = trace_drop},
				     .daemon = c->daemon,
				     .connection = c,
				     .id = id};
	f->work.data = f;
	connection_hold(c);
	pool_add(c->daemon->pool, LANE_CONTROL, &f->work, start_run, start_done);
}
