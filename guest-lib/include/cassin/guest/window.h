/* SPDX-License-Identifier: MIT */
/*
 * Sends with CASSIN_SQE_SKIP_SUCCESS say nothing when they are done. So that a peer that does not read cannot pile them
 * up without end, only so many of a stream go out before one that is waited for.
 */
#ifndef CASSIN_GUEST_WINDOW_H
#define CASSIN_GUEST_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

/* Of one stream: what was sent silently since the last send that was waited for. */
struct cassin_window {
	uint32_t sends, bytes;
};

/* Of all streams together: they hold room for completions. */
struct cassin_windows {
	uint32_t silent, most;
};

/* Whether the next send may be silent. */
bool cassin_window_open(const struct cassin_window *w, const struct cassin_windows *all);
void cassin_window_sent(struct cassin_window *w, struct cassin_windows *all, uint32_t bytes);
/* All sends of the stream before this moment are known to have left, or the stream is closed. */
void cassin_window_confirmed(struct cassin_window *w, struct cassin_windows *all);

#endif
