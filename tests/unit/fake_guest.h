/* SPDX-License-Identifier: MIT */
/*
 * A guest without KVM, for tests of rings, operations and the console: its memory is one flat array, of which a test
 * may unmap the part from a limit on. Devices that the tests do not use refuse everything.
 */
#ifndef FAKE_GUEST_H
#define FAKE_GUEST_H

#include "device/basic.h"
#include "guest/guest.h"

#define FAKE_BASE UINT64_C(0x100000)
#define FAKE_SIZE 0x10000u

struct fake_guest {
	struct guest guest; /* first */
	struct worker worker;
	struct guest_host host;
	struct frame_pool pool;
	uint64_t limit;      /* addresses from here on are not mapped */
	unsigned wakes;      /* guest_wake() calls */
	unsigned turns;      /* worker_enqueue() calls */
	unsigned work_turns; /* worker_enqueue_work() calls */
	struct cassin_info_page info;
	_Alignas(PAGE_SIZE) unsigned char bytes[FAKE_SIZE];
};

/* A guest with all its memory mapped, zero, and no rings. */
struct fake_guest *fake_guest_new(void);
void fake_guest_free(struct fake_guest *f);
/* The monotonic clock stands at 1000 otherwise. */
void fake_time_passes(uint64_t ns);
/* The host's view of a guest address. */
void *fake_at(struct fake_guest *f, uint64_t va);

#endif
