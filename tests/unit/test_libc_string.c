/* SPDX-License-Identifier: MIT */
/* guest-libc's memory functions, against loops over single bytes: each length around where their ways part, all
 * alignments, overlaps in both directions, and operands that end where memory does. */
#include "guest_names.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

void *guest_memcpy(void *restrict to, const void *restrict from, size_t n);
void *guest_memmove(void *to, const void *from, size_t n);
void *guest_memset(void *to, int byte, size_t n);
int guest_memcmp(const void *a, const void *b, size_t n);

#define ROOM 5000u

static unsigned char a[ROOM], b[ROOM], want[ROOM];

static size_t next_length(size_t n)
{
	return n < 300 ? n + 1 : n < 2040 ? n + 211 : n < 2060 ? n + 1 : n + 607;
}

static void fill(unsigned char *at)
{
	for (size_t i = 0; i < ROOM; i++)
		at[i] = (unsigned char)(i * 167 + (i >> 8) + 1);
}

static void expect(const unsigned char *got, const char *what, size_t n, size_t to, size_t from)
{
	for (size_t i = 0; i < ROOM; i++) {
		if (got[i] != want[i])
			cr_assert_fail("%s of %zu bytes from %zu to %zu: byte %zu", what, n, from, to, i);
	}
}

Test(libc_string, copies_any_length_at_any_alignment)
{
	fill(a);
	for (size_t n = 0; n < ROOM - 40; n = next_length(n)) {
		for (size_t at = 0; at < 17; at++) {
			for (size_t i = 0; i < ROOM; i++) {
				b[i] = 0xee;
				want[i] = i >= at && i < at + n ? a[i - at + 3] : 0xee;
			}
			cr_assert_eq(guest_memcpy(b + at, a + 3, n), b + at);
			expect(b, "a copy", n, at, 3);
		}
	}
}

Test(libc_string, moves_that_overlap)
{
	static const size_t distances[] = {0,  1,  2,   7,   8,   15,  16,  17,   31,   33,  63,
					   64, 65, 100, 127, 128, 129, 200, 1000, 2047, 2048};
	for (size_t n = 0; n < 2500; n = next_length(n)) {
		for (size_t k = 0; k < sizeof distances / sizeof *distances; k++) {
			for (int up = 0; up < 2; up++) {
				size_t from = up ? 5 : 5 + distances[k], to = up ? 5 + distances[k] : 5;
				fill(b);
				fill(want);
				for (size_t i = 0; i < n; i++)
					want[to + i] = (unsigned char)((from + i) * 167 + ((from + i) >> 8) + 1);
				cr_assert_eq(guest_memmove(b + to, b + from, n), b + to);
				expect(b, "a move", n, to, from);
			}
		}
	}
}

Test(libc_string, sets_any_length_at_any_alignment)
{
	for (size_t n = 0; n < ROOM - 40; n = next_length(n)) {
		for (size_t at = 0; at < 17; at++) {
			for (size_t i = 0; i < ROOM; i++) {
				b[i] = 0xee;
				want[i] = i >= at && i < at + n ? 0x9a : 0xee;
			}
			cr_assert_eq(guest_memset(b + at, 0x119a, n), b + at);
			expect(b, "a set", n, at, 0);
		}
	}
}

static int sign(int x)
{
	return (x > 0) - (x < 0);
}

Test(libc_string, compares_bytes_as_unsigned_and_by_the_first_that_differs)
{
	for (size_t n = 1; n < 300; n++) {
		fill(a);
		fill(b);
		cr_assert_eq(guest_memcmp(a, b, n), 0, "%zu equal bytes", n);
		for (size_t at = 0; at < n; at++) {
			b[at] = (unsigned char)(a[at] ^ 0x80);
			if (at + 1 < n)
				b[at + 1] = (unsigned char)(a[at + 1] ^
							    (b[at] > a[at] ? 0x80
									   : 0)); /* the later one says otherwise */
			int less = a[at] < b[at] ? -1 : 1;
			cr_assert_eq(sign(guest_memcmp(a, b, n)), less, "%zu bytes, differing at %zu", n, at);
			cr_assert_eq(sign(guest_memcmp(b, a, n)), -less);
			b[at] = a[at];
			b[at + 1] = a[at + 1];
		}
	}
}

Test(libc_string, reads_nothing_outside_of_the_operands)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *m = mmap(NULL, 5 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(m, MAP_FAILED);
	unsigned char *x = m + page, *y = m + 3 * page;
	cr_assert(!mprotect(x, page, PROT_READ | PROT_WRITE) && !mprotect(y, page, PROT_READ | PROT_WRITE));
	for (size_t n = 0; n <= page; n = next_length(n)) {
		guest_memset(x, 7, n);
		guest_memset(x + page - n, 7, n);
		guest_memmove(y, x + page - n, n);
		guest_memmove(y + page - n, x, n);
		cr_assert_eq(guest_memcmp(x, y + page - n, n), 0);
		cr_assert_eq(guest_memcmp(x + page - n, y, n), 0);
	}
	munmap(m, 5 * page);
}
