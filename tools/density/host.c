/* SPDX-License-Identifier: MIT */
#include "host.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Up to size - 1 bytes of a file, without the last newline; "" if it cannot be read. */
static const char *slurp(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(text, 1, size - 1, f) : 0;
	if (f)
		fclose(f);
	if (n && text[n - 1] == '\n')
		n--;
	text[n] = '\0';
	return text;
}

/* The number behind "KEY:" at the beginning of a line. */
static double number_of(const char *text, const char *key)
{
	size_t n = strlen(key);
	for (const char *at = text; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (!strncmp(at, key, n) && at[n] == ':')
			return strtod(at + n + 1, NULL);
	}
	return 0;
}

void host_memory_read(struct host_memory *m)
{
	static const char *const kernel[] = {"Slab", "KernelStack", "PageTables", "SecPageTables", "Percpu"};
	char text[8192];
	slurp("/proc/meminfo", text, sizeof text);
	*m = (struct host_memory){.available = number_of(text, "MemAvailable"), .total = number_of(text, "MemTotal")};
	for (size_t i = 0; i < sizeof kernel / sizeof *kernel; i++)
		m->kernel += number_of(text, kernel[i]);
}

double host_busy_seconds(void)
{
	char text[4096];
	double ticks[8] = {0};
	slurp("/proc/stat", text, sizeof text);
	sscanf(text, "cpu %lf %lf %lf %lf %lf %lf %lf", &ticks[0], &ticks[1], &ticks[2], &ticks[3], &ticks[4],
	       &ticks[5], &ticks[6]);
	return (ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]) / (double)sysconf(_SC_CLK_TCK);
}

double process_cpu_seconds(pid_t pid, double *guest)
{
	char path[64], text[1024];
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	slurp(path, text, sizeof text);
	const char *at = strrchr(text, ')');
	double user = 0, system = 0, in_guest = 0, hertz = (double)sysconf(_SC_CLK_TCK);
	char *save, *words = at ? strdup(at + 1) : NULL;
	unsigned field = 3;
	for (char *w = words ? strtok_r(words, " ", &save) : NULL; w; w = strtok_r(NULL, " ", &save), field++) {
		if (field == 14)
			user = strtod(w, NULL);
		else if (field == 15)
			system = strtod(w, NULL);
		else if (field == 43)
			in_guest = strtod(w, NULL);
	}
	free(words);
	if (guest)
		*guest = in_guest / hertz;
	return (user + system) / hertz;
}

double process_pss(pid_t pid)
{
	char path[64], text[4096];
	snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
	slurp(path, text, sizeof text);
	return number_of(text, "Pss");
}

unsigned process_descriptors(pid_t pid)
{
	char path[64];
	unsigned n = 0;
	snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
	DIR *d = opendir(path);
	for (struct dirent *e; d && (e = readdir(d));)
		n += *e->d_name != '.';
	if (d)
		closedir(d);
	return n;
}

/* ---- Settings ---- */

static void set_file(json_t *o, const char *key, const char *path)
{
	char text[512];
	slurp(path, text, sizeof text);
	json_object_set_new(o, key, json_string(*text ? text : "not there"));
}

static void set_cpu(json_t *o)
{
	char text[8192], model[128] = "unknown";
	slurp("/proc/cpuinfo", text, sizeof text);
	const char *at = strstr(text, "model name");
	if (at && (at = strchr(at, ':')))
		snprintf(model, sizeof model, "%.*s", (int)strcspn(at + 2, "\n"), at + 2);
	json_object_set_new(o, "cpu", json_string(model));
	json_object_set_new(o, "cpus", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
}

static void set_kvm(json_t *o)
{
	static const char *const modules[] = {"kvm_intel", "kvm_amd", "kvm_pvm"};
	char path[64], text[256];
	const char *module = "built in, or unknown";
	for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
		snprintf(path, sizeof path, "/sys/module/%s", modules[i]);
		if (access(path, F_OK) == 0)
			module = modules[i];
	}
	json_object_set_new(o, "kvm_module", json_string(module));
	set_file(o, "kvm_nx_huge_pages", "/sys/module/kvm/parameters/nx_huge_pages");
	snprintf(path, sizeof path, "/sys/module/%s/parameters/%s", module, strstr(module, "amd") ? "npt" : "ept");
	json_object_set_new(o, "kvm_nested_paging", json_string(*slurp(path, text, sizeof text) ? text : "not there"));
}

/* favordynmods is an option of the cgroup mount, shown among its options. */
static void set_cgroup(json_t *o)
{
	char text[65536];
	const char *version = "no cgroup mount";
	bool favor = false;
	slurp("/proc/mounts", text, sizeof text);
	char *save;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		bool two = strstr(line, " cgroup2 "), one = strstr(line, " cgroup ");
		if (two || (one && *version == 'n'))
			version = two ? "2" : "1";
		favor |= (one || two) && strstr(line, "favordynmods");
	}
	json_object_set_new(o, "cgroup_version", json_string(version));
	json_object_set_new(o, "cgroup_favordynmods", json_string(favor ? "on" : "off"));
}

static void set_mitigations(json_t *o)
{
	static const char folder[] = "/sys/devices/system/cpu/vulnerabilities";
	json_t *all = json_object();
	DIR *d = opendir(folder);
	for (struct dirent *e; d && (e = readdir(d));) {
		char path[512];
		snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
		if (*e->d_name != '.')
			set_file(all, e->d_name, path);
	}
	if (d)
		closedir(d);
	json_object_set_new(o, "mitigations", all);
}

json_t *host_settings(void)
{
	struct utsname u;
	struct host_memory m;
	json_t *o = json_object();
	uname(&u);
	host_memory_read(&m);
	json_object_set_new(o, "kernel", json_sprintf("%s %s %s", u.sysname, u.release, u.version));
	set_cpu(o);
	json_object_set_new(o, "memory_kib", json_integer((json_int_t)m.total));
	json_object_set_new(o, "available_kib", json_integer((json_int_t)m.available));
	set_kvm(o);
	set_cgroup(o);
	set_file(o, "huge_pages", "/sys/kernel/mm/transparent_hugepage/enabled");
	set_file(o, "huge_pages_defrag", "/sys/kernel/mm/transparent_hugepage/defrag");
	set_file(o, "ksm", "/sys/kernel/mm/ksm/run");
	set_file(o, "overcommit_memory", "/proc/sys/vm/overcommit_memory");
	set_file(o, "clock_source", "/sys/devices/system/clocksource/clocksource0/current_clocksource");
	set_file(o, "cpu_governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
	set_file(o, "smt", "/sys/devices/system/cpu/smt/control");
	set_file(o, "command_line", "/proc/cmdline");
	set_mitigations(o);
	return o;
}
