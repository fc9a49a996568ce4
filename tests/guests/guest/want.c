/* SPDX-License-Identifier: MIT */
/* Guests that need memory where the pool has none: whatever they were at goes on when there is some. A line of input begins it. */
#include "check.h"

#define PAGE CASSIN_PAGE_SIZE
#define RW (CASSIN_READ | CASSIN_WRITE)

static void await_line(void)
{
	char line[16];
	cassin_print("waiting\n");
	CHECK(cassin_read(line, sizeof line) > 0);
}

/* Pages that were never touched, for one step each. */
static volatile uint8_t *fresh(unsigned i)
{
	return spare(i * 64);
}

static void touches(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	*fresh(1) = 1; /* its tables */
	await_line();
	for (unsigned i = 0; i < 400; i++)
		spare(i)[7] = (uint8_t)(i % 255 + 1);
	for (unsigned i = 0; i < 400; i++)
		CHECK_IS(spare(i)[7], (uint8_t)(i % 255 + 1));
	cassin_print("touched\n");
}

/* One call, or operation, after the other, none of which has memory when it is first tried. */
static void calls(int argc, char **argv)
{
	const uint32_t len = 40 * PAGE;
	unsigned zeros = 0;
	(void)argc;
	(void)argv;
	await_line();
	CHECK_IS(cassin_call(CASSIN_CALL_INFO, (uint64_t)fresh(1), sizeof(struct cassin_info), 0, 0, 0),
		 sizeof(struct cassin_info));
	CHECK(((volatile struct cassin_info *)fresh(1))->pages == cassin_boot->pages);
	CHECK_IS(do_op(CASSIN_OP_RANDOM, 0, (uint64_t)fresh(2), len, 0), (int32_t)len);
	for (uint32_t i = 0; i < len; i++)
		zeros += fresh(2)[i] == 0;
	CHECK(zeros < len / 64);
	CHECK_IS(cassin_map(0, (void *)0x7000000000, spare_page(3 * 64), 1, RW), 0);
	*(volatile uint64_t *)0x7000000000 = 42;
	CHECK_IS(*(volatile uint64_t *)fresh(3), 42);
	int64_t space = cassin_call0(CASSIN_CALL_SPACE_CREATE);
	CHECK(space > 0);
	cassin_print("called\n");
	CHECK_IS(do_op(CASSIN_OP_CONSOLE_WRITE, 0, (uint64_t)fresh(4), 100, 0), 100); /* zeros */
}

#define CQ 1024u
#define TIMERS 600u

/* Completions go to pages that were never touched: those of submissions at once, and of timers later. */
static void completions(int argc, char **argv)
{
	struct cassin_ring *ring = (struct cassin_ring *)(uintptr_t)spare(0);
	struct cassin_sqe *sqes = (struct cassin_sqe *)(uintptr_t)spare(1);
	volatile struct cassin_cqe *cqes = (volatile struct cassin_cqe *)(uintptr_t)spare(64);
	static uint8_t seen[TIMERS + 1];
	(void)argc;
	(void)argv;
	await_line();
	CHECK_IS(cassin_call(CASSIN_CALL_RING_SETUP, (uint64_t)ring, (uint64_t)sqes, 1024, (uint64_t)cqes, CQ), 0);
	for (unsigned i = 0; i < TIMERS; i++) {
		sqes[i] = (struct cassin_sqe){.op = CASSIN_OP_NOP, .user_data = i + 1};
		if (i % 2) {
			sqes[i].op = CASSIN_OP_TIMEOUT;
			sqes[i].offset = cassin_now() + 20 * MS;
		}
	}
	ring->sq_tail = TIMERS;
	CHECK_IS(cassin_enter(TIMERS, TIMERS, CASSIN_FOREVER), TIMERS);
	CHECK_IS(ring->cq_tail, TIMERS);
	for (unsigned i = 0; i < TIMERS; i++) {
		CHECK_IS(cqes[i].result, 0);
		CHECK(cqes[i].user_data && cqes[i].user_data <= TIMERS);
		CHECK_IS(seen[cqes[i].user_data]++, 0);
	}
	cassin_print("completed\n");
}

#define BATCH 1000u
#define BATCHES 4u
#define HANDLES 40u

/* All pages are there, but for those that the host needs for what pends, and for handles. */
static void operations(int argc, char **argv)
{
	struct cassin_ring *ring = (struct cassin_ring *)(uintptr_t)spare(0);
	struct cassin_sqe *sqes = (struct cassin_sqe *)(uintptr_t)spare(1);
	volatile struct cassin_cqe *cqes = (volatile struct cassin_cqe *)(uintptr_t)spare(64);
	(void)argc;
	(void)argv;
	for (unsigned i = 0; i < 128; i++)
		*spare(i) = 0;
	await_line();
	CHECK_IS(cassin_call(CASSIN_CALL_RING_SETUP, (uint64_t)ring, (uint64_t)sqes, 1024, (uint64_t)cqes, 4096), 0);
	for (unsigned n = 0; n < BATCHES; n++) {
		for (unsigned i = 0; i < BATCH; i++) {
			struct cassin_sqe *sqe = &sqes[(n * BATCH + i) % 1024];
			bool listens = i >= BATCH - HANDLES / BATCHES;
			*sqe = (struct cassin_sqe){.op = listens ? CASSIN_OP_LISTEN : CASSIN_OP_TIMEOUT};
			sqe->offset = listens ? n * BATCH + i + 1 : cassin_now() + 3000 * MS;
		}
		ring->sq_tail += BATCH;
		CHECK_IS(cassin_enter(BATCH, 0, 0), BATCH);
	}
	CHECK_IS(cassin_enter(0, BATCHES * BATCH, CASSIN_FOREVER), 0);
	for (unsigned i = 0; i < BATCHES * BATCH; i++)
		CHECK(cqes[i].result >= 0);
	cassin_print("operated\n");
}

static uint8_t pattern(uint64_t at)
{
	return (uint8_t)(at * 31 + (at >> 8) * 7 + 1);
}

#define BYTES (48u * PAGE)

/* Bytes come for pages that were never touched, and go from others. */
static void streams(int argc, char **argv)
{
	uint32_t got = 0, zeros = 0;
	(void)argc;
	(void)argv;
	int32_t listener = do_op(CASSIN_OP_LISTEN, 0, 0, 0, 7);
	CHECK(listener >= 0);
	cassin_print("accepting\n");
	int32_t c = do_op(CASSIN_OP_ACCEPT, listener, 0, 0, 0);
	CHECK(c >= 0);
	cassin_print("receiving\n");
	for (int32_t n; got < BYTES; got += (uint32_t)n) {
		n = do_op(CASSIN_OP_RECV, c, (uint64_t)fresh(1) + got, BYTES - got, 0);
		CHECK(n > 0);
	}
	for (uint32_t i = 0; i < BYTES; i++)
		CHECK_IS(fresh(1)[i], pattern(i));
	CHECK_IS(do_op(CASSIN_OP_SEND, c, (uint64_t)fresh(2), BYTES, 0), BYTES);
	for (uint32_t i = 0; i < BYTES; i++)
		zeros += fresh(2)[i] == 0;
	CHECK_IS(zeros, BYTES);
	cassin_print("sent\n");
}

#define LARGE (2000u * PAGE / sizeof(uint64_t))

/* Much, that takes little when it is parked. */
static void sleeps(int argc, char **argv)
{
	volatile uint64_t *words = (volatile uint64_t *)spare(0);
	(void)argc;
	(void)argv;
	for (uint64_t i = 0; i < LARGE; i++)
		words[i] = i / 512;
	await_line();
	for (uint64_t i = 0; i < LARGE; i++)
		CHECK_IS(words[i], i / 512);
	cassin_print("awake\n");
}

static const struct property all[] = {
	{"sleep", sleeps},          {"touch", touches},   {"calls", calls}, {"completions", completions},
	{"operations", operations}, {"streams", streams},
};
PROPERTIES(all)
