/* SPDX-License-Identifier: MIT */
/* Taking out of a guest's memory what it holds beyond its image. */
#include "memory/freeze.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/hidden.h"
#include "cell/cell.h"
#include "memory/space.h"

#define TABLE_ENTRIES 512u
#define USER_L4_ENTRIES ((CASSIN_VA_END + (UINT64_C(1) << 39) - 1) >> 39)

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

/* Pages by their frames: a hash table with open addressing, at most half full. Made when the first entry is met that shows a page
 * elsewhere than the initial regions do, as only guests that map pages themselves have such. */
struct owners {
	struct owner {
		frame_t frame; /* FRAME_NONE: free */
		uint32_t page;
	} * at;
	unsigned bits;
};

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

static int take_entries(struct memory *m, struct owners *o, struct frozen *out, frame_t table, int level, uint64_t va)
{
	const uint64_t *entries = cell_frame(m->cell, table);
	int r = 0;
	for (uint64_t i = 0; !r && i < (level == 3 ? USER_L4_ENTRIES : TABLE_ENTRIES); i++) {
		uint64_t at = va + (i << (PAGE_SHIFT + 9 * level));
		if (!entries[i])
			continue;
		if (!level)
			r = take_entry(m, o, out, at, &entries[i]);
		else if (entries[i] & PTE_P)
			r = take_entries(m, o, out, (frame_t)((entries[i] & PTE_FRAME) >> PAGE_SHIFT), level - 1, at);
	}
	return r;
}

int memory_freeze(struct memory *m, bool whole, struct frozen *out)
{
	struct owners o = {0};
	if (memory_has_spaces(m))
		return -EBUSY;
	int r = take_pages(m, whole, out);
	if (!r)
		r = take_entries(m, &o, out, m->tables.root[0], 3, 0);
	free(o.at);
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
