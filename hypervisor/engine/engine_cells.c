/* SPDX-License-Identifier: MIT */
/* The cells and images that guests of an engine share. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

#define IMAGES_KEPT 32u /* files that no guest uses, kept for the next spawn */

struct cached_image {
	struct cached_image *next;
	char *path;
	struct image_id id;
	struct image *image;
};

static void forget(struct cached_image **link)
{
	struct cached_image *c = *link;
	*link = c->next;
	image_put(c->image);
	free(c->path);
	free(c);
}

static struct image *cached(struct engine *e, const char *path, const struct image_id *id)
{
	unsigned n = 0;
	for (struct cached_image **link = &e->images.first; *link;) {
		struct cached_image *c = *link;
		bool same = strcmp(c->path, path) == 0;
		if (same && memcmp(&c->id, id, sizeof *id) == 0)
			return image_get(c->image);
		if (same || ++n > IMAGES_KEPT)
			forget(link);
		else
			link = &c->next;
	}
	return NULL;
}

static void keep(struct engine *e, const char *path, const struct image_id *id, struct image *image)
{
	struct cached_image *c = calloc(1, sizeof *c);
	if (c)
		c->path = strdup(path);
	if (!c || !c->path) {
		free(c);
		return;
	}
	c->id = *id;
	c->image = image_get(image);
	c->next = e->images.first;
	e->images.first = c;
}

int engine_image(struct engine *e, const char *path, struct image **out, struct cassin_error_text *err)
{
	struct image_id id;
	int r = image_identify(path, &id, err);
	if (r)
		return r;
	pthread_mutex_lock(&e->cells_lock);
	*out = cached(e, path, &id);
	if (!*out) {
		r = image_load(out, path, err);
		if (!r)
			keep(e, path, &id, *out);
	}
	pthread_mutex_unlock(&e->cells_lock);
	return r;
}

void engine_images_drop(struct engine *e)
{
	while (e->images.first)
		forget(&e->images.first);
}

/* Address space for a cell: guests' quotas overcommit the pool, so a shared cell has room for all of the pool. */
static uint64_t cell_bytes(const struct engine *e, const struct guest_spec *spec)
{
	uint64_t pool = e->pool.limit * PAGE_SIZE;
	uint64_t own = spec->memory + spec->memory / 64 + (UINT64_C(1) << 20);
	return spec->isolation == ISOLATION_VM && own < pool ? own : pool;
}

static int make_cell(struct engine *e, const struct guest_spec *spec, struct cell **out, struct cassin_error_text *err)
{
	struct cell *c;
	int r = cell_create(&c, &e->kvm, &e->pool, cell_bytes(e, spec), e->workers.n, err);
	if (r)
		return r;
	c->domain = strdup(spec->domain);
	if (!c->domain || cell_clocks_publish(c, &e->clock)) {
		cell_destroy(c);
		return error_set(err, -ENOMEM, "no memory for a cell");
	}
	c->single = spec->isolation == ISOLATION_VM;
	c->number = e->ncells++;
	c->next = e->cells;
	e->cells = c;
	*out = c;
	return 0;
}

int engine_cell_take(struct engine *e, const struct guest_spec *spec, struct cell **out, struct cassin_error_text *err)
{
	int r = 0;
	pthread_mutex_lock(&e->cells_lock);
	struct cell *c = spec->isolation == ISOLATION_VM ? NULL : e->cells;
	while (c && (c->single || strcmp(c->domain, spec->domain) != 0))
		c = c->next;
	if (!c)
		r = make_cell(e, spec, &c, err);
	if (!r) {
		c->nguests++;
		*out = c;
	}
	pthread_mutex_unlock(&e->cells_lock);
	return r;
}

void engine_cell_leave(struct engine *e, struct cell *c)
{
	pthread_mutex_lock(&e->cells_lock);
	bool last = !--c->nguests && (c->single || strcmp(c->domain, "default") != 0);
	for (struct cell **link = &e->cells; last && *link; link = &(*link)->next) {
		if (*link == c) {
			*link = c->next;
			break;
		}
	}
	if (last)
		atomic_fetch_add(&e->flushes_past, atomic_load(&c->flushes));
	pthread_mutex_unlock(&e->cells_lock);
	if (last)
		cell_destroy(c);
}
