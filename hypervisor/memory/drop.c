/* SPDX-License-Identifier: MIT */
/* A guest's frames and page tables go back, in pieces. */
#include <stdlib.h>
#include <string.h>

#include "cell/cell.h"
#include "memory/chunks.h"
#include "memory/memory.h"
#include "memory/pages.h"
#include "memory/park.h"
#include "memory/regions.h"
#include "memory/space.h"

#define DESTROY_PIECE 16u /* chunks of pages, or page tables, given back in one piece */

static bool drop_spaces(struct memory *m, uint32_t *most)
{
	struct tables *t = &m->tables;
	for (unsigned s = 0; s < (t->more ? SPACES_MAX : 1); s++) {
		frame_t *root = s ? &t->more[s - 1] : &t->root;
		if (*root && !space_free_some(m, *root, most))
			return false;
		*root = FRAME_NONE;
	}
	return true;
}

bool memory_drop_some(struct memory *m, uint32_t most)
{
	most -= pages_drop_some(m, most);
	if (m->nchunks || !drop_spaces(m, &most))
		return true;
	if (m->info)
		frames_free(&m->cell->frames, &m->info, 1);
	free(m->tables.commits);
	free(m->tables.more);
	m->tables.more = NULL;
	m->tables.commits = NULL;
	m->tables.ncommits = m->tables.commits_size = 0;
	m->info = FRAME_NONE;
	m->used = 0;
	m->dropping = false;
	return false;
}

void memory_drop(struct memory *m)
{
	while (memory_drop_some(m, UINT32_MAX)) {
	}
}

bool memory_destroy_some(struct memory *m)
{
	memory_park_give_up(m);
	memory_unpark_give_up(m);
	if (memory_swap_leave(m))
		m->parked.active = false; /* all of it is the job's */
	if (memory_drop_some(m, DESTROY_PIECE) || parked_wipe_some(&m->parked, &m->wiped))
		return true;
	if (m->clock)
		cell_clock_put(m->cell, m->clock);
	regions_free(m);
	if (m->parked.active)
		parked_count(m, &m->parked, false);
	parked_free(&m->parked, m->wiped);
	*m = (struct memory){0};
	return false;
}

void memory_destroy(struct memory *m)
{
	while (memory_destroy_some(m)) {
	}
}
