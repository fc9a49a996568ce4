/* SPDX-License-Identifier: MIT */
/* Limits of control groups, of either version of them. */
#include <cassin/host_facts.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROUPS_BYTES 8192
#define UNLIMITED (UINT64_C(1) << 62) /* the first version's memory has a number for it, of whole pages */

const struct cassin_group_limit cassin_group_memory = {"memory", "memory.max", "memory.limit_in_bytes"};
const struct cassin_group_limit cassin_group_processes = {"pids", "pids.max", "pids.max"};

static uint64_t limit_in(const char *path)
{
	char text[32], *end;
	if (!cassin_host_text(path, text, sizeof text))
		return UINT64_MAX;
	unsigned long long n = strtoull(text, &end, 10);
	return end == text || n >= UNLIMITED ? UINT64_MAX : n; /* "max" */
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
static uint64_t limit_of_line(const struct cassin_group_limit *l, const char *line, const char *mounted)
{
	char root[PATH_MAX];
	const char *controllers = strchr(line, ':');
	const char *path = controllers ? strchr(controllers + 1, ':') : NULL;
	if (!path)
		return UINT64_MAX;
	if (path == controllers + 1)
		return least(mounted, path + 1, l->file);
	size_t n = (size_t)(path - controllers - 1);
	if (n != strlen(l->controller) || memcmp(controllers + 1, l->controller, n))
		return UINT64_MAX;
	snprintf(root, sizeof root, "%s/%s", mounted, l->controller);
	return least(root, path + 1, l->old_file);
}

uint64_t cassin_group_least_of(const struct cassin_group_limit *l, const char *groups, const char *mounted)
{
	char line[PATH_MAX];
	uint64_t found = UINT64_MAX;
	while (*groups) {
		size_t n = strcspn(groups, "\n");
		if (n < sizeof line) {
			memcpy(line, groups, n);
			line[n] = '\0';
			uint64_t here = limit_of_line(l, line, mounted);
			found = here < found ? here : found;
		}
		groups += n + (groups[n] == '\n');
	}
	return found;
}

uint64_t cassin_group_least(const struct cassin_group_limit *l)
{
	char groups[GROUPS_BYTES];
	cassin_host_text("/proc/self/cgroup", groups, sizeof groups);
	return cassin_group_least_of(l, groups, "/sys/fs/cgroup");
}
