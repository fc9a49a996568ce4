/* SPDX-License-Identifier: MIT */
#include "memory/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cell/cell.h"
#include "memory/freeze.h"
#include "memory/pages.h"
#include "memory/park.h"
#include "memory/regions.h"
#include "memory/space.h"

#define PREMAP_PAGES 128u /* of a small image: all mapped at spawn */
#define AROUND_PAGES 16u  /* of a large one: mapped with the page that faulted */
#define WINDOW_MOST 256u  /* pages of zero that sequential growth gets at a time, */
#define WINDOW_SMALL 16u  /* where what the guest has already does not allow for more: */
#define WINDOW_SHARE 8u   /* one page for each so many */
#define NEAR_SHARE 64u    /* one page for each so many is what growth may skip at any time */
#define HOT_STACK 1u      /* stack pages given at spawn */

static bool has_data(const struct region *r, uint64_t page)
{
	return r && r->segment && page - r->first < r->segment->data_pages;
}

/* Whether the page begins with content that guests share: the template's, or the image's. */
static bool has_base(const struct memory *m, const struct region *r, uint64_t page)
{
	return has_data(r, page) || cell_image_frozen(m->image, page);
}

static void image_content(const struct memory *m, uint64_t page, void *to)
{
	const struct region *r = region_of_page(m, page);
	if (has_data(r, page))
		image_page(m->image->image, r->segment, page - r->first, to);
	else
		memset(to, 0, PAGE_SIZE);
}

/* What a page holds before it is written to. */
static void base_content(const struct memory *m, uint64_t page, void *to)
{
	const void *frozen = cell_image_frozen(m->image, page);
	if (frozen)
		memcpy(to, frozen, PAGE_SIZE);
	else
		image_content(m, page, to);
}

bool memory_page_is_image(const struct memory *m, uint64_t page, const void *content)
{
	unsigned char usual[PAGE_SIZE];
	image_content(m, page, usual);
	return memcmp(usual, content, PAGE_SIZE) == 0;
}

/* Adds one page to another, bit by bit without carry: what was added once is taken away by adding it again. False: they were the
 * same. */
static bool mix(uint64_t *to, const uint64_t *from)
{
	uint64_t any = 0;
	for (size_t i = 0; i < PAGE_SIZE / sizeof *to; i++)
		any |= to[i] ^= from[i];
	return any;
}

bool memory_page_delta(const struct memory *m, uint64_t page, const void *content, void *delta)
{
	base_content(m, page, delta);
	return mix(delta, content);
}

static uint64_t entry_value(frame_t f, unsigned rights)
{
	uint64_t v = frame_gpa(f).v | PTE_P | PTE_U | PTE_A;
	if (rights & CASSIN_WRITE)
		v |= PTE_W | PTE_D;
	if (!(rights & CASSIN_EXEC))
		v |= PTE_NX;
	return v;
}

/* The page got a frame of its own; where its image shows it read-only and shared, show that frame instead. */
static void unshare_page(struct memory *m, const struct region *r, uint64_t page, frame_t own)
{
	frame_t shared = cell_image_shared(m->image, page);
	uint64_t va = r->va + ((page - r->first) << PAGE_SHIFT), *entry = space_entry(m, 0, va, false);
	if (!entry || !(*entry & PTE_P) || shared == FRAME_NONE || (*entry & PTE_FRAME) != frame_gpa(shared).v)
		return;
	uint64_t value = frame_gpa(own).v | (*entry & (PTE_P | PTE_U | PTE_A | PTE_NX));
	if (*entry & PTE_COW)
		value |= PTE_W | PTE_D;
	space_set(m, 0, va, entry, value);
}

/* The page's own frame, made now if there is none yet. */
static int page_own(struct memory *m, uint64_t page, frame_t *out)
{
	frame_t *slot = pages_slot(m, page, true);
	if (!slot)
		return -ENOMEM;
	*out = *slot;
	if (*slot)
		return 0;
	const struct region *r = region_of_page(m, page);
	bool fresh;
	int err = memory_refused(m, cell_frame_alloc(m->cell, out, &fresh));
	if (err)
		return err;
	bool shared = r && has_base(m, r, page);
	if (shared || !fresh)
		base_content(m, page, cell_frame(m->cell, *out));
	*slot = *out;
	m->used++;
	if (shared)
		unshare_page(m, r, page, *out);
	if (m->booting)
		cell_image_boot_page(m->cell, m->image, page);
	return 0;
}

/* Fills a not-present entry that is to show `page`. */
static int show_page(struct memory *m, uint64_t *entry, const struct region *r, uint64_t page, unsigned rights,
		     unsigned want)
{
	frame_t *own = pages_slot(m, page, false);
	frame_t f;
	if (r && has_base(m, r, page) && !(want & CASSIN_WRITE) && !(own && *own)) {
		int err = memory_refused(m, cell_image_frame(m->cell, m->image, r->segment, r->first, page, &f));
		if (err)
			return err;
		*entry = entry_value(f, rights & ~CASSIN_WRITE) | (rights & CASSIN_WRITE ? PTE_COW : 0);
		return 0;
	}
	int err = page_own(m, page, &f);
	if (!err)
		*entry = entry_value(f, rights);
	return err;
}

static int show_hypervisor(struct memory *m, uint64_t *entry, const struct region *r)
{
	if (!region_frame(m, r)) { /* the clock page is there from the start */
		int err = memory_refused(m, cell_frame_zero(m->cell, &m->info));
		if (err)
			return err;
		m->used++;
		struct cassin_info_page *info = memory_info(m);
		info->abi_major = CASSIN_ABI_MAJOR;
		info->abi_minor = CASSIN_ABI_MINOR;
	}
	*entry = entry_value(region_frame(m, r), CASSIN_READ);
	return 0;
}

static unsigned window_most(const struct memory *m)
{
	uint64_t n = m->used / WINDOW_SHARE;
	return n < WINDOW_SMALL ? WINDOW_SMALL : n > WINDOW_MOST ? WINDOW_MOST : (unsigned)n;
}

/* How many pages of zero are shown from `va` on, and in *from where to begin. A guest that grows skips some, to come back to them: what
 * lies near the end of its growth belongs to it, and what was skipped is shown, too. */
static uint64_t grow(struct memory *m, uint64_t va, uint64_t *from)
{
	uint64_t most = window_most(m), near = m->used / NEAR_SHARE;
	near = near < m->fault_window ? m->fault_window : near < WINDOW_MOST ? near : WINDOW_MOST;
	uint64_t reach = near * PAGE_SIZE;
	bool ahead = va - m->fault_next < reach, behind = !ahead && m->fault_next - va <= reach;
	if (behind)
		return m->fault_window;
	uint64_t n = ahead ? m->fault_window * UINT64_C(2) : 1;
	n = n < most ? n : most;
	if (ahead)
		*from = m->fault_next;
	m->fault_window = (unsigned)n;
	m->fault_next = va + n * PAGE_SIZE;
	return n;
}

/* Pages near one that was just shown cost a store each now and an exit each later. */
static void map_around(struct memory *m, const struct region *r, uint64_t va, unsigned want)
{
	uint64_t at = va + PAGE_SIZE, n = AROUND_PAGES;
	if (r->segment && want & CASSIN_WRITE)
		return;
	if (!r->segment) {
		n = grow(m, va, &at);
		want = r->rights;
	}
	for (; at < va + n * PAGE_SIZE; at += PAGE_SIZE) {
		uint64_t *entry = at - r->va < r->pages << PAGE_SHIFT ? space_entry(m, 0, at, false) : NULL;
		if (entry && *entry && at <= va)
			continue;
		if (!entry || *entry ||
		    show_page(m, entry, r, r->first + ((at - r->va) >> PAGE_SHIFT), r->rights, want))
			break;
	}
	m->starved = false; /* what was wanted is there */
}

static int show(struct memory *m, unsigned space, uint64_t va, uint64_t *entry, unsigned want)
{
	struct mapping map = mapping_of(m, space, va, entry);
	if (!map.mapped || (want & map.rights) != want)
		return -EFAULT;
	if (!entry)
		entry = space_entry(m, space, va, true);
	if (!entry)
		return -ENOMEM;
	const struct region *r = *entry & PTE_MAPPED ? NULL : region_at(m, va);
	if (map.hypervisor)
		return show_hypervisor(m, entry, r);
	int err = show_page(m, entry, r, map.page, map.rights, want);
	if (!err && r)
		map_around(m, r, va, want);
	return err;
}

int memory_touch(struct memory *m, unsigned space, uint64_t va, unsigned want, frame_t *out)
{
	if (va < CASSIN_VA_MIN || va >= CASSIN_VA_END)
		return -EFAULT;
	int unparked = memory_unpark(m);
	if (unparked)
		return unparked;
	va = page_down(va);
	uint64_t *entry = space_entry(m, space, va, false);
	if (!entry || !(*entry & PTE_P)) {
		int err = show(m, space, va, entry, want);
		if (err)
			return err;
		entry = space_entry(m, space, va, false);
	}
	if (want & CASSIN_EXEC && *entry & PTE_NX)
		return -EFAULT;
	if (want & CASSIN_WRITE && !(*entry & PTE_W)) {
		const struct region *r = region_at(m, va);
		frame_t own;
		if (!(*entry & PTE_COW) || !r)
			return -EFAULT;
		int err = page_own(m, r->first + ((va - r->va) >> PAGE_SHIFT), &own);
		if (err)
			return err;
	}
	*out = (frame_t)((*entry & PTE_FRAME) >> PAGE_SHIFT);
	return 0;
}

int memory_own(struct memory *m, uint64_t va, frame_t *out)
{
	int err = memory_touch(m, 0, va, CASSIN_READ, out);
	const struct region *r = err ? NULL : region_at(m, va);
	if (!r)
		return err;
	if (r->what)
		return *out == region_frame(m, r) ? -EFAULT : 0;
	uint64_t page = r->first + ((page_down(va) - r->va) >> PAGE_SHIFT);
	if (!has_base(m, r, page) || *out != cell_image_shared(m->image, page))
		return 0;
	bool booting = m->booting;
	m->booting = false; /* later instances will not want a copy of it */
	err = page_own(m, page, out);
	m->booting = booting;
	return err;
}

int memory_fault(struct memory *m, unsigned space, gva_t va, uint64_t error)
{
	if (!(error & PF_USER) || error & (PF_RESERVED | PF_PKEY))
		return -EFAULT;
	unsigned want = error & PF_WRITE ? CASSIN_WRITE : error & PF_FETCH ? CASSIN_EXEC : CASSIN_READ;
	frame_t f;
	uint32_t queued = m->tables.ncommits;
	int r = memory_touch(m, space, va.v, want, &f);
	/* A write fault on a read-only entry repairs the faulting vCPU's own translation: no commit for that. The new
	 * generation stands, for other vCPUs. */
	if (!r && error & PF_PRESENT && error & PF_WRITE && m->tables.ncommits == queued + 1)
		m->tables.ncommits = queued;
	return r;
}

/* Shows a page where the initial regions have it; where the guest of a template has unmapped it since, nothing is shown. */
static int map_early(struct memory *m, uint64_t page, unsigned want)
{
	const struct region *r = region_of_page(m, page);
	frame_t f;
	if (!r || (r->rights & want) != want)
		return 0;
	int err = memory_touch(m, 0, r->va + ((page - r->first) << PAGE_SHIFT), want, &f);
	return err == -EFAULT ? 0 : err;
}

static int premap_boot_pages(struct memory *m)
{
	uint32_t boot_pages[sizeof m->image->boot_pages / sizeof *m->image->boot_pages];
	pthread_mutex_lock(&m->cell->lock);
	uint64_t n = m->image->nboot_pages;
	memcpy(boot_pages, m->image->boot_pages, n * sizeof *boot_pages);
	pthread_mutex_unlock(&m->cell->lock);
	int err = 0;
	for (uint64_t i = 0; !err && i < n; i++)
		err = map_early(m, boot_pages[i], CASSIN_WRITE);
	return err;
}

static int show_image(struct memory *m, const struct image *image)
{
	int err = 0;
	uint64_t first = 0;
	for (size_t i = 0; !err && i < image->nsegments; first += image->segments[i++].pages) {
		for (uint64_t p = 0; !err && p < image->segments[i].data_pages && p < PREMAP_PAGES; p++)
			err = map_early(m, first + p, CASSIN_READ);
	}
	return err;
}

/* Shows what the guest will surely touch: each page that faults costs an exit. */
static int premap(struct memory *m)
{
	const struct memory_layout *layout = memory_layout(m);
	const struct image *image = m->image->image;
	const struct frozen *frozen = m->image->frozen;
	frame_t f;
	int err = premap_boot_pages(m);
	for (unsigned i = 0; !err && i < HOT_STACK; i++)
		err = memory_touch(m, 0, layout->stack_high - (i + 1) * PAGE_SIZE, CASSIN_WRITE, &f);
	for (uint64_t i = 0; !err && frozen && i < frozen->npages && i < PREMAP_PAGES; i++)
		err = map_early(m, frozen->page[i], CASSIN_READ);
	if (!err)
		err = memory_touch(m, 0, layout->clock_page, CASSIN_READ, &f);
	if (!err)
		err = show_image(m, image);
	return err == -EFAULT ? 0 : err;
}

int memory_init_begin(struct memory *m, struct cell *cell, struct cell_image *image, uint64_t pages,
		      struct account *account)
{
	*m = (struct memory){.cell = cell, .image = image, .pages = pages, .account = account};
	tables_changed(&m->tables);
	int r = memory_refused(m, cell_clock_get(cell, &m->clock));
	if (!r)
		r = regions_make(m);
	if (!r)
		r = space_make(m, &m->tables.root);
	if (r)
		memory_destroy(m);
	return r;
}

int memory_init_go_on(struct memory *m, size_t *mapped)
{
	const struct frozen *frozen = m->image->frozen;
	int r = frozen ? memory_remap(m, frozen, mapped, AT_ONCE_MAPPINGS) : 0;
	if (!r)
		r = premap(m);
	if (r < 0)
		memory_destroy(m);
	else
		m->booting = !r;
	return r;
}

int memory_init(struct memory *m, struct cell *cell, struct cell_image *image, uint64_t pages, struct account *account)
{
	size_t mapped = 0;
	int r = memory_init_begin(m, cell, image, pages, account);
	for (int more = 1; !r && more;) {
		more = memory_init_go_on(m, &mapped);
		r = more < 0 ? more : 0;
	}
	return r;
}

int memory_fill(struct memory *m, uint64_t page, const void *delta)
{
	frame_t f;
	int r = page_own(m, page, &f);
	if (!r)
		mix(cell_frame(m->cell, f), delta);
	return r ? r : map_early(m, page, CASSIN_READ);
}

int memory_map_again(struct memory *m, bool info)
{
	const struct image *image = m->image->image;
	int err = 0;
	for (unsigned i = 0; !err && i < m->regions->n; i++) {
		const struct region *r = &m->regions->at[i];
		frame_t f;
		if (r->what == REGION_CLOCK || (r->what == REGION_INFO && info))
			err = memory_touch(m, 0, r->va, CASSIN_READ, &f);
		if (err == -EFAULT) /* unmapped by the guest */
			err = 0;
	}
	return err ? err : show_image(m, image);
}

struct cassin_info_page *memory_info(struct memory *m)
{
	return m->info ? cell_frame(m->cell, m->info) : NULL;
}
