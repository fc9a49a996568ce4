/* SPDX-License-Identifier: MIT */
#include "bar.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host.h"

#define WIDTH_MAX 32u
#define APART_NS 200000000u

void bar_start(struct bar *b, bool quiet, double all_s)
{
	struct winsize size;
	*b = (struct bar){.shown = !quiet && isatty(STDERR_FILENO), .width = 12, .all_s = all_s};
	if (b->shown && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 100)
		b->width = WIDTH_MAX;
}

void bar_step(struct bar *b, double seconds)
{
	b->step_s = seconds;
	b->step_began = now_ns();
}

void bar_say(struct bar *b, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(b->what, sizeof b->what, format, args);
	va_end(args);
	bar_draw(b);
}

void bar_draw(struct bar *b)
{
	char line[WIDTH_MAX + 1];
	uint64_t now = now_ns();
	if (!b->shown || now - b->last < APART_NS)
		return;
	b->last = now;
	double in_step = (double)(now - b->step_began) / 1e9, done = b->done_s;
	if (b->step_s > 0)
		done += in_step < b->step_s ? in_step : b->step_s;
	double part = b->all_s > 0 ? done / b->all_s : 0, left = b->all_s - done;
	unsigned full = part < 1 ? (unsigned)(part * b->width) : b->width;
	unsigned minutes = (unsigned)(left > 0 ? left / 60 : 0);
	for (unsigned i = 0; i < b->width; i++)
		line[i] = i < full ? '#' : '.';
	line[b->width] = '\0';
	fprintf(stderr, "\r[%s] %3.0f %%  %s  ", line, part < 1 ? part * 100 : 100, b->what);
	if (minutes)
		fprintf(stderr, "%u min left\033[K", minutes + 1);
	else
		fprintf(stderr, "%.0f s left\033[K", left > 1 ? left : 1);
	fflush(stderr);
}

void bar_step_done(struct bar *b)
{
	b->done_s += b->step_s;
	b->step_s = 0;
}

void bar_clear(const struct bar *b)
{
	if (b->shown)
		fputs("\r\033[K", stderr);
}
