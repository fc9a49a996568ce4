/* SPDX-License-Identifier: MIT */
#include "engine/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "guest/guest.h"

#define FIRST_BITS 6

static size_t id_bucket(const struct registry *r, uint64_t id)
{
	return hash_keyed(id, r->bits);
}

static size_t name_bucket(const struct registry *r, const char *name)
{
	return hash_keyed(hash_fnv(name, strlen(name)), r->bits);
}

int registry_init(struct registry *r)
{
	*r = (struct registry){.bits = FIRST_BITS};
	r->by_id = calloc((size_t)1 << r->bits, sizeof(struct guest *));
	r->by_name = calloc((size_t)1 << r->bits, sizeof(struct guest *));
	return r->by_id && r->by_name ? 0 : -ENOMEM;
}

void registry_destroy(struct registry *r)
{
	free(r->by_id);
	free(r->by_name);
}

static void link_in(struct registry *r, struct guest *g)
{
	struct guest **i = &r->by_id[id_bucket(r, g->id)], **n = &r->by_name[name_bucket(r, g->spec.name)];
	g->links.id_next = *i;
	*i = g;
	g->links.name_next = *n;
	*n = g;
}

static void grow(struct registry *r)
{
	struct registry bigger = {.bits = r->bits + 2};
	bigger.by_id = calloc((size_t)1 << bigger.bits, sizeof(struct guest *));
	bigger.by_name = calloc((size_t)1 << bigger.bits, sizeof(struct guest *));
	if (!bigger.by_id || !bigger.by_name) { /* longer chains, then */
		registry_destroy(&bigger);
		return;
	}
	registry_destroy(r);
	r->by_id = bigger.by_id;
	r->by_name = bigger.by_name;
	r->bits = bigger.bits;
	for (struct guest *g = r->first; g; g = g->links.list_next)
		link_in(r, g);
}

int registry_add(struct registry *r, struct guest *g)
{
	if (!g->freezing && registry_name(r, g->spec.name))
		return -EEXIST;
	if (r->count >> r->bits)
		grow(r);
	link_in(r, g);
	g->links.list_next = NULL;
	g->links.list_prev = r->last;
	*(r->last ? &r->last->links.list_next : &r->first) = g;
	r->last = g;
	r->count++;
	return 0;
}

void registry_remove(struct registry *r, struct guest *g)
{
	struct guest **link = &r->by_id[id_bucket(r, g->id)];
	while (*link != g)
		link = &(*link)->links.id_next;
	*link = g->links.id_next;
	link = &r->by_name[name_bucket(r, g->spec.name)];
	while (*link != g)
		link = &(*link)->links.name_next;
	*link = g->links.name_next;
	*(g->links.list_prev ? &g->links.list_prev->links.list_next : &r->first) = g->links.list_next;
	*(g->links.list_next ? &g->links.list_next->links.list_prev : &r->last) = g->links.list_prev;
	r->count--;
}

struct guest *registry_id(const struct registry *r, uint64_t id)
{
	struct guest *g = r->by_id[id_bucket(r, id)];
	while (g && g->id != id)
		g = g->links.id_next;
	return g;
}

struct guest *registry_name(const struct registry *r, const char *name)
{
	struct guest *g = r->by_name[name_bucket(r, name)];
	while (g && (g->freezing || strcmp(g->spec.name, name) != 0))
		g = g->links.name_next;
	return g;
}
