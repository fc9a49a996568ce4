/* SPDX-License-Identifier: MIT */
#include <cassin/guest.h>

#define SMALL_SQ 8u
#define SMALL_CQ 16u
#define ROOM_RETRY_NS 10000000u

static struct small {
	struct cassin_ring ring;
	struct cassin_sqe sqes[SMALL_SQ];
	struct cassin_cqe cqes[SMALL_CQ];
} small __attribute__((aligned(64)));

static struct {
	struct cassin_ring *ring;
	struct cassin_sqe *sqes;
	struct cassin_cqe *cqes;
	uint32_t sq_entries, cq_entries;
} rings;

static int set_up(struct cassin_ring *ring, struct cassin_sqe *sqes, uint32_t sq, struct cassin_cqe *cqes, uint32_t cq)
{
	int64_t r = cassin_call(CASSIN_CALL_RING_SETUP, (uint64_t)ring, (uint64_t)sqes, sq, (uint64_t)cqes, cq);
	if (r)
		return (int)r;
	rings.ring = ring;
	rings.sqes = sqes;
	rings.cqes = cqes;
	rings.sq_entries = sq;
	rings.cq_entries = cq;
	return 0;
}

static uint32_t sq_ready(void)
{
	return rings.ring->sq_tail - *(volatile uint32_t *)&rings.ring->sq_head;
}

static uint32_t cq_unread(void)
{
	return *(volatile uint32_t *)&rings.ring->cq_tail - rings.ring->cq_head;
}

int cassin_ring_init(uint32_t sq_entries, uint32_t cq_entries)
{
	if (rings.ring && (sq_ready() || cq_unread()))
		return -CASSIN_EBUSY;
	if (sq_entries > CASSIN_SQ_MAX || cq_entries > CASSIN_CQ_MAX)
		return -CASSIN_EINVAL;
	char *at = cassin_alloc(sizeof(struct cassin_ring) + sq_entries * sizeof(struct cassin_sqe) +
				cq_entries * sizeof(struct cassin_cqe));
	if (!at)
		return -CASSIN_ENOMEM;
	struct cassin_ring *old = rings.ring;
	struct cassin_sqe *sqes = (struct cassin_sqe *)(at + sizeof(struct cassin_ring));
	struct cassin_cqe *cqes = (struct cassin_cqe *)(sqes + sq_entries);
	int r = set_up((struct cassin_ring *)at, sqes, sq_entries, cqes, cq_entries);
	if (r)
		cassin_free(at);
	else if (old != &small.ring)
		cassin_free(old);
	return r;
}

static int small_init(void)
{
	return set_up(&small.ring, small.sqes, SMALL_SQ, small.cqes, SMALL_CQ);
}

int cassin_ring_ensure(uint32_t sq_entries, uint32_t cq_entries)
{
	if (rings.ring)
		return 0;
	int r = cassin_ring_init(sq_entries, cq_entries);
	return r == -CASSIN_ENOMEM ? small_init() : r;
}

uint32_t cassin_ring_completions(void)
{
	return rings.ring ? rings.cq_entries : 0;
}

struct cassin_sqe *cassin_sqe(uint8_t op, uint64_t user_data)
{
	if (!rings.ring && small_init())
		return NULL;
	if (sq_ready() == rings.sq_entries) {
		cassin_enter(rings.sq_entries, 0, CASSIN_NOW);
		if (sq_ready() == rings.sq_entries)
			return NULL;
	}
	struct cassin_sqe *sqe = &rings.sqes[rings.ring->sq_tail++ & (rings.sq_entries - 1)];
	*sqe = (struct cassin_sqe){.op = op, .user_data = user_data};
	return sqe;
}

int cassin_wait(uint32_t least, uint64_t deadline)
{
	if (!rings.ring)
		return least ? -CASSIN_EINVAL : 0;
	uint32_t ready = sq_ready();
	if (!ready && cq_unread() >= least)
		return 0;
	int64_t r = cassin_enter(ready, least, deadline);
	if (r == -CASSIN_EBUSY && cq_unread() < least) { /* room may come without a completion: look again soon */
		uint64_t soon = cassin_now() + ROOM_RETRY_NS;
		r = cassin_enter(0, least, soon < deadline ? soon : deadline);
	}
	return r < 0 && r != -CASSIN_EBUSY ? (int)r : 0;
}

uint32_t cassin_ring_left(void)
{
	return rings.ring ? sq_ready() : 0;
}

bool cassin_next(struct cassin_cqe *out)
{
	if (!rings.ring || !cq_unread())
		return false;
	*out = rings.cqes[rings.ring->cq_head & (rings.cq_entries - 1)];
	__asm__ volatile("" ::: "memory");
	rings.ring->cq_head++;
	return true;
}

/* guest-kernel's, if it is linked. */
int32_t cassin_do_threaded(const struct cassin_sqe *op) __attribute__((weak));

int32_t cassin_do(const struct cassin_sqe *op)
{
	if (cassin_do_threaded)
		return cassin_do_threaded(op);
	struct cassin_sqe *sqe = cassin_sqe(op->op, 0);
	struct cassin_cqe cqe;
	if (!sqe)
		return -CASSIN_EBUSY;
	*sqe = *op;
	sqe->user_data = (uint64_t)&cqe;
	for (;;) {
		int r = cassin_wait(1, CASSIN_FOREVER);
		if (r)
			return r;
		while (cassin_next(&cqe)) {
			if (cqe.user_data == (uint64_t)&cqe)
				return cqe.result;
		}
	}
}
