/* SPDX-License-Identifier: MIT */
/* The parts of guest-kernel that need no guest: lists of threads, the ready queue, the timers' heap. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "kernel.h"

#define THREADS 64u
#define TIMERS 2000u

static struct cassin_thread threads[THREADS];

static struct cassin_thread *thread(unsigned i, unsigned priority)
{
	threads[i] = (struct cassin_thread){.priority = (uint8_t)priority, .base = (uint8_t)priority};
	return &threads[i];
}

Test(waiters, equals_keep_the_order_of_their_coming_behind_the_higher)
{
	static const unsigned priorities[] = {5, 9, 5, 1, 9, 31, 0, 5};
	static const unsigned want[] = {5, 1, 4, 0, 2, 7, 3, 6};
	struct cassin_waiters list = {0};
	for (unsigned i = 0; i < 8; i++)
		waiters_insert(&list, thread(i, priorities[i]));
	for (unsigned i = 0; i < 8; i++) {
		cr_assert_eq(list.first, &threads[want[i]]);
		cr_assert_eq(list.first->list, &list);
		waiters_remove(list.first);
	}
	cr_assert_null(list.first);
	cr_assert_null(list.last);
	cr_assert_null(threads[0].list);
}

Test(waiters, one_in_the_middle_can_leave)
{
	struct cassin_waiters list = {0};
	for (unsigned i = 0; i < 3; i++)
		waiters_append(&list, thread(i, 0));
	waiters_remove(&threads[1]);
	cr_assert_eq(threads[0].next, &threads[2]);
	cr_assert_eq(threads[2].prev, &threads[0]);
	waiters_remove(&threads[2]);
	cr_assert_eq(list.last, &threads[0]);
}

Test(ready, the_highest_priority_is_taken_first_and_equals_by_turns)
{
	static struct ready r;
	cr_assert_eq(ready_top(&r), -1);
	cr_assert_null(ready_take(&r));
	for (unsigned i = 0; i < THREADS; i++)
		ready_put(&r, thread(i, i * 7 % 32));
	for (int priority = 31; priority >= 0; priority--) {
		cr_assert_eq(ready_top(&r), priority);
		struct cassin_thread *a = ready_take(&r), *b = ready_take(&r);
		cr_assert_eq(a->priority, priority);
		cr_assert_eq(b, a + 32);
	}
	cr_assert_eq(ready_top(&r), -1);
}

Test(ready, one_that_is_removed_is_not_taken)
{
	static struct ready r;
	ready_put(&r, thread(0, 4));
	ready_put(&r, thread(1, 4));
	ready_put(&r, thread(2, 8));
	ready_remove(&r, &threads[2]);
	ready_remove(&r, &threads[0]);
	cr_assert_eq(ready_take(&r), &threads[1]);
	cr_assert_eq(r.filled, 0);
}

/* The heap against a plain search. */
static struct cassin_timer timers[TIMERS];

static struct cassin_timer *earliest(void)
{
	struct cassin_timer *best = NULL;
	for (unsigned i = 0; i < TIMERS; i++) {
		struct cassin_timer *t = &timers[i];
		if (t->link && (!best || t->when < best->when || (t->when == best->when && t->order < best->order)))
			best = t;
	}
	return best;
}

Test(timers, the_first_is_always_the_one_due_first_in_a_long_random_run)
{
	struct timers heap = {0};
	srand(3);
	for (unsigned step = 0; step < 20000; step++) {
		struct cassin_timer *t = &timers[(unsigned)rand() % TIMERS];
		if (rand() % 4 == 0)
			t = heap.first ? heap.first : t;
		if (t->link) {
			timers_remove(&heap, t);
		} else {
			t->when = (uint64_t)rand() % 1000;
			timers_add(&heap, t);
		}
		if (step % 16 == 0)
			cr_assert_eq(heap.first, earliest());
	}
	uint64_t last = 0;
	while (heap.first) {
		cr_assert_geq(heap.first->when, last);
		last = heap.first->when;
		timers_remove(&heap, heap.first);
	}
	cr_assert_null(earliest());
}

Test(timers, of_equals_the_one_added_first_is_first)
{
	struct timers heap = {0};
	for (unsigned i = 0; i < TIMERS; i++) {
		timers[i].when = i % 3;
		timers_add(&heap, &timers[i]);
	}
	for (unsigned when = 0; when < 3; when++) {
		for (unsigned i = when; i < TIMERS; i += 3) {
			cr_assert_eq(heap.first, &timers[i]);
			timers_remove(&heap, heap.first);
		}
	}
	cr_assert_null(heap.first);
}
