/* SPDX-License-Identifier: MIT */
/* The host memory of page-number tables: handed out, given back, from many threads. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "memory/chunks.h"
#include "memory/memory.h"

#define MANY 5000u
#define PER_PAGE (PAGE_SIZE / sizeof(struct chunk))

static void fill(struct chunk *c, uint32_t value)
{
	for (unsigned i = 0; i < CHUNK_PAGES; i++) {
		cr_assert_eq(c->frame[i], 0, "a new chunk is zeros");
		c->frame[i] = value;
	}
}

static void expect(const struct chunk *c, uint32_t value)
{
	for (unsigned i = 0; i < CHUNK_PAGES; i++)
		cr_assert_eq(c->frame[i], value, "a chunk is nobody else's");
}

Test(chunks, are_zeros_and_of_their_own_and_used_again)
{
	static struct chunk *at[MANY];
	for (uint32_t i = 0; i < MANY; i++) {
		at[i] = chunk_new();
		fill(at[i], i + 1);
	}
	for (uint32_t i = 0; i < MANY; i += 3)
		chunk_free(at[i]);
	for (uint32_t i = 0; i < MANY; i += 3) {
		at[i] = chunk_new();
		fill(at[i], i + 1);
	}
	cr_assert_leq(chunks_kept(), (MANY + PER_PAGE) * sizeof(struct chunk), "what was freed is used first");
	for (uint32_t i = 0; i < MANY; i++)
		expect(at[i], i + 1);
	chunk_free(NULL);
}

/* One in each page stays: those pages stay; of the others only a few. */
Test(chunks, go_back_to_the_host_when_their_page_is_empty)
{
	static struct chunk *at[MANY];
	for (uint32_t i = 0; i < MANY; i++)
		at[i] = chunk_new();
	size_t all = chunks_kept();
	cr_assert_geq(all, MANY * sizeof(struct chunk));
	for (uint32_t i = 0; i < MANY; i++) {
		if (i % PER_PAGE)
			chunk_free(at[i]);
	}
	cr_assert_eq(chunks_kept(), all);
	for (uint32_t i = 0; i < MANY; i += PER_PAGE)
		chunk_free(at[i]);
	cr_assert_leq(chunks_kept(), 64 * PAGE_SIZE);
	for (uint32_t i = 0; i < MANY; i++)
		fill(at[i] = chunk_new(), i);
	cr_assert_eq(chunks_kept(), all, "pages that went back are the first to be used again");
}

static void *comes_and_goes(void *arg)
{
	struct chunk *at[40];
	uint32_t own = (uint32_t)(uintptr_t)arg;
	for (unsigned round = 0; round < 500; round++) {
		for (unsigned i = 0; i < 40; i++)
			fill(at[i] = chunk_new(), own);
		for (unsigned i = 0; i < 40; i++) {
			expect(at[i], own);
			chunk_free(at[i]);
		}
	}
	return NULL;
}

Test(chunks, are_safe_between_threads)
{
	pthread_t t[4];
	for (uintptr_t i = 0; i < 4; i++)
		cr_assert_eq(pthread_create(&t[i], NULL, comes_and_goes, (void *)(i + 1)), 0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}

/* A process whose address space is limited has fewer, and room for the rest of it. A sanitizer needs more than that for itself. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
Test(chunks, are_had_in_a_small_address_space)
{
	static struct chunk *at[MANY];
	struct rlimit limit = {1u << 30, 1u << 30};
	cr_assert_eq(setrlimit(RLIMIT_AS, &limit), 0);
	for (uint32_t i = 0; i < MANY; i++) {
		at[i] = chunk_new();
		cr_assert(at[i]);
		fill(at[i], i + 1);
	}
	void *rest = mmap(NULL, 256u << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(rest, MAP_FAILED, "there is room for the rest");
	for (uint32_t i = 0; i < MANY; i++)
		expect(at[i], i + 1);
}
#endif
