/* SPDX-License-Identifier: MIT */
/* map, unmap and protect; what a mapping was must be gone when the call returns. */
#include "check.h"

#define RW (CASSIN_READ | CASSIN_WRITE)
#define RX (CASSIN_READ | CASSIN_EXEC)

static void *plain(volatile uint8_t *p)
{
	return (void *)(uintptr_t)p;
}

static volatile uint8_t *else_page(uint64_t i)
{
	return ELSEWHERE + i * CASSIN_PAGE_SIZE;
}

static void codes(int argc, char **argv)
{
	void *at = plain(ELSEWHERE);
	(void)argc;
	(void)argv;
	for (uint64_t rights = 0; rights < 16; rights++) {
		if (rights == CASSIN_READ || rights == RW || rights == RX)
			continue;
		CHECK_IS(cassin_map(0, at, spare_page(0), 1, rights), -CASSIN_EINVAL);
		CHECK_IS(cassin_protect(0, plain(spare(0)), 1, rights), -CASSIN_EINVAL);
	}
	CHECK_IS(cassin_map(0, at, spare_page(0), 1, RW | UINT64_C(1) << 40), -CASSIN_EINVAL);
	CHECK_IS(cassin_map(0, plain(ELSEWHERE + 1), spare_page(0), 1, RW), -CASSIN_EINVAL);
	CHECK_IS(cassin_map(0, at, spare_page(0), 0, RW), -CASSIN_EINVAL);
	CHECK_IS(cassin_map(0, at, 0, 4097, RW), -CASSIN_EINVAL);
	CHECK_IS(cassin_map(0, at, 0, UINT64_MAX, RW), -CASSIN_EINVAL);
	CHECK_IS(cassin_map(0, at, cassin_boot->pages, 1, RW), -CASSIN_EINVAL);
	CHECK_IS(cassin_map(0, at, cassin_boot->pages - 1, 2, RW), -CASSIN_EINVAL);
	CHECK_IS(cassin_map(0, at, UINT64_MAX, 1, RW), -CASSIN_EINVAL);
	CHECK_IS(cassin_map(1, at, spare_page(0), 1, RW), -CASSIN_EINVAL);
	CHECK_IS(cassin_map(64, at, spare_page(0), 1, RW), -CASSIN_EINVAL);
	CHECK_IS(cassin_map(UINT64_C(1) << 32, at, spare_page(0), 1, RW), -CASSIN_EINVAL);
	CHECK_IS(cassin_map(0, plain(spare(0)), spare_page(1), 1, RW), -CASSIN_EEXIST);
	CHECK_IS(cassin_unmap(0, at, 1), -CASSIN_ENOENT);
	CHECK_IS(cassin_protect(0, at, 1, CASSIN_READ), -CASSIN_ENOENT);
	CHECK_IS(cassin_map(0, at, spare_page(0), 2, RW), 0);
	CHECK_IS(cassin_unmap(0, at, 3), -CASSIN_ENOENT); /* all or nothing */
	CHECK_IS(cassin_map(0, plain(ELSEWHERE - 4096), spare_page(4), 2, RW), -CASSIN_EEXIST);
	CHECK_IS(cassin_unmap(0, at, 2), 0);
	CHECK_IS(cassin_unmap(0, at, 1), -CASSIN_ENOENT);
	CHECK_IS(cassin_protect(0, (void *)cassin_boot->clock_page, 1, RW), -CASSIN_EINVAL);
	CHECK_IS(cassin_protect(0, (void *)cassin_boot->info_page, 1, RW), -CASSIN_EINVAL);
}

static void aliases(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	CHECK_IS(cassin_map(0, plain(ELSEWHERE), spare_page(0), 2, RW), 0);
	CHECK_IS(*ELSEWHERE, 0);
	*spare(0) = 7;
	CHECK_IS(*ELSEWHERE, 7);
	ELSEWHERE[4096] = 9;
	CHECK_IS(*spare(1), 9);
	CHECK_IS(cassin_unmap(0, plain(spare(0)), 1), 0);
	CHECK_IS(*ELSEWHERE, 7); /* the page lives on */
	CHECK_IS(cassin_map(0, plain(spare(0)), spare_page(0), 1, CASSIN_READ), 0);
	CHECK_IS(*spare(0), 7);
}

/* Pages of the image are numbered too; mapped again they are the same pages, copied on write like the first time. */
static void image_aliases(int argc, char **argv)
{
	static volatile uint64_t datum[2] = {UINT64_C(0x6375726d75646765), 1};
	volatile uint64_t *found = NULL;
	(void)argc;
	(void)argv;
	CHECK_IS(datum[1], 1); /* reads: shows the image's shared page */
	uint64_t in_page = (uint64_t)datum % CASSIN_PAGE_SIZE, page = 0;
	for (; page < cassin_boot->heap_page && !found; page++) {
		CHECK_IS(cassin_map(0, plain(else_page(page)), page, 1, RW), 0);
		found = (volatile uint64_t *)(else_page(page) + in_page);
		if (*found != datum[0])
			found = NULL;
	}
	CHECK(found);
	found[1] = 2;
	CHECK_IS(datum[1], 2);
	datum[1] = 3;
	CHECK_IS(found[1], 3);
}

static void touch(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		*(volatile uint64_t *)spare(i) = 1000 + i;
}

/* ---- These two end the guest: the runner expects it ---- */

static void unmapped_read(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	touch(2);
	CHECK_IS(cassin_unmap(0, plain(spare(0)), 1), 0);
	CHECK_IS(*(volatile uint64_t *)spare(1), 1001);
	cassin_print("%d\n", *spare(0));
}

static void unmapped_write(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	touch(1);
	CHECK_IS(cassin_unmap(0, plain(spare(0)), 1), 0);
	*spare(0) = 1;
}

static void protected_write(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	touch(1);
	CHECK_IS(cassin_protect(0, plain(spare(0)), 1, CASSIN_READ), 0);
	CHECK_IS(*(volatile uint64_t *)spare(0), 1000);
	*spare(0) = 1;
}

/* A data page of the image, already its own: read-only means read-only. */
static void protected_data(int argc, char **argv)
{
	static volatile uint64_t page[1024] = {1};
	(void)argc;
	(void)argv;
	void *at = (void *)page_up((uint64_t)page);
	*(volatile uint64_t *)at = 5;
	CHECK_IS(cassin_protect(0, at, 1, CASSIN_READ), 0);
	CHECK_IS(*(volatile uint64_t *)at, 5);
	*(volatile uint64_t *)at = 6;
}

/* A read-only page of the image made writable is this guest's own from then on. */
static void writable_constant(int argc, char **argv)
{
	static const uint64_t constants[1024] = {[600] = 42};
	const volatile uint64_t *look = constants;
	(void)argc;
	(void)argv;
	__asm__("" : "+r"(look));
	uint64_t at = page_up((uint64_t)look);
	for (size_t i = 0; i < 1024; i++)
		CHECK_IS(look[i], i == 600 ? 42 : 0);
	CHECK_IS(cassin_protect(0, (void *)at, 1, RW), 0);
	*(volatile uint64_t *)at = 1;
	CHECK_IS(*(volatile uint64_t *)at, 1);
	CHECK_IS(cassin_protect(0, (void *)at, 1, CASSIN_READ), 0);
	CHECK_IS(*(volatile uint64_t *)at, 1);
}

static void executed_after_write(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	spare(0)[0] = 0xb8; /* mov $77, %eax; ret */
	spare(0)[1] = 77;
	spare(0)[2] = spare(0)[3] = spare(0)[4] = 0;
	spare(0)[5] = 0xc3;
	CHECK_IS(cassin_protect(0, plain(spare(0)), 1, RX), 0);
	int (*code)(void) = (int (*)(void))(uint64_t)spare(0);
	CHECK_IS(code(), 77);
	CHECK_IS(cassin_protect(0, plain(spare(0)), 1, RW), 0);
	spare(0)[1] = 78;
	CHECK_IS(cassin_protect(0, plain(spare(0)), 1, RX), 0);
	CHECK_IS(code(), 78);
	*spare(0) = 1; /* ends the guest */
}

/* A call from a place that was the door, and that an alias has made another form of `out` to its port since. */
static void rewritten_door(int argc, char **argv)
{
	bool last = strcmp(argv[0], "door-rewritten-last") == 0;
	int64_t (*call)(uint64_t, uint64_t,
			uint64_t port) = (int64_t(*)(uint64_t, uint64_t, uint64_t))(uint64_t)ELSEWHERE;
	volatile uint8_t *code = spare(0);
	(void)argc;
	CHECK_IS(cassin_map(0, plain(ELSEWHERE), spare_page(0), 1, RX), 0);
	code[0] = 0x31, code[1] = 0xc0; /* xor %eax, %eax: CASSIN_CALL_NULL */
	code[2] = 0xe6, code[3] = CASSIN_PORT;
	code[4] = 0xc3;
	for (int i = 0; i < 5; i++)
		CHECK_IS(call(0, 0, CASSIN_PORT), 0);
	code[last ? 2 : 3] = 0x90;
	code[last ? 3 : 2] = 0xee; /* out %al, %dx */
	call(0, 0, CASSIN_PORT);   /* ends the guest */
}

/* One address shows one page after the other. Runs alone, and while hogs force it from worker to worker. */
static void remaps(int argc, char **argv)
{
	uint64_t rounds = argc > 1 ? (uint64_t)cassin_parse(argv[1], strlen(argv[1])) : 100;
	volatile uint64_t *window = (volatile void *)ELSEWHERE;
	for (unsigned i = 0; i < 8; i++)
		*(volatile uint64_t *)spare(i) = 1000 + i;
	for (uint64_t n = 0; n < rounds; n++) {
		unsigned i = (unsigned)(n * 5 % 8);
		uint64_t expected = n < 8 ? 1000 + i : 1000 + i + (n - 8) / 8 + 1;
		CHECK_IS(cassin_map(0, plain(ELSEWHERE), spare_page(i), 1, RW), 0);
		CHECK_IS(*window, expected);
		*window = 1000 + i + n / 8 + 1;
		for (volatile unsigned spin = 0; spin < 20000; spin++) {
		}
		CHECK_IS(*window, 1000 + i + n / 8 + 1);
		CHECK_IS(*(volatile uint64_t *)spare(i), 1000 + i + n / 8 + 1);
		CHECK_IS(cassin_unmap(0, plain(ELSEWHERE), 1), 0);
		if (n % 16 == 7)
			cassin_call0(CASSIN_CALL_YIELD);
	}
}

static void reprotects(int argc, char **argv)
{
	uint64_t rounds = argc > 1 ? (uint64_t)cassin_parse(argv[1], strlen(argv[1])) : 200;
	for (uint64_t n = 0; n < rounds; n++) {
		*(volatile uint64_t *)spare(0) = n;
		CHECK_IS(cassin_protect(0, plain(spare(0)), 1, CASSIN_READ), 0);
		CHECK_IS(*(volatile uint64_t *)spare(0), n);
		CHECK_IS(do_op(CASSIN_OP_RANDOM, 0, (uint64_t)spare(0), 8, 0), -CASSIN_EFAULT);
		CHECK_IS(cassin_protect(0, plain(spare(0)), 1, RW), 0);
	}
	if (argc > 2 && strcmp(argv[2], "stay") == 0) {
		cassin_print("done\n");
		cassin_sleep_until(CASSIN_FOREVER - 1);
	}
}

/* Copies between pages that are mapped one by one, two of them in each instruction. */
static void scattered(int argc, char **argv)
{
	enum { N = 200 };
	(void)argc;
	(void)argv;
	for (unsigned i = 0; i < N; i++)
		CHECK_IS(cassin_map(0, plain(else_page(i)), spare_page(i * 7 % N), 1, RW), 0);
	for (uint64_t round = 1;; round++) {
		for (uint64_t i = 0; i < N; i++) {
			volatile uint8_t *from = else_page(i), *to = else_page((i + N / 2) % N);
			*(volatile uint64_t *)from = round + i;
			__asm__ volatile("movsq" : "+S"(from), "+D"(to) : : "memory");
			CHECK_IS(*(volatile uint64_t *)else_page((i + N / 2) % N), round + i);
		}
		cassin_print("round %lu\n", (unsigned long)round);
		cassin_sleep_until(cassin_now() + 1000000);
	}
}

/* More live entries in one call than one run of the monitor takes. */
static void many(int argc, char **argv)
{
	enum { N = 700 };
	(void)argc;
	touch(N);
	CHECK_IS(cassin_protect(0, plain(spare(0)), N, CASSIN_READ), 0);
	for (unsigned i = 0; i < N; i++)
		CHECK_IS(*(volatile uint64_t *)spare(i), 1000 + i);
	if (strcmp(argv[0], "many-write") == 0)
		*spare(N / 2) = 1; /* ends the guest */
	CHECK_IS(cassin_unmap(0, plain(spare(0)), N), 0);
	if (strcmp(argv[0], "many-read") == 0)
		cassin_print("%d\n", *spare(N / 3)); /* ends the guest */
	for (unsigned i = 0; i < N; i++)             /* backwards */
		CHECK_IS(cassin_map(0, plain(spare(i)), spare_page(N - 1 - i), 1, RW), 0);
	for (unsigned i = 0; i < N; i++) {
		CHECK_IS(*(volatile uint64_t *)spare(i), 1000 + N - 1 - i);
		*(volatile uint64_t *)spare(i) = i;
	}
	CHECK_IS(cassin_unmap(0, plain(spare(0)), N), 0);
	CHECK_IS(cassin_map(0, plain(spare(0)), spare_page(0), N, RW), 0);
	for (unsigned i = 0; i < N; i++)
		CHECK_IS(*(volatile uint64_t *)spare(i), N - 1 - i);
}

/* Hundreds of live entries back and forth, each time with effect. */
static void reprotects_many(int argc, char **argv)
{
	enum { N = 256 };
	(void)argc;
	(void)argv;
	for (uint64_t n = 0; n < 40; n++) {
		for (unsigned i = 0; i < N; i++)
			*(volatile uint64_t *)spare(i) = n + i;
		CHECK_IS(cassin_protect(0, plain(spare(0)), N, CASSIN_READ), 0);
		for (unsigned i = 0; i < N; i++)
			CHECK_IS(*(volatile uint64_t *)spare(i), n + i);
		CHECK_IS(do_op(CASSIN_OP_RANDOM, 0, (uint64_t)spare((unsigned)n % N), 8, 0), -CASSIN_EFAULT);
		CHECK_IS(cassin_protect(0, plain(spare(0)), N, RW), 0);
	}
}

/* Page tables that die without end where there are no others: each that is made needs the frames of dead ones. */
static void tables_storm(int argc, char **argv)
{
	int64_t space, r = 0;
	(void)argc;
	(void)argv;
	CHECK((space = cassin_call0(CASSIN_CALL_SPACE_CREATE)) > 0);
	for (uint64_t i = 0; !r; i++)
		r = cassin_map(0, plain(ELSEWHERE + (i << 21)), spare_page(0), 1, RW);
	CHECK_IS(r, -CASSIN_ENOMEM);
	for (unsigned n = 0; n < 40; n++) {
		CHECK_IS(cassin_call(CASSIN_CALL_SPACE_DESTROY, (uint64_t)space, 0, 0, 0, 0), 0);
		CHECK((space = cassin_call0(CASSIN_CALL_SPACE_CREATE)) > 0);
	}
}

/* A space as large as the quota allows goes, in one call. */
static void large_space(int argc, char **argv)
{
	char line[16];
	int64_t space, r = 0;
	(void)argc;
	(void)argv;
	CHECK((space = cassin_call0(CASSIN_CALL_SPACE_CREATE)) > 0);
	for (uint64_t i = 1; !r; i++) /* two leaf tables each */
		r = cassin_map((uint64_t)space, plain(ELSEWHERE + (i << 22) - CASSIN_PAGE_SIZE), spare_page(0), 2, RW);
	CHECK_IS(r, -CASSIN_ENOMEM);
	cassin_print("built\n");
	cassin_read(line, sizeof line);
	CHECK_IS(cassin_call(CASSIN_CALL_SPACE_DESTROY, (uint64_t)space, 0, 0, 0, 0), 0);
	cassin_print("destroyed\n");
	CHECK_IS(cassin_map((uint64_t)space, plain(ELSEWHERE), spare_page(0), 1, RW), -CASSIN_EINVAL);
	cassin_read(line, sizeof line);
	CHECK_IS(cassin_call0(CASSIN_CALL_SPACE_CREATE), space);
	CHECK_IS(cassin_map((uint64_t)space, plain(ELSEWHERE), spare_page(0), 1, RW), 0);
}

static void spaces(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	CHECK_IS(cassin_call0(CASSIN_CALL_SPACE_DESTROY), -CASSIN_EBUSY); /* space 0 */
	CHECK_IS(cassin_call(CASSIN_CALL_SPACE_DESTROY, 1, 0, 0, 0, 0), -CASSIN_EINVAL);
	CHECK_IS(cassin_call(CASSIN_CALL_SPACE_DESTROY, UINT64_MAX, 0, 0, 0, 0), -CASSIN_EINVAL);
	int64_t n = 0, r;
	while ((r = cassin_call0(CASSIN_CALL_SPACE_CREATE)) > 0)
		CHECK_IS(r, ++n);
	CHECK(r == -CASSIN_EMFILE || r == -CASSIN_ENOMEM);
	CHECK(n >= 8 && n <= 63);
	CHECK_IS(cassin_map(1, plain(spare(0)), spare_page(1), 1, RW), 0);
	CHECK_IS(cassin_map(1, plain(spare(0)), spare_page(1), 1, RW), -CASSIN_EEXIST);
	*spare(0) = 1;
	CHECK_IS(*spare(1), 0);
	CHECK_IS(cassin_protect(1, plain(spare(0)), 1, CASSIN_READ), 0);
	*spare(0) = 2; /* space 0 has its own rights */
	CHECK_IS(cassin_unmap(1, plain(spare(0)), 1), 0);
	for (int64_t s = 1; s <= n; s++)
		CHECK_IS(cassin_call(CASSIN_CALL_SPACE_DESTROY, (uint64_t)s, 0, 0, 0, 0), 0);
	CHECK_IS(cassin_map(1, plain(spare(0)), spare_page(1), 1, RW), -CASSIN_EINVAL);
}

/* The hypervisor's own pages may be given away; it must not mind. */
static void without_info(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	CHECK(cassin_virtual() > 0);
	CHECK_IS(cassin_unmap(0, (void *)cassin_boot->info_page, 1), 0);
	CHECK_IS(cassin_unmap(0, (void *)cassin_boot->clock_page, 1), 0);
	for (int i = 0; i < 5; i++)
		CHECK_IS(cassin_enter(0, 0, (uint64_t)cassin_call0(CASSIN_CALL_TIME) + MS), 0);
	CHECK_IS(cassin_map(0, (void *)cassin_boot->info_page, spare_page(0), 1, RW), 0);
	memset((void *)cassin_boot->info_page, 0xaa, CASSIN_PAGE_SIZE);
	CHECK_IS(cassin_enter(0, 0, (uint64_t)cassin_call0(CASSIN_CALL_TIME) + 5 * MS), 0);
	for (unsigned i = 0; i < CASSIN_PAGE_SIZE; i++)
		CHECK_IS(((volatile uint8_t *)cassin_boot->info_page)[i], 0xaa);
}

/* More mappings than a process of Linux may have (65,530): one page, at every second place. */
static void every_second(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	*spare(0) = 42;
	for (uint64_t i = 0; i < 70000; i++) {
		CHECK_IS(cassin_map(0, plain(else_page(2 * i)), spare_page(0), 1, CASSIN_READ), 0);
		CHECK_IS(*else_page(2 * i), 42);
	}
	for (uint64_t i = 0; i < 70000; i += 7)
		CHECK_IS(*else_page(2 * i), 42);
	CHECK_IS(cassin_unmap(0, plain(else_page(0)), 1), 0);
	CHECK_IS(cassin_map(0, plain(else_page(0)), spare_page(0), 2, RW), 0);
	*else_page(0) = 43;
	CHECK_IS(*else_page(2 * 69999), 43);
}

static const struct property all[] = {
	{"every-second", every_second},
	{"codes", codes},
	{"aliases", aliases},
	{"image-aliases", image_aliases},
	{"unmapped-read", unmapped_read},
	{"unmapped-write", unmapped_write},
	{"protected-write", protected_write},
	{"protected-data", protected_data},
	{"writable-constant", writable_constant},
	{"executed-after-write", executed_after_write},
	{"door-rewritten-first", rewritten_door},
	{"door-rewritten-last", rewritten_door},
	{"remap", remaps},
	{"reprotect", reprotects},
	{"scattered", scattered},
	{"many", many},
	{"many-write", many},
	{"many-read", many},
	{"reprotect-many", reprotects_many},
	{"spaces", spaces},
	{"tables-storm", tables_storm},
	{"large-space", large_space},
	{"without-info", without_info},
};
PROPERTIES(all)
