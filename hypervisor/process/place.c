/* SPDX-License-Identifier: MIT */
#include "process/place.h"

#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/time.h"

#define KEEP_NS UINT64_C(50000000) /* a thread keeps to its CPU, */
#define FREE_NS UINT64_C(2000000)  /* and is the kernel's to move for so long */

static _Thread_local struct {
	cpu_set_t all;  /* that the thread may have */
	bool several;   /* of them: there is something to choose */
	bool kept;      /* to one of them */
	int cpu;        /* to which */
	uint64_t until; /* that changes */
} own;

static _Atomic pid_t free_thread; /* 0: none */

static int keep_to(pid_t pid, int cpu)
{
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET((size_t)cpu, &one);
	return sched_setaffinity(pid, sizeof one, &one);
}

void place_by_this_thread(void)
{
	atomic_store(&free_thread, (pid_t)syscall(SYS_gettid));
}

/* Which CPUs the operator lets this thread have: those that it has, if they are not what it keeps to; else those of one that keeps to
 * none. */
static void learn(void)
{
	cpu_set_t now, kept;
	pid_t other = atomic_load(&free_thread);
	if (sched_getaffinity(0, sizeof now, &now))
		return;
	CPU_ZERO(&kept);
	if (own.kept)
		CPU_SET((size_t)own.cpu, &kept);
	if (!CPU_EQUAL(&now, &kept) || (other && !sched_getaffinity(other, sizeof now, &now)))
		own.all = now;
	own.several = CPU_COUNT(&own.all) > 1;
}

/* The thread keeps to the CPU where it is, or is let go. */
static void change(uint64_t now, int cpu)
{
	learn();
	bool keep = !own.kept && own.several;
	own.until = now + (own.kept ? FREE_NS : KEEP_NS);
	own.cpu = cpu;
	if (keep)
		keep_to(0, cpu);
	else if (own.kept)
		sched_setaffinity(0, sizeof own.all, &own.all);
	own.kept = keep;
}

void stub_place(struct stub *s)
{
	int cpu = sched_getcpu();
	if (cpu < 0 || cpu >= CPU_SETSIZE)
		return;
	uint64_t now = monotonic_ns();
	if (now >= own.until)
		change(now, cpu);
	if (s->cpu_number != cpu + 1)
		s->cpu_number = keep_to(s->pid, cpu) ? 0 : cpu + 1;
}
