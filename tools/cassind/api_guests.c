/* SPDX-License-Identifier: MIT */
/* Guests one by one: list, create, show, end. */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "guest_json.h"
#include "pool.h"
#include "reply.h"
#include "waiting.h"

#define GRACE_MS_DEFAULT 5000
#define GRACE_MS_MAX 3600000

/* An engine call that may block, on the thread pool, for a connection. */
struct guest_work {
	struct job work;
	struct connection *connection;
	enum lane lane;
	int (*call)(struct guest_work *w);
	unsigned status; /* of a success */
	bool removes;    /* there is no guest to show afterwards */
	uint64_t id;
	struct cassin_guest_spec spec; /* to spawn */
	bool traced;
	int result;
	struct cassin_error_text err;
};

unsigned api_status_of(int error)
{
	switch (-error) {
	case EINVAL:
	case ERANGE:
		return 400;
	case EEXIST:
	case EADDRINUSE:
	case ECANCELED: /* a restart that was ended meanwhile */
		return 409;
	case ENOENT: /* these, up to EIO: a path that the client named */
	case EACCES:
	case EPERM:
	case ENOTDIR:
	case ELOOP:
	case ENAMETOOLONG:
	case EROFS:
	case ENXIO:
	case ENODEV:
	case ESTALE:
	case EIO:
	case ENOEXEC:
	case EISDIR:
	case EADDRNOTAVAIL:
	case EFBIG:
	case E2BIG:  /* the memory does not hold the image */
	case ECHILD: /* these three: the guest does not become a template */
	case ETIMEDOUT:
	case EBUSY:
		return 422;
	case ENOSYS:
		return 501;
	case ENOMEM:
	case EAGAIN: /* the limit of guests */
	case ENOSPC:
	case EMFILE:
	case ENFILE:
		return 507;
	default:
		return 500;
	}
}

int api_guest_find(struct connection *c, const struct target *t, uint64_t *id)
{
	int result = cassin_engine_guest_find(c->daemon->engine, t->segments[2], id);
	if (result < 0)
		reply_error(c, 404, "no guest is named \"%.80s\"", t->segments[2]);
	return result;
}

static void reply_guest(struct connection *c, unsigned status, uint64_t id, enum guest_detail detail)
{
	json_t *guest = guest_json(c->daemon, id, detail);
	if (!guest) {
		reply_error(c, 404, "the guest has been removed");
		return;
	}
	if (detail == GUEST_WITH_SPEC) {
		char *report = cassin_engine_guest_report(c->daemon->engine, id);
		json_object_set_new(guest, "report", report ? json_string(report) : json_null());
		free(report);
	}
	reply_json(c, status, guest);
}

void api_guests_list(struct connection *c, const struct target *t)
{
	struct daemon *d = c->daemon;
	const char *match = target_query(t, "match");
	uint64_t *ids = NULL;
	int n = cassin_engine_guest_list(d->engine, &ids);
	json_t *list = n < 0 ? NULL : json_array();
	if (!list) {
		free(ids);
		reply_error(c, 507, "no memory for the list");
		return;
	}
	for (int i = 0; i < n; i++) {
		struct cassin_guest_status s;
		if (match && (cassin_engine_guest_status(d->engine, ids[i], &s) < 0 || fnmatch(match, s.name, 0)))
			continue;
		json_t *guest = guest_json(d, ids[i], GUEST_BRIEF);
		if (guest)
			json_array_append_new(list, guest);
	}
	free(ids);
	reply_json(c, 200, json_pack("{s:o}", "guests", list));
}

void api_guest_show(struct connection *c, const struct target *t)
{
	uint64_t id;
	if (api_guest_find(c, t, &id) == 0)
		reply_guest(c, 200, id, GUEST_WITH_SPEC);
}

void api_guest_report(struct connection *c, const struct target *t)
{
	uint64_t id;
	if (api_guest_find(c, t, &id) < 0)
		return;
	char *report = cassin_engine_guest_report(c->daemon->engine, id);
	if (report)
		reply_body(c, 200, "text/plain; charset=utf-8", "", report, strlen(report));
	else
		reply_error(c, 404, "\"%s\" has not crashed", t->segments[2]);
}

void api_guest_stop(struct connection *c, const struct target *t)
{
	uint64_t id, grace_ms = GRACE_MS_DEFAULT;
	if (api_guest_find(c, t, &id) < 0)
		return;
	if (target_number(t, "grace_ms", GRACE_MS_MAX, &grace_ms) < 0) {
		reply_error(c, 400, "grace_ms: must be a number from 0 to %d", GRACE_MS_MAX);
		return;
	}
	cassin_engine_guest_stop(c->daemon->engine, id, grace_ms * 1000000);
	reply_guest(c, 202, id, GUEST_BRIEF);
}

/* ---- Calls that block ---- */

static void work_run(struct job *work)
{
	struct guest_work *w = work->data;
	w->result = w->call(w);
}

static void work_done(struct job *work)
{
	struct guest_work *w = work->data;
	struct connection *c = w->connection;
	if (w->result == -ENOENT && !w->err.text[0])
		reply_error(c, 404, "the guest has been removed");
	else if (w->result < 0)
		reply_error(c, api_status_of(w->result), "%s", w->err.text[0] ? w->err.text : strerror(-w->result));
	else if (w->removes)
		reply_json(c, w->status, json_pack("{s:I}", "id", (json_int_t)w->id));
	else
		reply_guest(c, w->status, w->id, GUEST_BRIEF);
	cassin_spec_free(&w->spec);
	free(w);
	connection_release(c);
}

static struct guest_work *work_new(struct connection *c, enum lane lane, unsigned status,
				   int (*call)(struct guest_work *w))
{
	struct guest_work *w = calloc(1, sizeof *w);
	if (!w) {
		reply_error(c, 507, "no memory for the request");
		return NULL;
	}
	w->work.data = w;
	w->connection = c;
	w->lane = lane;
	w->status = status;
	w->call = call;
	cassin_spec_init(&w->spec);
	return w;
}

static void work_queue(struct guest_work *w)
{
	connection_hold(w->connection);
	pool_add(w->connection->daemon->pool, w->lane, &w->work, work_run, work_done);
}

static void work_on_guest(struct connection *c, const struct target *t, int (*call)(struct guest_work *w))
{
	uint64_t id;
	if (api_guest_find(c, t, &id) < 0)
		return;
	struct guest_work *w = work_new(c, LANE_CONTROL, 200, call);
	if (!w)
		return;
	w->id = id;
	work_queue(w);
}

static int call_kill(struct guest_work *w)
{
	return cassin_engine_guest_kill(w->connection->daemon->engine, w->id);
}

static int call_restart(struct guest_work *w)
{
	int result = cassin_engine_guest_restart(w->connection->daemon->engine, w->id, &w->err);
	if (result == -ENOENT)
		w->err.text[0] = '\0'; /* removed meanwhile: told as such */
	return result;
}

static int call_remove(struct guest_work *w)
{
	w->removes = true;
	return daemon_guest_remove(w->connection->daemon, w->id);
}

static int call_spawn(struct guest_work *w)
{
	return daemon_guest_spawn(w->connection->daemon, &w->spec, w->traced, &w->id, &w->err);
}

void api_guest_kill(struct connection *c, const struct target *t)
{
	work_on_guest(c, t, call_kill);
}

void api_guest_restart(struct connection *c, const struct target *t)
{
	work_on_guest(c, t, call_restart);
}

void api_guest_remove(struct connection *c, const struct target *t)
{
	uint64_t id;
	if (cassin_engine_guest_find(c->daemon->engine, t->segments[2], &id) < 0 &&
	    waiting_cancel(c->daemon, t->segments[2])) {
		reply_json(c, 200, json_pack("{s:i}", "id", 0));
		return;
	}
	work_on_guest(c, t, call_remove);
}

void api_guests_create(struct connection *c, const struct target *t)
{
	struct guest_work *w = work_new(c, LANE_LOAD, 201, call_spawn);
	if (!w)
		return;
	char place[CASSIN_SPEC_PLACE_MAX];
	const char *body = c->request.body ? c->request.body : "";
	int result = cassin_spec_parse(&w->spec, body, c->request.body_len, "request", &w->err);
	if (result == 0 && target_flag(t, "trace", &w->traced) < 0)
		result = cassin_error_set(&w->err, -EINVAL, "trace: must be 0 or 1");
	if (result == 0 && cassin_spec_relative(&w->spec, place))
		result = cassin_error_set(&w->err, -EINVAL, "request: \"%s\": must be an absolute path", place);
	if (result == 0)
		result = cassin_spec_check(&w->spec, "request", &w->err);
	if (result == 0 && waiting_short(c->daemon, w->spec.domain))
		result = cassin_error_set(&w->err, -EAGAIN, WAITING_SHORT_TEXT);
	if (result == 0)
		result = daemon_loaders_free(c->daemon, &w->err);
	if (result < 0) {
		reply_error(c, api_status_of(result), "%s", w->err.text);
		cassin_spec_free(&w->spec);
		free(w);
		return;
	}
	work_queue(w);
}
