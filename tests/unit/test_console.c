/* SPDX-License-Identifier: MIT */
/* A console's ring of output and its queue of input. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "fake_guest.h"
#include "device/console.h"

/* Linked with --wrap=malloc. */
void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
static bool no_memory;

void *__wrap_malloc(size_t n)
{
	return no_memory ? NULL : __real_malloc(n);
}

static void write_text(struct console *c, const char *text)
{
	console_write(c, text, strlen(text));
}

/* Byte at stream offset `at` of the pattern that fill() writes. */
static char pattern(uint64_t at)
{
	return (char)(at * 7 + at / 251);
}

static void fill(struct console *c, uint64_t from, size_t len, size_t chunk)
{
	char bytes[40000];
	cr_assert_leq(chunk, sizeof bytes);
	for (uint64_t at = from; at < from + len;) {
		size_t n = from + len - at < chunk ? (size_t)(from + len - at) : chunk;
		for (size_t i = 0; i < n; i++)
			bytes[i] = pattern(at + i);
		console_write(c, bytes, n);
		at += n;
	}
}

static void expect_pattern(struct console *c, uint64_t from, uint64_t to)
{
	char buf[CONSOLE_KEPT + 1];
	uint64_t offset = from, lost = 77;
	cr_assert_eq(console_read(c, &offset, buf, sizeof buf, &lost), (long)(to - from));
	cr_assert_eq(offset, to);
	cr_assert_eq(lost, 0u);
	for (uint64_t at = from; at < to; at++)
		cr_assert_eq(buf[at - from], pattern(at), "offset %lu", (unsigned long)at);
}

Test(console, what_is_written_is_read)
{
	struct console c;
	char buf[32] = {0};
	uint64_t offset = 0, lost = 9;
	console_init(&c);
	cr_assert_eq(console_read(&c, &offset, buf, sizeof buf, &lost), 0);
	write_text(&c, "hello, ");
	write_text(&c, "world\n");
	cr_assert_eq(console_read(&c, &offset, buf, sizeof buf, &lost), 13);
	cr_assert_str_eq(buf, "hello, world\n");
	cr_assert_eq(offset, 13u);
	cr_assert_eq(lost, 0u);
	cr_assert_eq(console_read(&c, &offset, buf, sizeof buf, &lost), 0);
	console_destroy(&c);
}

Test(console, a_small_buffer_reads_piece_by_piece)
{
	struct console c;
	char buf[4];
	uint64_t offset = 0, lost;
	console_init(&c);
	write_text(&c, "abcdefgh!");
	cr_assert_eq(console_read(&c, &offset, buf, 4, &lost), 4);
	cr_assert_arr_eq(buf, "abcd", 4);
	cr_assert_eq(console_read(&c, &offset, buf, 4, &lost), 4);
	cr_assert_arr_eq(buf, "efgh", 4);
	cr_assert_eq(console_read(&c, &offset, buf, 4, &lost), 1);
	cr_assert_eq(buf[0], '!');
	cr_assert_eq(console_read(&c, &offset, buf, 0, &lost), 0);
	cr_assert_eq(offset, 9u);
	console_destroy(&c);
}

Test(console, an_offset_ahead_of_the_stream_is_brought_back)
{
	struct console c;
	char buf[4];
	uint64_t offset = 1000, lost;
	console_init(&c);
	write_text(&c, "abc");
	cr_assert_eq(console_read(&c, &offset, buf, 4, &lost), 0);
	cr_assert_eq(offset, 3u);
	cr_assert_eq(lost, 0u);
	console_destroy(&c);
}

Test(console, nothing_is_lost_while_it_fits)
{
	struct console c;
	console_init(&c);
	fill(&c, 0, CONSOLE_KEPT, 100);
	cr_assert_eq(console_lost(&c), 0u);
	cr_assert_eq(c.out_size, CONSOLE_KEPT);
	expect_pattern(&c, 0, CONSOLE_KEPT);
	console_destroy(&c);
}

Test(console, a_quiet_guest_holds_little)
{
	struct console c;
	console_init(&c);
	cr_assert_null(c.out);
	cr_assert_null(atomic_load(&c.input));
	write_text(&c, "ready\n");
	cr_assert_leq(c.out_size, 256u);
	console_destroy(&c);
}

Test(console, a_flood_is_bounded_and_its_loss_counted)
{
	struct console c;
	char buf[16];
	uint64_t offset = 0, lost = 0;
	const uint64_t total = 10 * CONSOLE_KEPT + 333;
	console_init(&c);
	fill(&c, 0, total, 1000);
	cr_assert_eq(c.out_size, CONSOLE_KEPT);
	cr_assert_eq(console_lost(&c), total - CONSOLE_KEPT);
	cr_assert_eq(console_read(&c, &offset, buf, sizeof buf, &lost), 16);
	cr_assert_eq(lost, total - CONSOLE_KEPT);
	cr_assert_eq(offset, total - CONSOLE_KEPT + 16);
	expect_pattern(&c, total - CONSOLE_KEPT, total);
	console_destroy(&c);
}

Test(console, one_write_longer_than_the_ring_keeps_its_end)
{
	struct console c;
	const uint64_t total = 5 + 40000;
	console_init(&c);
	fill(&c, 0, 5, 5);
	fill(&c, 5, 40000, 40000);
	cr_assert_eq(console_lost(&c), total - CONSOLE_KEPT);
	expect_pattern(&c, total - CONSOLE_KEPT, total);
	console_destroy(&c);
}

Test(console, offsets_hold_while_the_ring_grows)
{
	struct console c;
	uint64_t total = 0;
	console_init(&c);
	for (size_t n = 1; total + n <= CONSOLE_KEPT; n += 37) {
		fill(&c, total, n, n);
		total += n;
		expect_pattern(&c, 0, total);
	}
	cr_assert_eq(console_lost(&c), 0u);
	console_destroy(&c);
}

Test(console, a_ring_that_could_not_grow_gives_no_byte_that_was_not_written)
{
	struct console c;
	char buf[16];
	uint64_t offset = 0, lost;
	console_init(&c);
	no_memory = true;
	fill(&c, 0, 100, 100);
	no_memory = false;
	cr_assert_eq(console_lost(&c), 100u);
	fill(&c, 0, 200, 200);
	no_memory = true;
	fill(&c, 200, 200, 200);
	no_memory = false;
	fill(&c, 400, 200, 200);
	uint64_t kept = c.out_end - (console_lost(&c) - 100);
	cr_assert_eq(console_read(&c, &offset, buf, sizeof buf, &lost), (long)sizeof buf);
	cr_assert_eq(lost, c.out_end - kept);
	expect_pattern(&c, c.out_end - kept, c.out_end);
	console_destroy(&c);
}

/* ---- Input ---- */

static int32_t read_op(struct fake_guest *f, uint64_t at, uint32_t len)
{
	struct request request = {.op = CASSIN_OP_CONSOLE_READ, .addr = FAKE_BASE + at, .len = len, .user_data = at};
	return op_start(&f->guest, &request);
}

/* Rings, so that reads that waited can complete; the last completion. */
#define RING (FAKE_BASE + 0x8000)
#define CQES (FAKE_BASE + 0x9000)

static void rings(struct fake_guest *f)
{
	cr_assert_eq(ring_setup(&f->guest, gva(RING), gva(RING + 0x100), 8, gva(CQES), 8), 0);
}

static struct cassin_cqe completion(struct fake_guest *f, uint32_t i)
{
	struct cassin_cqe cqe;
	memcpy(&cqe, fake_at(f, CQES + i * sizeof cqe), sizeof cqe);
	return cqe;
}

Test(console, input_that_waits_is_read_at_once)
{
	struct fake_guest *f = fake_guest_new();
	cr_assert_eq(console_feed(&f->guest.console, "hello", 5), 5);
	cr_assert_eq(read_op(f, 0, 3), 3);
	cr_assert_arr_eq(f->bytes, "hel", 3);
	cr_assert_eq(read_op(f, 8, 100), 2);
	cr_assert_arr_eq(f->bytes + 8, "lo", 2);
	fake_guest_free(f);
}

Test(console, reads_wait_for_input_in_their_order)
{
	struct fake_guest *f = fake_guest_new();
	rings(f);
	cr_assert_eq(read_op(f, 0, 2), OP_PENDING);
	cr_assert_eq(read_op(f, 16, 2), OP_PENDING);
	console_feed(&f->guest.console, "abc", 3);
	console_serve(&f->guest);
	cr_assert_eq(completion(f, 0).user_data, 0u);
	cr_assert_eq(completion(f, 0).result, 2);
	cr_assert_eq(completion(f, 1).user_data, 16u);
	cr_assert_eq(completion(f, 1).result, 1);
	cr_assert_eq(f->bytes[16], 'c');
	cr_assert_eq(f->guest.nops, 0u);
	fake_guest_free(f);
}

Test(console, the_end_of_input_ends_every_read)
{
	struct fake_guest *f = fake_guest_new();
	rings(f);
	cr_assert_eq(read_op(f, 0, 2), OP_PENDING);
	cr_assert_eq(console_feed(&f->guest.console, NULL, 0), 0);
	console_serve(&f->guest);
	cr_assert_eq(f->guest.ring.cq_tail, 1u);
	cr_assert_eq(completion(f, 0).result, 0);
	cr_assert_eq(read_op(f, 0, 2), 0);
	console_reopen(&f->guest.console);
	cr_assert_eq(read_op(f, 0, 2), OP_PENDING);
	fake_guest_free(f);
}

Test(console, input_is_given_before_its_end)
{
	struct fake_guest *f = fake_guest_new();
	console_feed(&f->guest.console, "x", 1);
	console_feed(&f->guest.console, NULL, 0);
	cr_assert_eq(read_op(f, 0, 8), 1);
	cr_assert_eq(read_op(f, 0, 8), 0);
	fake_guest_free(f);
}

Test(console, input_is_bounded)
{
	struct fake_guest *f = fake_guest_new();
	char bytes[4096];
	long taken = 0, n;
	memset(bytes, 'i', sizeof bytes);
	console_feed(&f->guest.console, "abc", 3);
	cr_assert_eq(read_op(f, 0, 3), 3); /* the queue starts past its beginning */
	while ((n = console_feed(&f->guest.console, bytes, 4095)) > 0)
		taken += n;
	cr_assert_eq(n, -EAGAIN);
	cr_assert_eq(taken, (long)CONSOLE_INPUT);
	cr_assert_eq(read_op(f, 0, 10), 10);
	cr_assert_eq(console_feed(&f->guest.console, bytes, sizeof bytes), 10);
	fake_guest_free(f);
}

Test(console, a_cancelled_read_takes_no_input)
{
	struct fake_guest *f = fake_guest_new();
	struct request cancel = {.op = CASSIN_OP_CANCEL, .offset = 16};
	rings(f);
	cr_assert_eq(read_op(f, 0, 4), OP_PENDING);
	cr_assert_eq(read_op(f, 16, 4), OP_PENDING);
	cr_assert_eq(op_start(&f->guest, &cancel), 0);
	cr_assert_eq(completion(f, 0).user_data, 16u);
	cr_assert_eq(completion(f, 0).result, -ECANCELED);
	console_feed(&f->guest.console, "abcdefgh", 8);
	console_serve(&f->guest);
	cr_assert_eq(completion(f, 1).result, 4);
	cr_assert_eq(atomic_load(&f->guest.console.input)->len, 4u);
	cr_assert_eq(f->bytes[16], 0);
	fake_guest_free(f);
}

Test(console, a_read_into_unmapped_memory_fails_and_keeps_the_input)
{
	struct fake_guest *f = fake_guest_new();
	console_feed(&f->guest.console, "abc", 3);
	cr_assert_eq(read_op(f, FAKE_SIZE, 4), -EFAULT);
	cr_assert_eq(read_op(f, FAKE_SIZE - 2, 4), -EFAULT);
	cr_assert_eq(read_op(f, 0, 4), 3);
	fake_guest_free(f);
}

Test(console, memory_unmapped_while_a_read_waits_fails_that_read)
{
	struct fake_guest *f = fake_guest_new();
	rings(f);
	cr_assert_eq(read_op(f, FAKE_SIZE - PAGE_SIZE, 4), OP_PENDING);
	f->limit -= PAGE_SIZE;
	console_feed(&f->guest.console, "abc", 3);
	console_serve(&f->guest);
	cr_assert_eq(completion(f, 0).result, -EFAULT);
	cr_assert_eq(atomic_load(&f->guest.console.input)->len, 3u);
	fake_guest_free(f);
}

Test(console, a_write_may_span_pages)
{
	struct fake_guest *f = fake_guest_new();
	struct request request = {.op = CASSIN_OP_CONSOLE_WRITE, .addr = FAKE_BASE + 0xffe, .len = 0x1004};
	char buf[0x1004];
	uint64_t offset = 0, lost;
	for (unsigned i = 0; i < sizeof buf; i++)
		f->bytes[0xffe + i] = (unsigned char)(i * 31);
	cr_assert_eq(op_start(&f->guest, &request), 0x1004);
	cr_assert_eq(console_read(&f->guest.console, &offset, buf, sizeof buf, &lost), 0x1004);
	cr_assert_arr_eq(buf, f->bytes + 0xffe, sizeof buf);
	request.addr = FAKE_BASE + FAKE_SIZE - 8;
	request.len = 9;
	f->guest.submission.done = 0; /* another submission */
	cr_assert_eq(op_start(&f->guest, &request), -EFAULT);
	fake_guest_free(f);
}
