// SPDX-License-Identifier: MIT
/*
 * POST /v1/spawn: a batch. Guests are spawned in chunks on the thread pool, and between chunks the loop tells the
 * client how far it is. Then it waits until each is ready or has ended. A batch belongs to the pool while a chunk
 * is there, and to the loop otherwise; `abandoned` alone is for both.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "batch.h"
#include "reply.h"

#define CHUNK_NS UINT64_C(50000000)
#define WAIT_POLL_MS 10
#define TELL_NS UINT64_C(100000000)
#define TELL_BACKLOG (64u << 10)

struct spawned {
	uint64_t id;
	unsigned index;
	bool settled;
};

struct spawning {
	uv_work_t work;
	uv_timer_t timer;
	struct daemon *daemon;
	struct connection *connection; /* NULL: the client has gone */
	struct batch batch;
	struct spawned *guests; /* nguests of them */
	unsigned next, nguests, ended, running, booting, unsettled;
	json_t *failed;
	unsigned nfailed;
	bool rolled_back;
	atomic_bool abandoned;
	uint64_t started, spawned_at, told;
};

static void chunk_queue(struct spawning *s);

static void fail(struct spawning *s, unsigned index, const char *why)
{
	char name[CASSIN_NAME_MAX + 1];
	batch_name(&s->batch, index, name);
	json_t *text = json_string(why);
	json_array_append_new(s->failed, json_pack("{s:s, s:o}", "name", name, "error",
						   text ? text : json_string("(unprintable)")));
	s->nfailed++;
}

static void tell(struct spawning *s)
{
	struct connection *c = s->connection;
	if (!c || c->backlog > TELL_BACKLOG)
		return;
	s->told = daemon_now();
	stream_json(c, json_pack("{s:s, s:i, s:i, s:i, s:i}", "event", "progress", "count", (int)s->batch.count, "spawned",
				 (int)s->nguests, "settled", (int)(s->nguests - s->unsettled), "failed", (int)s->nfailed));
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct spawning *s = handle->data;
	batch_free(&s->batch);
	json_decref(s->failed);
	free(s->guests);
	free(s);
}

static void finish(struct spawning *s)
{
	struct connection *c = s->connection;
	if (c) {
		stream_json(c, json_pack("{s:s, s:i, s:i, s:i, s:i, s:O, s:b, s:I, s:I}", "event", "done", "count",
					 (int)s->batch.count, "running", (int)s->running, "ended", (int)s->ended, "booting",
					 (int)s->booting, "failed", s->failed, "rolled_back", (int)s->rolled_back, "spawn_ns",
					 (json_int_t)(s->spawned_at - s->started), "elapsed_ns",
					 (json_int_t)(daemon_now() - s->started)));
		c->on_gone = NULL;
		stream_end(c);
		connection_release(c);
	}
	uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

static void on_gone(struct connection *c)
{
	struct spawning *s = c->user;
	s->connection = NULL;
	atomic_store(&s->abandoned, true);
	connection_release(c);
}

/* ---- All or nothing ---- */

static void roll_back_run(uv_work_t *work)
{
	struct spawning *s = work->data;
	for (unsigned i = 0; i < s->nguests; i++)
		daemon_guest_remove(s->daemon, s->guests[i].id);
}

static void roll_back_done(uv_work_t *work, int status)
{
	struct spawning *s = work->data;
	(void)status;
	s->rolled_back = true;
	s->running = s->ended = s->booting = 0;
	finish(s);
}

/* What is left to do when no more guests will be spawned or waited for. */
static void conclude(struct spawning *s)
{
	bool whole = !s->nfailed && !atomic_load(&s->abandoned);
	if (s->batch.atomic && !whole)
		uv_queue_work(&s->daemon->loop, &s->work, roll_back_run, roll_back_done);
	else
		finish(s);
}

/* ---- Waiting ---- */

static void settle_crash(struct spawning *s, const struct spawned *g)
{
	char *report = engine_guest_report(s->daemon->engine, g->id), text[256];
	if (report)
		report[strcspn(report, "\n")] = '\0';
	snprintf(text, sizeof text, "crashed: %s", report ? report : "no report");
	free(report);
	fail(s, g->index, text);
}

/* True: this guest's fate is known, and counted. */
static bool settle(struct spawning *s, const struct spawned *g, bool last_call)
{
	struct guest_status status;
	char text[128];
	if (engine_guest_status(s->daemon->engine, g->id, &status) < 0) {
		fail(s, g->index, "removed while it was starting");
		return true;
	}
	switch (status.state) {
	case GUEST_STARTING:
	case GUEST_RUNNING:
		s->running += status.ready;
		s->booting += last_call && !status.ready;
		return status.ready || last_call;
	case GUEST_WAITING:
		snprintf(text, sizeof text, "keeps failing: exit code %d, %u restarts", status.exit_code, status.restarts);
		s->ended += status.exit_code == 0;
		if (status.exit_code && last_call)
			fail(s, g->index, text);
		return status.exit_code == 0 || last_call;
	case GUEST_EXITED:
		snprintf(text, sizeof text, "ended with exit code %d", status.exit_code);
		s->ended += status.exit_code == 0;
		if (status.exit_code)
			fail(s, g->index, text);
		return true;
	case GUEST_CRASHED:
		settle_crash(s, g);
		return true;
	case GUEST_KILLED:
		fail(s, g->index, "killed");
		return true;
	}
	return true;
}

static void on_wait(uv_timer_t *timer)
{
	struct spawning *s = timer->data;
	uint64_t now = daemon_now();
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
	} else if (s->unsettled != before && now - s->told >= TELL_NS) {
		tell(s);
	}
}

/* ---- Spawning ---- */

static bool chunk_over(const struct spawning *s, uint64_t since)
{
	return s->next == s->batch.count || (s->batch.atomic && s->nfailed) || atomic_load(&s->abandoned) ||
	       atomic_load(&s->daemon->stopping) || daemon_now() - since >= CHUNK_NS;
}

static void chunk_run(uv_work_t *work)
{
	struct spawning *s = work->data;
	uint64_t since = daemon_now();
	do {
		struct cassin_error_text err = { "no memory for the spec" };
		struct guest_spec spec;
		uint64_t id;
		int result = batch_spec(&s->batch, s->next, &spec);
		if (result == 0) {
			result = daemon_guest_spawn(s->daemon, &spec, &id, &err);
			batch_spec_free(&spec);
		}
		if (result == 0)
			s->guests[s->nguests++] = (struct spawned){ .id = id, .index = s->next };
		else
			fail(s, s->next, err.text);
		s->next++;
	} while (!chunk_over(s, since));
}

static void chunk_done(uv_work_t *work, int status)
{
	struct spawning *s = work->data;
	bool stopped = atomic_load(&s->abandoned) || atomic_load(&s->daemon->stopping) || (s->batch.atomic && s->nfailed);
	(void)status;
	s->unsettled = s->nguests;
	tell(s);
	if (s->next < s->batch.count && !stopped) {
		chunk_queue(s);
		return;
	}
	s->spawned_at = daemon_now();
	if (stopped)
		conclude(s);
	else
		uv_timer_start(&s->timer, on_wait, 0, WAIT_POLL_MS);
}

static void chunk_queue(struct spawning *s)
{
	uv_queue_work(&s->daemon->loop, &s->work, chunk_run, chunk_done);
}

static int spawning_new(struct spawning **out, const struct request *r, struct cassin_error_text *err)
{
	struct spawning *s = calloc(1, sizeof *s);
	if (!s)
		return error_set(err, -ENOMEM, "no memory for the request");
	int result = batch_parse(&s->batch, r->body, r->body_len, err);
	if (result < 0) {
		free(s);
		return result;
	}
	s->guests = calloc(s->batch.count, sizeof *s->guests);
	s->failed = json_array();
	if (s->guests && s->failed) {
		*out = s;
		return 0;
	}
	batch_free(&s->batch);
	json_decref(s->failed);
	free(s->guests);
	free(s);
	return error_set(err, -ENOMEM, "no memory for the request");
}

void api_spawn(struct connection *c, const struct target *t)
{
	struct cassin_error_text err = { "" };
	struct spawning *s;
	(void)t;
	int result = spawning_new(&s, &c->request, &err);
	if (result < 0) {
		reply_error(c, api_status_of(result), "%s", err.text);
		return;
	}
	s->daemon = c->daemon;
	s->connection = c;
	s->work.data = s->timer.data = s;
	s->started = daemon_now();
	uv_timer_init(&s->daemon->loop, &s->timer);
	connection_hold(c);
	c->user = s;
	c->on_gone = on_gone;
	stream_begin(c, "application/x-ndjson", "");
	chunk_queue(s);
}
