/* SPDX-License-Identifier: MIT */
/* The guests of an engine, by id, by name and in the order of their spawn. Pure; the engine's lock is held. */
#ifndef REGISTRY_H
#define REGISTRY_H

#include <stddef.h>
#include <stdint.h>

struct guest;

struct registry {
	struct guest **by_id; /* hash tables with chains, 2^bits buckets */
	struct guest **by_name;
	unsigned bits;
	size_t count;
	struct guest *first, *last;
};

int registry_init(struct registry *r); /* -ENOMEM */
void registry_destroy(struct registry *r);
/* -EEXIST: the name is taken. A guest that is to become a template (g->freezing) is known by its id alone. */
int registry_add(struct registry *r, struct guest *g);
void registry_remove(struct registry *r, struct guest *g);
struct guest *registry_id(const struct registry *r, uint64_t id);
struct guest *registry_name(const struct registry *r, const char *name);

#endif
