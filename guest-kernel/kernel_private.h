/* SPDX-License-Identifier: MIT */
/*
 * What the kernel's files share. There is one CPU, so the state needs no lock against others; kernel_lock() only keeps
 * an interrupt's handler from switching threads while the state is being changed (cassin_thread_preempt()).
 */
#ifndef KERNEL_PRIVATE_H
#define KERNEL_PRIVATE_H

#include <cassin/kernel.h>
#include <cassin/kernel/local.h>

#include "ready.h"
#include "timers.h"

enum thread_state {
	THREAD_READY,
	THREAD_RUNNING,
	THREAD_BLOCKED,
	THREAD_ENDED,
};

struct cassin_thread {
	struct cassin_thread *next, *prev; /* in `list` */
	struct cassin_waiters *list;       /* it waits there, or is ready there; NULL: neither */
	void *sp;                          /* while it does not run */
	enum thread_state state;
	uint8_t priority, base; /* with and without what waiters lend */
	bool detached;
	int result;              /* of its function */
	int woken;               /* what kernel_block() will return */
	const char *waits_for;   /* for people */
	struct cassin_timer due; /* the deadline of its wait */
	struct cassin_mutex *held, *wants;
	struct cassin_thread *joiner;
	void *message; /* that it sends to a queue, or the place for one */
	void *tls;
	void *local; /* the C library's */
	void *slots[CASSIN_THREAD_SLOTS];
	int (*run)(void *arg);
	void *arg;
	char *stack; /* its lowest byte, above the guard page; NULL: the guest's own stack */
	size_t stack_pages;
	struct cassin_thread *all_next, **all_link;
	char name[CASSIN_THREAD_NAME_MAX];
};

/* An operation that was submitted; its address is the user_data. */
struct operation {
	int32_t result;
	bool done;
	struct cassin_thread *thread;           /* to be woken, if it is blocked; or */
	void (*finished)(struct operation *op); /* to be called */
};

/* Memory that a submission names, until that submission has been consumed. */
struct parcel {
	struct parcel *next;
	char bytes[];
};

/* What preempt.c adds, if it is linked and turned on. */
struct preemption {
	void (*arm)(void);         /* on each way out of the kernel, still locked: sees to the timer */
	void (*idle)(bool begins); /* around the wait when no thread can run */
};

struct kernel {
	struct cassin_thread *current;
	uint32_t locked;
	bool resched;        /* an interrupt wanted to switch while it was locked */
	bool unsent;         /* submissions that nobody waits for are in the ring */
	bool firing;         /* timers: what they call must not block */
	uint32_t operations; /* submitted, not completed */
	struct ready ready;
	struct timers timers;
	uint64_t polled;             /* time-stamp counter at the last look at rings and timers */
	void *tls;                   /* the base of `fs` now */
	struct cassin_thread *ended; /* on its stack for the last time: the next that runs frees it */
	struct cassin_thread *all;
	uint32_t threads; /* that have not ended */
	int code;         /* what main's thread ended with */
	struct cassin_windows windows;
	struct parcel *parcels;
	uint64_t main_low, main_high;        /* main's stack, if it is not the one that the guest began on; else 0 */
	const struct preemption *preemption; /* NULL: threads are cooperative */
};
extern struct kernel kernel;

static inline void kernel_lock(void)
{
	kernel.locked++;
	__asm__ volatile("" ::: "memory");
}

/* The control words, which a hypercall may lose and a function must keep. */
struct control {
	uint32_t mxcsr;
	uint16_t x87;
};

static inline struct control control_save(void)
{
	struct control c;
	__asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(c.mxcsr), "=m"(c.x87));
	return c;
}

static inline void control_load(struct control c)
{
	__asm__ volatile("ldmxcsr %0; fldcw %1" : : "m"(c.mxcsr), "m"(c.x87));
}

/* The slow way out, no longer locked: gives way if an interrupt wanted that, and arms the timer of preemption. */
void kernel_leave(void);

static inline void kernel_unlock(void)
{
	__asm__ volatile("" ::: "memory");
	if (!--kernel.locked && (kernel.resched || kernel.preemption))
		kernel_leave();
}

/* ---- schedule.c ---- */

/* Blocks the calling thread until kernel_wake() or the deadline. `list` (NULL: none) is where it is to be found.
 * What kernel_wake() gave, or -CASSIN_ETIMEDOUT. Locked, as are all below. */
int kernel_block(struct cassin_waiters *list, uint64_t deadline, const char *waits_for);
void kernel_wake(struct cassin_thread *t, int result);
void kernel_wake_all(struct cassin_waiters *list, int result);
/* Runs the next ready thread; the calling one has been put wherever it waits. Returns when it runs again. */
void kernel_switch(void);
/* The end of each switch, on the stack of the thread that runs now. */
void kernel_switched(void);
/* Tells the C library, if there is one, whose bytes are those of the running thread. */
void kernel_local(const struct cassin_thread *t);
/* A thread's priority as it should be has changed: moves it in its queue, and what it waits for follows. */
void kernel_reprioritise(struct cassin_thread *t);
/* context.S: saves the callee-saved registers and control words on this stack, sp in *save, and goes on on the other. */
void kernel_context_switch(void **save, void *sp);

/* Lets ready threads of the same or a higher priority run. */
void kernel_give_way(void);

/* The C library's, if there is one (local.h). */
#pragma weak cassin_local_size
#pragma weak cassin_local_begin
#pragma weak cassin_local_end
#pragma weak cassin_local_switched
#pragma weak cassin_main_end

/* ---- thread.c ---- */

/* Forgets a thread that has ended and left its stack. */
void kernel_thread_free(struct cassin_thread *t);

/* ---- operations.c ---- */

/* Hands in what is in the ring and looks at what has come, without waiting. */
void kernel_hand_in(void);
/* The same, but waits until something has completed (true) or until the deadline. */
bool kernel_wait(uint64_t deadline);
/* Submits; op->result will be there when op->done. False: not now. */
bool kernel_submit(const struct cassin_sqe *sqe, struct operation *op);
/* Submits what nobody waits for. `parcel` (NULL: none) is freed when it has been consumed. False: not now. */
bool kernel_submit_silent(const struct cassin_sqe *sqe, struct parcel *parcel);

/* ---- stream.c ---- */

/* A silent send on a handle has come to nothing: the next one on it shall say so. */
void kernel_send_failed(int32_t handle, int32_t result);

/* ---- stack.c ---- */

/* A stack of so many pages, but for a few bytes that the heap needs, above a guard page. NULL: no memory. */
char *kernel_stack_alloc(size_t pages);
void kernel_stack_free(char *stack, size_t pages);
/* The addresses of a thread's stack, main's too: [low, high). */
void kernel_stack_bounds(const struct cassin_thread *t, uint64_t *low, uint64_t *high);

/* What one has room for: two of the heap's blocks lie side by side without a gap then. */
static inline size_t kernel_stack_bytes(size_t pages)
{
	return pages * CASSIN_PAGE_SIZE - 16;
}

#endif
