/* SPDX-License-Identifier: MIT */
/* The engine behind the public header: what guests, workers and cells share. */
#ifndef ENGINE_INTERNAL_H
#define ENGINE_INTERNAL_H

#include <cassin/engine.h>

#include "base/blob.h"
#include "base/container.h"
#include "base/swap.h"
#include "cell/cell.h"
#include "cell/clock.h"
#include "engine/registry.h"
#include "guest/guest.h"
#include "image/cache.h"
#include "worker/worker.h"

struct attention;
struct cassin_debugger;

struct cassin_engine {
	struct cassin_engine_options options;
	struct backend *backend;
	struct attention *attention;      /* of each worker; NULL: there are none yet */
	struct cassin_error_text not_kvm; /* why not, if it was tried */
	struct frame_pool pool;
	atomic_uint_fast64_t committed; /* pages that guests and cells can take at most */
	struct account account;         /* of what belongs to no guest and no template: images */
	uint64_t started;

	pthread_mutex_t lock; /* registry, guests' public state, changed list */
	pthread_cond_t ended; /* an incarnation has ended */
	struct registry registry;
	struct guest *changed, **changed_end;
	bool notified; /* options.notify was called and the list not drained since */

	pthread_mutex_t making; /* a shared cell is being made */
	pthread_mutex_t
		cells_lock; /* the list of cells and who uses them; held for a few steps of a list, never over a call of
				       KVM or a file: the API's loop takes it */
	struct cell *cells;
	unsigned ncells;
	struct ration reclaims;            /* flushes of cells for others; under cells_lock */
	atomic_uint_fast64_t barren_until; /* engine_reclaim() has found nothing; monotonic ns */
	struct image_cache images;
	struct blob_store files; /* contents of guests' files */

	struct template *templates; /* under the lock, in the order of their making */
	struct workers workers;
	struct guest_host host;
	struct heap_seen {
		uint64_t parkings, held;         /* at the last tick: times parked; pages that accounts hold */
		uint64_t parkings_trimmed, most; /* when the C library's heap was trimmed; the most held since */
		unsigned still;                  /* ticks in a row without a change */
	} heap;                                  /* the watcher's */
	struct swap swap;
	struct clock clock; /* under cells_lock */

	atomic_uint_fast64_t next_id, spawns, ends, crashes, restarts, flushes_past;
};

/* Registers all devices; any number of times. */
void devices_register(void);

/* A guest's public state has changed: puts it on the list. engine->lock is held. */
void engine_changed_locked(struct cassin_engine *e, struct guest *g);
/* The engine that has g. */
static inline struct cassin_engine *engine_of(const struct guest *g)
{
	return CONTAINER_OF(g->host, struct cassin_engine, host);
}
/* Fills in e->host: what guests need of their engine. */
void engine_host(struct cassin_engine *e);
/* A new incarnation runs. engine->lock is held. */
void engine_started_locked(struct cassin_engine *e, struct guest *g);
/* Lookups, any thread; the caller drops the reference with guest_put(). NULL: none. */
struct guest *engine_guest_get(struct cassin_engine *e, uint64_t id);
struct guest *engine_guest_by_name(struct cassin_engine *e, const char *domain,
				   const char *name); /* domain NULL: any */
/* Removes a guest, and waits so long at most until nothing is left of its ports at paths. -ENOENT. */
int engine_remove(struct cassin_engine *e, uint64_t id, uint64_t patience_ns);
/* What is done once a second; *opaque is the engine. */
void engine_tick(void *opaque);
/* What is done to a guest before its first instruction. */
struct spawn_how {
	bool freeze; /* it becomes a template when it makes its ready call (a clone: or when it first blocks), and ends */
	struct cassin_debugger *debugger; /* is attached, and has stopped it; NULL: none */
	bool traced;
	struct cassin_trace **trace; /* where who reads it wants it; NULL: it waits for a reader */
};
/* Spawns; *g is a reference. */
int engine_spawn(struct cassin_engine *e, const struct cassin_guest_spec *spec, const struct spawn_how *how,
		 struct guest **g, struct cassin_error_text *err);
/* A trace on the account of g, which is not attached to it yet. -ENOMEM. */
int engine_trace_new(struct cassin_engine *e, struct guest *g, struct cassin_trace **out,
		     struct cassin_error_text *err);
/* Frees one that is no longer attached. NULL is fine. */
void engine_trace_free(struct cassin_engine *e, struct guest *g, struct cassin_trace *t);
/* Attaches it. The owner's thread, or nobody else knows g. */
void engine_trace_attach(struct guest *g, struct cassin_trace *t);
/* Takes a trace that waits for a reader away from g. NULL: there is none. The owner's thread. */
struct cassin_trace *engine_trace_detach(struct guest *g);
/* The backend that the options ask for. -ENOENT, -EACCES, ... with the cure in *err. */
int engine_open_backend(struct cassin_engine *e, struct cassin_error_text *err);
/* Lets workers, `n` of them, be asked for what the backend can do without. -ENOMEM. */
int engine_attend(struct cassin_engine *e, unsigned n);
/* Has that given back, by the calling worker if it is one: it asks the others and does not wait for them, which may be waiting for it;
 * its guest waits for the memory. Any other thread waits until all have answered. False: nothing came of it. */
bool engine_reclaim_backend(struct cassin_engine *e);
/* A template by name, a reference; NULL: none. */
struct template *template_find(struct cassin_engine *e, const char *name);
/* Frees the list. No guest is left. */
void templates_drop(struct cassin_engine *e);
/* A cell for a guest of this spec, of which it is a user. */
int engine_cell_take(struct cassin_engine *e, const struct cassin_guest_spec *spec, struct cell **out,
		     struct cassin_error_text *err);
/* A user has left the cell; with the last one it goes, unless it is the default domain's. */
void engine_cell_leave(struct cassin_engine *e, struct cell *c);
/* To walk all cells: the one behind `before` (NULL: the first), of which the caller is a user until it gives it as `before`. NULL:
 * that was the last. */
struct cell *engine_cell_next(struct cassin_engine *e, struct cell *before);
void engine_cells_destroy(struct cassin_engine *e);
/* The pool's reclaim(): frees images that no guest uses, and flushes the cell with the most page tables of the dead, first of those
 * where nothing runs; where there is nothing of that, the backend gives back what it can. */
bool engine_reclaim(void *opaque);

#endif
