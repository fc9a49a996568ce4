/* SPDX-License-Identifier: MIT */
/* Free runs of the swap file. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/extents.h"

#define UNITS 5000u
#define HELD 600u

/* A run of n free units in the map; 0: there is none. */
static bool has_run(const unsigned char *taken, uint32_t n)
{
	uint32_t run = 0;
	for (uint32_t u = 1; u < UNITS && run < n; u++)
		run = taken[u] ? 0 : run + 1;
	return run >= n;
}

static uint64_t count_free(const unsigned char *taken)
{
	uint64_t n = 0;
	for (uint32_t u = 1; u < UNITS; u++)
		n += !taken[u];
	return n;
}

/* Every free run is in one list, whole: merged with its neighbours. */
static void check_lists(const struct extents *e, const unsigned char *taken)
{
	uint64_t units = 0;
	for (unsigned l = 0; l < EXTENTS_LEVELS; l++) {
		for (unsigned s = 0; s < EXTENTS_STEPS; s++) {
			cr_assert_eq(!e->first[l][s], !(e->steps[l] >> s & 1));
			for (uint32_t at = e->first[l][s]; at; at = e->tags[at].next) {
				uint32_t n = e->tags[at].size;
				units += n;
				cr_assert(at == 1 || taken[at - 1]);
				cr_assert(at + n == UNITS || taken[at + n]);
				cr_assert_eq(e->tags[at + n - 1].size, n);
				for (uint32_t u = at; u < at + n; u++)
					cr_assert_not(taken[u]);
			}
		}
	}
	cr_assert_eq(units, e->free);
}

Test(extents, agree_with_a_map_of_units)
{
	static unsigned char taken[UNITS];
	static struct {
		uint32_t at, n;
	} held[HELD];
	struct extents e;
	unsigned nheld = 0, refused = 0;
	cr_assert_eq(extents_init(&e, UNITS), 0);
	srand(3);
	for (unsigned step = 0; step < 40000; step++) {
		if (nheld < HELD && rand() % 100 < (step / 4000 % 2 ? 40 : 60)) {
			uint32_t n = 1u + (uint32_t)rand() % (rand() % 10 ? 12u : 700u), at = extents_take(&e, n);
			if (!at) {
				cr_assert_not(has_run(taken, n + n / EXTENTS_STEPS + 1), "step %u: %u units", step, n);
				refused++;
				continue;
			}
			for (uint32_t u = at; u < at + n; u++) {
				cr_assert(u > 0 && u < UNITS && !taken[u]);
				taken[u] = 1;
			}
			held[nheld].at = at;
			held[nheld++].n = n;
		} else if (nheld) {
			unsigned i = (unsigned)rand() % nheld;
			memset(taken + held[i].at, 0, held[i].n);
			extents_give(&e, held[i].at, held[i].n);
			held[i] = held[--nheld];
		}
		cr_assert_eq(e.free, count_free(taken));
		if (step % 97 == 0)
			check_lists(&e, taken);
	}
	cr_assert_gt(refused, 0u);
	extents_destroy(&e);
}

Test(extents, all_of_it_comes_back_as_one_run)
{
	struct extents e;
	uint32_t at[UNITS];
	cr_assert_eq(extents_init(&e, UNITS), 0);
	for (unsigned i = 0; i < UNITS - 1; i++)
		cr_assert_neq(at[i] = extents_take(&e, 1), 0u);
	cr_assert_eq(extents_take(&e, 1), 0u);
	for (unsigned i = 0; i < UNITS - 1; i += 2)
		extents_give(&e, at[i], 1);
	cr_assert_eq(extents_take(&e, 2), 0u);
	for (unsigned i = 1; i < UNITS - 1; i += 2)
		extents_give(&e, at[i], 1);
	cr_assert_eq(extents_take(&e, UNITS - 1), 1u);
	extents_destroy(&e);
}

Test(extents, a_file_of_two_tebibytes_costs_no_memory_to_begin_with)
{
	struct extents e;
	cr_assert_eq(extents_init(&e, UINT32_MAX), 0);
	uint32_t at = extents_take(&e, 1u << 30);
	cr_assert_neq(at, 0u);
	extents_give(&e, at, 1u << 30);
	cr_assert_eq(e.free, UINT32_MAX - 1u);
	extents_destroy(&e);
	cr_assert_eq(extents_init(&e, UINT64_C(1) << 32), -EINVAL);
	cr_assert_eq(extents_init(&e, 1), -EINVAL);
}
