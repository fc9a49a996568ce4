/* SPDX-License-Identifier: MIT */
/* Before and after main(). */
#include <stdio.h>
#include <stdlib.h>

#include <cassin/kernel.h>
#include <cassin/kernel/local.h>

#include "local.h"

/* guest.ld */
int main(int argc, char **argv);

extern void (*const cassin_init_start[])(void);
extern void (*const cassin_init_end[])(void);

static char *nothing[1];
char **environ = nothing;

void cassin_main_begin(void)
{
	local_begin_main();
	fileno(stdout); /* main's thread opens the streams, so that exit() flushes them whoever has used them */
	for (void (*const *f)(void) = cassin_init_start; f < cassin_init_end; f++)
		(*f)();
}

#define STACK_MOST ((size_t)1 << 20)
#define STACK_SHARE 8                  /* of the heap, at most */
#define STACK_LEAST ((size_t)64 << 10) /* what the guest begins on */

/* Ordinary programs are used to megabytes of stack. What is not touched costs nothing. */
int cassin_main_call(int argc, char **argv)
{
	size_t size = cassin_boot->heap_size / STACK_SHARE;
	size = size < STACK_MOST ? size : STACK_MOST;
	return size < STACK_LEAST ? main(argc, argv) : cassin_main_on_stack(size, main, argc, argv);
}

void cassin_main_end(int code)
{
	exit(code);
}

_Noreturn void _exit(int code);
_Noreturn void _exit(int code)
{
	cassin_exit(code);
}
