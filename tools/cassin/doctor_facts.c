/* SPDX-License-Identifier: MIT */
#include "doctor_facts.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define FACTS_MOST 16
#define STATUS_BYTES 8192
#define GROUPS "/sys/fs/cgroup"

static struct fact facts[FACTS_MOST];
static size_t nfacts;

static char *add(const char *name, const char *note)
{
	struct fact *f = &facts[nfacts++];
	*f = (struct fact){.name = name, .value = "-", .note = note};
	return f->value;
}

static void set(char *value, const char *text)
{
	if (*text)
		snprintf(value, sizeof facts->value, "%s", text);
}

/* The first line of a file, or its beginning; "" if it cannot be read. */
static const char *first_line(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "re");
	if (!f || !fgets(text, (int)size, f))
		*text = '\0';
	if (f)
		fclose(f);
	text[strcspn(text, "\n")] = '\0';
	return text;
}

static void add_file(const char *name, const char *path, const char *note)
{
	char text[64];
	set(add(name, note), first_line(path, text, sizeof text));
}

/* What follows `key` in a line of a file that has many. */
static const char *line_of(const char *path, const char *key, char *text, size_t size)
{
	FILE *f = fopen(path, "re");
	bool found = false;
	while (f && !found && fgets(text, (int)size, f))
		found = !strncmp(text, key, strlen(key));
	if (f)
		fclose(f);
	if (!found)
		return "";
	text[strcspn(text, "\n")] = '\0';
	const char *value = text + strlen(key);
	return value + strspn(value, " \t:");
}

static void add_virtualisation(void)
{
	static char text[STATUS_BYTES];
	const char *flags = line_of("/proc/cpuinfo", "flags", text, sizeof text);
	set(add("CPU virtualisation", "none in a virtual machine: its host must allow nesting"),
	    strstr(flags, " vmx")   ? "vmx"
	    : strstr(flags, " svm") ? "svm"
				    : "none");
}

static void add_limit(const char *name, int resource, const char *note)
{
	struct rlimit limit;
	char text[32] = "";
	if (getrlimit((__rlimit_resource_t)resource, &limit) == 0)
		snprintf(text, sizeof text, limit.rlim_cur == RLIM_INFINITY ? "unlimited" : "%llu",
			 (unsigned long long)limit.rlim_cur);
	set(add(name, note), text);
}

static void add_tracer(void)
{
	static char text[STATUS_BYTES];
	const char *pid = line_of("/proc/self/status", "TracerPid:", text, sizeof text);
	set(add("traced by", "the process that traces this program (strace, gdb); it sees no guest's process"),
	    strcmp(pid, "0") ? pid : "");
}

/* The folder of this process's control group of a controller, which may not be there: a container sees its own as the root. */
static void group_folder(const char *controller, char *folder, size_t size)
{
	char line[PATH_MAX - 64], old[32];
	bool found = false;
	FILE *f = fopen("/proc/self/cgroup", "re");
	snprintf(old, sizeof old, ":%s:", controller);
	snprintf(folder, size, GROUPS);
	while (f && !found && fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = '\0';
		const char *path = strstr(line, old);
		found = path;
		if (found)
			snprintf(folder, size, GROUPS "/%s%s", controller, path + strlen(old));
		else if (!strncmp(line, "0::", 3))
			snprintf(folder, size, GROUPS "%s", line + 3);
	}
	if (f)
		fclose(f);
}

/* The least of the limits from the group up to the root of all; `file` or, of the first version of groups, `old`. */
static void add_group(const char *controller, const char *file, const char *old, const char *note)
{
	char folder[PATH_MAX], path[PATH_MAX + 64], text[32];
	char *value = add(file, note);
	unsigned long long least = ULLONG_MAX;
	group_folder(controller, folder, sizeof folder);
	while (strlen(folder) >= strlen(GROUPS)) {
		snprintf(path, sizeof path, "%s/%s", folder, file);
		if (!*first_line(path, text, sizeof text)) {
			snprintf(path, sizeof path, "%s/%s", folder, old);
			first_line(path, text, sizeof text);
		}
		if (*text >= '0' && *text <= '9' && strtoull(text, NULL, 10) < least)
			least = strtoull(text, NULL, 10);
		*strrchr(folder, '/') = '\0';
	}
	snprintf(text, sizeof text, least >= LLONG_MAX / 4096 * 4096 ? "max" : "%llu", least);
	set(value, text);
}

const struct fact *doctor_facts(size_t *count)
{
	static char text[STATUS_BYTES];
	nfacts = 0;
	set(add("CASSIN_BACKEND", "in the environment: what programs take that are not told --backend"),
	    getenv("CASSIN_BACKEND") ? getenv("CASSIN_BACKEND") : "");
	add_virtualisation();
	add_file("kernel.yama.ptrace_scope", "/proc/sys/kernel/yama/ptrace_scope",
		 "process cells need 0 or 1; root with --sandbox off has them with 2");
	set(add("seccomp", "2: this program runs under somebody's filter, a container's say"),
	    line_of("/proc/self/status", "Seccomp:", text, sizeof text));
	add_tracer();
	add_file("vm.memfd_noexec", "/proc/sys/vm/memfd_noexec", "process cells need 0 or 1");
	add_limit("RLIMIT_NPROC", RLIMIT_NPROC, "ulimit -u; bounds process cells of an ordinary user");
	add_group("pids", "pids.max", "pids.max", "of the control group: bounds process cells");
	add_group("memory", "memory.max", "memory.limit_in_bytes",
		  "of the control group: the pool is at most three quarters of it");
	add_file("kernel.pid_max", "/proc/sys/kernel/pid_max", "bounds process cells: one process for each space");
	add_file("vm.max_map_count", "/proc/sys/vm/max_map_count", "mappings of one guest, in process cells");
	add_file("vm.mmap_min_addr", "/proc/sys/vm/mmap_min_addr", "process cells map no guest below");
	add_file("vm.overcommit_memory", "/proc/sys/vm/overcommit_memory",
		 "2: the pool is at most what can be reserved, and KVM reserves all of it");
	add_limit("RLIMIT_AS", RLIMIT_AS, "ulimit -v; the pool is at most half of it");
	add_limit("RLIMIT_NOFILE", RLIMIT_NOFILE, "ulimit -n; cassind raises it to the hard limit: ports, connections");
	*count = nfacts;
	return facts;
}
