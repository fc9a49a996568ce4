// SPDX-License-Identifier: MIT
#include "kept.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "state.h"

#define TEMPLATE_NS UINT64_C(30000000000)

struct making {
	struct daemon *daemon;
	bool clones; /* those made from other templates, whose turn comes when the others are there */
	bool last;   /* only tells which of them lack their template */
	unsigned made;
};

static bool template_exists(struct daemon *d, const char *name)
{
	struct template_status *all = NULL;
	int n = engine_template_list(d->engine, &all);
	bool found = false;
	for (int i = 0; i < n; i++)
		found |= !strcmp(all[i].name, name);
	free(all);
	return found;
}

static void make_template(void *opaque, const struct guest_spec *spec)
{
	struct making *m = opaque;
	struct cassin_error_text err = {""};
	if (m->clones != !!spec->template || template_exists(m->daemon, spec->name))
		return;
	bool lacks = spec->template && !template_exists(m->daemon, spec->template);
	if (lacks && m->last)
		log_error("cannot make the kept template %s: no template is named %s", spec->name, spec->template);
	if (lacks || m->last)
		return;
	if (engine_template_create(m->daemon->engine, spec, TEMPLATE_NS, &err) < 0) {
		log_error("cannot make the kept template %s: %s", spec->name, err.text);
		return;
	}
	m->made++;
	log_info("made the kept template %s", spec->name);
}

static void start_guest(void *opaque, const struct guest_spec *spec)
{
	struct daemon *d = opaque;
	struct cassin_error_text err = {""};
	uint64_t id;
	if (engine_guest_spawn(d->engine, spec, &id, &err) < 0)
		log_error("cannot start the kept guest %s: %s", spec->name, err.text);
	else
		log_info("started the kept guest %s", spec->name);
}

void kept_start(struct daemon *d)
{
	struct making m = {.daemon = d};
	state_each(d->state, STATE_TEMPLATE, make_template, &m);
	m.clones = true;
	do {
		m.made = 0;
		state_each(d->state, STATE_TEMPLATE, make_template, &m);
	} while (m.made);
	m.last = true;
	state_each(d->state, STATE_TEMPLATE, make_template, &m);
	state_each(d->state, STATE_GUEST, start_guest, d);
}
