/* SPDX-License-Identifier: MIT */
/* The C library under several threads. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "kernel_check.h"

#define ROUNDS 50

static int fails(void *arg)
{
	int code = (int)(uintptr_t)arg;
	CHECK_IS(errno, 0);
	errno = code;
	cassin_thread_yield();
	CHECK_IS(errno, code);
	return 0;
}

static void own_errno(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	errno = 1;
	struct cassin_thread *a = start(NULL, fails, (void *)2), *b = start(NULL, fails, (void *)3);
	CHECK_IS(ended(a) + ended(b), 0);
	CHECK_IS(errno, 1);
}

static __thread int initialised = 41;
static __thread char zero[100];
static __thread long long aligned __attribute__((aligned(32)));

static int uses_own(void *arg)
{
	char letter = (char)(uintptr_t)arg;
	CHECK_IS(initialised++, 41);
	CHECK_IS(zero[0] + zero[99] + aligned, 0);
	CHECK_IS((uintptr_t)&aligned % 32, 0);
	memset(zero, letter, sizeof zero);
	cassin_thread_yield();
	CHECK_IS(initialised, 42);
	CHECK(zero[0] == letter && zero[99] == letter);
	return 0;
}

static void own_variables(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	struct cassin_thread *a = start(NULL, uses_own, (void *)'a'), *b = start(NULL, uses_own, (void *)'b');
	uses_own((void *)'m');
	CHECK_IS(ended(a) + ended(b), 0);
}

static int allocates(void *arg)
{
	char *kept[ROUNDS];
	char letter = (char)(uintptr_t)arg;
	for (int i = 0; i < ROUNDS; i++) {
		kept[i] = malloc((size_t)i * 37 + 1);
		CHECK(kept[i]);
		memset(kept[i], letter, (size_t)i * 37 + 1);
		if (i % 7 == 0)
			cassin_thread_yield();
	}
	for (int i = 0; i < ROUNDS; i++) {
		CHECK(kept[i][0] == letter && kept[i][i * 37] == letter);
		free(kept[i]);
	}
	printf("%c has %.1f\n", letter, (double)ROUNDS);
	return 0;
}

static void share(int argc, char **argv)
{
	struct cassin_thread *t[4];
	(void)argc;
	(void)argv;
	CHECK_IS(cassin_preempt(MS), 0);
	for (int i = 0; i < 4; i++)
		t[i] = start(NULL, allocates, (void *)(uintptr_t)('a' + i));
	for (int i = 0; i < 4; i++)
		CHECK_IS(ended(t[i]), 0);
}

static int says_late(void *arg)
{
	(void)arg;
	cassin_sleep(MS);
	printf("late, ");
	return 0;
}

static void says_end(void)
{
	printf("and the end");
}

/* The last thread to end takes the way of exit(), with main's code. */
static void last(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	atexit(says_end);
	start(NULL, says_late, NULL);
	cassin_thread_exit(7);
}

static const struct property all[] = {
	{"own-errno", own_errno},
	{"own-variables", own_variables},
	{"share", share},
	{"last", last},
};
PROPERTIES(all)
