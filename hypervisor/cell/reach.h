/* SPDX-License-Identifier: MIT */
/*
 * How much memory a cell can have. The monitor reaches a cell's memory through one entry of its own root (MONITOR_DIRECT_L4),
 * which is half a terabyte; a cell that were larger would have tables that its monitor writes past. Pure arithmetic.
 */
#ifndef REACH_H
#define REACH_H

#include <stdint.h>

#define CELL_REACH (UINT64_C(512) << 30)
#define CELL_OVERHEAD (UINT64_C(4) << 20) /* monitor and rounding */
#define CELL_GRAIN (UINT64_C(2) << 20)    /* the direct map's pages */
/* The most that guests of a cell can have, and so the largest pool: CELL_REACH without tables (a 64th) and overhead. */
#define CELL_BYTES_MOST (UINT64_C(504) << 30)

/* Address space of a cell with room for `bytes` of guest memory: tables and the monitor come on top. 0: beyond its reach. */
static inline uint64_t cell_size(uint64_t bytes)
{
	if (bytes > CELL_BYTES_MOST)
		return 0;
	return (bytes + bytes / 64 + CELL_OVERHEAD + CELL_GRAIN - 1) & ~(CELL_GRAIN - 1);
}

/* Frames that the monitor of such a cell and its tables take at most. */
static inline uint64_t cell_monitor_most(uint64_t bytes, unsigned workers)
{
	return 16 + cell_size(bytes) / (UINT64_C(1) << 30) + 2 * (uint64_t)workers;
}

/* The pool of an engine for which `wanted` was asked (0: nothing), on a host with this much memory to give. */
static inline uint64_t cell_pool(uint64_t wanted, uint64_t available)
{
	uint64_t share = available / 4 * 3;
	return wanted ? wanted : share < CELL_BYTES_MOST ? share : CELL_BYTES_MOST;
}

#endif
