/* SPDX-License-Identifier: MIT */
/* Taking out of a guest's memory what it holds beyond its image. */
#include "memory/freeze.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/hidden.h"
#include "cell/cell.h"
#include "memory/space.h"

#define TABLE_ENTRIES 512u

/* ---- Pages ---- */

static void add_page(struct frozen *out, uint64_t page, const void *content)
{
	out->page[out->npages] = page;
	memcpy(out->content + out->npages++ * PAGE_SIZE, content, PAGE_SIZE);
}

/* Its own pages; for a template also those of the template that it was cloned from where it has none of its own. */
static int take_pages(struct memory *m, bool whole, struct frozen *out)
{
	static const struct frozen none;
	const struct frozen *old = whole && m->image->frozen ? m->image->frozen : &none;
	uint64_t next = 0;
	out->page = malloc((m->used + old->npages + 1) * sizeof *out->page);
	out->content = hidden_alloc((m->used + old->npages + 1) * PAGE_SIZE, whole);
	if (!out->page || !out->content)
		return -ENOMEM;
	for (uint64_t page = 0; page < (uint64_t)m->nchunks * CHUNK_PAGES; page++) {
		frame_t f = memory_frame(m, page);
		bool had = next < old->npages && old->page[next] == page;
		if (f && !memory_page_is(m, page, whole, cell_frame(m->cell, f)))
			add_page(out, page, cell_frame(m->cell, f));
		else if (!f && had)
			add_page(out, page, old->content + next * PAGE_SIZE);
		next += had;
	}
	for (; next < old->npages; next++)
		add_page(out, old->page[next], old->content + next * PAGE_SIZE);
	return 0;
}

/* ---- Mappings ---- */

void owners_free(struct owners *o)
{
	free(o->at);
	*o = (struct owners){0};
}

static struct owner *owner_slot(const struct owners *o, frame_t f)
{
	size_t i = hash_keyed(f, o->bits);
	while (o->at[i].frame != FRAME_NONE && o->at[i].frame != f)
		i = (i + 1) & (((size_t)1 << o->bits) - 1);
	return &o->at[i];
}

static int owners_make(struct owners *o, const struct memory *m)
{
	o->bits = 1;
	while ((UINT64_C(1) << o->bits) < m->used * 2 + 2)
		o->bits++;
	o->at = calloc((size_t)1 << o->bits, sizeof *o->at);
	if (!o->at)
		return -ENOMEM;
	for (uint32_t page = 0; page < m->nchunks * CHUNK_PAGES; page++) {
		frame_t f = memory_frame(m, page);
		if (f != FRAME_NONE)
			*owner_slot(o, f) = (struct owner){f, page};
	}
	return 0;
}

/* What an entry shows that is elsewhere than the initial regions would have it. -ENOMEM. */
static int find_owner(const struct memory *m, struct owners *o, frame_t f, uint64_t usual, uint64_t *page)
{
	int r = o->at ? 0 : owners_make(o, m);
	if (r)
		return r;
	const struct owner *found = owner_slot(o, f);
	*page = found->frame == f ? found->page : usual;
	return 0;
}

/* The number of the page that a live entry shows; UINT64_MAX: a page of the hypervisor. -ENOMEM. */
static int page_shown(const struct memory *m, struct owners *o, uint64_t va, uint64_t entry, uint64_t *page)
{
	frame_t f = (frame_t)((entry & PTE_FRAME) >> PAGE_SHIFT);
	const struct region *r = region_at(m, va);
	*page = UINT64_MAX;
	if (r && r->frame && *r->frame == f)
		return 0;
	uint64_t usual = r ? r->first + ((va - r->va) >> PAGE_SHIFT) : UINT64_MAX;
	if (r && (memory_frame(m, usual) == f || cell_image_shared(m->image, usual) == f)) {
		*page = usual;
		return 0;
	}
	return find_owner(m, o, f, usual, page);
}

static int add_entry(struct frozen *out, uint64_t va, uint64_t value)
{
	if (!(out->nentries & (out->nentries - 1))) {
		size_t room = out->nentries ? out->nentries * 2 : 1;
		struct frozen_entry *entries = realloc(out->entries, room * sizeof *entries);
		if (!entries)
			return -ENOMEM;
		out->entries = entries;
	}
	out->entries[out->nentries++] = (struct frozen_entry){va, value};
	return 0;
}

static int take_entry(struct memory *m, struct owners *o, struct frozen *out, uint64_t va, const uint64_t *entry)
{
	const struct region *r = region_at(m, va);
	struct mapping map = mapping_of(m, 0, va, entry);
	if (map.hypervisor)
		return 0;
	if (!map.mapped)
		return *entry & PTE_HOLE ? add_entry(out, va, PTE_HOLE) : 0;
	uint64_t page = map.page;
	int err = *entry & PTE_P ? page_shown(m, o, va, *entry, &page) : 0;
	if (err)
		return err;
	if (page == UINT64_MAX ||
	    (r && !r->frame && map.rights == r->rights && page == r->first + ((va - r->va) >> PAGE_SHIFT)))
		return 0;
	return add_entry(out, va, memory_mapped_value(page, map.rights));
}

/* The table of the lowest level that holds the entry of va; NULL: there is none, and *next is where one may be. */
static const uint64_t *leaf_table(const struct memory *m, uint64_t va, uint64_t *next)
{
	const uint64_t *entries = cell_frame(m->cell, m->tables.root[0]);
	for (int level = 3; level > 0; level--) {
		unsigned shift = PAGE_SHIFT + 9 * (unsigned)level;
		uint64_t entry = entries[(va >> shift) % TABLE_ENTRIES];
		*next = ((va >> shift) + 1) << shift;
		if (!(entry & PTE_P))
			return NULL;
		entries = cell_frame(m->cell, (frame_t)((entry & PTE_FRAME) >> PAGE_SHIFT));
	}
	return entries;
}

int freeze_mappings(struct memory *m, struct owners *o, struct frozen *out, uint64_t *va, unsigned most)
{
	for (; *va < CASSIN_VA_END && most; most--) {
		uint64_t next;
		const uint64_t *entries = leaf_table(m, *va, &next);
		for (unsigned i = 0; entries && i < TABLE_ENTRIES; i++) {
			int r = entries[i] ? take_entry(m, o, out, *va + ((uint64_t)i << PAGE_SHIFT), &entries[i]) : 0;
			if (r)
				return r;
		}
		*va = next;
	}
	return *va < CASSIN_VA_END;
}

int memory_freeze(struct memory *m, bool whole, struct frozen *out)
{
	struct owners o = {0};
	uint64_t va = 0;
	if (memory_has_spaces(m))
		return -EBUSY;
	int r = take_pages(m, whole, out);
	if (!r)
		r = freeze_mappings(m, &o, out, &va, UINT_MAX);
	owners_free(&o);
	if (r)
		frozen_clear(out);
	return r;
}

int memory_remap(struct memory *m, const struct frozen *f)
{
	for (size_t i = 0; i < f->nentries; i++) {
		uint64_t *entry = space_entry(m, 0, f->entries[i].va, true);
		if (!entry)
			return -ENOMEM;
		*entry = f->entries[i].value;
	}
	return 0;
}
