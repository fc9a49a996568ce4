/* SPDX-License-Identifier: MIT */
/* Thread-local variables with larger alignments than threads' own bytes have: a cache line's pair, and a page. */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "kernel_check.h"

#define PAGE 4096

static __thread int answer = 42;
static __thread _Alignas(256) char wide[300] = "wide";
static __thread _Alignas(PAGE) char page[PAGE];
static __thread char odd[7];

static int uses_own(void *arg)
{
	char letter = (char)(uintptr_t)arg;
	CHECK_IS((uintptr_t)wide % 256, 0);
	CHECK_IS((uintptr_t)page % PAGE, 0);
	CHECK_IS(answer, 42);
	CHECK(strcmp(wide, "wide") == 0);
	for (int i = 0; i < PAGE; i++)
		CHECK_IS(page[i], 0);
	CHECK_IS(odd[0] + odd[6] + wide[299], 0);
	answer = letter;
	memset(page, letter, sizeof page);
	memset(wide, letter, sizeof wide);
	memset(odd, letter, sizeof odd);
	for (int i = 0; i < 3; i++) {
		cassin_thread_yield();
		CHECK(answer == letter && page[0] == letter && page[PAGE - 1] == letter);
		CHECK(wide[0] == letter && wide[299] == letter && odd[0] == letter && odd[6] == letter);
	}
	return 0;
}

static void own_variables(int argc, char **argv)
{
	struct cassin_thread *t[4];
	(void)argc;
	(void)argv;
	for (int i = 0; i < 4; i++)
		t[i] = start(NULL, uses_own, (void *)(uintptr_t)('a' + i));
	uses_own((void *)'m');
	for (int i = 0; i < 4; i++)
		CHECK_IS(ended(t[i]), 0);
}

static const struct property all[] = {{"aligned-variables", own_variables}};
PROPERTIES(all)
