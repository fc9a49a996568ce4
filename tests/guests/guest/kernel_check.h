/* SPDX-License-Identifier: MIT */
/* What the test guests with threads share. */
#ifndef KERNEL_CHECK_H
#define KERNEL_CHECK_H

#include <cassin/kernel.h>

/* A thread that can be had. */
static inline struct cassin_thread *start(const struct cassin_thread_options *o, int (*run)(void *), const void *arg)
{
	struct cassin_thread *t = NULL;
	CHECK_IS(cassin_thread_create(&t, o, run, (void *)(uintptr_t)arg), 0);
	return t;
}

/* Waits for its end: what it returned. */
static inline int ended(struct cassin_thread *t)
{
	int result = 0;
	CHECK_IS(cassin_thread_join(t, &result, CASSIN_FOREVER), 0);
	return result;
}

/* What threads have said so far, a letter each. */
static char spoken[256];
static unsigned nspoken;

static inline void say(char letter)
{
	CHECK(nspoken + 1 < sizeof spoken);
	spoken[nspoken++] = letter;
}

static inline void said(const char *want)
{
	if (strcmp(spoken, want) != 0) {
		cassin_print("said \"%s\", not \"%s\"\n", spoken, want);
		cassin_exit(1);
	}
}

#endif
