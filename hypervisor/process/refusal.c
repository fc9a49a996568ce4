/* SPDX-License-Identifier: MIT */
#include "process/refusal.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cassin/host_facts.h>

#include "process/limits.h"

#define YAMA "/proc/sys/kernel/yama/ptrace_scope"

/* -1: the host has no such setting. */
static long setting(const char *path)
{
	char text[32];
	return cassin_host_text(path, text, sizeof text) ? strtol(text, NULL, 10) : -1;
}

/* Yama's: 0 and 1 let a process trace its children. The sandbox has given up what 2 asks for, root's CAP_SYS_PTRACE. */
static const char *yama(void)
{
	switch (setting(YAMA)) {
	case 2:
		return ": kernel.yama.ptrace_scope is 2: sudo sysctl kernel.yama.ptrace_scope=1 (or root with "
		       "--sandbox off)";
	case 3:
		return ": kernel.yama.ptrace_scope is 3, which holds until the host boots anew: set it to 1 in "
		       "/etc/sysctl.d/ and boot";
	default:
		return NULL;
	}
}

static const char *rule(const char *what)
{
	const char *of_yama = strcmp(what, NEEDS_PTRACE) ? NULL : yama();
	if (of_yama)
		return of_yama;
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != SECCOMP_MODE_FILTER)
		return ": a security module of this host forbids it (AppArmor, SELinux or the like)";
	return strcmp(what, NEEDS_PTRACE)
		       ? ": a container's or a sandbox's rule forbids it"
		       : ": a container's or a sandbox's rule forbids it (docker and podman: --cap-add "
			 "SYS_PTRACE)";
}

static bool forbidden(int r)
{
	return r == -EPERM || r == -EACCES || r == -ENOSYS;
}

int refusal(int r, const char *what, struct cassin_error_text *err)
{
	return cassin_error_set(err, r, "process cells: %s: %s%s", what, strerror(-r), forbidden(r) ? rule(what) : "");
}

int refusal_of_program(int r, struct cassin_error_text *err)
{
	if (r == -EACCES && setting("/proc/sys/vm/memfd_noexec") > 1)
		return cassin_error_set(
			err, r,
			"process cells: their program cannot be a memory file: vm.memfd_noexec is 2: sudo "
			"sysctl vm.memfd_noexec=1");
	return cassin_error_set(err, r, "process cells: cannot make a memory file: %s%s", strerror(-r),
				forbidden(r) ? rule("memfd_create") : "");
}

int refusal_of_process(int r, const struct process_limits *limits, struct cassin_error_text *err)
{
	char why[128];
	limits_say(limits, r, why, sizeof why);
	return cassin_error_set(err, r, "process cells: cannot make a process: %s", why);
}
