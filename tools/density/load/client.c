/* SPDX-License-Identifier: MIT */
#include "client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS 250

static void print_event(json_t *event)
{
	json_dumpf(event, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(event);
}

/* Requests that nobody answers must not stand for ever. */
static void look_for_late(uv_timer_t *t)
{
	struct client *c = t->data;
	uint64_t now = uv_hrtime(), most = (uint64_t)(c->job->patience_s * 1e9);
	for (unsigned i = 0; i < c->job->connections; i++)
		if (c->slots[i].began && now > c->slots[i].began && now - c->slots[i].began > most)
			slot_fail(&c->slots[i], "no answer in time");
}

static void on_end(uv_timer_t *t)
{
	struct client *c = t->data;
	double seconds = (double)(uv_hrtime() - c->measured_from) / 1e9;
	print_event(json_pack("{s:s, s:I, s:I, s:s, s:f, s:o}", "event", "result", "requests", (json_int_t)c->requests,
			      "errors", (json_int_t)c->errors, "first_error", c->first_error, "seconds", seconds,
			      "histogram", histogram_encode(&c->latencies)));
	uv_stop(&c->loop);
}

static void on_warm(uv_timer_t *t)
{
	struct client *c = t->data;
	c->measuring = true;
	c->measured_from = uv_hrtime();
	print_event(json_pack("{s:s}", "event", "measuring"));
	uv_timer_start(t, on_end, (uint64_t)(c->job->measure_s * 1000), 0);
}

static int slots_make(struct client *c)
{
	struct job *j = c->job;
	size_t size = j->kind == LOAD_KV ? j->value_bytes + 512u : strlen(j->path) + 512;
	c->slots = calloc(j->connections, sizeof *c->slots);
	if (!c->slots)
		return -ENOMEM;
	for (unsigned i = 0; i < j->connections; i++) {
		struct slot *s = &c->slots[i];
		s->client = c;
		s->request = malloc(size);
		if (!s->request)
			return -ENOMEM;
		uv_timer_init(&c->loop, &s->timer);
		if (j->rate > 0)
			s->due = uv_hrtime() + (uint64_t)(1e9 * i / j->rate);
	}
	return 0;
}

static void close_handle(uv_handle_t *h, void *opaque)
{
	(void)opaque;
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

static void client_end(struct client *c)
{
	c->over = true;
	uv_walk(&c->loop, close_handle, NULL);
	uv_run(&c->loop, UV_RUN_DEFAULT);
	uv_loop_close(&c->loop);
	for (unsigned i = 0; c->slots && i < c->job->connections; i++)
		free(c->slots[i].request);
	free(c->slots);
	free(c);
}

int client_run(struct job *j)
{
	struct client *c = calloc(1, sizeof *c);
	if (!c)
		return -ENOMEM;
	c->job = j;
	int r = uv_loop_init(&c->loop);
	if (r == 0 && !*j->gateway)
		r = uv_ip4_addr(j->host, 0, &c->address);
	if (r == 0)
		r = slots_make(c);
	if (r < 0) {
		client_end(c);
		return r;
	}
	uv_timer_init(&c->loop, &c->patience);
	uv_timer_init(&c->loop, &c->phase);
	c->patience.data = c->phase.data = c;
	uv_timer_start(&c->patience, look_for_late, LOOK_MS, LOOK_MS);
	uv_timer_start(&c->phase, on_warm, (uint64_t)(j->warmup_s * 1000), 0);
	for (unsigned i = 0; i < j->connections; i++)
		slot_begin(&c->slots[i]);
	uv_run(&c->loop, UV_RUN_DEFAULT);
	client_end(c);
	return 0;
}
