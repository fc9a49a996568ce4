/* SPDX-License-Identifier: MIT */
/* Submission and completion rings over flat memory: indices, room, cancellation. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "fake_guest.h"

#define RING FAKE_BASE
#define SQES (FAKE_BASE + 0x1000)
#define CQES (FAKE_BASE + 0x4000)
#define DATA (FAKE_BASE + 0x8000)
#define SQ 8u
#define CQ 16u

static struct fake_guest *guest_with_rings(void)
{
	struct fake_guest *f = fake_guest_new();
	cr_assert_eq(ring_setup(&f->guest, gva(RING), gva(SQES), SQ, gva(CQES), CQ), 0);
	return f;
}

static struct cassin_ring *ring_of(struct fake_guest *f)
{
	return fake_at(f, RING);
}

static struct cassin_cqe *cqe_at(struct fake_guest *f, uint32_t i)
{
	return (struct cassin_cqe *)fake_at(f, CQES) + i % CQ;
}

static void queue(struct fake_guest *f, struct cassin_sqe sqe)
{
	((struct cassin_sqe *)fake_at(f, SQES))[ring_of(f)->sq_tail++ % SQ] = sqe;
}

static struct cassin_sqe nop(uint64_t user_data)
{
	return (struct cassin_sqe){.op = CASSIN_OP_NOP, .user_data = user_data};
}

static struct cassin_sqe timeout(uint64_t when, uint64_t user_data)
{
	return (struct cassin_sqe){.op = CASSIN_OP_TIMEOUT, .offset = when, .user_data = user_data};
}

/* Queues one, submits it and gives its completion's result. */
static int32_t result_of(struct fake_guest *f, struct cassin_sqe sqe)
{
	queue(f, sqe);
	cr_assert_eq(ring_submit(&f->guest, 1), 1);
	uint32_t at = ring_of(f)->cq_head++;
	cr_assert_eq(ring_of(f)->cq_tail, at + 1, "no completion");
	cr_assert_eq(cqe_at(f, at)->user_data, sqe.user_data);
	cr_assert_eq(cqe_at(f, at)->flags, 0u);
	return cqe_at(f, at)->result;
}

/* ---- Setting up ---- */

Test(ring, sizes_must_be_powers_of_two_within_bounds)
{
	struct fake_guest *f = fake_guest_new();
	const uint64_t bad[] = {0, 3, 12, 2048, UINT64_C(1) << 32, UINT64_MAX};
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_assert_eq(ring_setup(&f->guest, gva(RING), gva(SQES), bad[i], gva(CQES), CQ), -EINVAL);
	const uint64_t bad_cq[] = {0, 3, 8192, UINT64_MAX};
	for (unsigned i = 0; i < sizeof bad_cq / sizeof *bad_cq; i++)
		cr_assert_eq(ring_setup(&f->guest, gva(RING), gva(SQES), SQ, gva(CQES), bad_cq[i]), -EINVAL);
	cr_assert_eq(ring_setup(&f->guest, gva(RING), gva(SQES), 1, gva(CQES), 1), 0);
	fake_guest_free(f);
}

Test(ring, addresses_must_be_aligned_and_mapped)
{
	struct fake_guest *f = fake_guest_new();
	const uint64_t end = FAKE_BASE + FAKE_SIZE;
	cr_assert_eq(ring_setup(&f->guest, gva(RING + 4), gva(SQES), SQ, gva(CQES), CQ), -EINVAL);
	cr_assert_eq(ring_setup(&f->guest, gva(RING), gva(SQES + 1), SQ, gva(CQES), CQ), -EINVAL);
	cr_assert_eq(ring_setup(&f->guest, gva(RING), gva(SQES), SQ, gva(CQES + 2), CQ), -EINVAL);
	cr_assert_eq(ring_setup(&f->guest, gva(end - 56), gva(SQES), SQ, gva(CQES), CQ), -EFAULT);
	cr_assert_eq(ring_setup(&f->guest, gva(RING), gva(end - 504), SQ, gva(CQES), CQ), -EFAULT);
	cr_assert_eq(ring_setup(&f->guest, gva(RING), gva(SQES), SQ, gva(end - 248), CQ), -EFAULT);
	cr_assert_eq(ring_setup(&f->guest, gva(RING), gva(SQES), SQ, gva(UINT64_MAX - 7), CQ), -EFAULT);
	cr_assert_eq(f->guest.ring.cq_entries, 0u, "nothing was set up");
	fake_guest_free(f);
}

Test(ring, setting_up_zeroes_the_indices)
{
	struct fake_guest *f = fake_guest_new();
	memset(f->bytes, 0xff, sizeof(struct cassin_ring));
	cr_assert_eq(ring_setup(&f->guest, gva(RING), gva(SQES), SQ, gva(CQES), CQ), 0);
	static const struct cassin_ring zero;
	cr_assert_arr_eq(f->bytes, &zero, sizeof zero);
	fake_guest_free(f);
}

Test(ring, setting_up_again_waits_for_pending_operations)
{
	struct fake_guest *f = guest_with_rings();
	queue(f, timeout(5000, 1));
	cr_assert_eq(ring_submit(&f->guest, 1), 1);
	cr_assert_eq(ring_setup(&f->guest, gva(RING), gva(SQES), SQ, gva(CQES), CQ), -EBUSY);
	deadlines_run(&f->worker.deadlines, 5000);
	cr_assert_eq(ring_setup(&f->guest, gva(RING), gva(SQES), SQ, gva(CQES), CQ), 0);
	cr_assert_eq(ring_unread(&f->guest.ring), 0u);
	fake_guest_free(f);
}

Test(ring, a_guest_without_rings_cannot_submit)
{
	struct fake_guest *f = fake_guest_new();
	cr_assert_eq(ring_submit(&f->guest, 0), 0);
	cr_assert_eq(ring_submit(&f->guest, 1), -EINVAL);
	fake_guest_free(f);
}

/* ---- Submitting ---- */

Test(ring, a_batch_completes_in_its_order)
{
	struct fake_guest *f = guest_with_rings();
	for (uint64_t i = 0; i < 5; i++)
		queue(f, nop(100 + i));
	cr_assert_eq(ring_submit(&f->guest, UINT64_MAX), 5);
	cr_assert_eq(ring_of(f)->sq_head, 5u);
	cr_assert_eq(ring_of(f)->cq_tail, 5u);
	for (uint32_t i = 0; i < 5; i++) {
		cr_assert_eq(cqe_at(f, i)->user_data, 100 + i);
		cr_assert_eq(cqe_at(f, i)->result, 0);
	}
	cr_assert_eq(f->guest.count.operations, 5u);
	fake_guest_free(f);
}

Test(ring, no_more_than_asked_for_is_consumed)
{
	struct fake_guest *f = guest_with_rings();
	for (uint64_t i = 0; i < 5; i++)
		queue(f, nop(i));
	cr_assert_eq(ring_submit(&f->guest, 0), 0);
	cr_assert_eq(ring_submit(&f->guest, 2), 2);
	cr_assert_eq(ring_of(f)->sq_head, 2u);
	cr_assert_eq(ring_submit(&f->guest, 100), 3);
	cr_assert_eq(ring_submit(&f->guest, 100), 0);
	fake_guest_free(f);
}

Test(ring, indices_run_freely_past_32_bits)
{
	struct fake_guest *f = guest_with_rings();
	const uint32_t start = UINT32_MAX - 3;
	f->guest.ring.sq_head = f->guest.ring.cq_tail = f->guest.ring.cq_head = start;
	*ring_of(f) = (struct cassin_ring){start, start, start, start, {0}};
	for (uint64_t i = 0; i < 8; i++)
		cr_assert_eq(result_of(f, nop(i)), 0);
	cr_assert_eq(ring_of(f)->sq_head, 4u);
	cr_assert_eq(ring_of(f)->cq_tail, 4u);
	fake_guest_free(f);
}

Test(ring, a_submission_tail_out_of_range_is_refused)
{
	struct fake_guest *f = guest_with_rings();
	const uint32_t bad[] = {SQ + 1, 1000, UINT32_MAX, UINT32_C(1) << 31};
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		ring_of(f)->sq_tail = bad[i];
		cr_assert_eq(ring_submit(&f->guest, 1), -EINVAL);
	}
	ring_of(f)->sq_tail = 0;
	cr_assert_eq(result_of(f, nop(1)), 0, "the ring is good again");
	fake_guest_free(f);
}

Test(ring, a_submission_tail_that_moves_backwards_is_refused)
{
	struct fake_guest *f = guest_with_rings();
	cr_assert_eq(result_of(f, nop(1)), 0);
	ring_of(f)->sq_tail = 0;
	cr_assert_eq(ring_submit(&f->guest, 1), -EINVAL);
	fake_guest_free(f);
}

Test(ring, a_completion_head_out_of_range_or_backwards_is_refused)
{
	struct fake_guest *f = guest_with_rings();
	queue(f, nop(1));
	queue(f, nop(2));
	cr_assert_eq(ring_submit(&f->guest, 2), 2);
	ring_of(f)->cq_head = 3; /* one that was never posted */
	cr_assert_eq(ring_submit(&f->guest, 0), -EINVAL);
	ring_of(f)->cq_head = 2;
	cr_assert_eq(ring_submit(&f->guest, 0), 0);
	ring_of(f)->cq_head = 1;
	cr_assert_eq(ring_submit(&f->guest, 0), -EINVAL);
	fake_guest_free(f);
}

Test(ring, the_hypervisors_own_indices_cannot_be_changed)
{
	struct fake_guest *f = guest_with_rings();
	cr_assert_eq(result_of(f, nop(1)), 0);
	ring_of(f)->sq_head = 55;
	ring_of(f)->cq_tail = 66;
	queue(f, nop(2));
	cr_assert_eq(ring_submit(&f->guest, 1), 1);
	cr_assert_eq(ring_of(f)->sq_head, 2u);
	cr_assert_eq(ring_of(f)->cq_tail, 2u);
	cr_assert_eq(cqe_at(f, 1)->user_data, 2u);
	fake_guest_free(f);
}

Test(ring, an_unmapped_ring_is_an_error)
{
	struct fake_guest *f = guest_with_rings();
	queue(f, nop(1));
	f->limit = FAKE_BASE;
	cr_assert_eq(ring_submit(&f->guest, 1), -EFAULT);
	f->limit = SQES;
	cr_assert_eq(ring_submit(&f->guest, 1), -EFAULT);
	cr_assert_null(f->guest.doomed);
	fake_guest_free(f);
}

Test(ring, an_unmapped_completion_ring_ends_the_guest)
{
	struct fake_guest *f = guest_with_rings();
	queue(f, nop(1));
	f->limit = CQES;
	ring_submit(&f->guest, 1);
	cr_assert_str_eq(f->guest.doomed, "completion ring unmapped");
	cr_assert_eq(f->wakes, 1u);
	fake_guest_free(f);
}

/* ---- A worker that has something else to do ---- */

Test(ring, a_kick_stops_between_submissions_and_the_call_goes_on_later)
{
	struct fake_guest *f = guest_with_rings();
	for (uint64_t i = 0; i < 5; i++)
		queue(f, nop(i));
	f->worker.kick.kicked = 1;
	cr_assert_eq(ring_submit(&f->guest, 4), RING_AGAIN);
	cr_assert_eq(ring_of(f)->cq_tail, 1u, "one at least, and no more");
	cr_assert_eq(ring_of(f)->sq_head, 0u, "the call is not over");
	ring_of(f)->sq_tail = 1000; /* indices are read once a call */
	cr_assert_eq(ring_submit(&f->guest, 0), RING_AGAIN);
	f->worker.kick.kicked = 0;
	cr_assert_eq(ring_submit(&f->guest, 0), 4);
	cr_assert_eq(ring_of(f)->sq_head, 4u);
	cr_assert_eq(ring_of(f)->cq_tail, 4u);
	ring_of(f)->sq_tail = 5;
	atomic_store(&f->worker.kick.posted, true);
	cr_assert_eq(ring_submit(&f->guest, 4), 1, "the last one is not worth a stop");
	fake_guest_free(f);
}

Test(ring, a_long_operation_stops_at_a_kick_and_goes_on_where_it_was)
{
	static const unsigned char zeros[4096];
	struct fake_guest *f = guest_with_rings();
	uint64_t at = FAKE_BASE + 0x8000;
	f->guest.run = RUN_ON_CPU;
	queue(f, (struct cassin_sqe){.op = CASSIN_OP_RANDOM, .addr = at, .len = 3 * 4096, .user_data = 1});
	queue(f, nop(2));
	f->worker.kick.kicked = 1;
	for (unsigned piece = 1; piece < 3; piece++) {
		cr_assert_eq(ring_submit(&f->guest, 2), RING_AGAIN);
		cr_assert_neq(memcmp(fake_at(f, at + (piece - 1) * 4096), zeros, 4096), 0);
		cr_assert_eq(memcmp(fake_at(f, at + piece * 4096), zeros, 4096), 0, "a piece at a time");
		cr_assert_eq(ring_of(f)->cq_tail, 0u);
	}
	f->worker.kick.kicked = 0;
	cr_assert_eq(ring_submit(&f->guest, 0), 2);
	cr_assert_eq(ring_of(f)->cq_tail, 2u);
	struct cassin_cqe *first = fake_at(f, f->guest.ring.cqes.v);
	cr_assert_eq(first[0].user_data, 1u, "in the order of the submissions");
	cr_assert_eq(first[0].result, 3 * 4096);
	cr_assert_eq(f->guest.nops, 0u, "it never pends");
	fake_guest_free(f);
}

Test(ring, a_long_write_to_the_console_stops_too)
{
	struct fake_guest *f = guest_with_rings();
	f->guest.run = RUN_ON_CPU;
	queue(f, (struct cassin_sqe){.op = CASSIN_OP_CONSOLE_WRITE, .addr = FAKE_BASE + 0x8000, .len = 3 * 4096});
	f->worker.kick.kicked = 1;
	cr_assert_eq(ring_submit(&f->guest, 1), RING_AGAIN);
	cr_assert_eq(f->guest.console.out_end, 4096u);
	cr_assert_eq(ring_submit(&f->guest, 0), RING_AGAIN);
	cr_assert_eq(ring_submit(&f->guest, 0), 1);
	cr_assert_eq(f->guest.console.out_end, 3u * 4096);
	fake_guest_free(f);
}

Test(ring, a_call_that_goes_on_may_find_no_more_room)
{
	struct fake_guest *f = guest_with_rings();
	for (unsigned round = 0; round < 2; round++) {
		for (uint64_t i = 0; i < SQ; i++)
			queue(f, nop(i));
		if (!round)
			cr_assert_eq(ring_submit(&f->guest, SQ), (int)SQ);
	}
	f->worker.kick.kicked = 1;
	int r = ring_submit(&f->guest, SQ);
	for (unsigned i = 0; i < SQ && r == RING_AGAIN; i++)
		r = ring_submit(&f->guest, 0);
	cr_assert_eq(r, (int)SQ);
	queue(f, nop(99));
	cr_assert_eq(ring_submit(&f->guest, 1), -EBUSY);
	fake_guest_free(f);
}

/* ---- Room for completions ---- */

Test(ring, unread_completions_bound_the_submissions)
{
	struct fake_guest *f = guest_with_rings();
	for (unsigned round = 0; round < 2; round++) {
		for (uint64_t i = 0; i < SQ; i++)
			queue(f, nop(i));
		cr_assert_eq(ring_submit(&f->guest, SQ), (int)SQ);
	}
	queue(f, nop(99));
	cr_assert_eq(ring_submit(&f->guest, 1), -EBUSY);
	cr_assert_eq(ring_of(f)->sq_head, 2 * SQ, "nothing was consumed");
	ring_of(f)->cq_head = 1;
	cr_assert_eq(ring_submit(&f->guest, 1), 1);
	cr_assert_eq(cqe_at(f, CQ)->user_data, 99u);
	fake_guest_free(f);
}

Test(ring, pending_operations_hold_their_room)
{
	struct fake_guest *f = guest_with_rings();
	for (unsigned round = 0; round < 2; round++) {
		for (uint64_t i = 0; i < SQ; i++)
			queue(f, timeout(5000 + i, i));
		cr_assert_eq(ring_submit(&f->guest, SQ), (int)SQ);
	}
	queue(f, nop(99));
	cr_assert_eq(ring_submit(&f->guest, 1), -EBUSY);
	deadlines_run(&f->worker.deadlines, 5000); /* two of them */
	cr_assert_eq(ring_submit(&f->guest, 1), -EBUSY, "unread now");
	ring_of(f)->cq_head = 2;
	cr_assert_eq(ring_submit(&f->guest, 1), 1);
	fake_guest_free(f);
}

Test(ring, a_batch_stops_where_the_room_ends)
{
	struct fake_guest *f = guest_with_rings();
	for (uint64_t i = 0; i < SQ; i++)
		queue(f, nop(i));
	ring_submit(&f->guest, SQ);
	for (uint64_t i = 0; i < 5; i++)
		queue(f, nop(i));
	ring_submit(&f->guest, 5);
	for (uint64_t i = 0; i < 5; i++)
		queue(f, nop(i));
	cr_assert_eq(ring_submit(&f->guest, 5), 3);
	cr_assert_eq(ring_unread(&f->guest.ring), CQ);
	fake_guest_free(f);
}

/* ---- Operations ---- */

Test(ring, what_is_unknown_or_reserved_is_refused)
{
	struct fake_guest *f = guest_with_rings();
	struct cassin_sqe bad[] = {
		{.op = CASSIN_OP_CLOSE + 1},
		{.op = 255},
		{.flags = 2},
		{.flags = 0x81},
		{.rsv0 = 1},
		{.op_flags = 1},
		{.rsv1 = {1, 0, 0}},
		{.rsv1 = {0, 1, 0}},
		{.rsv1 = {0, 0, 1}},
		{.op = CASSIN_OP_RANDOM, .addr = DATA, .len = CASSIN_IO_MAX + 1},
	};
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		bad[i].user_data = i;
		cr_assert_eq(result_of(f, bad[i]), -EINVAL, "case %u", i);
	}
	fake_guest_free(f);
}

Test(ring, a_success_may_be_silent_an_error_never)
{
	struct fake_guest *f = guest_with_rings();
	struct cassin_sqe sqe = nop(1);
	sqe.flags = CASSIN_SQE_SKIP_SUCCESS;
	queue(f, sqe);
	cr_assert_eq(ring_submit(&f->guest, 1), 1);
	cr_assert_eq(ring_of(f)->cq_tail, 0u);
	sqe.op = CASSIN_OP_CANCEL;
	sqe.offset = 12345;
	cr_assert_eq(result_of(f, sqe), -ENOENT);
	sqe = timeout(5000, 7);
	sqe.flags = CASSIN_SQE_SKIP_SUCCESS;
	queue(f, sqe);
	cr_assert_eq(ring_submit(&f->guest, 1), 1);
	deadlines_run(&f->worker.deadlines, 5000);
	cr_assert_eq(ring_of(f)->cq_tail, 1u);
	cr_assert_eq(f->guest.nops, 0u);
	fake_guest_free(f);
}

Test(ring, timeouts_complete_when_they_are_due)
{
	struct fake_guest *f = guest_with_rings();
	cr_assert_eq(result_of(f, timeout(1000, 1)), 0, "due already");
	queue(f, timeout(3000, 3));
	queue(f, timeout(2000, 2));
	queue(f, timeout(CASSIN_FOREVER, 4));
	cr_assert_eq(ring_submit(&f->guest, 3), 3);
	cr_assert_eq(f->guest.nops, 3u);
	cr_assert_eq(f->worker.deadlines.count, 2u);
	deadlines_run(&f->worker.deadlines, 3000);
	cr_assert_eq(cqe_at(f, 1)->user_data, 2u);
	cr_assert_eq(cqe_at(f, 2)->user_data, 3u);
	cr_assert_eq(f->guest.nops, 1u);
	fake_guest_free(f);
}

Test(ring, cancel_takes_the_oldest_of_its_name)
{
	struct fake_guest *f = guest_with_rings();
	queue(f, timeout(5000, 7));
	queue(f, timeout(6000, 7));
	queue(f, (struct cassin_sqe){.op = CASSIN_OP_CANCEL, .offset = 7, .user_data = 8});
	cr_assert_eq(ring_submit(&f->guest, 3), 3);
	cr_assert_eq(cqe_at(f, 0)->user_data, 7u);
	cr_assert_eq(cqe_at(f, 0)->result, -ECANCELED);
	cr_assert_eq(cqe_at(f, 1)->user_data, 8u);
	cr_assert_eq(cqe_at(f, 1)->result, 0);
	cr_assert_eq(deadlines_next(&f->worker.deadlines), 6000u);
	fake_guest_free(f);
}

Test(ring, random_bytes_fill_the_range_and_no_more)
{
	struct fake_guest *f = guest_with_rings();
	struct cassin_sqe sqe = {.op = CASSIN_OP_RANDOM, .addr = DATA + 1, .len = 6000};
	cr_assert_eq(result_of(f, sqe), 6000);
	unsigned char *at = fake_at(f, DATA);
	unsigned zeros = 0;
	for (unsigned i = 1; i <= 6000; i++)
		zeros += at[i] == 0;
	cr_assert_lt(zeros, 200u);
	cr_assert_eq(at[0], 0);
	cr_assert_eq(at[6001], 0);
	sqe.addr = FAKE_BASE + FAKE_SIZE - 8;
	sqe.len = 9;
	cr_assert_eq(result_of(f, sqe), -EFAULT);
	fake_guest_free(f);
}

/* ---- Waking ---- */

Test(ring, a_blocked_guest_wakes_at_its_count)
{
	struct fake_guest *f = guest_with_rings();
	f->guest.run = RUN_BLOCKED;
	f->guest.wait_count = 2;
	ring_post(&f->guest, 1, 0);
	cr_assert_eq(f->wakes, 0u);
	ring_post(&f->guest, 2, 0);
	cr_assert_eq(f->wakes, 1u);
	fake_guest_free(f);
}
