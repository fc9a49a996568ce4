/* SPDX-License-Identifier: MIT */
/*
 * threads IMAGE ROUNDS STRETCHES: nanoseconds of one switch of threads in a guest, and of two contexts in this process:
 * "swap" as the C library's swapcontext() does it but for signals, "bare" by the guest kernel's own few instructions
 * without its queues. By turns; each figure is the median of so many. And the guest's hypercalls in as many switches.
 */
#include "common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "median.h"

#define STRETCHES_MOST 1024u
#define COUNT 1000u /* switches in a stretch */
#define STACK 65536u

struct context {
	_Alignas(16) unsigned char registers[144]; /* as swap.S has them */
};
enum { RBX = 0, RIP = 96, RSP = 104 };

void swap_context(struct context *from, const struct context *to);
void kernel_context_switch(void **save, void *sp); /* guest-kernel/context.S */

static struct context here, there;
static void *here_sp, *there_sp;
static _Alignas(64) unsigned char stack[STACK], bare_stack[STACK];

static void swaps_back(void)
{
	for (;;)
		swap_context(&there, &here);
}

static void switches_back(void)
{
	for (;;)
		kernel_context_switch(&there_sp, here_sp);
}

static void set(struct context *c, size_t at, uint64_t value)
{
	memcpy(c->registers + at, &value, sizeof value);
}

/* A context as swap_context() loads it, and a stack as kernel_context_switch() finds it. */
static void prepare(void)
{
	uint64_t *top = (uint64_t *)(bare_stack + STACK) - 2;
	swap_context(&there, &there); /* the control words as they are */
	set(&there, RIP, (uint64_t)swaps_back);
	set(&there, RSP, (uint64_t)(stack + STACK - 8));
	top[0] = (uint64_t)switches_back;
	top -= 7; /* six registers, and below them the control words */
	__asm__ volatile("stmxcsr (%0); fnstcw 4(%0)" : : "r"(top) : "memory");
	there_sp = top;
}

static double median_ns(bool bare, unsigned stretches)
{
	static uint64_t times[STRETCHES_MOST];
	for (unsigned s = 0; s < stretches; s++) {
		uint64_t start = bench_ns();
		for (unsigned i = 0; i < COUNT / 2; i++) {
			if (bare)
				kernel_context_switch(&here_sp, there_sp);
			else
				swap_context(&here, &there);
		}
		times[s] = bench_ns() - start;
	}
	return (double)median(times, stretches) / COUNT;
}

static double guest(struct bench *b, const char *image, const char *what, char *stretches)
{
	char mode[16], count[16], *args[] = {mode, count, stretches};
	snprintf(mode, sizeof mode, "%s", what);
	snprintf(count, sizeof count, "%u", COUNT);
	return (double)bench_run(b, image, args, 3);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		bench_die("usage: threads IMAGE ROUNDS STRETCHES");
	unsigned rounds = bench_number(argv[2]), n = bench_number(argv[3]);
	if (n > STRETCHES_MOST)
		bench_die("at most %u stretches", STRETCHES_MOST);
	double *values[3];
	struct bench b;
	for (unsigned i = 0; i < 3; i++) {
		values[i] = calloc(rounds, sizeof(double));
		if (!values[i])
			bench_die("no memory");
	}
	prepare();
	bench_open(&b, 1);
	for (unsigned i = 0; i < rounds; i++) {
		values[0][i] = median_ns(false, n);
		values[1][i] = median_ns(true, n);
		values[2][i] = guest(&b, argv[1], "time", argv[3]) / COUNT;
	}
	printf("{");
	bench_print("swap_ns", values[0], rounds, ", ");
	bench_print("bare_ns", values[1], rounds, ", ");
	bench_print("guest_ns", values[2], rounds, ", ");
	printf("\"hypercalls\": %.0f}\n", guest(&b, argv[1], "calls", argv[3]));
	bench_close(&b);
	for (unsigned i = 0; i < 3; i++)
		free(values[i]);
	return 0;
}
