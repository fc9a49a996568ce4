/* SPDX-License-Identifier: MIT */
/* Preemption in guest-kernel: threads that compute share the CPU, and do not notice. */
#include "check.h"
#include "kernel_check.h"

#define SLICE 2000000u
#define THREADS 4u
#define CHANGES 20u
#define KEPT 16u

static volatile unsigned last, changes;
static volatile bool over;

/* Counts how often the CPU has gone from one to another. */
static inline void has_run(unsigned me)
{
	if (last != me) {
		last = me;
		changes = changes + 1;
	}
}

/* Computes, without a call, until the CPU has gone from thread to thread often enough. */
static int takes_turns(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;
	while (changes < CHANGES)
		has_run(me);
	return 0;
}

static void crowd(int (*run)(void *))
{
	struct cassin_thread *t[THREADS];
	CHECK_IS(cassin_preempt(SLICE), 0);
	for (uintptr_t i = 0; i < THREADS; i++)
		t[i] = start(NULL, run, (void *)(i + 1));
	for (unsigned i = 0; i < THREADS; i++)
		CHECK_IS(ended(t[i]), 0);
}

#define CROWD(name, run)                                                                                               \
	static void name(int argc, char **argv)                                                                        \
	{                                                                                                              \
		(void)argc;                                                                                            \
		(void)argv;                                                                                            \
		crowd(run);                                                                                            \
	}
CROWD(turns, takes_turns)

/* Its registers hold numbers of its own all the while; they are looked at when others have run. */
static int keeps(void *arg)
{
	uint64_t me = (uintptr_t)arg, is, vector;
	__asm__ volatile("movq %0, %%xmm7" : : "r"(me) : "xmm7");
	while (changes < CHANGES) {
		__asm__ volatile(
			"mov %2, %%r14\n\tmovq %2, %%xmm7\n\tmov $2000000, %%ecx\n"
			"1:\tdec %%ecx\n\tjnz 1b\n\tmov %%r14, %0\n\tmovq %%xmm7, %1"
			: "=&r"(is), "=&r"(vector)
			: "r"(me)
			: "r14", "xmm7", "rcx", "cc");
		CHECK_IS(is, me);
		CHECK_IS(vector, me);
		has_run((unsigned)me);
	}
	return 0;
}
CROWD(registers, keeps)

/* The base of `fs` is the thread's own, though it is preempted while it sets it. */
static int has_a_base(void *arg)
{
	uint64_t here = (uintptr_t)arg, is;
	unsigned me = (unsigned)here;
	while (changes < CHANGES) {
		CHECK_IS(cassin_thread_tls_set(&here), 0);
		__asm__ volatile("movq %%fs:0, %0" : "=r"(is) : "m"(here));
		CHECK_IS(is, here);
		has_run(me);
	}
	return 0;
}
CROWD(base, has_a_base)

/* Blocks of the heap that nobody else writes to. */
static int allocates(void *arg)
{
	unsigned char me = (unsigned char)(uintptr_t)arg, *kept[KEPT] = {0};
	for (unsigned n = 0; changes < CHANGES; n++) {
		unsigned char **p = &kept[n % KEPT];
		size_t size = 16 + n % 7 * 100;
		if (*p)
			CHECK(**p == me);
		cassin_free(*p);
		*p = cassin_alloc(size);
		CHECK(*p);
		memset(*p, me, size);
		has_run(me);
	}
	for (unsigned i = 0; i < KEPT; i++)
		cassin_free(kept[i]);
	return 0;
}
CROWD(heap, allocates)

static struct cassin_mutex mutex;
static volatile bool inside;

/* Computes with the mutex held for longer than a slice. */
static int excludes(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 3; i++) {
		CHECK_IS(cassin_mutex_lock(&mutex, CASSIN_FOREVER), 0);
		CHECK(!inside);
		inside = true;
		uint64_t until = cassin_after(2 * SLICE);
		while (cassin_now() < until)
			;
		inside = false;
		CHECK_IS(cassin_mutex_unlock(&mutex), 0);
	}
	return 0;
}
CROWD(holder, excludes)

static int sleeps(void *arg)
{
	(void)arg;
	cassin_sleep(5 * SLICE);
	over = true;
	return 0;
}

/* Nobody is ready, but somebody will be. */
static void sleeper(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	CHECK_IS(cassin_preempt(SLICE), 0);
	struct cassin_thread *t = start(NULL, sleeps, NULL);
	cassin_thread_yield();
	while (!over)
		;
	CHECK_IS(ended(t), 0);
}

static int never_runs(void *arg)
{
	(void)arg;
	over = true;
	return 0;
}

/* Nobody else is there: no timer is set, whatever the kernel is called for. */
static void alone(int argc, char **argv)
{
	struct cassin_info before, after;
	(void)argc;
	(void)argv;
	CHECK_IS(cassin_preempt(SLICE), 0);
	cassin_info(&before);
	for (unsigned i = 0; i < 1000; i++) {
		CHECK_IS(cassin_mutex_lock(&mutex, CASSIN_FOREVER), 0);
		cassin_free(cassin_alloc(i));
		CHECK_IS(cassin_mutex_unlock(&mutex), 0);
	}
	cassin_info(&after);
	CHECK_IS(after.hypercalls - before.hypercalls, 1);
}

/* Turned off again, threads are cooperative. */
static void off(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	CHECK_IS(cassin_preempt(SLICE), 0);
	CHECK_IS(cassin_preempt(0), 0);
	struct cassin_thread *t = start(NULL, never_runs, NULL);
	uint64_t until = cassin_after(10 * SLICE);
	while (cassin_now() < until)
		;
	CHECK(!over);
	CHECK_IS(ended(t), 0);
}

static const struct property all[] = {
	{"preempt-turns", turns},  {"preempt-registers", registers}, {"preempt-base", base},   {"preempt-heap", heap},
	{"preempt-mutex", holder}, {"preempt-sleeper", sleeper},     {"preempt-alone", alone}, {"preempt-off", off},
};
PROPERTIES(all)
