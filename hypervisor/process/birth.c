/* SPDX-License-Identifier: MIT */
#include "process/birth.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "process/layout.h"

#define CHILD_STACK (16u << 10)
#define LOOK_NS 20000000L /* at a child that takes so long */

pid_t child_of(int (*run)(void *), void *argument, void *stack_end, int *number); /* child.S */

struct birth {
	int program; /* what it begins as */
	int memory;
	pid_t parent;
	int alive; /* its number, while it shares our memory */
};

/* ---- In the child ---- */

#define OF_CHILD __attribute__((no_sanitize("thread", "address", "undefined"))) static

/* Not by the C library, whose errno is the parent's there. -errno. */
OF_CHILD long call(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	long r = number;
	__asm__ volatile("syscall" : "+a"(r) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
	return r;
}

/* All but the memory go at the exec. Kernels before 5.9 have no close_range(), and containers of their time forbid it. */
OF_CHILD long keep_only_memory(void)
{
	struct rlimit most;
	if (!call(SYS_close_range, 0, STUB_MEMORY - 1, 0, 0, 0) &&
	    !call(SYS_close_range, STUB_MEMORY + 1, ~0u, CLOSE_RANGE_CLOEXEC, 0, 0))
		return 0;
	long r = call(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (uintptr_t)&most, 0);
	for (rlim_t fd = 0; !r && fd < most.rlim_cur; fd++) {
		if (fd != STUB_MEMORY)
			call(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC, 0, 0);
	}
	return r;
}

OF_CHILD long prepare(const struct birth *b)
{
	static const struct rlimit no_core = {0, 0};
	call(SYS_setsid, 0, 0, 0, 0, 0);
	call(SYS_setrlimit, RLIMIT_CORE, (uintptr_t)&no_core, 0, 0, 0);
	long r = call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (!r)
		r = call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (!r && call(SYS_getppid, 0, 0, 0, 0, 0) != b->parent) /* it has died before it could be told */
		r = -ESRCH;
	if (!r)
		r = call(SYS_dup2, (uint64_t)b->memory, STUB_MEMORY, 0, 0, 0);
	if (r >= 0) /* it may have been that one already */
		r = call(SYS_fcntl, STUB_MEMORY, F_SETFD, 0, 0, 0);
	return r ? r : keep_only_memory();
}

/* It shares the parent's memory until the exec: only system calls. All signals are blocked, and stay so until it is traced: before
 * the exec one would run a handler of the parent's, in the parent's memory, and afterwards some would end it. */
OF_CHILD int become_stub(void *opaque)
{
	const struct birth *b = opaque;
	static char *const no_words[] = {NULL};
	long r = prepare(b);
	if (!r)
		r = call(SYS_execveat, (uint64_t)b->program, (uintptr_t) "", (uintptr_t)no_words, (uintptr_t)no_words,
			 AT_EMPTY_PATH);
	call(SYS_exit_group, (uint64_t)-r, 0, 0, 0, 0);
	return 1;
}

/* ---- In the parent ---- */

/* As vfork(2) waits, but for one that was stopped from outside: nothing can keep that signal away, and nobody else may undo it. */
static void await_program(pid_t pid, int *alive)
{
	const struct timespec look = {.tv_nsec = LOOK_NS};
	int number;
	while ((number = __atomic_load_n(alive, __ATOMIC_ACQUIRE))) {
		if (!syscall(SYS_futex, alive, FUTEX_WAIT, number, &look) || errno != ETIMEDOUT)
			continue;
		kill(pid, SIGCONT); /* nothing to one that is not stopped */
	}
}

pid_t birth_of(int program, int memory)
{
	_Alignas(16) unsigned char stack[CHILD_STACK];
	struct birth b = {.program = program, .memory = memory, .parent = getpid()};
	pid_t pid = child_of(become_stub, &b, stack + sizeof stack, &b.alive);
	if (pid > 0)
		await_program(pid, &b.alive);
	return pid;
}
