/* SPDX-License-Identifier: MIT */
/* Before and after main(). */
#include <stdio.h>
#include <stdlib.h>

#include <cassin/kernel.h>
#include <cassin/kernel/local.h>

#include "local.h"

/* guest.ld */
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

void cassin_main_end(int code)
{
	exit(code);
}

_Noreturn void _exit(int code);
_Noreturn void _exit(int code)
{
	cassin_exit(code);
}
