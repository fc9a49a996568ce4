/* SPDX-License-Identifier: MIT */
/* What is taken for the host's memory, by what the host says. */
#include <criterion/criterion.h>
#include <sys/resource.h>

#include "base/host_memory.h"

#define MIB (UINT64_C(1) << 20)

static const char meminfo[] =
	"MemTotal:       16384000 kB\n"
	"MemAvailable:    8192000 kB\n"
	"CommitLimit:     2048000 kB\n"
	"Committed_AS:    1024000 kB\n";

Test(host_memory, is_what_the_host_can_spare)
{
	cr_assert_eq(host_memory_of(meminfo, MIB, 0, UINT64_MAX), UINT64_C(8192000) << 10);
}

Test(host_memory, is_what_is_free_without_proc)
{
	cr_assert_eq(host_memory_of("", 77 * MIB, 0, UINT64_MAX), 77 * MIB);
	cr_assert_eq(host_memory_of("", 77 * MIB, 1, UINT64_MAX), 77 * MIB);
	cr_assert_gt(host_memory(), MIB);
}

Test(host_memory, is_what_may_be_reserved_where_that_counts)
{
	cr_assert_eq(host_memory_of(meminfo, MIB, 1, UINT64_MAX), UINT64_C(1024000) << 10);
	cr_assert_eq(host_memory_of("MemAvailable: 9 kB\nCommitLimit: 5 kB\nCommitted_AS: 7 kB\n", MIB, 1, UINT64_MAX),
		     0);
}

Test(host_memory, is_half_of_a_limited_address_space)
{
	cr_assert_eq(host_memory_of(meminfo, MIB, 0, 512 * MIB), 256 * MIB);
}

/* A sanitizer needs more than that for itself. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
Test(host_memory, is_half_of_what_this_process_may_have)
{
	struct rlimit limit = {900 * MIB, 900 * MIB};
	cr_assert_eq(setrlimit(RLIMIT_AS, &limit), 0);
	cr_assert_leq(host_memory(), 450 * MIB);
}
#endif
