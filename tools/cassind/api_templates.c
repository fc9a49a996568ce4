/* SPDX-License-Identifier: MIT */
/* Templates: list, create, remove. Booting one takes its time, on the thread pool. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "pool.h"
#include "reply.h"

#define TIMEOUT_MS_DEFAULT 30000
#define TIMEOUT_MS_MAX 600000

struct template_work {
	struct job work;
	struct connection *connection;
	struct cassin_guest_spec spec; /* to create; to remove: its name alone */
	uint64_t timeout_ns;
	int result;
	struct cassin_error_text err;
};

/* ---- What is told of them ---- */

static json_t *template_json(const struct cassin_template_status *s)
{
	json_t *image = json_string(s->image); /* a path that was cut short may end within a character */
	return json_pack("{s:s, s:s, s:o, s:I, s:I, s:i, s:I}", "name", s->name, "domain", s->domain, "image",
			 image ? image : json_null(), "memory_bytes", (json_int_t)s->memory_bytes, "pages",
			 (json_int_t)s->pages, "clones", (int)s->clones, "created_ns", (json_int_t)s->created_ns);
}

void api_templates_list(struct connection *c, const struct target *t)
{
	struct cassin_template_status *all = NULL;
	int n = cassin_engine_template_list(c->daemon->engine, &all);
	json_t *list = n < 0 ? NULL : json_array();
	(void)t;
	for (int i = 0; i < n; i++)
		json_array_append_new(list, template_json(&all[i]));
	free(all);
	if (list)
		reply_json(c, 200, json_pack("{s:o}", "templates", list));
	else
		reply_error(c, 507, "no memory for the list");
}

static void reply_created(struct connection *c, const char *name)
{
	struct cassin_template_status *all = NULL;
	int n = cassin_engine_template_list(c->daemon->engine, &all);
	json_t *found = NULL;
	for (int i = 0; i < n && !found; i++)
		if (!strcmp(all[i].name, name))
			found = template_json(&all[i]);
	free(all);
	if (found)
		reply_json(c, 201, found);
	else
		reply_error(c, 404, "the template has been removed");
}

/* ---- Work ---- */

static void work_free(struct template_work *w)
{
	cassin_spec_free(&w->spec);
	free(w);
}

static struct template_work *work_new(struct connection *c)
{
	struct template_work *w = calloc(1, sizeof *w);
	if (!w) {
		reply_error(c, 507, "no memory for the request");
		return NULL;
	}
	w->work.data = w;
	w->connection = c;
	cassin_spec_init(&w->spec);
	return w;
}

static void work_queue(struct template_work *w, enum lane lane, void (*run)(struct job *j), void (*done)(struct job *j))
{
	connection_hold(w->connection);
	pool_add(w->connection->daemon->pool, lane, &w->work, run, done);
}

static void refuse(const struct template_work *w)
{
	reply_error(w->connection, api_status_of(w->result), "%s", w->err.text[0] ? w->err.text : strerror(-w->result));
}

/* ---- Create ---- */

static void create_run(struct job *work)
{
	struct template_work *w = work->data;
	w->result = daemon_template_create(w->connection->daemon, &w->spec, w->timeout_ns, &w->err);
}

static void create_done(struct job *work)
{
	struct template_work *w = work->data;
	struct connection *c = w->connection;
	c->daemon->templates_booting--;
	if (w->result < 0)
		refuse(w);
	else
		reply_created(c, w->spec.name);
	work_free(w);
	connection_release(c);
}

static int take_spec(struct template_work *w, const struct request *r)
{
	char place[CASSIN_SPEC_PLACE_MAX];
	int result = cassin_spec_parse(&w->spec, r->body ? r->body : "", r->body_len, "request", &w->err);
	if (result == 0 && cassin_spec_relative(&w->spec, place))
		result = cassin_error_set(&w->err, -EINVAL, "request: \"%s\": must be an absolute path", place);
	if (result == 0)
		result = cassin_spec_check(&w->spec, "request", &w->err);
	if (result == 0 && w->spec.nports)
		result = cassin_error_set(&w->err, -EINVAL, "request: \"ports\": a template has none; its clones do");
	return result;
}

void api_templates_create(struct connection *c, const struct target *t)
{
	uint64_t timeout_ms = TIMEOUT_MS_DEFAULT;
	if (target_number(t, "timeout_ms", TIMEOUT_MS_MAX, &timeout_ms) < 0) {
		reply_error(c, 400, "timeout_ms: must be a number from 0 to %d", TIMEOUT_MS_MAX);
		return;
	}
	if (c->daemon->templates_booting == TEMPLATES_BOOTING_MAX) {
		reply_error(c, 503, "%u templates are being made already: try again later", TEMPLATES_BOOTING_MAX);
		return;
	}
	struct template_work *w = work_new(c);
	if (!w)
		return;
	w->timeout_ns = timeout_ms * 1000000;
	w->result = take_spec(w, &c->request);
	if (w->result < 0) {
		refuse(w);
		work_free(w);
		return;
	}
	c->daemon->templates_booting++;
	work_queue(w, LANE_BOOT, create_run, create_done);
}

/* ---- Remove ---- */

static void remove_run(struct job *work)
{
	struct template_work *w = work->data;
	w->result = daemon_template_remove(w->connection->daemon, w->spec.name);
}

static void remove_done(struct job *work)
{
	struct template_work *w = work->data;
	struct connection *c = w->connection;
	if (w->result == -ENOENT)
		reply_error(c, 404, "no template is named \"%.80s\"", w->spec.name);
	else if (w->result < 0)
		refuse(w);
	else
		reply_json(c, 200, json_pack("{s:s}", "name", w->spec.name));
	work_free(w);
	connection_release(c);
}

void api_template_remove(struct connection *c, const struct target *t)
{
	const char *name = t->segments[2];
	if (!cassin_name_valid(name)) {
		reply_error(c, 404, "no template is named \"%.80s\"", name);
		return;
	}
	struct template_work *w = work_new(c);
	if (!w)
		return;
	w->spec.name = strdup(name);
	if (w->spec.name) {
		work_queue(w, LANE_CONTROL, remove_run, remove_done);
		return;
	}
	reply_error(c, 507, "no memory for the request");
	work_free(w);
}
