/* SPDX-License-Identifier: MIT */
/* How the host's limits of processes are told. */
#include <criterion/criterion.h>
#include <errno.h>

#include "process/limits.h"

Test(process_limits, those_that_may_have_been_met_are_named)
{
	char text[128];
	struct process_limits l = {.user = 30, .group = 40, .numbers = 32768, .threads = 100000};
	limits_say(&l, -EAGAIN, text, sizeof text);
	cr_assert_str_eq(text, "RLIMIT_NPROC (ulimit -u) is 30, pids.max is 40, kernel.pid_max is 32768");
	l = (struct process_limits){.numbers = 4194304, .threads = 100000};
	limits_say(&l, -EAGAIN, text, sizeof text);
	cr_assert_str_eq(text, "kernel.pid_max is 4194304, kernel.threads-max is 100000");
	l = (struct process_limits){.group = 40, .numbers = 4194304, .threads = 100000};
	limits_say(&l, -EAGAIN, text, sizeof text);
	cr_assert_str_eq(text, "pids.max is 40");
	limits_say(&l, -ENOSPC, text, sizeof text);
	cr_assert_str_eq(text, "the pool is full");
	l = (struct process_limits){0};
	limits_say(&l, -EAGAIN, text, sizeof text);
	cr_assert_str_eq(text, "a limit of the host's");
}
