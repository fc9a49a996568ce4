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
#define PAGES_PIECE 64u    /* pages copied, */
#define OWNERS_PIECE 1024u /* looked at for who owns their frames, */
#define TABLES_PIECE 16u   /* or page tables whose mappings are, in one piece */

/* ---- Pages ---- */

static void add_page(struct frozen *out, uint64_t page, const void *content)
{
	out->page[out->npages] = page;
	memcpy(out->content + out->npages++ * PAGE_SIZE, content, PAGE_SIZE);
}

static const struct frozen *template_of(const struct memory *m)
{
	static const struct frozen none;
	return m->image->frozen ? m->image->frozen : &none;
}

/* The memory's own pages, and those of the template that it was cloned from where it has none of its own. */
static bool take_pages(struct memory *m, struct freezing *f, struct frozen *out)
{
	const struct frozen *old = template_of(m);
	uint64_t all = (uint64_t)m->nchunks * CHUNK_PAGES, end = f->page + PAGES_PIECE;
	for (; f->page < all && f->page < end; f->page++) {
		frame_t frame = memory_frame(m, f->page);
		bool had = f->old < old->npages && old->page[f->old] == f->page;
		const void *content = frame ? cell_frame(m->cell, frame) : NULL;
		if (content && !memory_page_is_image(m, f->page, content))
			add_page(out, f->page, content);
		else if (!content && had)
			add_page(out, f->page, old->content + f->old * PAGE_SIZE);
		f->old += had;
	}
	if (f->page < all)
		return true;
	for (; f->old < old->npages && f->page < end; f->old++, f->page++)
		add_page(out, old->page[f->old], old->content + f->old * PAGE_SIZE);
	return f->old < old->npages;
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

static int owners_begin(struct owners *o, const struct memory *m)
{
	o->bits = 1;
	while ((UINT64_C(1) << o->bits) < m->used * 2 + 2)
		o->bits++;
	o->at = calloc((size_t)1 << o->bits, sizeof *o->at);
	return o->at ? 0 : -ENOMEM;
}

static void owners_go_on(struct owners *o, const struct memory *m)
{
	uint64_t all = (uint64_t)m->nchunks * CHUNK_PAGES, end = o->next + OWNERS_PIECE;
	for (; o->next < all && o->next < end; o->next++) {
		frame_t f = memory_frame(m, o->next);
		if (f != FRAME_NONE)
			*owner_slot(o, f) = (struct owner){f, (uint32_t)o->next};
	}
	o->made = o->next >= all;
}

/* What an entry shows that is elsewhere than the initial regions would have it. -EAGAIN: the owners are not made yet. */
static int find_owner(const struct owners *o, frame_t f, uint64_t usual, uint64_t *page)
{
	if (!o->made)
		return -EAGAIN;
	const struct owner *found = owner_slot(o, f);
	*page = found->frame == f ? found->page : usual;
	return 0;
}

/* The number of the page that a live entry shows; UINT64_MAX: a page of the hypervisor. -EAGAIN. */
static int page_shown(const struct memory *m, const struct owners *o, uint64_t va, uint64_t entry, uint64_t *page)
{
	frame_t f = (frame_t)((entry & PTE_FRAME) >> PAGE_SHIFT);
	const struct region *r = region_at(m, va);
	*page = UINT64_MAX;
	if (r && r->what && region_frame(m, r) == f)
		return 0;
	uint64_t usual = r ? r->first + ((va - r->va) >> PAGE_SHIFT) : UINT64_MAX;
	if (r && (memory_frame(m, usual) == f || cell_image_shared(m->image, usual) == f)) {
		*page = usual;
		return 0;
	}
	return find_owner(o, f, usual, page);
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
	    (r && !r->what && map.rights == r->rights && page == r->first + ((va - r->va) >> PAGE_SHIFT)))
		return 0;
	return add_entry(out, va, memory_mapped_value(page, map.rights));
}

/* The table of the lowest level that holds the entry of va; NULL: there is none, and *next is where one may be. */
static const uint64_t *leaf_table(const struct memory *m, uint64_t va, uint64_t *next)
{
	const uint64_t *entries = cell_frame(m->cell, m->tables.root);
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

static int take_table(struct memory *m, struct owners *o, struct frozen *out, uint64_t va, const uint64_t *entries)
{
	size_t before = out->nentries;
	int r = 0;
	for (unsigned i = 0; !r && entries && i < TABLE_ENTRIES; i++)
		r = entries[i] ? take_entry(m, o, out, va + ((uint64_t)i << PAGE_SHIFT), &entries[i]) : 0;
	if (r)
		out->nentries = before; /* of the whole table once more, when it is known who owns what */
	return r;
}

int freeze_mappings(struct memory *m, struct owners *o, struct frozen *out, uint64_t *va, unsigned most)
{
	if (o->at && !o->made) {
		owners_go_on(o, m);
		return 1;
	}
	for (; *va < CASSIN_VA_END && most; most--) {
		uint64_t next;
		const uint64_t *entries = leaf_table(m, *va, &next);
		int r = take_table(m, o, out, *va, entries);
		if (r == -EAGAIN)
			r = owners_begin(o, m) ? -ENOMEM : 1;
		if (r)
			return r;
		*va = next;
	}
	return *va < CASSIN_VA_END;
}

/* ---- All of it ---- */

int memory_freeze_begin(struct memory *m, struct freezing *f, struct frozen *out)
{
	*f = (struct freezing){0};
	if (memory_has_spaces(m))
		return -EBUSY;
	uint64_t most = m->used + template_of(m)->npages + 1;
	out->page = malloc(most * sizeof *out->page);
	out->content = hidden_alloc(most * PAGE_SIZE, true);
	return out->page && out->content ? 0 : -ENOMEM;
}

int memory_freeze_go_on(struct memory *m, struct freezing *f, struct frozen *out)
{
	if (f->pages_taken)
		return freeze_mappings(m, &f->owners, out, &f->va, TABLES_PIECE);
	f->pages_taken = !take_pages(m, f, out);
	return 1;
}

void memory_freeze_end(struct freezing *f)
{
	owners_free(&f->owners);
}

int memory_freeze(struct memory *m, struct frozen *out)
{
	struct freezing f;
	int r = memory_freeze_begin(m, &f, out);
	for (int more = 1; !r && more;) {
		more = memory_freeze_go_on(m, &f, out);
		r = more < 0 ? more : 0;
	}
	memory_freeze_end(&f);
	if (r)
		frozen_clear(out);
	return r;
}

int memory_remap(struct memory *m, const struct frozen *f, size_t *at, size_t most)
{
	for (; *at < f->nentries && most; most--, ++*at) {
		uint64_t *entry = space_entry(m, 0, f->entries[*at].va, true);
		if (!entry)
			return -ENOMEM;
		*entry = f->entries[*at].value;
	}
	return *at < f->nentries;
}
