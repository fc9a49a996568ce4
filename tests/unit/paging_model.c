/* SPDX-License-Identifier: MIT */
#include "paging_model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "elf_builder.h"
#include "fake_cell.h"
#include "cell/pagetable.h"
#include "memory/park.h"
#include "cell/cell.h"

#define QUOTA 48u
#define SPACES 6u
#define WORD 0x40u /* where in each page the word lies that is compared */
#define COUNT_MOST 5u

/* The addresses that are used: some free ones, all of the initial regions, the last ones that there are. */
#define FREE_AT CASSIN_VA_MIN
#define FREE_PAGES 12u
#define MIDDLE_AT (ELF_BASE - PAGE_SIZE)
#define MIDDLE_PAGES 38u
#define LAST_PAGES 4u
#define LAST_AT (CASSIN_VA_END - LAST_PAGES * PAGE_SIZE)
#define PLACES (FREE_PAGES + MIDDLE_PAGES + LAST_PAGES)

#define MUST(condition)                                                                                                \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			abort();                                                                                       \
	} while (0)

struct place {
	unsigned rights; /* 0: not mapped */
	uint64_t page;
	bool hypervisor;
};

struct paging_model {
	paging_choice_fn choose;
	void *opaque;
	struct fake_cell *cell;
	struct memory memory;
	struct memory_layout at;
	bool exists[SPACES];
	struct place place[SPACES][PLACES];
	uint64_t word[QUOTA];
};

static unsigned choose(struct paging_model *p, unsigned most)
{
	return p->choose(p->opaque) % most;
}

static uint64_t place_va(unsigned i)
{
	if (i < FREE_PAGES)
		return FREE_AT + i * PAGE_SIZE;
	if (i < FREE_PAGES + MIDDLE_PAGES)
		return MIDDLE_AT + (i - FREE_PAGES) * PAGE_SIZE;
	return LAST_AT + (i - FREE_PAGES - MIDDLE_PAGES) * PAGE_SIZE;
}

/* ---- The start ---- */

static void model_region(struct paging_model *p, const struct region *r)
{
	for (unsigned i = 0; i < PLACES; i++) {
		uint64_t va = place_va(i);
		if (va >= r->va && va - r->va < r->pages * PAGE_SIZE)
			p->place[0][i] = (struct place){r->rights, r->first + (va - r->va) / PAGE_SIZE,
							r->what != REGION_PAGES};
	}
	for (uint64_t n = 0; r->segment && n < r->pages; n++) {
		unsigned char page[PAGE_SIZE];
		image_page(p->memory.image->image, r->segment, n, page);
		memcpy(&p->word[r->first + n], page + WORD, sizeof *p->word);
	}
}

struct paging_model *paging_model_new(paging_choice_fn choice, void *opaque)
{
	struct paging_model *p = calloc(1, sizeof *p);
	MUST(p);
	p->choose = choice;
	p->opaque = opaque;
	p->cell = fake_guest_new(2000, &p->memory, QUOTA, &p->at);
	p->exists[0] = true;
	for (unsigned i = 0; i < p->memory.regions->n; i++)
		model_region(p, &p->memory.regions->at[i]);
	return p;
}

void paging_model_free(struct paging_model *p)
{
	MUST(fake_guest_free(p->cell, &p->memory) == 0);
	free(p);
}

/* ---- Calls ---- */

struct range {
	unsigned space, first, count;
	uint64_t va;
};

/* A range within one run of places, or one that passes the end of all addresses. */
static struct range choose_range(struct paging_model *p)
{
	struct range r = {choose(p, SPACES + 1), choose(p, PLACES), choose(p, COUNT_MOST), 0};
	r.va = place_va(r.first);
	while (r.count > 1 && r.first + r.count <= PLACES &&
	       place_va(r.first + r.count - 1) != r.va + (r.count - 1) * PAGE_SIZE)
		r.count--;
	return r;
}

static bool range_valid(const struct paging_model *p, const struct range *r)
{
	return r->space < SPACES && p->exists[r->space] && r->count && r->count * PAGE_SIZE <= CASSIN_VA_END - r->va;
}

static bool range_is(const struct paging_model *p, const struct range *r, bool mapped)
{
	for (unsigned i = 0; i < r->count; i++) {
		if ((p->place[r->space][r->first + i].rights != 0) != mapped)
			return false;
	}
	return true;
}

static bool rights_valid(unsigned rights)
{
	return rights == CASSIN_READ || rights == (CASSIN_READ | CASSIN_WRITE) || rights == (CASSIN_READ | CASSIN_EXEC);
}

/* The hardware's view of an address: its leaf entry, 0 if there is none. Upper levels allow all to ring 3. */
static uint64_t walk(const struct paging_model *p, unsigned space, uint64_t va)
{
	uint64_t entry = frame_gpa(tables_root(&p->memory.tables, space)).v | PTE_P;
	for (int shift = 39; shift >= PAGE_SHIFT; shift -= 9) {
		const uint64_t *table = cell_frame(&p->cell->cell, (frame_t)((entry & PTE_FRAME) >> PAGE_SHIFT));
		entry = table[va >> shift & 511];
		if (!(entry & PTE_P))
			return 0;
		MUST(entry & PTE_U);
	}
	return entry;
}

/* What was live in the range, so that a change of it can be told. */
static void look(const struct paging_model *p, const struct range *r, uint64_t *entries)
{
	for (unsigned i = 0; i < r->count; i++)
		entries[i] = range_valid(p, r) ? walk(p, r->space, r->va + i * PAGE_SIZE) : 0;
}

/* A live entry that changed was told to the monitor, under a new generation. */
static void check_commits(struct paging_model *p, const struct range *r, const uint64_t *before, uint64_t generation)
{
	uint64_t after[COUNT_MOST];
	unsigned changed = 0;
	look(p, r, after);
	for (unsigned i = 0; i < r->count; i++)
		changed += before[i] && before[i] != after[i];
	MUST(!changed || p->memory.tables.generation != generation);
	MUST(p->memory.tables.flush || p->memory.tables.ncommits >= changed);
	p->memory.tables.ncommits = p->memory.tables.committed = 0;
	p->memory.tables.flush = false;
}

static void step_map(struct paging_model *p)
{
	struct range r = choose_range(p);
	uint64_t page = choose(p, QUOTA + 4);
	unsigned rights = choose(p, 10);
	int got = memory_map(&p->memory, r.space, gva(r.va), page, r.count, rights);
	if (got == -ENOMEM)
		return;
	if (!range_valid(p, &r) || !rights_valid(rights) || page + r.count > QUOTA) {
		MUST(got == -EINVAL);
	} else if (!range_is(p, &r, false)) {
		MUST(got == -EEXIST);
	} else {
		MUST(!got);
		for (unsigned i = 0; i < r.count; i++)
			p->place[r.space][r.first + i] = (struct place){rights, page + i, false};
	}
}

static void step_unmap(struct paging_model *p)
{
	struct range r = choose_range(p);
	uint64_t before[COUNT_MOST], generation = p->memory.tables.generation;
	look(p, &r, before);
	int got = memory_unmap(&p->memory, r.space, gva(r.va), r.count);
	check_commits(p, &r, before, generation);
	if (got == -ENOMEM)
		return;
	if (!range_valid(p, &r)) {
		MUST(got == -EINVAL);
	} else if (!range_is(p, &r, true)) {
		MUST(got == -ENOENT);
	} else {
		MUST(!got);
		memset(&p->place[r.space][r.first], 0, r.count * sizeof(struct place));
	}
}

static bool has_hypervisor(const struct paging_model *p, const struct range *r)
{
	bool any = false;
	for (unsigned i = 0; i < r->count; i++)
		any |= p->place[r->space][r->first + i].hypervisor;
	return any;
}

static void step_protect(struct paging_model *p)
{
	struct range r = choose_range(p);
	unsigned rights = choose(p, 10);
	uint64_t before[COUNT_MOST], generation = p->memory.tables.generation;
	look(p, &r, before);
	int got = memory_protect(&p->memory, r.space, gva(r.va), r.count, rights);
	check_commits(p, &r, before, generation);
	if (got == -ENOMEM)
		return;
	if (!range_valid(p, &r) || !rights_valid(rights)) {
		MUST(got == -EINVAL);
	} else if (!range_is(p, &r, true)) {
		MUST(got == -ENOENT);
	} else if (has_hypervisor(p, &r)) {
		MUST(got == -EINVAL);
	} else {
		MUST(!got);
		for (unsigned i = 0; i < r.count; i++)
			p->place[r.space][r.first + i].rights = rights;
	}
}

static void step_create(struct paging_model *p)
{
	unsigned s = 1;
	while (s < SPACES && p->exists[s])
		s++;
	if (s == SPACES)
		return;
	int got = memory_space_create(&p->memory);
	MUST(got == (int)s || got == -ENOMEM);
	if (got > 0)
		p->exists[s] = true;
}

static void step_destroy(struct paging_model *p)
{
	unsigned s = choose(p, SPACES + 1);
	int got;
	while ((got = memory_space_destroy(&p->memory, s)) == 1) {
	}
	MUST(got == (s == 0 ? -EBUSY : s == SPACES || !p->exists[s] ? -EINVAL : 0));
	if (got)
		return;
	p->exists[s] = false;
	memset(p->place[s], 0, sizeof p->place[s]);
}

/* ---- Accesses ---- */

static bool allowed(uint64_t entry, unsigned want)
{
	return entry && (want != CASSIN_WRITE || entry & PTE_W) && (want != CASSIN_EXEC || !(entry & PTE_NX));
}

/* As the hardware does it, with the hypervisor's answer to a fault. NULL: the guest's own fault, or no memory. */
static uint64_t *access_word(struct paging_model *p, unsigned space, uint64_t va, unsigned want, int *fault)
{
	uint64_t entry = walk(p, space, va);
	*fault = 0;
	if (!allowed(entry, want)) {
		uint64_t error = PF_USER | (entry ? PF_PRESENT : 0) | (want == CASSIN_WRITE ? PF_WRITE : 0) |
				 (want == CASSIN_EXEC ? PF_FETCH : 0);
		*fault = memory_fault(&p->memory, space, gva(va), error);
		if (*fault)
			return NULL;
		entry = walk(p, space, va);
		MUST(allowed(entry, want));
	}
	return (uint64_t *)(void *)((char *)cell_frame(&p->cell->cell, (frame_t)((entry & PTE_FRAME) >> PAGE_SHIFT)) +
				    WORD);
}

static void step_guest(struct paging_model *p)
{
	static const unsigned wants[] = {CASSIN_READ, CASSIN_WRITE, CASSIN_EXEC};
	unsigned space = choose(p, SPACES), i = choose(p, PLACES), want = wants[choose(p, 3)];
	const struct place *place = &p->place[space][i];
	int fault;
	if (!p->exists[space])
		return;
	uint64_t *word = access_word(p, space, place_va(i), want, &fault);
	if (fault == -ENOMEM)
		return;
	MUST((word != NULL) == ((place->rights & want) != 0));
	if (!word || place->hypervisor)
		return;
	MUST(*word == p->word[place->page]);
	if (want == CASSIN_WRITE)
		p->word[place->page] = *word = choose(p, 256) * UINT64_C(0x0101010101010101);
}

static void step_host(struct paging_model *p)
{
	unsigned i = choose(p, PLACES);
	bool write = choose(p, 2);
	const struct place *place = &p->place[0][i];
	uint64_t word = choose(p, 256);
	gva_t va = gva(place_va(i) + WORD);
	bool fine = place->rights & (write ? CASSIN_WRITE : CASSIN_READ);
	MUST(memory_check_for(&p->memory, va, sizeof word, write ? CASSIN_WRITE : CASSIN_READ) == (fine ? 0 : -EFAULT));
	int got = write ? memory_copyout(&p->memory, va, &word, sizeof word)
			: memory_copyin(&p->memory, &word, va, sizeof word);
	if (got == -ENOMEM)
		return;
	MUST(got == (fine ? 0 : -EFAULT));
	if (!fine || place->hypervisor)
		return;
	if (write)
		p->word[place->page] = word;
	MUST(word == p->word[place->page]);
}

/* Some pieces, or all of them. */
static void park_in_pieces(struct paging_model *p, bool others)
{
	int r = memory_park_begin(&p->memory, NULL);
	MUST(r == (others ? -EBUSY : 0));
	unsigned pieces = choose(p, 2) ? 10000 : choose(p, 40);
	for (r = r ? 0 : 1; r == 1 && pieces; pieces--)
		r = memory_park_go_on(&p->memory);
	MUST(r == 0 || (r == 1 && !pieces));
	if (!r && !others)
		MUST(memory_park_go_on(&p->memory) == -ECANCELED);
}

static void wake_in_pieces(struct paging_model *p)
{
	unsigned pieces = choose(p, 40);
	int r = memory_unpark_begin(&p->memory);
	MUST(r == 0);
	if (!p->memory.waking)
		return;
	for (r = 1; r == 1 && pieces; pieces--)
		r = memory_unpark_go_on(&p->memory);
	MUST(r == 0 || r == 1);
	if (choose(p, 4) == 0)
		memory_unpark_give_up(&p->memory);
}

/* Parked and unparked, by a host access or before the guest's next turn: nothing may have changed. */
static void step_park(struct paging_model *p)
{
	bool others = false;
	for (unsigned s = 1; s < SPACES; s++)
		others |= p->exists[s];
	p->memory.tables.ncommits = p->memory.tables.committed = 0; /* the monitor has run */
	p->memory.tables.flush = false;
	if (choose(p, 2)) {
		MUST(memory_park(&p->memory, NULL) == (others ? -EBUSY : 0));
	} else {
		park_in_pieces(p, others);
	}
	if (choose(p, 2))
		step_host(p);
	if (choose(p, 2))
		wake_in_pieces(p);
	if (choose(p, 2))
		step_host(p);
	MUST(memory_unpark(&p->memory) == 0);
	MUST(!p->memory.parking && !p->memory.dropping && !p->memory.parked.active);
}

void paging_model_step(struct paging_model *p)
{
	static void (*const steps[])(struct paging_model * p) = {
		step_map,   step_map,   step_unmap, step_protect, step_create, step_destroy, step_guest,
		step_guest, step_guest, step_guest, step_host,    step_host,   step_park,
	};
	steps[choose(p, sizeof steps / sizeof *steps)](p);
	MUST(p->memory.used <= QUOTA + 1);
}
