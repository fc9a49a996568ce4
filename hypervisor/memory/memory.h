/* SPDX-License-Identifier: MIT */
/*
 * A guest's memory: pages numbered from 0, the frames behind them, its spaces (page-table roots), and the only
 * doors to them (copyin, copyout, span). Used by the thread that owns the guest, while the guest does not run.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <errno.h>
#include <sys/uio.h>

#include "base/account.h"
#include "base/types.h"
#include "cell/cpu_state.h"
#include "image/image.h"

struct cell;
struct cell_image;
struct vcpu;

#define STACK_PAGES 16u
#define MAP_PAGES_MAX 4096u /* of one map, unmap or protect call */

/* What lies in space 0 at the start. The guest changes it by unmap, protect and map. */
struct region {
	uint64_t va;
	uint64_t pages;
	uint64_t first; /* number of its first page; unused for hypervisor pages */
	unsigned rights;
	enum {
		REGION_PAGES,
		REGION_CLOCK,
		REGION_INFO
	} what;                              /* the guest's pages, or a page of the hypervisor's: read-only */
	const struct image_segment *segment; /* initial content; NULL: zero */
};

/* Where things were put. */
struct memory_layout {
	uint64_t stack_low, stack_high, clock_page, info_page, heap, heap_size, heap_page;
};

/* The regions of all guests that have an image in common, and a quota. They never change. */
struct regions {
	uint64_t quota;
	struct memory_layout layout;
	unsigned n;
	struct region at[];
};

/* Page numbers to frames, 64 at a time, so that a guest which touches little costs little. */
#define CHUNK_PAGES 64u
struct chunk {
	frame_t frame[CHUNK_PAGES];
};

/* Parked memory (park.h). It is kept by value: a block of the C library's for each guest whose bytes are in the swap
 * file would lie between holes as large as those bytes. */
struct parked {
	unsigned char
		*bytes; /* mappings; then, again and again, the content of some pages, compressed, and their numbers */
	struct memory_io *io; /* in whose swap file the bytes are instead, at `at`; NULL: they are here */
	uint64_t at, sum;
	uint32_t npages, nentries;
	uint32_t packed; /* bytes behind the mappings */
	bool active;     /* else nothing of this counts */
	bool info;       /* the guest had touched its info page */
};

struct memory {
	struct cell *cell;
	struct cell_image *image;
	uint64_t pages; /* quota */
	uint64_t used;  /* pages with a frame of their own */
	uint64_t table_frames;
	struct chunk **chunks;
	uint32_t nchunks;
	unsigned fault_window; /* how far sequential growth runs ahead, */
	uint64_t fault_next;   /* and where it would fault next */
	struct tables tables;
	frame_t info;                  /* its info page, made when first touched */
	frame_t clock;                 /* the clock page that it shares */
	const struct regions *regions; /* the image's, if that is m->image->regions */
	struct account *account;       /* on which its parked bytes and its chunks are; NULL: on none */
	struct parked parked;          /* active: there are no frames and no tables, */
	bool dropping;                 /* or some of them are still to be given back */
	bool booting;                  /* pages touched now are remembered for the image's next instance */
	bool starved;                  /* an -ENOMEM came of the pool's being full: memory_starved() */
	int lost;                /* -ENOMEM, -EIO: it could not be unparked when it had to be, so each use fails; 0 */
	struct parking *parking; /* under way, in pieces: park_pieces.c; NULL: none */
	struct waking *waking;   /* likewise: unpark_pieces.c */
	/* The parked bytes are being written, and stay until that is over; NULL: they are not. */
	struct swap_job *writing;
	size_t wiped; /* of the parked bytes, at the end */
};

static inline const struct memory_layout *memory_layout(const struct memory *m)
{
	return &m->regions->layout;
}

/* Page tables that a guest with a quota of `pages` may have. */
static inline uint64_t memory_tables_most(uint64_t pages)
{
	return pages / 64 + 64;
}

/* Host memory that is needed to number so many pages. */
static inline uint64_t memory_numbers_most(uint64_t pages)
{
	return (pages / CHUNK_PAGES + 8) * (sizeof(struct chunk) + sizeof(struct chunk *));
}

/* Builds space 0 for `image` with a quota of `pages`. What it takes besides frames is on `account` (NULL: on none). -ENOMEM: pool
 * exhausted; -E2BIG: image and stack exceed the quota. On failure nothing is held. */
int memory_init(struct memory *m, struct cell *cell, struct cell_image *image, uint64_t pages, struct account *account);
/* The same in pieces of 128 mappings of a template; the last shows what the guest will surely touch: up to 128 pages of each segment of
 * its image and of its template. *mapped is 0 at first. go_on: 1: there is more; 0; -ENOMEM. */
int memory_init_begin(struct memory *m, struct cell *cell, struct cell_image *image, uint64_t pages,
		      struct account *account);
int memory_init_go_on(struct memory *m, size_t *mapped);
/* Gives all frames back, page tables through the quarantine. _some: a bounded piece; true: there is more. */
void memory_destroy(struct memory *m);
bool memory_destroy_some(struct memory *m);

/* Gives all frames and tables back but keeps the layout; for parking. _some: of so many chunks of pages and page tables together at
 * most; true: there is more. */
void memory_drop(struct memory *m);
bool memory_drop_some(struct memory *m, uint32_t most);
/* Gives a page, which has not been written to, a frame of its own with what memory_page_delta() was once made of, and shows it
 * where the initial regions have it. -ENOMEM. */
int memory_fill(struct memory *m, uint64_t page, const void *delta);
/* Shows again what a guest surely touches: its image, the clock page, and the info page if it had. -ENOMEM. */
int memory_map_again(struct memory *m, bool info);

/* Answers a page fault in `space`; `error` is the hardware's error code. 0: run on; -EFAULT: the guest's own fault;
 * -ENOMEM: the pool or the quota is exhausted. */
int memory_fault(struct memory *m, unsigned space, gva_t va, uint64_t error);

/* Makes (space, va) usable for `want` (CASSIN_READ, ...): fills, or breaks copy-on-write. Gives its frame. -EFAULT,
 * -ENOMEM. */
int memory_touch(struct memory *m, unsigned space, uint64_t va, unsigned want, frame_t *out);

/* Makes the page at va the guest's own, if it is one that guests share, whatever the guest's rights to it. Gives its frame.
 * -EFAULT: it is the hypervisor's, or cannot be read; -ENOMEM. */
int memory_own(struct memory *m, uint64_t va, frame_t *out);

/* What lies at va, for a crash report: "not mapped", "the guard page below the stack", ... Static text. `rsp` tells the guard
 * of another stack, which is a page that the guest has unmapped. */
const char *memory_describe(struct memory *m, uint64_t va, uint64_t rsp);

/* Copies between the hypervisor and space 0. All or nothing is *checked* first. -EFAULT, -ENOMEM. */
int memory_copyin(struct memory *m, void *to, gva_t from, size_t len);
int memory_copyin_from(struct memory *m, unsigned space, void *to, gva_t from, size_t len); /* of another space */
int memory_copyout(struct memory *m, gva_t to, const void *from, size_t len);
/* Writes where the guest itself may only read, too: a debugger's breakpoint in its code. -EFAULT, -ENOMEM; what comes before
 * the page that fails is written then. */
int memory_poke(struct memory *m, gva_t to, const void *from, size_t len);
/* Translates [va, va+len) of space 0 for reading or writing by the host: `want` is CASSIN_READ, or CASSIN_WRITE, for which
 * copy-on-write is broken first.
 * Fills at most `max` pieces, may cover less than len then. Returns the number of pieces (0 for len 0), -EFAULT,
 * -ENOMEM. The pieces are good until control goes back to the guest's own thread loop. */
int memory_span_for(struct memory *m, gva_t va, size_t len, unsigned want, struct iovec *iov, int max);
/* -EFAULT unless every page of the range is mapped with the right; touches nothing. */
int memory_check_for(struct memory *m, gva_t va, size_t len, unsigned want);

/* The paging calls. -EINVAL (space, alignment, range, rights, count), -EEXIST (map over a mapping),
 * -ENOENT (unmap or protect a hole), -ENOMEM. Nothing changes on failure. */
int memory_map(struct memory *m, unsigned space, gva_t va, uint64_t page, uint64_t count, uint64_t rights);
int memory_unmap(struct memory *m, unsigned space, gva_t va, uint64_t count);
int memory_protect(struct memory *m, unsigned space, gva_t va, uint64_t count, uint64_t rights);
int memory_space_create(struct memory *m);      /* number, -EMFILE, -ENOMEM */
bool memory_has_spaces(const struct memory *m); /* other than space 0 */
/* A piece of it: 16 page tables at most. 1: there is more, and the guest does not run before; 0; -EINVAL; -EBUSY for space 0. */
int memory_space_destroy(struct memory *m, unsigned space);

/* Whether this content is what the page has from its image. */
bool memory_page_is_image(const struct memory *m, uint64_t page, const void *content);
/* How this content differs from what the page would hold if it were never written to: zero where it does not, so that little is left
 * of it when it is compressed. To *delta, which is aligned as pages are. False: nowhere. */
bool memory_page_delta(const struct memory *m, uint64_t page, const void *content, void *delta);
/* The not-present entry that says: page number `page`, with these rights. */
uint64_t memory_mapped_value(uint64_t page, uint64_t rights);

/* The frame of a page's own; FRAME_NONE: it has none. */
static inline frame_t memory_frame(const struct memory *m, uint64_t page)
{
	const struct chunk *c = page / CHUNK_PAGES < m->nchunks ? m->chunks[page / CHUNK_PAGES] : NULL;
	return c ? c->frame[page % CHUNK_PAGES] : FRAME_NONE;
}

#define AT_ONCE_PAGES 128u    /* parked or unparked at once: half a mebibyte is a millisecond or two, */
#define AT_ONCE_TABLES 16u    /* if its page tables are as few, */
#define AT_ONCE_MAPPINGS 128u /* or the mappings that it has changed */

/* Whether memory is parked that takes more than a moment to unpark: that is done in pieces wherever it can be, and always where it is
 * in the swap file. */
static inline bool memory_sleeps(const struct memory *m)
{
	return m->parked.active && (m->waking || m->parked.io || m->dropping || m->parked.npages > AT_ONCE_PAGES ||
				    m->parked.nentries > AT_ONCE_MAPPINGS);
}

/* Notes why there was no memory: r is what the pool, or an account, has said. -ENOMEM, or 0. */
static inline int memory_refused(struct memory *m, int r)
{
	m->starved |= r == -ENOMEM;
	return r ? -ENOMEM : 0;
}

/* Whether a door's -ENOMEM since the last call of this came of the pool's being full, so that the same may succeed later; nothing of
 * what was wanted has happened then. Forgets it. */
static inline bool memory_starved(struct memory *m)
{
	bool starved = m->starved;
	m->starved = false;
	return starved;
}

/* Pages of the pool with which what the memory was starved of would succeed, by a guess that is rather too large. */
static inline uint64_t memory_wants(const struct memory *m)
{
	const struct parked *p = &m->parked;
	uint64_t fault = 8; /* a page, its tables, and a page of the account's */
	return fault + (p->active ? p->npages + p->npages / 64 + p->nentries / 64 : 0);
}

/* The host's view of the info page, NULL while the guest has not touched it. */
struct cassin_info_page *memory_info(struct memory *m);

#endif
