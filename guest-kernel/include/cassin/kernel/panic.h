/* SPDX-License-Identifier: MIT */
/* The guest's own crash. */
#ifndef CASSIN_KERNEL_PANIC_H
#define CASSIN_KERNEL_PANIC_H

/* Writes the text, a backtrace of the calling thread and all threads to the console, and crashes the guest, so that its
 * report tells registers and names. */
_Noreturn void cassin_panic(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Writes all threads: name, priority, state, what each waits for. */
void cassin_thread_list(void);

#endif
