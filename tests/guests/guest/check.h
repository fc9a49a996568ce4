/* SPDX-License-Identifier: MIT */
/*
 * What the test guests share. A guest holds properties; argv[1] names the one to prove. It exits 0 when the property
 * holds, and says what failed and exits 1 when it does not.
 */
#ifndef CHECK_H
#define CHECK_H

#include <cassin/guest.h>

#define CHECK(cond)                                                                                                    \
	do {                                                                                                           \
		if (!(cond)) {                                                                                         \
			cassin_print("%s:%d: %s does not hold\n", __FILE_NAME__, __LINE__, #cond);                     \
			cassin_exit(1);                                                                                \
		}                                                                                                      \
	} while (0)

#define CHECK_IS(expr, want)                                                                                           \
	do {                                                                                                           \
		long long is_ = (long long)(expr), want_ = (long long)(want);                                          \
		if (is_ != want_) {                                                                                    \
			cassin_print("%s:%d: %s is %lld, not %lld\n", __FILE_NAME__, __LINE__, #expr, is_, want_);     \
			cassin_exit(1);                                                                                \
		}                                                                                                      \
	} while (0)

#define MS UINT64_C(1000000)

struct property {
	const char *name;
	void (*prove)(int argc, char **argv); /* argv[0] is the property's name */
};

static inline int prove(const struct property *all, size_t n, int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < n; i++) {
		if (strcmp(all[i].name, argv[1]) == 0) {
			all[i].prove(argc - 1, argv + 1);
			return 0;
		}
	}
	cassin_print("no such property: %s\n", argc > 1 ? argv[1] : "(none)");
	return 1;
}

#define PROPERTIES(all)                                                                                                \
	int main(int argc, char **argv)                                                                                \
	{                                                                                                              \
		return prove(all, sizeof(all) / sizeof *(all), argc, argv);                                            \
	}

/* One operation and its result. */
static inline int32_t do_op(uint8_t op, int32_t handle, uint64_t addr, uint32_t len, uint64_t offset)
{
	struct cassin_sqe sqe = {.op = op, .handle = handle, .addr = addr, .len = len, .offset = offset};
	return cassin_do(&sqe);
}

/* Queues one operation under a tag; await() hands it in. */
static inline void start_op(uint64_t tag, uint8_t op, int32_t handle, const void *addr, uint32_t len, uint64_t offset)
{
	struct cassin_sqe *sqe = cassin_sqe(op, tag);
	CHECK(sqe);
	sqe->handle = handle;
	sqe->addr = (uint64_t)addr;
	sqe->len = len;
	sqe->offset = offset;
}

/* The next completion, whichever it is. */
static inline struct cassin_cqe await_any(void)
{
	struct cassin_cqe cqe = {0};
	CHECK_IS(cassin_wait(1, CASSIN_FOREVER), 0);
	CHECK(cassin_next(&cqe));
	return cqe;
}

/* The next completion, which must be this one's. */
static inline int32_t await(uint64_t tag)
{
	struct cassin_cqe cqe = await_any();
	CHECK_IS(cqe.user_data, tag);
	return cqe.result;
}

static inline uint64_t page_up(uint64_t va)
{
	return (va + CASSIN_PAGE_SIZE - 1) & ~(uint64_t)(CASSIN_PAGE_SIZE - 1);
}

/* A page in the upper half of the heap, which the allocator does not reach: its number and its address. */
static inline uint64_t spare_page(unsigned i)
{
	return cassin_boot->heap_page + cassin_boot->heap_size / CASSIN_PAGE_SIZE / 2 + i;
}

static inline volatile uint8_t *spare(unsigned i)
{
	uint64_t in_heap = spare_page(i) - cassin_boot->heap_page;
	return (volatile uint8_t *)(cassin_boot->heap + in_heap * CASSIN_PAGE_SIZE);
}

/* ds, es, fs, gs, from the lowest 16 bits up. */
static inline uint64_t data_selectors(void)
{
	uint16_t ds, es, fs, gs;
	__asm__ volatile("mov %%ds, %0\nmov %%es, %1\nmov %%fs, %2\nmov %%gs, %3"
			 : "=r"(ds), "=r"(es), "=r"(fs), "=r"(gs));
	return ds | (uint64_t)es << 16 | (uint64_t)fs << 32 | (uint64_t)gs << 48;
}

/* Addresses where a guest has nothing. */
#define ELSEWHERE ((volatile uint8_t *)UINT64_C(0x4000000000))

#endif
