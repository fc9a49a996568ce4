/* SPDX-License-Identifier: MIT */
/* Every pointer argument of every call and operation, pointing where it must not. */
#include "check.h"

#define HALF_OUT 8u /* bytes that straddle() leaves inside */

static uint64_t heap_end(void)
{
	return cassin_boot->heap + cassin_boot->heap_size;
}

#define NBAD 17
/* Multiples of 8, so that no call may refuse them for their alignment alone. */
static void bad_addresses(uint64_t bad[NBAD])
{
	const uint64_t all[NBAD] = {
		0,
		8,
		0xfff8,
		CASSIN_VA_MIN, /* nothing is there */
		(uint64_t)(uintptr_t)ELSEWHERE,
		cassin_boot->stack_low - 4096, /* the guard */
		heap_end(),
		CASSIN_VA_END - 8,
		CASSIN_VA_END, /* the hypervisor's tables begin */
		CASSIN_VA_END + 0x1000,
		UINT64_C(0x00007ffffffff000),
		UINT64_C(0x0000800000000000), /* not canonical */
		UINT64_C(0x1234567800000000),
		UINT64_C(0xffff7ffffffffff8),
		UINT64_C(0xffff800000000000), /* the high half */
		UINT64_C(0xffffffff80000000),
		UINT64_MAX - 7,
	};
	memcpy(bad, all, sizeof all);
}

/* An address whose first HALF_OUT bytes are fine and whose next page is not there. */
static uint64_t straddle(void)
{
	return heap_end() - HALF_OUT;
}

#define NREADONLY 3
static void read_only(uint64_t bad[NREADONLY])
{
	bad[0] = cassin_boot->clock_page;
	bad[1] = cassin_boot->info_page;
	bad[2] = (uint64_t)(uintptr_t)read_only & ~UINT64_C(7);
}

static int64_t call2(uint64_t number, uint64_t a, uint64_t b)
{
	return cassin_call(number, a, b, 0, 0, 0);
}

static void calls(int argc, char **argv)
{
	uint64_t bad[NBAD], locked[NREADONLY];
	static struct cassin_ring ring;
	static struct cassin_sqe sqes[8];
	static struct cassin_cqe cqes[8];
	(void)argc;
	(void)argv;
	bad_addresses(bad);
	for (int i = 0; i < NBAD; i++) {
		CHECK_IS(call2(CASSIN_CALL_LOG, bad[i], 64), -CASSIN_EFAULT);
		CHECK_IS(call2(CASSIN_CALL_INFO, bad[i], 64), -CASSIN_EFAULT);
		CHECK_IS(cassin_call(CASSIN_CALL_RING_SETUP, bad[i], (uint64_t)sqes, 8, (uint64_t)cqes, 8),
			 -CASSIN_EFAULT);
		CHECK_IS(cassin_call(CASSIN_CALL_RING_SETUP, (uint64_t)&ring, bad[i], 8, (uint64_t)cqes, 8),
			 -CASSIN_EFAULT);
		CHECK_IS(cassin_call(CASSIN_CALL_RING_SETUP, (uint64_t)&ring, (uint64_t)sqes, 8, bad[i], 8),
			 -CASSIN_EFAULT);
	}
	CHECK_IS(call2(CASSIN_CALL_LOG, straddle(), HALF_OUT), HALF_OUT);
	CHECK_IS(call2(CASSIN_CALL_LOG, straddle(), HALF_OUT + 1), -CASSIN_EFAULT);
	CHECK_IS(call2(CASSIN_CALL_INFO, straddle(), 64), -CASSIN_EFAULT);
	CHECK_IS(*(volatile uint64_t *)straddle(), 0); /* all or nothing */
	CHECK_IS(cassin_call(CASSIN_CALL_RING_SETUP, straddle(), (uint64_t)sqes, 8, (uint64_t)cqes, 8), -CASSIN_EFAULT);
	CHECK_IS(cassin_call(CASSIN_CALL_RING_SETUP, (uint64_t)&ring, straddle(), 8, (uint64_t)cqes, 8),
		 -CASSIN_EFAULT);
	CHECK_IS(cassin_call(CASSIN_CALL_RING_SETUP, (uint64_t)&ring, (uint64_t)sqes, 8, straddle(), 8),
		 -CASSIN_EFAULT);
	read_only(locked);
	for (int i = 0; i < NREADONLY; i++) {
		CHECK_IS(call2(CASSIN_CALL_INFO, locked[i], 64), -CASSIN_EFAULT);
		CHECK_IS(cassin_call(CASSIN_CALL_RING_SETUP, locked[i], (uint64_t)sqes, 8, (uint64_t)cqes, 8),
			 -CASSIN_EFAULT);
		CHECK_IS(cassin_call(CASSIN_CALL_RING_SETUP, (uint64_t)&ring, (uint64_t)sqes, 8, locked[i], 8),
			 -CASSIN_EFAULT);
	}
	CHECK_IS(cassin_call(CASSIN_CALL_RING_SETUP, (uint64_t)&ring, (uint64_t)sqes, 8, (uint64_t)cqes, 8), 0);
}

/* The paging calls take addresses too. */
static void paging_calls(int argc, char **argv)
{
	static const uint64_t bad[] = {0,
				       0x1000,
				       0xf000,
				       CASSIN_VA_END,
				       CASSIN_VA_END + 4096,
				       UINT64_C(0x7ffffffff000),
				       UINT64_C(0x800000000000),
				       UINT64_C(0xffff800000000000),
				       UINT64_C(0xfffffffffffff000)};
	(void)argc;
	(void)argv;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		void *at = (void *)bad[i];
		CHECK_IS(cassin_map(0, at, spare_page(0), 1, CASSIN_READ), -CASSIN_EINVAL);
		CHECK_IS(cassin_unmap(0, at, 1), -CASSIN_EINVAL);
		CHECK_IS(cassin_protect(0, at, 1, CASSIN_READ), -CASSIN_EINVAL);
	}
	void *last = (void *)(CASSIN_VA_END - 4096);
	CHECK_IS(cassin_map(0, last, spare_page(0), 2, CASSIN_READ), -CASSIN_EINVAL);
	CHECK_IS(cassin_map(0, last, spare_page(0), 1, CASSIN_READ | CASSIN_WRITE), 0);
	*(volatile uint64_t *)last = 42;
	CHECK_IS(*(volatile uint64_t *)spare(0), 42);
}

/* Two ends of one stream, both this guest's. */
static void own_stream(int32_t ends[2])
{
	char text[CASSIN_PAGE_SIZE];
	int n = cassin_format(text, sizeof text, "%s:9", cassin_name());
	int32_t listener = do_op(CASSIN_OP_LISTEN, 0, 0, 0, 9);
	CHECK(listener >= 0);
	start_op(1, CASSIN_OP_ACCEPT, listener, NULL, 0, 0);
	start_op(2, CASSIN_OP_CONNECT, 0, text, (uint32_t)n, 0);
	for (int i = 0; i < 2; i++) {
		struct cassin_cqe cqe = await_any();
		CHECK(cqe.result >= 0);
		ends[cqe.user_data - 1] = cqe.result;
	}
}

static void ops_at(uint64_t at, uint32_t len, bool only_writes, const int32_t ends[2])
{
	CHECK_IS(do_op(CASSIN_OP_CONSOLE_READ, 0, at, len, 0), -CASSIN_EFAULT);
	CHECK_IS(do_op(CASSIN_OP_RANDOM, 0, at, len, 0), -CASSIN_EFAULT);
	CHECK_IS(do_op(CASSIN_OP_RECV, ends[0], at, len, 0), -CASSIN_EFAULT);
	if (only_writes)
		return;
	CHECK_IS(do_op(CASSIN_OP_CONSOLE_WRITE, 0, at, len, 0), -CASSIN_EFAULT);
	CHECK_IS(do_op(CASSIN_OP_CONNECT, 0, at, len, 0), -CASSIN_EFAULT);
	CHECK_IS(do_op(CASSIN_OP_SEND, ends[0], at, len, 0), -CASSIN_EFAULT);
}

static void operations(int argc, char **argv)
{
	uint64_t bad[NBAD], locked[NREADONLY];
	int32_t ends[2];
	(void)argc;
	(void)argv;
	own_stream(ends);
	bad_addresses(bad);
	for (int i = 0; i < NBAD; i++)
		ops_at(bad[i], 64, false, ends);
	for (int i = 0; i < NBAD; i++)
		ops_at(bad[i], 1, false, ends);
	ops_at(straddle(), 64, false, ends);
	ops_at(UINT64_MAX - 7, 64, false, ends); /* wraps */
	read_only(locked);
	for (int i = 0; i < NREADONLY; i++)
		ops_at(locked[i], 64, true, ends);
	/* Nothing of all this went through the stream. */
	CHECK_IS(do_op(CASSIN_OP_SEND, ends[1], (uint64_t) "x", 1, 0), 1);
	CHECK_IS(do_op(CASSIN_OP_RECV, ends[0], (uint64_t)spare(0), 64, 0), 1);
	CHECK_IS(spare(0)[0], 'x');
}

/* ---- Changed while an operation is pending ---- */

static void console_read_unmapped(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	*spare(0) = 1;
	start_op(5, CASSIN_OP_CONSOLE_READ, 0, (const void *)(uintptr_t)spare(0), 64, 0);
	CHECK_IS(cassin_wait(0, 0), 0);
	CHECK_IS(cassin_unmap(0, (void *)(uintptr_t)spare(0), 1), 0);
	cassin_print("pending\n"); /* input comes now */
	CHECK_IS(await(5), -CASSIN_EFAULT);
	CHECK(do_op(CASSIN_OP_CONSOLE_READ, 0, (uint64_t)spare(1), 64, 0) > 0); /* and is not lost */
}

/* A submission that was consumed is the hypervisor's copy: changing the entry changes nothing. */
static void entry_rewritten(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	struct cassin_sqe *sqe = cassin_sqe(CASSIN_OP_CONSOLE_READ, 5);
	sqe->addr = (uint64_t)spare(0);
	sqe->len = 64;
	CHECK_IS(cassin_wait(0, 0), 0);
	memset(sqe, 0xff, sizeof *sqe);
	cassin_print("pending\n");
	CHECK(await(5) > 0);
	CHECK(spare(0)[0] != 0);
}

static void recv_changed(const char *how)
{
	int32_t ends[2];
	void *at = (void *)(uintptr_t)spare(0);
	own_stream(ends);
	memset(at, 'o', 64);
	start_op(5, CASSIN_OP_RECV, ends[0], at, 64, 0);
	CHECK_IS(cassin_wait(0, 0), 0);
	bool remap = strcmp(how, "remap") == 0;
	if (strcmp(how, "protect") == 0)
		CHECK_IS(cassin_protect(0, at, 1, CASSIN_READ), 0);
	else
		CHECK_IS(cassin_unmap(0, at, 1), 0);
	if (remap)
		CHECK_IS(cassin_map(0, at, spare_page(1), 1, CASSIN_READ | CASSIN_WRITE), 0);
	start_op(6, CASSIN_OP_SEND, ends[1], "new bytes", 9, 0);
	for (int i = 0; i < 2; i++) {
		struct cassin_cqe cqe = await_any();
		if (cqe.user_data == 5)
			CHECK_IS(cqe.result, remap ? 9 : -CASSIN_EFAULT);
	}
	/* The page that was there has not changed. */
	CHECK_IS(cassin_map(0, (void *)(uintptr_t)ELSEWHERE, spare_page(0), 1, CASSIN_READ), 0);
	for (int i = 0; i < 64; i++)
		CHECK_IS(ELSEWHERE[i], 'o');
	if (remap)
		CHECK_IS(memcmp(at, "new bytes", 9), 0);
}

static void recv_unmapped(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	recv_changed("unmap");
}

static void recv_protected(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	recv_changed("protect");
}

static void recv_remapped(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	recv_changed("remap");
}

/* A send that fills the pipe waits with the rest of its buffer; then the buffer goes away. */
static void send_unmapped(int argc, char **argv)
{
	enum { PAGES = 256 };
	int32_t ends[2], sent = 0, got = 0;
	void *at = (void *)(uintptr_t)spare(0);
	(void)argc;
	(void)argv;
	own_stream(ends);
	memset(at, 's', PAGES * CASSIN_PAGE_SIZE);
	start_op(5, CASSIN_OP_SEND, ends[1], at, PAGES * CASSIN_PAGE_SIZE, 0);
	CHECK_IS(cassin_wait(0, 0), 0);
	struct cassin_cqe cqe;
	CHECK(!cassin_next(&cqe)); /* a stream holds less than a MiB */
	CHECK_IS(cassin_unmap(0, at, PAGES), 0);
	memset((void *)(uintptr_t)spare(PAGES), 0, 64);
	start_op(7, CASSIN_OP_SHUTDOWN, ends[1], NULL, 0, 0);
	while (!sent) {
		start_op(6, CASSIN_OP_RECV, ends[0], (const void *)(uintptr_t)spare(PAGES), CASSIN_IO_MAX / 4, 0);
		do {
			cqe = await_any();
			if (cqe.user_data == 5)
				sent = cqe.result;
		} while (cqe.user_data != 6);
		for (int32_t i = 0; i < cqe.result; i++)
			CHECK_IS(spare(PAGES)[i], 's');
		if (cqe.result <= 0)
			break;
		got += cqe.result;
	}
	if (!sent)
		sent = await(5);
	CHECK_IS(sent, -CASSIN_EFAULT);
	CHECK(got < PAGES * (int32_t)CASSIN_PAGE_SIZE);
}

static const struct property all[] = {
	{"calls", calls},
	{"paging-calls", paging_calls},
	{"operations", operations},
	{"console-read-unmapped", console_read_unmapped},
	{"entry-rewritten", entry_rewritten},
	{"recv-unmapped", recv_unmapped},
	{"recv-protected", recv_protected},
	{"recv-remapped", recv_remapped},
	{"send-unmapped", send_unmapped},
};
PROPERTIES(all)
