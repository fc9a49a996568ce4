/* SPDX-License-Identifier: MIT */
/*
 * Threads. They share the guest's one CPU and switch where they block, yield or end: the ready thread of the highest
 * priority runs, those of one priority by turns; cassin_preempt() makes them switch at other times, too. `main` is a
 * thread like others; when it returns, the guest ends.
 *
 * Deadlines are moments of cassin_now(). CASSIN_NOW: do not wait; CASSIN_FOREVER: without end.
 */
#ifndef CASSIN_KERNEL_THREAD_H
#define CASSIN_KERNEL_THREAD_H

#include <stddef.h>
#include <stdint.h>

#include <cassin/kernel/error.h>

#define CASSIN_PRIORITY_LEAST 0
#define CASSIN_PRIORITY_DEFAULT 16
#define CASSIN_PRIORITY_MOST 31
#define CASSIN_STACK_DEFAULT 16384u /* bytes, without the guard page */
#define CASSIN_THREAD_NAME_MAX 16u  /* with its zero; longer names are cut */
#define CASSIN_THREAD_SLOTS 4u

struct cassin_thread;

/* Threads that wait for one thing: the highest priority first, equals in the order of their coming. Zero: nobody. */
struct cassin_waiters {
	struct cassin_thread *first, *last;
};

struct cassin_thread_options {
	const char *name;  /* copied; NULL: "thread" */
	unsigned priority; /* 0: CASSIN_PRIORITY_DEFAULT; for CASSIN_PRIORITY_LEAST call cassin_thread_set_priority() */
	size_t stack_size; /* bytes, rounded up to pages; 0: CASSIN_STACK_DEFAULT */
	int detached;      /* nobody will join it */
};

/* Makes a thread that runs `run(arg)`, ready but not started before the caller blocks or yields. `out` (NULL: not
 * wanted) is good until the thread is joined, or, if it is detached, until it ends. `options` may be NULL.
 * 0, -CASSIN_ENOMEM, -CASSIN_EINVAL: such a priority or stack size cannot be. */
int cassin_thread_create(struct cassin_thread **out, const struct cassin_thread_options *options, int (*run)(void *arg),
			 void *arg);
/* Waits for the thread's end, stores what it returned (`result` may be NULL) and frees it. 0, -CASSIN_ETIMEDOUT,
 * -CASSIN_EDEADLK: itself, -CASSIN_EINVAL: it is detached, -CASSIN_EBUSY: another thread joins it. */
int cassin_thread_join(struct cassin_thread *t, int *result, uint64_t deadline);
/* The thread will be freed when it ends. 0, -CASSIN_EINVAL: the thread is detached already, -CASSIN_EBUSY: a thread joins it. */
int cassin_thread_detach(struct cassin_thread *t);
/* Ends the calling thread. It must hold no mutex. When the last thread has ended, the guest ends with the code that
 * main's thread gave, or 0. */
_Noreturn void cassin_thread_exit(int result);

struct cassin_thread *cassin_self(void);
const char *cassin_thread_name(const struct cassin_thread *t);
/* Lets ready threads of the same or a higher priority run first. */
void cassin_thread_yield(void);
/* As it was set; a mutex may lift it for a while. -CASSIN_EINVAL: above CASSIN_PRIORITY_MOST. */
unsigned cassin_thread_priority(const struct cassin_thread *t);
int cassin_thread_set_priority(struct cassin_thread *t, unsigned priority);

/* cassin_sleep_until() of guest-lib lets the other threads run. So does this; `ns` from now. */
void cassin_sleep(uint64_t ns);
/* The moment `ns` from now, for deadlines; the last one before CASSIN_FOREVER if that is beyond it: who waits for that still
 * waits for something. CASSIN_FOREVER stays as it is. */
uint64_t cassin_after(uint64_t ns);

/* Values of the calling thread's own, for libraries; free of cost. i < CASSIN_THREAD_SLOTS; NULL at the start. */
void *cassin_thread_slot(unsigned i);
void cassin_thread_slot_set(unsigned i, void *value);
/* Sets the base of `fs` for the calling thread, not 0. Switching to a thread that has one costs an exit unless the base is
 * there already; threads that have none pay nothing, and must not use `fs`. 0, -CASSIN_EINVAL. */
int cassin_thread_tls_set(void *base);

/* For an interrupt handler that runs on the interrupted thread's stack and has saved all its registers: switches, if a
 * thread of the same or a higher priority is ready. Within the kernel it does nothing but have the kernel do that on
 * its way out. */
void cassin_thread_preempt(void);

#endif
