/* SPDX-License-Identifier: MIT */
/* Rings that a guest handles wrongly. These guests set up rings of their own, without guest-lib's. */
#include "check.h"

#define SQ 8u
#define CQ 8u

static struct rings {
	struct cassin_ring ring;
	struct cassin_sqe sqes[SQ];
	struct cassin_cqe cqes[CQ];
} r __attribute__((aligned(4096)));

static volatile struct cassin_ring *const ring = &r.ring;

static int64_t set_up(void)
{
	return cassin_call(CASSIN_CALL_RING_SETUP, (uint64_t)&r.ring, (uint64_t)r.sqes, SQ, (uint64_t)r.cqes, CQ);
}

static void put(uint8_t op, uint64_t tag, uint64_t offset)
{
	r.sqes[ring->sq_tail % SQ] = (struct cassin_sqe){.op = op, .user_data = tag, .offset = offset};
	ring->sq_tail++;
}

static struct cassin_cqe take(void)
{
	CHECK(ring->cq_head != ring->cq_tail);
	struct cassin_cqe cqe = *(volatile struct cassin_cqe *)&r.cqes[ring->cq_head % CQ];
	ring->cq_head++;
	return cqe;
}

/* One operation through rings that must work. */
static void works(uint64_t tag)
{
	put(CASSIN_OP_NOP, tag, 0);
	CHECK_IS(cassin_enter(1, 1, CASSIN_FOREVER), 1);
	struct cassin_cqe cqe = take();
	CHECK_IS(cqe.user_data, tag);
	CHECK_IS(cqe.result, 0);
}

static void sizes(int argc, char **argv)
{
	static const uint64_t bad[] = {0, 3, 7, 6, 2048 * 4, UINT64_C(1) << 32, UINT64_MAX, (UINT64_C(1) << 32) + 8};
	uint64_t ring_at = (uint64_t)&r.ring, sqes = (uint64_t)r.sqes, cqes = (uint64_t)r.cqes;
	(void)argc;
	(void)argv;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		CHECK_IS(cassin_call(CASSIN_CALL_RING_SETUP, ring_at, sqes, bad[i], cqes, CQ), -CASSIN_EINVAL);
		CHECK_IS(cassin_call(CASSIN_CALL_RING_SETUP, ring_at, sqes, SQ, cqes, bad[i]), -CASSIN_EINVAL);
	}
	CHECK_IS(cassin_call(CASSIN_CALL_RING_SETUP, ring_at, sqes, 2048, cqes, CQ), -CASSIN_EINVAL);
	CHECK_IS(cassin_call(CASSIN_CALL_RING_SETUP, ring_at + 4, sqes, SQ, cqes, CQ), -CASSIN_EINVAL);
	CHECK_IS(cassin_call(CASSIN_CALL_RING_SETUP, ring_at, sqes + 1, SQ, cqes, CQ), -CASSIN_EINVAL);
	CHECK_IS(cassin_call(CASSIN_CALL_RING_SETUP, ring_at, sqes, SQ, cqes + 2, CQ), -CASSIN_EINVAL);
	CHECK_IS(set_up(), 0);
	works(1);
}

static void indices(int argc, char **argv)
{
	static const int32_t wrong[] = {SQ + 1, SQ + 2, 1000000, -1, -2, INT32_MIN, INT32_MAX};
	(void)argc;
	(void)argv;
	CHECK_IS(set_up(), 0);
	works(1);
	works(2);
	works(3);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		CHECK_IS(cassin_enter(0, 0, 0), 0); /* says what was read */
		uint32_t sq_tail = ring->sq_tail, cq_head = ring->cq_head;
		ring->sq_tail = ring->sq_head + (uint32_t)wrong[i];
		CHECK_IS(cassin_enter(1, 0, 0), -CASSIN_EINVAL);
		CHECK_IS(cassin_enter(SQ, 1, CASSIN_FOREVER), -CASSIN_EINVAL);
		ring->sq_tail = sq_tail;
		ring->cq_head = ring->cq_tail + (uint32_t)wrong[i];
		CHECK_IS(cassin_enter(1, 0, 0), -CASSIN_EINVAL);
		CHECK_IS(cassin_enter(0, 1, CASSIN_FOREVER), -CASSIN_EINVAL);
		ring->cq_head = cq_head;
		works(100 + i);
	}
	/* Reading a completion twice by moving back over it. */
	CHECK_IS(cassin_enter(0, 0, 0), 0);
	ring->cq_head--;
	CHECK_IS(cassin_enter(0, 0, 0), -CASSIN_EINVAL);
	ring->cq_head++;
	works(200);
}

/* The indices that the hypervisor writes are only copies of its own. */
static void not_its_own(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	CHECK_IS(set_up(), 0);
	works(1);
	uint32_t sq_head = ring->sq_head, cq_tail = ring->cq_tail;
	ring->sq_head = 77;
	ring->cq_tail = 0xdead;
	put(CASSIN_OP_NOP, 2, 0);
	CHECK_IS(cassin_enter(1, 1, CASSIN_FOREVER), 1);
	CHECK_IS(ring->sq_head, sq_head + 1);
	CHECK_IS(ring->cq_tail, cq_tail + 1);
	CHECK_IS(take().user_data, 2);
	works(3);
}

static void wraps(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	CHECK_IS(set_up(), 0);
	for (uint64_t i = 0; i < 100; i++) {
		for (unsigned k = 0; k < i % SQ + 1; k++)
			put(CASSIN_OP_NOP, i * 100 + k, 0);
		CHECK_IS(cassin_enter(1000, i % SQ + 1, CASSIN_FOREVER), i % SQ + 1);
		for (unsigned k = 0; k < i % SQ + 1; k++)
			CHECK_IS(take().user_data, i * 100 + k);
		CHECK_IS(ring->cq_head, ring->cq_tail);
	}
}

static void busy(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	CHECK_IS(set_up(), 0);
	for (unsigned i = 0; i < SQ; i++)
		put(CASSIN_OP_NOP, i, 0);
	CHECK_IS(cassin_enter(3, 0, 0), 3);
	CHECK_IS(cassin_enter(SQ, 0, 0), SQ - 3);
	put(CASSIN_OP_NOP, 8, 0);
	put(CASSIN_OP_NOP, 9, 0);
	CHECK_IS(cassin_enter(2, 0, 0), -CASSIN_EBUSY);
	CHECK_IS(take().user_data, 0);
	CHECK_IS(cassin_enter(2, 0, 0), 1);
	for (unsigned i = 1; i < 9; i++)
		CHECK_IS(take().user_data, i);
	CHECK_IS(cassin_enter(2, 1, CASSIN_FOREVER), 1);
	CHECK_IS(take().user_data, 9);
	/* Pending operations count: each has its place in the completion ring. */
	for (unsigned i = 0; i < CQ; i++)
		put(CASSIN_OP_TIMEOUT, i, cassin_now() + 50 * MS + i);
	CHECK_IS(cassin_enter(CQ, 0, 0), CQ);
	put(CASSIN_OP_NOP, 10, 0);
	CHECK_IS(cassin_enter(1, 0, 0), -CASSIN_EBUSY);
	CHECK_IS(cassin_enter(0, CQ + 1, 0), -CASSIN_EINVAL);
	CHECK_IS(cassin_enter(0, CQ, CASSIN_FOREVER), 0);
	for (unsigned i = 0; i < CQ; i++)
		CHECK_IS(take().user_data, i);
	CHECK_IS(cassin_enter(1, 1, CASSIN_FOREVER), 1);
	CHECK_IS(take().user_data, 10);
}

static void again(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	CHECK_IS(set_up(), 0);
	works(1);
	put(CASSIN_OP_TIMEOUT, 2, CASSIN_FOREVER);
	CHECK_IS(cassin_enter(1, 0, 0), 1);
	CHECK_IS(set_up(), -CASSIN_EBUSY);
	put(CASSIN_OP_CANCEL, 3, 2);
	CHECK_IS(cassin_enter(1, 2, CASSIN_FOREVER), 1);
	CHECK_IS(set_up(), 0);
	CHECK_IS(ring->sq_tail | ring->cq_tail, 0);
	works(4);
}

/* Everything in the same place: the guest harms itself only. */
static void overlap(int argc, char **argv)
{
	uint64_t at = (uint64_t)&r;
	(void)argc;
	(void)argv;
	CHECK_IS(cassin_call(CASSIN_CALL_RING_SETUP, at, at, SQ, at, CQ), 0);
	for (unsigned i = 0; i < 500; i++) {
		ring->sq_tail += i % 11;
		ring->cq_head += i % 3;
		((volatile unsigned char *)&r)[i % sizeof r] ^= (unsigned char)i;
		cassin_enter(i % 13, i % 5, cassin_now() + i % 2 * 10000);
	}
}

static void unmap_page(const void *at)
{
	CHECK_IS(cassin_unmap(0, (void *)((uint64_t)at & ~UINT64_C(4095)), 1), 0);
}

/* With completions in spare page `cqes_page`, or behind the submissions if that is 0. */
static volatile struct cassin_ring *heap_rings(unsigned cqes_page)
{
	volatile struct cassin_ring *at = (volatile void *)spare(0);
	uint64_t cqes = (uint64_t)spare(cqes_page) + (cqes_page ? 0 : 2048);
	CHECK_IS(cassin_call(CASSIN_CALL_RING_SETUP, (uint64_t)at, (uint64_t)at + 64, SQ, cqes, CQ), 0);
	return at;
}

static void unmapped_ring(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	heap_rings(0);
	unmap_page((const void *)(uintptr_t)spare(0));
	CHECK_IS(cassin_enter(1, 0, 0), -CASSIN_EFAULT);
	CHECK_IS(cassin_enter(0, 0, 0), -CASSIN_EFAULT);
	CHECK_IS(set_up(), 0);
	works(1);
}

static void unmapped_submissions(int argc, char **argv)
{
	volatile struct cassin_ring *at = (volatile void *)spare(0);
	(void)argc;
	(void)argv;
	CHECK_IS(cassin_call(CASSIN_CALL_RING_SETUP, (uint64_t)at, (uint64_t)spare(1), SQ, (uint64_t)at + 2048, CQ), 0);
	unmap_page((const void *)(uintptr_t)spare(1));
	at->sq_tail = 1;
	CHECK_IS(cassin_enter(1, 0, 0), -CASSIN_EFAULT);
}

/* A completion that finds its ring gone ends the guest: at once, or while it waits. */
static void unmapped_completions(int argc, char **argv)
{
	bool later = argc > 1 && strcmp(argv[1], "later") == 0;
	for (unsigned page = 1;; page++) {
		volatile struct cassin_ring *at = heap_rings(page);
		volatile struct cassin_sqe *sqe = (volatile void *)((uint64_t)at + 64);
		if (later) {
			sqe->op = CASSIN_OP_TIMEOUT;
			sqe->offset = cassin_now() + (20 * MS << page);
		}
		at->sq_tail = 1;
		if (later)
			CHECK_IS(cassin_enter(1, 0, 0), 1);
		unmap_page((const void *)(uintptr_t)spare(page));
		if (later && at->cq_tail) { /* others kept us for so long that it came before: once more, later */
			CHECK(page < 8);
			continue;
		}
		cassin_enter(1, 1, CASSIN_FOREVER);
		cassin_print("still here\n");
		return;
	}
}

static void read_only_completions(int argc, char **argv)
{
	volatile struct cassin_ring *at = heap_rings(1);
	(void)argc;
	(void)argv;
	*spare(1) = 0;
	CHECK_IS(cassin_protect(0, (void *)(uintptr_t)spare(1), 1, CASSIN_READ), 0);
	at->sq_tail = 1;
	cassin_enter(1, 1, CASSIN_FOREVER);
	cassin_print("still here\n");
}

static const struct property all[] = {
	{"sizes", sizes},
	{"indices", indices},
	{"not-its-own", not_its_own},
	{"wrap", wraps},
	{"busy", busy},
	{"again", again},
	{"overlap", overlap},
	{"unmapped-ring", unmapped_ring},
	{"unmapped-submissions", unmapped_submissions},
	{"unmapped-completions", unmapped_completions},
	{"read-only-completions", read_only_completions},
};
PROPERTIES(all)
