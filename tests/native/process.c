/* SPDX-License-Identifier: MIT */
/*
 * guest-lib's small services over a Linux process: boot record, figures, clock, console, heap and text, as the example
 * services use them. The process's name is $CASSIN_NAME, or else its program's.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cassin/guest.h>

#define NS_PER_S 1000000000u
#define NS_PER_US 1000u
#define MALLOC_HEAD 8u /* what malloc() adds to a block */

static struct cassin_boot boot;
const struct cassin_boot *cassin_boot = &boot;
static uint64_t started_at;
static size_t heap_used;

static __attribute__((constructor)) void start(void)
{
	const char *name = getenv("CASSIN_NAME");
	boot.abi_major = CASSIN_ABI_MAJOR;
	boot.abi_minor = CASSIN_ABI_MINOR;
	boot.size = sizeof boot;
	boot.name = (uint64_t)(name ? name : program_invocation_short_name);
	boot.pages = (uint64_t)sysconf(_SC_PHYS_PAGES);
	boot.heap_size = boot.pages * CASSIN_PAGE_SIZE;
	if (getrandom(boot.seed, sizeof boot.seed, 0) != sizeof boot.seed)
		abort();
	started_at = cassin_now();
}

uint64_t cassin_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static uint64_t ns_of(struct timeval t)
{
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_usec * NS_PER_US;
}

/* A process has no exits and hypercalls; its memory is the most that it has had resident. */
void cassin_info(struct cassin_info *out)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	*out = (struct cassin_info){
		.pages = boot.pages,
		.pages_used = (uint64_t)usage.ru_maxrss * 1024 / CASSIN_PAGE_SIZE,
		.virtual_ns = ns_of(usage.ru_utime) + ns_of(usage.ru_stime),
		.started_at = started_at,
	};
}

void cassin_print(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vdprintf(STDOUT_FILENO, format, args);
	va_end(args);
}

static void *counted(void *p)
{
	if (p)
		heap_used += malloc_usable_size(p) + MALLOC_HEAD;
	return p;
}

void *cassin_alloc(size_t size)
{
	return counted(malloc(size));
}

void *cassin_zalloc(size_t count, size_t size)
{
	return counted(calloc(count, size));
}

void cassin_free(void *p)
{
	if (p)
		heap_used -= malloc_usable_size(p) + MALLOC_HEAD;
	free(p);
}

void *cassin_realloc(void *p, size_t size)
{
	size_t before = p ? malloc_usable_size(p) + MALLOC_HEAD : 0;
	void *q = counted(realloc(p, size));
	if (q)
		heap_used -= before;
	return q;
}

size_t cassin_heap_used(void)
{
	return heap_used;
}

int cassin_vformat(char *to, size_t size, const char *format, va_list args)
{
	return vsnprintf(to, size, format, args);
}

int cassin_format(char *to, size_t size, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = vsnprintf(to, size, format, args);
	va_end(args);
	return n;
}

long long cassin_parse(const char *s, size_t len)
{
	long long value = 0;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, s[i] - '0', &value))
			return -1;
	}
	return len ? value : -1;
}
