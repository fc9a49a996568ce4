/* SPDX-License-Identifier: MIT */
#include "engines.h"

#include <pthread.h>

struct order {
	struct world *w;
	struct cassin_engine_options options;
	const struct making *making;
	struct cassin_error_text *err;
	int result;
};

/* Rights and filters are a thread's, and those of the threads that it makes. */
static void *make_here(void *opaque)
{
	struct order *o = opaque;
	struct world *w = o->w;
	o->result = cassin_sandbox_create(&w->sandbox, w->sandbox_mode, o->err);
	if (o->result)
		return NULL;
	o->options.sandbox = w->sandbox;
	if (o->making && o->making->first)
		o->making->first(o->making->opaque);
	o->result = cassin_engine_create(&w->e, &o->options, o->err);
	if (o->making && o->making->last)
		o->making->last(o->making->opaque, w->sandbox, o->result);
	return NULL;
}

int engine_make_by(struct world *w, struct cassin_engine_options options, const struct making *m,
		   struct cassin_error_text *err)
{
	pthread_t thread;
	struct order o = {.w = w, .options = options, .making = m, .err = err};
	if (pthread_create(&thread, NULL, make_here, &o))
		fail("no thread: %s", strerror(errno));
	pthread_join(thread, NULL);
	if (o.result) {
		cassin_sandbox_free(w->sandbox);
		w->sandbox = NULL;
		w->e = NULL;
	}
	return o.result;
}

int engine_make(struct world *w, struct cassin_engine_options options, struct cassin_error_text *err)
{
	return engine_make_by(w, options, NULL, err);
}

void engine_end(struct world *w)
{
	if (w->e)
		cassin_engine_destroy(w->e);
	cassin_sandbox_free(w->sandbox);
	w->e = NULL;
	w->sandbox = NULL;
}
