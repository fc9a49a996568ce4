/* SPDX-License-Identifier: MIT */
#include "base/control_group.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/host_text.h"

#define GROUPS_BYTES 8192

static uint64_t limit_in(const char *path)
{
	char text[32], *end;
	if (!host_text(path, text, sizeof text))
		return UINT64_MAX;
	unsigned long long n = strtoull(text, &end, 10);
	return end == text ? UINT64_MAX /* "max" */ : n;
}

/* From the group at `path` below `root` up to the root itself. */
static uint64_t least(const char *root, const char *path, const char *file)
{
	char folder[PATH_MAX], at[PATH_MAX + 64];
	uint64_t found = UINT64_MAX;
	int n = snprintf(folder, sizeof folder, "%s%s", root, path);
	if (n < 0 || n >= (int)sizeof folder)
		return UINT64_MAX;
	for (;;) {
		snprintf(at, sizeof at, "%s/%s", folder, file);
		uint64_t here = limit_in(at);
		found = here < found ? here : found;
		char *last = strrchr(folder, '/');
		if (strlen(folder) <= strlen(root) || !last)
			return found;
		*last = '\0';
	}
}

/* Of a line "7:cpu,memory:/path", or "0::/path" of the second version. */
static uint64_t limit_of_line(const char *line, const char *mounted)
{
	char root[PATH_MAX];
	const char *controllers = strchr(line, ':');
	const char *path = controllers ? strchr(controllers + 1, ':') : NULL;
	if (!path)
		return UINT64_MAX;
	if (path == controllers + 1)
		return least(mounted, path + 1, "memory.max");
	size_t n = (size_t)(path - controllers - 1);
	if (n != strlen("memory") || memcmp(controllers + 1, "memory", n))
		return UINT64_MAX;
	snprintf(root, sizeof root, "%s/memory", mounted);
	return least(root, path + 1, "memory.limit_in_bytes");
}

uint64_t control_group_memory_of(const char *groups, const char *mounted)
{
	char line[PATH_MAX];
	uint64_t found = UINT64_MAX;
	while (*groups) {
		size_t n = strcspn(groups, "\n");
		if (n < sizeof line) {
			memcpy(line, groups, n);
			line[n] = '\0';
			uint64_t here = limit_of_line(line, mounted);
			found = here < found ? here : found;
		}
		groups += n + (groups[n] == '\n');
	}
	return found;
}

uint64_t control_group_memory(void)
{
	char groups[GROUPS_BYTES];
	host_text("/proc/self/cgroup", groups, sizeof groups);
	return control_group_memory_of(groups, "/sys/fs/cgroup");
}
