/* SPDX-License-Identifier: MIT */
/* The lowest free number. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/numbers.h"

Test(numbers, the_lowest_that_is_free_is_told)
{
	struct numbers n = {0};
	cr_assert_eq(numbers_lowest(&n), 0u);
	cr_assert_eq(numbers_grow(&n, 100), 0);
	for (uint32_t i = 0; i < 70; i++) {
		cr_assert_eq(numbers_lowest(&n), i);
		numbers_take(&n, i);
	}
	numbers_give(&n, 64);
	numbers_give(&n, 3);
	cr_assert_eq(numbers_lowest(&n), 3u);
	numbers_take(&n, 3);
	cr_assert_eq(numbers_lowest(&n), 64u);
	numbers_free(&n);
}

Test(numbers, agrees_with_a_plain_search_at_random)
{
	static unsigned char taken[20000];
	struct numbers n = {0};
	uint32_t size = 0;
	srand(7);
	for (unsigned step = 0; step < 40000; step++) {
		uint32_t lowest = numbers_lowest(&n), want = 0;
		while (want < sizeof taken && taken[want])
			want++;
		cr_assert_eq(lowest, want);
		if (rand() % 3) {
			size = lowest + 1 > size ? lowest + 1 : size;
			cr_assert_eq(numbers_grow(&n, size), 0);
			numbers_take(&n, lowest);
			taken[lowest] = 1;
		} else if (size) {
			uint32_t some = (uint32_t)rand() % size;
			numbers_give(&n, some);
			taken[some] = 0;
		}
	}
	cr_assert_gt(size, 4096u, "more than one word of full words was wanted");
	numbers_free(&n);
}
