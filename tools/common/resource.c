/* SPDX-License-Identifier: MIT */
#include "resource.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The folder of the running program. */
static const char *own_folder(void)
{
	static char folder[PATH_MAX];
	if (!*folder) {
		ssize_t n = readlink("/proc/self/exe", folder, sizeof folder - 1);
		folder[n > 0 ? n : 0] = '\0';
		char *slash = strrchr(folder, '/');
		if (slash)
			*slash = '\0';
	}
	return folder;
}

/* The first of the folders (NULL-terminated, below ours unless absolute) in which the name can be used as `mode` says. */
static char *find(const char *const *folders, const char *name, int mode)
{
	char *path = NULL;
	for (; *folders; folders++) {
		bool absolute = **folders == '/';
		if (asprintf(&path, "%s%s%s/%s", absolute ? "" : own_folder(), absolute ? "" : "/", *folders, name) < 0)
			return NULL;
		char *whole = access(path, mode) == 0 ? realpath(path, NULL) : NULL;
		free(path);
		if (whole)
			return whole;
	}
	return NULL;
}

char *resource_program(const char *name)
{
	static const char *const folders[] = {".", NULL};
	return find(folders, name, X_OK);
}

char *resource_guest(const char *name, const char *folder)
{
	static const char *const folders[] = {"../examples", "density/guests", "../share/cassin/examples", NULL};
	if (*name == '/')
		return access(name, R_OK) == 0 ? strdup(name) : NULL;
	char *given = folder ? realpath(folder, NULL) : NULL;
	const char *const first[] = {given, NULL};
	char *path = find(first, name, R_OK);
	free(given);
	return path ? path : find(folders, name, R_OK);
}

static const char *const scenario_folders[] = {"density/scenarios", "../share/cassin/scenarios", NULL};

char *resource_scenarios(void)
{
	return find(scenario_folders, ".", R_OK | X_OK);
}

char *resource_scenario(const char *name)
{
	char file[128];
	if (strchr(name, '/') || strstr(name, ".json"))
		return access(name, R_OK) == 0 ? strdup(name) : NULL;
	snprintf(file, sizeof file, "%.100s.json", name);
	return find(scenario_folders, file, R_OK);
}

char *resource_mould(const char *kind)
{
	static const char *const folders[] = {"new", "../share/cassin/new", NULL};
	return find(folders, kind, R_OK | X_OK);
}

char *resource_conformance(const char *name)
{
	static const char *const folders[] = {"../tests/conformance", "../tests/guests", "../share/cassin/conformance",
					      NULL};
	return find(folders, name, R_OK);
}

char *resource_baseline(const char *command)
{
	static const char *const folders[] = {"../tests/native", "../libexec/cassin", NULL};
	char name[64], *whole = NULL;
	size_t n = strcspn(command, " ");
	snprintf(name, sizeof name, "%.*s", (int)n, command);
	char *path = find(folders, name, X_OK);
	if (path && asprintf(&whole, "exec '%s'%s", path, command + n) < 0)
		whole = NULL;
	free(path);
	return whole;
}
