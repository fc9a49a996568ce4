/* SPDX-License-Identifier: MIT */
/* The thread that makes guests' processes and ends them: they are on an account meanwhile, and what an end takes is learnt. */
#include <criterion/criterion.h>

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "process/charge.h"
#include "process/maker.h"

#define ENDS 10u

Test(maker, what_an_end_takes_is_learnt_from_others)
{
	struct maker m;
	struct cassin_error_text err;
	struct frame_pool pool = {.limit = ENDS * STUB_BYTES / 4096};
	struct account a = {0};
	struct stub *made[ENDS], *one_more;
	int memory = memfd_create("memory", MFD_CLOEXEC);
	account_init(&a, &pool, UINT64_MAX);
	cr_assert_eq(maker_start(&m, NULL, &err), 0, "%s", err.text);
	uint64_t before = maker_end_ns(&m, 0);
	for (unsigned i = 0; i < ENDS; i++)
		cr_assert_eq(maker_make(&m, memory, &a, false, &made[i]), 0);
	cr_assert_eq(maker_make(&m, memory, &a, false, &one_more), -ENOSPC);
	cr_assert_eq(account_bytes(&a, ACCOUNT_PROCESSES), ENDS * STUB_BYTES);
	for (unsigned i = 0; i < ENDS; i++)
		maker_dispose(&m, made[i]);
	cr_assert_eq(account_bytes(&a, ACCOUNT_PROCESSES), 0u);
	maker_stop(&m);
	cr_assert_neq(maker_end_ns(&m, 0), before);
	cr_assert(maker_end_ns(&m, 1000) > maker_end_ns(&m, 0) && maker_end_ns(&m, 0) > 0);
	close(memory);
}
