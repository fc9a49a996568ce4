/* SPDX-License-Identifier: MIT */
/* The parts of guest-kernel that need no guest: lists of threads, the ready queue, the timers' heap, message queues. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "guest_names.h"

#include "kernel_private.h"

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

/* ---- Queues, without a scheduler: a thread that would wait is put on its list, and gives up at once or stays ---- */

static struct cassin_thread caller;
struct kernel kernel = {.current = &caller};
const struct cassin_boot *cassin_boot;
static bool stays;

int kernel_block(struct cassin_waiters *list, uint64_t deadline, const char *waits_for)
{
	(void)waits_for;
	if (deadline == CASSIN_NOW || !stays)
		return -CASSIN_ETIMEDOUT;
	waiters_insert(list, kernel.current);
	return 0;
}

void kernel_wake(struct cassin_thread *t, int result)
{
	t->woken = result;
	waiters_remove(t);
}

void kernel_wake_all(struct cassin_waiters *list, int result)
{
	while (list->first)
		kernel_wake(list->first, result);
}

void kernel_leave(void)
{
	cr_assert_fail("nothing asks for a switch");
}

static void queue_of(struct cassin_queue *q, uint32_t most)
{
	static _Alignas(16) char memory[65536];
	cassin_heap_reset(memory, sizeof memory);
	cr_assert_eq(cassin_queue_init(q, sizeof(uint32_t), most), 0);
}

Test(queue, messages_come_out_in_order_whatever_the_place_of_the_oldest)
{
	struct cassin_queue q;
	uint32_t in = 0, out = 0, got;
	queue_of(&q, 7);
	srand(5);
	for (unsigned step = 0; step < 5000; step++) {
		if (rand() % 2) {
			int r = cassin_queue_send(&q, &in, CASSIN_NOW);
			cr_assert_eq(r, in - out < 7 ? 0 : -CASSIN_ETIMEDOUT);
			in += !r;
		} else {
			int r = cassin_queue_receive(&q, &got, CASSIN_NOW);
			cr_assert_eq(r, in != out ? 0 : -CASSIN_ETIMEDOUT);
			cr_assert(r || got == out++);
		}
	}
	cr_assert_eq(kernel.locked, 0);
	cassin_queue_free(&q);
	cr_assert_eq(cassin_heap_used(), 0);
}

Test(queue, what_is_sent_goes_to_the_first_that_waits)
{
	struct cassin_queue q;
	uint32_t place[2] = {0, 0}, message = 77;
	queue_of(&q, 1);
	stays = true;
	for (unsigned i = 0; i < 2; i++) {
		kernel.current = thread(i, i);
		cassin_queue_receive(&q, &place[i], CASSIN_FOREVER);
	}
	cr_assert_eq(cassin_queue_send(&q, &message, CASSIN_NOW), 0);
	cr_assert_eq(place[1], 77); /* of the higher priority */
	cr_assert_eq(place[0], 0);
	cr_assert_eq(q.len, 0);
	cassin_queue_close(&q);
	cr_assert_eq(threads[0].woken, -CASSIN_EPIPE);
}

Test(queue, a_sender_that_waits_gets_in_before_those_who_come_later)
{
	struct cassin_queue q;
	uint32_t messages[3] = {1, 2, 3}, got;
	queue_of(&q, 1);
	cr_assert_eq(cassin_queue_send(&q, &messages[0], CASSIN_NOW), 0);
	stays = true;
	kernel.current = thread(0, 0);
	cassin_queue_send(&q, &messages[1], CASSIN_FOREVER);
	kernel.current = &caller;
	cr_assert_eq(cassin_queue_receive(&q, &got, CASSIN_NOW), 0);
	cr_assert_eq(got, 1);
	cr_assert_eq(cassin_queue_send(&q, &messages[2], CASSIN_NOW), -CASSIN_ETIMEDOUT);
	cr_assert_eq(cassin_queue_receive(&q, &got, CASSIN_NOW), 0);
	cr_assert_eq(got, 2);
}
