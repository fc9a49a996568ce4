/* SPDX-License-Identifier: MIT */
/* From the entry to main(): relocation, and what a C library wants before and after. */
#include <cassin/guest.h>

/* System V ABI, AMD64 supplement: the little of dynamic linking that a static-PIE needs. */
#define DT_RELA 7
#define DT_RELASZ 8
#define R_X86_64_RELATIVE 8

struct dynamic {
	int64_t tag;
	uint64_t value;
};

struct rela {
	uint64_t offset, info;
	int64_t addend;
};

const struct cassin_boot *cassin_boot;

int main(int argc, char **argv);
_Noreturn void cassin_start(const struct cassin_boot *boot, uint64_t base, const struct dynamic *dynamic);

/* A C library's, if one is linked: before main(), instead of calling it, and after it. */
void cassin_main_begin(void) __attribute__((weak));
int cassin_main_call(int argc, char **argv) __attribute__((weak));
void cassin_main_end(int code) __attribute__((weak));

static void relocate(uint64_t base, const struct dynamic *d)
{
	uint64_t at = 0, size = 0;
	for (; d->tag; d++) {
		if (d->tag == DT_RELA)
			at = d->value;
		if (d->tag == DT_RELASZ)
			size = d->value;
	}
	for (const struct rela *r = (const struct rela *)(base + at); size >= sizeof *r; size -= sizeof *r, r++) {
		if ((uint32_t)r->info == R_X86_64_RELATIVE)
			*(uint64_t *)(base + r->offset) = base + (uint64_t)r->addend;
	}
}

_Noreturn void cassin_start(const struct cassin_boot *boot, uint64_t base, const struct dynamic *dynamic)
{
#ifdef __PIC__
	if (dynamic)
		relocate(base, dynamic);
#else
	(void)base;
	(void)dynamic;
	(void)relocate;
#endif
	cassin_boot = boot;
	if (cassin_main_begin)
		cassin_main_begin();
	int code = (cassin_main_call ? cassin_main_call : main)((int)boot->argc, (char **)boot->argv);
	if (cassin_main_end)
		cassin_main_end(code);
	cassin_exit(code);
}

_Noreturn void cassin_exit(int code)
{
	cassin_call(CASSIN_CALL_EXIT, (uint64_t)code, 0, 0, 0, 0);
	__builtin_unreachable();
}

void cassin_ready(void)
{
	cassin_call0(CASSIN_CALL_READY);
}

void cassin_ready_at_wait(void)
{
	if (cassin_call0(CASSIN_CALL_READY_AT_WAIT) < 0)
		cassin_ready();
}

void cassin_info(struct cassin_info *out)
{
	cassin_call(CASSIN_CALL_INFO, (uint64_t)out, sizeof *out, 0, 0, 0);
}

int cassin_random(void *to, uint32_t len)
{
	struct cassin_sqe op = {.op = CASSIN_OP_RANDOM, .addr = (uint64_t)to, .len = len};
	int32_t r = cassin_do(&op);
	return r < 0 ? r : 0;
}
