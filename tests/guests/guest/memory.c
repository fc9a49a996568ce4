/* SPDX-License-Identifier: MIT */
/* Memory on demand: zero at first, one's own, and no more than the quota. */
#include "check.h"

static uint64_t number(int argc, char **argv, uint64_t without)
{
	return argc > 1 ? (uint64_t)cassin_parse(argv[1], strlen(argv[1])) : without;
}

static void all_zero(const volatile uint64_t *p, uint64_t words)
{
	for (uint64_t i = 0; i < words; i++)
		CHECK_IS(p[i], 0);
}

/* Finds argv[1] KiB of heap zero, then leaves a pattern in it for whoever gets the frames next. */
static void zero_then_dirt(int argc, char **argv)
{
	volatile uint64_t *heap = (volatile uint64_t *)cassin_boot->heap;
	uint64_t words = number(argc, argv, 64) * 1024 / 8, seed;
	CHECK_IS(cassin_random(&seed, sizeof seed), 0);
	all_zero(heap, words);
	for (uint64_t i = 0; i < words; i++)
		heap[i] = seed ^ i;
	cassin_call0(CASSIN_CALL_YIELD);
	for (uint64_t i = 0; i < words; i++)
		CHECK_IS(heap[i], seed ^ i);
	volatile uint64_t *low = (volatile uint64_t *)cassin_boot->stack_low;
	all_zero(low, 8 * 512);
	for (unsigned i = 0; i < 8 * 512; i++)
		low[i] = seed;
}

static volatile uint64_t data[3 * 512] = {[0] = 1, [512] = 2, [1024] = 3};
static volatile uint64_t bss[3 * 512];

/* Two guests of one image: each sees the image's data, then only its own writes. argv[1]: ms to keep looking. */
static void copy_on_write(int argc, char **argv)
{
	uint64_t seed, until = cassin_now() + number(argc, argv, 100) * MS;
	CHECK_IS(cassin_random(&seed, sizeof seed), 0);
	CHECK_IS(data[0] + data[512] + data[1024], 6);
	all_zero(bss, sizeof bss / 8);
	for (unsigned i = 0; i < sizeof data / 8; i += 7)
		data[i] = bss[i] = seed + i;
	cassin_print("written\n");
	while (cassin_now() < until) {
		for (unsigned i = 0; i < sizeof data / 8; i += 7) {
			CHECK_IS(data[i], seed + i);
			CHECK_IS(bss[i], seed + i);
		}
		cassin_call0(CASSIN_CALL_YIELD);
	}
}

/* The page is shown before it is written, and the hypervisor may write it first: both break the sharing. */
static void copy_on_hypervisor_write(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	CHECK_IS(data[512], 2);
	CHECK_IS(do_op(CASSIN_OP_RANDOM, 0, (uint64_t)(uintptr_t)(data + 513), 64, 0), 64);
	CHECK_IS(data[512], 2);
	bool changed = false;
	for (unsigned i = 513; i < 521; i++)
		changed = changed || data[i];
	CHECK(changed);
	data[512] = 9;
	CHECK_IS(data[512], 9);
}

static void eats(int argc, char **argv)
{
	uint64_t kib = number(argc, argv, cassin_boot->heap_size / 1024);
	volatile uint64_t *heap = (volatile uint64_t *)cassin_boot->heap;
	cassin_print("eating\n");
	for (uint64_t i = 0; i < kib / 4; i++)
		heap[i * 512] = i + 1;
	for (uint64_t i = 0; i < kib / 4; i++)
		CHECK_IS(heap[i * 512], i + 1);
	cassin_print("full\n");
	if (argc > 2)
		cassin_sleep_until(cassin_now() + 3600 * 1000 * MS);
}

/* The allocator says no, and says so again; what was given out stays whole. */
static void allocates(int argc, char **argv)
{
	uint64_t n = 0;
	uint64_t *last = NULL;
	(void)argc;
	(void)argv;
	for (uint64_t *p; (p = cassin_alloc(10000)); last = p, n++) {
		*p = (uint64_t)last;
		p[1] = n;
	}
	CHECK(n > cassin_boot->heap_size / 10000 / 2);
	CHECK(!cassin_alloc(10000));
	CHECK(!cassin_alloc(SIZE_MAX));
	CHECK(!cassin_alloc(SIZE_MAX - 8));
	CHECK(!cassin_zalloc(SIZE_MAX / 2, 3));
	for (uint64_t *p = last; p; p = (uint64_t *)*p)
		CHECK_IS(p[1], --n);
	CHECK_IS(n, 0);
	for (uint64_t *p = last, *next; p; p = next) {
		next = (uint64_t *)*p;
		cassin_free(p);
	}
	CHECK(cassin_alloc(cassin_boot->heap_size / 2));
}

/* Page tables count as well: mappings spread thin end with an error, and a fault that finds none is the guest's end. */
static void tables(int argc, char **argv)
{
	int64_t r = 0;
	(void)argc;
	(void)argv;
	for (uint64_t i = 0; !r; i++) {
		volatile uint8_t *at = ELSEWHERE + (i << 30);
		r = cassin_map(0, (void *)(uintptr_t)at, spare_page(0), 1, CASSIN_READ);
	}
	CHECK_IS(r, -CASSIN_ENOMEM);
	cassin_print("tables are used up\n");
	*(volatile uint64_t *)(cassin_boot->heap + cassin_boot->heap_size - 8) = 1;
	cassin_print("still here\n");
}

/* Touches its last page only, then waits. */
static void touches_far(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	*(volatile uint64_t *)(cassin_boot->heap + cassin_boot->heap_size - 8) = 1;
	cassin_print("touched\n");
	cassin_sleep_until(CASSIN_FOREVER - 1);
}

static const struct property all[] = {
	{"zero", zero_then_dirt},
	{"copy-on-write", copy_on_write},
	{"hypervisor-write", copy_on_hypervisor_write},
	{"eat", eats},
	{"allocate", allocates},
	{"tables", tables},
	{"far", touches_far},
};
PROPERTIES(all)
