/* SPDX-License-Identifier: MIT */
/* Limits of control groups, as both of their versions and containers show them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cassin/host_facts.h>

#define MIB (UINT64_C(1) << 20)

static char root[] = "/tmp/cassin-groups-XXXXXX";

static void put(const char *folder, const char *file, const char *text)
{
	char path[256];
	snprintf(path, sizeof path, "%s%s", root, folder);
	mkdir(path, 0700);
	snprintf(path, sizeof path, "%s%s/%s", root, folder, file);
	FILE *f = fopen(path, "w");
	cr_assert(f);
	fputs(text, f);
	fclose(f);
}

static void begin(void)
{
	cr_assert(mkdtemp(root));
}

static void end(void)
{
	char command[128];
	snprintf(command, sizeof command, "rm -r %s", root);
	cr_assert_eq(system(command), 0);
}

TestSuite(control_group, .init = begin, .fini = end);

static uint64_t memory_of(const char *groups, const char *mounted)
{
	return cassin_group_least_of(&cassin_group_memory, groups, mounted);
}

Test(control_group, the_least_of_the_groups_around_counts)
{
	put("", "memory.stat", "");
	put("/outer", "memory.max", "104857600\n");
	put("/outer/inner", "memory.max", "max\n");
	cr_assert_eq(memory_of("0::/outer/inner\n", root), 100 * MIB);
	put("/outer/inner", "memory.max", "52428800\n");
	cr_assert_eq(memory_of("0::/outer/inner\n", root), 50 * MIB);
}

Test(control_group, of_the_first_version_is_in_a_folder_of_its_controller)
{
	put("/memory", "memory.limit_in_bytes", "9223372036854771712\n");
	put("/memory/jobs", "memory.limit_in_bytes", "209715200\n");
	const char *groups = "9:cpu,cpuacct:/jobs\n3:memory:/jobs\n0::/elsewhere\n";
	cr_assert_eq(memory_of(groups, root), 200 * MIB);
}

/* A container sees its own group as the root of all, under a name that is not there. */
Test(control_group, of_a_container_is_where_groups_are_mounted)
{
	put("", "memory.max", "314572800\n");
	cr_assert_eq(memory_of("0::/../../machine/box\n", root), 300 * MIB);
	put("/memory", "memory.limit_in_bytes", "104857600\n");
	cr_assert_eq(memory_of("5:memory:/docker/0123\n", root), 100 * MIB);
}

Test(control_group, without_a_limit_there_is_none)
{
	cr_assert_eq(memory_of("", root), UINT64_MAX);
	cr_assert_eq(memory_of("0::/\n", root), UINT64_MAX);
	cr_assert_eq(memory_of("nonsense\n1:memory\n::\n", root), UINT64_MAX);
	put("", "memory.max", "max\n");
	cr_assert_eq(memory_of("0::/\n", root), UINT64_MAX);
}

Test(control_group, of_either_version_have_processes)
{
	const struct cassin_group_limit *l = &cassin_group_processes;
	put("/pids", "pids.max", "max\n");
	put("/pids/jobs", "pids.max", "77\n");
	cr_assert_eq(cassin_group_least_of(l, "3:memory:/\n2:pids:/jobs\n", root), 77u);
	put("/jobs", "pids.max", "55\n");
	cr_assert_eq(cassin_group_least_of(l, "0::/jobs\n", root), 55u);
}

/* A number of whole pages that is as large as can be says the same as "max". */
Test(control_group, no_limit_of_the_first_version_is_none)
{
	put("/memory", "memory.limit_in_bytes", "9223372036854771712\n");
	cr_assert_eq(memory_of("3:memory:/\n", root), UINT64_MAX);
}
