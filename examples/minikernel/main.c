/* SPDX-License-Identifier: MIT */
/* Two threads that would wait for ever without preemption, and two user programs. */
#include "kernel.h"

extern const char ticker[], ticker_end[], counter[], counter_end[];
_Noreturn void kernel_main(const struct cassin_boot *boot);

static volatile bool here[2];

/* Neither gives way by itself: each sees the other only because the timer takes the CPU from it. */
static void meet(void *argument)
{
	uint64_t me = (uint64_t)argument;
	here[me] = true;
	while (!here[1 - me])
		;
	say("thread", "has met the other:", me);
}

void kernel_main(const struct cassin_boot *boot)
{
	clock_page = (const struct cassin_clock_page *)boot->clock_page;
	if (boot->argc > 1)
		panic("this kernel takes no arguments");
	page_start(boot);
	thread_start(boot);
	process_start();
	say("kernel", "pages of memory:", boot->pages);
	call(CASSIN_CALL_READY, 0, 0, 0, 0, 0);
	thread_create(meet, (void *)0);
	thread_create(meet, (void *)1);
	process_create("ticker", ticker, ticker_end);
	process_create("counter", counter, counter_end);
	thread_run();
}
