/* SPDX-License-Identifier: MIT */
/* A small preemptive kernel that knows nothing of Cassin but abi.h. docs/porting.md walks through it. */
#ifndef MINIKERNEL_H
#define MINIKERNEL_H

#include <cassin/abi.h>
#include <stdbool.h>

#define SLICE_NS UINT64_C(2000000) /* a thread's turn */

/* call.c: the door, and what is a line above it. */
int64_t call(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e);
_Noreturn void power_off(int code);
_Noreturn void panic(const char *why); /* the guest crashes, with a report */
/* One line: who, what and a number. The console never waits, so it may be used anywhere. */
void say(const char *who, const char *what, uint64_t number);
void console_write(const char *text, uint64_t length); /* at most 4096 bytes */
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *at, int byte, size_t size);

/* clock.c: monotonic nanoseconds, without an exit where the counter allows it. */
extern const struct cassin_clock_page *clock_page;
uint64_t now(void);

/* page.c: whole pages of the heap. Their addresses are space 0's. */
void page_start(const struct cassin_boot *boot);
void *page_alloc(void); /* zeroed; NULL: none left */
void page_free(void *page);
uint64_t page_number(const void *page); /* as `map` takes it */

/* thread.c: threads of the kernel. The mask is the interrupt flag: all ones is `cli`. */
void thread_start(const struct cassin_boot *boot);
void thread_create(void (*body)(void *), void *argument); /* panics when there is no room */
_Noreturn void thread_run(void);                          /* all threads; powers off when the last has ended */
void thread_yield(void);
void thread_sleep(uint64_t until);
uint64_t interrupts_off(void); /* gives what interrupts_restore() takes */
void interrupts_restore(uint64_t mask);

/* process.c: user code, each in a space and with a thread of its own. */
void process_start(void);
void process_create(const char *name, const void *program, const void *program_end);

#endif
