/* SPDX-License-Identifier: MIT */
/* Console input by lines. (cassin_write() and cassin_print() of guest-lib do for output.) */
#ifndef CASSIN_KERNEL_CONSOLE_H
#define CASSIN_KERNEL_CONSOLE_H

#include <cassin/kernel/thread.h>

#define CASSIN_LINE_MAX 1024u

/* Waits for a line and gives it with its newline; no zero is added. A line longer than `size` or CASSIN_LINE_MAX comes in
 * pieces, the last one may lack the newline. Bytes, 0 at the end of the input, -CASSIN_ETIMEDOUT: nothing was taken,
 * or a negated code. Not to be mixed with cassin_read(). */
int32_t cassin_console_line(char *to, uint32_t size, uint64_t deadline);

#endif
