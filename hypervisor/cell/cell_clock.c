/* SPDX-License-Identifier: MIT */
/* The clock pages of a cell: one for each SHARERS_MOST guests, all with the same content. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cell/cell.h"
#include "cell/clock.h"

static int add(struct cell *c, struct cell_clock **out)
{
	struct cell_clock *k = calloc(1, sizeof *k);
	bool fresh;
	int r = k ? cell_frame_alloc_locked(c, &k->frame, &fresh) : -ENOMEM;
	if (r) {
		free(k);
		return r;
	}
	if (c->clocks)
		memcpy(cell_frame(c, k->frame), cell_frame(c, c->clocks->frame), PAGE_SIZE);
	else if (!fresh)
		memset(cell_frame(c, k->frame), 0, PAGE_SIZE);
	k->next = c->clocks;
	c->clocks = k;
	*out = k;
	return 0;
}

/* Under the lock. */
static int get(struct cell *c, frame_t *out)
{
	struct cell_clock *k = c->clocks;
	while (k && k->guests >= SHARERS_MOST)
		k = k->next;
	int r = k ? 0 : add(c, &k);
	if (r)
		return r;
	k->guests++;
	*out = k->frame;
	return 0;
}

int cell_clock_get(struct cell *c, frame_t *out)
{
	unsigned tries = 0;
	int r;
	do {
		pthread_mutex_lock(&c->lock);
		r = get(c, out);
		pthread_mutex_unlock(&c->lock);
	} while (r == -ENOMEM && cell_reclaim(c, &tries));
	return r;
}

/* The oldest stays: what a new one begins with is copied from one. */
void cell_clock_put(struct cell *c, frame_t clock)
{
	pthread_mutex_lock(&c->lock);
	struct cell_clock **link = &c->clocks, *k;
	while ((*link)->frame != clock)
		link = &(*link)->next;
	k = *link;
	if (!--k->guests && k->next) {
		*link = k->next;
		frames_free(&c->frames, &k->frame, 1);
		free(k);
	}
	pthread_mutex_unlock(&c->lock);
}

int cell_clocks_publish(struct cell *c, const struct clock *clock)
{
	struct cell_clock *first;
	pthread_mutex_lock(&c->lock);
	int r = c->clocks ? 0 : add(c, &first);
	for (struct cell_clock *k = c->clocks; k; k = k->next)
		clock_publish(clock, cell_frame(c, k->frame));
	pthread_mutex_unlock(&c->lock);
	return r;
}

void cell_clocks_free(struct cell *c)
{
	for (struct cell_clock *k = c->clocks, *next; k; k = next) {
		next = k->next;
		free(k);
	}
	c->clocks = NULL;
}
