/* SPDX-License-Identifier: MIT */
/*
 * A cell: memory that guests of one domain share, of which only what their page tables show is theirs; a vCPU for each worker
 * that visits; and the image pages that the guests share. A cell of capacity one is `isolation: "vm"`. What keeps a guest in
 * its pages is the backend's: a KVM VM with a monitor (kvm/), or host processes (process/).
 */
#ifndef CELL_H
#define CELL_H

#include <pthread.h>

#include "base/ration.h"
#include "cell/backend.h"
#include "cell/frames.h"
#include "image/frozen.h"
#include "image/image.h"

#define WORKERS_MAX 64u
#define CELL_QUARANTINE_MOST 2048u /* freed page tables that wait; then the cell is flushed */

struct clock;
struct vcpu;

/* Guests that share a page. The shadow paging of KVM takes a page away from all who have mapped it when more than 1000 entries
 * of page tables do (RMAP_RECYCLE_THRESHOLD in arch/x86/kvm/mmu/mmu.c), and each of them faults again. */
#define SHARERS_MOST 900u

struct cell_clock {
	struct cell_clock *next;
	frame_t frame;
	unsigned guests; /* that see it */
};

/* An image's pages in a cell, read-only and shared by up to SHARERS_MOST guests; filled as guests touch them. */
struct cell_image {
	struct cell_image *next;
	struct image *image;            /* a reference */
	unsigned guests;                /* that use it */
	uint64_t npages;                /* of all segments, zero pages too; numbered in the segments' order */
	_Atomic frame_t *frames;        /* shared frame by page number; FRAME_NONE: not filled yet */
	struct frozen *frozen;          /* a template's, a reference, whose pages go before the image's; NULL: none */
	_Atomic frame_t *frozen_frames; /* shared frame by place in it; FRAME_NONE: not filled yet */
	uint64_t filled;                /* of both; under the lock */
	uint64_t freed;                 /* once it is let go: frames that were looked at, in the order of both */
	uint64_t nboot_pages;           /* pages that earlier instances wrote to while they booted: given at spawn */
	uint32_t boot_pages[64];
	void *regions; /* of memory/: what its first guest laid out; malloc'd, for later ones of the same quota; NULL: nobody yet */
};

struct cell {
	struct cell *next;
	const struct backend *backend;
	unsigned number;
	char *domain;
	bool single;           /* capacity one */
	unsigned users;        /* guests, and who looks at it now; the engine's, under a lock of its own */
	uint64_t committed;    /* pages of the pool that were promised to it */
	unsigned char *memory; /* host view of guest-physical 0 */
	uint64_t size;         /* of the reservation, bytes */
	uint64_t grown;        /* bytes that are in use, */
	uint64_t slot_size;    /* in steps of this many */
	struct frames frames;
	struct account account;    /* of host memory: what the backend holds here for no guest in particular */
	_Atomic frame_t populated; /* below it the host has been asked for every frame's page */

	frame_t link; /* what entry MONITOR_L4 of every root points to; FRAME_NONE: nothing */
	unsigned workers;

	pthread_mutex_t lock; /* images, flush, vCPU creation */
	struct cell_image *images;
	struct cell_image *gone;         /* no guest will use these; their frames are still to be given back, */
	struct cell_image *emptied;      /* or what else they hold, which takes long */
	struct cell_clock *clocks;       /* the newest first */
	struct vcpu *vcpus[WORKERS_MAX]; /* each used by its worker only */
	struct ration flush_ration;      /* under the lock */
	atomic_uint_fast64_t flushes, image_frames;
	atomic_bool busy; /* a guest has run since the last tick */
	bool trimmed;     /* the watcher's */
};

/* A cell with room for `bytes` of guest memory and `workers` vCPUs. -ENOMEM, -EMFILE, ...; *err says which. */
int cell_create(struct cell **out, const struct backend *b, struct frame_pool *pool, uint64_t bytes, unsigned workers,
		struct cassin_error_text *err);
/* No guest is left and no worker will run one. */
void cell_destroy(struct cell *c);

static inline void *cell_frame(const struct cell *c, frame_t f)
{
	return c->memory + frame_gpa(f).v;
}

/* A frame for the caller to overwrite whole, unless it is fresh (zero). When the pool is full, the quarantine is emptied first, and then
 * what is of use to nobody anywhere is given back. _locked: c->lock is held, so all else is left alone: cell_reclaim() is for
 * afterwards. -ENOMEM: the pool is full; -ENOSPC: the cell is, or the host has no memory. */
int cell_frame_alloc(struct cell *c, frame_t *out, bool *fresh);
int cell_frame_alloc_locked(struct cell *c, frame_t *out, bool *fresh);
/* Whether it is worth another try, -ENOMEM having been the answer to the last *tries. No lock is held. */
bool cell_reclaim(struct cell *c, unsigned *tries);
/* A frame of zeros. -ENOMEM, -ENOSPC. */
int cell_frame_zero(struct cell *c, frame_t *out);
/* Makes KVM forget every shadow of this cell's page tables, and every vCPU its translations. */
void cell_flush(struct cell *c);
/* A flush makes all guests of the cell fault in again what they touch, so the flushes of a cell are rationed: this is the time
 * until which the guest should wait whose turn the calling thread has, for those that it has caused; 0: it need not. _take:
 * forgets that, too. */
uint64_t cell_flush_owed(void);
uint64_t cell_flush_take(void);
/* Makes it wait at least until then. */
void cell_flush_owe(uint64_t until);
/* Flushes the cell if that gives frames back; true: it did. */
bool cell_flush_quarantine(struct cell *c);
/* Page-table frames of the dead: reused only after a flush, which many of them share. */
void cell_tables_free(struct cell *c, const frame_t *at, size_t n);
/* Gives the kernel's shadow memory of idle guests back, and the quarantine; for cells where nothing runs. */
void cell_trim(struct cell *c);
/* Gives frames that nobody has needed since the last call back to the host: half of them, as need comes in waves, or all
 * where nothing runs (`rest`). Called about once a second. */
void cell_return(struct cell *c, bool rest);

/* The frame of a clock page for a guest, and back. -ENOMEM. */
int cell_clock_get(struct cell *c, frame_t *out);
void cell_clock_put(struct cell *c, frame_t clock);
/* Writes the time to all of them; makes the first. -ENOMEM. */
int cell_clocks_publish(struct cell *c, const struct clock *clock);
void cell_clocks_free(struct cell *c); /* but their frames */

/* The cell's share of an image, or of what a template of it holds (NULL: none); taken with a guest, dropped at its end. NULL: no
 * memory. */
struct cell_image *cell_image_get(struct cell *c, struct image *image, struct frozen *frozen);
void cell_image_put(struct cell *c, struct cell_image *ci);
/* Gives all back that was let go: a put gives back a bounded piece, and leaves the rest for this. True: there was something. */
bool cell_images_collect(struct cell *c);
/* Frees it and its frames. The lock is held, or nobody else is left; no guest uses it. */
void cell_image_free(struct cell *c, struct cell_image *ci);
/* Frees those that no guest uses, but for a few small ones. True: there were some. */
bool cell_images_trim(struct cell *c);
/* Gives back frames of those that no guest uses: a piece, *left pages of theirs (CELL_IMAGES_PIECE at most), which it takes off. True:
 * there were some. */
#define CELL_IMAGES_PIECE 1024u
bool cell_images_drop_some(struct cell *c, unsigned *left);
/* The shared frame of page number `page`, which the template gives or else `segment`, whose pages start at number `first`.
 * -ENOMEM. */
int cell_image_frame(struct cell *c, struct cell_image *ci, const struct image_segment *segment, uint64_t first,
		     uint64_t page, frame_t *out);
/* The same if it is filled already; FRAME_NONE. */
frame_t cell_image_shared(const struct cell_image *ci, uint64_t page);
/* The template's content of a page; NULL: it has none. */
const void *cell_image_frozen(const struct cell_image *ci, uint64_t page);
/* Remembers that page number `page` (any page of the guest, not only the image's) is written to during boot. */
void cell_image_boot_page(struct cell *c, struct cell_image *ci, uint64_t page);

#endif
