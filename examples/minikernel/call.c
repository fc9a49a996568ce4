/* SPDX-License-Identifier: MIT */
/* The hypercall, by its one instruction. */
#include "kernel.h"

int64_t call(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	int64_t result;
	__asm__ volatile("outb %%al, $0xca"
			 : "=a"(result)
			 : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "memory");
	return result;
}

void console_write(const char *text, uint64_t length)
{
	call(CASSIN_CALL_LOG, (uint64_t)text, length, 0, 0, 0);
}

static char *append(char *to, const char *end, const char *text)
{
	while (*text && to < end)
		*to++ = *text++;
	return to;
}

void say(const char *who, const char *what, uint64_t number)
{
	char line[128], digits[21] = "", *digit = digits + 20;
	do {
		*--digit = (char)('0' + number % 10);
	} while (number /= 10);
	char *to = append(line, line + 30, who);
	to = append(to, to + 2, ": ");
	to = append(to, to + 60, what);
	to = append(to, to + 1, " ");
	to = append(to, to + 20, digit);
	*to++ = '\n';
	console_write(line, (uint64_t)(to - line));
}

void power_off(int code)
{
	call(CASSIN_CALL_EXIT, (uint64_t)code, 0, 0, 0, 0);
	__builtin_unreachable();
}

void panic(const char *why)
{
	say("panic", why, now());
	__builtin_trap();
}

/* The compiler may call these two by itself. */
void *memcpy(void *to, const void *from, size_t size)
{
	void *at = to;
	__asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(size) : : "memory");
	return to;
}

void *memset(void *at, int byte, size_t size)
{
	void *to = at;
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(byte) : "memory");
	return at;
}
