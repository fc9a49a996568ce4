/* SPDX-License-Identifier: MIT */
#include "base/extents.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define STEP_BITS 3u
#define LOOKS 16u /* at runs of the list whose runs may or may not suffice */

struct list {
	unsigned level, step;
};

static unsigned log2_of(uint32_t n)
{
	return 31u - (unsigned)__builtin_clz(n);
}

/* The list that runs of n units are in. */
static struct list list_of(uint32_t n)
{
	unsigned level = log2_of(n);
	if (level < STEP_BITS)
		return (struct list){level, (n << (STEP_BITS - level)) & (EXTENTS_STEPS - 1)};
	return (struct list){level, (n >> (level - STEP_BITS)) & (EXTENTS_STEPS - 1)};
}

static void put(struct extents *e, uint32_t at, uint32_t n)
{
	struct list l = list_of(n);
	uint32_t *first = &e->first[l.level][l.step];
	e->tags[at + n - 1].size = n;
	e->tags[at] = (struct extent_tag){.size = n, .next = *first};
	if (*first)
		e->tags[*first].prev = at;
	*first = at;
	e->levels |= UINT32_C(1) << l.level;
	e->steps[l.level] |= UINT32_C(1) << l.step;
}

static void take_out(struct extents *e, uint32_t at)
{
	struct extent_tag *t = &e->tags[at];
	uint32_t n = t->size;
	struct list l = list_of(n);
	if (t->next)
		e->tags[t->next].prev = t->prev;
	if (t->prev)
		e->tags[t->prev].next = t->next;
	else
		e->first[l.level][l.step] = t->next;
	if (!e->first[l.level][l.step])
		e->steps[l.level] &= ~(UINT32_C(1) << l.step);
	if (!e->steps[l.level])
		e->levels &= ~(UINT32_C(1) << l.level);
	e->tags[at + n - 1].size = 0;
	*t = (struct extent_tag){0};
}

int extents_init(struct extents *e, uint64_t units)
{
	*e = (struct extents){0};
	if (units < 2 || units > UINT32_MAX)
		return -EINVAL;
	void *tags = mmap(NULL, units * sizeof *e->tags, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (tags == MAP_FAILED)
		return -ENOMEM;
	e->tags = tags;
	e->units = (uint32_t)units;
	e->free = units - 1;
	put(e, 1, e->units - 1);
	return 0;
}

void extents_destroy(struct extents *e)
{
	if (e->tags)
		munmap(e->tags, e->units * sizeof *e->tags);
	*e = (struct extents){0};
}

/* A run from the lists behind the one of n: all of those suffice. 0: there is none. */
static uint32_t find_above(const struct extents *e, uint32_t n)
{
	struct list l = list_of(n);
	uint32_t steps = e->steps[l.level] & ~((UINT32_C(2) << l.step) - 1);
	if (steps)
		return e->first[l.level][__builtin_ctz(steps)];
	uint32_t levels = l.level < 31 ? e->levels & ~((UINT32_C(2) << l.level) - 1) : 0;
	if (!levels)
		return 0;
	unsigned level = (unsigned)__builtin_ctz(levels);
	return e->first[level][__builtin_ctz(e->steps[level])];
}

/* One from the list of n, in which some are smaller. */
static uint32_t find_same(const struct extents *e, uint32_t n)
{
	struct list l = list_of(n);
	uint32_t at = e->first[l.level][l.step];
	for (unsigned looks = 0; at && e->tags[at].size < n; looks++)
		at = looks < LOOKS ? e->tags[at].next : 0;
	return at;
}

uint32_t extents_take(struct extents *e, uint64_t n)
{
	if (!n || n > e->free)
		return 0;
	uint32_t want = (uint32_t)n, at = find_same(e, want);
	if (!at)
		at = find_above(e, want);
	if (!at)
		return 0;
	uint32_t size = e->tags[at].size;
	take_out(e, at);
	if (size > want)
		put(e, at + want, size - want);
	e->free -= want;
	return at;
}

void extents_give(struct extents *e, uint32_t at, uint32_t n)
{
	e->free += n;
	uint32_t before = at > 1 ? e->tags[at - 1].size : 0;
	if (before) {
		take_out(e, at - before);
		at -= before;
		n += before;
	}
	if (at + (uint64_t)n < e->units && e->tags[at + n].size) {
		uint32_t after = e->tags[at + n].size;
		take_out(e, at + n);
		n += after;
	}
	put(e, at, n);
}
