/* SPDX-License-Identifier: MIT */
/*
 * Blocks with boundary tags (Knuth, The Art of Computer Programming, vol. 1, 2.5) in free lists by size class. Above
 * `top` nothing was ever handed out since it was last free, so those pages are left alone.
 *
 * A block is a head (its size, a multiple of 16, and two bits) followed by its bytes. A free block repeats its size in
 * its last eight bytes, which a used one gives to its owner.
 */
#include <cassin/guest/heap.h>

#include <stdbool.h>
#include <stdint.h>

#include <cassin/guest/boot.h>
#include <cassin/guest/string.h>

#define ALIGN 16u
#define HEAD 8u
#define LEAST 32u /* head, two links, size */
#define USED 1u
#define BEFORE_USED 2u /* the block below is used */
#define BITS (ALIGN - 1)
#define EXACT 16u /* classes of one size each; then four to a power of two */
#define CLASSES 64u
#define ALIGN_MOST 65536u
#define PROBES 16u /* blocks looked at in the class that may or may not fit */

struct block {
	size_t head;
	struct block *next, **link; /* while free */
};

static struct {
	char *start, *top, *end;
	size_t used;
	uint64_t filled; /* a bit for each class with a free block */
	struct block *free[CLASSES];
} heap;

/* A kernel's whose threads may be interrupted here, if it is linked. They nest. */
void cassin_heap_lock(void) __attribute__((weak));
void cassin_heap_unlock(void) __attribute__((weak));

static char lock(void)
{
	if (cassin_heap_lock)
		cassin_heap_lock();
	return 0;
}

static void unlock(const char *locked)
{
	(void)locked;
	if (cassin_heap_unlock)
		cassin_heap_unlock();
}

/* Until the end of the function. */
#define LOCKED char locked __attribute__((unused, cleanup(unlock))) = lock()

static size_t size_of(const struct block *b)
{
	return b->head & ~(size_t)BITS;
}

static struct block *after(const struct block *b)
{
	return (struct block *)((char *)(uintptr_t)b + size_of(b));
}

static unsigned class_of(size_t size)
{
	size_t n = size / ALIGN;
	if (n < EXACT)
		return (unsigned)n;
	unsigned power = 63 - (unsigned)__builtin_clzl(n);
	unsigned c = EXACT + (power - 4) * 4 + (unsigned)(n >> (power - 2) & 3);
	return c < CLASSES ? c : CLASSES - 1;
}

void cassin_heap_reset(void *at, size_t size)
{
	uintptr_t low = ((uintptr_t)at + HEAD + BITS) / ALIGN * ALIGN - HEAD, high = (uintptr_t)at + size;
	memset(&heap, 0, sizeof heap);
	heap.start = heap.top = (char *)low;
	heap.end = high > low ? (char *)(low + (high - low) / ALIGN * ALIGN) : heap.start;
}

static void list(struct block *b)
{
	unsigned c = class_of(size_of(b));
	b->next = heap.free[c];
	b->link = &heap.free[c];
	if (b->next)
		b->next->link = &b->next;
	heap.free[c] = b;
	heap.filled |= (uint64_t)1 << c;
}

static void unlist(struct block *b)
{
	unsigned c = class_of(size_of(b));
	*b->link = b->next;
	if (b->next)
		b->next->link = b->link;
	if (!heap.free[c])
		heap.filled &= ~((uint64_t)1 << c);
}

/* Makes [b, b + size) free and lists it; the blocks on both sides are used. At the top it sinks into the unused. */
static void make_free(struct block *b, size_t size)
{
	char *end = (char *)b + size;
	if (end == heap.top) {
		heap.top = (char *)b;
		return;
	}
	b->head = size | BEFORE_USED;
	*(size_t *)(end - sizeof(size_t)) = size;
	((struct block *)end)->head &= ~(size_t)BEFORE_USED;
	list(b);
}

/* Cuts a used block down to `size`; the rest becomes free. */
static void trim(struct block *b, size_t size)
{
	size_t rest = size_of(b) - size;
	if (rest < LEAST)
		return;
	b->head -= rest;
	struct block *cut = after(b), *next = (struct block *)((char *)cut + rest);
	if ((char *)next != heap.top && !(next->head & USED)) {
		unlist(next);
		rest += size_of(next);
	}
	make_free(cut, rest);
}

static struct block *find(size_t size)
{
	unsigned c = class_of(size), probes = c < EXACT || c == CLASSES - 1 ? UINT32_MAX : PROBES;
	for (struct block *b = heap.free[c]; b && probes--; b = b->next) {
		if (size_of(b) >= size)
			return b;
	}
	uint64_t larger = c == CLASSES - 1 ? 0 : heap.filled & ~(uint64_t)0 << (c + 1);
	return larger ? heap.free[__builtin_ctzl(larger)] : NULL;
}

/* The block size for a request; 0: too large. */
static size_t block_size(size_t size)
{
	if (size > (size_t)(heap.end - heap.start))
		return 0;
	size = (size + HEAD + BITS) & ~(size_t)BITS;
	return size < LEAST ? LEAST : size;
}

static void ensure(void)
{
	if (!heap.end && cassin_boot)
		cassin_heap_reset((void *)cassin_boot->heap, cassin_boot->heap_size);
}

void *cassin_alloc(size_t size)
{
	LOCKED;
	ensure();
	size_t need = block_size(size);
	if (!need)
		return NULL;
	struct block *b = find(need);
	if (b) {
		unlist(b);
		b->head |= USED;
		after(b)->head |= BEFORE_USED; /* a free block is never the topmost */
	} else {
		if ((size_t)(heap.end - heap.top) < need)
			return NULL;
		b = (struct block *)heap.top;
		b->head = need | USED | BEFORE_USED;
		heap.top += need;
	}
	trim(b, need);
	heap.used += size_of(b);
	return (char *)b + HEAD;
}

/* Cuts a used block in two, both used; the upper one begins `at` bytes above. */
static struct block *split(struct block *b, size_t at)
{
	struct block *upper = (struct block *)((char *)b + at);
	upper->head = (size_of(b) - at) | USED | BEFORE_USED;
	b->head -= size_of(b) - at;
	return upper;
}

void *cassin_alloc_aligned(size_t align, size_t size)
{
	size_t more;
	if (align <= ALIGN)
		return cassin_alloc(size);
	if (align > ALIGN_MOST || align & (align - 1) || __builtin_add_overflow(size, align + 2 * LEAST, &more))
		return NULL;
	LOCKED;
	char *p = cassin_alloc(size); /* one like it may have been freed */
	if (!p || (uintptr_t)p % align == 0)
		return p;
	cassin_free(p);
	/* A block that may begin anywhere: what is below the right place makes a block of its own. */
	p = cassin_alloc(more);
	if (!p)
		return NULL;
	size_t below = (align - (uintptr_t)p % align) % align;
	if (below && below < LEAST)
		below += align;
	struct block *b = (struct block *)(p - HEAD), *fitting = below ? split(b, below) : b;
	size_t had = size_of(fitting);
	trim(fitting, block_size(size));
	heap.used -= had - size_of(fitting);
	if (below)
		cassin_free(p);
	return (char *)fitting + HEAD;
}

void *cassin_zalloc(size_t count, size_t size)
{
	size_t total;
	if (__builtin_mul_overflow(count, size, &total))
		return NULL;
	void *p = cassin_alloc(total);
	return p ? memset(p, 0, total) : NULL;
}

void cassin_free(void *p)
{
	if (!p)
		return;
	LOCKED;
	struct block *b = (struct block *)((char *)p - HEAD);
	if (!(b->head & USED)) /* freed twice, or not ours: end with a report rather than go on with a broken heap */
		__builtin_trap();
	size_t size = size_of(b);
	heap.used -= size;
	b->head &= ~(size_t)USED;
	struct block *next = after(b);
	if ((char *)next != heap.top && !(next->head & USED)) {
		unlist(next);
		size += size_of(next);
	}
	if (!(b->head & BEFORE_USED)) {
		size_t below = *(size_t *)((char *)b - sizeof(size_t));
		b = (struct block *)((char *)b - below);
		unlist(b);
		size += below;
	}
	make_free(b, size);
}

/* Grows a used block upwards to at least `size`, if what is above it is free. */
static bool extend(struct block *b, size_t size)
{
	size_t have = size_of(b);
	struct block *next = after(b);
	if ((char *)next == heap.top) {
		if ((size_t)(heap.end - heap.top) < size - have)
			return false;
		b->head += size - have;
		heap.top += size - have;
		return true;
	}
	if (next->head & USED || have + size_of(next) < size)
		return false;
	unlist(next);
	b->head += size_of(next);
	after(b)->head |= BEFORE_USED;
	trim(b, size);
	return true;
}

void *cassin_realloc(void *p, size_t size)
{
	if (!p)
		return cassin_alloc(size);
	LOCKED;
	struct block *b = (struct block *)((char *)p - HEAD);
	size_t need = block_size(size), have = size_of(b);
	if (!need)
		return NULL;
	if (need <= have || extend(b, need)) {
		if (need < have)
			trim(b, need);
		heap.used += size_of(b) - have;
		return p;
	}
	void *moved = cassin_alloc(size);
	if (!moved)
		return NULL;
	memcpy(moved, p, have - HEAD);
	cassin_free(p);
	return moved;
}

size_t cassin_heap_used(void)
{
	return heap.used;
}
