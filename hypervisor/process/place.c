/* SPDX-License-Identifier: MIT */
#include "process/place.h"

#include <sched.h>

#include "base/time.h"

#define KEEP_NS UINT64_C(50000000) /* a thread keeps to its CPU, */
#define FREE_NS UINT64_C(2000000)  /* and is the kernel's to move for so long */

static _Thread_local struct {
	cpu_set_t all;  /* that the thread may have */
	bool known;     /* which those are */
	bool kept;      /* to one of them */
	uint64_t until; /* that changes */
} own;

static void keep(bool to_one, int cpu)
{
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET((size_t)cpu, &one);
	own.kept = to_one;
	sched_setaffinity(0, sizeof one, to_one ? &one : &own.all);
}

void stub_place(struct stub *s)
{
	uint64_t now = monotonic_ns();
	int cpu = sched_getcpu();
	if (cpu < 0 || cpu >= CPU_SETSIZE)
		return;
	if (!own.known) {
		own.known = true;
		if (sched_getaffinity(0, sizeof own.all, &own.all))
			CPU_ZERO(&own.all);
	}
	if (CPU_COUNT(&own.all) < 2)
		return;
	if (now >= own.until) {
		keep(!own.kept, cpu);
		own.until = now + (own.kept ? KEEP_NS : FREE_NS);
	}
	if (s->cpu_number == cpu + 1)
		return;
	cpu_set_t here;
	CPU_ZERO(&here);
	CPU_SET((size_t)cpu, &here);
	s->cpu_number = sched_setaffinity(s->pid, sizeof here, &here) ? 0 : cpu + 1;
}
