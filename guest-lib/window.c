/* SPDX-License-Identifier: MIT */
#include <cassin/guest/window.h>

#define SENDS_MOST 64u
#define BYTES_MOST 262144u

bool cassin_window_open(const struct cassin_window *w, const struct cassin_windows *all)
{
	return w->sends < SENDS_MOST && w->bytes <= BYTES_MOST && all->silent < all->most;
}

void cassin_window_sent(struct cassin_window *w, struct cassin_windows *all, uint32_t bytes)
{
	w->sends++;
	w->bytes += bytes;
	all->silent++;
}

void cassin_window_confirmed(struct cassin_window *w, struct cassin_windows *all)
{
	all->silent -= w->sends;
	w->sends = w->bytes = 0;
}
