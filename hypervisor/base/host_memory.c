/* SPDX-License-Identifier: MIT */
#include "base/host_memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>

#include <cassin/host_facts.h>

#define MEMINFO_BYTES 8192

/* Of a line "NAME:   NUMBER kB", in bytes; `otherwise` if there is none. */
static uint64_t line_of(const char *meminfo, const char *name, uint64_t otherwise)
{
	size_t n = strlen(name);
	for (const char *at = meminfo; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (!strncmp(at, name, n) && at[n] == ':')
			return strtoull(at + n + 1, NULL, 10) << 10;
	}
	return otherwise;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t host_memory_of(const char *meminfo, uint64_t free_bytes, int reserved_counts, uint64_t address_space)
{
	uint64_t bytes = line_of(meminfo, "MemAvailable", free_bytes);
	if (reserved_counts) {
		uint64_t limit = line_of(meminfo, "CommitLimit", UINT64_MAX),
			 taken = line_of(meminfo, "Committed_AS", 0);
		bytes = least(bytes, limit > taken ? limit - taken : 0);
	}
	return address_space == UINT64_MAX ? bytes : least(bytes, address_space / 2);
}

uint64_t host_memory(void)
{
	char meminfo[MEMINFO_BYTES], overcommit[16];
	struct sysinfo s = {0};
	struct rlimit address_space = {RLIM_INFINITY, RLIM_INFINITY};
	cassin_host_text("/proc/meminfo", meminfo, sizeof meminfo);
	cassin_host_text("/proc/sys/vm/overcommit_memory", overcommit, sizeof overcommit);
	sysinfo(&s);
	getrlimit(RLIMIT_AS, &address_space);
	uint64_t bytes = host_memory_of(meminfo, (uint64_t)(s.freeram + s.bufferram) * s.mem_unit, overcommit[0] == '2',
					address_space.rlim_cur == RLIM_INFINITY ? UINT64_MAX : address_space.rlim_cur);
	return least(bytes, cassin_group_least(&cassin_group_memory));
}
