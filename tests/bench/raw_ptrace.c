/* SPDX-License-Identifier: MIT */
#include "raw_ptrace.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cassin/abi.h>

#include "common.h"

#define OUT_BYTES 2 /* out %al, $PORT */

static struct {
	pid_t child;
	cpu_set_t cpu; /* the child's */
} raw;

static void checked(long result, const char *what)
{
	if (result < 0)
		bench_die("raw loop: %s: %s", what, strerror(errno));
}

static void await_stop(int signal)
{
	int status;
	checked(waitpid(raw.child, &status, __WALL), "waitpid");
	if (!WIFSTOPPED(status) || WSTOPSIG(status) != signal)
		bench_die("raw loop: wait status %#x", (unsigned)status);
}

static _Noreturn void run_child(void)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) || raise(SIGSTOP))
		_exit(1);
	for (;;)
		__asm__ volatile("out %%al, %0" : : "N"(CASSIN_PORT));
}

void raw_ptrace_open(void)
{
	int cpu = sched_getcpu();
	checked(cpu, "sched_getcpu");
	CPU_ZERO(&raw.cpu);
	CPU_SET((unsigned)cpu, &raw.cpu);
	raw.child = fork();
	checked(raw.child, "fork");
	if (!raw.child)
		run_child();
	await_stop(SIGSTOP);
	checked(ptrace(PTRACE_SETOPTIONS, raw.child, NULL, PTRACE_O_EXITKILL), "PTRACE_SETOPTIONS");
	checked(sched_setaffinity(raw.child, sizeof raw.cpu, &raw.cpu), "sched_setaffinity");
	checked(ptrace(PTRACE_CONT, raw.child, NULL, NULL), "PTRACE_CONT"); /* raise() may have a call to make yet */
	await_stop(SIGSEGV);
}

uint64_t raw_ptrace_loop(unsigned n)
{
	struct user_regs_struct registers;
	cpu_set_t own;
	checked(sched_getaffinity(0, sizeof own, &own), "sched_getaffinity");
	checked(sched_setaffinity(0, sizeof raw.cpu, &raw.cpu), "sched_setaffinity");
	uint64_t start = bench_ns();
	while (n--) {
		checked(ptrace(PTRACE_GETREGS, raw.child, NULL, &registers), "PTRACE_GETREGS");
		registers.rip += OUT_BYTES;
		checked(ptrace(PTRACE_SETREGS, raw.child, NULL, &registers), "PTRACE_SETREGS");
		checked(ptrace(PTRACE_SYSEMU, raw.child, NULL, NULL), "PTRACE_SYSEMU");
		await_stop(SIGSEGV);
	}
	uint64_t ns = bench_ns() - start;
	checked(sched_setaffinity(0, sizeof own, &own), "sched_setaffinity");
	return ns;
}
