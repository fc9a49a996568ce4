/* SPDX-License-Identifier: MIT */
#include "kernel_private.h"

#define TEXT_MOST 512u
#define FRAMES_MOST 32

static void put_thread(const struct cassin_thread *t)
{
	static const char *const states[] = {"ready", "running", "blocked", "ended"};
	bool blocked = t->state == THREAD_BLOCKED;
	cassin_print("  %-15s priority %u, %s%s%s", t->name, t->priority, states[t->state],
		     blocked ? ", waits for " : "", blocked ? t->waits_for : "");
	if (t->wants)
		cassin_print(" that %s holds", t->wants->owner->name);
	cassin_print("%s\n", t->due.link ? ", with a deadline" : "");
}

void cassin_thread_list(void)
{
	cassin_print("threads:\n");
	for (const struct cassin_thread *t = kernel.all; t; t = t->all_next)
		put_thread(t);
}

/* Follows the frame pointers, as long as they lie on the thread's stack and go up. */
static void put_backtrace(const struct cassin_thread *t, const uint64_t *frame)
{
	uint64_t low, high;
	kernel_stack_bounds(t, &low, &high);
	cassin_print("backtrace:\n");
	for (int i = 0; i < FRAMES_MOST; i++) {
		uint64_t at = (uint64_t)frame;
		if (at < low || at > high - 2 * sizeof *frame || at % sizeof *frame || !frame[1])
			return;
		cassin_print("  #%d 0x%lx\n", i, frame[1]);
		if (frame[0] <= at)
			return;
		frame = (const uint64_t *)frame[0];
	}
}

void cassin_panic(const char *format, ...)
{
	static bool again;
	char text[TEXT_MOST];
	va_list args;
	kernel_lock(); /* nobody else runs any more */
	if (!again) {
		again = true;
		va_start(args, format);
		cassin_vformat(text, sizeof text, format, args);
		va_end(args);
		cassin_print("panic in thread %s: %s\n", kernel.current->name, text);
		put_backtrace(kernel.current, __builtin_frame_address(0));
		cassin_thread_list();
	}
	__builtin_trap();
}
