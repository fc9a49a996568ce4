/* SPDX-License-Identifier: MIT */
#include <cassin/guest.h>

#define LOG_MOST 4096u
#define PRINT_MOST 512u

void cassin_write(const void *bytes, size_t len)
{
	const char *at = bytes;
	while (len) {
		size_t n = len < LOG_MOST ? len : LOG_MOST;
		cassin_call(CASSIN_CALL_LOG, (uint64_t)at, n, 0, 0, 0);
		at += n;
		len -= n;
	}
}

void cassin_print(const char *format, ...)
{
	char text[PRINT_MOST];
	va_list args;
	va_start(args, format);
	int n = cassin_vformat(text, sizeof text, format, args);
	va_end(args);
	cassin_write(text, n < (int)sizeof text ? (size_t)n : sizeof text - 1);
}

int32_t cassin_read(void *to, uint32_t len)
{
	struct cassin_sqe op = {.op = CASSIN_OP_CONSOLE_READ, .addr = (uint64_t)to, .len = len};
	return cassin_do(&op);
}
