/* SPDX-License-Identifier: MIT */
/* Debuggers of the daemon's guests: each session has a thread of its own, which ends with it. */
#ifndef DEBUG_H
#define DEBUG_H

#include "daemon.h"

#define DEBUG_SESSIONS_MAX 32u

/* Answers "OK\n", and then what a debugger asks, on fd, which it takes over; or "ERR why\n". The loop's thread. */
void debug_session_start(struct daemon *d, uint64_t guest, int fd);
/* Ends all sessions; none is started afterwards. Before the engine is destroyed. */
void debug_sessions_end(struct daemon *d);

#endif
