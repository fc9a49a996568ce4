/* SPDX-License-Identifier: MIT */
/* Functions that every exit goes through lie side by side, in few pages: an exit leaves the processor's buffers cold. */
#ifndef HOT_H
#define HOT_H

#define HOT __attribute__((hot))

#endif
