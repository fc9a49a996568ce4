/* SPDX-License-Identifier: MIT */
/* The parts of guest-lib that need no hypervisor, compiled for the host under other names. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest_names.h"

#include <cassin/guest/boot.h>
#include <cassin/guest/format.h>
#include <cassin/guest/heap.h>
#include <cassin/guest/string.h>
#include <cassin/guest/window.h>

const struct cassin_boot *cassin_boot; /* none: the heap is the test's */

#define HEAP_SIZE (1u << 20)
#define PIECES 512u

static _Alignas(4096) char memory[HEAP_SIZE];

#define SAME(...)                                                                                                      \
	do {                                                                                                           \
		char ours[512], theirs[512];                                                                           \
		int n = cassin_format(ours, sizeof ours, __VA_ARGS__);                                                 \
		cr_assert_eq(n, snprintf(theirs, sizeof theirs, __VA_ARGS__));                                         \
		cr_assert_str_eq(ours, theirs);                                                                        \
	} while (0)

Test(format, integers_are_shown_as_by_the_c_library)
{
	SAME("%d %i %u", -5, 0, 4000000000u);
	SAME("[%5d] [%-5d] [%05d] [%.3d] [%8.3d] [%.0d]", 42, 42, -42, 7, -7, 0);
	SAME("%lld %llu %ld %zu", (long long)INT64_MIN, (unsigned long long)UINT64_MAX, -1L, (size_t)77);
	SAME("%x %X %08x %lx %hx %hhd", 0xbeefu, 0xbeefu, 255u, 0xfeedfacecafel, (unsigned short)0xffff,
	     (signed char)-3);
	SAME("%+d %*d %-*d|", 3, 6, 12, 6, 12);
}

Test(format, strings_and_characters_are_shown_as_by_the_c_library)
{
	SAME("%s|%8s|%-8s|%.2s|%c|%3c|%%", "abc", "abc", "abc", "abc", 'x', 'y');
	SAME("%p", (void *)0x1234);
}

Test(format, reals_are_shown_as_by_the_c_library)
{
	double values[] = {0,
			   -0.0,
			   1,
			   0.5,
			   1.5,
			   2.5,
			   0.125,
			   999999.9999999,
			   0.1,
			   1e-7,
			   123456789.987654321,
			   -3.14159265358979,
			   1e15,
			   1e22,
			   18446744073709551616.0,
			   DBL_MAX,
			   DBL_MIN,
			   DBL_TRUE_MIN,
			   0.9999999999,
			   INFINITY,
			   -INFINITY};
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		SAME("%f %.0f %.1f %.3f %.9f %.17f", values[i], values[i], values[i], values[i], values[i], values[i]);
		SAME("[%12.2f] [%-12.2f] [%012.2f] %+f", values[i], values[i], values[i], values[i]);
	}
}

Test(format, random_reals_are_shown_as_by_the_c_library)
{
	srand(1);
	for (int i = 0; i < 20000; i++) {
		double v = ldexp((double)rand() * 65536.0 + rand(), rand() % 200 - 150);
		SAME("%f %.3f %.12f", v, v, v);
	}
}

Test(format, a_text_that_does_not_fit_is_cut_and_ended)
{
	char text[8] = "xxxxxxx";
	cr_assert_eq(cassin_format(text, 4, "%s", "abcdefgh"), 8);
	cr_assert_str_eq(text, "abc");
	cr_assert_eq(text[4], 'x');
	cr_assert_eq(cassin_format(text, 1, "%d", 123), 3);
	cr_assert_str_eq(text, "");
}

Test(string, copies_match_at_every_length_and_offset)
{
	unsigned char from[1200], to[1200], want[1200];
	for (size_t i = 0; i < sizeof from; i++)
		from[i] = (unsigned char)(i * 7 + 1);
	for (size_t len = 0; len < 1100; len += len < 40 ? 1 : 67) {
		for (size_t at = 0; at < 9; at++) {
			__builtin_memset(to, 0, sizeof to);
			for (size_t i = 0; i < sizeof want; i++)
				want[i] = i >= at && i < at + len ? from[i - at + 3] : 0;
			guest_memcpy(to + at, from + 3, len);
			cr_assert_eq(guest_memcmp(to, want, sizeof to), 0);
			guest_memset(to + at, 0x1ff, len);
			for (size_t i = 0; i < sizeof to; i++)
				cr_assert_eq(to[i], i >= at && i < at + len ? 0xff : 0);
		}
	}
}

Test(string, a_move_may_overlap_in_both_directions)
{
	for (size_t from = 0; from < 20; from++) {
		for (size_t to = 0; to < 20; to++) {
			char text[64], want[64];
			for (size_t i = 0; i < sizeof text; i++)
				text[i] = (char)i;
			for (size_t i = 0; i < sizeof text; i++)
				want[i] = (char)(i >= to && i < to + 37 ? i - to + from : i);
			guest_memmove(text + to, text + from, 37);
			cr_assert_eq(guest_memcmp(text, want, sizeof text), 0);
		}
	}
}

Test(string, comparisons_order_bytes_as_unsigned)
{
	cr_assert_lt(guest_memcmp("aaaaaaaa1", "aaaaaaaa\xff", 9), 0);
	cr_assert_gt(guest_strcmp("b", "abc"), 0);
	cr_assert_lt(guest_strcmp("ab", "ab\x80"), 0);
	cr_assert_eq(guest_strncmp("abcdef", "abcxyz", 3), 0);
	cr_assert_eq(guest_strlen("four"), 4);
	cr_assert_eq(guest_memchr("abc", 'd', 3), NULL);
	const char *text = "abc";
	cr_assert_eq(guest_memchr(text, 'c', 3), text + 2);
}

Test(string, a_number_is_parsed_or_refused)
{
	cr_assert_eq(cassin_parse("0", 1), 0);
	cr_assert_eq(cassin_parse("9223372036854775807", 19), INT64_MAX);
	cr_assert_eq(cassin_parse("9223372036854775808", 19), -1);
	cr_assert_eq(cassin_parse("99999999999999999999", 20), -1);
	cr_assert_eq(cassin_parse("", 0), -1);
	cr_assert_eq(cassin_parse("-1", 2), -1);
	cr_assert_eq(cassin_parse("12x", 3), -1);
	cr_assert_eq(cassin_parse("12x", 2), 12);
}

Test(heap, blocks_are_aligned_and_low_addresses_come_first)
{
	cassin_heap_reset(memory, sizeof memory);
	char *a = cassin_alloc(1), *b = cassin_alloc(100), *c = cassin_alloc(1);
	cr_assert_eq((uintptr_t)a % 16 + (uintptr_t)b % 16 + (uintptr_t)c % 16, 0);
	cr_assert(a - memory <= 16 && a < b && b < c && c < memory + 256);
	cassin_free(b);
	cr_assert_eq(cassin_alloc(90), b);
}

Test(heap, all_freed_leaves_one_whole_heap)
{
	cassin_heap_reset(memory, sizeof memory);
	void *all = cassin_alloc(sizeof memory - 64);
	cr_assert_not_null(all);
	cassin_free(all);
	void *p[64];
	for (size_t i = 0; i < 64; i++)
		p[i] = cassin_alloc(i * 37 + 1);
	for (size_t i = 0; i < 64; i++)
		cassin_free(p[i * 29 % 64]);
	cr_assert_eq(cassin_heap_used(), 0);
	cr_assert_eq(cassin_alloc(sizeof memory - 64), all);
}

Test(heap, a_full_heap_and_absurd_sizes_are_refused)
{
	cassin_heap_reset(memory, 4096);
	cr_assert_null(cassin_alloc(4096));
	cr_assert_null(cassin_alloc(SIZE_MAX));
	cr_assert_null(cassin_alloc(SIZE_MAX - 15));
	cr_assert_null(cassin_zalloc(SIZE_MAX / 2, 4));
	void *p = cassin_alloc(3000);
	cr_assert_not_null(p);
	cr_assert_null(cassin_alloc(3000));
	cr_assert_null(cassin_realloc(p, 5000));
	cassin_free(p);
	cassin_free(NULL);
	cr_assert_not_null(cassin_alloc(4000));
}

Test(heap, an_empty_heap_hands_out_nothing)
{
	cassin_heap_reset(memory, 0);
	cr_assert_null(cassin_alloc(1));
	cr_assert_null(cassin_alloc(0));
}

Test(heap, an_aligned_block_costs_no_more_than_its_size_and_a_hole_below)
{
	char *a = NULL, *b = NULL, *wall = NULL;
	for (size_t from = 4096; from; from -= 16) { /* wherever the heap begins */
		cassin_heap_reset(memory + from - 16, sizeof memory - from + 16);
		a = cassin_alloc_aligned(4096, 8192 - 16);
		b = cassin_alloc_aligned(4096, 8192 - 16);
		cr_assert_eq((uintptr_t)a % 4096, 0);
		cr_assert_eq(b, a + 8192, "from %zu", from);
		cr_assert_eq(cassin_heap_used(), 2 * 8192, "from %zu", from);
		wall = cassin_alloc(1);
	}
	cassin_free(b);
	cr_assert_eq(cassin_alloc_aligned(4096, 8192 - 16), b);
	cr_assert_lt((char *)cassin_alloc(100), a);
	cassin_free(wall);
	cr_assert_null(cassin_alloc_aligned(24, 8));
	cr_assert_null(cassin_alloc_aligned(1u << 20, 8));
	cr_assert_null(cassin_alloc_aligned(4096, SIZE_MAX - 100));
	cr_assert_null(cassin_alloc_aligned(4096, sizeof memory));
}

Test(heap, a_block_grows_in_place_or_moves_with_its_bytes)
{
	cassin_heap_reset(memory, sizeof memory);
	char *p = cassin_realloc(NULL, 10);
	__builtin_memcpy(p, "012345678", 10);
	cr_assert_eq(cassin_realloc(p, 1000), p); /* the topmost */
	char *wall = cassin_alloc(10);
	char *moved = cassin_realloc(p, 2000);
	cr_assert_neq(moved, p);
	cr_assert_str_eq(moved, "012345678");
	cassin_free(wall);
	cr_assert_eq(cassin_realloc(moved, 20), moved);
	cassin_free(moved);
	cr_assert_eq(cassin_heap_used(), 0);
}

/* One random step on piece i: free, grow, shrink or make it. Each piece is filled with its own byte. */
static void random_step(unsigned char **piece, size_t *size, size_t i)
{
	for (size_t j = 0; j < size[i]; j++)
		cr_assert_eq(piece[i][j], (unsigned char)i, "piece %zu was written by another", i);
	size_t want = (size_t)rand() % (rand() % 8 ? 200 : 20000), align = (size_t)16 << rand() % 9;
	unsigned char *p = NULL;
	if (piece[i] && rand() % 2) {
		cassin_free(piece[i]);
		want = 0;
	} else {
		bool aligned = !piece[i] && rand() % 3 == 0;
		p = aligned    ? cassin_alloc_aligned(align, want)
		    : piece[i] ? cassin_realloc(piece[i], want)
			       : cassin_alloc(want);
		if (!p)
			return;
		cr_assert(!aligned || (uintptr_t)p % align == 0);
	}
	cr_assert(!p || ((char *)p >= memory && (char *)p + want <= memory + sizeof memory));
	piece[i] = p;
	size[i] = want;
	if (p)
		__builtin_memset(p, (int)(i & 0xff), want);
}

Test(heap, blocks_never_overlap_in_a_long_random_run)
{
	static unsigned char *piece[PIECES];
	static size_t size[PIECES];
	cassin_heap_reset(memory, sizeof memory);
	srand(7);
	for (int step = 0; step < 200000; step++)
		random_step(piece, size, (size_t)rand() % PIECES);
	for (size_t i = 0; i < PIECES; i++)
		cassin_free(piece[i]);
	cr_assert_eq(cassin_heap_used(), 0);
	cr_assert_not_null(cassin_alloc(sizeof memory - 64));
}

Test(window, so_many_sends_or_bytes_of_a_stream_go_out_silently)
{
	struct cassin_windows all = {.most = 1000};
	struct cassin_window a = {0}, b = {0};
	unsigned n = 0;
	for (; cassin_window_open(&a, &all); n++)
		cassin_window_sent(&a, &all, 10);
	cr_assert_eq(n, 64);
	for (n = 0; cassin_window_open(&b, &all); n++)
		cassin_window_sent(&b, &all, 65536);
	cr_assert_eq(n, 5);
	cassin_window_confirmed(&a, &all);
	cr_assert(cassin_window_open(&a, &all));
	cr_assert(!cassin_window_open(&b, &all));
	cr_assert_eq(all.silent, 5);
}

Test(window, all_streams_together_have_a_limit)
{
	struct cassin_windows all = {.most = 3};
	struct cassin_window w[4] = {0};
	for (unsigned i = 0; i < 3; i++) {
		cr_assert(cassin_window_open(&w[i], &all));
		cassin_window_sent(&w[i], &all, 1);
	}
	cr_assert(!cassin_window_open(&w[3], &all));
	cassin_window_confirmed(&w[1], &all);
	cr_assert(cassin_window_open(&w[3], &all));
}
