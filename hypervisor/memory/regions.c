/* SPDX-License-Identifier: MIT */
#include "memory/regions.h"

#include <errno.h>
#include <stdlib.h>

#include "cell/cell.h"

#define OWN_REGIONS 4u              /* beside the image's: stack, clock, info, heap */
#define HEAP_ALIGN (8u * PAGE_SIZE) /* KVM's shadow paging maps ahead within eight entries, up to the first empty one */

const struct region *region_at(const struct memory *m, uint64_t va)
{
	for (unsigned i = 0; i < m->regions->n; i++) {
		const struct region *r = &m->regions->at[i];
		if (va >= r->va && va - r->va < r->pages << PAGE_SHIFT)
			return r;
	}
	return NULL;
}

const struct region *region_of_page(const struct memory *m, uint64_t page)
{
	for (unsigned i = 0; i < m->regions->n; i++) {
		const struct region *r = &m->regions->at[i];
		if (!r->what && page >= r->first && page - r->first < r->pages)
			return r;
	}
	return NULL;
}

static void add_region(struct regions *to, struct region r)
{
	to->at[to->n++] = r;
}

/* Numbers the pages and lays out space 0: image, guard, stack, guard, clock, info, guard, heap. Small guests fit one
 * page table of 2 MiB. */
static int lay_out(struct memory *m, struct regions *to)
{
	struct memory_layout *out = &to->layout;
	const struct image *image = m->image->image;
	uint64_t page = 0;
	for (size_t i = 0; i < image->nsegments; i++) {
		const struct image_segment *s = &image->segments[i];
		add_region(to,
			   (struct region){
				   .va = s->va, .pages = s->pages, .first = page, .rights = s->rights, .segment = s});
		page += s->pages;
	}
	if (page + STACK_PAGES + 1 > m->pages)
		return -E2BIG;
	const unsigned rw = CASSIN_READ | CASSIN_WRITE;
	out->stack_low = image->high + PAGE_SIZE;
	out->stack_high = out->stack_low + STACK_PAGES * PAGE_SIZE;
	add_region(to, (struct region){.va = out->stack_low, .pages = STACK_PAGES, .first = page, .rights = rw});
	page += STACK_PAGES;
	out->clock_page = out->stack_high + PAGE_SIZE;
	add_region(to, (struct region){.va = out->clock_page, .pages = 1, .rights = CASSIN_READ, .what = REGION_CLOCK});
	out->info_page = out->clock_page + PAGE_SIZE;
	add_region(to, (struct region){.va = out->info_page, .pages = 1, .rights = CASSIN_READ, .what = REGION_INFO});
	out->heap = (out->info_page + 2 * PAGE_SIZE + HEAP_ALIGN - 1) / HEAP_ALIGN * HEAP_ALIGN;
	out->heap_page = page;
	out->heap_size = (m->pages - page) << PAGE_SHIFT;
	if (out->heap_size > CASSIN_VA_END - out->heap)
		return -E2BIG;
	add_region(to, (struct region){.va = out->heap, .pages = m->pages - page, .first = page, .rights = rw});
	return 0;
}

/* The regions that the image's guests share, if m's quota is theirs; where there are none yet these become them. */
static const struct regions *share_regions(struct memory *m, struct regions *own)
{
	pthread_mutex_lock(&m->cell->lock);
	if (!m->image->regions)
		m->image->regions = own;
	struct regions *shared = m->image->regions;
	pthread_mutex_unlock(&m->cell->lock);
	if (shared->quota != own->quota || shared == own)
		return own;
	free(own);
	return shared;
}

int regions_make(struct memory *m)
{
	size_t n = m->image->image->nsegments + OWN_REGIONS;
	struct regions *made = calloc(1, sizeof *made + n * sizeof *made->at);
	if (!made)
		return -ENOMEM;
	made->quota = m->pages;
	int r = lay_out(m, made);
	if (r)
		free(made);
	else
		m->regions = share_regions(m, made);
	return r;
}

void regions_free(struct memory *m)
{
	pthread_mutex_lock(&m->cell->lock);
	bool shared = m->regions == m->image->regions;
	pthread_mutex_unlock(&m->cell->lock);
	if (!shared)
		free((void *)m->regions);
	m->regions = NULL;
}
