/* SPDX-License-Identifier: MIT */
/* Threads that the timer preempts: what an upcall interrupts goes on by its frame. */
#include "kernel.h"

#define THREADS 8
#define MASK_ALL UINT64_MAX

enum state { NONE, READY, ASLEEP };

/* A thread that does not run is a frame, whether it was interrupted or went by itself; upcall_return goes on with it. */
struct thread {
	struct cassin_upcall_frame frame;
	enum state state;
	uint64_t wake_at; /* ASLEEP */
	void *stack;
	void (*body)(void *);
	void *argument;
};

static struct thread threads[THREADS];
static struct thread *current = threads;
static volatile uint64_t mask = MASK_ALL; /* shared with the hypervisor */
static const volatile struct cassin_info_page *info;

void upcall_entry(void);
void switch_away(struct cassin_upcall_frame *frame);
_Noreturn void schedule(void);
_Noreturn void thread_interrupted(uint64_t events, const struct cassin_upcall_frame *frame);

uint64_t interrupts_off(void)
{
	uint64_t old = mask;
	mask = MASK_ALL;
	__asm__ volatile("" : : : "memory");
	return old;
}

void interrupts_restore(uint64_t old)
{
	__asm__ volatile("" : : : "memory");
	mask = old;
	if (info->pending & ~old) /* what came while it was held back comes behind any call */
		call(CASSIN_CALL_NULL, 0, 0, 0, 0, 0);
}

void thread_start(const struct cassin_boot *boot)
{
	info = (const struct cassin_info_page *)boot->info_page;
	void *stack = page_alloc();
	if (!stack || call(CASSIN_CALL_UPCALL_SET, (uint64_t)upcall_entry, (uint64_t)stack, CASSIN_PAGE_SIZE,
			   (uint64_t)&mask, CASSIN_FOREVER))
		panic("no upcalls");
}

static void thread_begin(void)
{
	current->body(current->argument);
	interrupts_off();
	page_free(current->stack); /* in use up to the switch; nobody allocates before */
	current->state = NONE;
	schedule();
}

void thread_create(void (*body)(void *), void *argument)
{
	struct thread *t = threads;
	uint64_t old = interrupts_off();
	while (t < threads + THREADS && t->state != NONE)
		t++;
	void *stack = page_alloc();
	if (t == threads + THREADS || !stack)
		panic("no room for a thread");
	*t = (struct thread){.state = READY, .stack = stack, .body = body, .argument = argument};
	t->frame.regs.rip = (uint64_t)thread_begin;
	t->frame.regs.rsp = (uint64_t)stack + CASSIN_PAGE_SIZE - 8; /* as behind a call */
	interrupts_restore(old);
}

/* The next thread behind the current one that can run, or NULL; *first is when the next sleeper wakes. */
static struct thread *next_ready(uint64_t *first)
{
	uint64_t time = now();
	*first = CASSIN_FOREVER;
	for (int i = 1; i <= THREADS; i++) {
		struct thread *t = threads + (current - threads + i) % THREADS;
		if (t->state == ASLEEP && t->wake_at <= time)
			t->state = READY;
		if (t->state == READY)
			return t;
		if (t->state == ASLEEP && t->wake_at < *first)
			*first = t->wake_at;
	}
	return NULL;
}

/* With interrupts off. Idle is one `enter`: until the next sleeper is due, or the operator wants an end. */
void schedule(void)
{
	uint64_t first;
	struct thread *next;
	while (!(next = next_ready(&first))) {
		if (first == CASSIN_FOREVER)
			power_off(0);
		call(CASSIN_CALL_ENTER, 0, (uint64_t)CASSIN_EVENT_STOP << CASSIN_WAKE_SHIFT, first, 0, 0);
		if (info->pending & CASSIN_EVENT_STOP)
			power_off(0);
	}
	current = next;
	call(CASSIN_CALL_UPCALL_RETURN, (uint64_t)&next->frame, now() + SLICE_NS, 0, 0, 0);
	panic("upcall_return");
}

void thread_interrupted(uint64_t events, const struct cassin_upcall_frame *frame)
{
	if (events & CASSIN_EVENT_STOP)
		power_off(0);
	current->frame = *frame;
	schedule();
}

void thread_run(void)
{
	interrupts_off();
	schedule();
}

void thread_yield(void)
{
	uint64_t old = interrupts_off();
	switch_away(&current->frame);
	interrupts_restore(old);
}

void thread_sleep(uint64_t until)
{
	uint64_t old = interrupts_off();
	current->wake_at = until;
	current->state = ASLEEP;
	switch_away(&current->frame);
	interrupts_restore(old);
}
