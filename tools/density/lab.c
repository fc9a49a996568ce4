/* SPDX-License-Identifier: MIT */
#include "lab.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

volatile sig_atomic_t lab_interrupted;

int system_failed(struct system *s, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(s->why, sizeof s->why, format, args);
	va_end(args);
	return -EIO;
}

int lab_check(struct system *s)
{
	struct host_memory m;
	if (lab_interrupted)
		return -EINTR;
	bar_draw(&s->lab->bar);
	host_memory_read(&m);
	if (m.available >= s->lab->reserve_kib)
		return 0;
	system_failed(s, "%.0f MiB of the host's memory are left, and %.0f MiB are to stay", m.available / 1024,
		      s->lab->reserve_kib / 1024);
	return -ENOMEM;
}

unsigned lab_all_guests(const struct scenario *s, unsigned guests)
{
	unsigned all = 0;
	for (size_t i = 0; i < s->group_count; i++)
		all += scenario_group_size(s, i, guests);
	return all;
}
