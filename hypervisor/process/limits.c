/* SPDX-License-Identifier: MIT */
#include "process/limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cassin/host_facts.h>

#define NUMBERS_FEW UINT64_C(65536) /* as many process numbers may really run out */

static uint64_t setting(const char *path)
{
	char text[32];
	return cassin_host_text(path, text, sizeof text) ? strtoull(text, NULL, 10) : 0;
}

void limits_read(struct process_limits *l)
{
	struct rlimit processes;
	uint64_t group = cassin_group_least(&cassin_group_processes);
	*l = (struct process_limits){0};
	if (geteuid() && !getrlimit(RLIMIT_NPROC, &processes) && processes.rlim_cur != RLIM_INFINITY)
		l->user = processes.rlim_cur;
	if (group != UINT64_MAX)
		l->group = group;
	l->numbers = setting("/proc/sys/kernel/pid_max");
	l->threads = setting("/proc/sys/kernel/threads-max");
}

static const char *other_reason(int error)
{
	if (error == -EPERM || error == -EACCES || error == -ENOSYS)
		return "the rules of the container or sandbox around this program";
	return error == -ENOSPC ? "the pool is full" : "the host has no memory for it";
}

void limits_say(const struct process_limits *l, int error, char *text, size_t size)
{
	const struct {
		const char *name;
		uint64_t value;
	} all[] = {{"RLIMIT_NPROC (ulimit -u)", l->user},
		   {"pids.max", l->group},
		   {"kernel.pid_max", (!l->user && !l->group) || l->numbers < NUMBERS_FEW ? l->numbers : 0},
		   {"kernel.threads-max", (!l->user && !l->group) || l->threads < NUMBERS_FEW ? l->threads : 0}};
	size_t at = 0;
	if (error != -EAGAIN) {
		snprintf(text, size, "%s", other_reason(error));
		return;
	}
	snprintf(text, size, "a limit of the host's");
	for (size_t i = 0; i < sizeof all / sizeof *all && at < size; i++) {
		if (all[i].value)
			at += (size_t)snprintf(text + at, size - at, "%s%s is %llu", at ? ", " : "", all[i].name,
					       (unsigned long long)all[i].value);
	}
}

bool limits_met(int error)
{
	return error == -EAGAIN || error == -ENOMEM || error == -ENOSPC;
}
