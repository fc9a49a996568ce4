/* SPDX-License-Identifier: MIT */
#include "doctor_facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cassin/host_facts.h>

#define FACTS_MOST 16
#define STATUS_BYTES 8192

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

static void add_file(const char *name, const char *path, const char *note)
{
	char text[64];
	cassin_host_text(path, text, sizeof text);
	text[strcspn(text, "\n")] = '\0';
	set(add(name, note), text);
}

/* What follows `key` in a line of a file that has many, near its beginning. */
static const char *line_of(const char *path, const char *key, char *text, size_t size)
{
	char *line = cassin_host_text(path, text, size) ? text : NULL;
	while (line && strncmp(line, key, strlen(key)) != 0) {
		line = strchr(line, '\n');
		line += line != NULL;
	}
	if (!line)
		return "";
	line[strcspn(line, "\n")] = '\0';
	return line + strlen(key) + strspn(line + strlen(key), " \t:");
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

static void add_group(const struct cassin_group_limit *l, const char *note)
{
	char text[32] = "max";
	uint64_t least = cassin_group_least(l);
	if (least != UINT64_MAX)
		snprintf(text, sizeof text, "%llu", (unsigned long long)least);
	set(add(l->file, note), text);
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
	add_group(&cassin_group_processes, "of the control group: bounds process cells");
	add_group(&cassin_group_memory, "of the control group: the pool is at most three quarters of it");
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
