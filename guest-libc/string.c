/* SPDX-License-Identifier: MIT */
/*
 * The memory functions that ordinary programs live on, by vectors of 16 bytes: guest-lib's are small instead, and newlib
 * has most of these byte by byte. Up to 128 bytes go without a loop, all loaded before any is stored, the last ones at
 * the end wherever the first ones reach to. Nothing outside of the operands is read.
 *
 * Compiled so that the compiler does not turn them into calls to themselves.
 */
#include <stddef.h>
#include <stdint.h>

#define LARGE 2048u /* bytes from which the string instructions pay */

#define STRING(x) #x
#define NAME(x) STRING(x) /* as it is called here: unit tests give it another */

typedef char vector __attribute__((vector_size(16), may_alias));
typedef vector unaligned_vector __attribute__((aligned(1), may_alias));
typedef uint64_t word8 __attribute__((aligned(1), may_alias));
typedef uint32_t word4 __attribute__((aligned(1), may_alias));
typedef uint16_t word2 __attribute__((aligned(1), may_alias));

static vector load(const char *at)
{
	return *(const unaligned_vector *)at;
}

static void store(char *at, vector v)
{
	*(unaligned_vector *)at = v;
}

struct four {
	vector a, b, c, d;
};

static inline struct four load_four(const char *at)
{
	return (struct four){load(at), load(at + 16), load(at + 32), load(at + 48)};
}

static inline void store_four(char *at, struct four v)
{
	store(at, v.a);
	store(at + 16, v.b);
	store(at + 32, v.c);
	store(at + 48, v.d);
}

static void move_below_16(char *d, const char *s, size_t n)
{
	if (n >= 8) {
		uint64_t a = *(const word8 *)s, b = *(const word8 *)(s + n - 8);
		*(word8 *)d = a;
		*(word8 *)(d + n - 8) = b;
	} else if (n >= 4) {
		uint32_t a = *(const word4 *)s, b = *(const word4 *)(s + n - 4);
		*(word4 *)d = a;
		*(word4 *)(d + n - 4) = b;
	} else if (n >= 2) {
		uint16_t a = *(const word2 *)s, b = *(const word2 *)(s + n - 2);
		*(word2 *)d = a;
		*(word2 *)(d + n - 2) = b;
	} else if (n) {
		*d = *s;
	}
}

static void move_to_128(char *d, const char *s, size_t n)
{
	vector a = load(s), z = load(s + n - 16);
	if (n > 32) {
		vector b = load(s + 16), y = load(s + n - 32);
		if (n > 64) {
			vector c = load(s + 32), e = load(s + 48), w = load(s + n - 64), x = load(s + n - 48);
			store(d + 32, c);
			store(d + 48, e);
			store(d + n - 64, w);
			store(d + n - 48, x);
		}
		store(d + 16, b);
		store(d + n - 32, y);
	}
	store(d, a);
	store(d + n - 16, z);
}

/* The end that the loop has not reached yet is in hand before it begins, which may be what it overwrites. */
static void move_upwards(char *d, const char *s, size_t n)
{
	char *end = d + n - 64;
	struct four last = load_four(s + n - 64);
	for (; d < end; d += 64, s += 64)
		store_four(d, load_four(s));
	store_four(end, last);
}

static void move_downwards(char *d, const char *s, size_t n)
{
	struct four first = load_four(s);
	for (; n > 64; n -= 64)
		store_four(d + n - 64, load_four(s + n - 64));
	store_four(d, first);
}

void *memmove(void *to, const void *from, size_t n)
{
	char *d = to;
	const char *s = from;
	if (n < 16)
		move_below_16(d, s, n);
	else if (n <= 128)
		move_to_128(d, s, n);
	else if ((uintptr_t)d - (uintptr_t)s < n) /* it begins within what is to be read */
		move_downwards(d, s, n);
	else if (n >= LARGE && (uintptr_t)s - (uintptr_t)d >= n)
		__asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
	else
		move_upwards(d, s, n);
	return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n) __attribute__((alias(NAME(memmove))));

void *memset(void *to, int byte, size_t n)
{
	char *d = to;
	uint64_t pattern = (unsigned char)byte * UINT64_C(0x0101010101010101);
	if (n < 16) {
		if (n >= 8) {
			*(word8 *)d = pattern;
			*(word8 *)(d + n - 8) = pattern;
		} else if (n >= 4) {
			*(word4 *)d = (uint32_t)pattern;
			*(word4 *)(d + n - 4) = (uint32_t)pattern;
		} else if (n >= 2) {
			*(word2 *)d = (uint16_t)pattern;
			*(word2 *)(d + n - 2) = (uint16_t)pattern;
		} else if (n) {
			*d = (char)byte;
		}
		return to;
	}
	if (n >= LARGE) {
		__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(byte) : "memory");
		return to;
	}
	vector v = (vector)(__attribute__((vector_size(16))) uint64_t){pattern, pattern};
	char *end = d + n - 16;
	for (; d < end; d += 16)
		store(d, v);
	store(end, v);
	return to;
}

/* Which of 16 bytes differ, a bit for each. */
static unsigned differences(const unsigned char *x, const unsigned char *y)
{
	vector equal = (vector)(load((const char *)x) == load((const char *)y));
	return (unsigned)__builtin_ia32_pmovmskb128(equal) ^ 0xffff;
}

static int compare_words(uint64_t a, uint64_t b)
{
	a = __builtin_bswap64(a);
	b = __builtin_bswap64(b);
	return (a > b) - (a < b);
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;
	if (n >= 16) {
		unsigned found = 0;
		size_t i = 0, last = n - 16;
		while (!(found = differences(x + i, y + i)) && i < last)
			i = i + 16 < last ? i + 16 : last;
		if (!found)
			return 0;
		i += (unsigned)__builtin_ctz(found);
		return x[i] - y[i];
	}
	if (n >= 8) {
		int first = compare_words(*(const word8 *)x, *(const word8 *)y);
		return first ? first : compare_words(*(const word8 *)(x + n - 8), *(const word8 *)(y + n - 8));
	}
	for (size_t i = 0; i < n; i++) {
		if (x[i] != y[i])
			return x[i] - y[i];
	}
	return 0;
}
