/* SPDX-License-Identifier: MIT */
/*
 * Runs of units of a file, taken and given back in constant time: free runs in lists by size (two-level segregated fit: Masmano,
 * Ripoll, Crespo and Real, 2004), merged with their neighbours by tags at both ends. Pure; the tags are address space that costs
 * memory where runs begin and end only.
 */
#ifndef EXTENTS_H
#define EXTENTS_H

#include <stddef.h>
#include <stdint.h>

#define EXTENTS_LEVELS 32u
#define EXTENTS_STEPS 8u /* lists for each power of two */

struct extent_tag {
	uint32_t size;       /* of a free run, at its first and its last unit; 0: nothing free begins or ends here */
	uint32_t next, prev; /* in its list, at its first unit; 0: none */
};

struct extents {
	struct extent_tag *tags; /* one for each unit; unit 0 is never given */
	uint32_t units;
	uint64_t free;
	uint32_t levels;                /* a bit for each that has lists */
	uint32_t steps[EXTENTS_LEVELS]; /* a bit for each list that is not empty */
	uint32_t first[EXTENTS_LEVELS][EXTENTS_STEPS];
};

/* Units 1 to units - 1 are free. -ENOMEM, -EINVAL: fewer than 2 units, or 2^32 and more. */
int extents_init(struct extents *e, uint64_t units);
void extents_destroy(struct extents *e);
/* Takes n units in a row: the first one's number; 0: there are not so many in a row, or none was found in a few looks. */
uint32_t extents_take(struct extents *e, uint64_t n);
/* Gives back what was taken, or a part of it. */
void extents_give(struct extents *e, uint32_t at, uint32_t n);

#endif
