/* SPDX-License-Identifier: MIT */
/* The index by number, beside a plain list. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/index.h"

#define MANY 4096u

static struct indexed entries[MANY];

static uint32_t places(const struct index *x)
{
	return UINT32_C(1) << x->bits;
}

/* The longest chain. */
static unsigned longest_chain(const struct index *x)
{
	unsigned longest = 0;
	for (uint32_t i = 0; i < places(x); i++) {
		unsigned n = 0;
		for (struct indexed *e = x->bits ? x->at[i] : x->few; e; e = e->chain)
			n++;
		longest = n > longest ? n : longest;
	}
	return longest;
}

Test(index, what_was_added_is_found_until_it_is_removed)
{
	struct index x = {0};
	cr_assert_null(index_find(&x, 7));
	for (unsigned i = 0; i < MANY; i++)
		index_add(&x, &entries[i], UINT64_C(3) * i);
	for (unsigned i = 0; i < MANY; i++) {
		cr_assert_eq(index_find(&x, UINT64_C(3) * i), &entries[i]);
		cr_assert_null(index_find(&x, UINT64_C(3) * i + 1));
	}
	for (unsigned i = 0; i < MANY; i += 2)
		index_remove(&x, &entries[i]);
	for (unsigned i = 0; i < MANY; i++)
		cr_assert_eq(index_find(&x, UINT64_C(3) * i), i % 2 ? &entries[i] : NULL);
	index_clear(&x);
	cr_assert_null(index_find(&x, 3));
}

Test(index, what_it_takes_goes_with_the_keys)
{
	struct index x = {0};
	for (unsigned i = 0; i < MANY; i++)
		index_add(&x, &entries[i], i);
	cr_assert(places(&x) >= MANY / 2);
	for (unsigned i = MANY - 1; i > 0; i--) {
		index_remove(&x, &entries[i]);
		cr_assert(places(&x) <= 4 * i || !x.bits, "%u places for %u keys", places(&x), i);
		cr_assert_eq(index_find(&x, i / 2), i / 2 < i ? &entries[i / 2] : NULL);
	}
	cr_assert_eq(x.bits, 0u);
	cr_assert_eq(index_find(&x, 0), &entries[0]);
	index_remove(&x, &entries[0]);
	cr_assert_null(index_find(&x, 0));
}

Test(index, of_one_key_the_oldest_is_found)
{
	struct index x = {0};
	for (unsigned i = 0; i < 5; i++)
		index_add(&x, &entries[i], 9);
	cr_assert_eq(index_find(&x, 9), &entries[0]);
	index_remove(&x, &entries[1]);
	index_remove(&x, &entries[0]);
	cr_assert_eq(index_find(&x, 9), &entries[2]);
	index_add(&x, &entries[0], 9);
	index_remove(&x, &entries[2]);
	index_remove(&x, &entries[3]);
	index_remove(&x, &entries[4]);
	cr_assert_eq(index_find(&x, 9), &entries[0]);
	index_remove(&x, &entries[0]);
	cr_assert_null(index_find(&x, 9));
	cr_assert_eq(x.keys, 0u);
	index_clear(&x);
}

/* Keys are a guest's choice: none that it can think of may make searches long. */
Test(index, keys_that_look_alike_are_spread)
{
	for (unsigned shift = 0; shift < 52; shift += 4) {
		struct index x = {0};
		for (unsigned i = 0; i < MANY; i++)
			index_add(&x, &entries[i], (uint64_t)i << shift);
		cr_assert_leq(longest_chain(&x), 24u, "keys that are multiples of 2^%u", shift);
		index_clear(&x);
	}
	struct index x = {0};
	for (unsigned i = 0; i < MANY; i++)
		index_add(&x, &entries[i], 42);
	cr_assert_eq(longest_chain(&x), 1u);
	index_clear(&x);
}

Test(index, what_it_takes_is_told_before)
{
	struct index x = {0};
	cr_assert_eq(index_bytes(&x), 0u);
	for (unsigned i = 0; i < MANY; i++) {
		size_t most = index_bytes(&x) + index_growth(&x);
		index_add(&x, &entries[i], i);
		cr_assert_eq(index_bytes(&x), most);
	}
	cr_assert(index_bytes(&x) >= MANY * sizeof(void *) && index_bytes(&x) <= 2 * MANY * sizeof(void *));
	for (unsigned i = 0; i < MANY; i++)
		index_remove(&x, &entries[i]);
	cr_assert_eq(index_bytes(&x), 0u);
	index_clear(&x);
}

Test(index, agrees_with_a_plain_list_at_random)
{
	static struct indexed *list[MANY];
	struct index x = {0};
	unsigned n = 0;
	srand(5);
	for (unsigned step = 0; step < 40000; step++) {
		uint64_t key = (uint64_t)rand() % 300;
		if (n < 600 && rand() % 2) {
			struct indexed *e = malloc(sizeof *e);
			index_add(&x, e, key);
			list[n++] = e;
		} else if (n) {
			unsigned victim = (unsigned)rand() % n;
			index_remove(&x, list[victim]);
			free(list[victim]);
			n--;
			for (unsigned i = victim; i < n; i++)
				list[i] = list[i + 1];
		}
		struct indexed *oldest = NULL;
		for (unsigned i = 0; i < n && !oldest; i++)
			oldest = list[i]->key == key ? list[i] : NULL;
		cr_assert_eq(index_find(&x, key), oldest);
	}
	while (n)
		free(list[--n]);
	index_clear(&x);
}
