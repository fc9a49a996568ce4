/* SPDX-License-Identifier: MIT */
/*
 * POST /v1/spawn: a batch. Guests are spawned in chunks on the thread pool, and between chunks the loop tells the
 * client how far it is. Then it waits until each is ready or has ended. A batch belongs to the pool while a chunk
 * is there, and to the loop otherwise; `abandoned` and `cancelled` alone are for both. One that is to wait for room has a
 * place in the queue (waiting.h) until the last of its guests is spawned.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "batch.h"
#include "pool.h"
#include "reply.h"
#include "waiting.h"

#define CHUNK_NS UINT64_C(50000000)
#define WAIT_POLL_MS 10
#define TELL_NS UINT64_C(100000000)
#define TELL_BACKLOG (64u << 10)
#define HEARTBEAT_MS 250 /* while it waits for room: a client that has gone shows when it is written to */
#define HOPELESS_TRIES 5 /* without room while nothing runs whose end could make some */

struct spawned {
	uint64_t id;
	unsigned index;
	bool settled;
};

struct spawning {
	struct job work;
	uv_timer_t timer;
	struct daemon *daemon;
	struct connection *connection; /* NULL: the client has gone */
	struct batch batch;
	struct spawned *guests; /* nguests of them */
	unsigned next, nguests, ended, running, booting, unsettled;
	json_t *failed;
	unsigned *failed_at; /* index of each of them */
	unsigned nfailed;
	bool rolled_back;
	atomic_bool abandoned;
	struct waiter waiter;
	bool queued, tried;           /* it has a place in the queue; has been its head */
	bool full;                    /* the last try found no room */
	enum waiter_lacks lacks;      /* then */
	struct cassin_place *place;   /* among those that wait for memory; NULL: it has none */
	struct cassin_error_text why; /* what the last try there came to */
	unsigned hopeless;
	atomic_bool *cancelled; /* while they waited */
	unsigned ncancelled;
	uint64_t started, spawned_at, reported;
	unsigned reported_next;
	bool reported_full;
};

static void chunk_queue(struct spawning *s);

/* Guests fail in any order; they are reported by their numbers. */
static void fail(struct spawning *s, unsigned index, const char *why)
{
	char name[CASSIN_NAME_MAX + 1];
	size_t at = s->nfailed++;
	batch_name(&s->batch, index, name);
	for (; at && s->failed_at[at - 1] > index; at--)
		s->failed_at[at] = s->failed_at[at - 1];
	s->failed_at[at] = index;
	json_t *text = json_string(why);
	json_array_insert_new(
		s->failed, at,
		json_pack("{s:s, s:o}", "name", name, "error", text ? text : json_string("(unprintable)")));
}

static void tell(struct spawning *s)
{
	struct connection *c = s->connection;
	if (!c || c->backlog > TELL_BACKLOG)
		return;
	s->reported = now_ns();
	s->reported_next = s->next;
	s->reported_full = s->full;
	unsigned waiting = s->queued && (s->full || !s->tried) ? s->batch.count - s->next : 0;
	stream_json(c, json_pack("{s:s, s:i, s:i, s:i, s:i, s:i}", "event", "progress", "count", (int)s->batch.count,
				 "spawned", (int)s->nguests, "settled", (int)(s->nguests - s->unsettled), "failed",
				 (int)s->nfailed, "waiting", (int)waiting));
}

static void spawning_free(struct spawning *s)
{
	batch_free(&s->batch);
	json_decref(s->failed);
	free(s->failed_at);
	free(s->cancelled);
	free(s->guests);
	free(s);
}

static void on_timer_closed(uv_handle_t *handle)
{
	spawning_free(handle->data);
}

static void finish(struct spawning *s)
{
	struct connection *c = s->connection;
	if (c) {
		c->on_gone = NULL; /* sending may find that it has gone */
		stream_json(c, json_pack("{s:s, s:i, s:i, s:i, s:i, s:O, s:b, s:I, s:I}", "event", "done", "count",
					 (int)s->batch.count, "running", (int)s->running, "ended", (int)s->ended,
					 "booting", (int)s->booting, "failed", s->failed, "rolled_back",
					 (int)s->rolled_back, "spawn_ns", (json_int_t)(s->spawned_at - s->started),
					 "elapsed_ns", (json_int_t)(now_ns() - s->started)));
		stream_end(c);
		connection_release(c);
	}
	uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

/* ---- All or nothing ---- */

static void roll_back_queue(struct spawning *s);

/* In pieces, as the spawning was: who wants to end another guest gets in between. */
static void roll_back_run(struct job *work)
{
	struct spawning *s = work->data;
	uint64_t since = now_ns();
	while (s->nguests && now_ns() - since < CHUNK_NS)
		daemon_guest_remove(s->daemon, s->guests[--s->nguests].id);
}

static void roll_back_done(struct job *work)
{
	struct spawning *s = work->data;
	if (s->nguests) {
		roll_back_queue(s);
		return;
	}
	s->rolled_back = true;
	s->running = s->ended = s->booting = 0;
	finish(s);
}

static void roll_back_queue(struct spawning *s)
{
	pool_add(s->daemon->pool, LANE_CONTROL, &s->work, roll_back_run, roll_back_done);
}

/* What is left to do when no more guests will be spawned or waited for. */
static void conclude(struct spawning *s)
{
	bool whole = !s->nfailed && !atomic_load(&s->abandoned);
	if (s->batch.atomic && !whole)
		roll_back_queue(s);
	else
		finish(s);
}

/* ---- Waiting ---- */

/* Of the report only why; the guest is named already. */
static void settle_crash(struct spawning *s, const struct spawned *g)
{
	char *report = cassin_engine_guest_report(s->daemon->engine, g->id);
	if (report)
		report[strcspn(report, "\n")] = '\0';
	const char *why = report ? strstr(report, "crashed: ") : NULL;
	fail(s, g->index, why ? why : "crashed");
	free(report);
}

/* True: this guest's fate is known, and counted. */
static bool settle(struct spawning *s, const struct spawned *g, bool last_call)
{
	struct cassin_guest_status status;
	char text[128];
	if (cassin_engine_guest_status(s->daemon->engine, g->id, &status) < 0) {
		fail(s, g->index, "removed while it was starting");
		return true;
	}
	switch (status.state) {
	case CASSIN_GUEST_STARTING:
	case CASSIN_GUEST_RUNNING:
		s->running += status.ready;
		s->booting += last_call && !status.ready;
		return status.ready || last_call;
	case CASSIN_GUEST_WAITING:
		snprintf(text, sizeof text, "keeps failing: exit code %d, %u restarts", status.exit_code,
			 status.restarts);
		s->ended += status.exit_code == 0;
		if (status.exit_code && last_call)
			fail(s, g->index, text);
		return status.exit_code == 0 || last_call;
	case CASSIN_GUEST_EXITED:
		snprintf(text, sizeof text, "ended with exit code %d", status.exit_code);
		s->ended += status.exit_code == 0;
		if (status.exit_code)
			fail(s, g->index, text);
		return true;
	case CASSIN_GUEST_CRASHED:
		settle_crash(s, g);
		return true;
	case CASSIN_GUEST_KILLED:
		fail(s, g->index, "killed");
		return true;
	}
	return true;
}

static void on_wait(uv_timer_t *timer)
{
	struct spawning *s = timer->data;
	uint64_t now = now_ns();
	bool last_call = now - s->spawned_at >= s->batch.wait_ms * UINT64_C(1000000) || atomic_load(&s->abandoned) ||
			 atomic_load(&s->daemon->stopping);
	unsigned before = s->unsettled;
	for (unsigned i = 0; i < s->nguests; i++) {
		struct spawned *g = &s->guests[i];
		if (g->settled || !settle(s, g, last_call))
			continue;
		g->settled = true;
		s->unsettled--;
	}
	if (!s->unsettled || (s->batch.atomic && s->nfailed)) {
		uv_timer_stop(&s->timer);
		conclude(s);
	} else if (s->unsettled != before && now - s->reported >= TELL_NS) {
		tell(s);
	}
}

/* ---- Spawning ---- */

static bool chunk_over(const struct spawning *s, uint64_t since)
{
	return s->full || s->next == s->batch.count || (s->batch.atomic && s->nfailed) || atomic_load(&s->abandoned) ||
	       atomic_load(&s->daemon->stopping) || now_ns() - since >= CHUNK_NS;
}

/* There is no room for the next guest now, but there may be later. */
static bool must_wait(struct spawning *s, int result)
{
	struct cassin_engine_stats stats;
	if (!s->queued || (result != -ENOMEM && result != -EAGAIN))
		return false;
	cassin_engine_stats(s->daemon->engine, &stats);
	s->hopeless = stats.running ? 0 : s->hopeless + 1;
	return s->hopeless < HOPELESS_TRIES;
}

/* One that may wait takes its turn among the guests that wait for memory. */
static int try_next(struct spawning *s, const struct cassin_guest_spec *spec, uint64_t *id,
		    struct cassin_error_text *err)
{
	struct daemon *d = s->daemon;
	if (s->queued && !s->place && cassin_engine_place_take(d->engine, spec->domain, &s->place) < 0)
		return cassin_error_set(err, -ENOMEM, "%s: no memory", spec->name);
	if (s->queued && !cassin_engine_place_begin(s->place)) {
		*err = s->why;
		return -ENOMEM;
	}
	int result = daemon_guest_spawn(d, spec, s->batch.trace, id, err);
	if (s->queued)
		cassin_engine_place_end(s->place, result);
	s->why = *err;
	return result;
}

static void spawn_next(struct spawning *s)
{
	struct cassin_error_text err = {"no memory for the spec"};
	struct cassin_guest_spec spec;
	uint64_t id;
	int result = batch_spec(&s->batch, s->next, &spec);
	if (result == 0) {
		result = try_next(s, &spec, &id, &err);
		batch_spec_free(&spec);
	}
	s->full = must_wait(s, result);
	s->lacks = result == -EAGAIN ? LACKS_PLACES : LACKS_MEMORY;
	if (s->full)
		return;
	if (result == 0)
		s->guests[s->nguests++] = (struct spawned){.id = id, .index = s->next};
	else
		fail(s, s->next, err.text);
	s->next++;
}

static void chunk_run(struct job *work)
{
	struct spawning *s = work->data;
	uint64_t since = now_ns();
	do {
		s->full = false;
		if (s->cancelled && atomic_load(&s->cancelled[s->next]))
			fail(s, s->next++, "removed while it waited");
		else
			spawn_next(s);
	} while (!chunk_over(s, since));
}

/* No more of them will be spawned. */
static void spawning_over(struct spawning *s, bool stopped)
{
	if (s->queued)
		waiting_leave(s->daemon, &s->waiter);
	s->queued = false;
	cassin_engine_place_leave(s->place);
	s->place = NULL;
	uv_timer_stop(&s->timer);
	s->spawned_at = now_ns();
	if (stopped)
		conclude(s);
	else
		uv_timer_start(&s->timer, on_wait, 0, WAIT_POLL_MS);
}

static void chunk_done(struct job *work)
{
	struct spawning *s = work->data;
	bool stopped = atomic_load(&s->abandoned) || atomic_load(&s->daemon->stopping) ||
		       (s->batch.atomic && s->nfailed);
	s->unsettled = s->nguests;
	if (s->next != s->reported_next || s->full != s->reported_full)
		tell(s);
	if (stopped || s->next == s->batch.count)
		spawning_over(s, stopped);
	else if (s->full)
		waiting_tried(s->daemon, &s->waiter, s->lacks);
	else
		chunk_queue(s);
}

static void chunk_queue(struct spawning *s)
{
	pool_add(s->daemon->pool, LANE_LOAD, &s->work, chunk_run, chunk_done);
}

static void on_gone(struct connection *c)
{
	struct spawning *s = c->user;
	s->connection = NULL;
	atomic_store(&s->abandoned, true);
	if (s->queued && !s->waiter.busy)
		spawning_over(s, true);
	connection_release(c);
}

/* ---- In the queue ---- */

static struct spawning *spawning_of(struct waiter *w)
{
	return (struct spawning *)(void *)((char *)w - offsetof(struct spawning, waiter));
}

static void on_turn(struct waiter *w)
{
	struct spawning *s = spawning_of(w);
	s->tried = true;
	chunk_queue(s);
}

static bool cancel(struct waiter *w, const char *name)
{
	struct spawning *s = spawning_of(w);
	int i = batch_find(&s->batch, name);
	if (i < 0 || atomic_load(&s->cancelled[i]) || (!w->busy && (unsigned)i < s->next))
		return false;
	atomic_store(&s->cancelled[i], true);
	if (w->busy || ++s->ncancelled < s->batch.count - s->next)
		return true;
	while (s->next < s->batch.count)
		fail(s, s->next++, "removed while it waited");
	spawning_over(s, s->batch.atomic);
	return true;
}

static void on_heartbeat(uv_timer_t *timer)
{
	struct spawning *s = timer->data;
	if (!s->waiter.busy)
		tell(s);
}

static void join(struct spawning *s)
{
	s->waiter.domain = s->batch.spec.domain ? s->batch.spec.domain : "default";
	s->waiter.try = on_turn;
	s->waiter.cancel = cancel;
	s->queued = true;
	uv_timer_start(&s->timer, on_heartbeat, HEARTBEAT_MS, HEARTBEAT_MS);
	waiting_join(s->daemon, &s->waiter);
	if (!s->waiter.busy)
		tell(s);
}

static int spawning_new(struct spawning **out, const struct request *r, struct cassin_error_text *err)
{
	struct spawning *s = calloc(1, sizeof *s);
	if (!s)
		return cassin_error_set(err, -ENOMEM, "no memory for the request");
	int result = batch_parse(&s->batch, r->body, r->body_len, err);
	if (result < 0) {
		free(s);
		return result;
	}
	s->guests = calloc(s->batch.count, sizeof *s->guests);
	s->cancelled = s->batch.wait ? calloc(s->batch.count, sizeof *s->cancelled) : NULL;
	s->failed_at = calloc(s->batch.count, sizeof *s->failed_at);
	s->failed = json_array();
	if (s->guests && s->failed_at && s->failed && (s->cancelled || !s->batch.wait)) {
		*out = s;
		return 0;
	}
	spawning_free(s);
	return cassin_error_set(err, -ENOMEM, "no memory for the request");
}

void api_spawn(struct connection *c, const struct target *t)
{
	struct cassin_error_text err = {""};
	struct spawning *s = NULL;
	(void)t;
	int result = spawning_new(&s, &c->request, &err);
	if (result == 0 && !s->batch.wait && waiting_short(c->daemon, s->batch.spec.domain)) {
		spawning_free(s);
		result = cassin_error_set(&err, -EAGAIN, WAITING_SHORT_TEXT);
	} else if (result == 0) {
		result = daemon_loaders_free(c->daemon, &err);
		if (result < 0)
			spawning_free(s);
	}
	if (result < 0) {
		reply_error(c, api_status_of(result), "%s", err.text);
		return;
	}
	s->daemon = c->daemon;
	s->connection = c;
	s->work.data = s->timer.data = s;
	s->started = now_ns();
	uv_timer_init(&s->daemon->loop, &s->timer);
	connection_hold(c);
	c->user = s;
	c->on_gone = on_gone;
	stream_begin(c, "application/x-ndjson", "");
	if (s->batch.wait)
		join(s);
	else
		chunk_queue(s);
}
