/* SPDX-License-Identifier: MIT */
/* Accounts: whole pages of a sum of bytes, their limits, and all given back. */
#include <criterion/criterion.h>

#include <errno.h>
#include <pthread.h>

#include "base/account.h"

#define PAGE 4096u
#define THREADS 4u
#define ROUNDS 20000u

static struct frame_pool pool;
static struct account a;

static void set_up(void)
{
	pool = (struct frame_pool){.limit = 4};
	a = (struct account){0};
	account_init(&a, &pool, UINT64_MAX);
}

TestSuite(account, .init = set_up);

Test(account, many_small_things_are_rounded_up_once)
{
	for (unsigned i = 0; i < PAGE; i++)
		cr_assert_eq(account_charge(&a, i % 2 ? ACCOUNT_STREAMS : ACCOUNT_OPERATIONS, 1), 0);
	cr_assert_eq(pool.used, 1u);
	cr_assert_eq(pool.host, 1u);
	cr_assert_eq(account_bytes(&a, ACCOUNT_STREAMS), PAGE / 2);
	cr_assert_eq(account_charge(&a, ACCOUNT_STREAMS, 1), 0);
	cr_assert_eq(pool.used, 2u);
}

Test(account, what_does_not_fit_the_pool_is_refused_and_leaves_nothing)
{
	cr_assert_eq(account_charge(&a, ACCOUNT_FROZEN, 4 * PAGE), 0);
	cr_assert_eq(account_charge(&a, ACCOUNT_OPERATIONS, 1), -ENOMEM);
	cr_assert_eq(account_bytes(&a, ACCOUNT_OPERATIONS), 0u);
	cr_assert_eq(pool.used, 4u);
	account_uncharge(&a, ACCOUNT_FROZEN, 1);
	cr_assert_eq(account_charge(&a, ACCOUNT_OPERATIONS, 1), 0);
}

Test(account, a_limit_counts_all_but_what_is_parked_and_traces)
{
	a.limit = 100;
	account_force(&a, ACCOUNT_PARKED, 2 * PAGE);
	cr_assert_eq(account_charge(&a, ACCOUNT_STREAMS, 60), 0);
	cr_assert_eq(account_charge(&a, ACCOUNT_TRACES, 200), 0);
	cr_assert_eq(account_charge(&a, ACCOUNT_OPERATIONS, 41), -EDQUOT);
	cr_assert_eq(account_charge(&a, ACCOUNT_OPERATIONS, 40), 0);
	cr_assert_eq(account_charge(&a, ACCOUNT_TRACES, 2 * PAGE), -ENOMEM);
}

Test(account, what_must_be_is_charged_beyond_all_limits_and_given_back)
{
	account_force(&a, ACCOUNT_PARKED, 7 * PAGE + 1);
	cr_assert_eq(pool.used, 8u);
	cr_assert_eq(frame_pool_take(&pool, NULL, 1), -ENOMEM);
	account_uncharge(&a, ACCOUNT_PARKED, 7 * PAGE + 1);
	cr_assert_eq(pool.used, 0u);
	cr_assert_eq(pool.host, 0u);
}

static uint64_t idle; /* pages that nobody needs */

static bool give_idle_back(void *opaque)
{
	struct frame_pool *p = opaque;
	uint64_t n = idle;
	idle = 0;
	frame_pool_give(p, NULL, n);
	return n;
}

Test(account, what_nobody_needs_is_given_back_for_a_charge)
{
	pool.reclaim = give_idle_back;
	pool.opaque = &pool;
	idle = 3;
	cr_assert_eq(frame_pool_take(&pool, NULL, idle), 0);
	cr_assert_eq(account_charge(&a, ACCOUNT_STREAMS, 4 * PAGE), 0);
	cr_assert_eq(idle, 0u);
	cr_assert_eq(account_charge(&a, ACCOUNT_STREAMS, 1), -ENOMEM);
	idle = 1;
	a.limit = 4 * PAGE;
	cr_assert_eq(account_charge(&a, ACCOUNT_STREAMS, 1), -EDQUOT);
	cr_assert_eq(idle, 1u, "for its own limit nobody pays");
}

Test(account, what_takes_the_place_of_something_is_charged_whatever_the_pool_has)
{
	account_force(&a, ACCOUNT_FROZEN, 6 * PAGE);
	cr_assert_eq(account_replace(&a, ACCOUNT_STREAMS, PAGE), 0);
	a.limit = 7 * PAGE;
	cr_assert_eq(account_replace(&a, ACCOUNT_STREAMS, 1), -EDQUOT);
	cr_assert_eq(pool.used, 7u);
}

Test(account, a_domains_part_has_its_pages)
{
	struct pool_part *part = a.part = pool_part_get(&pool, "d");
	cr_assert_eq(account_charge(&a, ACCOUNT_STREAMS, 2 * PAGE), 0);
	cr_assert_eq(part->used, 2u);
	cr_assert_eq(account_charge(&a, ACCOUNT_STREAMS, 3 * PAGE), -ENOMEM);
	cr_assert_eq(part->used, 2u);
	account_uncharge(&a, ACCOUNT_STREAMS, 2 * PAGE);
	cr_assert_eq(part->used, 0u);
	pool_part_put(&pool, part);
}

Test(account, a_try_has_nothing_given_back)
{
	pool.reclaim = give_idle_back;
	pool.opaque = &pool;
	idle = 2;
	cr_assert_eq(frame_pool_take(&pool, NULL, idle), 0);
	cr_assert_eq(account_try(&a, ACCOUNT_PROCESSES, 2 * PAGE), 0, "two were free");
	cr_assert_eq(account_try(&a, ACCOUNT_PROCESSES, PAGE), -ENOMEM);
	cr_assert_eq(idle, 2u);
	cr_assert_eq(account_charge(&a, ACCOUNT_PROCESSES, PAGE), 0);
}

Test(account, processes_take_none_of_a_guests_room)
{
	a.limit = 10;
	cr_assert_eq(account_try(&a, ACCOUNT_PROCESSES, PAGE), 0);
	cr_assert_eq(account_charge(&a, ACCOUNT_OPERATIONS, 10), 0);
}

Test(account, one_without_a_pool_only_counts)
{
	struct account none = {0};
	cr_assert_eq(account_charge(&none, ACCOUNT_TRACES, 1 << 30), 0);
	cr_assert_eq(account_bytes(&none, ACCOUNT_TRACES), 1u << 30);
}

static void *charges(void *opaque)
{
	uint64_t bytes = (uint64_t)(uintptr_t)opaque;
	for (unsigned i = 0; i < ROUNDS; i++) {
		account_force(&a, ACCOUNT_STREAMS, bytes);
		if (!account_charge(&a, ACCOUNT_OPERATIONS, bytes + i % PAGE))
			account_uncharge(&a, ACCOUNT_OPERATIONS, bytes + i % PAGE);
		account_uncharge(&a, ACCOUNT_STREAMS, bytes - 1);
	}
	return NULL;
}

Test(account, threads_leave_the_pages_of_the_sum)
{
	pthread_t t[THREADS];
	for (uintptr_t i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&t[i], NULL, charges, (void *)(1000 * i + 777)), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	cr_assert_eq(account_bytes(&a, ACCOUNT_STREAMS), THREADS * ROUNDS);
	cr_assert_eq(account_bytes(&a, ACCOUNT_OPERATIONS), 0u);
	cr_assert_eq(pool.used, (THREADS * ROUNDS + PAGE - 1) / PAGE);
	cr_assert_eq(pool.host, pool.used);
}
