/* SPDX-License-Identifier: MIT */
#include "process/place.h"

#include <sched.h>

#include "base/time.h"

#define KEEP_NS UINT64_C(50000000) /* a thread keeps to its CPU, */
#define FREE_NS UINT64_C(2000000)  /* and is the kernel's to move for so long */

static _Thread_local struct {
	cpu_set_t all;  /* that the thread may have */
	bool known;     /* which those are */
	bool several;   /* of them: there is something to choose */
	bool kept;      /* to one of them */
	uint64_t until; /* that changes */
} own;

static int keep_to(pid_t pid, int cpu)
{
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET((size_t)cpu, &one);
	return sched_setaffinity(pid, sizeof one, &one);
}

static void learn(void)
{
	own.known = true;
	own.several = !sched_getaffinity(0, sizeof own.all, &own.all) && CPU_COUNT(&own.all) > 1;
}

void stub_place(struct stub *s)
{
	if (!own.known)
		learn();
	int cpu = own.several ? sched_getcpu() : -1;
	if (cpu < 0 || cpu >= CPU_SETSIZE)
		return;
	uint64_t now = monotonic_ns();
	if (now >= own.until) {
		own.kept = !own.kept;
		own.until = now + (own.kept ? KEEP_NS : FREE_NS);
		if (own.kept)
			keep_to(0, cpu);
		else
			sched_setaffinity(0, sizeof own.all, &own.all);
	}
	if (s->cpu_number != cpu + 1)
		s->cpu_number = keep_to(s->pid, cpu) ? 0 : cpu + 1;
}
