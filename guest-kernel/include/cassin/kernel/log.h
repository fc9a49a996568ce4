/* SPDX-License-Identifier: MIT */
/* The log: lines on the console with wall time, level and the thread's name. One exit a line, at once. */
#ifndef CASSIN_KERNEL_LOG_H
#define CASSIN_KERNEL_LOG_H

enum cassin_log_level {
	CASSIN_LOG_ERROR,
	CASSIN_LOG_WARNING,
	CASSIN_LOG_INFO,
	CASSIN_LOG_DEBUG,
};

/* A line (see guest-lib's format.h; no newline needed), if its level is shown. At most 512 bytes with what stands before
 * it. */
void cassin_log(enum cassin_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Shows lines of this level and above; CASSIN_LOG_INFO at the start. */
void cassin_log_show(enum cassin_log_level level);

#endif
