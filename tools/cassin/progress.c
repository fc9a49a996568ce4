/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../common/clocks.h"

#define BAR_MAX 40

void progress_start(struct progress *p)
{
	struct winsize size;
	*p = (struct progress){.shown = isatty(STDERR_FILENO), .started = now_ns(), .width = 20};
	if (p->shown && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 60)
		p->width = size.ws_col - 50u < BAR_MAX ? size.ws_col - 50u : BAR_MAX;
}

void progress_show(const struct progress *p, unsigned done, unsigned failed, unsigned all, const char *what)
{
	char bar[BAR_MAX + 1];
	unsigned full = all ? (unsigned)((uint64_t)done * p->width / all) : 0;
	if (!p->shown)
		return;
	for (unsigned i = 0; i < p->width; i++)
		bar[i] = i < full ? '#' : '.';
	bar[p->width] = '\0';
	fprintf(stderr, "\r[%s] %u/%u %s", bar, done, all, what);
	if (failed)
		fprintf(stderr, ", %u failed", failed);
	fprintf(stderr, "  %.1f s\033[K", (double)(now_ns() - p->started) / 1e9);
	fflush(stderr);
}

void progress_end(const struct progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
}
