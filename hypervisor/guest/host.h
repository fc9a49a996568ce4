/* SPDX-License-Identifier: MIT */
/* What guests need of the engine that has them. The engine fills it in, and takes its own lock in the functions. */
#ifndef HOST_H
#define HOST_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct frame_pool;
struct guest;
struct paths;
struct swap;

enum end_kind { END_EXIT, END_CRASH, END_KILL };

/* How an incarnation has ended. */
struct guest_ending {
	enum end_kind kind;
	int code;     /* as the guest's status shows it */
	bool again;   /* the restart policy begins another */
	char *report; /* of a crash, malloc'd, handed over; NULL: none */
};

struct guest_host {
	struct frame_pool *pool;
	struct paths *paths;     /* threads for what is at paths */
	uint64_t run_bytes_most; /* as the backend has it */
	struct swap *swap;       /* for parked memory; NULL: there is none */
	struct paths *swappers;  /* threads that read and write it */
	uint64_t park_after_ns;  /* 0: never */
	atomic_uint_fast64_t parked, parkings;
	atomic_uint_fast64_t wanting, waits; /* guests that wait for memory now; and how often one did */
	unsigned descriptors_most;           /* that guests may have open together: descriptors.h */
	atomic_uint descriptors;
	/* Console bytes as they are written, on a worker's thread; NULL: nobody wants them. */
	void (*console)(void *opaque, uint64_t id, const char *bytes, size_t len);
	void *console_opaque;
	/* The guest of this name, a reference, if it belongs to the domain; NULL. Any thread. */
	struct guest *(*by_name)(struct guest_host *h, const char *domain, const char *name);
	/* The guest made the ready call, or blocked for the first time. The owner's thread, as the next three. */
	void (*ready)(struct guest *g);
	void (*ended)(struct guest *g, const struct guest_ending *how);
	/* A restart: a new incarnation is about to run; or could not be made, for this reason. */
	void (*restarted)(struct guest *g);
	void (*restart_failed)(struct guest *g, const char *why, bool again);
};

#endif
