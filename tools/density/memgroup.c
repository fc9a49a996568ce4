/* SPDX-License-Identifier: MIT */
#include "memgroup.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "leftovers.h"

static double number_in(const struct memgroup *g, const char *file)
{
	char path[160], text[64] = "";
	snprintf(path, sizeof path, "%s/%s", g->path, file);
	FILE *f = fopen(path, "re");
	if (!f || !fgets(text, sizeof text, f))
		*text = '\0';
	if (f)
		fclose(f);
	return *text ? strtod(text, NULL) : NAN;
}

/* "KEY NUMBER" in memory.stat. */
static double stat_of(const struct memgroup *g, const char *key)
{
	char path[160], line[128];
	double value = NAN;
	size_t n = strlen(key);
	snprintf(path, sizeof path, "%s/memory.stat", g->path);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f))
		if (!strncmp(line, key, n) && line[n] == ' ')
			value = strtod(line + n, NULL);
	if (f)
		fclose(f);
	return value;
}

static double usage(const struct memgroup *g)
{
	return number_in(g, g->version == 2 ? "memory.current" : "memory.usage_in_bytes") / 1024;
}

void memgroup_make(struct memgroup *g)
{
	static const char *const roots[] = {"/sys/fs/cgroup/memory", "/sys/fs/cgroup"};
	for (int version = 1; version <= 2; version++) {
		*g = (struct memgroup){.version = version};
		snprintf(g->path, sizeof g->path, "%s/" LEFTOVERS_NAME "%d", roots[version - 1], (int)getpid());
		snprintf(g->procs, sizeof g->procs, "%s/cgroup.procs", g->path);
		if (mkdir(g->path, 0755) < 0 && errno != EEXIST)
			continue;
		if (access(g->procs, W_OK) == 0 && !isnan(usage(g)))
			return;
		rmdir(g->path);
	}
	*g = (struct memgroup){.version = 0};
}

double memgroup_kib(const struct memgroup *g, double *kernel)
{
	*kernel = NAN;
	if (!*g->path)
		return NAN;
	*kernel = (g->version == 2 ? stat_of(g, "kernel") : number_in(g, "memory.kmem.usage_in_bytes")) / 1024;
	return usage(g);
}

void memgroup_remove(struct memgroup *g)
{
	if (*g->path)
		leftovers_group(g->path);
	*g = (struct memgroup){.version = 0};
}
